//! Content that stands in two splits, so that a score on one is no measure of what was
//! learnt on the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::models::duplicates;
use crate::audit::{Hit, Kind, Settings, Severity, Subject};
use crate::dataset::Dataset;
use crate::facts::Facts;

/// Images that a finding about a video names at most.
const NAMED: usize = 20;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    if facts.dataset.splits.len() < 2 {
        return Vec::new();
    }
    let exact = duplicates::exact(facts);
    let mut hits = same(facts, &exact, Kind::SameContent, "the same content stands in");
    let pairs = duplicates::near(facts, settings);
    let near = duplicates::groups(facts, &pairs);
    hits.extend(same(facts, &near, Kind::NearDuplicate, "nearly the same picture stands in"));
    hits.extend(neighbours(&facts.dataset, settings.get("max_gap_frames")));
    hits
}

/// Returns a hit for each group of images that reaches over several splits.
fn same(facts: &Facts, groups: &[Vec<usize>], kind: Kind, what: &str) -> Vec<Hit> {
    let dataset = &facts.dataset;
    (groups.iter())
        .filter_map(|group| {
            let split = |image: usize| dataset.split_of(&dataset.images[image]);
            let splits: BTreeSet<&str> = group.iter().filter_map(|&image| split(image)).collect();
            if splits.len() < 2 {
                return None;
            }
            let first = group.iter().copied().find(|&image| split(image).is_some())?;
            let related: Vec<String> = (group.iter())
                .filter(|&&image| image != first && split(image).is_some())
                .map(|&image| dataset.images[image].path.clone())
                .collect();
            let splits: Vec<&str> = splits.into_iter().collect();
            let message = format!("{what} {}", splits.join(" and "));
            let score = if kind == Kind::SameContent { 1.0 } else { 0.9 };
            Some(Hit::new(Subject::Image(first as u32), score, message).kind(kind).related(related))
        })
        .collect()
}

/// Returns a hit for each video and pair of splits with neighbouring frames in both.
fn neighbours(dataset: &Dataset, max_gap: f64) -> Vec<Hit> {
    let mut videos: BTreeMap<u32, Vec<(u64, u16, usize)>> = BTreeMap::new();
    for (at, image) in dataset.images.iter().enumerate() {
        if let (Some(video), Some(frame), Some(split)) = (image.video, image.frame, image.split) {
            videos.entry(video).or_default().push((frame, split, at));
        }
    }
    let mut hits = Vec::new();
    for (video, mut frames) in videos {
        frames.sort_unstable();
        // Images of each pair of splits that have a neighbour in the other.
        let mut leaks: BTreeMap<[u16; 2], BTreeSet<usize>> = BTreeMap::new();
        for (at, &(frame, split, image)) in frames.iter().enumerate() {
            let near =
                frames[at + 1..].iter().take_while(|(other, ..)| (other - frame) as f64 <= max_gap);
            for &(_, other_split, other) in near.filter(|(_, other, _)| *other != split) {
                let pair = [split.min(other_split), split.max(other_split)];
                leaks.entry(pair).or_default().extend([image, other]);
            }
        }
        for (pair, images) in leaks {
            let [a, b] = pair.map(|split| dataset.splits[usize::from(split)].as_str());
            let total = (frames.iter()).filter(|(_, split, _)| pair.contains(split)).count();
            let message = format!(
                "{} of the {total} frames in {a} and {b} have a frame of the other within {max_gap}",
                images.len()
            );
            let related: Vec<String> = (images.iter().take(NAMED))
                .map(|&image| dataset.images[image].path.clone())
                .collect();
            let mut hit = Hit::new(Subject::Video(video, format!("{a}\0{b}")), 1.0, message)
                .kind(Kind::Neighbour)
                .related(related)
                .measured(images.len() as f64 / total as f64, 0.0);
            // Common practice of whole fields, and no mistake of one image.
            hit.severity = Some(Severity::Warning);
            hits.push(hit);
        }
    }
    hits
}
