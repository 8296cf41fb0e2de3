//! What came of a study's runs and ramps: reads their folders, gives one row of numbers each.
//!
//! Everything is read back from the files, never carried over in memory, so that a study that
//! was interrupted gives the same as one that was not.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::arms::{Shuffle, first_keypoints};
use super::design::Design;
use super::jobs::Job;
use super::margin::{Censored, RampProbe, margin};
use super::measures::{ProbePoint, RunMeasures, StepPoint, measure, set_loss};
use super::queue;
use crate::dataset::{Dataset, Part, Split};
use crate::eval::{self, Metrics, Subset};
use crate::predictions;
use crate::train::curves::Curves;
use crate::train::folder::{RunFile, Status};

/// What a study's runs and ramps gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collected {
    /// In the order of the jobs.
    pub runs: Vec<RunResult>,
    /// In the order of the jobs.
    pub ramps: Vec<RampResult>,
    /// The probe loss that runs are timed to.
    pub set_loss: Option<f64>,
    /// Seconds spent on the steps of all runs and ramps.
    pub seconds: f64,
}

/// The numbers of one run. Lengths in pixels or body lengths, shares 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunResult {
    /// Folder within the study's.
    pub run: String,
    /// Name of the arm.
    pub arm: String,
    /// Name of the optimiser.
    pub optimiser: String,
    /// Number of the shuffle.
    pub shuffle: u32,
    /// Number of the seed.
    pub repeat: u32,
    /// Whether the run could not be finished.
    pub failed: bool,
    /// Seconds spent on steps.
    pub seconds: f64,
    /// Mean test error against the reference: the true labels where errors were planted, else
    /// the original ones.
    pub error_px: Option<f64>,
    /// The same, the median.
    pub error_px_median: Option<f64>,
    /// The mean in body lengths.
    pub error_bl: Option<f64>,
    /// Mean test error against the labels as they are in the dataset.
    pub error_px_as_labelled: Option<f64>,
    /// Share of the test points within a tenth of a body length.
    pub pck_0_1: Option<f64>,
    /// Mean average precision by object keypoint similarity.
    pub oks_map: Option<f64>,
    /// Share of the test predictions with a likelihood below 0.001.
    pub likelihood_below_0_001: Option<f64>,
    /// Measures of its curves.
    #[serde(flatten)]
    pub curves: RunMeasures,
    /// Alarms of the guard: spikes and values that are not finite.
    pub alarms: u64,
    /// Rollbacks.
    pub rollbacks: u64,
    /// What alarms were ruled to hang on, by the ruling: `data`, `state`, `undetermined`.
    pub rulings: BTreeMap<String, u64>,
}

/// What one ramp gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RampResult {
    /// Folder within the study's.
    pub run: String,
    /// Name of the arm.
    pub arm: String,
    /// Name of the optimiser, or `common`.
    pub optimiser: String,
    /// Number of the shuffle.
    pub shuffle: u32,
    /// Number of the seed.
    pub repeat: u32,
    /// Decimal logarithm of the learning rate at which the training diverged; `None` where the
    /// ramp failed.
    pub margin_log10: Option<f64>,
    /// Whether it is only a bound.
    pub censored: bool,
    /// Least probe loss, as a check that the arms were alike before they diverged.
    pub least_probe_loss: Option<f64>,
}

/// Labels that runs are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judges<'a> {
    /// The dataset as labelled.
    pub labelled: &'a Dataset,
    /// The reference.
    pub reference: &'a Dataset,
}

/// Collects what came of all jobs; those that are not over are left out.
pub fn collect(
    study: &Path,
    design: &Design,
    shuffles: &[Shuffle],
    judges: Judges<'_>,
) -> Collected {
    let mut collected = Collected::default();
    let mut curves: Vec<(Job, RunFile, Curves)> = Vec::new();
    for job in design.jobs() {
        let Some(file) = queue::read(study, &job) else { continue };
        collected.seconds += file.seconds;
        let read = Curves::read(&study.join(job.folder()));
        match job.ramp {
            Some(_) => collected.ramps.push(ramp(&job, &file, &read)),
            None => curves.push((job, file, read)),
        }
    }
    // Of one batch size all, or none could be timed to one loss; probes see no augmentation.
    let probes: Vec<Vec<ProbePoint>> = curves.iter().map(|(_, _, read)| probes(read)).collect();
    collected.set_loss = set_loss(&probes);
    for ((job, file, read), probes) in curves.iter().zip(probes) {
        let Some(shuffle) = shuffles.iter().find(|shuffle| shuffle.number == job.shuffle) else {
            continue;
        };
        let keypoints = design.arm(&job.arm).and_then(|arm| arm.keypoints);
        let judged = |dataset: &Dataset| {
            let path = study.join(job.folder()).join("predictions.parquet");
            match keypoints {
                Some(count) => judge(&path, &first_keypoints(dataset, count), &shuffle.split),
                None => judge(&path, dataset, &shuffle.split),
            }
        };
        let reference = judged(judges.reference);
        let labelled = judged(judges.labelled);
        collected.runs.push(RunResult {
            run: job.folder(),
            arm: job.arm.clone(),
            optimiser: job.optimiser.clone(),
            shuffle: job.shuffle,
            repeat: job.repeat,
            failed: file.status == Status::Stopped,
            seconds: file.seconds,
            curves: measure(&steps(read), &probes, collected.set_loss),
            alarms: file.alarms,
            rollbacks: count(read, "rollback"),
            rulings: rulings(read),
            error_px_as_labelled: labelled.and_then(|metrics| metrics.all.error_px_mean),
            ..RunResult::of(reference)
        });
    }
    collected
}

