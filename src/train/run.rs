//! A run: from a dataset, a split and settings to a trained model in a RUN folder.
//!
//! Takes a [`Job`]; writes the folder of INTERFACES as it goes, each file whole, so that a run
//! that was killed goes on from its last checkpoint. Prints nothing: who wants to know is told
//! through a [`Moment`]. Judges nothing: predictions and metrics are made from the model that
//! it leaves.

mod alarm;
mod groups;
mod settings;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::checkpoint::{Best, Checkpoint, Checkpoints, Progress};
use super::config::{ClipBy, TrainConfig};
use super::data::{Batch, Loader, Unreadable};
use super::error::TrainError;
use super::forward::Masks;
use super::guard::{Action, Guard, GuardState, Observation};
use super::material::Material;
use super::network::Network;
use super::record::{ProbeRow, Record, SampleRow, StepRow};
use super::runtime::{Runtime, SessionSettings};
use super::session::Sessions;
use super::step::{Rates, Trainer};
use super::zclip::ZClip;
use crate::dataset::Part;
use crate::models::weights::Tensors;
use crate::onnx::Encoding;
use groups::Groups;
use settings::{encoding, trainer_settings};

/// Looks at the probe set in a row that are above [`super::config::RunSettings::diverged_at`]
/// before a run ends: one alone may be chance.
pub const CONFIRMED: u32 = 3;

/// Folder of checkpoints in a RUN folder.
pub const CHECKPOINTS: &str = "checkpoints";

/// What a run is made of.
pub struct Job<'a> {
    /// Images, labels and how they become batches.
    pub data: &'a Material,
    /// The network.
    pub network: Network,
    /// Every setting.
    pub config: &'a TrainConfig,
    /// Where graphs are computed.
    pub runtime: &'a Runtime,
    /// The RUN folder; exists.
    pub folder: &'a Path,
    /// What a new run begins with; `None` goes on from the last checkpoint.
    pub first: Option<&'a Tensors>,
    /// Changes a batch before it is fed: how errors are planted.
    pub plant: Option<&'a dyn Fn(&mut Batch)>,
}

/// What a run tells who watches it.
#[derive(Debug)]
pub enum Moment<'a> {
    /// A step was done.
    Step {
        /// The row of the record.
        row: &'a StepRow,
        /// Images of the step.
        images: usize,
    },
    /// The probe set and the test images were looked at.
    Probe(&'a ProbeRow),
    /// Something to be told in words.
    Event(&'a str),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Whether all steps were done.
    pub ending: Ending,
    /// Weights to predict with.
    pub weights: Tensors,
    /// Steps done.
    pub steps: u64,
    /// Spikes and values that were not finite.
    pub alarms: u64,
    /// Rollbacks.
    pub rollbacks: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// All steps were done.
    Done,
    /// The loss on the probe set left its least value behind, as
    /// [`super::config::RunSettings::diverged_at`] says. The weights are the last ones.
    Diverged,
    /// It could not recover; the weights are those of the last good checkpoint.
    Stopped(String),
}

/// A run under way.
struct Run<'a> {
    job: &'a Job<'a>,
    trainer: Trainer,
    masks: Masks,
    sessions: Sessions,
    encoding: Encoding,
    checkpoints: Checkpoints,
    record: Record,
    guard: Guard,
    progress: Progress,
    groups: Groups,
    trunk_trained: Option<bool>,
    replays: u32,
    alarms: u64,
    rollbacks: u64,
    /// Least loss on the probe set, and looks in a row that were above the limit.
    probe_least: f32,
    above_limit: u32,
}

/// What one step's passes found, before the update.
struct Passed {
    loss: f32,
    score_loss: f32,
    offset_loss: f32,
    norm: f32,
    norms: Vec<f32>,
    samples: Vec<SampleRow>,
    wait_ms: f32,
    /// The batch of the highest loss, of those that were summed.
    worst: (u64, f32),
}

/// Trains.
///
/// # Errors
/// [`TrainError`] where a file cannot be written, the device fails, or no image can be read.
/// What was written until then stays, and the run can be resumed.
pub fn train(job: &Job<'_>, watch: &mut dyn FnMut(Moment<'_>)) -> Result<Outcome, TrainError> {
    let mut run = Run::begin(job)?;
    let ending = run.steps(watch)?;
    run.record.flush()?;
    let weights = run.trainer.snapshot()?.weights();
    Ok(Outcome {
        ending,
        weights,
        steps: run.progress.step,
        alarms: run.alarms,
        rollbacks: run.rollbacks,
    })
}

