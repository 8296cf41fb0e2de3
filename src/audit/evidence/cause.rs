//! What can be wrong with a pose, how likely it is before looking, and what speaks for it.

use super::case::{Case, Fellow};
use super::piece::{Evidence, Piece};
use super::witnesses::{Witnesses, exchanged};
use crate::audit::models::poses::Pose;

/// What is wrong with a pose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::audit) enum Cause {
    /// A keypoint lies elsewhere.
    Miss(usize),
    /// Keypoints carry each other's label, pair by pair.
    Exchange(Vec<[usize; 2]>),
    /// A keypoint carries the label of another individual of the image, and that one its label; by
    /// keypoint and index into the dataset's instances.
    Between(usize, u32),
    /// All keypoints lie elsewhere, together.
    Whole(Whole),
}

/// How all keypoints of a pose are wrong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::audit) enum Whole {
    /// Moved beside the animal.
    Moved,
    /// Labels of another frame.
    CarriedOver,
    /// Scaled, or with x and y exchanged.
    Misshapen,
    /// Each point beside its place, in a direction of its own.
    Scattered,
}

/// Evidence about a pose, cause by cause.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weighed {
    /// Against each labelled keypoint.
    pub(super) points: Vec<(usize, Evidence)>,
    /// For each exchange.
    pub(super) exchanges: Vec<Exchange>,
    /// Against the pose as a whole: medians over its keypoints; `None` of fewer than
    /// [`LEAST_POINTS`].
    pub(super) whole: Option<Evidence>,
    /// Number of other individuals in the image.
    pub(super) fellows: usize,
}

/// Evidence for an exchange.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exchange {
    pub(super) cause: Cause,
    pub(super) of: Sides,
    pub(super) evidence: Evidence,
}

/// What is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sides {
    /// One left-right pair, by its place among the pairs of the skeleton.
    Pair(usize),
    /// All of them.
    All,
    /// Two keypoints that are no pair.
    Others,
    /// One keypoint of two individuals.
    Individuals,
}

/// Labelled points that a pose needs to be wrong as a whole rather than in its points.
const LEAST_POINTS: usize = 3;

/// Weighs the evidence about a pose of a case: its labels, or others in their place.
pub(super) fn weigh(
    witnesses: &Witnesses,
    pairs: &[[usize; 2]],
    case: &Case<'_>,
    pose: &Pose,
) -> Weighed {
    let points = witnesses.of_pose(case, pose);
    let labelled = |&&[a, b]: &&[usize; 2]| pose[a].is_some() && pose[b].is_some();
    let exchanges: Vec<Exchange> = (pairs.iter().enumerate())
        .filter(|(_, pair)| labelled(pair))
        .map(|(at, &pair)| (vec![pair], Sides::Pair(at)))
        .chain(side(pairs, labelled))
        .chain(others(witnesses, pairs, case, pose, &points))
        .map(|(pairs, of)| {
            let evidence = witnesses.exchange(case, pose, &pairs);
            Exchange { cause: Cause::Exchange(pairs), of, evidence }
        })
        .chain(individuals(witnesses, case, pose, &points))
        .collect();
    let whole = whole(witnesses, case, pose, &points);
    Weighed { whole, points, exchanges, fellows: case.fellows.len() }
}

/// Returns all labelled pairs together, where there are several.
fn side(
    pairs: &[[usize; 2]],
    labelled: impl Fn(&&[usize; 2]) -> bool,
) -> Option<(Vec<[usize; 2]>, Sides)> {
    let all: Vec<[usize; 2]> = pairs.iter().filter(labelled).copied().collect();
    (all.len() > 1).then_some((all, Sides::All))
}

/// Returns two keypoints each, of those that something speaks against, that would both be right if
/// they were exchanged: there are too many to weigh all.
fn others(
    witnesses: &Witnesses,
    pairs: &[[usize; 2]],
    case: &Case<'_>,
    pose: &Pose,
    points: &[(usize, Evidence)],
) -> Vec<(Vec<[usize; 2]>, Sides)> {
    let odd: Vec<usize> = (points.iter())
        .filter(|(_, evidence)| evidence.total() > 0.0)
        .map(|&(kind, _)| kind)
        .collect();
    let mut found = Vec::new();
    for (at, &a) in odd.iter().enumerate() {
        for &b in &odd[at + 1..] {
            let righted = exchanged(pose, &[[a, b]]);
            let right = |kind: usize| {
                let at = righted[kind];
                at.is_some_and(|at| witnesses.evidence(case, &righted, kind, at).total() < 0.0)
            };
            let is_pair = pairs.iter().any(|pair| pair.contains(&a) && pair.contains(&b));
            if !is_pair && right(a) && right(b) {
                found.push((vec![[a, b]], Sides::Others));
            }
        }
    }
    found
}

/// Returns the keypoints that something speaks against and that would be right where another
/// individual has them, which would be better off with what this one has.
fn individuals(
    witnesses: &Witnesses,
    case: &Case<'_>,
    pose: &Pose,
    points: &[(usize, Evidence)],
) -> Vec<Exchange> {
    let mut found = Vec::new();
    for &(kind, against) in points.iter().filter(|(_, evidence)| evidence.total() > 0.0) {
        for Fellow { instance, pose: other } in &case.fellows {
            let (Some(own), Some(theirs)) = (pose[kind], other[kind]) else { continue };
            let after = witnesses.evidence(case, pose, kind, theirs);
            let gained = witnesses.gained_by_fellow(case, other, kind, own);
            if after.total() < 0.0 && gained.total() > 0.0 {
                let evidence = against.less(&after).plus(&gained);
                let cause = Cause::Between(kind, *instance);
                found.push(Exchange { cause, of: Sides::Individuals, evidence });
            }
        }
    }
    found
}

/// Returns the median evidence against the points of a pose: one point, or an exchanged pair, must
/// not make all of it look wrong. In time, the animal is not followed: it may have been left behind.
pub(super) fn whole(
    witnesses: &Witnesses,
    case: &Case<'_>,
    pose: &Pose,
    points: &[(usize, Evidence)],
) -> Option<Evidence> {
    if points.len() < LEAST_POINTS {
        return None;
    }
    let all: Vec<Evidence> = (points.iter())
        .map(|&(kind, evidence)| match pose[kind] {
            Some(at) => evidence.with(Piece::Time, witnesses.unmoved(case, kind, at)),
            None => evidence,
        })
        .collect();
    Some(Evidence::median(&all))
}
