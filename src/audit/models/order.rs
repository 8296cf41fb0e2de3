//! Whether a pose fits better when its keypoints are put in another order.
//!
//! Distances between keypoints do not change when the animal moves, turns or is
//! mirrored, so they tell which keypoint is which up to a reflection; exchanged sides
//! are left to [`super::sides`].

use super::poses::{Pose, distance};
use super::witness::MIN_POSES;
use crate::stats::robust;

/// Usual distances between the keypoints of a skeleton.
#[derive(Debug)]
pub(in crate::audit) struct Distances {
    kinds: usize,
    /// Median of the logarithm of the distance in pixels, by pair of keypoints;
    /// `None` where too few poses have both.
    centre: Vec<Option<f64>>,
    /// Median over poses of [`Distances::cost`] in the order as labelled.
    pub(in crate::audit) usual_cost: f64,
}

impl Distances {
    /// Learns the distances, `None` of fewer than 20 poses.
    pub(in crate::audit) fn learn(poses: &[Pose], kinds: usize) -> Option<Distances> {
        if poses.len() < MIN_POSES {
            return None;
        }
        let mut centre = vec![None; kinds * kinds];
        for a in 0..kinds {
            for b in a + 1..kinds {
                let mut logs: Vec<f64> =
                    poses.iter().filter_map(|pose| log_distance(pose, a, b)).collect();
                let median = if logs.len() < MIN_POSES { None } else { robust::median(&mut logs) };
                centre[a * kinds + b] = median;
                centre[b * kinds + a] = median;
            }
        }
        let mut distances = Distances { kinds, centre, usual_cost: 0.0 };
        let same: Vec<usize> = (0..kinds).collect();
        let mut costs: Vec<f64> =
            poses.iter().filter_map(|pose| distances.cost(pose, &same)).collect();
        distances.usual_cost = robust::median(&mut costs)?;
        Some(distances)
    }

    /// Returns the median over pairs of keypoints of how far the logarithm of their
    /// distance is from the usual, if the point labelled `k` is truly `order[k]`.
    /// The median size of the pose is taken away. `None` of too few pairs.
    pub(in crate::audit) fn cost(&self, pose: &Pose, order: &[usize]) -> Option<f64> {
        let mut off = Vec::with_capacity(self.kinds * self.kinds / 2);
        for a in 0..self.kinds {
            for b in a + 1..self.kinds {
                if let (Some(log), Some(usual)) =
                    (log_distance(pose, a, b), self.centre[order[a] * self.kinds + order[b]])
                {
                    off.push(log - usual);
                }
            }
        }
        if off.len() < LEAST_PAIRS {
            return None;
        }
        let size = robust::median(&mut off)?;
        let total: f64 = off.iter().map(|value| (value - size).abs().min(WORST)).sum();
        Some(total / off.len() as f64)
    }

    /// Returns the order that fits best, and its cost: exchanges of two are made while
    /// they help, from the order as labelled, from every rotation and from the reverse.
    pub(in crate::audit) fn best(&self, pose: &Pose) -> Option<(Vec<usize>, f64)> {
        let labelled: Vec<usize> = (0..self.kinds).filter(|&kind| pose[kind].is_some()).collect();
        let rotations = (0..self.kinds).map(|by| {
            let rotated = (0..self.kinds).map(|kind| (kind + by) % self.kinds);
            rotated.collect::<Vec<usize>>()
        });
        let reverse = (0..self.kinds).rev().collect();
        (rotations.chain([reverse]))
            .filter_map(|start| self.descend(pose, start, &labelled))
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
    }

    fn descend(
        &self,
        pose: &Pose,
        start: Vec<usize>,
        labelled: &[usize],
    ) -> Option<(Vec<usize>, f64)> {
        let mut order = start;
        let mut cost = self.cost(pose, &order)?;
        loop {
            let mut step = None;
            for &a in labelled {
                for b in 0..self.kinds {
                    if a == b {
                        continue;
                    }
                    order.swap(a, b);
                    if let Some(less) = self.cost(pose, &order)
                        && less < cost - 1e-9
                    {
                        cost = less;
                        step = Some((a, b));
                    }
                    order.swap(a, b);
                }
            }
            let Some((a, b)) = step else { return Some((order, cost)) };
            order.swap(a, b);
        }
    }
}

fn log_distance(pose: &Pose, a: usize, b: usize) -> Option<f64> {
    Some(distance(pose[a]?, pose[b]?).max(LEAST_PX).ln())
}

/// Distances below a pixel are those of one spot.
const LEAST_PX: f64 = 1.0;
/// Pairs that a pose must have: those of four points, fewer fit in any order.
const LEAST_PAIRS: usize = 6;
/// No pair counts more than a factor of five, so that one wrong point is not worth a
/// new order.
const WORST: f64 = 1.6;

#[cfg(test)]
mod tests {
    use super::super::samples::walk;
    use super::*;

    #[test]
    fn labels_off_by_one_are_put_back() {
        let poses = walk(60);
        let kinds = poses[0].len();
        let distances = Distances::learn(&poses, kinds).expect("enough poses");
        let same: Vec<usize> = (0..kinds).collect();
        let mut shifted = poses[30].clone();
        shifted.rotate_left(1);
        let (order, cost) = distances.best(&shifted).expect("enough pairs");
        let before = distances.cost(&shifted, &same).expect("enough pairs");
        assert!(cost < 0.25 * before, "{cost} {before}");
        assert!(cost < 3.0 * distances.usual_cost, "{cost} {}", distances.usual_cost);
        // Distances do not tell one ear (1) from the other (2).
        let truth: Vec<usize> = order.iter().map(|&k| if k == 2 { 1 } else { k }).collect();
        assert_eq!(truth, [1, 1, 3, 4, 5, 0]);
    }

    #[test]
    fn size_does_not_matter_and_three_points_say_nothing() {
        let poses = walk(60);
        let distances = Distances::learn(&poses, 6).expect("enough poses");
        let same: Vec<usize> = (0..6).collect();
        let twice: Pose =
            poses[30].iter().map(|point| point.map(|[x, y]| [2.0 * x, 2.0 * y])).collect();
        let (one, two) = (distances.cost(&poses[30], &same), distances.cost(&twice, &same));
        assert!((one.expect("cost") - two.expect("cost")).abs() < 1e-9);
        let mut few = poses[30].clone();
        few[3..].fill(None);
        assert_eq!(distances.cost(&few, &same), None);
        assert!(Distances::learn(&poses[..MIN_POSES - 1], 6).is_none());
    }
}
