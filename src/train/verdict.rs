//! The verdict on a spike: whether the batch is at fault or the weights.
//!
//! Takes the losses of the spiking batch and of others that were drawn at random, each replayed
//! at the weights of the spike and at those of an earlier checkpoint, in the same random state.
//! Gives a [`Ruling`]. Runs nothing itself.
//!
//! - A batch is *extreme* at some weights where its loss lies above that of the others there by
//!   more than 5 robust standard deviations of the logarithm, and by a factor of at least 3; by
//!   a factor of 8 it always is. It is one batch that is judged, not the thousands of a run, so
//!   that less will do than for an alarm.
//! - The weights have *diverged* for a batch where its loss is at least twice that at the
//!   earlier weights: each batch is compared with itself, since some are harder than others, and
//!   training should have lowered it.
//! - A loss that is not finite is above all that are.
//!
//! *Data*: the batch is extreme at both weights, and the weights have diverged for less than half
//! of the others. *State*: the weights have diverged for the batch and for at least seven eighths
//! of the others, and at the earlier weights the batch is not extreme. Everything else is
//! *undetermined*: neither, both, or too little to tell from. So is a batch whose labels are
//! wrong where the loss fell so far since the checkpoint that they were nothing special there.

use std::fmt;

use serde::Serialize;

use crate::stats::robust::robust;
use crate::stats::spikes::SpikeSettings;

/// When a batch is extreme among others.
const EXTREME: SpikeSettings = SpikeSettings { z: 5.0, never_below: 3.0, ..SpikeSettings::LOSS };
/// Multiple of the loss at the earlier weights from which the weights have diverged for a batch.
const DIVERGED: f64 = 2.0;
/// Fewest other batches that tell anything.
const LEAST_OTHERS: usize = 4;

/// Losses of the same batches at one set of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// Of the batch of the spike.
    pub spiking: f64,
    /// Of the other batches, in the same order at both weights.
    pub others: Vec<f64>,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// At the weights of the spike.
    pub here: Losses,
    /// At those of an earlier checkpoint.
    pub earlier: Losses,
    /// Losses within the spiking batch at the weights of the spike, by sample, then by keypoint:
    /// parts of its loss, in any one unit.
    pub parts: Vec<Vec<f32>>,
}

/// What made a spike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Images or labels of the batch.
    Data,
    /// The weights.
    State,
    /// It cannot be told.
    Undetermined,
}

/// A verdict and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ruling {
    /// What made the spike.
    pub cause: Cause,
    /// The batch's loss over the median of the others' at the weights of the spike; `None` where
    /// either is not finite.
    pub multiple_here: Option<f64>,
    /// The same at the earlier weights.
    pub multiple_earlier: Option<f64>,
    /// Other batches for which the weights have diverged.
    pub diverged: usize,
    /// All other batches.
    pub others: usize,
    /// What carries the loss of the batch, the largest part first; empty unless it is the data.
    pub carriers: Vec<Carrier>,
}

/// A part of a batch without which, and others before it, its loss would not be extreme.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Carrier {
    /// Index of the sample in the batch.
    pub sample: usize,
    /// Index of the keypoint.
    pub keypoint: usize,
    /// Its loss.
    pub loss: f32,
}

/// Rules on the cause of a spike.
pub fn rule(replay: &Replay) -> Ruling {
    let Replay { here, earlier, parts } = replay;
    let (stand_here, stand_earlier) = (Stand::of(here), Stand::of(earlier));
    let pairs = here.others.iter().zip(&earlier.others);
    let diverged = pairs.clone().filter(|&(&here, &earlier)| has_diverged(here, earlier)).count();
    let others = pairs.len();
    let batch_diverged = has_diverged(here.spiking, earlier.spiking);
    let cause = if others < LEAST_OTHERS {
        Cause::Undetermined
    } else if stand_here.is_extreme() && stand_earlier.is_extreme() && 2 * diverged < others {
        Cause::Data
    } else if batch_diverged && 8 * diverged >= 7 * others && !stand_earlier.is_extreme() {
        Cause::State
    } else {
        Cause::Undetermined
    };
    let carriers = match cause {
        Cause::Data => carriers(parts, &stand_here),
        Cause::State | Cause::Undetermined => Vec::new(),
    };
    Ruling {
        cause,
        multiple_here: stand_here.multiple(),
        multiple_earlier: stand_earlier.multiple(),
        diverged,
        others,
        carriers,
    }
}

