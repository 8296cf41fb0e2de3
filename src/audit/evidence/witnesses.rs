//! What speaks for and against the label of a keypoint, from models that never saw its frame.

use rayon::prelude::*;

use super::body::Body;
use super::case::Case;
use super::folds::FOLDS;
use super::hints::{Hint, Hinted};
use super::limits::{within, within_exchange};
use super::looks::Looks;
use super::piece::{Evidence, Piece};
use super::time;
use crate::audit::models::belief::anywhere_ratio;
use crate::audit::models::pose::{PoseModel, least_sd_px};
use crate::audit::models::poses::{Point, Pose};

/// Models of all pieces of evidence, each for the fold that it was not fitted to.
#[derive(Debug)]
pub(super) struct Witnesses {
    pub(super) body: Body,
    /// By fold; `None` where the others hold too few poses.
    geometry: Vec<Option<PoseModel>>,
    looks: Looks,
    predicted: Hinted,
    /// After the animal's own movement, and without it.
    beside: Hinted,
    unmoved: Hinted,
}

impl Witnesses {
    /// Fits the models to labels that are trusted; `trusted` is asked for a case and a keypoint.
    /// `None` where no fold can be judged.
    pub(super) fn fit(
        cases: &[Case<'_>],
        body: Body,
        kinds: usize,
        trusted: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Option<Witnesses> {
        let geometry: Vec<Option<PoseModel>> = (0..FOLDS)
            .into_par_iter()
            .map(|fold| {
                let others = cases.iter().enumerate().filter(|(_, case)| case.fold != fold);
                let rows: Vec<Pose> = others
                    .map(|(at, case)| {
                        let points = case.pose.iter().enumerate();
                        points.map(|(kind, &p)| p.filter(|_| trusted(at, kind))).collect()
                    })
                    .collect();
                PoseModel::of(&rows, kinds, body.length_px)
            })
            .collect();
        let least_sd_px = least_sd_px(body.length_px);
        geometry.iter().any(Option::is_some).then(|| Witnesses {
            looks: Looks::learn(cases, &body, kinds, trusted),
            predicted: Hinted::learn(cases, predicted, trusted, least_sd_px),
            beside: Hinted::learn(
                cases,
                |case, kind| beside(case, &case.pose, kind),
                trusted,
                least_sd_px,
            ),
            unmoved: Hinted::learn(cases, unmoved, trusted, least_sd_px),
            body,
            geometry,
        })
    }

    /// Returns the geometry that may judge a case.
    pub(super) fn geometry(&self, case: &Case<'_>) -> Option<&PoseModel> {
        self.geometry[case.fold].as_ref()
    }

    /// Returns what speaks against a place of a keypoint, given the rest of a pose. No evidence is
    /// a ratio of 1.
    pub(super) fn evidence(
        &self,
        case: &Case<'_>,
        pose: &Pose,
        kind: usize,
        at: Point,
    ) -> Evidence {
        let says = |piece| within(piece, self.says(piece, case, pose, kind, at).unwrap_or(0.0));
        Evidence(Piece::ALL.map(|piece| case.has(piece).then(|| says(piece))))
    }

    /// Returns what one piece of evidence says against a place: the logarithm of how much likelier
    /// it is if the keypoint is anywhere within a body length; `None` where it says nothing.
    fn says(
        &self,
        piece: Piece,
        case: &Case<'_>,
        pose: &Pose,
        kind: usize,
        at: Point,
    ) -> Option<f64> {
        let log_density = match piece {
            Piece::Picture => return self.looks.wrong(case, &self.body, pose, kind, at),
            Piece::Pose => return self.geometry(case)?.log_ratio(pose, kind, at),
            Piece::Prediction => {
                self.predicted.log_density(case, &predicted(case, kind)?, kind, at)?
            }
            Piece::Time => self.beside.log_density(case, &beside(case, pose, kind)?, kind, at)?,
        };
        Some(anywhere_ratio(log_density, self.body.length_px))
    }

    /// Returns what the frames before and after say against a place if the animal did not move.
    pub(super) fn unmoved(&self, case: &Case<'_>, kind: usize, at: Point) -> f64 {
        let expected = unmoved(case, kind)
            .and_then(|hint| self.unmoved.log_density(case, &hint, kind, at))
            .map(|log_density| anywhere_ratio(log_density, self.body.length_px));
        within(Piece::Time, expected.unwrap_or(0.0))
    }

    /// Returns what speaks against each labelled point of a pose of a case.
    pub(super) fn of_pose(&self, case: &Case<'_>, pose: &Pose) -> Vec<(usize, Evidence)> {
        (pose.iter().enumerate())
            .filter_map(|(kind, &at)| Some((kind, self.evidence(case, pose, kind, at?))))
            .collect()
    }

    /// Returns what speaks for exchanging keypoints pairwise: that both fit the pose better, look
    /// more like each other's, and lie nearer to where each other is hinted at.
    pub(super) fn exchange(&self, case: &Case<'_>, pose: &Pose, pairs: &[[usize; 2]]) -> Evidence {
        let exchanged = exchanged(pose, pairs);
        let gain = |piece: Piece| {
            let against = |pose: &Pose, kind: usize| {
                let said = pose[kind].and_then(|at| self.says(piece, case, pose, kind, at));
                said.unwrap_or(0.0)
            };
            let gains = pairs.iter().flatten().map(|&k| against(pose, k) - against(&exchanged, k));
            within_exchange(piece, gains.sum())
        };
        Evidence(Piece::ALL.map(|piece| case.has(piece).then(|| gain(piece))))
    }

    /// Returns what another individual of a case's image would gain if it had a keypoint elsewhere,
    /// as far as its pose and the picture tell.
    pub(super) fn gained_by_fellow(
        &self,
        case: &Case<'_>,
        fellow: &Pose,
        kind: usize,
        to: Point,
    ) -> Evidence {
        let gain = |piece: Piece| {
            let against = |at| self.says(piece, case, fellow, kind, at).unwrap_or(0.0);
            let before = fellow[kind].map_or(0.0, against);
            within(piece, before) - within(piece, against(to))
        };
        Evidence(Piece::ALL.map(|piece| match piece {
            Piece::Pose | Piece::Picture => case.has(piece).then(|| gain(piece)),
            // These are of the case's own individual.
            Piece::Prediction | Piece::Time => case.has(piece).then_some(0.0),
        }))
    }
}

/// Returns where a model sees a keypoint of a case.
pub(super) fn predicted(case: &Case<'_>, kind: usize) -> Option<Hint> {
    case.predicted.as_ref()?[kind]
}

/// Returns where the frames before and after put a keypoint of a pose of a case.
pub(super) fn beside(case: &Case<'_>, pose: &Pose, kind: usize) -> Option<Hint> {
    time::moved(case.beside.as_ref()?, pose, kind)
}

/// Returns where the frames before and after have a keypoint of a case.
fn unmoved(case: &Case<'_>, kind: usize) -> Option<Hint> {
    case.beside.as_ref()?[kind]
}

/// Returns a pose with keypoints exchanged pairwise.
pub(super) fn exchanged(pose: &Pose, pairs: &[[usize; 2]]) -> Pose {
    let mut pose = pose.clone();
    pairs.iter().for_each(|&[a, b]| pose.swap(a, b));
    pose
}
