//! The table of a bench of boxes: text for a terminal, and a file that scripts read.

use std::path::Path;

use serde::Serialize;

use super::tables::{figure, text};
use crate::bench::BoxOutcome;
use crate::dataset::{Dataset, fingerprint};
use crate::page::text::{count, number};
use crate::report::study::Table;
use crate::report::{ReportError, RunInfo, SCHEMA, write_object};

/// The content of `boxes.json`.
#[derive(Serialize)]
struct File<'a> {
    schema: u32,
    dataset: &'a str,
    labels_fingerprint: String,
    seed: u64,
    seeds: u32,
    rates: &'a [f64],
    cells: &'a [BoxOutcome],
}

/// Returns the figures of every kind, rate and program as text.
pub fn boxes_text(cells: &[BoxOutcome]) -> String {
    let mut table = Table::new(&[
        "Error",
        "Rule",
        "#Rate",
        "#Errors",
        "#Unseen",
        "Program",
        "#Precision",
        "#Recall",
        "#Average precision",
        "#Recall at precision 0.9",
        "#Clean above 0.9",
    ]);
    for cell in cells {
        for found in &cell.detectors {
            table.push([
                cell.error.clone(),
                cell.rule.to_owned(),
                number(cell.rate),
                count(cell.planted),
                count(cell.unseen),
                found.name.clone(),
                figure(&found.precision),
                figure(&found.recall),
                figure(&found.average_precision),
                figure(&found.recall_at_precision_90),
                figure(&found.clean_above_90),
            ]);
        }
    }
    text(&table)
}

/// Writes `boxes.json` into an existing folder.
///
/// # Errors
/// Fails when the file cannot be written.
pub fn write_boxes(
    folder: &Path,
    dataset: &Dataset,
    run: &RunInfo,
    seeds: u32,
    rates: &[f64],
    cells: &[BoxOutcome],
) -> Result<(), ReportError> {
    let file = File {
        schema: SCHEMA,
        dataset: &run.dataset,
        labels_fingerprint: fingerprint(dataset, |_| None),
        seed: run.seed,
        seeds,
        rates,
        cells,
    };
    write_object(&folder.join("boxes.json"), &file)
}