impl<'a> Run<'a> {
    fn begin(job: &'a Job<'a>) -> Result<Run<'a>, TrainError> {
        let config = job.config;
        let encoding = encoding(job.runtime.device(), config);
        let settings = SessionSettings {
            threads: config.run.runtime_threads,
            gpu_memory_mib: config.run.gpu_memory_mib,
            ..SessionSettings::default()
        };
        let sessions = Sessions::new(job.runtime, settings);
        let (forward, masks) = job.network.forward(config, job.data.size())?;
        let mut trainer = Trainer::new(&sessions, forward, &trainer_settings(config, &encoding))?;
        let checkpoints = Checkpoints::new(job.folder.join(CHECKPOINTS), config.run.keep);
        let progress = match job.first {
            Some(first) => {
                for (name, tensor) in first {
                    let elements = tensor.as_f32().unwrap_or_default();
                    trainer.set(name, elements)?;
                }
                Progress {
                    schema: 1,
                    step: 0,
                    batch: 0,
                    updates: 0,
                    rate_factor: 1.0,
                    guard: GuardState::default(),
                    zclip: (config.clip.by == ClipBy::ZClip)
                        .then(|| ZClip::new(config.clip.limit.into())),
                    best: None,
                }
            }
            None => {
                let last = checkpoints.last(u64::MAX)?;
                trainer.restore(&last.snapshot)?;
                last.progress
            }
        };
        let groups = Groups::new(&job.network, &trainer);
        let columns = job.data.loss_names();
        let record = Record::new(job.folder, groups.names.clone(), columns, progress.batch)?;
        let guard = Guard::new(config.guard.clone(), progress.guard.clone());
        let mut run = Run {
            job,
            trainer,
            masks,
            sessions,
            encoding,
            checkpoints,
            record,
            guard,
            progress,
            groups,
            trunk_trained: None,
            replays: 0,
            alarms: 0,
            rollbacks: 0,
            probe_least: f32::INFINITY,
            above_limit: 0,
        };
        if run.job.first.is_some() {
            run.checkpoint()?;
        } else {
            let (step, batch) = (run.progress.step, run.progress.batch);
            run.record.event("resume", step, batch, json!({}))?;
        }
        Ok(run)
    }

    /// Makes all steps that are left.
    fn steps(&mut self, watch: &mut dyn FnMut(Moment<'_>)) -> Result<Ending, TrainError> {
        let config = self.job.config;
        let mut loader = self.job.data.loader(self.progress.batch)?;
        while self.progress.step < config.run.steps {
            let start = Instant::now();
            let first_batch = self.progress.batch;
            let epoch = self.job.data.epoch_of(first_batch);
            self.set_trunk(epoch)?;
            let passed = self.pass(&mut loader)?;
            let rate = self.rate();
            let observation = Observation { loss: passed.loss.into(), norm: passed.norm.into() };
            let alarm = self.guard.observe(&observation);
            let action = match &alarm {
                Some(alarm) => {
                    self.alarms += 1;
                    self.raise(alarm, &passed, watch)?
                }
                None => Action::Continue,
            };
            let limit = self.limit(&passed);
            let mut skipped = true;
            if action == Action::Continue {
                let rates = Rates {
                    learning_rate: rate as f32,
                    limit,
                    average_keep: config.optimiser.average_keep,
                };
                skipped = !self.trainer.update(&rates)?.finite;
            } else {
                self.trainer.discard();
            }
            if let Some(zclip) = &mut self.progress.zclip
                && !skipped
            {
                zclip.observe(passed.norm.into());
            }
            let images = passed.samples.len();
            let row = StepRow {
                step: self.progress.step,
                batch: first_batch,
                epoch,
                lr: rate,
                loss: passed.loss,
                score_loss: passed.score_loss,
                offset_loss: passed.offset_loss,
                grad_norm: passed.norm,
                grad_norms: passed.norms,
                clipped: self.clips() && passed.norm > limit,
                skipped,
                step_ms: start.elapsed().as_secs_f32() * 1e3,
                wait_ms: passed.wait_ms,
            };
            watch(Moment::Step { row: &row, images });
            self.record.step(row, passed.samples);
            match action {
                Action::Continue | Action::SkipBatch => self.advance(watch)?,
                Action::Rollback { rate_factor } => self.roll_back(rate_factor, watch)?,
                Action::Stop { reason } => {
                    let (step, batch) = (self.progress.step, self.progress.batch);
                    self.record.event("stop", step, batch, json!({ "reason": reason }))?;
                    let last = self.good_checkpoint()?;
                    self.trainer.restore(&last.snapshot)?;
                    return Ok(Ending::Stopped(reason));
                }
            }
            if self.above_limit >= CONFIRMED {
                let (step, batch) = (self.progress.step, self.progress.batch);
                let least = self.probe_least;
                self.record.event("diverged", step, batch, json!({ "least_probe_loss": least }))?;
                return Ok(Ending::Diverged);
            }
        }
        Ok(Ending::Done)
    }

    /// Feeds and runs the passes of one step.
    fn pass(&mut self, loader: &mut Loader) -> Result<Passed, TrainError> {
        let config = self.job.config;
        let passes = config.data.accumulate;
        let mut passed = Passed {
            loss: 0.0,
            score_loss: 0.0,
            offset_loss: 0.0,
            norm: 0.0,
            norms: Vec::new(),
            samples: Vec::new(),
            wait_ms: 0.0,
            worst: (self.progress.batch, f32::NEG_INFINITY),
        };
        for _ in 0..passes {
            let waiting = Instant::now();
            let mut batch = loader.next()?;
            self.plant(&mut batch);
            passed.wait_ms += waiting.elapsed().as_secs_f32() * 1e3;
            for Unreadable { example, reason } in &batch.unreadable {
                let image = self.job.data.image_path(*example);
                let rest = json!({ "image": image, "reason": reason });
                self.record.event("unreadable", self.progress.step, self.progress.batch, rest)?;
            }
            self.feed(&batch)?;
            self.trainer.pass()?;
            let share = 1.0 / passes as f32;
            let loss = self.trainer.result("loss")?[0];
            passed.loss += share * loss;
            if loss.is_nan() || loss > passed.worst.1 {
                passed.worst = (self.progress.batch, loss);
            }
            passed.score_loss += share * self.trainer.result("score_loss")?[0];
            passed.offset_loss += share * self.trainer.result("offset_loss")?[0];
            let losses = self.trainer.result("losses")?;
            let each = losses.len() / batch.examples.len();
            let scale = batch.examples.len() as f32;
            for (example, losses) in batch.examples.iter().zip(losses.chunks_exact(each)) {
                passed.samples.push(SampleRow {
                    step: self.progress.step,
                    batch: self.progress.batch,
                    image: self.job.data.image_path(*example).to_owned(),
                    loss: scale * losses.iter().sum::<f32>(),
                    losses: losses.iter().map(|loss| scale * loss).collect(),
                });
            }
            self.progress.batch += 1;
            loader.recycle(batch);
        }
        let norms = self.trainer.gradient_norms()?;
        passed.norms = self.groups.sum(&norms);
        passed.norm = norms.iter().map(|norm| norm * norm).sum::<f32>().sqrt();
        Ok(passed)
    }

    fn plant(&self, batch: &mut Batch) {
        if let Some(plant) = self.job.plant {
            plant(batch);
        }
    }

    /// Makes the batch of a number, as the loader does.
    fn batch(&self, number: u64) -> Batch {
        let mut batch = self.job.data.batch(number);
        self.plant(&mut batch);
        batch
    }

    fn feed(&mut self, batch: &Batch) -> Result<(), TrainError> {
        for (name, elements) in batch.inputs() {
            self.trainer.feed(name, elements)?;
        }
        for mask in &self.masks {
            let drawn = mask.draw(self.job.config.run.seed, batch.step.unwrap_or(0));
            self.trainer.feed(&mask.name, &drawn)?;
        }
        Ok(())
    }

    /// Returns the learning rate of this step.
    fn rate(&self) -> f64 {
        let config = self.job.config;
        let share = config.schedule.share(self.progress.step, config.run.steps);
        f64::from(config.optimiser.learning_rate) * share * self.progress.rate_factor
    }

    /// Returns the limit of this step's gradients.
    fn limit(&self, passed: &Passed) -> f32 {
        let clip = self.job.config.clip;
        match (clip.by, &self.progress.zclip) {
            (ClipBy::None, _) => f32::INFINITY,
            (ClipBy::ZClip, Some(zclip)) => zclip.limit(passed.norm.into()) as f32,
            (ClipBy::ZClip, None) => f32::INFINITY,
            (ClipBy::Norm | ClipBy::Value | ClipBy::Adaptive, _) => clip.limit,
        }
    }

    /// Says whether the norm tells if gradients were made smaller.
    fn clips(&self) -> bool {
        matches!(self.job.config.clip.by, ClipBy::Norm | ClipBy::ZClip)
    }

    /// Freezes the trunk until its epoch.
    fn set_trunk(&mut self, epoch: u64) -> Result<(), TrainError> {
        let optimiser = &self.job.config.optimiser;
        let trained = epoch >= optimiser.unfreeze_epoch;
        if self.trunk_trained == Some(trained) {
            return Ok(());
        }
        self.trunk_trained = Some(trained);
        let network = self.job.network;
        let trunk = if trained { optimiser.trunk_rate } else { 0.0 };
        let head = optimiser.head_rate;
        self.trainer.set_rates(|name| if network.is_head(name) { head } else { trunk })?;
        Ok(())
    }

    /// Counts a step, looks at the probe set and writes a checkpoint where it is time.
    fn advance(&mut self, watch: &mut dyn FnMut(Moment<'_>)) -> Result<(), TrainError> {
        let run = &self.job.config.run;
        self.progress.step += 1;
        let last = self.progress.step == run.steps;
        if self.progress.step.is_multiple_of(run.probe_every) || last {
            let row = self.probe()?;
            self.record.probe(row);
            self.record.flush_curves()?;
            watch(Moment::Probe(&row));
        }
        if self.progress.step.is_multiple_of(run.checkpoint_every) || last {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), TrainError> {
        let snapshot = self.trainer.snapshot()?;
        self.progress.updates = snapshot.steps;
        self.progress.guard = self.guard.state().clone();
        self.record.flush()?;
        self.checkpoints.write(&Checkpoint { snapshot, progress: self.progress.clone() })?;
        let (step, batch) = (self.progress.step, self.progress.batch);
        Ok(self.record.event("checkpoint", step, batch, json!({}))?)
    }

    /// Measures the loss on the probe set and the error on the test images.
    fn probe(&mut self) -> Result<ProbeRow, TrainError> {
        let (mut sum, mut count) = (0.0, 0);
        for batch in self.job.data.probe() {
            sum += self.look(&batch)?;
            count += 1;
        }
        let loss = sum / count.max(1) as f32;
        let limit = self.job.config.run.diverged_at;
        let above = limit > 0.0 && (!loss.is_finite() || loss > limit * self.probe_least);
        self.above_limit = if above { self.above_limit + 1 } else { 0 };
        self.probe_least = self.probe_least.min(loss);
        let test_error = if self.job.config.run.probe_test { self.test_error()? } else { None };
        let step = self.progress.step;
        if loss.is_finite()
            && self.progress.best.is_none_or(|best| f64::from(loss) < best.loss)
            && step.is_multiple_of(self.job.config.run.checkpoint_every)
        {
            self.progress.best = Some(Best { step, loss: loss.into() });
        }
        Ok(ProbeRow { step, batch: self.progress.batch, loss, test_error })
    }

    /// Returns the loss of a batch without any effect on the training.
    fn look(&mut self, batch: &Batch) -> Result<f32, TrainError> {
        self.feed(batch)?;
        self.trainer.look()?;
        Ok(self.trainer.result("loss")?[0])
    }

    fn test_error(&mut self) -> Result<Option<f64>, TrainError> {
        let weights = self.trainer.snapshot()?.weights();
        let size = self.job.data.size();
        let model = self.job.network.inference(&weights, size, &self.encoding)?.to_bytes();
        let mut predictor = super::predictor::Predictor::new(&self.sessions, &model, size)?;
        self.job.data.error(Part::Test, &mut predictor)
    }
}
