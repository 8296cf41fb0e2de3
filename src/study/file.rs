//! `study.json`: everything that a study was and found, for scripts and for its report; and
//! `design.json`, which a study that goes on must agree with.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::arms::ArmSummary;
use super::collect::{RampResult, RunResult};
use super::cost::Speed;
use super::design::Design;
use super::outcome::Outcome;
use crate::train::folder::{self, FolderError, Source};

/// File of the results.
pub const STUDY: &str = "study.json";
/// File of the design.
pub const DESIGN: &str = "design.json";
/// Version of the layout of both.
pub const SCHEMA: u32 = 1;

/// The content of `design.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesignFile {
    /// Version of the layout.
    pub schema: u32,
    /// The dataset as labelled, errors planted: as the user named it, its format and labels.
    pub dataset: Source,
    /// The design.
    pub design: Design,
    /// How shuffles were made: `block` or `video`, and labelled images left out on each side of
    /// a block.
    pub by: String,
    /// Labelled images left out on each side of a block.
    pub gap: usize,
    /// The recipe of planted errors, where there are some.
    pub planted: Option<String>,
    /// What was given up for a budget, in words.
    pub given_up: Vec<String>,
    /// How long steps took when it was planned.
    pub speeds: Vec<Speed>,
    /// What the command line asked for, to compare with when the study goes on.
    pub asked: serde_json::Value,
}

/// The content of `study.json`.
#[derive(Debug, Clone, Serialize)]
pub struct StudyFile<'a> {
    /// Version of the layout.
    pub schema: u32,
    /// Version of labelvet.
    pub version: &'a str,
    /// The command line, as words.
    pub command: &'a [String],
    /// `running` or `done`.
    pub status: &'a str,
    /// Runs and ramps that are over, and all.
    pub jobs: [usize; 2],
    /// The dataset.
    pub dataset: &'a Source,
    /// Facts of the dataset.
    pub facts: &'a StudyFacts,
    /// The design.
    pub design: &'a Design,
    /// What was given up for a budget, in words.
    pub given_up: &'a [String],
    /// How shuffles were divided, in the order of their numbers.
    pub splits: &'a [SplitFacts],
    /// What each arm changed, by shuffle.
    pub arms: &'a [ArmSummary],
    /// What the study says; absent while it runs.
    #[serde(flatten)]
    pub outcome: Option<&'a Outcome>,
    /// Numbers of every run.
    pub measures: &'a [RunResult],
    /// Numbers of every ramp.
    pub ramps: &'a [RampResult],
    /// The probe loss that runs are timed to.
    pub set_loss: Option<f64>,
    /// Runs and ramps that failed.
    pub failures: &'a [FailureFacts],
    /// Seconds that runs and ramps took, all sittings together.
    pub seconds: f64,
}

/// What is known of the dataset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StudyFacts {
    /// Labelled images.
    pub images: usize,
    /// Labelled keypoints.
    pub keypoints: usize,
    /// Names of keypoints.
    pub names: Vec<String>,
    /// Body length in pixels.
    pub body_length_px: Option<f64>,
    /// Wrong keypoints that were planted, and images that have some; `None` where none were.
    pub planted: Option<[usize; 2]>,
}

/// How a shuffle was divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitFacts {
    /// Its number.
    pub shuffle: u32,
    /// Images to train on.
    pub train: usize,
    /// Images to test by.
    pub test: usize,
    /// Images of neither part.
    pub gap: usize,
    /// Images of the probe set's choice.
    pub probe: usize,
}

/// A run or ramp that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureFacts {
    /// Its folder.
    pub run: String,
    /// Why.
    pub reason: String,
}

impl DesignFile {
    /// Reads `design.json` of a study.
    ///
    /// # Errors
    /// [`FolderError`] where there is none, or it makes no sense.
    pub fn read(study: &Path) -> Result<DesignFile, FolderError> {
        let path = study.join(DESIGN);
        let bytes = folder::read(&path)?;
        serde_json::from_slice(&bytes).map_err(|source| FolderError::Malformed { path, source })
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn write(&self, study: &Path) -> Result<(), FolderError> {
        write(&study.join(DESIGN), self)
    }
}

impl StudyFile<'_> {
    /// Writes `study.json`, whole or not at all.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn write(&self, study: &Path) -> Result<(), FolderError> {
        write(&study.join(STUDY), self)
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), FolderError> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("text, numbers and lists");
    bytes.push(b'\n');
    folder::write(path, &bytes)
}
