//! Keypoints that few instances have.

use crate::audit::models::coverage;
use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_share = settings.get("max_share");
    let min_instances = settings.get("min_instances") as usize;
    (coverage::of_skeletons(&facts.dataset).into_iter())
        .filter_map(|kind| {
            let share = kind.labelled as f64 / kind.instances as f64;
            // Never labelled is `unlabelled_keypoint`.
            if kind.labelled == 0 || kind.instances < min_instances || share >= max_share {
                return None;
            }
            let message = format!(
                "{} is labelled in {} of {} instances, {:.1} %",
                kind.name(),
                kind.labelled,
                kind.instances,
                100.0 * share
            );
            let hit = Hit::new(Subject::Dataset(kind.name()), 1.0, message);
            Some(hit.measured(share, max_share))
        })
        .collect()
}
