//! What people and scripts read of a bench: a text table, `bench.json`, `bench.md`, and a page
//! with curves.
//!
//! Tables are made once, here, for all of them; nothing is computed that `bench.json` does not
//! hold.

mod boxes;
mod markdown;
mod tables;

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::{ReportError, RunInfo, html, write, write_object};
use crate::bench::Outcome;
use crate::dataset::{Dataset, fingerprint};

pub use boxes::{boxes_text, write_boxes};
pub(super) use tables::{each_kind, named, overall, reliability};

/// Everything that the report of a bench is made of.
#[derive(Debug, Clone, Copy)]
pub struct BenchReport<'a> {
    /// What the bench found.
    pub outcome: &'a Outcome,
    /// The dataset before planting.
    pub dataset: &'a Dataset,
    /// How it was made; the seed is the first of the copies.
    pub run: &'a RunInfo,
    /// Copies for each kind, strength and rate.
    pub seeds: u32,
    /// Shares of the frames that were hit.
    pub rates: &'a [f64],
}

/// The content of `bench.json`.
#[derive(Serialize)]
struct File<'a> {
    schema: u32,
    dataset: DatasetRow<'a>,
    settings: Settings<'a>,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

#[derive(Serialize)]
struct DatasetRow<'a> {
    path: &'a str,
    format: &'a str,
    labels_fingerprint: String,
    images: usize,
    instances: usize,
    keypoints: usize,
}

#[derive(Serialize)]
struct Settings<'a> {
    seed: u64,
    seeds: u32,
    rates: &'a [f64],
}

/// Writes `bench.json`, `bench.md` and `bench.html` into an existing folder. The same bench gives
/// the same `bench.json`.
///
/// # Errors
/// Fails when a file cannot be written.
pub fn write_bench(folder: &Path, report: &BenchReport<'_>) -> Result<(), ReportError> {
    let dataset = report.dataset;
    let file = File {
        schema: super::SCHEMA,
        dataset: DatasetRow {
            path: &report.run.dataset,
            format: dataset.format,
            labels_fingerprint: fingerprint(dataset, |_| None),
            images: dataset.images.len(),
            instances: dataset.instances.len(),
            keypoints: dataset.keypoints.len(),
        },
        settings: Settings { seed: report.run.seed, seeds: report.seeds, rates: report.rates },
        outcome: report.outcome,
    };
    write_object(&folder.join("bench.json"), &file)?;
    let text = markdown::page(report);
    write(&folder.join("bench.md"), |out| out.write_all(text.as_bytes()))?;
    let page = html::bench::page(report).into_string();
    write(&folder.join("bench.html"), |out| out.write_all(page.as_bytes()))
}

/// Returns the tables as text for a terminal.
pub fn bench_text(report: &BenchReport<'_>) -> String {
    let mut out = String::new();
    for (title, table) in tables::all(report) {
        if !table.rows.is_empty() {
            out += &format!("{title}\n\n{}\n", tables::text(&table));
        }
    }
    out
}

/// Says what was done, in a few sentences.
pub(super) fn what(report: &BenchReport<'_>) -> String {
    use crate::page::text::counted;
    let found = report.outcome;
    let copies = match report.seeds {
        1 => "one copy".to_owned(),
        seeds => format!("{seeds} copies"),
    };
    let mut text = format!(
        "For {} of kind, strength and rate, errors were planted into {copies} of the labels, and \
         every copy was audited as a user would audit it; what the findings say was compared with \
         what was planted. A detector ranks the instances by the greatest score of their findings \
         about labels. Figures are pooled over the copies; intervals (95 %) come of drawing the \
         {} anew, with all that happened to each.",
        counted(found.cells.len(), "combination"),
        counted(found.frames, "frame"),
    );
    let as_is = found.as_is;
    text += &format!(
        " In the labels as they are, where nothing is planted, {} of {} instances are flagged, {} \
         of them with a score above 0.9: these count as false alarms in every copy, unless they \
         are real errors.",
        as_is.flagged, as_is.instances, as_is.above_90,
    );
    if found.left_out > 0 {
        text += &format!(
            " {} with known doubtful labels neither had errors planted nor count.",
            counted(found.left_out, "frame")
        );
    }
    text
}
