//! Plots of test errors and of effects.

use maud::{Markup, html};

use super::group;
use crate::page::plot::{Axis, Estimate, Role, Scale, Shape, figure, intervals};
use crate::report::study::{StudyReport, amount, contrast_words, figure as digits};
use crate::study::collect::RunResult;
use crate::study::contrast::{Contrast, ContrastResult, Endpoint};

/// Draws the test error of each arm, one plot for each optimiser; where errors were planted, also
/// against the labels as they are.
pub(super) fn errors(report: &StudyReport<'_>) -> Markup {
    let planted = report.study.facts.planted.is_some();
    let reference: fn(&RunResult) -> Option<f64> = |run| run.error_px;
    let labelled: fn(&RunResult) -> Option<f64> = |run| run.error_px_as_labelled;
    let known = if planted { "against the true labels" } else { "against the original labels" };
    html! {
        @for optimiser in &report.study.design.optimisers {
            (one(report, &optimiser.name, "error_px", known, reference))
            @if planted {
                (one(report, &optimiser.name, "error_px_as_labelled", "against the labels as they are", labelled))
            }
        }
    }
}

fn one(
    report: &StudyReport<'_>,
    optimiser: &str,
    measure: &str,
    against: &str,
    value: fn(&RunResult) -> Option<f64>,
) -> Markup {
    let cells = report.outcome.cells.iter();
    let body = report.study.facts.body_length_px;
    let rows: Vec<Estimate> = cells
        .filter(|cell| cell.measure == measure && cell.optimiser == optimiser)
        .map(|cell| {
            let runs =
                report.study.measures.iter().filter(|run| {
                    run.repeat == 0 && run.arm == cell.arm && run.optimiser == optimiser
                });
            let at = group(report.study.design, &cell.arm);
            let bodies =
                body.map_or(String::new(), |body| format!(", {} bl", digits(cell.mean / body)));
            Estimate {
                name: cell.arm.clone(),
                note: format!("{} px{bodies}", digits(cell.mean)),
                value: cell.mean,
                interval: cell.ci_low.zip(cell.ci_high).map(|(low, high)| [low, high]),
                dots: runs.filter_map(value).collect(),
                band: None,
                role: Role::Group(at),
                shape: Shape::of_group(at),
            }
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    // All optimisers share one scale, so that their plots can be compared.
    let all = report.study.measures.iter().filter(|run| run.repeat == 0).filter_map(value);
    let rim = all.fold([f64::NAN; 2], |[low, high], error| [low.min(error), high.max(error)]);
    let axis = Axis { name: "mean test error, px (log scale)", scale: Scale::Log, include: &rim };
    let title = format!("Optimiser {optimiser}");
    let said: Vec<String> = rows.iter().map(|row| format!("{} {}", row.name, row.note)).collect();
    let label = format!("mean test error {against}, optimiser {optimiser}: {}", said.join("; "));
    figure(&title, &format!("{against}; bl: body lengths"), &intervals(&label, &axis, &rows, None))
}

/// Draws what the comparisons came to, one plot for each endpoint.
pub(super) fn effects(report: &StudyReport<'_>) -> Markup {
    let percent = Axis {
        name: "change of the test error, %",
        scale: Scale::Linear,
        include: &[-5.0, 0.0, 5.0],
    };
    let spikes = Axis {
        name: "change of the spikes above 5 times the level, per 1,000 steps",
        scale: Scale::Linear,
        include: &[-0.5, 0.0, 0.5],
    };
    let factor = Axis {
        name: "factor of the stable learning rate",
        scale: Scale::Log,
        include: &[0.5, 1.0, 2.0],
    };
    html! {
        (endpoint(report, Endpoint::TestError, "Test error", "left is better", &percent, 0.0))
        (endpoint(report, Endpoint::SpikeRate, "Spikes of the loss under the default optimiser", "left is better", &spikes, 0.0))
        (endpoint(report, Endpoint::StabilityMargin, "Stability margin", "right is better", &factor, 1.0))
    }
}

fn endpoint(
    report: &StudyReport<'_>,
    endpoint: Endpoint,
    title: &str,
    note: &str,
    axis: &Axis<'_>,
    unchanged: f64,
) -> Markup {
    let scaled = |difference: f64| match endpoint {
        Endpoint::TestError => 100.0 * (endpoint.effect(difference) - 1.0),
        Endpoint::SpikeRate | Endpoint::StabilityMargin => endpoint.effect(difference),
    };
    let mut results: Vec<&ContrastResult> =
        report.outcome.contrasts.iter().filter(|result| result.endpoint == endpoint).collect();
    // What a verdict rests on comes first, then the control.
    let order = |contrast: Contrast| match contrast {
        contrast if contrast.is_primary_at(endpoint) => 0,
        Contrast::TruthMinusDirty => 1,
        _ => 2,
    };
    results.sort_by_key(|result| (order(result.contrast), result.contrast));
    let rows: Vec<Estimate> = results
        .into_iter()
        .map(|result| {
            let p = match result.p_holm {
                Some(p) if p < 0.001 => ", p < 0.001".to_owned(),
                Some(p) => format!(", p = {p:.3}"),
                None if result.contrast == Contrast::TruthMinusDirty => ", control".to_owned(),
                None => ", no test".to_owned(),
            };
            let role = match order(result.contrast) {
                0 => Role::Main,
                1 => Role::Group(3),
                _ => Role::Note,
            };
            let shape = match order(result.contrast) {
                0 => Shape::Disc,
                1 => Shape::Diamond,
                _ => Shape::Ring,
            };
            Estimate {
                name: contrast_words(result.contrast).to_owned(),
                note: format!("n = {}{p}", result.n),
                value: result.estimate.map_or(f64::NAN, scaled),
                interval: result
                    .ci_low
                    .zip(result.ci_high)
                    .map(|(low, high)| [scaled(low), scaled(high)]),
                dots: result.differences.iter().copied().map(scaled).collect(),
                band: result.minimum_detectable.map(|least| [scaled(-least), scaled(least)]),
                role,
                shape,
            }
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    let said: Vec<String> = report
        .outcome
        .contrasts
        .iter()
        .filter(|result| result.endpoint == endpoint)
        .map(|result| {
            let change = result.estimate.map_or("no result".into(), |d| amount(endpoint, d));
            format!("{} {change}", contrast_words(result.contrast))
        })
        .collect();
    let label = format!("{}: {}", axis.name, said.join("; "));
    let banded = rows.iter().any(|row| row.band.is_some());
    let band = if banded { "; grey band: too small to be seen here" } else { "" };
    figure(title, &format!("{note}{band}"), &intervals(&label, axis, &rows, Some(unchanged)))
}
