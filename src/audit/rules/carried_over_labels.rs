//! Labels that are those of another frame, although the pictures differ.

use std::collections::BTreeMap;

use crate::audit::models::poses::{Point, distance};
use crate::audit::models::tracks::tracks;
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let min_change = settings.get("min_change");
    let mut hits = Vec::new();
    for [first, second] in candidates(facts) {
        let Some(pair) = Pair::of(facts, first, second, settings) else { continue };
        let Some(change) = pair.change(facts) else { continue };
        if change < min_change {
            continue;
        }
        // Change beyond what is asked for makes it surer: half of it for twice as much.
        let score = 1.0 - 0.5 * min_change / change;
        let other = facts.image_of(&facts.dataset.instances[first as usize]).path.clone();
        let message = format!(
            "{} of {} points lie where they do in {other}, but the picture around them changed \
             by {change:.3} of its brightness",
            pair.same.len(),
            pair.common,
        );
        hits.push(
            Hit::new(Subject::Instance(second), score, message)
                .kind(Kind::CarryOver)
                .measured(change, min_change)
                .related(vec![other])
                .proposal(Proposal::new(Action::Relabel)),
        );
    }
    hits
}

/// Returns pairs of instances that may share labels, in order of time or path: labelled
/// neighbours of a track, and those that agree to the last digit.
fn candidates(facts: &Facts) -> Vec<[u32; 2]> {
    let dataset = &facts.dataset;
    let mut pairs: Vec<[u32; 2]> = (tracks(dataset).iter())
        .flat_map(|track| {
            let pairs = track.frames.windows(2);
            pairs.map(|two| [two[0].1, two[1].1]).collect::<Vec<[u32; 2]>>()
        })
        .collect();
    let mut exact: BTreeMap<Vec<(u16, u64, u64)>, u32> = BTreeMap::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let points = dataset.keypoints_of(instance);
        let key: Vec<(u16, u64, u64)> =
            points.iter().map(|p| (p.kind, p.x.to_bits(), p.y.to_bits())).collect();
        if key.len() >= LEAST_POINTS {
            // The latest before this one, so that a run of copies is a chain.
            if let Some(before) = exact.insert(key, at as u32)
                && dataset.instances[before as usize].image != instance.image
            {
                pairs.push([before, at as u32]);
            }
        }
    }
    pairs.sort_unstable_by_key(|&[first, second]| (second, first));
    pairs.dedup_by_key(|pair| pair[1]);
    pairs
}

/// Two instances of different images whose labels agree.
struct Pair {
    /// Keypoints (index into the dataset's) that agree.
    same: Vec<[usize; 2]>,
    /// Number of keypoints that both have.
    common: usize,
    images: [usize; 2],
}

impl Pair {
    fn of(facts: &Facts, first: u32, second: u32, settings: &Settings) -> Option<Pair> {
        let dataset = &facts.dataset;
        let [a, b] = [first, second].map(|at| &dataset.instances[at as usize]);
        let mut pair =
            Pair { same: Vec::new(), common: 0, images: [a.image as usize, b.image as usize] };
        for (at, point) in dataset.keypoints_of(a).iter().enumerate() {
            let others = dataset.keypoints_of(b);
            let Ok(other) = others.binary_search_by_key(&point.kind, |p| p.kind) else { continue };
            pair.common += 1;
            let place = |p: &crate::dataset::Keypoint| -> Point { [p.x, p.y] };
            if distance(place(point), place(&others[other])) <= settings.get("tolerance") {
                pair.same.push([a.first as usize + at, b.first as usize + other]);
            }
        }
        let share = pair.same.len() as f64 / pair.common.max(1) as f64;
        (pair.same.len() >= LEAST_POINTS && share >= settings.get("min_share")).then_some(pair)
    }

    /// Returns the median over the points of how much brightness or contrast around them
    /// changed, beyond the change of the whole image; `None` without pixels.
    fn change(&self, facts: &Facts) -> Option<f64> {
        let [a, b] = self.images.map(|image| facts.images[image].pixels.as_ref());
        let flicker = f64::from(b?.brightness_mean) - f64::from(a?.brightness_mean);
        let mut changes: Vec<f64> = (self.same.iter())
            .filter_map(|&[a, b]| {
                let (a, b) = ((*facts.keypoints.get(a)?)?, (*facts.keypoints.get(b)?)?);
                let brightness = f64::from(b.brightness) - f64::from(a.brightness) - flicker;
                let contrast = f64::from(b.contrast) - f64::from(a.contrast);
                Some(brightness.abs().max(contrast.abs()))
            })
            .collect();
        crate::stats::robust::median(&mut changes)
    }
}

/// Points that must agree: two may by chance where labels are whole numbers.
const LEAST_POINTS: usize = 3;
