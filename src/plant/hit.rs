//! The kinds of error: what each does to an instance, in one frame or alike in a run of them.
//!
//! `None` says that the frames cannot have the error as it was asked for; then others are
//! tried.

mod frames;
mod points;
mod whole;

use std::collections::BTreeSet;
use std::f64::consts::TAU;

use super::distance;
use super::ground::Ground;
use super::recipe::{Between, ErrorKind, ErrorPlan, Points};
use crate::dataset::Skeleton;
use crate::stats::random::SplitMix64;

/// How often a displacement is drawn again that does not fit. Where one in a hundred fits, it
/// is missed once in 150 times.
const TRIES: usize = 500;

/// By how much rounding may exceed the greatest strength, pixels.
const ROUNDING_PX: f64 = 0.01;

/// A keypoint's new place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Move {
    pub(super) instance: u32,
    pub(super) kind: u16,
    /// `None` takes the label away.
    pub(super) after: Option<[f64; 2]>,
    /// See [`super::PlantedPoint::with`].
    pub(super) with: Option<String>,
}

/// Says what an instance needs to have an error.
pub(super) fn needs(plan: &ErrorPlan) -> String {
    let [least, most] = plan.strength;
    let far = format!("{least} to {most} body lengths");
    let run = match plan.runs {
        1 => String::new(),
        runs => format!(", alike in {runs} consecutive labelled frames of a video"),
    };
    let words = match (plan.kind, plan.between) {
        (ErrorKind::Swap, Between::Sides) => format!("both points of a pair, {far} apart"),
        (ErrorKind::Swap, Between::Individuals) => {
            format!("the same keypoint of two individuals of an image, {far} apart")
        }
        (ErrorKind::Miss, _) => {
            format!("a place {far} away, inside the image and clear of other keypoints")
        }
        (ErrorKind::Jitter, _) => format!("a place {far} away, inside the image"),
        (ErrorKind::Inversion, _) => {
            format!("two keypoints {far} apart that are not left and right of each other")
        }
        (ErrorKind::CarryOver, _) => {
            format!("a labelled frame before it in its video, in which the animal was {far} away")
        }
        (ErrorKind::Missing, _) => "keypoints beyond those that go".into(),
        (ErrorKind::Shift, _) => format!("room inside the image to be moved by {far}"),
        (ErrorKind::SideSwap, _) => format!("two left-right pairs, {far} apart"),
        (ErrorKind::Chimera, _) => {
            format!("three keypoints, and another individual or frame in which they are {far} away")
        }
        (ErrorKind::Neighbour, _) => {
            format!("a keypoint that is not of the other side, {far} away")
        }
        (ErrorKind::EdgeMiss, _) => {
            format!("a strong edge of the image {far} away and clear of other keypoints")
        }
        (ErrorKind::LimbJitter, _) => {
            format!("another keypoint, and a place {far} away inside the image")
        }
        (ErrorKind::Parked, _) => format!("an edge or corner of the image {far} away"),
        (ErrorKind::OffByOne, _) => {
            format!("a labelled frame before each in its video, in which the animal was {far} away")
        }
        (ErrorKind::AnnotatorOffset, _) => {
            "one of two videos at least, with room inside the image".into()
        }
        (ErrorKind::Transposed | ErrorKind::Scaled, _) => {
            format!("labels that stay inside the image and are then {far} away")
        }
    };
    words + &run
}

