//! The tables of a study's report.

use super::StudyReport;
use super::tables::Table;
use super::words::{
    amount, arm_name, contrast_words, endpoint_words, figure, interval, maybe, measure_words,
    percent, probability, question,
};
use crate::study::arms::ArmSummary;
use crate::study::contrast::ContrastResult;
use crate::study::file::DesignFile;
use crate::study::outcome::Cell;

/// Returns the test error of each arm under each optimiser.
pub(in crate::report) fn errors(report: &StudyReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Optimiser",
        "Arm",
        "#Mean error, px",
        "#95 % interval, px",
        "#Least and most, px",
        "#Body lengths",
        "#95 % interval, body lengths",
        "#Against labels as they are, px",
        "#95 % interval, px",
        "#Shuffles",
    ]);
    for optimiser in &report.study.design.optimisers {
        for arm in &report.study.design.arms {
            let cell = |measure| cell(report, measure, &arm.name, &optimiser.name);
            let mean = |cell: Option<&Cell>| maybe(cell.map(|cell| cell.mean));
            let limits = |cell: Option<&Cell>| {
                interval(cell.and_then(|cell| cell.ci_low), cell.and_then(|cell| cell.ci_high))
            };
            let [px, bl, labelled] = ["error_px", "error_bl", "error_px_as_labelled"].map(cell);
            let range = px.map(|cell| cell.range);
            table.push([
                optimiser.name.clone(),
                arm.name.clone(),
                mean(px),
                limits(px),
                interval(range.map(|range| range[0]), range.map(|range| range[1])),
                mean(bl),
                limits(bl),
                mean(labelled),
                limits(labelled),
                px.map_or(0, |cell| cell.n).to_string(),
            ]);
        }
    }
    table.without_empty()
}

/// Returns the summary of a measure in one arm, where there is one.
pub(super) fn cell<'a>(
    report: &StudyReport<'a>,
    measure: &str,
    arm: &str,
    optimiser: &str,
) -> Option<&'a Cell> {
    let is =
        |cell: &&Cell| cell.measure == measure && cell.arm == arm && cell.optimiser == optimiser;
    report.outcome.cells.iter().find(is)
}

/// Returns what is compared at the two endpoints.
pub(in crate::report) fn effects(report: &StudyReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Comparison",
        "Judged by",
        "#Change",
        "#95 % interval",
        "#p",
        "#p, adjusted (Holm)",
        "#Smallest visible effect",
        "#Shuffles",
        "#Without a result",
        "#Bounds only",
    ]);
    for result in &report.outcome.contrasts {
        let ContrastResult { endpoint, contrast, n, missing, censored, .. } = *result;
        let change = |difference: Option<f64>| {
            difference.map_or_else(|| "–".into(), |difference| amount(endpoint, difference))
        };
        let limits = match result.ci_low.zip(result.ci_high) {
            Some((low, high)) => format!("{} to {}", amount(endpoint, low), amount(endpoint, high)),
            None => "–".into(),
        };
        let smallest = match result.minimum_detectable {
            Some(least) => format!("{} or {}", amount(endpoint, -least), amount(endpoint, least)),
            None => "–".into(),
        };
        table.push([
            format!("{}: {}", contrast_words(contrast), question(contrast)),
            endpoint_words(endpoint).to_owned(),
            change(result.estimate),
            limits,
            probability(result.p),
            probability(result.p_holm),
            smallest,
            n.to_string(),
            missing.to_string(),
            censored.to_string(),
        ]);
    }
    table.without_empty()
}

