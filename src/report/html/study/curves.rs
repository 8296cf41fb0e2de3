//! Loss curves of all runs, one plot for each optimiser, with the alarms and their rulings.

use maud::{Markup, html};

use super::{group, left_out};
use crate::page::plot::{Axis, Role, Scale, Series, Shape, Spot, Stroke, figure, spotted};
use crate::page::run::smoothed;
use crate::report::study::StudyReport;
use crate::stats::robust::median;
use crate::study::collect::{RunResult, marks};
use crate::study::jobs::Job;
use crate::train::curves::Curves;

/// Points of a curve: more than a plot of this size shows.
const MOST_POINTS: usize = 160;
/// Points of an arm's median.
const MEDIAN_POINTS: usize = 60;
/// Shares of a run over which its curve is smoothed, 1/this.
const SMOOTH_SHARE: f64 = 40.0;
/// Most steps over which it is smoothed.
const SMOOTH_STEPS: f64 = 50.0;
/// Alarms that a plot marks, evenly chosen.
const MOST_MARKS: usize = 250;
/// Runs that a plot shows; the rest is in the list of runs.
const MOST_RUNS: usize = 120;

/// The curve of a run.
struct Curve {
    group: usize,
    points: Vec<[f64; 2]>,
    alarms: Vec<Alarm>,
}

/// An alarm: where it stands and what it was ruled to hang on.
struct Alarm {
    at: [f64; 2],
    ruling: Option<String>,
}

/// Draws the plots.
pub(super) fn plots(report: &StudyReport<'_>) -> Markup {
    html! {
        @for optimiser in &report.study.design.optimisers { (plot(report, &optimiser.name)) }
    }
}

fn plot(report: &StudyReport<'_>, optimiser: &str) -> Markup {
    let design = report.study.design;
    let all: Vec<&RunResult> =
        report.study.measures.iter().filter(|run| run.optimiser == optimiser).collect();
    if all.is_empty() {
        return html! {};
    }
    let curves: Vec<Curve> = all.iter().take(MOST_RUNS).map(|run| curve(report, run)).collect();
    let faint = curves.iter().map(|curve| Series {
        name: "",
        points: curve.points.clone(),
        role: Role::Group(curve.group),
        stroke: Stroke::Faint,
    });
    let arms = design.arms.iter().enumerate().filter_map(|(at, arm)| {
        let own: Vec<&Curve> = curves.iter().filter(|curve| curve.group == at).collect();
        let points = middle(&own);
        let role = Role::Group(at);
        (!points.is_empty()).then(|| Series {
            name: &arm.name,
            points,
            role,
            stroke: Stroke::Strong,
        })
    });
    let series: Vec<Series<'_>> = faint.chain(arms).collect();
    let found: usize = curves.iter().map(|curve| curve.alarms.len()).sum();
    let every = found.div_ceil(MOST_MARKS).max(1);
    // The forms are explained once each, in the colour of text: colours tell the arms.
    let mut named: Vec<&str> = Vec::new();
    let alarms = curves.iter().flat_map(|curve| curve.alarms.iter().map(move |a| (curve, a)));
    let mut spots: Vec<Spot<'_>> = Vec::new();
    for (curve, alarm) in alarms.step_by(every) {
        let (name, shape) = ruling(alarm.ruling.as_deref());
        if !named.contains(&name) {
            named.push(name);
            let at = [f64::NAN; 2];
            spots.push(Spot { at, name, role: Role::Note, shape });
        }
        let role = Role::Group(curve.group);
        spots.push(Spot { at: alarm.at, name: "", role, shape });
    }
    let x = Axis { name: "images seen", scale: Scale::Linear, include: &[0.0] };
    let y = Axis { name: "training loss, smoothed", scale: Scale::Log, include: &[] };
    let label = format!(
        "training loss of {} runs with optimiser {optimiser} over images seen, with {found} alarms",
        curves.len()
    );
    let title = format!("Optimiser {optimiser}");
    let note = format!("{} runs, {found} alarms; logarithmic", all.len());
    html! {
        div {
            (figure(&title, &note, &spotted(&label, &x, &y, &series, &[], &spots)))
            (left_out(all.len() - curves.len(), "further runs are not drawn."))
            @if every > 1 { p .note { "Every " (every) "th alarm is marked." } }
        }
    }
}