/// Where the batch stands among the others, in logarithms of the loss.
struct Stand {
    /// Above the median of the others; infinite where its loss is not finite, not a number where
    /// half of the others are not finite either.
    excess: f64,
    /// From where on it is extreme.
    limit: f64,
}

impl Stand {
    fn of(losses: &Losses) -> Self {
        let finite = losses.others.iter().filter(|loss| loss.is_finite() && **loss > 0.0);
        let mut logs: Vec<f64> = finite.map(|loss| loss.ln()).collect();
        let enough = 2 * logs.len() > losses.others.len();
        let Some(known) = robust(&mut logs).filter(|_| enough) else {
            return Stand { excess: f64::NAN, limit: f64::NAN };
        };
        let log = if losses.spiking.is_finite() { losses.spiking.ln() } else { f64::INFINITY };
        Stand { excess: log - known.median, limit: EXTREME.limit(known.sd) }
    }

    fn is_extreme(&self) -> bool {
        self.excess > self.limit
    }

    fn multiple(&self) -> Option<f64> {
        Some(self.excess.exp()).filter(|multiple| multiple.is_finite())
    }
}

fn has_diverged(here: f64, earlier: f64) -> bool {
    earlier.is_finite() && (!here.is_finite() || here >= DIVERGED * earlier)
}

