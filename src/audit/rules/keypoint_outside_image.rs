//! Keypoints that lie outside their image.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let tolerance_px = settings.get("tolerance_px");
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some([width, height]) = facts.size_px(instance.image as usize) else { continue };
        for point in dataset.keypoints_of(instance) {
            let outside_px =
                beyond(point.x, f64::from(width)).max(beyond(point.y, f64::from(height)));
            if outside_px <= tolerance_px {
                continue;
            }
            let message = format!(
                "at ({:.1}, {:.1}), {outside_px:.1} px outside the image of {width} × {height} px",
                dataset.to_label(point.x),
                dataset.to_label(point.y),
            );
            hits.push(
                Hit::new(Subject::Keypoint(at as u32, point.kind), 1.0, message)
                    .measured(outside_px, tolerance_px)
                    .proposal(Proposal::new(Action::DropKeypoint)),
            );
        }
    }
    hits
}

/// Returns how far a coordinate lies beyond `[0, length]`; negative inside,
/// infinite for what is no number.
fn beyond(coordinate: f64, length: f64) -> f64 {
    if coordinate.is_nan() { f64::INFINITY } else { (-coordinate).max(coordinate - length) }
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn an_image_reaches_from_zero_to_its_width() {
        assert_eq!(beyond(-2.0, 100.0), 2.0);
        assert_eq!(beyond(100.0, 100.0), 0.0);
        assert_eq!(beyond(103.0, 100.0), 3.0);
        assert_eq!(beyond(f64::NAN, 100.0), f64::INFINITY);
    }
}
