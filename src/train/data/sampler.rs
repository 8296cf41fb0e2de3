//! Which examples make a batch: a function of the seed and the number of the step, so that any
//! step can be made without those before it.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::stats::random::SplitMix64;

/// How examples are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Epochs: each example once, in an order that is new each time. A batch may reach from one
    /// epoch into the next. The order follows from the examples' own keys, so that where some are
    /// left out the others keep theirs.
    #[default]
    Epochs,
    /// Each time any example, as DeepLabCut's TensorFlow engine does.
    Replacement,
    /// Each time any example, with probabilities in the ratio of given weights.
    Weighted,
}

/// Draws the examples of batches.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    seed: u64,
    batch: usize,
    /// What tells each example from the others.
    keys: Vec<u64>,
    /// Sums of the weights up to each example.
    sums: Vec<f64>,
    /// Orders of the last epochs that were asked for, so that they are not made for each batch.
    orders: Mutex<Vec<Order>>,
}

#[derive(Debug, Clone)]
struct Order {
    epoch: u64,
    examples: Arc<[u32]>,
}

/// Epochs whose orders are remembered: threads work on neighbouring batches.
const REMEMBERED: usize = 3;

/// Says why examples cannot be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// There is nothing to draw, or batches of nothing are asked for.
    #[error("there must be at least one example and one to a batch")]
    Empty,
    /// Weights do not fit the examples.
    #[error("weights must be one for each example, 0 or more, not all 0")]
    Weights,
}

impl Sampler {
    /// Returns the sampler of examples in batches of `batch`. Of each example there is a key, a
    /// number that stays when others are left out, and a weight, which counts under
    /// [`Sampling::Weighted`] only.
    ///
    /// # Errors
    /// [`SamplerError`] when there is nothing to draw, or weights do not fit.
    pub fn new(
        sampling: Sampling,
        seed: u64,
        batch: usize,
        keys: Vec<u64>,
        weights: &[f64],
    ) -> Result<Sampler, SamplerError> {
        let count = keys.len();
        if batch == 0 || count == 0 {
            return Err(SamplerError::Empty);
        }
        let mut sum = 0.0;
        let mut sums = Vec::new();
        if sampling == Sampling::Weighted {
            let fits = |weight: &f64| weight.is_finite() && *weight >= 0.0;
            if weights.len() != count || !weights.iter().all(fits) {
                return Err(SamplerError::Weights);
            }
            sums.extend(weights.iter().map(|weight| {
                sum += weight;
                sum
            }));
            if sum <= 0.0 {
                return Err(SamplerError::Weights);
            }
        }
        Ok(Sampler { sampling, seed, batch, keys, sums, orders: Mutex::default() })
    }

    /// Returns the examples of a batch; steps count from 0.
    pub fn batch(&self, step: u64) -> Vec<u32> {
        let places = (0..self.batch as u64).map(|place| step * self.batch as u64 + place);
        match self.sampling {
            Sampling::Epochs => {
                let count = self.keys.len() as u64;
                places.map(|at| self.order(at / count)[(at % count) as usize]).collect()
            }
            Sampling::Replacement => {
                places.map(|at| self.stream(at).below(self.keys.len() as u64) as u32).collect()
            }
            Sampling::Weighted => places.map(|at| self.weighted(self.stream(at).unit())).collect(),
        }
    }

    /// Returns how many epochs are over before a step, counted by examples drawn.
    pub fn epoch_of(&self, step: u64) -> u64 {
        step * self.batch as u64 / self.keys.len() as u64
    }

    fn stream(&self, at: u64) -> SplitMix64 {
        SplitMix64::keyed("draw", self.seed, &[at])
    }

    /// Returns the example at a share (0 to 1) of the sum of weights; one of weight 0 never.
    fn weighted(&self, share: f64) -> u32 {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let at = self.sums.partition_point(|sum| *sum <= share * total);
        // Rounding may reach the total itself, which belongs to the first example that reaches it.
        at.min(self.sums.partition_point(|sum| *sum < total)) as u32
    }

    fn order(&self, epoch: u64) -> Arc<[u32]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = orders.iter().find(|order| order.epoch == epoch) {
            return order.examples.clone();
        }
        let mut examples: Vec<u32> = (0..self.keys.len() as u32).collect();
        let place = |key| SplitMix64::keyed("epoch", self.seed, &[epoch, key]).word();
        examples.sort_by_cached_key(|&example| (place(self.keys[example as usize]), example));
        let examples: Arc<[u32]> = examples.into();
        orders.insert(0, Order { epoch, examples: examples.clone() });
        orders.truncate(REMEMBERED);
        examples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_hold_each_example_once() {
        let sampler = Sampler::new(Sampling::Epochs, 3, 4, (0..10).collect(), &[]).unwrap();
        let drawn: Vec<u32> = (0..10).flat_map(|step| sampler.batch(step)).collect();
        for epoch in drawn.chunks(10) {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            assert_eq!(epoch, (0..10).collect::<Vec<u32>>());
        }
        assert_ne!(drawn[..10], drawn[10..20]);
        let again = Sampler::new(Sampling::Epochs, 3, 4, (0..10).collect(), &[]).unwrap();
        assert_eq!(again.batch(7), sampler.batch(7));
        assert_eq!([0, 2, 3, 5].map(|step| sampler.epoch_of(step)), [0, 0, 1, 2]);
    }

    #[test]
    fn examples_that_stay_keep_their_order() {
        let order = |keys: &[u64]| -> Vec<u64> {
            let sampler = Sampler::new(Sampling::Epochs, 5, keys.len(), keys.to_vec(), &[]);
            sampler.unwrap().batch(0).iter().map(|&at| keys[at as usize]).collect()
        };
        let all = order(&[10, 11, 12, 13, 14, 15, 16]);
        let without: Vec<u64> = all.iter().copied().filter(|key| *key != 12).collect();
        assert_eq!(order(&[10, 11, 13, 14, 15, 16]), without);
    }

    #[test]
    fn weights_are_met_and_zero_is_never_drawn() {
        let weights = [0.0, 1.0, 3.0, 0.0];
        let sampler = Sampler::new(Sampling::Weighted, 0, 100, (0..4).collect(), &weights).unwrap();
        let mut counts = [0; 4];
        (0..40).flat_map(|step| sampler.batch(step)).for_each(|at| counts[at as usize] += 1);
        assert_eq!((counts[0], counts[3]), (0, 0));
        // Binomial: 1000 ± 27.
        assert!((865..1135).contains(&counts[1]), "{counts:?}");
        assert_eq!(sampler.weighted(1.0), 2);
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let error = |sampling, batch, count, weights: &[f64]| {
            Sampler::new(sampling, 0, batch, (0..count).collect(), weights).map(|_| ()).unwrap_err()
        };
        assert_eq!(error(Sampling::Epochs, 1, 0, &[]), SamplerError::Empty);
        assert_eq!(error(Sampling::Replacement, 0, 1, &[]), SamplerError::Empty);
        assert_eq!(error(Sampling::Weighted, 1, 2, &[1.0]), SamplerError::Weights);
        assert_eq!(error(Sampling::Weighted, 1, 2, &[0.0, 0.0]), SamplerError::Weights);
    }
}
