//! Points that jump away for one labelled frame and come back in the next.

use std::collections::BTreeMap;

use crate::audit::models::belief::{LEAST_FREEDOM, posterior, surprise, t_quantile, wrong_place};
use crate::audit::models::poses::{Point, Pose, Poses, pose};
use crate::audit::models::tracks::{Track, tracks};
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::Dataset;
use crate::facts::Facts;
use crate::stats::robust;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let lengths: BTreeMap<usize, f64> = (Poses::by_skeleton(dataset).iter())
        .map(|poses| (poses.skeleton, poses.body_length_px))
        .collect();
    let tracks = tracks(dataset);
    let max_gap = settings.get("max_gap");
    // What is usual depends on the keypoint and on the time between frames. Only
    // distances are kept: there may be millions.
    let mut groups: BTreeMap<(usize, usize, u32), Vec<f64>> = BTreeMap::new();
    for track in &tracks {
        for at in 0..track.frames.len() {
            for departure in departures(dataset, track, at, max_gap) {
                let key = (track.skeleton, departure.kind, departure.class);
                groups.entry(key).or_default().push(departure.px);
            }
        }
    }
    let usual: BTreeMap<_, f64> = (groups.into_iter())
        .filter(|(_, all)| all.len() as f64 >= settings.get("min_frames"))
        .map(|(key, mut all)| (key, scatter(&mut all)))
        .collect();
    let mut hits = Vec::new();
    for track in &tracks {
        let Some(&body_length) = lengths.get(&track.skeleton) else { continue };
        for at in 0..track.frames.len() {
            for departure in departures(dataset, track, at, max_gap) {
                let key = (track.skeleton, departure.kind, departure.class);
                if let Some(&sd_px) = usual.get(&key)
                    && let Some(score) = judge(&departure, sd_px, body_length, settings)
                    && !echoes(dataset, track, at, &departure, max_gap)
                {
                    let name = &dataset.skeletons[track.skeleton].keypoints[departure.kind];
                    let min_px = settings.get("min_jump") * body_length;
                    hits.push(
                        departure.hit(facts, name, sd_px, score).measured(departure.px, min_px),
                    );
                }
            }
        }
    }
    hits
}

/// Returns the standard deviation of departures, pixels. One wrong label spoils three of
/// them, so the tails are looked at less far out than for keypoints.
fn scatter(all: &mut [f64]) -> f64 {
    let mut scale =
        |share| robust::quantile(all, share).unwrap_or(0.0) / t_quantile(share, LEAST_FREEDOM);
    scale(0.5).max(scale(0.8)).max(LEAST_SD_PX)
}

/// Returns the probability that a departure is wrong, if it is to be reported.
fn judge(
    departure: &Departure,
    sd_px: f64,
    body_length_px: f64,
    settings: &Settings,
) -> Option<f64> {
    let surprise = surprise(departure.px / sd_px, LEAST_FREEDOM);
    let score = posterior(settings.get("prior"), wrong_place(surprise, sd_px, body_length_px));
    (score >= settings.get("min_score")
        && departure.px >= settings.get("min_jump") * body_length_px
        && departure.px >= settings.get("min_return") * departure.across_px)
        .then_some(score)
}

/// Returns whether a departure only echoes that of the frame before or after: a jump
/// makes the frames beside it depart by half as much.
fn echoes(
    dataset: &Dataset,
    track: &Track,
    at: usize,
    departure: &Departure,
    max_gap: f64,
) -> bool {
    [at.saturating_sub(1), at + 1].into_iter().any(|beside| {
        (departures(dataset, track, beside, max_gap).iter())
            .any(|other| other.kind == departure.kind && other.px > ECHO * departure.px)
    })
}

/// How far a point is from where its neighbours in time put it.
struct Departure {
    instance: u32,
    kind: usize,
    /// Class of the time step: 0 for less than 4 frames, 1 for less than 16, and so on.
    class: u32,
    neighbours: [u32; 2],
    /// Distance in pixels, after the movement of the whole animal is taken away.
    px: f64,
    /// Where the neighbours put it.
    at: Point,
    /// How far it moves from the frame before to the frame after, against the animal.
    across_px: f64,
}

impl Departure {
    fn hit(&self, facts: &Facts, name: &str, sd_px: f64, score: f64) -> Hit {
        let message = format!(
            "{name} jumps {:.0} px away between the labelled frames before and after, in which \
             it moves {:.0} px; usual are {sd_px:.0} px",
            self.px, self.across_px
        );
        let related = self
            .neighbours
            .map(|at| facts.image_of(&facts.dataset.instances[at as usize]).path.clone());
        Hit::new(Subject::Keypoint(self.instance, self.kind as u16), score, message)
            .related(related.to_vec())
            .proposal(Proposal {
                x: Some(self.at[0]),
                y: Some(self.at[1]),
                sd_px: Some(sd_px),
                ..Proposal::new(Action::Move)
            })
    }
}

/// Returns the departures of the frame at a place of a track; none at its ends, and none
/// where the frames beside it are too far away.
fn departures(dataset: &Dataset, track: &Track, at: usize, max_gap: f64) -> Vec<Departure> {
    let around = at.checked_sub(1).and_then(|before| track.frames.get(before..before + 3));
    let Some(&[(t0, i0), (t1, i1), (t2, i2)]) = around else { return Vec::new() };
    if (t2 - t0) as f64 > 2.0 * max_gap {
        return Vec::new();
    }
    let class = (t2 - t0).ilog2() / 2;
    let [before, here, after] =
        [i0, i1, i2].map(|at| pose(dataset, &dataset.instances[at as usize]));
    let share = (t1 - t0) as f64 / (t2 - t0) as f64;
    let off = |kind: usize| {
        let (a, b, c) = (before[kind]?, here[kind]?, after[kind]?);
        Some([0, 1].map(|axis| b[axis] - a[axis] - share * (c[axis] - a[axis])))
    };
    let across = |kind: usize| {
        let (a, c) = (before[kind]?, after[kind]?);
        Some([c[0] - a[0], c[1] - a[1]])
    };
    let mut all = Vec::new();
    for kind in 0..here.len() {
        let (Some(mine), Some(moved), Some(point)) = (off(kind), across(kind), here[kind]) else {
            continue;
        };
        let common = others(&here, kind, off);
        let drift = others(&here, kind, across);
        let rest = [mine[0] - common[0], mine[1] - common[1]];
        let departure = Departure {
            instance: i1,
            kind,
            class,
            neighbours: [i0, i2],
            px: rest[0].hypot(rest[1]),
            at: [point[0] - rest[0], point[1] - rest[1]],
            across_px: (moved[0] - drift[0]).hypot(moved[1] - drift[1]),
        };
        all.push(departure);
    }
    all
}

/// Returns the median of a vector over the other keypoints, zero without any.
fn others(pose: &Pose, kind: usize, of: impl Fn(usize) -> Option<Point>) -> Point {
    let all: Vec<Point> = (0..pose.len()).filter(|&other| other != kind).filter_map(of).collect();
    [0, 1].map(|axis| {
        let mut values: Vec<f64> = all.iter().map(|vector| vector[axis]).collect();
        robust::median(&mut values).unwrap_or(0.0)
    })
}

/// A departure is another's echo where that is larger by this factor.
const ECHO: f64 = 1.5;
/// How exactly anyone can label twice, pixels.
const LEAST_SD_PX: f64 = 1.0;
