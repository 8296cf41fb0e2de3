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
/// Whole poses that are planted: how they count as wrong, and what is done to them.
pub(super) const WHOLES: [(Whole, Spoil); 6] = [
    (Whole::Moved, Spoil::Moved([0.1, 0.3])),
    (Whole::Moved, Spoil::Moved([0.3, 1.5])),
    (Whole::CarriedOver, Spoil::CarriedOver),
    (Whole::Misshapen, Spoil::Scaled([1.1, 1.3])),
    (Whole::Misshapen, Spoil::Misshapen([1.3, 2.0])),
    (Whole::Scattered, Spoil::Scattered([0.05, 0.2])),
];

/// What is done to a whole pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spoil {
    /// Moved by a distance, body lengths.
    Moved([f64; 2]),
    /// Taken from another frame.
    CarriedOver,
    /// Scaled up or down by a factor.
    Scaled([f64; 2]),
    /// The same as often as x and y exchanged.
    Misshapen([f64; 2]),
    /// Each point moved by a distance of its own, body lengths, as by a hasty hand.
    Scattered([f64; 2]),
}

/// Mean distance in body lengths from the pose of another frame below which carrying it over is no
/// error that anyone could see.
const SAME: f64 = 0.2;

/// Evidence that planted errors give.
#[derive(Debug)]
pub(super) struct Planted {
    /// By strength, then by keypoint.
    pub(super) misses: [Vec<Vec<Evidence>>; STRENGTHS.len()],
    /// In the order of [`WHOLES`].
    pub(super) whole: [Vec<Evidence>; WHOLES.len()],
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
            for (at_whole, (_, spoil)) in WHOLES.iter().enumerate() {
                let pose = spoil.spoilt(cases, at, witnesses.body.length_px, &mut random);
                let evidence = pose.and_then(|pose| {
                    whole(witnesses, case, &pose, &witnesses.of_pose(case, &pose))
                });
                wholes.extend(evidence.map(|evidence| (at_whole, evidence)));
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
        wholes.into_iter().for_each(|(at, evidence)| planted.whole[at].push(evidence));
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

impl Spoil {
    /// Returns the pose of a case spoilt; `None` where that would change nearly nothing.
    fn spoilt(
        self,
        cases: &[Case<'_>],
        at: usize,
        length_px: f64,
        random: &mut SplitMix64,
    ) -> Option<Pose> {
        let pose = &cases[at].pose;
        match self {
            Spoil::Moved(lengths) => {
                let by = away(lengths, length_px, random);
                Some(pose.iter().map(|point| point.map(|point| moved(point, by))).collect())
            }
            Spoil::Scattered(lengths) => {
                let mut each = |point| moved(point, away(lengths, length_px, random));
                Some(pose.iter().map(|point| point.map(&mut each)).collect())
            }
            Spoil::CarriedOver => carried_over(cases, at, length_px, random),
            Spoil::Scaled(factors) => Some(scaled(pose, factors, random)),
            Spoil::Misshapen(factors) => Some(match random.chance(0.5) {
                true => about_middle(pose, |[x, y]| [y, x]),
                false => scaled(pose, factors, random),
            }),
        }
    }
}

/// Scales a pose about its middle, up as often as down, by a factor uniform in its logarithm.
fn scaled(pose: &Pose, factors: [f64; 2], random: &mut SplitMix64) -> Pose {
    let [least, most] = factors.map(f64::ln);
    let scale = random.uniform(least, most).exp();
    let scale = if random.chance(0.5) { scale } else { 1.0 / scale };
    about_middle(pose, |[x, y]| [scale * x, scale * y])
}

/// Changes where the points of a pose lie from their middle.
fn about_middle(pose: &Pose, to: impl Fn(Point) -> Point) -> Pose {
    let points: Vec<Point> = pose.iter().copied().flatten().collect();
    let middle = [0, 1]
        .map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64);
    let place = |[x, y]: Point| moved(middle, to([x - middle[0], y - middle[1]]));
    pose.iter().map(|point| point.map(place)).collect()
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
