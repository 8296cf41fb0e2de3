//! Errors that hit whole frames with all their individuals: slips with rows of a label file,
//! with the order or the scale of its numbers, and habits of an annotator.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ground, Move, TRIES, displacement, is_strong};
use crate::plant::distance;
use crate::plant::recipe::{ErrorPlan, Points};
use crate::stats::random::SplitMix64;

/// The labels of the frame before the run, for every individual that both have.
pub(super) fn carry_over(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frames: &[u32],
) -> Option<Vec<Move>> {
    let source = ground.before(frames[0])?;
    let copied = frames.iter().map(|&frame| copied(ground, plan, frame, source));
    Some(copied.collect::<Option<Vec<_>>>()?.concat())
}

/// Each frame of the run has the labels of the labelled frame before it, as after a row was put
/// in too much; those of the last are lost.
pub(super) fn off_by_one(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frames: &[u32],
) -> Option<Vec<Move>> {
    let moves = frames.iter().map(|&frame| copied(ground, plan, frame, ground.before(frame)?));
    Some(moves.collect::<Option<Vec<_>>>()?.concat())
}

/// The labels of another frame, for every individual that both have.
fn copied(ground: &Ground<'_>, plan: &ErrorPlan, frame: u32, source: u32) -> Option<Vec<Move>> {
    let with = &ground.dataset.images[source as usize].path;
    let mut moves = Vec::new();
    let mut furthest = 0.0_f64;
    for instance in ground.poses(frame) {
        let Some(old) = ground.counterpart(instance, source) else { continue };
        let kinds: BTreeSet<u16> = ground.kinds(instance).chain(ground.kinds(old)).collect();
        for kind in kinds {
            let (before, after) = (ground.place(instance, kind), ground.place(old, kind));
            if before != after {
                moves.push(Move { instance, kind, after, with: Some(with.clone()) });
            }
            let moved = before.zip(after).map(|(before, after)| distance(before, after));
            furthest = furthest.max(moved.unwrap_or_default());
        }
    }
    is_strong(ground, plan, furthest).then_some(moves)
}

/// A′ = (y, x) for all labels of the frame.
pub(super) fn transposed(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frames: &[u32],
) -> Option<Vec<Move>> {
    let by = |[x, y]: [f64; 2]| [y - x, x - y];
    let moves = frames.iter().map(|&frame| all(ground, plan, frame, by));
    Some(moves.collect::<Option<Vec<_>>>()?.concat())
}

/// A′ = f · A for all labels of the frame, in the label file's own numbers; f or 1 / f uniform
/// within the factors, each as often.
pub(super) fn scaled(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frames: &[u32],
    random: &mut SplitMix64,
) -> Option<Vec<Move>> {
    let [least, most] = plan.factor?;
    (0..TRIES).find_map(|_| {
        let factor = random.uniform(least, most);
        let factor = if random.chance(0.5) { factor } else { 1.0 / factor };
        let offset = ground.dataset.pixel_offset;
        let by = |place: [f64; 2]| place.map(|at| (factor - 1.0) * (at - offset));
        let moves = frames.iter().map(|&frame| all(ground, plan, frame, by));
        Some(moves.collect::<Option<Vec<_>>>()?.concat())
    })
}

/// Moves all labels of a frame; `None` where one leaves the image, or none is moved as far as
/// the strength asks.
fn all(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frame: u32,
    by: impl Fn([f64; 2]) -> [f64; 2],
) -> Option<Vec<Move>> {
    let mut moves = Vec::new();
    let mut furthest = 0.0_f64;
    for instance in ground.poses(frame) {
        for kind in ground.kinds(instance) {
            let from = ground.place(instance, kind)?;
            let to = ground.moved(frame, from, by(from))?;
            furthest = furthest.max(distance(from, to));
            if to != from {
                moves.push(Move { instance, kind, after: Some(to), with: None });
            }
        }
    }
    is_strong(ground, plan, furthest).then_some(moves)
}

/// All of A′ = A + d·(cos φ, sin φ), one d and φ for a whole video; what would leave the image
/// stays, half of the labels at most.
pub(super) fn annotator_offset(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frames: &[u32],
    random: &mut SplitMix64,
) -> Option<Vec<Move>> {
    let labels = labels(ground, plan, frames, random)?;
    (0..TRIES).find_map(|_| {
        let by = displacement(ground, plan, random);
        let moves: Vec<Move> = (labels.iter())
            .filter_map(|&(instance, kind)| {
                let from = ground.place(instance, kind)?;
                let to = ground.moved(ground.instance(instance).image, from, by)?;
                let after = Some(to);
                let strong = is_strong(ground, plan, distance(from, to));
                strong.then_some(Move { instance, kind, after, with: None })
            })
            .collect();
        (2 * moves.len() >= labels.len()).then_some(moves)
    })
}

/// Returns the labels of frames that may be hit: of all keypoints, or of as many as asked for,
/// drawn from those that are labelled anywhere in the frames.
fn labels(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frames: &[u32],
    random: &mut SplitMix64,
) -> Option<Vec<(u32, u16)>> {
    let mut by_name: BTreeMap<&str, Vec<(u32, u16)>> = BTreeMap::new();
    for instance in frames.iter().flat_map(|&frame| ground.poses(frame)) {
        let skeleton = ground.dataset.skeleton_of(ground.instance(instance))?;
        for kind in ground.kinds(instance) {
            let Some(name) = skeleton.keypoints.get(usize::from(kind)) else { continue };
            if plan.keypoints.as_ref().is_none_or(|names| names.contains(name)) {
                by_name.entry(name).or_default().push((instance, kind));
            }
        }
    }
    let mut groups: Vec<Vec<(u32, u16)>> = by_name.into_values().collect();
    if let Points::Count(count) = plan.points {
        random.shuffle(&mut groups);
        if groups.len() < count {
            return None;
        }
        groups.truncate(count);
    }
    (!groups.is_empty()).then(|| groups.concat())
}
