//! Evaluation: how well predictions agree with labels.
//!
//! ```text
//! Dataset, Predictions ─assign→ pairs ─samples→ points ─evaluate→ Metrics
//! ```
//!
//! Takes a dataset and predictions for its images, from files of any usual kind
//! ([`crate::predictions`]) or from a model; gives numbers for each part of the dataset.
//! Never runs a model and never changes a label. `docs/evaluation.md` has every formula.

mod baseline;
mod coco;
mod errors;
mod metrics;
mod oks;
mod samples;
mod subset;

pub use baseline::{Baseline, Plane, baselines};
pub use coco::{OksSummary, oks_summary};
pub use errors::{BODY_RADII, Errors, PIXEL_RADII};
pub use metrics::{Metrics, PairOrder, Unlabelled, evaluate, keypoint_name};
pub use oks::{DEFAULT_SIGMA, sigmas};
pub use samples::{Sample, Samples, samples};
pub use subset::{Subset, own_subsets, read_subsets};

use std::collections::BTreeMap;

use serde::Serialize;

/// Version of the layout of `metrics.json`.
const SCHEMA: u32 = 1;

/// What users may set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Likelihood from which on a prediction is trusted, 0 to 1.
    pub pcutoff: f64,
    /// σ of the similarity of keypoints that COCO does not know, above 0.
    pub sigma: f64,
}

impl Settings {
    /// DeepLabCut's default cut-off.
    pub const PCUTOFF: f64 = 0.6;
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { pcutoff: Settings::PCUTOFF, sigma: DEFAULT_SIGMA }
    }
}

/// Predictions beside labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluation {
    /// In the order of the subsets.
    pub parts: Vec<PartEvaluation>,
    /// For each of [`crate::dataset::Dataset::instances`], the index of its prediction.
    pub assigned: Vec<Option<usize>>,
}

/// What was measured on one part of a dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PartEvaluation {
    /// Name of the part, such as `test`.
    pub name: String,
    /// Its numbers.
    pub metrics: Metrics,
    /// The points that they were made of.
    pub samples: Samples,
}

/// The layout of `metrics.json`.
#[derive(Debug, Serialize)]
struct MetricsFile<'a> {
    schema: u32,
    #[serde(flatten)]
    parts: BTreeMap<&'a str, &'a Metrics>,
}

impl Evaluation {
    /// Returns the content of `metrics.json`: an object of parts, beside `schema`.
    ///
    /// # Errors
    /// Fails only where the memory does.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let parts = self.parts.iter().map(|part| (part.name.as_str(), &part.metrics)).collect();
        Ok(serde_json::to_string_pretty(&MetricsFile { schema: SCHEMA, parts })? + "\n")
    }
}
