//! `report.html` of a study: one page that answers whether labels, optimiser or luck were to
//! blame, for people who train networks to study animals. Fetches nothing and needs no script.

mod curves;
mod plots;
mod ramps;
mod runs;
mod worst;

use maud::{Markup, html};

use super::dataset_name;
use super::subject::Index;
use crate::page::text::{count, shortened, visible};
use crate::page::{Head, document, prose};
use crate::report::study::{
    Column, StudyReport, Table, Texts, cleaning, effects, errors, luck, margins, rates, secondary,
    settings, splits,
};
use crate::study::design::Design;
use crate::study::file::DesignFile;

/// Returns the report as a page.
pub(in crate::report) fn page(
    report: &StudyReport<'_>,
    file: Option<&DesignFile>,
    texts: &Texts,
) -> Markup {
    let index = Index::new(&report.facts.dataset);
    let name = shortened(&dataset_name(&report.study.dataset.path), 60);
    let body = html! {
        header .top {
            p .brand { "labelvet study" }
            h1 { (name) }
            p .verdict { b { (prose(&texts.verdict)) } @if !texts.figures.is_empty() { ": " (prose(&texts.figures)) } }
            (warnings(&texts.warnings))
            nav {
                a href="#next" { "What to do" } a href="#errors" { "Test error" } a href="#effects" { "Effects" }
                a href="#worst" { "Worst labels" } a href="#cleaning" { "What changed" } a href="#curves" { "Loss curves" }
                a href="#further" { "Further measures" } a href="#settings" { "Settings" }
            }
        }
        main {
            section #what {
                h2 { "What this study was" }
                p .words { (prose(&texts.what)) }
                div .scroll { table { tbody { @for (name, words) in &texts.names { tr {
                    th scope="row" { (visible(name)) } td { (visible(words)) }
                } } } } }
            }
            (next(texts))
            section #errors {
                h2 { "Test error" }
                p .words { (prose(&texts.reading_errors)) }
                div .plots { (plots::errors(report)) }
                (table(&errors(report)))
            }
            section #effects {
                h2 { "Effects" }
                p .words { (prose(&texts.reading_effects)) }
                div .plots { (plots::effects(report)) }
                (table(&effects(report)))
            }
            (worst::section(report, &index, &texts.reading_worst))
            section #cleaning {
                h2 { "What cleaning changed" }
                p .words { (prose(&texts.reading_cleaning)) }
                (table(&cleaning(report)))
            }
            section #curves {
                h2 { "Loss curves of all runs" }
                p .words { (prose(&texts.reading_curves)) }
                div .plots { (curves::plots(report)) }
                (table(&rates(report)))
                @if !report.study.ramps.is_empty() {
                    h3 { "Ramps of the learning rate" }
                    p .words { (prose(&texts.reading_ramps)) }
                    div .plots { (ramps::plots(report)) }
                    (table(&margins(report)))
                }
            }
            section #further {
                h2 { "Further measures, without tests" }
                p .words { (prose(&texts.reading_secondary)) }
                (table(&secondary(report)))
                @if !texts.reading_luck.is_empty() {
                    h3 { "Luck of the split and of the seed" }
                    p .words { (prose(&texts.reading_luck)) }
                    (table(&luck(report)))
                }
            }
            section #settings {
                h2 { "How this study was made" }
                div .scroll { table .settings { tbody { @for (name, value) in settings(report, file) { tr {
                    th scope="row" { (name) } td { (visible(&value)) }
                } } } } }
                h3 { "Shuffles" }
                (table(&splits(report)))
                (runs::failures(report))
                h3 { "Files" }
                p .words {
                    "All numbers are in " code { "study.json" } ", the same report without pictures is "
                    a href="report.md" { "report.md" } ", what the audit of the whole dataset found is in its own "
                    a href="audit/report.html" { "report" } "; the patch of each arm and shuffle lies in " code { "patches" } "."
                }
                (runs::list(report))
            }
        }
        footer .bottom { "Made by labelvet " (env!("CARGO_PKG_VERSION")) ". This file is whole: it needs no network, and nothing in it leaves this machine." }
    };
    let title = format!("labelvet study: {name}");
    document(&Head { title: &title, main: "what", refresh: None }, &body)
}

fn warnings(warnings: &[String]) -> Markup {
    html! {
        @if !warnings.is_empty() {
            div .warning-box role="note" {
                b { "Heed before reading on" }
                ul { @for warning in warnings { li { (prose(warning)) } } }
            }
        }
    }
}

fn next(texts: &Texts) -> Markup {
    html! {
        section #next {
            h2 { "What to do next" }
            ul .words { @for advice in &texts.advice { li { (prose(advice)) } } }
            pre { code {
                @for [what, command] in &texts.commands { "# " (visible(what)) "\n" (visible(command)) "\n" }
            } }
        }
    }
}

/// Writes a table; its width never moves the page.
pub(in crate::report::html) fn table(table: &Table) -> Markup {
    let class = |column: &Column| column.is_number.then_some("n");
    html! {
        @if table.rows.is_empty() { p .note { "There is nothing to show." } }
        @else {
            div .scroll tabindex="0" { table .dense {
                thead { tr { @for column in &table.columns { th scope="col" class=[class(column)] { (column.name) } } } }
                tbody { @for row in &table.rows { tr {
                    @for (column, cell) in table.columns.iter().zip(row) { td class=[class(column)] { (visible(cell)) } }
                } } }
            } }
        }
    }
}

/// Returns the number of an arm, which gives it its colour and form in all plots; arms of no name
/// that the design knows come last.
fn group(design: &Design, arm: &str) -> usize {
    design.arms.iter().position(|own| own.name == arm).unwrap_or(design.arms.len())
}

/// Says how many of something a plot leaves out.
fn left_out(count_: usize, what: &str) -> Markup {
    html! { @if count_ > 0 { p .note { (count(count_)) " " (what) } } }
}
