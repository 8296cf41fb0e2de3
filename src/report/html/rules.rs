//! Rules in the report: what each found, what it looks for, why and how; and those
//! that did not run.

use maud::{Markup, html};

use crate::audit::{Finding, Level, Rule, Severity};
use crate::page::prose;
use crate::page::text::{count, number, visible};
use crate::report::AuditReport;

use super::card::severity;

/// What one rule found.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    pub(super) rule: &'a Rule,
    /// Findings by severity: errors, warnings, notes.
    pub(super) found: [usize; 3],
}

impl Tally<'_> {
    pub(super) fn total(&self) -> usize {
        self.found.iter().sum()
    }

    /// Returns whether it found an error or a warning.
    pub(super) fn is_harmful(&self) -> bool {
        self.worst().is_some_and(|worst| worst > Severity::Info)
    }

    fn worst(&self) -> Option<Severity> {
        let severities = [Severity::Error, Severity::Warning, Severity::Info];
        (self.found.iter().zip(severities)).find(|(found, _)| **found > 0).map(|(_, s)| s)
    }
}

/// Counts findings by rule: the worst severity first, then the most findings.
pub(super) fn tallies<'a>(rules: &'a [Rule], findings: &[Finding]) -> Vec<Tally<'a>> {
    let mut tallies: Vec<Tally<'_>> =
        rules.iter().map(|rule| Tally { rule, found: [0; 3] }).collect();
    tallies.sort_by(|a, b| a.rule.slug.cmp(&b.rule.slug));
    for finding in findings {
        if let Ok(at) = tallies.binary_search_by(|t| t.rule.slug.cmp(&finding.rule)) {
            let place = match finding.severity {
                Severity::Error => 0,
                Severity::Warning => 1,
                Severity::Info => 2,
            };
            tallies[at].found[place] += 1;
        }
    }
    tallies.sort_by(|a, b| b.found.cmp(&a.found).then(a.rule.slug.cmp(&b.rule.slug)));
    tallies.sort_by_key(|tally| std::cmp::Reverse(tally.worst()));
    tallies
}

/// Writes what each rule found; a name filters the list of findings.
pub(super) fn glance(tallies: &[Tally<'_>]) -> Markup {
    html! {
        div .scroll { table .glance {
            thead { tr { th { "Rule" } th .n { "Found" } th { "Severity" } th { "What it means" } } }
            tbody {
                @for (at, tally) in tallies.iter().enumerate().filter(|(_, tally)| tally.total() > 0) {
                    tr {
                        td { a href="#findings" data-show-rule=(at) { (visible(&tally.rule.spec.title)) } }
                        td .n { (count(tally.total())) }
                        td { @if let Some(worst) = tally.worst() { span .badge .(severity(worst)) { (severity(worst)) } } }
                        td { (prose(&tally.rule.spec.what)) }
                    }
                }
            }
        } }
    }
}

/// Writes the explanation of every rule that ran, and why others did not.
pub(super) fn explained(report: &AuditReport<'_>, tallies: &[Tally<'_>]) -> Markup {
    let ran = |slug: &str| report.audit.ran.binary_search_by(|ran| ran.as_str().cmp(slug)).is_ok();
    html! {
        section #rules {
            h2 { "Rules that ran" }
            p .note { "Each rule with what it looks for, why that matters, how it is measured, how to put it right, and what it cannot see." }
            @for tally in tallies.iter().filter(|tally| ran(&tally.rule.slug)) {
                (explanation(report, tally))
            }
            @if !report.audit.skipped.is_empty() {
                h3 { "Rules that did not run" }
                ul .skipped { @for skipped in &report.audit.skipped {
                    li { code { (visible(&skipped.rule)) } ": " (visible(&skipped.reason)) }
                } }
            }
        }
    }
}

fn explanation(report: &AuditReport<'_>, tally: &Tally<'_>) -> Markup {
    let rule = tally.rule;
    let spec = &rule.spec;
    let settings = report.config.settings(rule);
    let texts = [
        ("What it finds", &spec.what),
        ("Why it matters", &spec.why),
        ("How it is measured", &spec.how),
        ("How to put it right", &spec.fix),
        ("Limits", &spec.limits),
    ];
    html! {
        details #{ "rule-" (rule.slug) } .rule {
            summary {
                b { (visible(&spec.title)) } " " code { (visible(&rule.slug)) }
                span .found { @if tally.total() == 0 { "nothing found" } @else { (count(tally.total())) " found" } }
            }
            p .note { "About " (level(spec.level)) "; severity " (severity(report.config.severity(rule))) "." }
            dl .texts { @for (name, text) in texts { dt { (name) } dd { (prose(text)) } } }
            @if !spec.thresholds.is_empty() {
                div .scroll { table {
                    thead { tr { th { "Threshold" } th .n { "Used" } th .n { "Default" } th { "Unit" } th { "Meaning" } th { "Source" } } }
                    tbody { @for (name, threshold) in &spec.thresholds { tr {
                        td { code { (visible(name)) } }
                        td .n { (number(settings.get(name))) }
                        td .n { (number(threshold.default)) }
                        td { (visible(&threshold.unit)) }
                        td { (prose(&threshold.meaning)) }
                        td { (prose(&threshold.source)) }
                    } } }
                } }
            }
            @if !spec.references.is_empty() {
                p .note { "References: " @for (at, reference) in spec.references.iter().enumerate() {
                    @if at > 0 { "; " } (visible(reference))
                } }
            }
        }
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Dataset => "the dataset",
        Level::Video => "a video",
        Level::Image => "an image",
        Level::Instance => "an instance",
        Level::Keypoint => "a keypoint",
    }
}
