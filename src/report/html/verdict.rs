//! The first words of a report: what was looked at, what is wrong and where to begin.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::audit::Severity;
use crate::facts::Status;
use crate::page::text::{count, counted, percent, visible};
use crate::report::AuditReport;
use crate::report::summary::Summary;

use super::rules::Tally;

/// Rules that the verdict names.
const MOST_NAMED: usize = 3;

/// Writes the verdict and the totals.
pub(super) fn verdict(
    report: &AuditReport<'_>,
    summary: &Summary,
    tallies: &[Tally<'_>],
) -> Markup {
    let of = |severity| summary.findings.by_severity.get(&severity).copied().unwrap_or(0);
    let (errors, warnings, notes) =
        (of(Severity::Error), of(Severity::Warning), of(Severity::Info));
    html! {
        p .verdict { (looked_at(report, summary)) " " (outcome(report, summary, [errors, warnings, notes])) " " (begin(tallies)) }
        ul .totals {
            (total("images", summary.images, &format!("{} labelled", count(summary.images_labelled)), ""))
            (total("instances", summary.instances, "", ""))
            @if summary.keypoints > 0 { (total("keypoints", summary.keypoints, "labelled points", "")) }
            @if summary.videos > 0 { (total("videos", summary.videos, "or folders", "")) }
            (total("errors", errors, "wrong, or lost to training", "error"))
            (total("warnings", warnings, "likely to harm training", "warning"))
            (total("notes", notes, "worth knowing", "info"))
        }
    }
}

fn total(name: &str, value: usize, note: &str, class: &str) -> Markup {
    html! {
        li class=(class) { b { (count(value)) } span { (name) } @if !note.is_empty() { small { (note) } } }
    }
}

fn looked_at(report: &AuditReport<'_>, summary: &Summary) -> String {
    let mut text = format!("labelvet read {}", counted(summary.images, "image"));
    if summary.instances > 0 {
        text += &format!(" with {}", counted(summary.instances, "labelled instance"));
    }
    if summary.keypoints > 0 {
        text += &format!(" and {}", counted(summary.keypoints, "keypoint"));
    }
    if summary.videos > 1 {
        text += &format!(" from {}", counted(summary.videos, "video"));
    }
    text.push('.');
    if !report.facts.measured {
        text += " Only the labels were judged; no image was opened.";
    }
    text
}

fn outcome(
    report: &AuditReport<'_>,
    summary: &Summary,
    [errors, warnings, notes]: [usize; 3],
) -> String {
    let ran = report.audit.ran.len();
    if errors + warnings + notes == 0 {
        let silent = silent(summary);
        let found = if silent.is_empty() { "anything wrong" } else { "anything else wrong" };
        return format!(
            "None of the {} that ran found {found}; what they cannot see is stated with each of them below.{silent}",
            counted(ran, "rule")
        );
    }
    let mut text = format!(
        "{} found {}, {} and {}.",
        capital(&counted(ran, "rule")),
        none_or(errors, "error"),
        none_or(warnings, "warning"),
        none_or(notes, "note"),
    );
    let hit: BTreeSet<&str> = (report.audit.findings.iter())
        .filter(|finding| finding.severity > Severity::Info)
        .filter_map(|finding| finding.image.as_deref())
        .collect();
    let all = report.facts.dataset.images.len();
    if !hit.is_empty() {
        text += &format!(
            " {} of {} ({}) {} an error or a warning.",
            count(hit.len()),
            counted(all, "image"),
            percent(hit.len(), all),
            if hit.len() == 1 { "has" } else { "have" },
        );
    }
    let unreadable = summary.unreadable;
    let missing =
        report.facts.images.iter().filter(|image| image.status == Status::Missing).count();
    if unreadable > 0 {
        text += &format!(" {} could not be read.", capital(&counted(unreadable, "image file")));
    }
    if missing > 0 {
        text += &format!(
            " {} missing.",
            if missing == 1 {
                "1 image that the labels name is".into()
            } else {
                format!("{} images that the labels name are", count(missing))
            }
        );
    }
    text + &silent(summary)
}

/// Says how many findings people confirmed as right.
fn silent(summary: &Summary) -> String {
    match summary.silenced {
        0 => String::new(),
        1 => " 1 finding is silent, since a person judged its label to be right.".into(),
        many => format!(
            " {} findings are silent, since people judged their labels to be right.",
            count(many)
        ),
    }
}

/// Says which rules to begin with: of the worst severity, those with the most findings.
/// Notes are named only where there is nothing worse.
fn begin(tallies: &[Tally<'_>]) -> String {
    let harmful = tallies.iter().any(Tally::is_harmful);
    let named: Vec<String> = (tallies.iter())
        .filter(|tally| tally.total() > 0 && (!harmful || tally.is_harmful()))
        .take(MOST_NAMED)
        .map(|tally| format!("{} ({})", visible(&tally.rule.spec.title), count(tally.total())))
        .collect();
    if named.is_empty() { String::new() } else { format!("Begin with: {}.", named.join("; ")) }
}

fn none_or(value: usize, noun: &str) -> String {
    if value == 0 { format!("no {noun}s") } else { counted(value, noun) }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
