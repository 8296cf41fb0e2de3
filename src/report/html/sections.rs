//! The rest of the report: videos, left-right pairs, what could not be read, and the
//! settings.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::audit::{Finding, Severity};
use crate::dataset::{PairSource, Problem};
use crate::facts::{Facts, Status};
use crate::page::text::{count, counted, number, visible};
use crate::report::AuditReport;
use crate::report::mark::{AuditSettings, Mark};
use crate::report::summary::is_unreadable;

use super::plots::skeleton_name;
use super::subject::Index;

/// Rows of a table; the rest is counted.
const MOST_ROWS: usize = 100;

/// Writes how many findings each video has, the worst first.
pub(super) fn videos(findings: &[Finding]) -> Markup {
    let mut found: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for finding in findings {
        if let Some(video) = &finding.video {
            let place = match finding.severity {
                Severity::Error => 0,
                Severity::Warning => 1,
                Severity::Info => 2,
            };
            found.entry(video).or_default()[place] += 1;
        }
    }
    if found.len() < 2 {
        return html! {};
    }
    let mut rows: Vec<(&str, [usize; 3])> = found.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    html! {
        h3 { "Where" }
        div .scroll { table {
            thead { tr { th { "Video or folder" } th .n { "Errors" } th .n { "Warnings" } th .n { "Notes" } } }
            tbody { @for (video, [errors, warnings, notes]) in rows.iter().take(MOST_ROWS) { tr {
                td { (visible(video)) }
                td .n { (count(*errors)) } td .n { (count(*warnings)) } td .n { (count(*notes)) }
            } } }
        } }
        (more(rows.len()))
    }
}

fn more(rows: usize) -> Markup {
    html! {
        @if rows > MOST_ROWS { p .note { (count(rows - MOST_ROWS)) " more are not listed here." } }
    }
}

/// Writes each skeleton's left-right pairs and where they come from.
pub(super) fn pairs(index: &Index<'_>) -> Markup {
    let dataset = index.dataset();
    let skeletons =
        || dataset.skeletons.iter().enumerate().filter(|(_, s)| !s.keypoints.is_empty());
    if skeletons().next().is_none() {
        return html! {};
    }
    html! {
        section #pairs {
            h2 { "Keypoints and their sides" }
            p .note {
                "Rules about swapped sides rest on these pairs. Where they are wrong, state yours in "
                code { "labelvet.toml" } ": " code { "[skeleton]" } " " code { "pairs = [[\"left\", \"right\"]]" } "."
            }
            @for (kind, skeleton) in skeletons() {
                @if dataset.skeletons.len() > 1 { h3 { (skeleton_name(dataset, kind)) } }
                p {
                    (counted(skeleton.keypoints.len(), "keypoint")) ", "
                    @if skeleton.edges.is_empty() { "no bones declared; pictures join nearest keypoints. " }
                    @else { (counted(skeleton.edges.len(), "bone")) ". " }
                    @match skeleton.pair_source {
                        PairSource::None => { "No left-right pair is known." }
                        source => {
                            (counted(skeleton.pairs.len(), "left-right pair")) ", from "
                            @match source {
                                PairSource::Names => { "their names" }
                                PairSource::FlipIdx => { "the dataset's own " code { "flip_idx" } }
                                PairSource::Settings => { "your settings" }
                                PairSource::None => {}
                            }
                            ":"
                        }
                    }
                }
                @if !skeleton.pairs.is_empty() {
                    ul .pairs { @for &[left, right] in &skeleton.pairs { li {
                        span .dot.left {} (visible(&skeleton.keypoints[usize::from(left)])) " "
                        span .dot.right {} (visible(&skeleton.keypoints[usize::from(right)]))
                    } } }
                }
                @let single = skeleton.keypoints.iter().enumerate().filter(|(k, _)| skeleton.partner(*k as u16).is_none()).map(|(_, name)| visible(name)).collect::<Vec<_>>();
                @if !single.is_empty() && !skeleton.pairs.is_empty() { p .note { "Without a partner: " (single.join(", ")) "." } }
            }
        }
    }
}

