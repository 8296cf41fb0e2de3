//! Keypoints that are blurred where they are usually sharp, in an image that is not.

use crate::audit::models::appearance::looks;
use crate::audit::models::belief::wrong_ratio;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let min_points = settings.get("min_points") as usize;
    let blur = |image: usize| facts.images[image].pixels.as_ref()?.blur_px.map(f64::from);
    // Twice: as it is, and in units of the image's own blur, so that a blurred image is
    // left to blurry_image.
    let own = looks(facts, min_points, |local, _| local.blur_px.map(f64::from));
    let relative = looks(facts, min_points, |local, image| {
        Some(f64::from(local.blur_px?) / blur(image)?.max(LEAST_BLUR_PX))
    });
    let mut relative = relative.into_iter().map(|look| (look.point, look)).collect::<Vec<_>>();
    relative.sort_by_key(|&(point, _)| point);
    let mut hits = Vec::new();
    for look in own {
        let Ok(at) = relative.binary_search_by_key(&look.point, |&(point, _)| point) else {
            continue;
        };
        let other = relative[at].1;
        let factor = look.log_ratio.min(other.log_ratio).exp();
        let score = wrong_ratio(look.log_ratio / look.sd, look.sd, settings.get("prior"))
            .min(wrong_ratio(other.log_ratio / other.sd, other.sd, settings.get("prior")));
        if factor < settings.get("min_factor") || score < settings.get("min_score") {
            continue;
        }
        let kind = dataset.keypoints[look.point].kind;
        let skeleton = dataset.skeleton_of(&dataset.instances[look.instance as usize]);
        let name = skeleton.and_then(|s| s.keypoints.get(usize::from(kind)));
        let message = format!(
            "{} is {factor:.1} times as blurred as usual, beyond the image around it",
            name.map_or("keypoint", String::as_str)
        );
        hits.push(
            Hit::new(Subject::Keypoint(look.instance, kind), score, message)
                .measured(factor, settings.get("min_factor"))
                .proposal(Proposal::new(Action::Relabel)),
        );
    }
    hits
}

/// Images are never sharper than this: the blur of a pixel itself, 1/√12.
const LEAST_BLUR_PX: f64 = 0.289;
