//! The files of a RUN folder that say what the run is: `run.json`, `config.toml`,
//! `split.parquet`.
//!
//! Takes settings and hashes; writes each file whole. A run that is resumed must be of the same
//! dataset, split and settings, which these files tell.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// File that says what a run is and how far it has come.
pub const RUN: &str = "run.json";
/// File of all settings.
pub const CONFIG: &str = "config.toml";
/// File of the division into parts.
pub const SPLIT: &str = "split.parquet";
/// File of the trained model.
pub const MODEL: &str = "model.onnx";

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Steps are being made, or were until the process ended.
    Running,
    /// All steps were made, and the model was evaluated.
    Done,
    /// The loss on the probe set left its least value behind, as the run's settings had asked
    /// to be told: the end of a ramp of the learning rate.
    Diverged,
    /// It could not recover from spikes; the model is that of the last good checkpoint.
    Stopped,
}

/// What a run is: everything that is needed to repeat it, beside the dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// Version of the layout of the folder.
    pub schema: u32,
    /// How far it has come.
    pub status: Status,
    /// Why it stopped, where it did.
    pub reason: Option<String>,
    /// Arm of a study, where it belongs to one.
    pub arm: Option<String>,
    /// Shuffle of a study, where it belongs to one.
    pub shuffle: Option<u32>,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps done and asked for.
    pub steps: [u64; 2],
    /// Spikes and values that were not finite.
    pub alarms: u64,
    /// The command line, as words.
    pub command: Vec<String>,
    /// The dataset as the user named it, its format and the hash of its labels.
    pub dataset: Source,
    /// What the network tells: keypoint or class names, in its order.
    pub names: Vec<String>,
    /// `pose` or `class`.
    pub task: String,
    /// Width and height of the network's input in pixels.
    pub size: [usize; 2],
    /// Whether the network sees whole images (`image`) or the boxes of animals (`instance`).
    pub subject: String,
    /// Hash of `split.parquet`'s content, and how it was made.
    pub split: SplitSource,
    /// Hash of the patch that the dataset went through, where it did.
    pub patch: Option<String>,
    /// Where the first weights come from, and their hash.
    pub weights: WeightsSource,
    /// Versions and device.
    pub machine: Machine,
    /// Seconds spent on steps, all sittings together.
    pub seconds: f64,
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// As the user named it.
    pub path: String,
    /// Format that it was read as.
    pub format: String,
    /// SHA-256 of image paths and labels.
    pub labels_sha256: String,
}

/// A division into parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitSource {
    /// `video`, `block`, `dataset` or the file it was read from.
    pub by: String,
    /// SHA-256 of images and parts.
    pub sha256: String,
    /// Images of `train`, `test` and `gap`.
    pub images: [usize; 3],
}

/// First weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightsSource {
    /// Where they come from, in words.
    pub source: String,
    /// SHA-256 of the tensors as safetensors.
    pub sha256: String,
}

/// What a run was computed with; the same gives the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Version of labelvet.
    pub labelvet: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// `cpu` or `cuda`.
    pub device: String,
    /// Threads of ONNX Runtime.
    pub runtime_threads: usize,
    /// Processor's architecture and the system.
    pub platform: String,
}

/// Why a file of a RUN folder cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The system refused.
    #[error("failed to write or read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file makes no sense.
    #[error("failed to read {}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        source: serde_json::Error,
    },
}

impl RunFile {
    /// Reads `run.json`.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read(folder: &Path) -> Result<RunFile, FolderError> {
        let path = folder.join(RUN);
        let bytes = read(&path)?;
        serde_json::from_slice(&bytes).map_err(|source| FolderError::Malformed { path, source })
    }

    /// Writes `run.json`.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("text and numbers");
        bytes.push(b'\n');
        write(&folder.join(RUN), &bytes)
    }
}

/// Reads a file of the folder.
///
/// # Errors
/// [`FolderError::Io`].
pub fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    fs::read(path).map_err(|source| FolderError::Io { path: path.into(), source })
}

/// Writes a file under a temporary name, then gives it its own.
///
/// # Errors
/// [`FolderError::Io`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let named = |source| FolderError::Io { path: path.into(), source };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    fs::write(&temporary, bytes).map_err(named)?;
    fs::rename(&temporary, path).map_err(named)
}