/// Writes which images could not be read and what readers noticed in label files.
pub(super) fn unread(facts: &Facts) -> Markup {
    let images: Vec<(&str, &'static str, &str)> = (facts.dataset.images.iter().zip(&facts.images))
        .filter(|(_, known)| is_unreadable(known.status) || known.status == Status::Missing)
        .map(|(image, known)| {
            (image.path.as_str(), known.status.label(), known.reason.as_deref().unwrap_or(""))
        })
        .collect();
    let problems = &facts.dataset.problems;
    html! {
        section #unread {
            h2 { "What could not be read" }
            @if images.is_empty() && problems.is_empty() { p { "Everything was read." } }
            @if !images.is_empty() {
                h3 { "Images" }
                div .scroll { table {
                    thead { tr { th { "Image" } th { "State" } th { "What the decoder said" } } }
                    tbody { @for (path, state, reason) in images.iter().take(MOST_ROWS) { tr {
                        td { (visible(path)) } td { (state.replace('_', " ")) } td { (visible(reason)) }
                    } } }
                } }
                (more(images.len()))
            }
            @if !problems.is_empty() { h3 { "Label files" } (noticed(problems)) }
        }
    }
}

fn noticed(problems: &[Problem]) -> Markup {
    html! {
        div .scroll { table {
            thead { tr { th { "File" } th .n { "Row" } th .n { "Column" } th { "What was noticed" } } }
            tbody { @for problem in problems.iter().take(MOST_ROWS) { tr {
                td { (visible(&problem.file)) }
                td .n { @if let Some(row) = problem.row { (row) } }
                td .n { @if let Some(column) = problem.column { (column) } }
                td { (visible(&problem.message)) }
            } } }
        } }
        (more(problems.len()))
    }
}

/// Writes how the report was made.
pub(super) fn settings(report: &AuditReport<'_>, mark: &Mark<AuditSettings>) -> Markup {
    let rows = [
        ("labelvet", env!("CARGO_PKG_VERSION").to_string()),
        ("dataset", report.run.dataset.clone()),
        ("format", report.facts.dataset.format.into()),
        ("command", report.run.command.join(" ")),
        ("seed", report.run.seed.to_string()),
        ("images opened", if report.facts.measured { "yes" } else { "no" }.into()),
        (
            "measured now",
            format!("{} (the others came from the cache)", count(report.facts.measured_now)),
        ),
        ("seconds", number(report.run.seconds)),
        ("dataset fingerprint", mark.dataset.fingerprint.clone()),
    ];
    let changed: Vec<(String, f64, f64)> = (report.rules.iter())
        .flat_map(|rule| {
            let used = report.config.settings(rule);
            (rule.spec.thresholds.iter())
                .map(|(name, t)| (format!("{}.{name}", rule.slug), used.get(name), t.default))
                .filter(|(_, used, default)| used != default)
                .collect::<Vec<_>>()
        })
        .collect();
    html! {
        section #settings {
            h2 { "How this report was made" }
            div .scroll { table .settings { tbody { @for (name, value) in rows { tr {
                th scope="row" { (name) } td { (visible(&value)) }
            } } } } }
            @if changed.is_empty() {
                p .note { "All thresholds have their defaults, which stand with each rule above and in " code { "labelvet.json" } "." }
            } @else {
                h3 { "Thresholds that your settings change" }
                div .scroll { table {
                    thead { tr { th { "Threshold" } th .n { "Used" } th .n { "Default" } } }
                    tbody { @for (name, used, default) in &changed { tr {
                        td { code { (visible(name)) } } td .n { (number(*used)) } td .n { (number(*default)) }
                    } } }
                } }
            }
        }
    }
}
