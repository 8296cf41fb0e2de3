//! The labels that are likeliest to be wrong, pictured with what would put them right.

use maud::{Markup, html};

use crate::audit::Rule;
use crate::page::prose;
use crate::page::text::counted;
use crate::report::html::card::{Card, Filter};
use crate::report::html::figure::{Figure, Painter, figures};
use crate::report::html::legend;
use crate::report::html::pictures::Pictures;
use crate::report::html::subject::Index;
use crate::report::study::{StudyReport, suspect_labels};

/// Where rules are explained.
const AUDIT: &str = "audit/report.html";

/// Writes the section, with what to know of it.
pub(super) fn section(report: &StudyReport<'_>, index: &Index<'_>, reading: &str) -> Markup {
    let facts = report.facts;
    let findings = suspect_labels(&report.audit.findings);
    let body = facts.body_length();
    let shown: Vec<Vec<Figure>> =
        findings.iter().map(|finding| figures(facts, index, finding, body)).collect();
    let pictures = Pictures::make(&facts.dataset, shown.iter().flatten().flat_map(Figure::shots));
    let mut painter = Painter::new(facts, index, &pictures);
    // Should labelvet's own rules not be readable, cards bear their slugs.
    let rules: Vec<Rule> = crate::audit::builtin().unwrap_or_default();
    html! {
        section #worst {
            h2 { "The worst labels" }
            @if findings.is_empty() { p { "The audit suspects no single label." } }
            @else {
                p .words {
                    "The " (counted(findings.len(), "label")) " that the audit of the whole dataset finds likeliest to be wrong, the likeliest first, each with what would put it right. "
                    "The score is an estimate; look before you change anything. All findings are in the "
                    a href=(AUDIT) { "audit" } "."
                }
                @if !reading.is_empty() { p .words { (prose(reading)) } }
                (legend())
                div .cards {
                    @for (finding, figures) in findings.iter().zip(&shown) {
                        (Card {
                            finding,
                            rule: rules.iter().find(|rule| rule.slug == finding.rule),
                            figures,
                            pictured: true,
                            filter: Filter { rule: 0, video: None },
                            first_page: true,
                            rules: AUDIT,
                        }.write(&mut painter))
                    }
                }
            }
        }
    }
}
