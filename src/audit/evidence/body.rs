//! What the poses of a skeleton have in common: length, reach and shape.

use crate::audit::models::poses::{Point, Pose, distance};
use crate::stats::robust;

/// Size and shape of the animals of a skeleton.
#[derive(Debug, Clone)]
pub(super) struct Body {
    /// Body length, pixels; positive.
    pub(super) length_px: f64,
    /// How far a part reaches, pixels: the usual distance from a keypoint to its nearest
    /// neighbour, within [`REACH`].
    pub(super) reach_px: f64,
    /// Median place of each keypoint after poses were turned and moved onto each other.
    shape: Pose,
}

/// Least and greatest reach, body lengths: dense skeletons (faces, spines) would leave too few
/// pixels to look at, and sparse ones make a part of half the animal.
const REACH: [f64; 2] = [0.08, 0.3];

impl Body {
    /// Learns from poses, of which there must be one at least.
    pub(super) fn of(poses: &[Pose], length_px: f64) -> Body {
        let mut nearest: Vec<f64> = poses.iter().flat_map(nearest_px).collect();
        let reach = robust::median(&mut nearest).unwrap_or(0.0) / length_px;
        Body {
            length_px,
            reach_px: reach.clamp(REACH[0], REACH[1]) * length_px,
            shape: shape(poses, NEAR * length_px),
        }
    }

    /// Returns how far a pose is turned from the usual shape, radians from the x axis towards y,
    /// as all its keypoints but one tell; 0 where fewer than two others are labelled.
    pub(super) fn turn(&self, pose: &Pose, without: usize) -> f64 {
        Onto::best(&self.shape, pose, NEAR * self.length_px, Some(without))
            .map_or(0.0, |onto| onto.turn)
    }
}

/// Returns the distance from each point to its nearest neighbour.
fn nearest_px(pose: &Pose) -> Vec<f64> {
    let points: Vec<Point> = pose.iter().copied().flatten().collect();
    (points.iter().enumerate())
        .filter_map(|(at, &point)| {
            let others = points.iter().enumerate().filter(|&(other, _)| other != at);
            others.map(|(_, &other)| distance(point, other)).min_by(f64::total_cmp)
        })
        .collect()
}

/// Distance from its usual place, body lengths, from which on a point counts less for the turn of a
/// pose: about what limbs move by.
const NEAR: f64 = 0.15;
/// Rounds in which poses are laid onto the shape and the shape is taken anew, and in which points
/// are weighed anew.
const ROUNDS: usize = 5;

/// Returns the median shape.
///
/// # Source
/// Gower, "Generalized Procrustes analysis", Psychometrika 40 (1975), without scaling, with
/// medians in place of means.
fn shape(poses: &[Pose], scale_px: f64) -> Pose {
    let fullest = poses.iter().max_by_key(|pose| pose.iter().flatten().count());
    let mut shape = fullest.cloned().unwrap_or_default();
    for _ in 0..ROUNDS {
        let mut laid: Vec<[Vec<f64>; 2]> = vec![Default::default(); shape.len()];
        for pose in poses {
            let Some(onto) = Onto::best(&shape, pose, scale_px, None) else { continue };
            for (kind, point) in pose.iter().enumerate() {
                if let Some(point) = point {
                    let place = onto.back(*point);
                    (0..2).for_each(|axis| laid[kind][axis].push(place[axis]));
                }
            }
        }
        for (place, values) in shape.iter_mut().zip(&mut laid) {
            let [x, y] = values;
            if let (Some(x), Some(y)) = (robust::median(x), robust::median(y)) {
                *place = Some([x, y]);
            }
        }
    }
    shape
}

/// The turn and shift that lay a shape onto a pose.
struct Onto {
    turn: f64,
    /// Middle of the points that both have, of the shape and of the pose.
    middles: [Point; 2],
}

impl Onto {
    /// Returns the best, `None` of fewer than two points that both have. Points that lie further
    /// than `scale_px` from where they would come to lie count less and less, since one wrong
    /// label must not turn all that is looked at.
    ///
    /// # Source
    /// Holland & Welsch (1977), "Robust regression using iteratively reweighted least squares",
    /// doi:10.1080/03610927708827533, with Cauchy's weights.
    fn best(shape: &Pose, pose: &Pose, scale_px: f64, without: Option<usize>) -> Option<Onto> {
        let both: Vec<[Point; 2]> = (shape.iter().zip(pose).enumerate())
            .filter(|&(kind, _)| Some(kind) != without)
            .filter_map(|(_, (&a, &b))| Some([a?, b?]))
            .collect();
        if both.len() < 2 {
            return None;
        }
        let mut weights = vec![1.0; both.len()];
        let mut onto = Onto::least_squares(&both, &weights);
        for _ in 0..ROUNDS {
            for (weight, &[a, b]) in weights.iter_mut().zip(&both) {
                *weight = 1.0 / (1.0 + (distance(a, onto.back(b)) / scale_px).powi(2));
            }
            onto = Onto::least_squares(&both, &weights);
        }
        Some(onto)
    }

    fn least_squares(both: &[[Point; 2]], weights: &[f64]) -> Onto {
        let total: f64 = weights.iter().sum();
        let middle = |of: usize| {
            [0, 1].map(|axis| {
                let weighted = both.iter().zip(weights).map(|(pair, w)| w * pair[of][axis]);
                weighted.sum::<f64>() / total
            })
        };
        let middles = [middle(0), middle(1)];
        let (mut along, mut across) = (0.0, 0.0);
        for (pair, weight) in both.iter().zip(weights) {
            let [a, b] = [0, 1].map(|of| [0, 1].map(|axis| pair[of][axis] - middles[of][axis]));
            along += weight * (a[0] * b[0] + a[1] * b[1]);
            across += weight * (a[0] * b[1] - a[1] * b[0]);
        }
        Onto { turn: across.atan2(along), middles }
    }

    /// Returns where a point of the pose lies on the shape.
    fn back(&self, point: Point) -> Point {
        let [from, to] = self.middles;
        let [x, y] = [point[0] - to[0], point[1] - to[1]];
        let (sin, cos) = self.turn.sin_cos();
        [from[0] + x * cos + y * sin, from[1] - x * sin + y * cos]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::models::samples::walk;

    #[test]
    fn the_turn_of_a_walk_is_told_whatever_one_keypoint_says() {
        let poses = walk(60);
        let body = Body::of(&poses, 105.0);
        let start = body.turn(&poses[0], 0);
        for (frame, pose) in poses.iter().enumerate() {
            let mut spoilt = pose.clone();
            spoilt[4] = Some([-500.0, 900.0]);
            let turn = body.turn(&spoilt, 4) - start - 0.3 * frame as f64;
            let off = (turn + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU)
                - std::f64::consts::PI;
            assert!(off.abs() < 0.1, "frame {frame}: {off}");
        }
        assert_eq!(body.turn(&vec![None; 6], 0), 0.0);
    }

    #[test]
    fn the_reach_is_the_usual_distance_of_neighbours_within_bounds() {
        // Ears are 17 px from the nose, and the others 30 or more from each other.
        let reach = Body::of(&walk(60), 105.0).reach_px;
        assert!((16.0..=31.5).contains(&reach), "{reach}");
        let dense: Vec<Pose> = vec![vec![Some([0.0, 0.0]), Some([1.0, 0.0])]];
        assert_eq!(Body::of(&dense, 100.0).reach_px, 8.0);
    }
}
