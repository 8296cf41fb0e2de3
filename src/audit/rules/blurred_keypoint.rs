//! Keypoints whose surroundings are blurred where they are usually sharp, in an image
//! that is not.

use crate::audit::models::appearance::{Look, looks};
use crate::audit::models::belief::wrong_ratio;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::{Facts, LocalFacts};
use crate::pixels::MAX_BLUR_PX;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let min_points = settings.get("min_points") as usize;
    // Twice: in pixels, and in units of the image's own softness, so that a blurred
    // image is left to blurry_image. Both in the order of the same points.
    let softness = |local: &LocalFacts, image: usize| {
        let whole = facts.images[image].pixels.as_ref()?.blur_px?;
        Some((told(local.blur_px?)?, f64::from(whole).max(LEAST_BLUR_PX)))
    };
    let in_px = looks(facts, min_points, |local, image| Some(softness(local, image)?.0));
    let in_image = looks(facts, min_points, |local, image| {
        softness(local, image).map(|(here, whole)| here / whole)
    });
    let mut hits = Vec::new();
    for (one, other) in in_px.iter().zip(&in_image) {
        let Some(Some(local)) = facts.keypoints.get(one.point) else { continue };
        let blur_px = local.blur_px.map_or(0.0, f64::from);
        let factor = one.log_ratio.min(other.log_ratio).exp();
        if blur_px < settings.get("min_blur_px") || factor < settings.get("min_factor") {
            continue;
        }
        let belief =
            |look: &Look| wrong_ratio(look.log_ratio / look.sd, look.sd, settings.get("prior"));
        let score = belief(one).min(belief(other));
        if score < settings.get("min_score") {
            continue;
        }
        let kind = dataset.keypoints[one.point].kind;
        let skeleton = dataset.skeleton_of(&dataset.instances[one.instance as usize]);
        let name = skeleton.and_then(|s| s.keypoints.get(usize::from(kind)));
        let message = format!(
            "edges around {} are {blur_px:.1} px soft, {factor:.1} times as usual, in an image \
             that is not blurred",
            name.map_or("the keypoint", String::as_str)
        );
        hits.push(
            Hit::new(Subject::Keypoint(one.instance, kind), score, message)
                .measured(factor, settings.get("min_factor"))
                .proposal(Proposal::new(Action::Relabel)),
        );
    }
    hits
}

/// Returns the softness of a window as far as it can be told: values next to zero are
/// all as sharp as pixels can be, and the greatest is no measure.
fn told(blur_px: f32) -> Option<f64> {
    (blur_px < MAX_BLUR_PX).then_some(f64::from(blur_px).max(LEAST_BLUR_PX))
}

/// Nothing is sharper than this, pixels: the standard deviation of a pixel's own
/// width, 1/√12.
const LEAST_BLUR_PX: f64 = 0.289;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softness_is_told_within_what_can_be_measured() {
        assert_eq!(told(0.0), Some(LEAST_BLUR_PX));
        assert_eq!(told(2.5), Some(2.5));
        assert_eq!(told(MAX_BLUR_PX), None);
    }
}
