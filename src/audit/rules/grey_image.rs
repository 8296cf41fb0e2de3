//! Grey images among colour images.

use std::collections::BTreeMap;

use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_grey_frac = settings.get("max_grey_frac");
    let min_images = settings.get("min_images");
    // Grey images and all images, by video.
    let mut groups: BTreeMap<Option<u32>, [usize; 2]> = BTreeMap::new();
    let known = || {
        (facts.images.iter().enumerate()).filter_map(|(image, known)| {
            Some((image, facts.dataset.images[image].video, known.pixels.as_ref()?))
        })
    };
    for (_, video, pixels) in known() {
        let [grey, all] = groups.entry(video).or_default();
        *grey += usize::from(pixels.grey);
        *all += 1;
    }
    known()
        // An image without any detail has no colour to miss.
        .filter(|(.., pixels)| pixels.grey && pixels.blur_px.is_some())
        .filter_map(|(image, video, _)| {
            let [grey, all] = groups[&video];
            let share = grey as f64 / all as f64;
            (all as f64 >= min_images && share <= max_grey_frac).then(|| {
                let message = format!("grey, where {} of {all} images have colour", all - grey);
                Hit::new(Subject::Image(image as u32), 1.0 - share, message)
                    .measured(share, max_grey_frac)
            })
        })
        .collect()
}
