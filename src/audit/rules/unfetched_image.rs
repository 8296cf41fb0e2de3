//! Images that a version control system left as a pointer.

use crate::audit::{Hit, Settings, Subject};
use crate::facts::{Facts, Status};

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (facts.images.iter().enumerate())
        .filter_map(|(image, known)| {
            let message = match known.status {
                Status::LfsPointer => {
                    "a Git LFS pointer stands in place of the image; `git lfs pull` fetches it"
                }
                Status::DvcPointer => "the image was not fetched; `dvc pull` fetches it",
                _ => return None,
            };
            Some(Hit::new(Subject::Image(image as u32), 1.0, message))
        })
        .collect()
}
