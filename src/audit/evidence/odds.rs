//! From evidence to odds, and how frequent errors are.
//!
//! How much each piece of evidence counts is learnt from planted errors against the labels as they
//! are ([`weights`]). Those hold errors themselves, so each counts by the probability that it is
//! right, in turns (expectation maximisation): else the odds against a label could never be greater
//! than one to the frequency of errors.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::{Cause, Weighed, Whole};
use super::middles::Middles;
use super::piece::{Evidence, View};
use super::planted::{Planted, STRENGTHS, WHOLES};
use super::shares::{GROUPS, Shares, WHOLE};
use super::weights::{Examples, Weights};
use crate::stats::robust;

/// What makes odds of evidence.
#[derive(Debug, Clone)]
pub(super) struct Odds {
    /// By which pieces of evidence there are.
    views: BTreeMap<View, Weights>,
    middles: Middles,
    /// Share of the poses that have an error.
    prevalence: f64,
    /// How much more frequent errors of a group are than thought before looking.
    often: [f64; GROUPS],
}

/// A cause with its group, and its share of all errors before looking times its likelihood ratio.
/// Several of one cause follow each other.
type Term = (Cause, usize, f64);

/// A cause of a pose with its odds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weight {
    pub(super) cause: Cause,
    /// Odds against there being no error.
    pub(super) odds: f64,
}

/// Returns what to call the likeliest cause. A pose of another frame looks like one that was moved;
/// it is called so only where that is clearly likelier.
pub(super) fn told<'a>(likeliest: &'a Weight, causes: &'a [Weight]) -> &'a Cause {
    let moved = causes.iter().find(|weight| weight.cause == Cause::Whole(Whole::Moved));
    match (&likeliest.cause, moved) {
        (Cause::Whole(Whole::CarriedOver), Some(moved))
            if CLEARLY * moved.odds > likeliest.odds =>
        {
            &moved.cause
        }
        (cause, _) => cause,
    }
}

/// How much likelier that has to be.
const CLEARLY: f64 = 3.0;

/// Share of the poses, and of the points, that may teach nothing, since they are doubted: with more,
/// what is usual could not be told.
const MOST_WRONG: f64 = 0.3;
/// Turns in which weights and probabilities are learnt from each other.
const TURNS: usize = 8;

impl Odds {
    /// Learns from the evidence about the labels as they are, case by case, and about planted
    /// errors, for each of some views. `trusted` is asked for a case and a keypoint.
    pub(super) fn learn(
        actual: &[Weighed],
        planted: &Planted,
        pairs: usize,
        views: &BTreeSet<View>,
        trusted: &dyn Fn(usize, usize) -> bool,
    ) -> Odds {
        let middles = Middles::of(actual, planted);
        let often = [1.0; GROUPS];
        let mut odds = Odds { views: BTreeMap::new(), middles, prevalence: PREVALENCE, often };
        let before = Weights::before(planted.misses[0].len(), pairs);
        let mut doubts: Vec<Doubt> =
            actual.iter().map(|weighed| Doubt::first(weighed, &before, &odds.middles)).collect();
        for _ in 0..TURNS {
            let middles = &odds.middles;
            let examples = Examples { actual, doubts: &doubts, planted, middles, pairs, trusted };
            odds.views = examples.learn(views);
            odds.prevalence = odds.prevalence(actual);
            odds.often = odds.often(actual);
            doubts = odds.doubts(actual);
        }
        odds
    }

    /// Returns how much each pose is doubted, most of which are right: where more than
    /// [`MOST_WRONG`] would be doubted, only what stands out from the others is.
    pub(super) fn doubts(&self, all: &[Weighed]) -> Vec<Doubt> {
        let mut doubts: Vec<Doubt> = all.iter().map(|weighed| self.doubt(weighed)).collect();
        let mut any: Vec<f64> = doubts.iter().map(|doubt| doubt.any).collect();
        let mut points: Vec<f64> = doubts.iter().flat_map(|d| d.points.clone()).collect();
        let [any, points] = [&mut any, &mut points]
            .map(|all| robust::quantile(all, 1.0 - MOST_WRONG).unwrap_or(0.0));
        let beyond = |doubt: &mut f64, usual: f64| {
            *doubt = (*doubt - usual).max(0.0) / (1.0 - usual).max(f64::MIN_POSITIVE);
        };
        for doubt in &mut doubts {
            beyond(&mut doubt.any, any);
            doubt.points.iter_mut().for_each(|doubt| beyond(doubt, points));
        }
        doubts
    }

