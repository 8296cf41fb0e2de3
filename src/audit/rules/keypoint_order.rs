//! Rows, or whole videos, whose body parts are in another order than the rest.

use std::collections::BTreeMap;

use crate::audit::models::order::Distances;
use crate::audit::models::poses::{Pose, Poses, REFERENCES, pose};
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::dataset::Skeleton;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let mut hits = Vec::new();
    for poses in Poses::by_skeleton(&facts.dataset) {
        hits.extend(of_skeleton(facts, settings, &poses));
    }
    hits
}

/// A pose that fits better in another order.
struct Permuted {
    instance: u32,
    order: Vec<usize>,
    before: f64,
    after: f64,
}

fn of_skeleton(facts: &Facts, settings: &Settings, poses: &Poses) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let skeleton = &dataset.skeletons[poses.skeleton];
    let names = &skeleton.keypoints;
    let rows: Vec<Pose> = (poses.sample(REFERENCES).into_iter())
        .map(|at| pose(dataset, &dataset.instances[at as usize]))
        .collect();
    let Some(distances) = Distances::learn(&rows, names.len()) else { return Vec::new() };
    let mut by_video: BTreeMap<Option<u32>, (usize, Vec<Permuted>)> = BTreeMap::new();
    for &at in &poses.instances {
        let video = facts.image_of(&dataset.instances[at as usize]).video;
        let (count, found) = by_video.entry(video).or_default();
        *count += 1;
        let pose = pose(dataset, &dataset.instances[at as usize]);
        found.extend(permuted(&distances, skeleton, at, &pose, settings));
    }
    let mut hits = Vec::new();
    for (video, (count, found)) in by_video {
        if let Some(video) = video
            && found.len() >= VIDEO_MIN_POSES
            && found.len() as f64 >= settings.get("video_share") * count as f64
        {
            hits.push(of_video(video, count, &found, names));
        } else {
            hits.extend(found.iter().map(|one| of_instance(one, names)));
        }
    }
    hits
}

fn permuted(
    distances: &Distances,
    skeleton: &Skeleton,
    instance: u32,
    pose: &Pose,
    settings: &Settings,
) -> Option<Permuted> {
    let same: Vec<usize> = (0..pose.len()).collect();
    let before = distances.cost(pose, &same)?;
    let usual = distances.usual_cost.max(LEAST_COST);
    if before < settings.get("min_cost") * usual {
        return None;
    }
    let (mut order, after) = distances.best(pose)?;
    // Distances are the same in the mirror, so exchanged sides mean nothing here.
    for &[a, b] in &skeleton.pairs {
        let (a, b) = (usize::from(a), usize::from(b));
        if order.get(a) == Some(&b) && order.get(b) == Some(&a) {
            order.swap(a, b);
        }
    }
    let moved = (0..pose.len()).filter(|&kind| pose[kind].is_some() && order[kind] != kind).count();
    // Two exchanged points are an inversion or a swap of that pose.
    let one = Permuted { instance, order, before, after };
    let fits = after <= settings.get("max_cost") * usual;
    (fits && moved >= 3 && one.score() >= settings.get("min_score")).then_some(one)
}

fn of_instance(one: &Permuted, names: &[String]) -> Hit {
    let message = format!("body parts fit better in another order: {}", words(&one.order, names));
    Hit::new(Subject::Instance(one.instance), one.score(), message)
        .kind(Kind::Inversion)
        .measured(one.before, one.after)
        .proposal(Proposal::new(Action::Relabel))
}

fn of_video(video: u32, count: usize, found: &[Permuted], names: &[String]) -> Hit {
    let mut orders: BTreeMap<&[usize], usize> = BTreeMap::new();
    for one in found {
        *orders.entry(&one.order).or_default() += 1;
    }
    let common = orders.iter().max_by_key(|&(order, times)| (times, std::cmp::Reverse(order)));
    let order = common.map(|(&order, _)| words(order, names)).unwrap_or_default();
    let mut scores: Vec<f64> = found.iter().map(Permuted::score).collect();
    let score = crate::stats::robust::median(&mut scores).unwrap_or(0.0);
    let message = format!(
        "body parts fit better in another order in {} of {count} poses, most often: {order}",
        found.len()
    );
    Hit::new(Subject::Video(video, "order".into()), score, message).kind(Kind::Inversion)
}

impl Permuted {
    /// How much of the misfit the new order explains.
    fn score(&self) -> f64 {
        1.0 - self.after / self.before
    }
}

/// Says which label stands on which part.
fn words(order: &[usize], names: &[String]) -> String {
    let moved = (order.iter().enumerate()).filter(|&(label, &part)| label != part);
    let words = moved.map(|(label, &part)| format!("{} is {}", names[label], names[part]));
    words.collect::<Vec<String>>().join(", ")
}

/// Poses of a video that make it a finding about the video.
const VIDEO_MIN_POSES: usize = 3;
/// Poses are never expected to agree better than this (natural logarithm of a ratio).
const LEAST_COST: f64 = 0.03;
