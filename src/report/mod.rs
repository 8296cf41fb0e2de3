//! What is written: one file per output. Takes facts and an audit, an evaluation or a study, gives
//! the files of its folder; never changes either.

mod bench;
mod evaluation;
mod html;
mod json;
mod ledger;
mod mark;
mod parquet;
mod study;
mod summary;

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::audit::{Audit, Config, Rule};
use crate::facts::{Facts, FactsError, Table};
use crate::predictions::PredictionsError;

pub use bench::{BenchReport, bench_text, boxes_text, write_bench, write_boxes};
pub use evaluation::{EvalReport, write_eval};
pub use study::{StudyReport, suspect_labels, write_study};

use mark::{AuditSettings, Mark};
use summary::Summary;

/// Version of the layout of all outputs.
const SCHEMA: u32 = 1;

/// Everything that an AUDIT folder is made of.
#[derive(Debug, Clone, Copy)]
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
    /// Seconds that the work took.
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
    /// The facts could not be made a table.
    #[error("failed to write {}: {source}", .path.display())]
    Facts {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: FactsError,
    },
    /// A table could not be made or written.
    #[error("failed to write {}: {source}", .path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What polars said.
        source: Box<polars::prelude::PolarsError>,
    },
    /// Predictions could not be written.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
}

impl ReportError {
    fn io(path: &Path, source: std::io::Error) -> ReportError {
        ReportError::Io { path: path.into(), source }
    }

    fn table(path: &Path, source: polars::prelude::PolarsError) -> ReportError {
        ReportError::Table { path: path.into(), source: Box::new(source) }
    }
}

/// Writes the files of an AUDIT folder into an existing, empty folder.
///
/// # Errors
/// Fails when a file cannot be written.
pub fn write_audit(folder: &Path, report: &AuditReport<'_>) -> Result<(), ReportError> {
    let findings = &report.audit.findings;
    write(&folder.join("findings.json"), |out| json::write(out, findings))?;
    parquet::write_findings(&folder.join("findings.parquet"), findings)?;
    let tables = folder.join("facts");
    fs::create_dir(&tables).map_err(|error| ReportError::io(&tables, error))?;
    // One after the other, so that only one table is in memory twice.
    for table in Table::ALL {
        let path = tables.join(table.name()).with_extension("parquet");
        let frame = (report.facts.frame(table))
            .map_err(|source| ReportError::Facts { path: path.clone(), source })?;
        parquet::write(&path, frame)?;
    }
    let summary = Summary::new(report);
    write_object(&folder.join("summary.json"), &summary)?;
    if let Some(ledger) = &report.audit.ledger {
        ledger::write_ledger(folder, ledger)?;
    }
    let mark = Mark::new(report.facts, report.run, AuditSettings::new(report));
    write_object(&folder.join("labelvet.json"), &mark)?;
    let page = html::page(report, &summary, &mark).into_string();
    write(&folder.join("report.html"), |out| out.write_all(page.as_bytes()))
}

/// Writes a JSON object for people and scripts.
fn write_object(path: &Path, object: &impl Serialize) -> Result<(), ReportError> {
    write(path, |out| {
        serde_json::to_writer_pretty(&mut *out, object)?;
        out.write_all(b"\n")
    })
}

/// Writes a file under a temporary name, then gives it its own, so that one that is there is
/// replaced whole or not at all.
fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<fs::File>) -> std::io::Result<()>,
) -> Result<(), ReportError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let temporary = path.with_file_name(name);
    write(&temporary, content)?;
    fs::rename(&temporary, path).map_err(|error| ReportError::io(path, error))
}

/// Writes a file, and reports what the system says under its name.
fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<fs::File>) -> std::io::Result<()>,
) -> Result<(), ReportError> {
    let named = |error| ReportError::io(path, error);
    let mut out = BufWriter::new(fs::File::create(path).map_err(named)?);
    content(&mut out).map_err(named)?;
    out.flush().map_err(named)
}
