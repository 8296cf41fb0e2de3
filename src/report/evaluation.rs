//! The folder of an evaluation: its numbers, the predictions in every usual form, and a page.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::mark::Mark;
use super::{ReportError, RunInfo, html, write, write_object};
use crate::dataset::Predictions;
use crate::dataset::Problem;
use crate::eval::{Evaluation, Settings};
use crate::facts::Facts;
use crate::predictions;

/// Everything that the folder of an evaluation is made of.
#[derive(Debug, Clone, Copy)]
pub struct EvalReport<'a> {
    /// The dataset and its images.
    pub facts: &'a Facts,
    /// What was predicted.
    pub predictions: &'a Predictions,
    /// What did not belong to the dataset.
    pub problems: &'a [Problem],
    /// What was measured.
    pub evaluation: &'a Evaluation,
    /// The settings.
    pub settings: &'a Settings,
    /// What the predictions were read from, as the user named it.
    pub source: &'a str,
    /// How it was made.
    pub run: &'a RunInfo,
}

/// Everything that users may change, as it was used.
#[derive(Debug, Serialize)]
struct EvalSettings<'a> {
    predictions: &'a str,
    pcutoff: f64,
    oks_sigma: f64,
}

/// Writes an evaluation into an existing, empty folder: `metrics.json`,
/// `predictions.parquet`, `predictions.csv`, `predictions.coco.json`, `report.html`,
/// `labelvet.json`.
///
/// # Errors
/// Fails when a file cannot be written.
pub fn write_eval(folder: &Path, report: &EvalReport<'_>) -> Result<(), ReportError> {
    let dataset = &report.facts.dataset;
    let numbers = report.evaluation.to_json().map_err(std::io::Error::from);
    write(&folder.join("metrics.json"), |out| out.write_all(numbers?.as_bytes()))?;
    predictions::write_parquet(&folder.join("predictions.parquet"), dataset, report.predictions)?;
    predictions::write_csv(&folder.join("predictions.csv"), dataset, report.predictions)?;
    let results = folder.join("predictions.coco.json");
    predictions::write_coco_results(&results, dataset, report.predictions)?;
    let settings = EvalSettings {
        predictions: report.source,
        pcutoff: report.settings.pcutoff,
        oks_sigma: report.settings.sigma,
    };
    let mark = Mark::new(report.facts, report.run, settings);
    write_object(&folder.join("labelvet.json"), &mark)?;
    let page = html::evaluation::page(report, &mark.dataset.fingerprint).into_string();
    write(&folder.join("report.html"), |out| out.write_all(page.as_bytes()))
}
