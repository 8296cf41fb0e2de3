//! `bench.html` of a bench: curves of precision over recall and of reliability, with the tables.
//! Fetches nothing and needs no script.

use maud::{Markup, html};

use super::dataset_name;
use super::study::table;
use crate::bench::{CellOutcome, DetectorOutcome};
use crate::page::plot::{Axis, Role, Scale, Series, Stroke, figure, lines};
use crate::page::text::{count, counted, number, shortened, visible};
use crate::page::{Head, document};
use crate::report::bench::{BenchReport, each_kind, named, overall, reliability, what};

/// Returns the report as a page.
pub(in crate::report) fn page(report: &BenchReport<'_>) -> Markup {
    let name = shortened(&dataset_name(&report.run.dataset), 60);
    let outcome = report.outcome;
    // One rate is enough to look at: the middle one; the tables have all.
    let middle = report.rates.get(report.rates.len() / 2).copied();
    let shown = || outcome.cells.iter().filter(move |cell| Some(cell.rate) == middle);
    let body = html! {
        header .top {
            p .brand { "labelvet bench detectors" }
            h1 { (name) }
            (headline(&outcome.together))
            nav {
                a href="#together" { "All kinds together" } a href="#kinds" { "Each kind" }
                a href="#named" { "Kinds and proposals" } a href="#settings" { "Settings" }
            }
        }
        main {
            section #together {
                h2 { "All kinds together" }
                p .words { (visible(&what(report))) }
                div .plots {
                    @for cell in &outcome.together {
                        (curves(cell, &format!("Rate {}", number(cell.rate))))
                        (reliable(cell))
                    }
                }
                (table(&overall(report)))
                h3 { "Reliability" }
                p .words { "Of the flagged instances with such scores, the share that has a planted error. A detector whose scores are probabilities lies on the straight line, at the rate of errors that it takes for granted." }
                (table(&reliability(report)))
            }
            section #kinds {
                h2 { "Each kind" }
                @if let Some(rate) = middle { p .words { "Curves are those at a rate of " (number(rate)) "; the table has all rates." } }
                div .plots { @for cell in shown() {
                    (curves(cell, &format!("{}, {}", cell.kind.map_or("all", |kind| kind.name()), cell.strength)))
                } }
                (table(&each_kind(report)))
            }
            section #named {
                h2 { "Kinds and proposals" }
                p .words { "How often findings of labelvet name the right kind of error and the right keypoints, and how often what they propose puts a label within 0.1 body lengths of its true place." }
                (table(&named(report)))
            }
            (settings(report))
        }
        footer .bottom { "Made by labelvet " (env!("CARGO_PKG_VERSION")) ". This file is whole: it needs no network, and nothing in it leaves this machine." }
    };
    let title = format!("labelvet bench: {name}");
    document(&Head { title: &title, main: "together", refresh: None }, &body)
}

/// Says in a sentence how the detectors compare, at each rate.
fn headline(together: &[CellOutcome]) -> Markup {
    let words = |cell: &CellOutcome| {
        let said: Vec<String> = (cell.detectors.iter())
            .filter_map(|found| {
                let value = found.average_precision.value?;
                Some(format!("{} {value:.2}", found.name))
            })
            .collect();
        format!("{} of frames wrong: {}", number(cell.rate), said.join(", "))
    };
    html! {
        p .verdict {
            "Average precision over errors of all kinds. "
            @for (at, cell) in together.iter().enumerate() {
                @if at > 0 { "; " }
                (visible(&words(cell)))
            }
            "."
        }
    }
}

/// Draws precision over recall of each detector, and the share of errors as what chance has.
fn curves(cell: &CellOutcome, title: &str) -> Markup {
    let chance = cell.planted as f64 / cell.instances.max(1) as f64;
    let drawn = |at: usize, found: &'_ DetectorOutcome| {
        found.curve.first().map(|first| {
            // A curve begins where its first instances are, at the left edge.
            let mut points = vec![[0.0, first[1]]];
            points.extend(&found.curve);
            (at, points)
        })
    };
    let mut series: Vec<Series<'_>> = vec![Series {
        name: "chance",
        points: vec![[0.0, chance], [1.0, chance]],
        role: Role::Muted,
        stroke: Stroke::Thin,
    }];
    for (at, found) in cell.detectors.iter().enumerate().rev() {
        series.extend(drawn(at, found).map(|(at, points)| Series {
            name: &found.name,
            points,
            role: Role::Group(at),
            stroke: Stroke::Strong,
        }));
    }
    let axis = |name| Axis { name, scale: Scale::Linear, include: &[0.0, 1.0] };
    let label = format!("precision over recall: {title}");
    let note = format!("{} in {}", counted(cell.planted, "error"), counted(cell.sets, "set"));
    figure(title, &note, &lines(&label, &axis("recall"), &axis("precision"), &series, &[]))
}

/// Draws the share of errors over the mean score of each tenth.
fn reliable(cell: &CellOutcome) -> Markup {
    let mut series = vec![Series {
        name: "as scored",
        points: vec![[0.0, 0.0], [1.0, 1.0]],
        role: Role::Muted,
        stroke: Stroke::Thin,
    }];
    for (at, found) in cell.detectors.iter().enumerate() {
        let points: Vec<[f64; 2]> = (found.reliability.iter())
            .filter_map(|bin| Some([bin.mean_score?, bin.planted.value?]))
            .collect();
        if !points.is_empty() {
            let (role, stroke) = (Role::Group(at), Stroke::Dotted);
            series.push(Series { name: &found.name, points, role, stroke });
        }
    }
    let axis = |name| Axis { name, scale: Scale::Linear, include: &[0.0, 1.0] };
    let title = format!("Reliability, rate {}", number(cell.rate));
    let drawn = lines(&title, &axis("mean score"), &axis("share with an error"), &series, &[]);
    figure(&title, "flagged instances", &drawn)
}

/// Writes how the bench was made, and what could not be planted.
fn settings(report: &BenchReport<'_>) -> Markup {
    let outcome = report.outcome;
    let dataset = report.dataset;
    let rates: Vec<String> = report.rates.iter().map(|rate| number(*rate)).collect();
    let rows = [
        ("dataset", report.run.dataset.clone()),
        ("format", dataset.format.to_string()),
        ("images", count(dataset.images.len())),
        ("instances", count(dataset.instances.len())),
        ("keypoints", count(dataset.keypoints.len())),
        ("body length, px", outcome.body_length_px.map_or("–".into(), number)),
        ("frames that count", count(outcome.frames)),
        ("frames left out", count(outcome.left_out)),
        ("rates", rates.join(", ")),
        ("first seed", report.run.seed.to_string()),
        ("copies", count(report.seeds as usize)),
        ("rules", outcome.rules.join(", ")),
        ("command", report.run.command.join(" ")),
        ("seconds", number(report.run.seconds)),
    ];
    html! {
        section #settings {
            h2 { "How this bench was made" }
            div .scroll { table .settings { tbody { @for (name, value) in rows { tr {
                th scope="row" { (name) } td { (visible(&value)) }
            } } } } }
            @if !outcome.not_planted.is_empty() {
                h3 { "Not planted" }
                ul .words { @for none in &outcome.not_planted { li {
                    (none.kind) ", " (visible(&none.strength)) ", rate " (number(none.rate)) ": " (visible(&none.reason))
                } } }
            }
            p .words { "All numbers are in " code { "bench.json" } ", the tables in " a href="bench.md" { "bench.md" } "." }
        }
    }
}
