//! What speaks for and against the label of a keypoint, from models that never saw its frame.

use rayon::prelude::*;

use super::body::Body;
use super::case::Case;
use super::folds::FOLDS;
use super::limits::within;
use super::looks::Looks;
use crate::audit::models::pose::PoseModel;
use crate::audit::models::poses::{Point, Pose};

/// Evidence about one place: logarithms of likelihood ratios, positive where it looks wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Evidence {
    /// Of the rest of the pose.
    pub(super) geometry: f64,
    /// Of what lies around the place; `None` without a picture.
    pub(super) look: Option<f64>,
}

/// Models of geometry and appearance, each for the fold that it was not fitted to.
#[derive(Debug)]
pub(super) struct Witnesses {
    pub(super) body: Body,
    /// By fold; `None` where the others hold too few poses.
    geometry: Vec<Option<PoseModel>>,
    looks: Looks,
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
        geometry.iter().any(Option::is_some).then(|| Witnesses {
            looks: Looks::learn(cases, &body, kinds, trusted),
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
        let geometry = self.geometry(case).and_then(|model| model.log_ratio(pose, kind, at));
        Evidence {
            geometry: geometry.map_or(0.0, within),
            look: case
                .preview
                .map(|_| self.looks.wrong(case, &self.body, pose, kind, at).unwrap_or(0.0)),
        }
    }

    /// Returns what speaks against each labelled point of a pose of a case.
    pub(super) fn of_pose(&self, case: &Case<'_>, pose: &Pose) -> Vec<(usize, Evidence)> {
        (pose.iter().enumerate())
            .filter_map(|(kind, &at)| Some((kind, self.evidence(case, pose, kind, at?))))
            .collect()
    }

    /// Returns what speaks for exchanging keypoints pairwise: that both fit the pose better, and
    /// that both look more like each other's.
    pub(super) fn exchange(&self, case: &Case<'_>, pose: &Pose, pairs: &[[usize; 2]]) -> Evidence {
        let exchanged = exchanged(pose, pairs);
        let (mut gain, mut look) = (0.0, case.preview.map(|_| 0.0));
        for &kind in pairs.iter().flatten() {
            let against = |pose: &Pose| {
                let model = self.geometry(case)?;
                model.log_ratio(pose, kind, pose[kind]?)
            };
            gain += against(pose).unwrap_or(0.0) - against(&exchanged).unwrap_or(0.0);
            if let Some(look) = &mut look {
                let wrong = |pose: &Pose| {
                    pose[kind].and_then(|at| self.looks.wrong(case, &self.body, pose, kind, at))
                };
                *look += wrong(pose).unwrap_or(0.0) - wrong(&exchanged).unwrap_or(0.0);
            }
        }
        let bound = |value: f64| value.clamp(-EXCHANGE, EXCHANGE);
        Evidence { geometry: bound(gain), look: look.map(bound) }
    }
}

/// Greatest logarithm of a likelihood ratio for or against an exchange that one kind of evidence
/// may give: as for two points. The same both ways, since exchanging again is the reverse.
const EXCHANGE: f64 = 30.0;

/// Returns a pose with keypoints exchanged pairwise.
pub(super) fn exchanged(pose: &Pose, pairs: &[[usize; 2]]) -> Pose {
    let mut pose = pose.clone();
    pairs.iter().for_each(|&[a, b]| pose.swap(a, b));
    pose
}
