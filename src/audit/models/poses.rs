//! Labelled poses of one skeleton as rows of points. Takes a [`Dataset`], gives
//! [`Poses`] and single [`Pose`]s; never keeps the points of all instances at once.

use crate::dataset::{Dataset, Instance};
use crate::stats::robust;

/// A place in pixels, `[x, y]`.
pub(in crate::audit) type Point = [f64; 2];

/// The labelled points of one instance, one entry per keypoint of the skeleton.
pub(in crate::audit) type Pose = Vec<Option<Point>>;

/// The instances that share a skeleton.
#[derive(Debug)]
pub(in crate::audit) struct Poses {
    /// Index into [`Dataset::skeletons`].
    pub(in crate::audit) skeleton: usize,
    /// Indices into [`Dataset::instances`], ascending; groups of objects (`crowd`) and
    /// instances with fewer than two points are left out.
    pub(in crate::audit) instances: Vec<u32>,
    /// Median over them of the greatest distance between two points, pixels; positive.
    pub(in crate::audit) body_length_px: f64,
}

impl Poses {
    /// Groups the instances of a dataset by skeleton. A skeleton whose poses have no
    /// extent is left out.
    pub(in crate::audit) fn by_skeleton(dataset: &Dataset) -> Vec<Poses> {
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); dataset.skeletons.len()];
        for (at, instance) in dataset.instances.iter().enumerate() {
            if let Some(skeleton) = instance.skeleton
                && !instance.crowd
                && instance.len >= 2
                && let Some(group) = groups.get_mut(usize::from(skeleton))
            {
                group.push(at as u32);
            }
        }
        (groups.into_iter().enumerate())
            .filter_map(|(skeleton, instances)| {
                let mut poses = Poses { skeleton, instances, body_length_px: 0.0 };
                let mut spans: Vec<f64> = (poses.sample(REFERENCES).into_iter())
                    .filter_map(|at| span(&pose(dataset, &dataset.instances[at as usize])))
                    .collect();
                poses.body_length_px = robust::median(&mut spans).filter(|&px| px > 0.0)?;
                Some(poses)
            })
            .collect()
    }

    /// Returns at most `limit` of the instances, ascending, always the same ones.
    ///
    /// They are chosen by a hash of their index, so that a rhythm in the order of the
    /// data (every tenth frame, one video after the other) does not matter.
    pub(in crate::audit) fn sample(&self, limit: usize) -> Vec<u32> {
        if self.instances.len() <= limit {
            return self.instances.clone();
        }
        let mut drawn: Vec<(u64, u32)> =
            self.instances.iter().map(|&at| (mix(u64::from(at)), at)).collect();
        drawn.select_nth_unstable(limit);
        let mut drawn: Vec<u32> = drawn[..limit].iter().map(|&(_, at)| at).collect();
        drawn.sort_unstable();
        drawn
    }
}

/// Poses that a model is fitted to, at most. A median of 2000 values is known to
/// about 3 % of their standard deviation, less than annotators agree.
pub(in crate::audit) const REFERENCES: usize = 2000;

/// Returns the points of an instance; points that are no number count as unlabelled.
pub(in crate::audit) fn pose(dataset: &Dataset, instance: &Instance) -> Pose {
    let kinds = dataset.skeleton_of(instance).map_or(0, |skeleton| skeleton.keypoints.len());
    let mut pose = vec![None; kinds];
    for point in dataset.keypoints_of(instance) {
        if let Some(entry) = pose.get_mut(usize::from(point.kind))
            && point.x.is_finite()
            && point.y.is_finite()
        {
            *entry = Some([point.x, point.y]);
        }
    }
    pose
}

/// Returns the greatest distance between two points of a pose, pixels.
pub(in crate::audit) fn span(pose: &Pose) -> Option<f64> {
    let points: Vec<Point> = pose.iter().copied().flatten().collect();
    (points.iter().enumerate())
        .flat_map(|(at, &a)| points[at + 1..].iter().map(move |&b| distance(a, b)))
        .max_by(f64::total_cmp)
}

/// Returns the distance between two points, pixels.
pub(in crate::audit) fn distance(a: Point, b: Point) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Mixes the bits of a number: SplitMix64's finaliser (Steele et al., "Fast splittable
/// pseudorandom number generators", OOPSLA 2014, figure 16).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