/// Returns what a ruling is called and the form of its mark.
fn ruling(ruling: Option<&str>) -> (&'static str, Shape) {
    match ruling {
        Some("data") => ("alarm: data", Shape::Triangle),
        Some("state") => ("alarm: state", Shape::Square),
        Some(_) => ("alarm: undetermined", Shape::Ring),
        None => ("alarm: not ruled", Shape::Cross),
    }
}

fn curve(report: &StudyReport<'_>, run: &RunResult) -> Curve {
    let design = report.study.design;
    let curves = Curves::read(&report.folder.join(&run.run));
    let job = Job {
        arm: run.arm.clone(),
        optimiser: run.optimiser.clone(),
        shuffle: run.shuffle,
        repeat: run.repeat,
        ramp: None,
    };
    let batch = design.config(&job).map_or(1, |config| config.data.batch * config.data.accumulate);
    // Rows stand in the order in which batches were drawn; a rollback takes steps back, not these.
    let seen = |at: usize| ((at + 1) * batch) as f64;
    let raw: Vec<[f64; 2]> =
        curves.loss.iter().enumerate().map(|(at, &loss)| [seen(at), loss]).collect();
    let span = (raw.len() as f64 / SMOOTH_SHARE).clamp(1.0, SMOOTH_STEPS);
    let mut from = 0;
    let alarms = marks(&curves)
        .into_iter()
        .filter_map(|(step, ruling)| {
            // After a rollback a number of step comes again: alarms stand in the order of time.
            let after = curves.step.iter().skip(from).position(|&own| own == step);
            let place = after
                .map(|at| from + at)
                .or_else(|| curves.step.iter().position(|&own| own == step))?;
            from = place + 1;
            let loss = curves.loss[place];
            let height = if loss.is_finite() && loss > 0.0 { loss } else { f64::INFINITY };
            Some(Alarm { at: [seen(place), height], ruling })
        })
        .collect();
    let points = thinned(&smoothed(&raw, span), MOST_POINTS);
    Curve { group: group(design, &run.arm), points, alarms }
}

/// Returns at most so many points: of each stretch the last that is finite, else a gap.
pub(super) fn thinned(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    let every = points.len().div_ceil(most).max(1);
    let last = |stretch: &[[f64; 2]]| {
        let finite = stretch.iter().rev().find(|point| point[1].is_finite());
        finite.or(stretch.last()).copied()
    };
    points.chunks(every).filter_map(last).collect()
}

/// Returns the median of curves over stretches of the x axis.
fn middle(curves: &[&Curve]) -> Vec<[f64; 2]> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let end = points().map(|point| point[0]).fold(0.0, f64::max);
    if end <= 0.0 {
        return Vec::new();
    }
    let width = end / MEDIAN_POINTS as f64;
    let mut stretches: Vec<Vec<f64>> = vec![Vec::new(); MEDIAN_POINTS];
    for point in points().filter(|point| point[1].is_finite()) {
        let at = ((point[0] / width).ceil() as usize).clamp(1, MEDIAN_POINTS) - 1;
        stretches[at].push(point[1]);
    }
    let stretches = stretches.iter_mut().enumerate();
    stretches
        .filter_map(|(at, losses)| Some([(at as f64 + 1.0) * width, median(losses)?]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_gaps_and_ends() {
        let points: Vec<[f64; 2]> = (0..1000)
            .map(|at| [f64::from(at), if (300..400).contains(&at) { f64::NAN } else { 1.0 }])
            .collect();
        let thin = thinned(&points, 100);
        assert_eq!((thin.len(), thin[99][0]), (100, 999.0));
        assert_eq!(thin.iter().filter(|point| point[1].is_nan()).count(), 10);
        assert!(thinned(&[], 100).is_empty());
    }

    #[test]
    fn the_median_of_arms_follows_most_of_them() {
        let curve = |level: f64| Curve {
            group: 0,
            points: (1..=120).map(|at| [f64::from(at), level]).collect(),
            alarms: Vec::new(),
        };
        let curves = [curve(1.0), curve(2.0), curve(50.0)];
        let middle = middle(&curves.iter().collect::<Vec<_>>());
        assert_eq!(middle.len(), MEDIAN_POINTS);
        assert!(middle.iter().all(|point| point[1] == 2.0));
    }
}
