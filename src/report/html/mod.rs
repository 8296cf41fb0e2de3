//! `report.html` of an audit: one file that a biologist opens and looks at: what is wrong,
//! how bad, and where. Fetches nothing; what it shows first needs no script.

pub(super) mod bench;
mod bones;
pub(super) mod card;
pub(super) mod evaluation;
mod figure;
mod ledger;
mod overlay;
mod pictures;
mod plots;
mod rules;
mod sections;
mod select;
pub(super) mod study;
mod subject;
mod verdict;
mod view;

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::AuditReport;
use super::mark::{AuditSettings, Mark};
use super::summary::Summary;
use crate::audit::Severity;
use crate::page::text::{count, shortened, visible};
use crate::page::{Head, document};

use card::{Card, Filter, severity};
use figure::{Figure, Painter, figures};
use pictures::Pictures;
use rules::{Tally, tallies};
use select::{Listed, MOST_LISTED, MOST_PICTURED, select};
use subject::Index;

/// Cards on a page of the list: fills rows of two, three and four.
const PAGE: usize = 24;

/// Returns the report as a page.
pub(super) fn page(
    report: &AuditReport<'_>,
    summary: &Summary,
    mark: &Mark<AuditSettings>,
) -> Markup {
    let facts = report.facts;
    let findings = &report.audit.findings;
    let index = Index::new(&facts.dataset);
    let tallies = tallies(report.rules, findings);
    let name = dataset_name(&report.run.dataset);
    let body = html! {
        header .top {
            p .brand { "labelvet audit" }
            h1 { (shortened(&name, 60)) }
            (verdict::verdict(report, summary, &tallies))
            nav { @if report.audit.ledger.is_some() { a href="#ledger" { "Training" } " " } a href="#findings" { "Findings" } a href="#plots" { "Plots" } a href="#pairs" { "Sides" } a href="#rules" { "Rules" } a href="#unread" { "Unread" } a href="#settings" { "Settings" } }
        }
        main {
            @if !findings.is_empty() {
                section #glance { h2 { "What was found" } (rules::glance(&tallies)) (sections::videos(findings)) }
            }
            @if let Some(ledger) = &report.audit.ledger { (ledger::section(ledger)) }
            (list(report, &index, &tallies))
            (plots::plots(facts, &index, findings))
            (sections::pairs(&index))
            (rules::explained(report, &tallies))
            (sections::unread(facts))
            (sections::settings(report, mark))
        }
        footer .bottom { "Made by labelvet " (env!("CARGO_PKG_VERSION")) ". This file is whole: it needs no network, and nothing in it leaves this machine." }
    };
    let title = format!("labelvet: {}", shortened(&name, 60));
    document(&Head { title: &title, main: "findings", refresh: None }, &body)
}

/// Returns the last part of a dataset's path: what people call it.
fn dataset_name(path: &str) -> String {
    let last = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(path);
    if last.is_empty() || last == "." { path.into() } else { last.into() }
}

