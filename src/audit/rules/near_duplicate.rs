//! Images that look nearly alike: encoded again, resized, slightly cropped, or frames
//! between which nothing moved.

use crate::audit::models::duplicates;
use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let pairs = duplicates::near(facts, settings);
    (duplicates::groups(facts, &pairs).iter())
        .map(|group| {
            let of_group = || pairs.iter().filter(|pair| group.contains(&pair.images[0]));
            let likeness = of_group().map(|pair| pair.likeness).fold(1.0, f64::min);
            let bits = of_group().map(|pair| pair.bits).max().unwrap_or(0);
            let related: Vec<String> =
                group[1..].iter().map(|&image| facts.dataset.images[image].path.clone()).collect();
            let message = match &related[..] {
                [other] => format!("looks like {other} ({bits} of 64 bits of the hash differ)"),
                others => format!(
                    "looks like {} other images (at most {bits} of 64 bits of the hash differ)",
                    others.len()
                ),
            };
            Hit::new(Subject::Image(group[0] as u32), likeness, message)
                .measured(f64::from(bits), settings.get("max_bits"))
                .related(related)
        })
        .collect()
}
