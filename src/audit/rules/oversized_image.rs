//! Image files that declare more pixels than memory allows.

use crate::audit::{Hit, Settings, Subject};
use crate::facts::{Facts, Status};

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (facts.images.iter().enumerate())
        .filter(|(_, known)| known.status == Status::Bomb)
        .map(|(image, known)| {
            let message = match known.size_px {
                Some([width, height]) => format!(
                    "the file of {} bytes declares {width} × {height} px and was not decoded",
                    known.bytes
                ),
                None => {
                    format!("the file of {} bytes is too large once decoded", known.bytes)
                }
            };
            Hit::new(Subject::Image(image as u32), 1.0, message)
        })
        .collect()
}
