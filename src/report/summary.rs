//! `summary.json`: totals of an audit, and how fast it was.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{AuditReport, SCHEMA};
use crate::audit::Severity;
use crate::dataset::Problem;
use crate::facts::{Predicted, Status};

/// Totals of an audit.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    /// Version of this layout.
    pub(super) schema: u32,
    /// Format that the dataset was read as.
    pub(super) format: String,
    /// Image files found.
    pub(super) images: usize,
    /// Images that labels name and that no file was found for.
    pub(super) images_missing: usize,
    /// Images with at least one labelled instance or a class.
    pub(super) images_labelled: usize,
    /// Labelled instances.
    pub(super) instances: usize,
    /// Labelled points.
    pub(super) keypoints: usize,
    /// Videos, cameras or folders that images come from.
    pub(super) videos: usize,
    /// Findings, counted.
    pub(super) findings: Counts,
    /// Findings that people judged to be no defect; they are in no other number.
    pub(super) silenced: usize,
    /// Image files that could not be decoded.
    pub(super) unreadable: usize,
    /// What readers noticed in label files: rows left out, litter, and the like.
    pub(super) label_problems: usize,
    /// What was read of `--predictions`; `None` without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) predictions: Option<PredictionCounts>,
    /// Images measured now, not taken from the cache.
    pub(super) measured: usize,
    /// Seconds that reading, measuring and judging took.
    pub(super) seconds: f64,
    /// Image files per second of that time.
    pub(super) images_per_second: f64,
}

/// Predictions, counted, and what could not be matched.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PredictionCounts {
    /// Predicted animals.
    pub(super) poses: usize,
    /// Predicted boxes.
    pub(super) boxes: usize,
    /// Classified images and boxes.
    pub(super) classes: usize,
    /// What was left out, and why.
    pub(super) problems: Vec<PredictionProblem>,
}

/// A place in a file of predictions, and what is wrong there.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PredictionProblem {
    /// Name of the file.
    pub(super) file: String,
    /// Line, or ordinal of an entry, counted from 1.
    pub(super) row: Option<u32>,
    /// What was expected and found.
    pub(super) message: String,
}

/// Findings, counted.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Counts {
    /// All of them.
    pub(super) total: usize,
    /// By severity; every severity has an entry.
    pub(super) by_severity: BTreeMap<Severity, usize>,
    /// By rule; every rule that ran has an entry.
    pub(super) by_rule: BTreeMap<String, usize>,
}

impl Summary {
    /// Counts.
    pub(super) fn new(report: &AuditReport<'_>) -> Summary {
        let dataset = &report.facts.dataset;
        let images = dataset.images.iter().filter(|image| image.file.is_some()).count();
        let mut labelled: Vec<bool> = dataset.images.iter().map(|i| i.class.is_some()).collect();
        for instance in &dataset.instances {
            labelled[instance.image as usize] = true;
        }
        let seconds = report.run.seconds;
        Summary {
            schema: SCHEMA,
            format: dataset.format.into(),
            images,
            images_missing: dataset.images.len() - images,
            images_labelled: labelled.iter().filter(|&&labelled| labelled).count(),
            instances: dataset.instances.len(),
            // Readers may leave entries that no instance uses, so count what is used.
            keypoints: dataset.instances.iter().map(|i| usize::from(i.len)).sum(),
            videos: dataset.videos.len(),
            findings: Counts::new(report),
            silenced: report.audit.silenced.len(),
            unreadable: report.facts.images.iter().filter(|i| is_unreadable(i.status)).count(),
            label_problems: dataset.problems.len(),
            predictions: report.facts.predictions.as_ref().map(PredictionCounts::new),
            measured: report.facts.measured_now,
            seconds: round(seconds),
            images_per_second: if seconds > 0.0 { round(images as f64 / seconds) } else { 0.0 },
        }
    }
}

impl PredictionCounts {
    fn new(predicted: &Predicted) -> PredictionCounts {
        let all = predicted.predictions();
        let problem = |problem: &Problem| PredictionProblem {
            file: problem.file.clone(),
            row: problem.row,
            message: problem.message.clone(),
        };
        PredictionCounts {
            poses: all.poses.len(),
            boxes: all.boxes.len(),
            classes: all.classes.len(),
            problems: predicted.problems.iter().map(problem).collect(),
        }
    }
}

impl Counts {
    fn new(report: &AuditReport<'_>) -> Counts {
        let mut counts = Counts { total: report.audit.findings.len(), ..Counts::default() };
        for severity in [Severity::Info, Severity::Warning, Severity::Error] {
            counts.by_severity.insert(severity, 0);
        }
        counts.by_rule.extend(report.audit.ran.iter().map(|rule| (rule.clone(), 0)));
        for finding in &report.audit.findings {
            *counts.by_severity.entry(finding.severity).or_default() += 1;
            *counts.by_rule.entry(finding.rule.clone()).or_default() += 1;
        }
        counts
    }
}

/// Returns whether a file is there and its picture cannot be had.
pub(super) fn is_unreadable(status: Status) -> bool {
    !matches!(status, Status::NotOpened | Status::Decoded | Status::Missing)
}

/// Rounds to a thousandth, enough for seconds.
fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
