//! Points that the rest of their pose, or the picture around them, contradicts.

use crate::audit::evidence::{Cause, Explained, Explanation, Piece, Placed};
use crate::audit::models::poses::{Point, distance, pose};
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::dataset::{Dataset, Skeleton};
use crate::facts::Facts;

pub(in crate::audit) fn find(
    facts: &Facts,
    explained: &Explained,
    settings: &Settings,
) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for why in explained.above(settings.get("min_score")) {
        let instance = &dataset.instances[why.instance as usize];
        let Some(skeleton) = dataset.skeleton_of(instance) else { continue };
        match &why.cause {
            Cause::Miss(kind) => {
                let pose = pose(dataset, instance);
                let Some(point) = pose[*kind] else { continue };
                let others = pose.iter().enumerate().filter(|&(other, _)| other != *kind);
                let on = others
                    .filter_map(|(other, &at)| Some((distance(point, at?), other)))
                    .filter(|&(px, _)| px <= settings.get("same_place") * why.body_length_px)
                    .min_by(|a, b| a.0.total_cmp(&b.0))
                    .map(|(_, other)| other);
                let miss = Miss { why, skeleton, kind: *kind, point, on };
                hits.extend(miss.hit(settings));
            }
            Cause::Exchange(pairs) => {
                hits.extend(pairs.iter().filter_map(|&pair| exchanged(why, skeleton, pair)));
            }
            Cause::Between(kind, other) => hits.push(between(dataset, why, *kind, *other)),
            Cause::Whole(_) => {}
        }
    }
    hits
}

/// A point that lies elsewhere.
struct Miss<'a> {
    why: &'a Explanation,
    skeleton: &'a Skeleton,
    kind: usize,
    point: Point,
    /// Another keypoint on whose place it is.
    on: Option<usize>,
}

impl Miss<'_> {
    fn hit(&self, settings: &Settings) -> Option<Hit> {
        let names = &self.skeleton.keypoints;
        let name = &names[self.kind];
        let subject = Subject::Keypoint(self.why.instance, self.kind as u16);
        let few = self.why.few();
        let min_px = settings.get("min_shift") * self.why.body_length_px;
        let Some(Placed { at, sd_px }) = self.why.placed else {
            let message = format!("{name} does not look like itself{few}");
            return Some(Hit::new(subject, self.why.score, message).kind(Kind::Miss));
        };
        let shift_px = distance(self.point, at);
        if shift_px < min_px {
            return None;
        }
        let by = self.why.told(|piece| match piece {
            Piece::Pose => "the rest of the pose",
            Piece::Picture => "the picture",
            Piece::Prediction => "the prediction",
            Piece::Time => "the frames beside it",
        });
        // Where no piece speaks against the label alone, all together do.
        let by = by.unwrap_or_else(|| "all evidence together".to_owned());
        let place = format!("{name} is {shift_px:.0} px from where it should be, by {by}");
        let far = shift_px >= settings.get("miss_shift") * self.why.body_length_px;
        let (kind, message, related) = match self.on {
            Some(other) => {
                let other = names[other].clone();
                (Kind::Inversion, format!("{place}, on {other}{few}"), vec![other])
            }
            None if far => (Kind::Miss, format!("{place}{few}"), vec![]),
            None => (Kind::Jitter, format!("{place}{few}"), vec![]),
        };
        let proposal = Proposal {
            x: Some(at[0]),
            y: Some(at[1]),
            sd_px: Some(sd_px),
            ..Proposal::new(Action::Move)
        };
        Some(
            Hit::new(subject, self.why.score, message)
                .kind(kind)
                .measured(shift_px, min_px)
                .related(related)
                .proposal(proposal),
        )
    }
}

/// Returns a hit about two keypoints that carry each other's label; a left and a right one are
/// said by `left_right_swap`.
fn exchanged(why: &Explanation, skeleton: &Skeleton, [a, b]: [usize; 2]) -> Option<Hit> {
    if skeleton.partner(a as u16) == Some(b as u16) {
        return None;
    }
    let other = skeleton.keypoints[b].clone();
    let message =
        format!("{} and {other} fit better exchanged{}", skeleton.keypoints[a], why.few());
    Some(
        Hit::new(Subject::Keypoint(why.instance, a as u16), why.score, message)
            .kind(Kind::Inversion)
            .related(vec![other.clone()])
            .proposal(Proposal { with: Some(other), ..Proposal::new(Action::Swap) }),
    )
}

/// Returns a hit about a keypoint that carries the label of another individual of its image.
fn between(dataset: &Dataset, why: &Explanation, kind: usize, other: u32) -> Hit {
    let other = &dataset.instances[other as usize];
    let skeleton = dataset.skeleton_of(other);
    let keypoint = skeleton.map_or("", |skeleton| skeleton.keypoints[kind].as_str());
    let name = dataset.instance_name(other);
    let message =
        format!("{keypoint} fits better exchanged with that of individual {name}{}", why.few());
    let to = pose(dataset, other)[kind];
    let proposal =
        Proposal { x: to.map(|[x, _]| x), y: to.map(|[_, y]| y), ..Proposal::new(Action::Move) };
    Hit::new(Subject::Keypoint(why.instance, kind as u16), why.score, message)
        .kind(Kind::Swap)
        .related(vec![name])
        .proposal(proposal)
}
