//! What is most likely wrong with each labelled pose, and how probably.
//!
//! Takes [`Facts`], gives [`Explained`]. Every pose is judged by models that were fitted to other
//! parts of the data ([`folds`]): where the rest of the pose puts a keypoint, and what keypoints
//! look like ([`looks`]). How much each piece of evidence counts is learnt from errors planted into
//! labels that are trusted ([`planted`], [`odds`]), and how frequent errors are from the labels as
//! they are. A pose is explained by its likeliest [`Cause`] alone, not by all that an error makes
//! look odd. `docs/evidence.md` says it at length, with what was measured.

mod body;
mod case;
mod cause;
mod descriptor;
mod discriminant;
mod folds;
mod hints;
mod limits;
mod looks;
mod middles;
mod odds;
mod piece;
mod place;
mod planted;
mod shares;
#[cfg(test)]
mod tests;
mod time;
mod weights;
mod witnesses;

use std::collections::BTreeSet;

use rayon::prelude::*;

use body::Body;
use case::{Case, Source, references};
pub(in crate::audit) use cause::{Cause, Whole};
use cause::{Weighed, weigh};
use odds::Odds;
pub(in crate::audit) use piece::Piece;
use piece::View;
pub(in crate::audit) use place::Placed;
use witnesses::Witnesses;

use crate::audit::models::poses::{Pose, Poses};
use crate::audit::words::listed;
use crate::facts::Facts;

/// What is wrong with the poses of a dataset, in their order.
#[derive(Debug, Default)]
pub struct Explained(Vec<Explanation>);

/// What is wrong with a pose.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::audit) struct Explanation {
    /// Index into the dataset's instances.
    pub(in crate::audit) instance: u32,
    /// The likeliest cause.
    pub(in crate::audit) cause: Cause,
    /// Probability that the pose has an error at all, or another one after those that come before
    /// it were put right.
    pub(in crate::audit) score: f64,
    /// Where a missed keypoint should be.
    pub(in crate::audit) placed: Option<Placed>,
    /// What speaks for the cause.
    pub(in crate::audit) because: Vec<Piece>,
    /// Body length, pixels.
    pub(in crate::audit) body_length_px: f64,
    /// Whether so few poses were there that the score is capped.
    pub(in crate::audit) few: bool,
}

impl Explained {
    /// Returns the explanations with at least a probability.
    pub(in crate::audit) fn above(&self, min_score: f64) -> impl Iterator<Item = &Explanation> {
        self.0.iter().filter(move |explanation| explanation.score >= min_score)
    }
}

impl Explanation {
    /// Returns what speaks for the cause, each piece in its words, as a list; `None` where no piece
    /// does alone.
    pub(in crate::audit) fn told(&self, words: impl Fn(Piece) -> &'static str) -> Option<String> {
        let said: Vec<&str> = self.because.iter().map(|&piece| words(piece)).collect();
        (!said.is_empty()).then(|| listed(&said))
    }

    /// Returns words for the end of a message where the score is capped, else none.
    pub(in crate::audit) fn few(&self) -> &'static str {
        if self.few { " (few poses, so no score is above 0.8)" } else { "" }
    }
}

/// Probability from which a pose is explained. Rules report from a threshold of their own on.
const WORTH: f64 = 0.05;
/// Probability from which an error is likelier than none.
const LIKELY: f64 = 0.5;
/// Probability above which a label does not teach what right ones look like.
const DOUBTED: f64 = 0.3;
/// Poses below which no score is above [`FEW_SCORE`]: each fold then holds fewer than eight, and
/// one odd frame among them decides what is usual.
const FEW: usize = 40;
const FEW_SCORE: f64 = 0.8;
/// Share of a pose's points that may be explained one after the other.
const MOST_SHARE: f64 = 1.0 / 3.0;

/// Explains the poses of a dataset. Uses the current rayon pool; the result does not depend on its
/// number of threads.
pub(super) fn explain(facts: &Facts) -> Explained {
    let source = Source::new(facts);
    let mut all: Vec<Explanation> = Poses::by_skeleton(&facts.dataset)
        .iter()
        .flat_map(|poses| skeleton(facts, &source, poses))
        .collect();
    // One pose is explained several times in the order of probability.
    all.sort_by_key(|explanation| explanation.instance);
    Explained(all)
}

/// Explains the poses of a skeleton.
fn skeleton(facts: &Facts, source: &Source<'_>, poses: &Poses) -> Vec<Explanation> {
    let folds = folds::folds(&facts.dataset, &poses.instances);
    let case = |at: usize| source.case(poses.instances[at], folds[at]);
    let references: Vec<Case<'_>> = references(facts, poses).into_iter().map(case).collect();
    let skeleton = &facts.dataset.skeletons[poses.skeleton];
    let kinds = skeleton.keypoints.len();
    let pairs: Vec<[usize; 2]> = (skeleton.pairs.iter())
        .map(|pair| pair.map(usize::from))
        .filter(|&[a, b]| a != b && a.max(b) < kinds)
        .collect();
    let views: BTreeSet<View> = poses.instances.iter().map(|&at| source.view(at)).collect();
    let learner = Learner { cases: &references, pairs: &pairs, kinds, views };
    let Some(judge) = learner.learn(poses.body_length_px) else { return Vec::new() };
    let few = poses.instances.len() < FEW;
    let all = (0..poses.instances.len()).into_par_iter();
    all.flat_map_iter(|at| judge.explain(&case(at), few)).collect()
}

