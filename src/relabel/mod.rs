//! Relabelling: what people should look at goes out, what they decided comes back.
//!
//! Takes a dataset and its findings, gives a [`Queue`] of frames, worst first, and an
//! [`Export`] that napari-deeplabcut, Label Studio, CVAT or a spreadsheet opens. Takes an
//! export that people worked in, gives [`Decision`]s. Takes decisions and an audit, silences
//! what people confirmed. Never changes a dataset: a decision holds what a label became, and
//! `labelvet clean` applies it.

mod decisions;
mod decisions_file;
mod export;
mod import;
mod label;
mod queue;

pub use decisions::{
    After, Changes, Decision, Decisions, DecisionsError, DropWhat, StaleError, Verdict,
};
pub use decisions_file::{Existing, write_decisions};
pub use export::{Export, Form, Trouble, changed_since, export, write_export};
pub use import::{Import, ImportOptions, Unchanged, import};
pub use label::{Judged, Label, Place, label_hash};
pub use queue::{Asked, Choice, Frame, Header, QUEUE_FILE, Queue};

use std::path::{Path, PathBuf};

use crate::formats::FormatError;

/// Says why an export cannot be made or read back.
#[derive(Debug, thiserror::Error)]
pub enum RelabelError {
    /// The system refused.
    #[error("failed to {verb} {}: {source}", .path.display())]
    Io {
        /// What was tried, such as `read`.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder is no export.
    #[error("{} is no export of `labelvet relabel export`: it has no {QUEUE_FILE}", .folder.display())]
    NoExport {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that came back makes no sense.
    #[error("failed to read {}: {}{message}", .path.display(), .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: Option<usize>,
        /// What was expected and found.
        message: String,
    },
    /// Nothing that came back was found, or more than one file.
    #[error("{message}")]
    Returned {
        /// What was looked for, what was found and what to do.
        message: String,
    },
    /// The form cannot show what the dataset holds.
    #[error("{message}")]
    Unfit {
        /// Why, and what to use instead.
        message: String,
    },
    /// The labels of a napari folder cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A table could not be made.
    #[error("failed to write {file}: {message}")]
    Write {
        /// The file, relative to the export.
        file: &'static str,
        /// What went wrong.
        message: String,
    },
}

/// Largest file that is read back, bytes: far above any export, far below all memory.
const MOST_BYTES: u64 = 1 << 30;

/// Reads a text file, without a byte order mark.
fn read_text(path: &Path) -> Result<String, RelabelError> {
    let io = |source| RelabelError::Io { verb: "read", path: path.into(), source };
    let malformed = |line, message: &str| RelabelError::Malformed {
        path: path.into(),
        line,
        message: message.into(),
    };
    if path.metadata().map_err(io)?.len() > MOST_BYTES {
        return Err(malformed(None, "it is larger than 1 GiB"));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
            Err(malformed(Some(line), "expected UTF-8, found another encoding"))
        }
    }
}
