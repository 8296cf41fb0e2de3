//! Images that labels name and that are not there.

use crate::audit::{Hit, Settings, Subject};
use crate::facts::{Facts, Status};

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (facts.dataset.images.iter().zip(&facts.images).enumerate())
        .filter(|(_, (image, known))| {
            // An image that was not fetched has a rule of its own.
            known.status == Status::Missing
                || (image.file.is_none() && known.status == Status::NotOpened)
        })
        .map(|(at, _)| {
            Hit::new(
                Subject::Image(at as u32),
                1.0,
                "labels name this image, and there is no such file",
            )
        })
        .collect()
}