/// Writes the findings, worst first, with the filters.
fn list(report: &AuditReport<'_>, index: &Index<'_>, tallies: &[Tally<'_>]) -> Markup {
    let facts = report.facts;
    let findings = &report.audit.findings;
    let listed = select(findings);
    let body = facts.body_length();
    let shown: Vec<Vec<Figure>> = (listed.iter())
        .map(
            |entry| {
                if entry.pictured { figures(facts, index, entry.finding, body) } else { vec![] }
            },
        )
        .collect();
    let pictures = Pictures::make(&facts.dataset, shown.iter().flatten().flat_map(Figure::shots));
    let mut painter = Painter::new(facts, index, &pictures);
    let rule_at: BTreeMap<&str, usize> =
        tallies.iter().enumerate().map(|(at, tally)| (tally.rule.slug.as_str(), at)).collect();
    let names: std::collections::BTreeSet<&str> =
        listed.iter().filter_map(|entry| entry.finding.video.as_deref()).collect();
    let video_at: BTreeMap<&str, usize> = names.into_iter().zip(0..).collect();
    html! {
        section #findings {
            h2 { "Findings, worst first" }
            @if listed.is_empty() {
                p { "Nothing was found." }
            } @else {
                (legend())
                (limits(findings.len(), &listed))
                (controls(&listed, tallies, &video_at))
                div .cards data-page=(PAGE) {
                    @for (at, (entry, figures)) in listed.iter().zip(&shown).enumerate() {
                        @let rule = rule_at.get(entry.finding.rule.as_str()).copied();
                        (Card {
                            finding: entry.finding,
                            rule: rule.map(|at| tallies[at].rule),
                            figures,
                            pictured: entry.pictured,
                            filter: Filter {
                                rule: rule.unwrap_or(tallies.len()),
                                video: entry.finding.video.as_deref().and_then(|name| video_at.get(name).copied()),
                            },
                            first_page: at < PAGE,
                            rules: "",
                        }.write(&mut painter))
                    }
                }
                p .empty hidden { "No finding matches." }
                nav .pager aria-label="Pages of findings" {
                    button type="button" data-turn="-1" { "← Previous" }
                    span data-place {}
                    button type="button" data-turn="1" { "Next →" }
                }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul .legend aria-label="Marks on the pictures" {
            li { span .dot.left {} "left" }
            li { span .dot.right {} "right" }
            li { span .dot.mid {} "neither" }
            li { span .mark.wrong {} "what the finding is about" }
            li { span .mark.related {} "what belongs to it" }
            li { span .mark.proposed {} "where it is proposed to be" }
        }
    }
}

/// Says what the page leaves out.
fn limits(found: usize, listed: &[Listed<'_>]) -> Markup {
    let pictured = listed.iter().filter(|entry| entry.pictured).count();
    html! {
        @if found > listed.len() || listed.len() > pictured {
            p .note .limits {
                "To stay quick, this page lists " (count(listed.len())) " of " (count(found)) " findings"
                " and pictures " (count(pictured)) " of them: the worst, and some of every rule"
                " (at most " (count(MOST_LISTED)) " and " (count(MOST_PICTURED)) "). All are in "
                code { "findings.json" } " and " code { "findings.parquet" } " beside it."
            }
        }
    }
}

fn controls(
    listed: &[Listed<'_>],
    tallies: &[Tally<'_>],
    videos: &BTreeMap<&str, usize>,
) -> Markup {
    let by = |test: &dyn Fn(&Listed<'_>) -> bool| {
        count(listed.iter().filter(|entry| test(entry)).count())
    };
    let severities = [Severity::Error, Severity::Warning, Severity::Info];
    html! {
        form .controls role="search" aria-label="Filter findings" {
            label { "Rule" select name="rule" {
                option value="" { "All rules (" (count(listed.len())) ")" }
                @for (at, tally) in tallies.iter().enumerate().filter(|(_, tally)| tally.total() > 0) {
                    option value=(at) { (visible(&tally.rule.spec.title)) " (" (by(&|l| l.finding.rule == tally.rule.slug)) ")" }
                }
            } }
            label { "Severity" select name="severity" {
                option value="" { "All severities" }
                @for level in severities {
                    option value=(severity(level)) { (severity(level)) " (" (by(&|l| l.finding.severity == level)) ")" }
                }
            } }
            @if videos.len() > 1 {
                label { "Video" select name="video" {
                    option value="" { "All videos" }
                    @for (name, at) in videos {
                        option value=(at) { (shortened(name, 48)) " (" (by(&|l| l.finding.video.as_deref() == Some(name))) ")" }
                    }
                } }
            }
            label .search { "Search" input type="search" name="text" placeholder="image, keypoint, words …" autocomplete="off"; }
            button type="reset" { "Show all" }
            output name="shown" aria-live="polite" {}
        }
    }
}
