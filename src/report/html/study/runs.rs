//! Every run and ramp of a study with a link to its own page, and those that failed.

use std::path::Path;

use maud::{Markup, html};

use crate::page::text::{count, counted, visible};
use crate::report::study::{StudyReport, figure};

/// Rows of a table; the rest is in `study.json`.
const MOST_ROWS: usize = 400;

/// Lists what failed, where something did.
pub(super) fn failures(report: &StudyReport<'_>) -> Markup {
    let failures = report.study.failures;
    html! {
        @if !failures.is_empty() {
            h3 { "Failures" }
            div .scroll tabindex="0" { table {
                thead { tr { th { "Run or ramp" } th { "Why" } } }
                tbody { @for failure in failures.iter().take(MOST_ROWS) { tr {
                    td { (name(report, &failure.run)) } td { (visible(&failure.reason)) }
                } } }
            } }
        }
    }
}

/// Lists all runs and ramps.
pub(super) fn list(report: &StudyReport<'_>) -> Markup {
    let study = report.study;
    let maybe = |value: Option<f64>| value.map_or_else(|| "–".into(), figure);
    html! {
        details {
            summary { (counted(study.measures.len(), "run")) }
            div .scroll tabindex="0" { table .dense {
                thead { tr { th { "Run" } th .n { "Shuffle" } th .n { "Seed" } th .n { "Mean test error, px" } th .n { "Against labels as they are, px" } th .n { "Alarms" } th .n { "Rollbacks" } th { "State" } } }
                tbody { @for run in study.measures.iter().take(MOST_ROWS) { tr {
                    td { (name(report, &run.run)) } td .n { (run.shuffle) } td .n { (run.repeat) }
                    td .n { (maybe(run.error_px)) } td .n { (maybe(run.error_px_as_labelled)) }
                    td .n { (run.alarms) } td .n { (run.rollbacks) } td { @if run.failed { "broke down" } @else { "done" } }
                } } }
            } }
            (more(study.measures.len()))
        }
        @if !study.ramps.is_empty() {
            details {
                summary { (counted(study.ramps.len(), "ramp")) }
                div .scroll tabindex="0" { table .dense {
                    thead { tr { th { "Ramp" } th .n { "Shuffle" } th .n { "Seed" } th .n { "Learning rate at divergence" } th .n { "Least probe loss" } } }
                    tbody { @for ramp in study.ramps.iter().take(MOST_ROWS) { tr {
                        td { (name(report, &ramp.run)) } td .n { (ramp.shuffle) } td .n { (ramp.repeat) }
                        td .n { @if ramp.censored { "bound: " } (maybe(ramp.margin_log10.map(|log| 10_f64.powf(log)))) }
                        td .n { (maybe(ramp.least_probe_loss)) }
                    } } }
                } }
                (more(study.ramps.len()))
            }
        }
    }
}

fn more(rows: usize) -> Markup {
    html! {
        @if rows > MOST_ROWS { p .note { (count(rows - MOST_ROWS)) " more are in " code { "study.json" } "." } }
    }
}

/// Writes the name of a run, as a link where it has a page.
fn name(report: &StudyReport<'_>, run: &str) -> Markup {
    let page = Path::new(run).join("report.html");
    let short = run.rsplit('/').next().unwrap_or(run);
    html! {
        @if report.folder.join(&page).is_file() { a href=(format!("{run}/report.html")) { (visible(short)) } }
        @else { (visible(short)) }
    }
}