/// Returns what cleaning changed in the training labels, the mean over shuffles.
pub(in crate::report) fn cleaning(report: &StudyReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Arm",
        "#Labelled keypoints",
        "#Left out",
        "#Moved or added",
        "#Frames changed",
        "#Held back by limits",
        "#Planted errors changed",
        "#Right labels changed",
        "#Right labels changed, estimated",
        "Partners of the control",
    ]);
    for arm in &report.study.design.arms {
        let of: Vec<&ArmSummary> =
            report.study.arms.iter().filter(|summary| summary.arm == arm.name).collect();
        if of.is_empty() {
            continue;
        }
        let mean = |value: &dyn Fn(&ArmSummary) -> f64| {
            of.iter().map(|summary| value(summary)).sum::<f64>() / of.len() as f64
        };
        let planted = |at: usize| {
            let some = of.iter().any(|summary| summary.planted.is_some());
            some.then(|| mean(&|summary| summary.planted.map_or(0.0, |counts| counts[at] as f64)))
        };
        let hit = match (planted(0), planted(1)) {
            (Some(all), Some(hit)) if all > 0.0 => {
                format!("{} of {} ({})", figure(hit), figure(all), percent(hit / all))
            }
            (Some(_), Some(_)) => "none to change".into(),
            _ => "–".into(),
        };
        let expected = of.iter().any(|summary| summary.good_expected.is_some());
        let expected = expected.then(|| mean(&|summary| summary.good_expected.unwrap_or_default()));
        let matched = of.iter().any(|summary| summary.matched.is_some()).then(|| {
            [0, 1, 2].map(|at| {
                figure(mean(&|summary| summary.matched.map_or(0.0, |kinds| kinds[at] as f64)))
            })
        });
        table.push([
            arm.name.clone(),
            figure(mean(&|summary| summary.keypoints as f64)),
            figure(mean(&|summary| summary.dropped as f64)),
            figure(mean(&|summary| summary.moved as f64)),
            figure(mean(&|summary| summary.touched as f64)),
            figure(mean(&|summary| summary.held_back as f64)),
            hit,
            maybe(planted(2)),
            expected.map_or_else(|| "–".into(), |count| format!("about {}", figure(count))),
            matched.map_or_else(
                || "–".into(),
                |[exact, relaxed, none]| {
                    format!(
                        "{exact} of the same video, keypoint and sharpness; {relaxed} that differ \
                         in some; {none} not found"
                    )
                },
            ),
        ]);
    }
    table.without_empty()
}

/// Returns the measures that are shown and not tested.
pub(in crate::report) fn secondary(report: &StudyReport<'_>) -> Table {
    let mut table =
        Table::new(&["Measure", "Comparison", "#Mean difference", "#95 % interval", "#Shuffles"]);
    for row in &report.outcome.secondary {
        table.push([
            measure_words(row.measure).to_owned(),
            row.contrast.replace(" - ", " − "),
            figure(row.estimate),
            interval(row.ci_low, row.ci_high),
            row.n.to_string(),
        ]);
    }
    table
}

/// Returns the learning rates at which ramps diverged.
pub(in crate::report) fn margins(report: &StudyReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Ramps",
        "#Learning rate at divergence",
        "#95 % interval",
        "#Least and most",
        "#Shuffles",
    ]);
    let rate = |log: f64| 10_f64.powf(log);
    for cell in &report.outcome.margins {
        table.push([
            arm_name(&cell.arm, &cell.optimiser),
            figure(rate(cell.mean)),
            interval(cell.ci_low.map(rate), cell.ci_high.map(rate)),
            interval(Some(rate(cell.range[0])), Some(rate(cell.range[1]))),
            cell.n.to_string(),
        ]);
    }
    table
}

/// Returns alarms of the runs and what they were ruled to hang on.
pub(in crate::report) fn rates(report: &StudyReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Optimiser",
        "Arm",
        "#Runs",
        "#Alarms a run",
        "#Ruled: data",
        "#Ruled: state",
        "#Ruled: undetermined",
        "#Not ruled",
        "#Rollbacks",
        "#Failed",
    ]);
    for optimiser in &report.study.design.optimisers {
        for arm in &report.study.design.arms {
            let of = report
                .study
                .measures
                .iter()
                .filter(|run| run.arm == arm.name && run.optimiser == optimiser.name);
            let (mut runs, mut alarms, mut rollbacks, mut failed) = (0_u64, 0_u64, 0_u64, 0_u64);
            let mut ruled = [0_u64; 3];
            for run in of {
                runs += 1;
                alarms += run.alarms;
                rollbacks += run.rollbacks;
                failed += u64::from(run.failed);
                for (count, cause) in ruled.iter_mut().zip(["data", "state", "undetermined"]) {
                    *count += run.rulings.get(cause).copied().unwrap_or(0);
                }
            }
            if runs == 0 {
                continue;
            }
            let rest = alarms.saturating_sub(ruled.iter().sum());
            table.push([
                optimiser.name.clone(),
                arm.name.clone(),
                runs.to_string(),
                figure(alarms as f64 / runs as f64),
                ruled[0].to_string(),
                ruled[1].to_string(),
                ruled[2].to_string(),
                rest.to_string(),
                rollbacks.to_string(),
                failed.to_string(),
            ]);
        }
    }
    table
}