/// Models and odds of a skeleton.
struct Judge<'a> {
    witnesses: Witnesses,
    odds: Odds,
    pairs: &'a [[usize; 2]],
}

/// What a judge is learnt from.
struct Learner<'a> {
    cases: &'a [Case<'a>],
    pairs: &'a [[usize; 2]],
    /// Number of keypoints.
    kinds: usize,
    /// Which pieces of evidence there are of poses that are to be judged.
    views: BTreeSet<View>,
}

impl<'a> Learner<'a> {
    /// Learns twice: the second time without labels that the first doubts, which may be few and yet
    /// spoil what a rare keypoint looks like.
    fn learn(&self, length_px: f64) -> Option<Judge<'a>> {
        let all: Vec<Pose> = self.cases.iter().map(|case| case.pose.clone()).collect();
        let body = Body::of(&all, length_px);
        let (judge, weighed) = self.once(&body, &|_, _| true)?;
        let doubted = judge.doubted(&weighed);
        if doubted.iter().all(Vec::is_empty) {
            return Some(judge);
        }
        let trusted = |at: usize, kind: usize| !doubted[at].contains(&kind);
        Some(self.once(&body, &trusted)?.0)
    }

    /// Learns from the labels that are trusted; returns the evidence about all, case by case, too.
    fn once(
        &self,
        body: &Body,
        trusted: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Option<(Judge<'a>, Vec<Weighed>)> {
        let Learner { cases, pairs, kinds, ref views } = *self;
        let witnesses = Witnesses::fit(cases, body.clone(), kinds, trusted)?;
        let actual: Vec<Weighed> =
            cases.par_iter().map(|case| weigh(&witnesses, pairs, case, &case.pose)).collect();
        let planted = planted::plant(&witnesses, cases, kinds, trusted);
        let odds = Odds::learn(&actual, &planted, pairs.len(), views, trusted);
        Some((Judge { witnesses, odds, pairs }, actual))
    }
}

impl Judge<'_> {
    /// Returns the keypoints that are doubted, case by case.
    fn doubted(&self, weighed: &[Weighed]) -> Vec<Vec<usize>> {
        (weighed.iter().zip(self.odds.doubts(weighed)))
            .map(|(weighed, doubt)| {
                let points = weighed.points.iter().zip(doubt.points);
                points.filter(|&(_, doubt)| doubt > DOUBTED).map(|(&(kind, _), _)| kind).collect()
            })
            .collect()
    }

    /// Explains a pose: by its likeliest cause, and, where that leaves it doubtful after it is put
    /// right, by the next.
    fn explain(&self, case: &Case<'_>, few: bool) -> Vec<Explanation> {
        let mut pose = case.pose.clone();
        let most = ((case.labelled().len() as f64 * MOST_SHARE) as usize).max(1);
        let mut found: Vec<Explanation> = Vec::new();
        while found.len() < most {
            let weighed = weigh(&self.witnesses, self.pairs, case, &pose);
            let causes = self.odds.causes(&weighed);
            let total: f64 = causes.iter().map(|weight| weight.odds).sum();
            let probability = total / (1.0 + total);
            let likeliest = causes.iter().max_by(|a, b| a.odds.total_cmp(&b.odds));
            let Some(likeliest) = likeliest.filter(|_| probability >= WORTH) else { break };
            // A second error is worth telling only where it is likely, after a likely first.
            if !found.is_empty() && probability < LIKELY {
                break;
            }
            let cause = odds::told(likeliest, &causes).clone();
            found.push(Explanation {
                instance: case.instance,
                score: if few { probability.min(FEW_SCORE) } else { probability },
                placed: match cause {
                    Cause::Miss(kind) => place::place(&self.witnesses, case, &pose, kind),
                    _ => None,
                },
                because: self.odds.said(&weighed, &cause).against(),
                body_length_px: self.witnesses.body.length_px,
                few,
                cause: cause.clone(),
            });
            match cause {
                Cause::Miss(kind) => pose[kind] = None,
                Cause::Exchange(pairs) => pose = witnesses::exchanged(&pose, &pairs),
                Cause::Between(kind, other) => {
                    let fellow = case.fellows.iter().find(|fellow| fellow.instance == other);
                    pose[kind] = fellow.and_then(|fellow| fellow.pose[kind]);
                }
                Cause::Whole(_) => break,
            }
            if probability < LIKELY {
                break;
            }
        }
        found
    }
}
