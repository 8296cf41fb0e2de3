//! Why a patch cannot be made, read, applied or taken back.

use std::path::{Path, PathBuf};

use crate::formats::FormatError;

/// Says what cannot be done with a patch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// The labels are not those that the patch was made for.
    #[error(
        "the patch was made for other labels: {difference}; make a new one with `labelvet clean plan`"
    )]
    OtherLabels {
        /// What differs, a lower-case fragment.
        difference: String,
    },
    /// A change names what the dataset does not hold.
    #[error("the dataset has no {what} `{name}`")]
    NoSuch {
        /// Kind of thing, and of what.
        what: String,
        /// Its name.
        name: String,
    },
    /// A change lacks what its action needs.
    #[error("{place}: {message}")]
    Incomplete {
        /// Image, instance and keypoint.
        place: String,
        /// What is missing, a lower-case fragment.
        message: String,
    },
    /// A label is not what the patch says it is.
    #[error("{place} is {found}, where the patch expects {expected}")]
    Changed {
        /// Image, instance and keypoint.
        place: String,
        /// What the patch says, as JSON.
        expected: String,
        /// What the dataset says, as JSON.
        found: String,
    },
    /// A patch, or a file beside it, cannot be understood.
    #[error("failed to read {}: row {row}: {message}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        row: usize,
        /// What was expected and what was found.
        message: String,
    },
    /// A file of the cleaned copy is not what was written there.
    #[error(
        "{path} is not as it was written when the patch was applied: {difference}; nothing is changed, and what was edited since stays where it is, in {}",
        .copy.display()
    )]
    Edited {
        /// The cleaned copy.
        copy: PathBuf,
        /// The file, relative to it, with `/`.
        path: String,
        /// What differs, a lower-case fragment.
        difference: &'static str,
    },
    /// A folder is not the copy that this patch made.
    #[error("{} is not a copy that this patch made: {message}", .path.display())]
    OtherCopy {
        /// The folder.
        path: PathBuf,
        /// What differs, a lower-case fragment.
        message: &'static str,
    },
    /// A file of this name is the user's own.
    #[error("{} is in the way: {message}", .path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do, a lower-case fragment.
        message: &'static str,
    },
    /// The system refused.
    #[error("failed to {verb} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The format's own trouble.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The copy could not be made.
    #[error(transparent)]
    Copy(#[from] crate::formats::CopyError),
}

impl CleanError {
    pub(super) fn io(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CleanError {
        let path = path.to_path_buf();
        move |source| CleanError::Io { verb, path, source }
    }
}