/// Returns how much of the spread of the test error is luck of the split, and how much of the
/// seed.
pub(in crate::report) fn luck(report: &StudyReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Optimiser",
        "Arm",
        "#Between splits",
        "#Between seeds of one split",
        "#Degrees of freedom of the seed",
    ]);
    for row in &report.outcome.luck {
        // A standard deviation of natural logarithms is, while small, a share of the value.
        let spread = |sd: f64| format!("± {} %", figure(100.0 * (sd.exp() - 1.0)));
        table.push([
            row.optimiser.clone(),
            row.arm.clone(),
            row.spread.between_sd.map_or_else(|| "–".into(), spread),
            spread(row.spread.within_sd),
            row.spread.within_freedom.to_string(),
        ]);
    }
    table
}

/// Returns how shuffles divide the images.
pub(in crate::report) fn splits(report: &StudyReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Shuffle",
        "#Images to train on",
        "#Images to test by",
        "#In neither part",
        "#Of the probe set",
    ]);
    for split in report.study.splits {
        table.push([
            split.shuffle.to_string(),
            split.train.to_string(),
            split.test.to_string(),
            split.gap.to_string(),
            split.probe.to_string(),
        ]);
    }
    table
}

/// Returns all settings, each a name and a value.
pub(in crate::report) fn settings(
    report: &StudyReport<'_>,
    file: Option<&DesignFile>,
) -> Vec<(&'static str, String)> {
    let study = report.study;
    let design = study.design;
    let ramp = &design.ramp;
    let list = |parts: &[String]| if parts.is_empty() { "none".into() } else { parts.join(", ") };
    let optimisers = design.optimisers.iter().map(|optimiser| {
        let changes = if optimiser.changes.is_empty() {
            String::new()
        } else {
            format!(" with {}", optimiser.changes.join(", "))
        };
        format!("{}: preset {}{changes}", optimiser.name, optimiser.preset)
    });
    let [width, height] = design.size;
    let mut rows = vec![
        ("labelvet", study.version.to_owned()),
        ("command", study.command.join(" ")),
        ("dataset", format!("{} ({})", study.dataset.path, study.dataset.format)),
        ("hash of the labels", study.dataset.labels_sha256.clone()),
        ("arms", design.arms.iter().map(|arm| arm.name.as_str()).collect::<Vec<_>>().join(", ")),
        ("optimisers", optimisers.collect::<Vec<_>>().join("; ")),
        ("shuffles", design.shuffles.to_string()),
        ("further seeds", design.further_seeds.to_string()),
        ("images seen by a run", design.images.to_string()),
        ("input of the network", format!("{width} × {height} px")),
        ("changes for all runs", list(&design.changes)),
        ("seed", design.seed.to_string()),
        ("runs at once", design.parallel.to_string()),
        (
            "ramps",
            format!(
                "{} of each arm and shuffle: {} images at the safe rate ({} for labels, {} for \
                 optimisers), then up to {} over {} images; probe loss every {} images; diverged \
                 at {} times its least value",
                ramp.repeats,
                ramp.safe_images,
                ramp.labels_from,
                ramp.optimisers_from,
                ramp.to,
                ramp.rise_images,
                ramp.probe_images,
                ramp.ratio
            ),
        ),
        ("given up for the budget", list(study.given_up)),
        ("probe loss that runs are timed to", maybe(study.set_loss)),
        ("time of all runs and ramps", format!("{} min", figure(study.seconds / 60.0))),
    ];
    if let Some(file) = file {
        let by = format!("by {}, {} labelled images left out between parts", file.by, file.gap);
        rows.push(("shuffles were made", by));
        if let Some(recipe) = &file.planted {
            let lines: Vec<&str> = recipe.split_whitespace().collect();
            rows.push(("planted errors", lines.join(" ")));
        }
    }
    rows
}
