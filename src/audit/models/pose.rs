//! The pose model: where each keypoint should be, judged by the rest of its pose, and
//! which labels fit better after left and right are exchanged.
//!
//! Each keypoint has up to seven [witnesses](super::witness). It is contradicted only
//! when even its more favourable witnesses object, so that a wrong neighbour does not
//! incriminate it. How far a keypoint usually is from what they say sets the scale, so
//! that a paw may move more than an ear.

use super::poses::{Point, Pose, Poses, REFERENCES, pose};
use super::witness::{self, Witness};
use crate::dataset::Dataset;
use crate::stats::robust;

/// Where keypoints should be, fitted to the poses of one skeleton.
#[derive(Debug)]
pub(in crate::audit) struct PoseModel {
    witnesses: Vec<Vec<Witness>>,
    /// By keypoint: what a witness' standard deviation must be multiplied by to be that
    /// of the whole. Positive.
    scale: Vec<f64>,
    body_length_px: f64,
}

/// How a labelled point fits the rest of its pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Fit {
    /// Distance from where it should be, in standard deviations of this keypoint.
    pub(in crate::audit) z: f64,
    /// Where it should be.
    pub(in crate::audit) at: Point,
    /// Standard deviation of that, pixels.
    pub(in crate::audit) sd_px: f64,
}

impl PoseModel {
    /// Fits the model, `None` of fewer than 20 poses with three points.
    pub(in crate::audit) fn fit(dataset: &Dataset, poses: &Poses) -> Option<PoseModel> {
        let rows: Vec<Pose> = (poses.sample(REFERENCES).into_iter())
            .map(|at| pose(dataset, &dataset.instances[at as usize]))
            .filter(|pose| pose.iter().flatten().count() >= 3)
            .collect();
        if rows.len() < witness::MIN_POSES {
            return None;
        }
        let kinds = dataset.skeletons[poses.skeleton].keypoints.len();
        let least_sd_px = LEAST_SD_PX.max(LEAST_SD_LENGTHS * poses.body_length_px);
        let witnesses = witness::choose(&rows, kinds, least_sd_px);
        let mut model =
            PoseModel { witnesses, scale: vec![1.0; kinds], body_length_px: poses.body_length_px };
        model.scale = (0..kinds).map(|kind| model.usual(&rows, kind)).collect();
        Some(model)
    }

    /// Returns how far a keypoint usually is from what its witnesses say.
    ///
    /// Quantiles of the Rayleigh distribution, which distances of normally distributed
    /// points follow, are √(−2 ln(1 − q)). The larger of two estimates is taken: the
    /// upper one sees heavy tails, and bears a tenth of wrong labels.
    fn usual(&self, rows: &[Pose], kind: usize) -> f64 {
        let mut all: Vec<f64> =
            rows.iter().filter_map(|row| Some(self.fit_of(row, kind)?.z)).collect();
        let scale = |share: f64, all: &mut [f64]| {
            let rayleigh = (-2.0 * (1.0 - share).ln()).sqrt();
            robust::quantile(all, share).unwrap_or(0.0) / rayleigh
        };
        scale(0.5, &mut all).max(scale(0.9, &mut all)).max(LEAST_SCALE)
    }

    /// Returns how a keypoint fits the rest of its pose, `None` where it is not labelled
    /// or nothing speaks of it.
    pub(in crate::audit) fn fit_of(&self, pose: &Pose, kind: usize) -> Option<Fit> {
        self.fit_at(pose, kind, pose[kind]?)
    }

    /// Returns how a place would fit as that of a keypoint.
    pub(in crate::audit) fn fit_at(&self, pose: &Pose, kind: usize, point: Point) -> Option<Fit> {
        let mut said: Vec<_> =
            self.witnesses[kind].iter().filter_map(|w| w.testify(pose, point)).collect();
        said.sort_by(|a, b| a.z.total_cmp(&b.z));
        let lenient = said.get((FAVOURABLE * said.len() as f64) as usize)?;
        let (scale, z) = (self.scale[kind], lenient.z);
        let sd_px = lenient.sd_px * scale;
        let places: Vec<Point> = said.iter().map(|testimony| testimony.at).collect();
        Some(Fit { z: z / scale, at: [middle(&places, 0)?, middle(&places, 1)?], sd_px })
    }

