//! The pose model: where each keypoint should be, judged by the rest of its pose, and
//! which labels fit better after left and right are exchanged.
//!
//! Each keypoint has up to seven [witnesses](super::witness). It is contradicted only
//! when even its more favourable witnesses object, so that a wrong neighbour does not
//! incriminate it. How far a keypoint usually is from what they say sets the scale, so
//! that a paw may move more than an ear.

use super::belief::{LEAST_FREEDOM, surprise, t_quantile, wrong_place};
use super::poses::{Point, Pose, Poses, REFERENCES, pose};
use super::witness::{self, Witness};
use crate::dataset::Dataset;
use crate::stats::robust;

/// Where keypoints should be, fitted to the poses of one skeleton.
#[derive(Debug)]
pub(in crate::audit) struct PoseModel {
    witnesses: Vec<Vec<Witness>>,
    /// By keypoint.
    usual: Vec<Usual>,
    body_length_px: f64,
}

/// How a keypoint scatters around what its witnesses say.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usual {
    /// What a witness' standard deviation must be multiplied by. Positive.
    scale: f64,
    /// Degrees of freedom of the t distribution: the fewer, the more often it is far off.
    freedom: f64,
}

/// How a labelled point fits the rest of its pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Fit {
    /// Distance from where it should be, in standard deviations of this keypoint.
    pub(in crate::audit) z: f64,
    /// Negative logarithm of the density at that distance, without its constant.
    pub(in crate::audit) surprise: f64,
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
        let plain = Usual { scale: 1.0, freedom: LEAST_FREEDOM };
        let usual = vec![plain; kinds];
        let mut model = PoseModel { witnesses, usual, body_length_px: poses.body_length_px };
        model.usual = (0..kinds).map(|kind| model.usual(&rows, kind)).collect();
        Some(model)
    }

    /// Returns how far a keypoint usually is from what its witnesses say, and how often
    /// it is much further.
    ///
    /// Median and upper tenth of the distances tell scale and degrees of freedom of a
    /// bivariate t distribution; both bear a tenth of wrong labels.
    fn usual(&self, rows: &[Pose], kind: usize) -> Usual {
        let mut all: Vec<f64> =
            rows.iter().filter_map(|row| Some(self.fit_of(row, kind)?.z)).collect();
        let middle = robust::quantile(&mut all, 0.5).unwrap_or(0.0);
        let upper = robust::quantile(&mut all, 0.9).unwrap_or(0.0);
        let freedom = (FREEDOMS.into_iter())
            .find(|&freedom| upper * t_quantile(0.5, freedom) <= middle * t_quantile(0.9, freedom))
            .unwrap_or(LEAST_FREEDOM);
        let scale = (middle / t_quantile(0.5, freedom)).max(upper / t_quantile(0.9, freedom));
        Usual { scale: scale.max(LEAST_SCALE), freedom }
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
        let Usual { scale, freedom } = self.usual[kind];
        let z = lenient.z / scale;
        let sd_px = lenient.sd_px * scale;
        let places: Vec<Point> = said.iter().map(|testimony| testimony.at).collect();
        Some(Fit {
            z,
            surprise: surprise(z, freedom),
            at: [middle(&places, 0)?, middle(&places, 1)?],
            sd_px,
        })
    }

    /// Returns where a keypoint should be, labelled or not: the median of its witnesses.
    pub(in crate::audit) fn place(&self, pose: &Pose, kind: usize) -> Option<Point> {
        let said: Vec<Point> = (self.witnesses[kind].iter())
            .filter_map(|witness| Some(witness.testify(pose, [0.0; 2])?.at))
            .collect();
        Some([middle(&said, 0)?, middle(&said, 1)?])
    }

    /// Returns the probability that a point is wrong: anywhere within a body length,
    /// rather than scattered around its place.
    pub(in crate::audit) fn wrong(&self, fit: &Fit, prior: f64) -> f64 {
        wrong_place(fit.surprise, fit.sd_px, self.body_length_px, prior)
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
        let before = [self.fit_of(pose, a)?, self.fit_of(pose, b)?];
        pose.swap(a, b);
        let after = (self.fit_of(pose, a), self.fit_of(pose, b));
        pose.swap(a, b);
        let after = [after.0?, after.1?];
        let total = |fits: [Fit; 2]| fits[0].surprise + fits[1].surprise;
        Some(Exchange {
            gain: total(before) - total(after),
            before: before.map(|fit| fit.z),
            after: after.map(|fit| fit.z),
        })
    }

    /// Returns the total surprise of a pose, and the number of points that have any.
    pub(in crate::audit) fn surprise(&self, pose: &Pose) -> f64 {
        (0..pose.len()).filter_map(|kind| Some(self.fit_of(pose, kind)?.surprise)).sum()
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

/// Degrees of freedom that are told apart, lightest tails first. 16 is still far from
/// a normal distribution in the tails that matter here.
const FREEDOMS: [f64; 5] = [16.0, 11.0, 8.0, 5.5, LEAST_FREEDOM];
/// Share of a keypoint's witnesses that may be wrong in its favour.
const FAVOURABLE: f64 = 0.3;
/// How exactly anyone can label, pixels: half of one.
const LEAST_SD_PX: f64 = 0.5;
/// How exactly anyone can label, body lengths.
const LEAST_SD_LENGTHS: f64 = 0.005;
/// Where labels agree better than this with their witnesses, they were made of each
/// other.
const LEAST_SCALE: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::super::poses::distance;
    use super::super::samples::{dataset, walk};
    use super::*;

    fn model(poses: &[Pose]) -> Option<PoseModel> {
        let dataset = dataset(poses);
        PoseModel::fit(&dataset, &Poses::by_skeleton(&dataset)[0])
    }

    #[test]
    fn a_moved_nose_is_wrong_and_its_place_is_told() {
        let poses = walk(60);
        let model = model(&poses).expect("enough poses");
        let wrong = |pose: &Pose, kind| {
            model.fit_of(pose, kind).map(|fit| model.wrong(&fit, 0.01)).expect("witnesses")
        };
        let mut moved = poses[30].clone();
        moved[0] = moved[0].map(|[x, y]| [x + 30.0, y - 30.0]);
        assert!(wrong(&moved, 0) > 0.9, "{}", wrong(&moved, 0));
        // The others stay right, though the nose is among their witnesses.
        for kind in 1..moved.len() {
            assert!(wrong(&moved, kind) < 0.5, "{kind}: {}", wrong(&moved, kind));
        }
        let place = model.place(&moved, 0).expect("witnesses");
        assert!(distance(place, poses[30][0].expect("labelled")) < 5.0, "{place:?}");
    }

    #[test]
    fn right_poses_are_not_wrong() {
        let poses = walk(60);
        let model = model(&poses).expect("enough poses");
        for (pose, kind) in poses.iter().flat_map(|pose| (0..pose.len()).map(move |k| (pose, k))) {
            let fit = model.fit_of(pose, kind).expect("witnesses");
            assert!(model.wrong(&fit, 0.01) < 0.5, "{kind}: {fit:?}");
        }
    }

    #[test]
    fn too_few_poses_make_no_model() {
        assert!(model(&walk(witness::MIN_POSES)).is_some());
        assert!(model(&walk(witness::MIN_POSES - 1)).is_none());
    }
}
