//! Plots of an evaluation.

use maud::{Markup, html};

use super::rounded;
use crate::dataset::Dataset;
use crate::eval::{PartEvaluation, Sample, keypoint_name};
use crate::page::plot::{
    Axis, Role, Scale, Series, Spread, Stroke, boxes, figure, histogram, lines, scatter,
};
use crate::page::text::count;

/// Boxes of a plot; the rest is in the table.
const MOST_BOXES: usize = 40;
/// A sure prediction further off than this many body lengths is marked.
const FAR_BODIES: f64 = 0.2;
/// Least error on a logarithmic axis, pixels: a distance of zero has no logarithm, and
/// nobody labels more exactly.
const LEAST_PX: f64 = 0.1;
/// Places on the curve of shares.
const CURVE: usize = 200;

/// Draws the plots of one part.
pub(super) fn plots(dataset: &Dataset, part: &PartEvaluation) -> Markup {
    let m = &part.metrics;
    let samples = &part.samples.labelled;
    let found: Vec<(&Sample, f64)> =
        samples.iter().filter_map(|sample| Some((sample, sample.error()?))).collect();
    if found.is_empty() {
        return html! {};
    }
    let far = m.body_length_px.map(|body| FAR_BODIES * body);
    let sure_and_far = |sample: &Sample, error: f64| {
        sample.likelihood >= m.pcutoff && far.is_some_and(|far| error > far)
    };
    let marked = found.iter().filter(|(s, error)| sure_and_far(s, *error)).count();
    let marks = match far {
        Some(far) => format!(
            "marked: {} with a likelihood of {} or more, yet over {} px ({FAR_BODIES} body lengths) off",
            count(marked),
            m.pcutoff,
            rounded(far)
        ),
        None => String::new(),
    };
    html! {
        section #plots {
            h2 { "How errors are distributed" }
            div .plots {
                (spreads(dataset, &found, &sure_and_far, &marks))
                (shares(part, &found))
                (likelihood(part, &found, &sure_and_far, &marks))
                (shift(part, &found))
                @let likelihoods: Vec<(f64, bool)> = found.iter().map(|(s, _)| (s.likelihood, false)).collect();
                (figure("Likelihood", "of all predictions at labelled points", &histogram("likelihoods", "likelihood", &likelihoods)))
            }
        }
    }
}

fn spreads(
    dataset: &Dataset,
    found: &[(&Sample, f64)],
    mark: &dyn Fn(&Sample, f64) -> bool,
    marks: &str,
) -> Markup {
    let mut spreads: Vec<Spread> = Vec::new();
    for (at, skeleton) in dataset.skeletons.iter().enumerate() {
        for (kind, name) in skeleton.keypoints.iter().enumerate() {
            let own = |s: &Sample| usize::from(s.skeleton) == at && usize::from(s.kind) == kind;
            let mut values: Vec<(f64, bool)> = (found.iter())
                .filter(|(sample, _)| own(sample))
                .map(|(sample, error)| (error.max(LEAST_PX), mark(sample, *error)))
                .collect();
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            spreads.push(Spread { name: keypoint_name(dataset, at, name), values });
        }
    }
    spreads.retain(|spread| !spread.values.is_empty());
    let all = spreads.len();
    spreads.truncate(MOST_BOXES);
    let rest =
        if all > MOST_BOXES { format!("; the first {MOST_BOXES} of {all}") } else { String::new() };
    let note = format!("box: middle half; line: 5 to 95 %; dots: beyond; {marks}{rest}");
    let pixels = Axis { name: "pixels", scale: Scale::Log, include: &[] };
    let drawn = boxes("errors by keypoint", &pixels, &spreads);
    figure("Error of each keypoint", &note, &drawn)
}

/// Draws which share of the labelled points lies within each distance.
fn shares(part: &PartEvaluation, found: &[(&Sample, f64)]) -> Markup {
    let cut = part.metrics.pcutoff;
    let mut all: Vec<f64> = found.iter().map(|(_, error)| *error).collect();
    let mut sure: Vec<f64> =
        found.iter().filter(|(s, _)| s.likelihood >= cut).map(|(_, error)| *error).collect();
    all.sort_by(f64::total_cmp);
    sure.sort_by(f64::total_cmp);
    // From where the first predictions lie to where the last do, in even factors.
    let least = all[(all.len() - 1) / 100].max(LEAST_PX);
    let factor = (all[all.len() - 1].max(least) / least).powf(1.0 / CURVE as f64);
    let curve = |errors: &[f64], points: usize| -> Vec<[f64; 2]> {
        let within = |radius: f64| errors.partition_point(|error| *error <= radius);
        (0..=CURVE)
            .map(|at| least * factor.powi(at as i32))
            .map(|radius| [radius, within(radius) as f64 / points.max(1) as f64])
            .collect()
    };
    let series = [
        Series {
            name: "above the p-cutoff",
            points: curve(&sure, sure.len()),
            role: Role::Second,
            stroke: Stroke::Strong,
        },
        Series {
            name: "all labelled points",
            points: curve(&all, part.samples.labelled.len()),
            role: Role::Main,
            stroke: Stroke::Strong,
        },
    ];
    let x = Axis { name: "within pixels", scale: Scale::Log, include: &[] };
    let y = Axis { name: "share of points", scale: Scale::Linear, include: &[0.0, 1.0] };
    let drawn = lines("share of points within a distance", &x, &y, &series, &[]);
    figure("Points within a distance (PCK)", "steeper and higher is better", &drawn)
}

fn likelihood(
    part: &PartEvaluation,
    found: &[(&Sample, f64)],
    mark: &dyn Fn(&Sample, f64) -> bool,
    marks: &str,
) -> Markup {
    let points: Vec<([f64; 2], bool)> = (found.iter())
        .map(|(s, error)| ([s.likelihood, error.max(LEAST_PX)], mark(s, *error)))
        .collect();
    let x = Axis { name: "likelihood", scale: Scale::Linear, include: &[0.0, 1.0] };
    let y = Axis { name: "error, px", scale: Scale::Log, include: &[] };
    let drawn =
        scatter("errors by likelihood", &x, &y, &points, [Some(part.metrics.pcutoff), None]);
    let note = format!("line: the p-cutoff; {marks}");
    figure("Error and likelihood", &note, &drawn)
}

/// Draws where predictions lie around their labels.
fn shift(part: &PartEvaluation, found: &[(&Sample, f64)]) -> Markup {
    let mut distances: Vec<f64> = found.iter().map(|(_, error)| *error).collect();
    distances.sort_by(f64::total_cmp);
    // Wild points would shrink the cloud to a dot.
    let reach = distances[(distances.len() - 1) * 3 / 4].max(1e-3);
    let points: Vec<([f64; 2], bool)> = (found.iter())
        .filter(|(_, error)| *error <= reach)
        // Up on the plot is up in the image.
        .filter_map(|(sample, _)| sample.offset.map(|[dx, dy]| ([dx, -dy], false)))
        .collect();
    let rim = [-reach, reach];
    let x = Axis { name: "right, px", scale: Scale::Linear, include: &rim };
    let y = Axis { name: "up, px", scale: Scale::Linear, include: &rim };
    let drawn = scatter("predictions around their labels", &x, &y, &points, [Some(0.0); 2]);
    let mean = part.metrics.all.bias_px_median.map_or(String::new(), |[dx, dy]| {
        format!("; the median of all is {} px right, {} px up", rounded(dx), rounded(-dy))
    });
    let note = format!(
        "the label lies where the lines cross; the nearest three quarters of the points{mean}"
    );
    figure("Predictions around their labels", &note, &drawn)
}