/// Returns the largest parts of a batch's loss, as many as have to go for the rest not to be
/// extreme; those that are not finite where there are any.
fn carriers(parts: &[Vec<f32>], stand: &Stand) -> Vec<Carrier> {
    let mut all: Vec<Carrier> = Vec::new();
    for (sample, losses) in parts.iter().enumerate() {
        let of_sample = losses.iter().enumerate();
        all.extend(of_sample.map(|(keypoint, &loss)| Carrier { sample, keypoint, loss }));
    }
    if all.iter().any(|part| !part.loss.is_finite()) {
        all.retain(|part| !part.loss.is_finite());
        return all;
    }
    // Stable, so that equal parts keep their order.
    all.sort_by(|a, b| b.loss.total_cmp(&a.loss));
    let mut rest: f64 = all.iter().map(|part| f64::from(part.loss)).sum();
    let allowed = rest * (stand.limit - stand.excess).exp();
    let mut carriers = Vec::new();
    for part in all {
        if rest <= allowed {
            break;
        }
        rest -= f64::from(part.loss);
        carriers.push(part);
    }
    carriers
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ruling { diverged, others, .. } = self;
        let times = |multiple: Option<f64>| match multiple {
            Some(multiple) => format!("{multiple:.1} times"),
            None => "beyond".to_owned(),
        };
        let (here, earlier) = (times(self.multiple_here), times(self.multiple_earlier));
        let batch = format!(
            "its loss is {here} that of others at these weights, {earlier} at earlier ones"
        );
        let weights =
            format!("the loss of {diverged} of {others} others has at least doubled since");
        match self.cause {
            Cause::Data => write!(f, "the data of the batch: {batch}"),
            Cause::State => write!(f, "the state of the weights: {weights}"),
            Cause::Undetermined => write!(f, "undetermined: {batch}; {weights}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::spikes::tests::Noise;

    const OTHERS: usize = 16;

    /// Losses of a healthy batch and 16 others about a level.
    fn losses(level: f64, seed: u64) -> Losses {
        let mut noise = Noise(seed);
        let mut loss = || level * (0.25 * noise.normal()).exp();
        Losses { spiking: loss(), others: (0..OTHERS).map(|_| loss()).collect() }
    }

    fn cause(here: Losses, earlier: Losses) -> Cause {
        rule(&Replay { here, earlier, parts: vec![vec![1.0]] }).cause
    }

    fn with(spiking: f64, losses: Losses) -> Losses {
        Losses { spiking, ..losses }
    }

    #[test]
    fn a_poisoned_batch_is_the_data() {
        for seed in 0..200 {
            let (here, earlier) = (losses(0.01, seed), losses(0.012, seed));
            assert_eq!(cause(with(0.12, here), with(0.13, earlier)), Cause::Data, "seed {seed}");
        }
    }

    #[test]
    fn diverged_weights_are_the_state() {
        for seed in 0..200 {
            let (here, earlier) = (losses(0.3, seed), losses(0.012, seed));
            assert_eq!(cause(here, earlier), Cause::State, "seed {seed}");
        }
    }

    #[test]
    fn neither_both_and_chance_are_undetermined() {
        for seed in 0..200 {
            let (calm, before) = (losses(0.01, seed), losses(0.012, seed + 1000));
            assert_eq!(cause(calm.clone(), before.clone()), Cause::Undetermined, "neither");
            // As by dropout: extreme once, but not when it is looked at again.
            let earlier_only = cause(calm.clone(), with(0.15, before.clone()));
            assert_eq!(earlier_only, Cause::Undetermined);
            let here_only = cause(with(0.15, calm), before.clone());
            assert_eq!(here_only, Cause::Undetermined);
            let both = cause(with(3.0, losses(0.2, seed)), with(0.15, before));
            assert_eq!(both, Cause::Undetermined);
        }
    }

    #[test]
    fn what_is_not_finite_is_above_all_that_is() {
        for wrong in [f64::NAN, f64::INFINITY] {
            let (calm, before) = (losses(0.01, 1), losses(0.012, 2));
            let data = cause(with(wrong, calm.clone()), with(wrong, before.clone()));
            assert_eq!(data, Cause::Data);
            let all = Losses { spiking: wrong, others: vec![wrong; OTHERS] };
            assert_eq!(cause(all.clone(), before.clone()), Cause::State);
            assert_eq!(cause(all.clone(), with(wrong, before.clone())), Cause::Undetermined);
            assert_eq!(cause(all.clone(), all), Cause::Undetermined);
            assert_eq!(cause(with(wrong, calm), before), Cause::Undetermined);
        }
    }

    #[test]
    fn few_others_tell_nothing() {
        let few = |spiking: f64| Losses { spiking, others: vec![0.01; LEAST_OTHERS - 1] };
        assert_eq!(cause(few(1.0), few(1.0)), Cause::Undetermined);
        let none = Losses { spiking: 1.0, others: Vec::new() };
        assert_eq!(cause(none.clone(), none), Cause::Undetermined);
    }

    #[test]
    fn parts_that_carry_the_loss_are_named() {
        let ruling = |parts: &[&[f32]]| {
            let parts: Vec<Vec<f32>> = parts.iter().map(|part| part.to_vec()).collect();
            let loss = parts.iter().flatten().map(|&part| f64::from(part)).sum::<f64>();
            let of = |level: f64| Losses { spiking: loss, others: vec![level; OTHERS] };
            rule(&Replay { here: of(0.1), earlier: of(0.11), parts })
        };
        let at = |sample: usize, keypoint: usize, loss: f32| Carrier { sample, keypoint, loss };
        let one = ruling(&[&[0.01, 0.02], &[0.03, 0.9], &[0.01, 0.03]]);
        assert_eq!((one.cause, one.carriers), (Cause::Data, vec![at(1, 1, 0.9)]));
        let two = ruling(&[&[0.01, 2.0], &[0.03, 3.0], &[0.01, 0.03]]);
        assert_eq!(two.carriers, [at(1, 1, 3.0), at(0, 1, 2.0)]);
        let text = two.to_string();
        assert_eq!(
            text,
            "the data of the batch: its loss is 50.8 times that of others at these weights, 46.2 \
             times at earlier ones"
        );
        let broken = ruling(&[&[0.01, f32::NAN], &[0.03, 9.0], &[f32::INFINITY, 0.03]]);
        assert_eq!(broken.cause, Cause::Data);
        let places: Vec<_> = broken.carriers.iter().map(|c| (c.sample, c.keypoint)).collect();
        assert_eq!(places, [(0, 1), (2, 0)]);
        assert_eq!(broken.multiple_here, None);
    }
}
