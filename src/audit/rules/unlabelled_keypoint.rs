//! Keypoints of a skeleton that no instance has.

use crate::audit::models::coverage;
use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let min_instances = settings.get("min_instances") as usize;
    (coverage::of_skeletons(&facts.dataset).into_iter())
        .filter(|kind| kind.labelled == 0 && kind.instances >= min_instances)
        .map(|kind| {
            let message =
                format!("{} is labelled in none of {} instances", kind.name(), kind.instances);
            Hit::new(Subject::Dataset(kind.name()), 1.0, message).measured(0.0, 1.0)
        })
        .collect()
}
