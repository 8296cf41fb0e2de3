//! Keypoints labelled as seen where there is nothing to see: the window around them
//! lacks the contrast that the same keypoint has elsewhere.

use crate::audit::models::appearance::looks;
use crate::audit::models::belief::wrong_ratio;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::Visibility;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let min_points = settings.get("min_points") as usize;
    let looks = looks(facts, min_points, |local, image| {
        // In units of the image's own contrast, so that a flat image is left to
        // low_information_image. Half a grey level stands for none.
        let own = f64::from(facts.images[image].pixels.as_ref()?.contrast);
        Some(f64::from(local.contrast).max(NO_CONTRAST) / own.max(NO_CONTRAST))
    });
    let mut hits = Vec::new();
    for look in looks {
        let point = &dataset.keypoints[look.point];
        let factor = look.log_ratio.exp();
        let flat = facts.keypoints[look.point].is_some_and(|local| local.blur_px.is_none());
        let score = wrong_ratio(look.log_ratio / look.sd, look.sd, settings.get("prior"));
        if point.visibility != Visibility::Visible
            || !flat
            || factor > settings.get("max_factor")
            || score < settings.get("min_score")
        {
            continue;
        }
        let skeleton = dataset.skeleton_of(&dataset.instances[look.instance as usize]);
        let name = skeleton.and_then(|s| s.keypoints.get(usize::from(point.kind)));
        let message = format!(
            "{} lies where nothing can be seen: no edge, and {factor:.2} times the usual contrast",
            name.map_or("keypoint", String::as_str)
        );
        hits.push(
            Hit::new(Subject::Keypoint(look.instance, point.kind), score, message)
                .measured(factor, settings.get("max_factor"))
                .proposal(Proposal::new(Action::Relabel)),
        );
    }
    hits
}

/// Half a grey level.
const NO_CONTRAST: f64 = 0.5 / 255.0;