impl RunResult {
    fn of(metrics: Option<Metrics>) -> RunResult {
        let metrics = metrics.unwrap_or_default();
        RunResult {
            run: String::new(),
            arm: String::new(),
            optimiser: String::new(),
            shuffle: 0,
            repeat: 0,
            failed: false,
            seconds: 0.0,
            error_px: metrics.all.error_px_mean,
            error_px_median: metrics.all.error_px_median,
            error_bl: metrics.all.error_bl_mean,
            error_px_as_labelled: None,
            pck_0_1: metrics.all.pck.get("0.1").copied(),
            oks_map: metrics.oks.map,
            likelihood_below_0_001: metrics.all.likelihood_below_0_001,
            curves: measure(&[], &[], None),
            alarms: 0,
            rollbacks: 0,
            rulings: BTreeMap::new(),
        }
    }
}

/// Compares the predictions of a run with labels of the test images.
fn judge(path: &Path, dataset: &Dataset, split: &Split) -> Option<Metrics> {
    let predictions = predictions::read(path, dataset).ok()?.predictions;
    let test = Subset { name: "test".to_owned(), images: split.images(Part::Test) };
    let mut found = eval::evaluate(dataset, &predictions, &[test], &[], &eval::Settings::default());
    found.parts.pop().map(|part| part.metrics)
}

fn steps(curves: &Curves) -> Vec<StepPoint> {
    (0..curves.step.len())
        .map(|at| StepPoint {
            step: curves.step[at],
            loss: curves.loss[at],
            grad_norm: curves.grad_norm[at],
            skipped: curves.skipped[at],
        })
        .collect()
}

fn probes(curves: &Curves) -> Vec<ProbePoint> {
    let looks = curves.probe.iter();
    looks.map(|look| ProbePoint { step: look.step, loss: look.loss }).collect()
}

fn ramp(job: &Job, file: &RunFile, curves: &Curves) -> RampResult {
    let rate_of: BTreeMap<u64, f64> =
        curves.step.iter().copied().zip(curves.lr.iter().copied()).collect();
    // A look after so many steps shows what the step before it did.
    let probes: Vec<RampProbe> = (curves.probe.iter())
        .filter_map(|look| {
            let rate = *rate_of.get(&look.step.checked_sub(1)?)?;
            Some(RampProbe { rate, loss: look.loss })
        })
        .collect();
    let found = margin(&probes).ok().filter(|_| file.status != Status::Stopped);
    let losses = probes.iter().map(|probe| probe.loss).filter(|loss| loss.is_finite());
    RampResult {
        run: job.folder(),
        arm: job.arm.clone(),
        optimiser: job.optimiser.clone(),
        shuffle: job.shuffle,
        repeat: job.repeat,
        margin_log10: found.map(|margin| margin.log10_rate),
        censored: found.is_some_and(|margin| margin.censored != Censored::No),
        least_probe_loss: losses.min_by(f64::total_cmp),
    }
}

fn count(curves: &Curves, event: &str) -> u64 {
    curves.events.iter().filter(|line| line["event"] == event).count() as u64
}

/// Counts what alarms were ruled to hang on.
fn rulings(curves: &Curves) -> BTreeMap<String, u64> {
    let mut rulings = BTreeMap::new();
    for line in curves.events.iter().filter(|line| line["event"] == "verdict") {
        let ruling = line["cause"].as_str();
        if let Some(ruling) = ruling {
            *rulings.entry(ruling.to_owned()).or_default() += 1;
        }
    }
    rulings
}

/// Returns the alarms of a run that pages mark: the step, and what the alarm was ruled to hang on.
pub fn marks(curves: &Curves) -> Vec<(u64, Option<String>)> {
    let step = |line: &Value| line["step"].as_u64();
    let mut marks: Vec<(u64, Option<String>)> = Vec::new();
    for line in &curves.events {
        match line["event"].as_str() {
            Some("spike" | "non-finite") => marks.extend(step(line).map(|at| (at, None))),
            Some("verdict") => {
                let ruling = line["cause"].as_str();
                if let Some(last) = marks.last_mut() {
                    last.1 = ruling.map(str::to_owned);
                }
            }
            _ => {}
        }
    }
    marks
}
