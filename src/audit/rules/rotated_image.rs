//! Images that viewers turn or mirror before they show them.

use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (facts.images.iter().enumerate())
        .filter_map(|(image, known)| {
            // EXIF 2.32, section 4.6.4 A: where the first row and column lie.
            let how = match known.orientation {
                2 => "mirrored",
                3 => "turned by 180°",
                4 => "mirrored and turned by 180°",
                5 => "mirrored and turned by 90° to the left",
                6 => "turned by 90° to the right",
                7 => "mirrored and turned by 90° to the right",
                8 => "turned by 90° to the left",
                _ => return None,
            };
            let code = known.orientation;
            let message = format!("viewers show it {how} (EXIF orientation {code})");
            Some(Hit::new(Subject::Image(image as u32), 1.0, message))
        })
        .collect()
}
