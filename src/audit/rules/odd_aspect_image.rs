//! Images that are unusually long and narrow.

use crate::audit::models::baseline;
use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_aspect = settings.get("max_aspect");
    let max_ratio = settings.get("max_ratio");
    baseline::measured(facts, |known| {
        let [width, height] = known.size_px?.map(f64::from);
        (width > 0.0 && height > 0.0).then(|| width.min(height) / width.max(height))
    })
    .iter()
    .filter_map(|aspect| {
        let [width, height] = facts.images[aspect.image].size_px?;
        // A rig whose images all look like that is meant to.
        let threshold =
            aspect.usual.map_or(max_aspect, |usual| max_aspect.min(usual.median * max_ratio));
        (aspect.value <= threshold).then(|| {
            let message = format!(
                "{width} × {height} px: one side is {:.1} times the other",
                1.0 / aspect.value
            );
            Hit::new(Subject::Image(aspect.image as u32), 0.95, message)
                .measured(aspect.value, threshold)
        })
    })
    .collect()
}