    /// Returns where a keypoint should be, labelled or not: the median of its witnesses.
    pub(in crate::audit) fn place(&self, pose: &Pose, kind: usize) -> Option<Point> {
        let said: Vec<Point> = (self.witnesses[kind].iter())
            .filter_map(|witness| Some(witness.testify(pose, [0.0; 2])?.at))
            .collect();
        Some([middle(&said, 0)?, middle(&said, 1)?])
    }

    /// Returns the probability that a point is wrong.
    ///
    /// Two hypotheses: a right label follows a bivariate t distribution around its
    /// place; a wrong one lies anywhere within a body length.
    pub(in crate::audit) fn wrong(&self, fit: &Fit, prior: f64) -> f64 {
        use std::f64::consts::PI;
        let right = surprise(fit.z).mul_add(-1.0, -(2.0 * PI * fit.sd_px * fit.sd_px).ln());
        let wrong = -(PI * self.body_length_px * self.body_length_px).ln();
        posterior(prior, wrong - right)
    }

    /// Returns the body length in pixels.
    pub(in crate::audit) fn body_length_px(&self) -> f64 {
        self.body_length_px
    }

    /// Returns how much better two keypoints fit exchanged than as labelled: the
    /// logarithm of a likelihood ratio, and the worse of both fits after the exchange.
    pub(in crate::audit) fn exchange(
        &self,
        pose: &mut Pose,
        [a, b]: [usize; 2],
    ) -> Option<Exchange> {
        let before = [self.fit_of(pose, a)?.z, self.fit_of(pose, b)?.z];
        pose.swap(a, b);
        let after = (self.fit_of(pose, a), self.fit_of(pose, b));
        pose.swap(a, b);
        let after = [after.0?.z, after.1?.z];
        let gain =
            surprise(before[0]) + surprise(before[1]) - surprise(after[0]) - surprise(after[1]);
        Some(Exchange { gain, before, after })
    }

    /// Returns the total surprise of a pose, and the number of points that have any.
    pub(in crate::audit) fn surprise(&self, pose: &Pose) -> f64 {
        (0..pose.len()).filter_map(|kind| Some(surprise(self.fit_of(pose, kind)?.z))).sum()
    }
}

/// Returns the median of a coordinate.
fn middle(points: &[Point], axis: usize) -> Option<f64> {
    robust::median(&mut points.iter().map(|point| point[axis]).collect::<Vec<f64>>())
}

/// What exchanging two keypoints would do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Exchange {
    /// Logarithm of the likelihood ratio, positive where exchanged labels fit better.
    pub(in crate::audit) gain: f64,
    /// Fits as labelled, standard deviations.
    pub(in crate::audit) before: [f64; 2],
    /// Fits after the exchange, standard deviations.
    pub(in crate::audit) after: [f64; 2],
}

/// Returns the probability of a hypothesis.
///
/// `log_ratio` is the logarithm of the likelihood ratio in its favour.
pub(in crate::audit) fn posterior(prior: f64, log_ratio: f64) -> f64 {
    1.0 / (1.0 + (1.0 - prior) / prior * (-log_ratio).exp())
}

/// Returns the negative logarithm of the density of a bivariate t distribution at a
/// distance in standard deviations, without its constant.
///
/// # Source
/// Lange, Little & Taylor, "Robust statistical modeling using the t distribution",
/// JASA 84 (1989), who use 4 degrees of freedom where they cannot be estimated.
fn surprise(z: f64) -> f64 {
    (FREEDOM + 2.0) / 2.0 * (z * z / FREEDOM).ln_1p()
}

/// Degrees of freedom of a label's distance from its place.
const FREEDOM: f64 = 4.0;
/// Share of a keypoint's witnesses that may be wrong in its favour.
const FAVOURABLE: f64 = 0.3;
/// How exactly anyone can label, pixels: half of one.
const LEAST_SD_PX: f64 = 0.5;
/// How exactly anyone can label, body lengths.
const LEAST_SD_LENGTHS: f64 = 0.005;
/// Where labels agree better than this with their witnesses, they were made of each
/// other.
const LEAST_SCALE: f64 = 0.25;
