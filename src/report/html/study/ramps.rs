//! Ramps: the loss on the probe set while the learning rate rises, and where training broke down.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::curves::thinned;
use super::{group, left_out};
use crate::page::plot::{Axis, Role, Scale, Series, Shape, Spot, Stroke, figure, spotted};
use crate::report::study::StudyReport;
use crate::study::collect::RampResult;
use crate::study::jobs::COMMON;
use crate::train::curves::Curves;

/// Points of a curve.
const MOST_POINTS: usize = 100;
/// Ramps that a plot shows.
const MOST_RAMPS: usize = 120;
/// Ramps up to which each is drawn in full colour; of more, each lets others show through.
const MOST_DISTINCT: usize = 16;

/// Draws ramps that compare labels, and those that compare optimisers.
pub(super) fn plots(report: &StudyReport<'_>) -> Markup {
    let design = report.study.design;
    let (labels, optimisers): (Vec<&RampResult>, Vec<&RampResult>) =
        report.study.ramps.iter().partition(|ramp| ramp.optimiser == COMMON);
    let arms: Vec<&str> = design.arms.iter().map(|arm| arm.name.as_str()).collect();
    let names: Vec<&str> = design.optimisers.iter().map(|own| own.name.as_str()).collect();
    let of_arm = |ramp: &RampResult| group(design, &ramp.arm);
    let of_optimiser = |ramp: &RampResult| {
        names.iter().position(|name| *name == ramp.optimiser).unwrap_or(names.len())
    };
    html! {
        (plot(report, "Labels", "one common recipe", &labels, &arms, &of_arm))
        (plot(report, "Optimisers", "labels as they are, each its own recipe", &optimisers, &names, &of_optimiser))
    }
}

fn plot(
    report: &StudyReport<'_>,
    title: &str,
    note: &str,
    ramps: &[&RampResult],
    names: &[&str],
    group: &dyn Fn(&RampResult) -> usize,
) -> Markup {
    if ramps.is_empty() {
        return html! {};
    }
    let shown = &ramps[..ramps.len().min(MOST_RAMPS)];
    let mut series = Vec::new();
    let mut spots = Vec::new();
    let mut named: Vec<usize> = Vec::new();
    for ramp in shown {
        let at = group(ramp);
        let points = probes(&Curves::read(&report.folder.join(&ramp.run)));
        let role = Role::Group(at);
        if let Some(rate) = ramp.margin_log10.map(|log| 10_f64.powf(log)) {
            let name = names.get(at).copied().filter(|_| !named.contains(&at)).unwrap_or("");
            named.push(at);
            let loss = height(&points, rate);
            spots.push(Spot { at: [rate, loss], name, role, shape: Shape::of_group(at) });
        }
        let points = thinned(&points, MOST_POINTS);
        let stroke = if shown.len() > MOST_DISTINCT { Stroke::Faint } else { Stroke::Thin };
        series.push(Series { name: "", points, role, stroke });
    }
    let x = Axis { name: "learning rate", scale: Scale::Log, include: &[] };
    let y = Axis { name: "loss on the probe set", scale: Scale::Log, include: &[] };
    let label = format!(
        "loss on the probe set over the learning rate in {} ramps, {}",
        shown.len(),
        title.to_lowercase()
    );
    let bounds = ramps.iter().filter(|ramp| ramp.censored).count();
    let bounds =
        if bounds > 0 { format!("; {bounds} marks are only bounds") } else { String::new() };
    let note = format!("{note}; a mark: the stability margin of a ramp{bounds}");
    html! {
        div {
            (figure(title, &note, &spotted(&label, &x, &y, &series, &[], &spots)))
            (left_out(ramps.len() - shown.len(), "further ramps are not drawn."))
        }
    }
}

/// Returns rates and losses of a ramp, from the end of its safe part on.
fn probes(curves: &Curves) -> Vec<[f64; 2]> {
    let rate_of: BTreeMap<u64, f64> =
        curves.step.iter().copied().zip(curves.lr.iter().copied()).collect();
    // A look after so many steps shows what the step before it did.
    let all: Vec<[f64; 2]> = (curves.probe.iter())
        .filter_map(|look| Some([*rate_of.get(&look.step.checked_sub(1)?)?, look.loss]))
        .collect();
    let first = all.first().map_or(0.0, |point| point[0]);
    let safe = all.iter().take_while(|point| point[0] <= first).count();
    all[safe.saturating_sub(1)..].to_vec()
}

/// Returns the loss at a rate, on the straight line of logarithms between its neighbours; at the
/// top where there is none.
fn height(points: &[[f64; 2]], rate: f64) -> f64 {
    let after = points.partition_point(|point| point[0] < rate);
    let usable =
        |at: usize| points.get(at).copied().filter(|point| point[1] > 0.0 && point[1].is_finite());
    let before = after.checked_sub(1).and_then(usable);
    match (before, usable(after)) {
        (Some([x0, y0]), Some([x1, y1])) if x1 > x0 => {
            let share = (rate / x0).ln() / (x1 / x0).ln();
            (y0.ln() + share * (y1 / y0).ln()).exp()
        }
        (Some([_, y]), _) | (None, Some([_, y])) => y,
        (None, None) => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_lies_on_its_curve() {
        let points = [[0.01, 1.0], [0.1, 1.0], [1.0, 100.0], [10.0, f64::NAN]];
        assert_eq!(height(&points, 0.05), 1.0);
        assert!((height(&points, 10_f64.powf(-0.5)) - 10.0).abs() < 1e-9);
        assert_eq!(height(&points, 5.0), 100.0);
        assert_eq!(height(&[], 1.0), f64::INFINITY);
    }
}
