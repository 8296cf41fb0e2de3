//! Boxes that reach beyond their image, or lie outside it.

use crate::audit::{Action, Hit, Proposal, Settings, Severity, Subject};
use crate::dataset::BBox;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let tolerance_px = settings.get("tolerance_px");
    let mut hits = Vec::new();
    for (at, instance) in facts.dataset.instances.iter().enumerate() {
        // Boxes without area have a rule of their own.
        let Some(bbox) = instance.bbox.filter(|bbox| bbox.area() > 0.0) else { continue };
        let Some([width, height]) = facts.size_px(instance.image as usize) else { continue };
        let image = BBox { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) };
        let outside_px = reach(&bbox, &image);
        if outside_px <= tolerance_px {
            continue;
        }
        let share = 1.0 - intersection(&bbox, &image) / bbox.area();
        let message = if share < 1.0 {
            format!(
                "reaches {outside_px:.1} px beyond the image of {width} × {height} px \
                 ({:.0} % of its area)",
                100.0 * share
            )
        } else {
            format!("lies wholly outside the image of {width} × {height} px")
        };
        let hit = Hit::new(Subject::Instance(at as u32), 1.0, message)
            .measured(outside_px, tolerance_px)
            .proposal(Proposal::new(if share < 1.0 {
                Action::Relabel
            } else {
                Action::DropInstance
            }));
        hits.push(Hit { severity: (share >= 1.0).then_some(Severity::Error), ..hit });
    }
    hits
}

/// Returns how far a box reaches beyond the image, pixels; negative inside.
fn reach(bbox: &BBox, image: &BBox) -> f64 {
    (-bbox.x)
        .max(-bbox.y)
        .max(bbox.x + bbox.width - image.width)
        .max(bbox.y + bbox.height - image.height)
}

/// Returns the area that a box shares with the image, square pixels.
fn intersection(bbox: &BBox, image: &BBox) -> f64 {
    let width = (bbox.x + bbox.width).min(image.width) - bbox.x.max(0.0);
    let height = (bbox.y + bbox.height).min(image.height) - bbox.y.max(0.0);
    width.max(0.0) * height.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_and_intersection_agree() {
        let image = BBox { x: 0.0, y: 0.0, width: 100.0, height: 50.0 };
        let half_out = BBox { x: 90.0, y: 10.0, width: 20.0, height: 10.0 };
        assert_eq!(reach(&half_out, &image), 10.0);
        assert_eq!(intersection(&half_out, &image), 100.0);
        let out = BBox { x: 120.0, ..half_out };
        assert_eq!(intersection(&out, &image), 0.0);
        let inside = BBox { x: 5.0, ..half_out };
        assert_eq!(reach(&inside, &image), -5.0);
    }
}