/// Returns what an error does to a run of frames, if it can be planted there.
pub(super) fn hit(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    frames: &[u32],
    random: &mut SplitMix64,
) -> Option<Vec<Move>> {
    match plan.kind {
        ErrorKind::CarryOver => return frames::carry_over(ground, plan, frames),
        ErrorKind::OffByOne => return frames::off_by_one(ground, plan, frames),
        ErrorKind::Transposed => return frames::transposed(ground, plan, frames),
        ErrorKind::Scaled => return frames::scaled(ground, plan, frames, random),
        ErrorKind::AnnotatorOffset => {
            return frames::annotator_offset(ground, plan, frames, random);
        }
        _ => {}
    }
    let mut first: Vec<u32> = ground.poses(frames[0]).collect();
    random.shuffle(&mut first);
    first.into_iter().find_map(|instance| {
        let members = follow(ground, instance, frames)?;
        let skeleton = ground.dataset.skeleton_of(ground.instance(instance))?;
        let mut hit = Hit { ground, plan, skeleton, members, random };
        match (plan.kind, plan.between) {
            (ErrorKind::Swap, Between::Sides) => hit.swap_sides(),
            (ErrorKind::Swap, Between::Individuals) => hit.swap_individuals(frames),
            (ErrorKind::Miss, _) => hit.miss(),
            (ErrorKind::Jitter, _) => hit.jitter(),
            (ErrorKind::Inversion, _) => hit.inversion(),
            (ErrorKind::Missing, _) => hit.missing(),
            (ErrorKind::Shift, _) => hit.shift(),
            (ErrorKind::SideSwap, _) => hit.side_swap(),
            (ErrorKind::Chimera, _) => hit.chimera(frames),
            (ErrorKind::Neighbour, _) => hit.neighbour(),
            (ErrorKind::EdgeMiss, _) => hit.edge_miss(),
            (ErrorKind::LimbJitter, _) => hit.limb_jitter(),
            (ErrorKind::Parked, _) => hit.parked(),
            // Done above: these hit frames, not instances.
            (
                ErrorKind::CarryOver
                | ErrorKind::OffByOne
                | ErrorKind::Transposed
                | ErrorKind::Scaled
                | ErrorKind::AnnotatorOffset,
                _,
            ) => None,
        }
    })
}

/// Returns an individual in each of the frames.
fn follow(ground: &Ground<'_>, instance: u32, frames: &[u32]) -> Option<Vec<u32>> {
    frames.iter().map(|&frame| ground.counterpart(instance, frame)).collect()
}

/// Returns whether a distance in pixels is as strong as asked for.
fn is_strong(ground: &Ground<'_>, plan: &ErrorPlan, distance_px: f64) -> bool {
    let [least, most] = plan.strength.map(|strength| strength * ground.body_px);
    distance_px > 0.0 && distance_px >= least && distance_px <= most + ROUNDING_PX
}

/// Draws a displacement in pixels: any direction, any distance within the strength.
fn displacement(ground: &Ground<'_>, plan: &ErrorPlan, random: &mut SplitMix64) -> [f64; 2] {
    let [least, most] = plan.strength;
    let length = random.uniform(least, most) * ground.body_px;
    let (sin, cos) = (random.unit() * TAU).sin_cos();
    [length * cos, length * sin]
}

/// An individual in a run of frames, which is to be hit.
struct Hit<'a, 'b> {
    ground: &'a Ground<'b>,
    plan: &'a ErrorPlan,
    skeleton: &'a Skeleton,
    /// The individual in each frame.
    members: Vec<u32>,
    random: &'a mut SplitMix64,
}

impl Hit<'_, '_> {
    /// A ↔ B, where A and B are left and right.
    fn swap_sides(&mut self) -> Option<Vec<Move>> {
        let mut pairs: Vec<[u16; 2]> = (self.skeleton.pairs.iter().copied())
            .filter(|&[a, b]| self.allows(a) && self.allows(b) && self.apart(a, b))
            .collect();
        self.random.shuffle(&mut pairs);
        let mut used = BTreeSet::new();
        // A keypoint of two pairs can be exchanged once.
        pairs.retain(|[a, b]| {
            let free = !used.contains(a) && !used.contains(b);
            if free {
                used.extend([*a, *b]);
            }
            free
        });
        let pairs = self.take(pairs)?;
        let mut moves = Vec::new();
        for &member in &self.members {
            for &[a, b] in &pairs {
                for (kind, other) in [(a, b), (b, a)] {
                    let after = self.ground.place(member, other);
                    let with = self.skeleton.keypoints.get(usize::from(other)).cloned();
                    moves.push(Move { instance: member, kind, after, with });
                }
            }
        }
        Some(moves)
    }

