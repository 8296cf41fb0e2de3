//! Bones: pairs of keypoints whose distance is steady, and how long they usually are.

use super::poses::{Pose, distance};
use super::witness::MIN_POSES;
use crate::dataset::Skeleton;
use crate::stats::robust;

/// Two keypoints and their usual distance.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::audit) struct Bone {
    /// Keypoints.
    pub(in crate::audit) ends: [usize; 2],
    /// Median of the natural logarithm of the length in pixels, relative to the other
    /// bones of the same pose.
    centre: f64,
    /// Scatter of that logarithm; positive.
    pub(in crate::audit) sd: f64,
}

/// The length of a bone in one pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Length {
    /// Length in pixels.
    pub(in crate::audit) px: f64,
    /// Natural logarithm of its ratio to the usual length in a pose of this size.
    pub(in crate::audit) log_ratio: f64,
    /// The same in standard deviations of this bone.
    pub(in crate::audit) z: f64,
}

/// Returns the bones that can be judged: the dataset's edges, or where it has none the
/// tree of the steadiest distances.
pub(in crate::audit) fn bones(skeleton: &Skeleton, poses: &[Pose]) -> Vec<Bone> {
    let kinds = skeleton.keypoints.len();
    let declared: Vec<[usize; 2]> = (skeleton.edges.iter())
        .map(|edge| edge.map(usize::from))
        .filter(|&[a, b]| a != b && a.max(b) < kinds)
        .collect();
    let mut bones = if declared.is_empty() {
        let all = (0..kinds).flat_map(|a| (a + 1..kinds).map(move |b| [a, b]));
        tree(all.filter_map(|ends| Bone::fit(ends, poses, &[])).collect(), kinds)
    } else {
        declared.into_iter().filter_map(|ends| Bone::fit(ends, poses, &[])).collect()
    };
    // Once more, with the size of each pose as the first fit tells it.
    let sizes: Vec<f64> = poses.iter().map(|pose| size(&bones, pose)).collect();
    bones = bones.iter().filter_map(|bone| Bone::fit(bone.ends, poses, &sizes)).collect();
    bones.sort_by_key(|bone| bone.ends);
    bones
}

/// Returns the labelled bones of a pose.
pub(in crate::audit) fn measure<'a>(
    bones: &'a [Bone],
    pose: &'a Pose,
) -> impl Iterator<Item = (&'a Bone, Length)> {
    let size = size(bones, pose);
    bones.iter().filter_map(move |bone| {
        let px = bone.length_px(pose)?;
        let log_ratio = px.max(LEAST_PX).ln() - bone.centre - size;
        Some((bone, Length { px, log_ratio, z: log_ratio / bone.sd }))
    })
}

/// Returns the logarithm of a pose's size relative to the usual: the median over its
/// bones, 0 for fewer than three.
fn size(bones: &[Bone], pose: &Pose) -> f64 {
    let mut ratios: Vec<f64> = (bones.iter())
        .filter_map(|bone| Some(bone.length_px(pose)?.max(LEAST_PX).ln() - bone.centre))
        .collect();
    if ratios.len() < 3 { 0.0 } else { robust::median(&mut ratios).unwrap_or(0.0) }
}

/// Keeps the steadiest bones that join all keypoints without a loop (Kruskal).
fn tree(mut bones: Vec<Bone>, kinds: usize) -> Vec<Bone> {
    bones.sort_by(|a, b| a.sd.total_cmp(&b.sd).then(a.ends.cmp(&b.ends)));
    let mut group: Vec<usize> = (0..kinds).collect();
    bones.retain(|bone| {
        let [a, b] = bone.ends.map(|end| group[end]);
        group.iter_mut().filter(|of| **of == b).for_each(|of| *of = a);
        a != b
    });
    bones
}

impl Bone {
    /// Fits a bone to poses of given sizes (none: all of one size), `None` of too few.
    fn fit(ends: [usize; 2], poses: &[Pose], sizes: &[f64]) -> Option<Bone> {
        let bone = Bone { ends, centre: 0.0, sd: 0.0 };
        let mut logs: Vec<f64> = (poses.iter().enumerate())
            .filter_map(|(at, pose)| {
                let size = sizes.get(at).copied().unwrap_or(0.0);
                Some(bone.length_px(pose)?.max(LEAST_PX).ln() - size)
            })
            .collect();
        if logs.len() < MIN_POSES {
            return None;
        }
        let centre = robust::median(&mut logs)?;
        logs.iter_mut().for_each(|log| *log = (*log - centre).abs());
        // The larger of two estimates, as for keypoints: the middle of the values, and
        // their tails. Quantiles of the absolute normal distribution.
        let middle = robust::quantile(&mut logs, 0.5)? / 0.6745;
        let tails = robust::quantile(&mut logs, 0.9)? / 1.6449;
        Some(Bone { ends, centre, sd: middle.max(tails).max(LEAST_SD) })
    }

    fn length_px(&self, pose: &Pose) -> Option<f64> {
        Some(distance(pose[self.ends[0]]?, pose[self.ends[1]]?))
    }
}

/// Lengths below half a pixel are those of one spot.
const LEAST_PX: f64 = 0.5;
/// No length is trusted beyond two percent: a pixel in fifty.
const LEAST_SD: f64 = 0.02;
