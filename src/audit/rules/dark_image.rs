//! Images in which even the brightest parts are dark.

use crate::audit::models::baseline;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let alone = settings.get("max_brightness");
    (baseline::measured(facts, |known| Some(f64::from(known.pixels.as_ref()?.brightness[4])))
        .iter())
    .filter_map(|bright| {
        // A mixed collection has no usual brightness.
        let rig = bright.usual.filter(|usual| usual.sd <= settings.get("max_usual_sd"));
        let beside = rig.map(|usual| {
            (usual.median - settings.get("min_z") * usual.sd)
                .min(usual.median * settings.get("max_ratio"))
                .min(settings.get("max_brightness_beside"))
        });
        let threshold = beside.map_or(alone, |beside| beside.max(alone));
        (bright.value <= threshold).then(|| {
            let message = format!("99 % of the pixels are darker than {:.2} of 1", bright.value);
            // Darkness, so that more of it is surer.
            let score = baseline::confidence(1.0 - bright.value, 1.0 - threshold);
            Hit::new(Subject::Image(bright.image as u32), score.max(0.8), message)
                .measured(bright.value, threshold)
                .proposal(Proposal::new(Action::DropImage))
        })
    })
    .collect()
}