    /// The same keypoint of two individuals exchanged.
    fn swap_individuals(&mut self, frames: &[u32]) -> Option<Vec<Move>> {
        let ground = self.ground;
        let own = self.members[0];
        let skeleton = ground.instance(own).skeleton;
        let mut others: Vec<u32> = (ground.poses(frames[0]))
            .filter(|&other| other != own && ground.instance(other).skeleton == skeleton)
            .collect();
        self.random.shuffle(&mut others);
        let (kinds, others) = others.into_iter().find_map(|other| {
            let others = follow(ground, other, frames)?;
            let apart = |kind: &u16| {
                self.members.iter().zip(&others).all(|(&a, &b)| {
                    let places = ground.place(a, *kind).zip(ground.place(b, *kind));
                    places.is_some_and(|(a, b)| is_strong(ground, self.plan, distance(a, b)))
                })
            };
            let mut kinds: Vec<u16> = self.kinds().into_iter().filter(apart).collect();
            self.random.shuffle(&mut kinds);
            Some((self.take(kinds)?, others))
        })?;
        let mut moves = Vec::new();
        for (&a, &b) in self.members.iter().zip(&others) {
            for &kind in &kinds {
                for (instance, other) in [(a, b), (b, a)] {
                    let with = Some(ground.dataset.instance_name(ground.instance(other)));
                    moves.push(Move { instance, kind, after: ground.place(other, kind), with });
                }
            }
        }
        Some(moves)
    }

    /// A′ = A + d·(cos φ, sin φ), φ and d uniform, clear of all other keypoints.
    fn miss(&mut self) -> Option<Vec<Move>> {
        let mut kinds = self.kinds();
        self.random.shuffle(&mut kinds);
        let mut missed = Vec::new();
        for kind in kinds {
            if self.plan.points == Points::Count(missed.len()) {
                break;
            }
            let moves = (0..TRIES).find_map(|_| {
                let by = self.displacement();
                let place = |&member: &u32| self.displaced(member, kind, by);
                let moves = self.members.iter().map(place).collect::<Option<Vec<Move>>>()?;
                moves.iter().all(|to| self.is_clear(to)).then_some(moves)
            });
            missed.extend(moves);
        }
        Some(self.take(missed)?.into_iter().flatten().collect())
    }

    /// A′ = A + (N(0, sd), N(0, sd)), drawn anew for each frame and keypoint.
    fn jitter(&mut self) -> Option<Vec<Move>> {
        let sd = self.plan.sd.unwrap_or_default() * self.ground.body_px;
        self.scattered(|hit, _, _| Some([sd * hit.random.normal(), sd * hit.random.normal()]))
    }

    /// Moves as many keypoints as asked for, each in every frame by a displacement of its own
    /// that is drawn until it fits.
    fn scattered(
        &mut self,
        draw: impl Fn(&mut Self, u32, u16) -> Option<[f64; 2]>,
    ) -> Option<Vec<Move>> {
        let mut kinds = self.kinds();
        self.random.shuffle(&mut kinds);
        let mut scattered = Vec::new();
        for kind in kinds {
            if self.plan.points == Points::Count(scattered.len()) {
                break;
            }
            let mut moves = Vec::new();
            for member in self.members.clone() {
                moves.extend((0..TRIES).find_map(|_| {
                    let by = draw(self, member, kind)?;
                    self.displaced(member, kind, by)
                }));
            }
            if moves.len() == self.members.len() {
                scattered.push(moves);
            }
        }
        Some(self.take(scattered)?.into_iter().flatten().collect())
    }

    /// A′ = B, where B stays and is not the other side of A.
    fn inversion(&mut self) -> Option<Vec<Move>> {
        let kinds = self.kinds();
        let mut all: Vec<u16> = self.ground.kinds(self.members[0]).collect();
        let mut inverted: Vec<[u16; 2]> = Vec::new();
        let mut order = kinds;
        self.random.shuffle(&mut order);
        for kind in order {
            if self.plan.points == Points::Count(inverted.len()) {
                break;
            }
            self.random.shuffle(&mut all);
            // One that moves itself is no place to be put on.
            let free = |other: &u16| !inverted.iter().any(|[moved, _]| moved == other);
            if inverted.iter().any(|[_, under]| *under == kind) {
                continue;
            }
            let other = all.iter().copied().filter(free).find(|&other| {
                other != kind
                    && self.skeleton.partner(kind) != Some(other)
                    && self.apart(kind, other)
            });
            inverted.extend(other.map(|other| [kind, other]));
        }
        let inverted = self.take(inverted)?;
        let mut moves = Vec::new();
        for &instance in &self.members {
            for &[kind, other] in &inverted {
                let after = self.ground.place(instance, other);
                let with = self.skeleton.keypoints.get(usize::from(other)).cloned();
                moves.push(Move { instance, kind, after, with });
            }
        }
        Some(moves)
    }