    /// Returns the causes of a pose with their odds, in a fixed order.
    pub(super) fn causes(&self, weighed: &Weighed) -> Vec<Weight> {
        let prior = self.prevalence / (1.0 - self.prevalence);
        (self.ratios(weighed).into_iter())
            .map(|(cause, ratio)| Weight { cause, odds: prior * ratio })
            .collect()
    }

    /// Returns what the evidence about a pose says of a cause, beyond the middle between right labels
    /// and such errors.
    pub(super) fn said(&self, weighed: &Weighed, cause: &Cause) -> Evidence {
        let view = self.view(weighed);
        let likeliest = |ratios: &mut dyn Iterator<Item = (usize, f64)>| {
            ratios.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(at, _)| at)
        };
        let said = match cause {
            Cause::Miss(kind) => {
                let point = weighed.points.iter().find(|(of, _)| of == kind);
                view.zip(point).map(|(view, (_, evidence))| {
                    let ratios = view.miss(*kind, evidence, &self.middles);
                    let strength = likeliest(&mut ratios.into_iter().enumerate());
                    self.middles.misses[strength][*kind].beyond(evidence)
                })
            }
            Cause::Exchange(_) | Cause::Between(..) => {
                let exchange = weighed.exchanges.iter().find(|exchange| &exchange.cause == cause);
                exchange.map(|exchange| exchange.evidence)
            }
            Cause::Whole(whole) => view.zip(weighed.whole).map(|(view, evidence)| {
                let mut of_whole =
                    view.whole(&evidence, &self.middles).filter(|&(at, _)| WHOLES[at].0 == *whole);
                self.middles.whole[likeliest(&mut of_whole)].beyond(&evidence)
            }),
        };
        said.unwrap_or_default()
    }

    /// Returns the weights for a pose: all evidence about it is of one view.
    fn view(&self, weighed: &Weighed) -> Option<&Weights> {
        let (_, evidence) = weighed.points.first()?;
        self.views.get(&evidence.view())
    }

    /// Returns how much a pose is doubted.
    fn doubt(&self, weighed: &Weighed) -> Doubt {
        let causes = self.causes(weighed);
        let total: f64 = causes.iter().map(|weight| weight.odds).sum();
        let kinds = weighed.points.iter().map(|&(kind, _)| kind);
        let of_kind = |kind: usize| {
            let of = |cause: &Cause| match cause {
                Cause::Miss(of) => *of == kind,
                Cause::Exchange(pairs) => pairs.iter().flatten().any(|&of| of == kind),
                Cause::Between(of, _) => *of == kind,
                Cause::Whole(_) => true,
            };
            let odds = causes.iter().filter(|weight| of(&weight.cause)).map(|weight| weight.odds);
            odds.sum::<f64>() / (1.0 + total)
        };
        Doubt { any: total / (1.0 + total), points: kinds.map(of_kind).collect() }
    }

    /// Returns the causes of a pose, each with its share of all errors times its likelihood
    /// ratio.
    fn ratios(&self, weighed: &Weighed) -> Vec<(Cause, f64)> {
        let mut ratios: Vec<(Cause, f64)> = Vec::new();
        for (cause, group, ratio) in self.terms(weighed) {
            let ratio = self.often[group] * ratio;
            match ratios.last_mut() {
                Some((last, sum)) if *last == cause => *sum += ratio,
                _ => ratios.push((cause, ratio)),
            }
        }
        ratios
    }

    /// Returns the causes of a pose, group by group.
    fn terms(&self, weighed: &Weighed) -> Vec<Term> {
        let Some(view) = self.view(weighed) else { return Vec::new() };
        let shares = Shares::of(weighed);
        let one = |group: usize| shares.of_one(group);
        let misses = weighed.points.iter().flat_map(|&(kind, ref evidence)| {
            let ratios = view.miss(kind, evidence, &self.middles).into_iter().enumerate();
            ratios.map(move |(strength, ratio)| (Cause::Miss(kind), strength, ratio))
        });
        let exchanges = weighed
            .exchanges
            .iter()
            .map(|exchange| (exchange.cause.clone(), exchange.of.group(), view.exchange(exchange)));
        let wholes = weighed.whole.iter().flat_map(|evidence| view.whole(evidence, &self.middles));
        let wholes = wholes.map(|(at, ratio)| (Cause::Whole(WHOLES[at].0), WHOLE, ratio));
        let all = misses.chain(exchanges).chain(wholes);
        all.map(|(cause, group, ratio)| (cause, group, one(group) * ratio)).collect()
    }

    /// Returns how much more frequent errors of each group are than thought, with as much doubt as
    /// [`ERRORS`] errors shared out as thought leave.
    fn often(&self, actual: &[Weighed]) -> [f64; GROUPS] {
        let odds = self.prevalence / (1.0 - self.prevalence);
        let (mut thought, mut found) = ([0.0; GROUPS], [0.0; GROUPS]);
        for weighed in actual {
            let shares = Shares::of(weighed).of_group;
            thought.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
            let terms: Vec<(usize, f64)> = (self.terms(weighed).into_iter())
                .map(|(_, group, ratio)| (group, odds * self.often[group] * ratio))
                .collect();
            let total: f64 = terms.iter().map(|(_, odds)| odds).sum();
            terms.iter().for_each(|&(group, odds)| found[group] += odds / (1.0 + total));
        }
        let poses = actual.len().max(1) as f64;
        let all: f64 = found.iter().sum();
        std::array::from_fn(|group| {
            let thought = thought[group] / poses;
            let share = (found[group] + ERRORS * thought) / (all + ERRORS);
            if thought > 0.0 { share / thought } else { 1.0 }
        })
    }

    /// Returns the share of poses with an error that makes the evidence likeliest.
    ///
    /// # Source
    /// Saerens, Latinne & Decaestecker (2002), "Adjusting the outputs of a classifier to new a
    /// priori probabilities", doi:10.1162/089976602753284446, with a beta prior.
    fn prevalence(&self, actual: &[Weighed]) -> f64 {
        let ratios: Vec<f64> = (actual.iter())
            .map(|weighed| self.ratios(weighed).iter().map(|(_, ratio)| ratio).sum())
            .collect();
        let mut share = self.prevalence;
        for _ in 0..MOST_STEPS {
            let odds = share / (1.0 - share);
            let wrong: f64 = ratios.iter().map(|r| odds * r / (1.0 + odds * r)).sum();
            let next = (wrong + PREVALENCE * POSES) / (ratios.len() as f64 + POSES);
            let close = (next - share).abs() < 1e-5;
            share = next;
            if close {
                break;
            }
        }
        share
    }
}

