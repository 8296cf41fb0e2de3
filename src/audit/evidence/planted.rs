//! Known errors put into labels that are trusted, to learn what evidence they give.

use rayon::prelude::*;

use super::case::{Case, spread};
use super::cause::{Whole, whole};
use super::piece::Evidence;
use super::witnesses::Witnesses;
use crate::audit::models::poses::{Point, Pose, distance};
use crate::stats::random::SplitMix64;

/// Distances of planted misses, body lengths, each uniform in its logarithm: what no one sees at a
/// glance, what is beside the part, what is on another part.
pub(super) const STRENGTHS: [[f64; 2]; 3] = [[0.1, 0.2], [0.2, 0.45], [0.45, 1.0]];
/// Poses that errors are planted in, at most: three weights for each strength need no more.
const MOST: usize = 600;
/// Misses of each strength that are planted in each label.
const MISSES: usize = 2;
/// Distances by which whole poses are moved, body lengths.
const MOVES: [f64; 2] = [0.2, 1.5];
/// Factors by which whole poses are scaled, or divided.
const SCALES: [f64; 2] = [1.3, 2.0];
/// Mean distance in body lengths from the pose of another frame below which carrying it over is no
/// error that anyone could see.
const SAME: f64 = 0.2;

/// Evidence that planted errors give.
#[derive(Debug)]
pub(super) struct Planted {
    /// By strength, then by keypoint.
    pub(super) misses: [Vec<Vec<Evidence>>; STRENGTHS.len()],
    /// By way, in the order of [`Whole::ALL`].
    pub(super) whole: [Vec<Evidence>; Whole::ALL.len()],
}

/// What is planted in one case.
type OfCase = (Vec<(usize, usize, Evidence)>, Vec<(usize, Evidence)>);

/// Plants errors in the labels that are trusted; `trusted` is asked for a case and a keypoint.
pub(super) fn plant(
    witnesses: &Witnesses,
    cases: &[Case<'_>],
    kinds: usize,
    trusted: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Planted {
    let of_case = |at: usize| -> OfCase {
        let case = &cases[at];
        let trusted: Vec<usize> =
            case.labelled().into_iter().filter(|&kind| trusted(at, kind)).collect();
        let mut random = SplitMix64::keyed("planted", 0, &[u64::from(case.instance)]);
        let mut misses = Vec::new();
        for &kind in &trusted {
            let Some(point) = case.pose[kind] else { continue };
            for (strength, &range) in STRENGTHS.iter().enumerate() {
                for _ in 0..MISSES {
                    let to = moved(point, away(range, witnesses.body.length_px, &mut random));
                    misses.push((strength, kind, witnesses.evidence(case, &case.pose, kind, to)));
                }
            }
        }
        let mut wholes = Vec::new();
        if trusted.len() == case.labelled().len() {
            for (way, _) in Whole::ALL.iter().enumerate() {
                let pose = match Whole::ALL[way] {
                    Whole::Moved => {
                        let by = away(MOVES, witnesses.body.length_px, &mut random);
                        Some(case.pose.iter().map(|&at| at.map(|at| moved(at, by))).collect())
                    }
                    Whole::Misshapen => Some(misshapen(&case.pose, &mut random)),
                    Whole::CarriedOver => {
                        carried_over(cases, at, witnesses.body.length_px, &mut random)
                    }
                };
                let evidence = pose.and_then(|pose| {
                    whole(witnesses, case, &pose, &witnesses.of_pose(case, &pose))
                });
                wholes.extend(evidence.map(|evidence| (way, evidence)));
            }
        }
        (misses, wholes)
    };
    let chosen: Vec<usize> = spread(cases.len(), MOST).collect();
    let all: Vec<OfCase> = chosen.into_par_iter().map(of_case).collect();
    let mut planted = Planted {
        misses: std::array::from_fn(|_| vec![Vec::new(); kinds]),
        whole: Default::default(),
    };
    for (misses, wholes) in all {
        for (strength, kind, evidence) in misses {
            planted.misses[strength][kind].push(evidence);
        }
        wholes.into_iter().for_each(|(way, evidence)| planted.whole[way].push(evidence));
    }
    planted
}

/// Draws a distance, uniform in its logarithm, and a direction.
fn away(lengths: [f64; 2], length_px: f64, random: &mut SplitMix64) -> Point {
    let [least, most] = lengths.map(f64::ln);
    let far = random.uniform(least, most).exp() * length_px;
    let (sin, cos) = random.uniform(0.0, std::f64::consts::TAU).sin_cos();
    [far * cos, far * sin]
}

fn moved(point: Point, by: Point) -> Point {
    [point[0] + by[0], point[1] + by[1]]
}

/// Scales a pose about its middle, or exchanges x and y about it, one as often as the other.
fn misshapen(pose: &Pose, random: &mut SplitMix64) -> Pose {
    let [least, most] = SCALES.map(f64::ln);
    let scale = random.uniform(least, most).exp();
    let scale = if random.chance(0.5) { scale } else { 1.0 / scale };
    let across = random.chance(0.5);
    let points: Vec<Point> = pose.iter().copied().flatten().collect();
    let middle = [0, 1]
        .map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64);
    let to = |point: Point| {
        let [x, y] = [point[0] - middle[0], point[1] - middle[1]];
        moved(middle, if across { [y, x] } else { [scale * x, scale * y] })
    };
    pose.iter().map(|point| point.map(to)).collect()
}

/// Returns the pose of another frame, `None` where that drawn is nearly the same.
fn carried_over(
    cases: &[Case<'_>],
    at: usize,
    length_px: f64,
    random: &mut SplitMix64,
) -> Option<Pose> {
    let other = &cases[random.below(cases.len() as u64) as usize].pose;
    let moves: Vec<f64> =
        (cases[at].pose.iter().zip(other)).filter_map(|(&a, &b)| Some(distance(a?, b?))).collect();
    let mean = moves.iter().sum::<f64>() / moves.len() as f64;
    (mean >= SAME * length_px).then(|| other.clone())
}
