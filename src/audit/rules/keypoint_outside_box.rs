//! Keypoints that lie outside the box of their instance.

use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::dataset::{BBox, Keypoint, Visibility};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let tolerance = settings.get("tolerance");
    let max_points_share = settings.get("max_points_share");
    // Half at the threshold, towards one the farther away.
    let score = |share: f64| share / (share + tolerance);
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some(bbox) = instance.bbox.filter(|bbox| bbox.area() > 0.0) else { continue };
        let diagonal_px = bbox.width.hypot(bbox.height);
        // Where a hidden part lies is a guess, and boxes hold what is seen.
        let seen: Vec<&Keypoint> = (dataset.keypoints_of(instance).iter())
            .filter(|point| point.visibility == Visibility::Visible)
            .collect();
        let outside: Vec<(&Keypoint, f64)> = (seen.iter())
            .map(|&point| (point, distance_px(point, &bbox) / diagonal_px))
            .filter(|&(_, share)| share > tolerance)
            .collect();
        if outside.len() > 1 && outside.len() as f64 > max_points_share * seen.len() as f64 {
            let farthest = outside.iter().map(|&(_, share)| share).fold(0.0, f64::max);
            let message = format!(
                "{} of {} visible keypoints lie outside its box, by up to {:.0} % of the box's diagonal",
                outside.len(),
                seen.len(),
                100.0 * farthest
            );
            hits.push(
                Hit::new(Subject::Instance(at as u32), score(farthest), message)
                    .kind(Kind::Shift)
                    .measured(farthest, tolerance)
                    .proposal(Proposal::new(Action::Relabel)),
            );
            continue;
        }
        hits.extend(outside.into_iter().map(|(point, share)| {
            let message = format!(
                "lies {:.1} px outside its box, {:.0} % of the box's diagonal",
                share * diagonal_px,
                100.0 * share
            );
            Hit::new(Subject::Keypoint(at as u32, point.kind), score(share), message)
                .measured(share, tolerance)
                .proposal(Proposal::new(Action::Relabel))
        }));
    }
    hits
}

/// Returns the distance from a point to a box, 0 inside.
fn distance_px(point: &Keypoint, bbox: &BBox) -> f64 {
    let dx = (bbox.x - point.x).max(point.x - bbox.x - bbox.width).max(0.0);
    let dy = (bbox.y - point.y).max(point.y - bbox.y - bbox.height).max(0.0);
    dx.hypot(dy)
}
