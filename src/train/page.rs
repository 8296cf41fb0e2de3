//! `report.html` of a run while it goes, and when it has ended without an evaluation.
//!
//! Takes the files of a RUN folder; writes the page. What is shown is what was last written.

use std::fs::{self, File};
use std::path::Path;

use polars::prelude::*;
use serde_json::Value;

use super::folder::{self, FolderError, RunFile, Status};
use super::record::{EVENTS, PROBE, STEPS};
use crate::page::run::{RunEvent, RunEventKind, RunPage, RunStep, RunValue, run_page};

/// Writes the page; `refresh` is after how many seconds a browser reads it again.
///
/// # Errors
/// [`FolderError`] where it cannot be written.
pub(super) fn write(
    folder: &Path,
    file: &RunFile,
    refresh: Option<u32>,
) -> Result<(), FolderError> {
    let steps = frame(&folder.join(STEPS));
    let [number, loss, lr, norm] =
        ["step", "loss", "lr", "grad_norm"].map(|name| column(&steps, name));
    let steps: Vec<RunStep> = (0..number.len())
        .map(|at| RunStep {
            step: number[at] as u64,
            loss: loss[at],
            lr: lr[at],
            grad_norm: norm[at],
        })
        .collect();
    let probe = frame(&folder.join(PROBE));
    let values = |name: &str| -> Vec<RunValue> {
        let numbers = column(&probe, "step").into_iter().zip(column(&probe, name));
        let finite = numbers.filter(|(_, value)| value.is_finite());
        finite.map(|(step, value)| RunValue { step: step as u64, value }).collect()
    };
    let text = fs::read_to_string(folder.join(EVENTS)).unwrap_or_default();
    let mut events: Vec<RunEvent> = text.lines().filter_map(event).collect();
    // Of many checkpoints the last says all that a reader wants to know.
    let is_checkpoint = |event: &RunEvent| event.kind == RunEventKind::Checkpoint;
    let last = events.iter().rposition(is_checkpoint);
    let mut at = 0..;
    events.retain(|event| at.next() == last || !is_checkpoint(event));
    let page = RunPage {
        title: file.dataset.path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("run"),
        status: &status(file),
        facts: &facts(file),
        steps: &steps,
        probe: &values("loss"),
        test_px: &values("test_error"),
        events: &events,
        refresh,
    };
    let page = run_page(&page).into_string();
    folder::write(&folder.join("report.html"), page.as_bytes())
}

/// Reads a table; nothing where there is none yet.
fn frame(path: &Path) -> Option<DataFrame> {
    ParquetReader::new(File::open(path).ok()?).finish().ok()
}

/// Returns a column of numbers, NaN where it holds none.
fn column(frame: &Option<DataFrame>, name: &str) -> Vec<f64> {
    let column = frame.as_ref().and_then(|frame| frame.column(name).ok());
    let numbers = column.and_then(|column| column.cast(&DataType::Float64).ok());
    match numbers.as_ref().and_then(|column| column.f64().ok()) {
        Some(numbers) => numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect(),
        None => Vec::new(),
    }
}

/// Reads a line of the log.
fn event(line: &str) -> Option<RunEvent> {
    let event: Value = serde_json::from_str(line).ok()?;
    let name = event["event"].as_str()?;
    let kind = match name {
        "begin" => return None,
        "spike" => RunEventKind::Spike,
        "non-finite" => RunEventKind::NonFinite,
        "rollback" => RunEventKind::Rollback,
        "checkpoint" => RunEventKind::Checkpoint,
        _ => RunEventKind::Note,
    };
    let words = event["words"].as_str().unwrap_or(name).to_owned();
    Some(RunEvent { step: event["step"].as_u64()?, kind, words })
}

fn status(file: &RunFile) -> String {
    let [done, all] = file.steps;
    match (file.status, &file.reason) {
        (Status::Running, _) => format!("{done} of {all} steps done."),
        (Status::Done, _) => format!("All {all} steps done, in {:.0} s.", file.seconds),
        (Status::Stopped, reason) => {
            let reason = reason.as_deref().unwrap_or("training diverged");
            format!("Stopped at step {done} of {all}: {reason}.")
        }
    }
}

fn facts(file: &RunFile) -> Vec<(String, String)> {
    let [train, test, gap] = file.split.images;
    let [width, height] = file.size;
    [
        ("dataset", format!("{} ({})", file.dataset.path, file.dataset.format)),
        (
            "split",
            format!(
                "{train} images to train, {test} to test, {gap} in between, by {}",
                file.split.by
            ),
        ),
        ("sees", format!("{width} × {height} pixels of each {}", file.subject)),
        ("tells", file.names.join(", ")),
        ("first weights", file.weights.source.clone()),
        ("seed", file.seed.to_string()),
        ("alarms", file.alarms.to_string()),
        (
            "computed on",
            format!(
                "{}, ONNX Runtime {}, {} threads, {}",
                file.machine.device,
                file.machine.onnxruntime,
                file.machine.runtime_threads,
                file.machine.platform,
            ),
        ),
        ("command", file.command.join(" ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
