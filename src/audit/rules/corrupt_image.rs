//! Image files that cannot be decoded.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::{Facts, Status};

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (facts.images.iter().enumerate())
        .filter_map(|(image, known)| {
            let what = match known.status {
                Status::Empty => "the file is empty",
                Status::Truncated => "the file ends before the picture does",
                Status::Corrupt => "the file is damaged, or no image",
                Status::Unsupported => "the file is of a format that cannot be decoded",
                Status::Unreadable => "the file cannot be read",
                Status::NotOpened
                | Status::Decoded
                | Status::Missing
                | Status::Bomb
                | Status::LfsPointer
                | Status::DvcPointer => return None,
            };
            // Of an empty or cut file the reason says the same once more.
            let told = matches!(known.status, Status::Empty | Status::Truncated);
            let reason = known.reason.as_ref().filter(|_| !told);
            let message = match reason {
                Some(reason) => format!("{what}: {reason}"),
                None => what.into(),
            };
            let hit = Hit::new(Subject::Image(image as u32), 1.0, message);
            Some(hit.proposal(Proposal::new(Action::DropImage)))
        })
        .collect()
}
