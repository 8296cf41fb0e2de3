//! The pose model: where each keypoint should be, judged by the rest of its pose.
//!
//! Each keypoint has up to seven [witnesses](super::witness). It is contradicted only
//! when even its more favourable witnesses object, so that a wrong neighbour does not
//! incriminate it. How far a keypoint usually is from what they say sets the scale, so
//! that a paw may move more than an ear.

use super::belief::{LEAST_FREEDOM, Usual, anywhere_ratio, surprise};
use super::poses::{Point, Pose, Poses, REFERENCES, pose};
use super::witness::{self, Witness};
use crate::dataset::Dataset;
use crate::stats::robust;

/// Where keypoints should be, fitted to the poses of one skeleton.
#[derive(Debug)]
pub(in crate::audit) struct PoseModel {
    witnesses: Vec<Vec<Witness>>,
    /// How much each witness counts, in the same order; those of a keypoint add up to 1.
    shares: Vec<Vec<f64>>,
    /// By keypoint.
    usual: Vec<Usual>,
    body_length_px: f64,
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
    /// Fits the model, `None` of fewer than 15 poses with three points.
    pub(in crate::audit) fn fit(dataset: &Dataset, poses: &Poses) -> Option<PoseModel> {
        let rows: Vec<Pose> = (poses.sample(REFERENCES).into_iter())
            .map(|at| pose(dataset, &dataset.instances[at as usize]))
            .filter(|pose| pose.iter().flatten().count() >= 3)
            .collect();
        let kinds = dataset.skeletons[poses.skeleton].keypoints.len();
        PoseModel::of(&rows, kinds, poses.body_length_px)
    }

    /// Fits the model to poses of `kinds` keypoints, `None` of fewer than 15.
    pub(in crate::audit) fn of(
        rows: &[Pose],
        kinds: usize,
        body_length_px: f64,
    ) -> Option<PoseModel> {
        if rows.len() < witness::MIN_POSES {
            return None;
        }
        let witnesses = witness::choose(rows, kinds, least_sd_px(body_length_px));
        let plain = Usual { scale: 1.0, freedom: LEAST_FREEDOM };
        let usual = vec![plain; kinds];
        let shares =
            witnesses.iter().enumerate().map(|(kind, of)| shares(rows, kind, of)).collect();
        let mut model = PoseModel { witnesses, shares, usual, body_length_px };
        model.usual = (0..kinds).map(|kind| model.usual(rows, kind)).collect();
        Some(model)
    }

    /// Returns how far a keypoint usually is from what its witnesses say.
    fn usual(&self, rows: &[Pose], kind: usize) -> Usual {
        let all = rows.iter().filter_map(|row| Some(self.fit_of(row, kind)?.z));
        Usual::of(&mut all.collect::<Vec<f64>>())
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

    /// Returns the natural logarithm of the density, per px², with which the rest of a pose expects
    /// a keypoint at a place; `None` where nothing speaks of it.
    ///
    /// It is the mean of what the witnesses expect, by their shares, so that a witness that knows most
    /// counts most where it agrees, and others remain where a wrong neighbour leads it astray.
    pub(in crate::audit) fn log_density(
        &self,
        pose: &Pose,
        kind: usize,
        point: Point,
    ) -> Option<f64> {
        let said: Vec<(f64, f64)> = (self.witnesses[kind].iter().zip(&self.shares[kind]))
            .filter_map(|(witness, &share)| Some((share, witness.log_density(pose, point)?)))
            .collect();
        let most = said.iter().map(|&(_, log)| log).max_by(f64::total_cmp)?;
        let sum: f64 = said.iter().map(|(share, log)| share * (log - most).exp()).sum();
        let shares: f64 = said.iter().map(|(share, _)| share).sum();
        Some(most + (sum / shares).ln())
    }

    /// Returns the logarithm of a likelihood ratio, positive where a keypoint is rather anywhere
    /// within a body length than where the rest of its pose expects it.
    pub(in crate::audit) fn log_ratio(
        &self,
        pose: &Pose,
        kind: usize,
        point: Point,
    ) -> Option<f64> {
        Some(anywhere_ratio(self.log_density(pose, kind, point)?, self.body_length_px))
    }
}

/// Returns how much each witness of a keypoint is to count: the shares that make the labels
/// likeliest, each witness counting [`LEAST_SHARE`] of the labels beforehand.
///
/// # Source
/// Dempster, Laird & Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm",
/// section 4.3: proportions of a mixture.
fn shares(rows: &[Pose], kind: usize, witnesses: &[Witness]) -> Vec<f64> {
    let densities: Vec<Vec<f64>> = (rows.iter())
        .filter_map(|row| {
            let point = row[kind]?;
            let said = witnesses.iter().map(|witness| witness.log_density(row, point));
            let said: Vec<f64> = said.map(|log| log.unwrap_or(f64::NEG_INFINITY)).collect();
            let most =
                said.iter().copied().max_by(f64::total_cmp).filter(|most| most.is_finite())?;
            Some(said.iter().map(|log| (log - most).exp()).collect())
        })
        .collect();
    let mut shares = vec![1.0 / witnesses.len() as f64; witnesses.len()];
    for _ in 0..ROUNDS {
        let mut counts =
            vec![LEAST_SHARE * densities.len() as f64 + f64::MIN_POSITIVE; shares.len()];
        for of_row in &densities {
            let total: f64 = of_row.iter().zip(&shares).map(|(d, share)| d * share).sum();
            for ((count, density), share) in counts.iter_mut().zip(of_row).zip(&shares) {
                *count += density * share / total;
            }
        }
        let total: f64 = counts.iter().sum();
        shares = counts.iter().map(|count| count / total).collect();
    }
    shares
}

/// Rounds in which shares are learnt; they hardly change after ten.
const ROUNDS: usize = 20;
/// Share of the labels that each witness counts for before looking, so that none is left out: about as
/// often may a neighbour that one knows most by be wrong itself.
const LEAST_SHARE: f64 = 0.01;

/// Returns the median of a coordinate.
fn middle(points: &[Point], axis: usize) -> Option<f64> {
    robust::median(&mut points.iter().map(|point| point[axis]).collect::<Vec<f64>>())
}

/// Returns the standard deviation in pixels with which anyone can label at best.
pub(in crate::audit) fn least_sd_px(body_length_px: f64) -> f64 {
    LEAST_SD_PX.max(LEAST_SD_LENGTHS * body_length_px)
}

/// Share of a keypoint's witnesses that may be wrong in its favour.
const FAVOURABLE: f64 = 0.3;
/// How exactly anyone can label, pixels: half of one.
const LEAST_SD_PX: f64 = 0.5;
/// How exactly anyone can label, body lengths.
const LEAST_SD_LENGTHS: f64 = 0.005;

#[cfg(test)]
mod tests {
    use super::super::belief::posterior;
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
        let wrong = |pose: &Pose, kind: usize| {
            let point = pose[kind].expect("labelled");
            posterior(0.01, model.log_ratio(pose, kind, point).expect("witnesses"))
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
            let point = pose[kind].expect("labelled");
            let ratio = model.log_ratio(pose, kind, point).expect("witnesses");
            assert!(posterior(0.01, ratio) < 0.5, "{kind}: {ratio}");
        }
    }

    #[test]
    fn too_few_poses_make_no_model() {
        assert!(model(&walk(witness::MIN_POSES)).is_some());
        assert!(model(&walk(witness::MIN_POSES - 1)).is_none());
    }
}
