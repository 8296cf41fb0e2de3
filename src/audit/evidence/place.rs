//! Where a keypoint that lies elsewhere should be, as all evidence tells.

use super::case::Case;
use super::witnesses::{self, Witnesses};
use crate::audit::models::poses::{Point, Pose};

/// A proposed place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Placed {
    /// Pixels.
    pub(in crate::audit) at: Point,
    /// Standard deviation, pixels: root of the mean over both axes of the variance.
    pub(in crate::audit) sd_px: f64,
}

/// Places that are tried along a side of the square around where the pose puts it.
const SIDE: usize = 21;
/// Half that square in standard deviations of the pose's own guess.
const WIDE: f64 = 3.0;
/// Bounds of that half, reaches: the eye needs room where the pose is sure, and an end where it
/// knows nothing.
const BOUNDS: [f64; 2] = [1.0, 8.0];

/// Returns the mean of the places where a keypoint may be, by their probability, `None` where the
/// rest of the pose says nothing.
pub(super) fn place(
    witnesses: &Witnesses,
    case: &Case<'_>,
    pose: &Pose,
    kind: usize,
) -> Option<Placed> {
    let model = witnesses.geometry(case)?;
    let centre = centre(witnesses, case, pose, kind)?;
    let guess = model.fit_at(pose, kind, centre)?;
    let [least, most] = BOUNDS.map(|bound| bound * witnesses.body.reach_px);
    let half = (WIDE * guess.sd_px).clamp(least, most);
    let step = 2.0 * half / (SIDE - 1) as f64;
    let places: Vec<(Point, f64)> = (0..SIDE * SIDE)
        .map(|at| {
            let along = |at: usize| (at as f64 - (SIDE - 1) as f64 / 2.0) * step;
            let at = [centre[0] + along(at % SIDE), centre[1] + along(at / SIDE)];
            (at, -witnesses.evidence(case, pose, kind, at).total())
        })
        .collect();
    let best = places.iter().map(|&(_, log)| log).fold(f64::MIN, f64::max);
    let weights: Vec<f64> = places.iter().map(|&(_, log)| (log - best).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(Point) -> f64| {
        places.iter().zip(&weights).map(|(&(at, _), weight)| weight * of(at)).sum::<f64>() / total
    };
    let at = [mean(&|at| at[0]), mean(&|at| at[1])];
    let square = mean(&|[x, y]| ((x - at[0]).powi(2) + (y - at[1]).powi(2)) / 2.0);
    // No surer than the grid is fine.
    Some(Placed { at, sd_px: (square + step * step / 12.0).sqrt() })
}

/// Returns the place around which to look: where the pose puts a keypoint, or where a model or the
/// frames beside it do, whichever all evidence is for.
fn centre(witnesses: &Witnesses, case: &Case<'_>, pose: &Pose, kind: usize) -> Option<Point> {
    let by_pose = witnesses.geometry(case)?.place(pose, kind)?;
    let hints = [witnesses::predicted(case, kind), witnesses::beside(case, pose, kind)];
    let against = |&at: &Point| witnesses.evidence(case, pose, kind, at).total();
    let places = hints.into_iter().flatten().map(|hint| hint.at).chain([by_pose]);
    places.min_by(|a, b| against(a).total_cmp(&against(b)))
}
