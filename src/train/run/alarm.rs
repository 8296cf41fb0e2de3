//! What a run does when the guard raises an alarm: record, replay, rule, roll back.

use serde_json::{Value, json};

use super::super::checkpoint::{Checkpoint, Progress};
use super::super::error::TrainError;
use super::super::guard::{Action, Alarm};
use super::super::verdict::{Losses, Replay, Ruling, rule};
use super::{Moment, Passed, Run};
use crate::stats::random::SplitMix64;

/// Random batches that a replay compares with.
const REPLAYED: usize = 16;

impl Run<'_> {
    /// Records an alarm, rules on its cause, and returns what is to be done.
    pub(super) fn raise(
        &mut self,
        alarm: &Alarm,
        passed: &Passed,
        watch: &mut dyn FnMut(Moment<'_>),
    ) -> Result<Action, TrainError> {
        let (step, batch) = (self.progress.step, passed.worst.0);
        let images: Vec<&str> = passed.samples.iter().map(|sample| sample.image.as_str()).collect();
        let event = if matches!(alarm, Alarm::NonFinite) { "non-finite" } else { "spike" };
        let rest = json!({ "words": alarm.to_string(), "alarm": alarm, "loss": passed.loss, "grad_norm": passed.norm, "images": images });
        self.record.event(event, step, batch, rest)?;
        watch(Moment::Event(&format!("step {step}: {alarm}")));
        if self.replays < self.job.config.guard.replays {
            self.replays += 1;
            let ruling = self.replay(batch)?;
            let event = self.ruling_event(&ruling, batch);
            self.record.event("verdict", step, batch, event)?;
            watch(Moment::Event(&format!("step {step}: {ruling}")));
        }
        Ok(self.guard.on_alarm(alarm, step))
    }

    /// Goes back to the last good checkpoint, with a lower learning rate. Data go on.
    pub(super) fn roll_back(
        &mut self,
        rate_factor: f64,
        watch: &mut dyn FnMut(Moment<'_>),
    ) -> Result<(), TrainError> {
        self.rollbacks += 1;
        let from = self.progress.step;
        let good = self.good_checkpoint()?;
        self.trainer.restore(&good.snapshot)?;
        self.checkpoints.forget_after(good.progress.step)?;
        self.guard.rolled_back(&good.progress.guard);
        self.progress = Progress {
            batch: self.progress.batch,
            rate_factor: self.progress.rate_factor * rate_factor,
            best: self.progress.best.filter(|best| best.step <= good.progress.step),
            guard: self.progress.guard.clone(),
            ..good.progress
        };
        let (step, batch) = (self.progress.step, self.progress.batch);
        let factor = self.progress.rate_factor;
        let words = format!(
            "rolled back to step {step}; the learning rate is now {factor} times its schedule's"
        );
        let rest =
            json!({ "words": words, "from_step": from, "to_step": step, "rate_factor": factor });
        self.record.event("rollback", from, batch, rest)?;
        watch(Moment::Event(&format!("step {from}: {words}")));
        // A run that is killed now must not come back to the rate that failed.
        self.checkpoint()
    }

    /// Returns the last checkpoint that the spike cannot have begun before.
    pub(super) fn good_checkpoint(&self) -> Result<Checkpoint, TrainError> {
        let before = self.progress.step.saturating_sub(self.job.config.guard.settle_steps);
        let first = self.checkpoints.steps().first().copied().unwrap_or(0);
        Ok(self.checkpoints.last(before.max(first))?)
    }

    /// Replays the batch of an alarm and random others, at the weights of the alarm and at an
    /// earlier checkpoint, and rules on the cause. The training is left as it was.
    fn replay(&mut self, batch: u64) -> Result<Ruling, TrainError> {
        let here = self.trainer.snapshot()?;
        let good = self.good_checkpoint()?;
        let seed = self.job.config.run.seed;
        let mut random = SplitMix64::keyed("replay", seed, &[batch]);
        let span = self.job.data.batches_per_epoch().max(2 * REPLAYED as u64);
        let mut others = Vec::new();
        while others.len() < REPLAYED {
            let other = random.below(span);
            if other != batch && !others.contains(&other) {
                others.push(other);
            }
        }
        let at_here = self.losses(batch, &others)?;
        self.trainer.restore(&good.snapshot)?;
        let earlier = self.losses(batch, &others)?;
        self.trainer.restore(&here)?;
        // The gradients of the step are still to be used where spikes are only recorded.
        let own = self.batch(batch);
        self.look(&own)?;
        let each = self.trainer.result("losses")?;
        let by_sample = each.chunks(each.len() / own.examples.len());
        let parts = by_sample.map(<[f32]>::to_vec).collect();
        Ok(rule(&Replay { here: at_here, earlier, parts }))
    }

    fn losses(&mut self, batch: u64, others: &[u64]) -> Result<Losses, TrainError> {
        let own = self.batch(batch);
        let spiking = self.look(&own)?.into();
        let mut losses = Vec::new();
        for &number in others {
            let other = self.batch(number);
            losses.push(self.look(&other)?.into());
        }
        Ok(Losses { spiking, others: losses })
    }

    /// Returns a ruling's words, and the images and keypoints that carry the loss.
    fn ruling_event(&self, ruling: &Ruling, batch: u64) -> Value {
        let examples = self.job.data.batches().sampler().batch(batch);
        let keypoints = self.job.data.loss_names();
        let carriers: Vec<Value> = (ruling.carriers.iter())
            .map(|carrier| {
                json!({
                    "image": self.job.data.image_path(examples[carrier.sample]),
                    "keypoint": keypoints[carrier.keypoint],
                    "loss": carrier.loss,
                })
            })
            .collect();
        json!({
            "words": ruling.to_string(),
            "cause": ruling.cause,
            "multiple_here": ruling.multiple_here,
            "multiple_earlier": ruling.multiple_earlier,
            "diverged": ruling.diverged,
            "others": ruling.others,
            "carriers": carriers,
        })
    }
}
