//! Checkpoints: what a run goes on from after it was killed, or after a spike.
//!
//! Takes a [`Checkpoint`] and the folder `checkpoints/` of a run; each is a folder
//! `step-00000100` of its own that appears whole or not at all. The last few are kept, and the
//! best. Nothing else of a run is touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::guard::GuardState;
use super::snapshot::Snapshot;
use super::zclip::ZClip;
use crate::models::weights::{self, WeightsError};

const MODEL: &str = "model.safetensors";
const OPTIMISER: &str = "optimiser.safetensors";
const STATE: &str = "state.json";
const PREFIX: &str = "step-";

/// Where a run stands, beside parameters and what the optimiser keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Version of the layout of the file.
    pub schema: u32,
    /// Steps done, which the learning rate follows. A rollback sets it back.
    pub step: u64,
    /// Batches drawn, which the data follow. It only grows: after a rollback, training goes
    /// on with other images.
    pub batch: u64,
    /// Updates that moved the parameters; Adam's bias correction follows them.
    pub updates: u64,
    /// What rollbacks have left of the learning rate, above 0 to 1.
    pub rate_factor: f64,
    /// What the guard remembers.
    pub guard: GuardState,
    /// What the clipping of gradients by their z-score remembers.
    pub zclip: Option<ZClip>,
    /// The best checkpoint so far.
    pub best: Option<Best>,
}

/// A checkpoint whose loss on the probe set was least.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its step.
    pub step: u64,
    /// The loss.
    pub loss: f64,
}

/// Everything that a run goes on from.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Parameters, statistics and what the optimiser keeps.
    pub snapshot: Snapshot,
    /// Where the run stands.
    pub progress: Progress,
}

/// The checkpoints of a run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system refused.
    #[error("failed to write or read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Tensors cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The state makes no sense.
    #[error("failed to read {}: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What was expected.
        source: serde_json::Error,
    },
    /// There is none to go on from.
    #[error("there is no whole checkpoint in {}", folder.display())]
    None {
        /// The folder.
        folder: PathBuf,
    },
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError + '_ {
    |source| CheckpointError::Io { path: path.into(), source }
}

impl Checkpoints {
    /// Returns the checkpoints of a folder, of which the last `keep` stay beside the best.
    pub fn new(folder: PathBuf, keep: usize) -> Checkpoints {
        Checkpoints { folder, keep }
    }

    /// Returns the steps that there are checkpoints of, rising.
    pub fn steps(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let step =
            |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix(PREFIX)?.parse().ok();
        let mut steps: Vec<u64> = entries.filter_map(step).collect();
        steps.sort_unstable();
        steps
    }

    /// Writes a checkpoint, and removes those that need not be kept.
    ///
    /// # Errors
    /// [`CheckpointError`] when something cannot be written; earlier ones are then all there.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let Checkpoint { snapshot, progress } = checkpoint;
        fs::create_dir_all(&self.folder).map_err(named(&self.folder))?;
        let staging = tempfile::Builder::new()
            .prefix(".labelvet-")
            .tempdir_in(&self.folder)
            .map_err(named(&self.folder))?;
        weights::write(&snapshot.model, &staging.path().join(MODEL))?;
        weights::write(&snapshot.optimiser, &staging.path().join(OPTIMISER))?;
        let path = staging.path().join(STATE);
        let state = serde_json::to_vec_pretty(progress).expect("numbers and text");
        fs::write(&path, state).map_err(named(&path))?;
        let target = self.path(progress.step);
        if target.exists() {
            fs::remove_dir_all(&target).map_err(named(&target))?;
        }
        fs::rename(staging.path(), &target).map_err(named(&target))?;
        // The folder has moved; there is nothing left for the guard to remove.
        let _ = staging.keep();
        self.prune(progress.best)
    }

    /// Reads the checkpoint of a step.
    ///
    /// # Errors
    /// [`CheckpointError`] where it is missing or damaged.
    pub fn read(&self, step: u64) -> Result<Checkpoint, CheckpointError> {
        let folder = self.path(step);
        let path = folder.join(STATE);
        let text = fs::read(&path).map_err(named(&path))?;
        let progress: Progress = serde_json::from_slice(&text)
            .map_err(|source| CheckpointError::State { path, source })?;
        let model = weights::read(&folder.join(MODEL))?;
        let optimiser = weights::read(&folder.join(OPTIMISER))?;
        let snapshot = Snapshot { model, optimiser, steps: progress.updates };
        Ok(Checkpoint { snapshot, progress })
    }

    /// Reads the last checkpoint at or before a step.
    ///
    /// # Errors
    /// [`CheckpointError`] where there is none.
    pub fn last(&self, before: u64) -> Result<Checkpoint, CheckpointError> {
        let step = self.steps().into_iter().rev().find(|&step| step <= before);
        let step = step.ok_or_else(|| CheckpointError::None { folder: self.folder.clone() })?;
        self.read(step)
    }

    /// Removes checkpoints of later steps, which a rollback has left behind.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn forget_after(&self, step: u64) -> Result<(), CheckpointError> {
        for later in self.steps().into_iter().filter(|&later| later > step) {
            let path = self.path(later);
            fs::remove_dir_all(&path).map_err(named(&path))?;
        }
        Ok(())
    }

    fn prune(&self, best: Option<Best>) -> Result<(), CheckpointError> {
        let steps = self.steps();
        let old = &steps[..steps.len().saturating_sub(self.keep)];
        for &step in old.iter().filter(|&&step| best.is_none_or(|best| best.step != step)) {
            let path = self.path(step);
            fs::remove_dir_all(&path).map_err(named(&path))?;
        }
        Ok(())
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{PREFIX}{step:08}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::weights::{Data, Tensor};

    fn checkpoint(step: u64, best: Option<Best>) -> Checkpoint {
        let tensor = Tensor::new(vec![2], Data::F32(vec![f32::MIN_POSITIVE, step as f32]));
        let model = [("conv.weight".to_owned(), tensor.expect("two"))].into_iter().collect();
        let progress = Progress {
            schema: 1,
            step,
            batch: step + 3,
            updates: step,
            rate_factor: 0.1 + 0.2,
            guard: GuardState::default(),
            zclip: None,
            best,
        };
        let snapshot = Snapshot { model, optimiser: Default::default(), steps: step };
        Checkpoint { snapshot, progress }
    }

    #[test]
    fn the_last_and_the_best_are_kept_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::new(folder.path().join("checkpoints"), 2);
        assert!(matches!(checkpoints.last(9), Err(CheckpointError::None { .. })));
        let best = Some(Best { step: 20, loss: 0.125 });
        for step in [10, 20, 30, 40] {
            checkpoints.write(&checkpoint(step, best.filter(|b| b.step <= step))).expect("written");
        }
        assert_eq!(checkpoints.steps(), [20, 30, 40]);
        assert_eq!(checkpoints.last(39).expect("one"), checkpoint(30, best));
        checkpoints.forget_after(30).expect("removed");
        assert_eq!(checkpoints.steps(), [20, 30]);
        let entries = fs::read_dir(folder.path().join("checkpoints")).expect("a folder");
        assert_eq!(entries.count(), 2, "nothing half-written is left");
    }
}
