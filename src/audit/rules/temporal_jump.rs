//! Points that jump away for one labelled frame and come back in the next.

use std::collections::BTreeMap;

use crate::audit::models::belief::{LEAST_FREEDOM, surprise, t_quantile, wrong_place};
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
    // What is usual depends on the keypoint and on the time between frames.
    let mut groups: BTreeMap<(usize, usize, u32), Vec<Departure>> = BTreeMap::new();
    for track in tracks(dataset) {
        for (class, departure) in departures(dataset, &track, settings.get("max_gap")) {
            groups.entry((track.skeleton, departure.kind, class)).or_default().push(departure);
        }
    }
    let mut hits = Vec::new();
    for ((skeleton, kind, _), group) in groups {
        let Some(&body_length) = lengths.get(&skeleton) else { continue };
        if (group.len() as f64) < settings.get("min_frames") {
            continue;
        }
        let mut all: Vec<f64> = group.iter().map(|departure| departure.px).collect();
        // One wrong label spoils three departures, so the tails are looked at less far
        // out than for keypoints.
        let middle =
            robust::quantile(&mut all, 0.5).unwrap_or(0.0) / t_quantile(0.5, LEAST_FREEDOM);
        let tails = robust::quantile(&mut all, 0.8).unwrap_or(0.0) / t_quantile(0.8, LEAST_FREEDOM);
        let sd_px = middle.max(tails).max(LEAST_SD_PX);
        let min_px = settings.get("min_jump") * body_length;
        let jumps: BTreeMap<u32, f64> =
            group.iter().map(|departure| (departure.instance, departure.px)).collect();
        for departure in group {
            // A jump makes the frames beside it depart by half as much.
            let larger = |at| jumps.get(at).is_some_and(|&px| px > ECHO * departure.px);
            let echo = departure.neighbours.iter().any(larger);
            let surprise = surprise(departure.px / sd_px, LEAST_FREEDOM);
            let score = wrong_place(surprise, sd_px, body_length, settings.get("prior"));
            if echo
                || score < settings.get("min_score")
                || departure.px < min_px
                || departure.px < settings.get("min_return") * departure.across_px
            {
                continue;
            }
            let name = &dataset.skeletons[skeleton].keypoints[kind];
            let message = format!(
                "{name} jumps {:.0} px away between the labelled frames before and after, in \
                 which it moves {:.0} px; usual are {:.0} px",
                departure.px, departure.across_px, sd_px
            );
            let related = departure
                .neighbours
                .map(|at| facts.image_of(&dataset.instances[at as usize]).path.clone());
            hits.push(
                Hit::new(Subject::Keypoint(departure.instance, kind as u16), score, message)
                    .measured(departure.px, min_px)
                    .related(related.to_vec())
                    .proposal(Proposal {
                        x: Some(departure.at[0]),
                        y: Some(departure.at[1]),
                        sd_px: Some(sd_px),
                        ..Proposal::new(Action::Move)
                    }),
            );
        }
    }
    hits
}

/// How far a point is from where its neighbours in time put it.
struct Departure {
    instance: u32,
    kind: usize,
    neighbours: [u32; 2],
    /// Distance in pixels, after the movement of the whole animal is taken away.
    px: f64,
    /// Where the neighbours put it.
    at: Point,
    /// How far it moves from the frame before to the frame after, against the animal.
    across_px: f64,
}

/// Returns the departures of a track with the class of their time step: 0 for less
/// than 4 frames, 1 for less than 16, and so on.
fn departures(dataset: &Dataset, track: &Track, max_gap: f64) -> Vec<(u32, Departure)> {
    let mut all = Vec::new();
    for window in track.frames.windows(3) {
        let [(t0, i0), (t1, i1), (t2, i2)] = [window[0], window[1], window[2]];
        if (t2 - t0) as f64 > 2.0 * max_gap {
            continue;
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
        for kind in 0..here.len() {
            let (Some(mine), Some(moved), Some(point)) = (off(kind), across(kind), here[kind])
            else {
                continue;
            };
            let common = others(&here, kind, off);
            let drift = others(&here, kind, across);
            let rest = [mine[0] - common[0], mine[1] - common[1]];
            let departure = Departure {
                instance: i1,
                kind,
                neighbours: [i0, i2],
                px: rest[0].hypot(rest[1]),
                at: [point[0] - rest[0], point[1] - rest[1]],
                across_px: (moved[0] - drift[0]).hypot(moved[1] - drift[1]),
            };
            all.push((class, departure));
        }
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
