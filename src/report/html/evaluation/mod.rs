//! `report.html` of an evaluation: how far predictions lie from labels, in words, tables,
//! plots, and pictures of the worst frames. Fetches nothing and needs no script.

mod frames;
mod plots;
mod tables;

use maud::{Markup, html};

use super::dataset_name;
use super::subject::Index;
use crate::eval::{Metrics, PartEvaluation};
use crate::page::text::{count, counted, number, shortened, visible};
use crate::page::{Head, document};
use crate::report::EvalReport;

/// Parts that say nothing of images that a model has not seen.
const SEEN: [&str; 2] = ["train", "gap"];
/// Problems of a file of predictions that are listed.
const MOST_PROBLEMS: usize = 100;

/// Returns the report as a page.
pub(in crate::report) fn page(report: &EvalReport<'_>, fingerprint: &str) -> Markup {
    let facts = report.facts;
    let index = Index::new(&facts.dataset);
    let name = shortened(&dataset_name(&report.run.dataset), 60);
    let parts = &report.evaluation.parts;
    let shown = parts.iter().find(|part| !SEEN.contains(&part.name.as_str())).or(parts.first());
    let body = html! {
        header .top {
            p .brand { "labelvet eval" }
            h1 { (name) }
            @if let Some(part) = shown { (headline(part)) }
            nav { a href="#keypoints" { "Keypoints" } a href="#frames" { "Worst frames" } a href="#plots" { "Plots" } a href="#parts" { "All numbers" } a href="#settings" { "Settings" } }
        }
        main {
            @if let Some(part) = shown {
                (tables::keypoints(&facts.dataset, part))
                (frames::worst(report, &index, part))
                (plots::plots(&facts.dataset, part))
            }
            (tables::parts(parts))
            (settings(report, fingerprint))
        }
        footer .bottom { "Made by labelvet " (env!("CARGO_PKG_VERSION")) ". This file is whole: it needs no network, and nothing in it leaves this machine." }
    };
    let title = format!("labelvet eval: {name}");
    document(&Head { title: &title, main: "keypoints", refresh: None }, &body)
}

/// Writes the numbers that matter most, in words.
fn headline(part: &PartEvaluation) -> Markup {
    let m = &part.metrics;
    let total = |name: &str, value: Option<String>, note: &str| {
        html! {
            @if let Some(value) = value { li { b { (value) } span { (name) } small { (note) } } }
        }
    };
    html! {
        p .verdict { (visible(&in_words(part))) }
        ul .totals {
            (total("median error", m.all.error_px_median.map(|v| format!("{} px", rounded(v))), &m.all.error_bl_median.map_or(String::new(), |v| format!("{} body lengths", number(v)))))
            (total("mean error", m.all.error_px_mean.map(|v| format!("{} px", rounded(v))), "DeepLabCut calls it rmse"))
            (total("within 0.1 body lengths", m.all.pck.get("0.1").map(|v| percent(*v)), "of all labelled points"))
            (total("OKS mAP", m.oks.map.map(number), "whole animals, 0 to 1"))
            (total("left and right told apart", m.left_right_order.map(percent), "of animals with both"))
            (total("unsure", m.all.likelihood_below_pcutoff.map(percent), &format!("of likelihoods below {}", m.pcutoff)))
        }
    }
}

/// Says in a few sentences how good predictions are.
fn in_words(part: &PartEvaluation) -> String {
    let m = &part.metrics;
    let Some(median) = m.all.error_px_median else {
        return format!(
            "Nothing was predicted for the {} of part {}.",
            counted(m.all.n_points, "labelled point"),
            part.name
        );
    };
    let mut text = format!(
        "On {} of part {}, half of {} lie within {} px of their labels",
        counted(m.n_images, "image"),
        part.name,
        counted(m.all.n_points - m.all.n_missing, "predicted point"),
        rounded(median),
    );
    if let Some(body) = m.all.error_bl_median {
        text += &format!(", {} of a body length", percent(body));
    }
    text += ".";
    if m.all.n_missing > 0 {
        text +=
            &format!(" For {} nothing was predicted.", counted(m.all.n_missing, "labelled point"));
    }
    text += &bias_in_words(m);
    let mut baselines: Vec<(&str, f64)> = (m.baselines.iter())
        .filter_map(|(name, errors)| Some((*name, errors.error_px_median?)))
        .collect();
    baselines.sort_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((name, error)) = baselines.first() {
        let name = if *name == "blob" {
            "the middle of the darkest or lightest spot with the mean offsets"
        } else {
            "the mean place of each keypoint"
        };
        text += &format!(" Without any model, {name} would be {} px off.", rounded(*error));
    }
    text
}

/// Says whether predictions are off in one direction, where that is a good part of the
/// error.
fn bias_in_words(m: &Metrics) -> String {
    let (Some([dx, dy]), Some(median)) = (m.all.bias_px_median, m.all.error_px_median) else {
        return String::new();
    };
    // Half of the median error and half a pixel: less is noise of the labels.
    if dx.hypot(dy) < 0.5 * median.max(1.0) {
        return String::new();
    }
    format!(
        " Predictions are shifted as a whole, by {} px to the {} and {} px {}: look for an offset in the model's output or in the resizing of images.",
        rounded(dx.abs()),
        if dx < 0.0 { "left" } else { "right" },
        rounded(dy.abs()),
        if dy < 0.0 { "up" } else { "down" },
    )
}

fn rounded(value: f64) -> String {
    number((value * 100.0).round() / 100.0)
}

/// Writes a share as a percentage with one digit.
fn percent(share: f64) -> String {
    format!("{} %", number((share * 1000.0).round() / 10.0))
}

/// Writes how the report was made, and what did not belong to the dataset.
fn settings(report: &EvalReport<'_>, fingerprint: &str) -> Markup {
    let rows = [
        ("labelvet", env!("CARGO_PKG_VERSION").to_string()),
        ("dataset", report.run.dataset.clone()),
        ("format", report.facts.dataset.format.into()),
        ("predictions", report.source.into()),
        ("predicted animals", count(report.predictions.poses.len())),
        ("p-cutoff", report.settings.pcutoff.to_string()),
        ("OKS sigma", report.settings.sigma.to_string()),
        ("command", report.run.command.join(" ")),
        ("seconds", number(report.run.seconds)),
        ("dataset fingerprint", fingerprint.into()),
    ];
    html! {
        section #settings {
            @if !report.problems.is_empty() {
                h2 { "What did not belong to the dataset" }
                div .scroll { table {
                    thead { tr { th { "File" } th .n { "Row" } th { "What was noticed" } } }
                    tbody { @for problem in report.problems.iter().take(MOST_PROBLEMS) { tr {
                        td { (visible(&problem.file)) }
                        td .n { @if let Some(row) = problem.row { (row) } }
                        td { (visible(&problem.message)) }
                    } } }
                } }
                @if report.problems.len() > MOST_PROBLEMS { p .note { (count(report.problems.len() - MOST_PROBLEMS)) " more are not listed here." } }
            }
            h2 { "How this report was made" }
            div .scroll { table .settings { tbody { @for (name, value) in rows { tr {
                th scope="row" { (name) } td { (visible(&value)) }
            } } } } }
            p .note { "All numbers are in " code { "metrics.json" } ", all predictions in " code { "predictions.parquet" } ", " code { "predictions.csv" } " and " code { "predictions.coco.json" } " beside this file." }
        }
    }
}
