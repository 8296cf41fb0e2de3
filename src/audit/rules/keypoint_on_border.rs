//! Keypoints parked in a corner or on an edge of the image.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let margin_px = settings.get("margin_px");
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some(size) = facts.size_px(instance.image as usize) else { continue };
        for point in dataset.keypoints_of(instance) {
            let [dx, dy] = [(point.x, size[0]), (point.y, size[1])]
                .map(|(coordinate, length)| to_edge(coordinate, f64::from(length)));
            // Farther out is `keypoint_outside_image`.
            let on = |distance: f64| distance.abs() <= margin_px;
            let inside = dx >= -margin_px && dy >= -margin_px;
            let (place, score) = match (on(dx), on(dy)) {
                (true, true) => ("in the corner", settings.get("corner_score")),
                (true, false) | (false, true) if inside => {
                    ("on the edge", settings.get("edge_score"))
                }
                _ => continue,
            };
            let message = format!(
                "at ({:.1}, {:.1}), {place} of the image of {} × {} px",
                dataset.to_label(point.x),
                dataset.to_label(point.y),
                size[0],
                size[1],
            );
            hits.push(
                Hit::new(Subject::Keypoint(at as u32, point.kind), score, message)
                    .measured(dx.min(dy), margin_px)
                    .proposal(Proposal::new(Action::DropKeypoint)),
            );
        }
    }
    hits
}

/// Returns the distance to the nearer end of `[0, length]`; negative outside.
fn to_edge(coordinate: f64, length: f64) -> f64 {
    coordinate.min(length - coordinate)
}