/// How many errors the shares that are thought before looking count as.
const ERRORS: f64 = 5.0;

/// Share of poses that have an error, before looking: that of labels found wrong in ten published
/// test sets, Northcutt, Athalye & Mueller (2021), "Pervasive label errors in test sets".
const PREVALENCE: f64 = 0.033;
/// How many poses that counts as.
const POSES: f64 = 20.0;
const MOST_STEPS: usize = 100;

/// Probabilities that labels are wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Doubt {
    /// Any of the pose.
    pub(super) any: f64,
    /// Each of its labelled points, in the order of [`Weighed::points`].
    pub(super) points: Vec<f64>,
}

impl Doubt {
    /// Where to start: a pose is doubted where an exchange would fit better, or where it looks wrong as
    /// a whole, as if that evidence counted as before looking, and a point where half the evidence
    /// against it would do. A few errors among many right labels would else teach that such evidence
    /// means nothing. Of single points there are many that are odd and right, which a start in full
    /// doubt would never forgive.
    fn first(weighed: &Weighed, before: &Weights, middles: &Middles) -> Doubt {
        let exchanges = weighed.exchanges.iter().map(|exchange| before.exchange(exchange));
        let wholes = weighed.whole.iter().flat_map(|of| before.whole(of, middles));
        let wholes = wholes.map(|(_, ratio)| ratio);
        let odds = exchanges.chain(wholes).map(|ratio| PREVALENCE * ratio);
        let total: f64 = odds.sum();
        let each = PREVALENCE / weighed.points.len().max(1) as f64;
        let point = |(kind, evidence): &(usize, Evidence)| {
            let ratios = before.miss(*kind, evidence, middles);
            let odds = each * ratios.iter().sum::<f64>() / STRENGTHS.len() as f64;
            odds / (1.0 + odds)
        };
        Doubt { any: total / (1.0 + total), points: weighed.points.iter().map(point).collect() }
    }
}
