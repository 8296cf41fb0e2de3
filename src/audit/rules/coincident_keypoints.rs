//! Two keypoints of one instance on one spot, where the two seldom come near.

use std::collections::BTreeMap;

use crate::audit::{Hit, Settings, Subject};
use crate::dataset::{Dataset, Instance, Visibility};
use crate::facts::Facts;
use crate::stats::robust::median;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_distance_px = settings.get("max_distance_px");
    let dataset = &facts.dataset;
    // Two keypoints of a skeleton, and the instances in which they coincide.
    let mut found: BTreeMap<Pair, Vec<usize>> = BTreeMap::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some(skeleton) = instance.skeleton else { continue };
        let points = dataset.keypoints_of(instance);
        for (place, point) in points.iter().enumerate() {
            for other in &points[..place] {
                // A hidden part is often put onto what hides it, on purpose.
                let seen = [point, other].map(|p| p.visibility) == [Visibility::Visible; 2];
                if seen && (point.x - other.x).hypot(point.y - other.y) <= max_distance_px {
                    let pair = Pair { skeleton, first: other.kind, second: point.kind };
                    found.entry(pair).or_default().push(at);
                }
            }
        }
    }
    (found.into_iter())
        .filter(|(pair, _)| !often_meets(dataset, *pair, settings))
        .flat_map(|(pair, instances)| instances.into_iter().map(move |at| (pair, at)))
        .filter_map(|(pair, at)| {
            let distance_px = distance(dataset, &dataset.instances[at], pair)?;
            let name =
                &dataset.skeletons[usize::from(pair.skeleton)].keypoints[usize::from(pair.first)];
            let message = if distance_px > 0.0 {
                format!("{distance_px:.2} px from {name}")
            } else {
                format!("on the same spot as {name}")
            };
            let subject = Subject::Keypoint(at as u32, pair.second);
            let hit = Hit::new(subject, settings.get("base_score"), message);
            Some(hit.measured(distance_px, max_distance_px).related(vec![name.clone()]))
        })
        .collect()
}

/// Two keypoints of a skeleton, in ascending kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    skeleton: u16,
    first: u16,
    second: u16,
}

/// Returns the distance of two keypoints, where an instance has both.
fn distance(dataset: &Dataset, instance: &Instance, pair: Pair) -> Option<f64> {
    let a = dataset.keypoint(instance, pair.first)?;
    let b = dataset.keypoint(instance, pair.second)?;
    Some((a.x - b.x).hypot(a.y - b.y))
}

/// Returns whether two keypoints come near each other in many other instances, as
/// paws do that cross in a side view. Then meeting in one spot is no error.
fn often_meets(dataset: &Dataset, pair: Pair, settings: &Settings) -> bool {
    let max_distance_px = settings.get("max_distance_px");
    let of_skeleton = dataset.instances.iter().filter(|i| i.skeleton == Some(pair.skeleton));
    let mut distances: Vec<f64> =
        of_skeleton.filter_map(|instance| distance(dataset, instance, pair)).collect();
    let Some(usual_px) = median(&mut distances) else { return false };
    let apart = distances.iter().filter(|&&d| d > max_distance_px);
    let near = apart.filter(|&&d| d < settings.get("near_ratio") * usual_px).count();
    usual_px <= max_distance_px
        || near as f64 > settings.get("max_near_share") * distances.len() as f64
}
