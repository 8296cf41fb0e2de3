//! `report.html` of a run while it goes, and when it has ended without an evaluation.
//!
//! Takes the files of a RUN folder; writes the page. What is shown is what was last written.

use std::path::Path;

use serde_json::Value;

use super::curves::{Curves, Look};
use super::folder::{self, FolderError, RunFile, Status};
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
    let curves = Curves::read(folder);
    let steps: Vec<RunStep> = (0..curves.step.len())
        .map(|at| RunStep {
            step: curves.step[at],
            loss: curves.loss[at],
            lr: curves.lr[at],
            grad_norm: curves.grad_norm[at],
        })
        .collect();
    let values = |value: fn(&Look) -> f64| -> Vec<RunValue> {
        let all = curves.probe.iter().map(|look| RunValue { step: look.step, value: value(look) });
        all.filter(|look| look.value.is_finite()).collect()
    };
    let mut events: Vec<RunEvent> = curves.events.iter().filter_map(event).collect();
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
        probe: &values(|look| look.loss),
        test_px: &values(|look| look.test_error),
        events: &events,
        refresh,
    };
    let page = run_page(&page).into_string();
    folder::write(&folder.join("report.html"), page.as_bytes())
}

/// Returns what a line of the log tells people.
fn event(event: &Value) -> Option<RunEvent> {
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
        (Status::Diverged, _) => format!(
            "Ended after {done} of {all} steps: the loss on the probe set had left its least value \
             behind."
        ),
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
