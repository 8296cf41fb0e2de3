//! Images with the same content as another: the same file, or the same pixels.

use crate::audit::models::duplicates;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (duplicates::exact(facts).iter())
        .flat_map(|group| {
            // Keep the copy that carries labels.
            let labelled = |&&image: &&usize| facts.dataset.images[image].location.is_some();
            let kept = group.iter().find(labelled).copied().unwrap_or(group[0]);
            (group.iter().filter(move |&&image| image != kept)).map(move |&copy| {
                let original = &facts.dataset.images[kept].path;
                let same_file = facts.images[copy].sha256 == facts.images[kept].sha256;
                let what = if same_file { "the same file as" } else { "the same pixels as" };
                Hit::new(Subject::Image(copy as u32), 1.0, format!("{what} {original}"))
                    .related(vec![original.clone()])
                    .proposal(Proposal::new(Action::DropImage))
            })
        })
        .collect()
}
