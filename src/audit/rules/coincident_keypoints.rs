//! Two keypoints of one instance on one spot.

use crate::audit::{Hit, Settings, Subject};
use crate::dataset::Visibility;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_distance_px = settings.get("max_distance_px");
    let score = settings.get("base_score");
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some(skeleton) = dataset.skeleton_of(instance) else { continue };
        let points = dataset.keypoints_of(instance);
        for (place, point) in points.iter().enumerate() {
            // A hidden part is often put onto what hides it, on purpose.
            let near = points[..place].iter().find(|other| {
                point.visibility == Visibility::Visible
                    && other.visibility == Visibility::Visible
                    && (point.x - other.x).hypot(point.y - other.y) <= max_distance_px
            });
            let Some(other) = near else { continue };
            let name = &skeleton.keypoints[usize::from(other.kind)];
            let distance_px = (point.x - other.x).hypot(point.y - other.y);
            let message = if distance_px > 0.0 {
                format!("{distance_px:.2} px from {name}")
            } else {
                format!("on the same spot as {name}")
            };
            hits.push(
                Hit::new(Subject::Keypoint(at as u32, point.kind), score, message)
                    .measured(distance_px, max_distance_px)
                    .related(vec![name.clone()]),
            );
        }
    }
    hits
}
