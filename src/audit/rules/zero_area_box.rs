//! Boxes without area: width or height is zero or negative.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let min_side_px = settings.get("min_side_px");
    (facts.dataset.instances.iter().enumerate())
        .filter_map(|(at, instance)| {
            let bbox = instance.bbox?;
            let side = bbox.width.min(bbox.height);
            // Also true for a side that is no number.
            (side.is_nan() || side <= min_side_px).then(|| {
                let message = format!("box is {} × {} px", bbox.width, bbox.height);
                Hit::new(Subject::Instance(at as u32), 1.0, message)
                    .measured(side, min_side_px)
                    .proposal(Proposal::new(Action::DropInstance))
            })
        })
        .collect()
}
