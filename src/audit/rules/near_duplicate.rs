//! Images that look nearly alike: encoded again, resized, cropped, mirrored, changed in
//! brightness, or frames between which nothing moved.

use std::collections::BTreeMap;

use crate::audit::models::duplicates::{self, Relation};
use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    (duplicates::near(facts, settings).into_iter())
        .map(|group| {
            let path = |&image: &usize| facts.dataset.images[image].path.clone();
            let related: Vec<String> = group.images[1..].iter().map(path).collect();
            let message = message(&related, &group.relations[1..]);
            Hit::new(Subject::Image(group.images[0] as u32), group.likeness, message)
                .measured(group.difference, settings.get("max_difference"))
                .related(related)
        })
        .collect()
}

/// Returns the words for images and how each differs from the first.
fn message(others: &[String], relations: &[Relation]) -> String {
    if let ([other], [relation]) = (others, relations) {
        return format!("{other} looks like it: {}", relation.words());
    }
    let mut counts: BTreeMap<Relation, usize> = BTreeMap::new();
    for &relation in relations {
        *counts.entry(relation).or_default() += 1;
    }
    let words: Vec<String> =
        counts.iter().map(|(relation, count)| format!("{count} {}", relation.words())).collect();
    format!("{} other images look like it: {}", others.len(), words.join("; "))
}