    /// A′ = nothing. An instance keeps a label, unless all are to go.
    fn missing(&mut self) -> Option<Vec<Move>> {
        let mut kinds = self.kinds();
        self.random.shuffle(&mut kinds);
        let kinds = self.take(kinds)?;
        let keeps = |&member: &u32| self.ground.kinds(member).count() > kinds.len();
        if self.plan.points != Points::All && !self.members.iter().all(keeps) {
            return None;
        }
        let of = |&instance: &u32| {
            kinds.iter().map(move |&kind| Move { instance, kind, after: None, with: None })
        };
        Some(self.members.iter().flat_map(of).collect())
    }

    /// All of A′ = A + d·(cos φ, sin φ), one d and φ for the whole run.
    fn shift(&mut self) -> Option<Vec<Move>> {
        (0..TRIES).find_map(|_| {
            let by = self.displacement();
            let mut moves = Vec::new();
            for &member in &self.members {
                for kind in self.ground.kinds(member) {
                    moves.push(self.displaced(member, kind, by)?);
                }
            }
            Some(moves)
        })
    }

    /// Returns whether the recipe lets a keypoint be hit.
    fn allows(&self, kind: u16) -> bool {
        let name = self.skeleton.keypoints.get(usize::from(kind));
        self.plan.keypoints.as_ref().is_none_or(|names| name.is_some_and(|n| names.contains(n)))
    }

    /// Returns the keypoints that are labelled in every frame and may be hit.
    fn kinds(&self) -> Vec<u16> {
        let labelled = |kind: &u16| {
            self.members.iter().all(|&member| self.ground.place(member, *kind).is_some())
        };
        let first = self.ground.kinds(self.members[0]);
        first.filter(|kind| self.allows(*kind) && labelled(kind)).collect()
    }

    /// Returns whether two keypoints are as far apart as the strength asks, in every frame.
    fn apart(&self, a: u16, b: u16) -> bool {
        self.members.iter().all(|&member| {
            let places = self.ground.place(member, a).zip(self.ground.place(member, b));
            places.is_some_and(|(a, b)| is_strong(self.ground, self.plan, distance(a, b)))
        })
    }

    /// Returns as many as asked for, `None` where there are fewer.
    fn take<T>(&self, mut from: Vec<T>) -> Option<Vec<T>> {
        let count = match self.plan.points {
            Points::Count(count) => count,
            Points::All => from.len().max(1),
        };
        (from.len() >= count).then(|| {
            from.truncate(count);
            from
        })
    }

    /// Draws a displacement as [`displacement`] does.
    fn displacement(&mut self) -> [f64; 2] {
        displacement(self.ground, self.plan, self.random)
    }

    /// Returns a keypoint moved, where that is inside the image and strong enough.
    fn displaced(&self, instance: u32, kind: u16, by: [f64; 2]) -> Option<Move> {
        let from = self.ground.place(instance, kind)?;
        let to = self.ground.moved(self.ground.instance(instance).image, from, by)?;
        is_strong(self.ground, self.plan, distance(from, to)).then_some(Move {
            instance,
            kind,
            after: Some(to),
            with: None,
        })
    }

    /// Returns whether a new place keeps away from every other keypoint of its image.
    fn is_clear(&self, to: &Move) -> bool {
        let clear = self.plan.clear.unwrap_or_default() * self.ground.body_px;
        let image = self.ground.instance(to.instance).image;
        let Some(after) = to.after else { return true };
        self.ground.poses(image).all(|instance| {
            let points = self.ground.dataset.keypoints_of(self.ground.instance(instance));
            points.iter().all(|point| {
                (instance, point.kind) == (to.instance, to.kind)
                    || distance(after, [point.x, point.y]) >= clear
            })
        })
    }
}
