//! How a graph of a model meets the outside: what it is built for, fed with and gives beside
//! its result.

use super::Regularisation;
use super::parameter::{Parameter, RunningStatistics};
use crate::onnx::{Shape, Value, volume};

/// Where weights come from in inference: the row-major elements of a tensor by its name.
pub type Weights<'a> = &'a dyn Fn(&str) -> Option<&'a [f32]>;

/// What a graph is built for.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// Training: parameters are inputs; batch normalisation takes the statistics of the batch,
    /// which are given for the running ones; masks of dropout are inputs.
    Train(Regularisation),
    /// Training with batch normalisation's running statistics, which are inputs, too. Without
    /// regularisation this is evaluation with weights that are fed.
    FrozenStatistics(Regularisation),
    /// Inference: weights are constants, batch normalisation is part of the convolutions,
    /// score maps are probabilities.
    Inference(Weights<'a>),
}

/// A parameter as an input of a graph.
#[derive(Clone, Debug)]
pub struct ParameterInput {
    /// The parameter; its name is the input's.
    pub parameter: Parameter,
    /// The input.
    pub value: Value,
}

/// The statistics of a batch normalisation in training, from which running ones are updated.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// The running statistics that they belong to.
    pub running: RunningStatistics,
    /// Mean `[C]` over batch and places.
    pub mean: Value,
    /// `1/√(v + ε)` `[C]` with the biased variance `v`.
    pub inverse_deviation: Value,
    /// Number `n` of values that a channel has: the unbiased variance is `v·n/(n−1)`.
    pub count: usize,
}

/// A mask of dropout or stochastic depth, fed on each run.
#[derive(Clone, Debug)]
pub struct Mask {
    /// Name of the input, such as `blocks.1.1.drop_path`.
    pub name: String,
    /// Extents: `[N, 1, 1, 1]` of stochastic depth, `[N, C]` of dropout.
    pub shape: Shape,
    /// Probability of 0; an element that is kept is `1/(1 − rate)`.
    pub rate: f32,
    /// The input.
    pub value: Value,
}

/// What a graph of a model is fed with, and what it gives beside its result.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Parameters, in the order of the forward pass; none in inference, where they are
    /// constants.
    pub parameters: Vec<ParameterInput>,
    /// Batch normalisations with running statistics as inputs, by their names.
    pub running: Vec<RunningStatistics>,
    /// Statistics of the batch, in training.
    pub statistics: Vec<BatchStatistics>,
    /// Masks of dropout and stochastic depth.
    pub masks: Vec<Mask>,
}

impl Mask {
    /// Returns what is fed in a step: each element is `1/(1 − rate)` with probability
    /// `1 − rate`, else 0, independently, so that the mean of what it multiplies stays the same.
    ///
    /// Depends on the seed, the number of the step, the name and the extents only, so that every
    /// provider drops the same. The state of SplitMix64 begins with a hash of seed, step and
    /// name; the top 24 bits of each of its numbers, as a number in [0, 1), are compared with
    /// the rate.
    ///
    /// # Source
    /// Srivastava et al. (2014), "Dropout", section 10, with the scale in training; Huang et
    /// al. (2016), "Deep Networks with Stochastic Depth", arXiv:1603.09382.
    pub fn draw(&self, seed: u64, step: u64) -> Vec<f32> {
        let mut state = mixed(seed) ^ mixed(step.wrapping_add(GOLDEN));
        for byte in self.name.bytes() {
            state = mixed(state ^ u64::from(byte));
        }
        let kept = 1.0 / (1.0 - self.rate);
        (0..volume(&self.shape))
            .map(|_| {
                state = state.wrapping_add(GOLDEN);
                let uniform = (mixed(state) >> 40) as f32 / (1 << 24) as f32;
                if uniform < self.rate { 0.0 } else { kept }
            })
            .collect()
    }
}

/// Step of SplitMix64's state: 2⁶⁴ over the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's output function.
///
/// # Source
/// Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators",
/// doi:10.1145/2660193.2660195, figure 17.
fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Graph, TensorType};

    fn mask(name: &str, shape: &[usize], rate: f32) -> Mask {
        let value = Graph::new().input(name, TensorType::f32(shape));
        Mask { name: name.to_owned(), shape: shape.to_vec(), rate, value }
    }

    #[test]
    fn a_mask_depends_on_seed_step_and_name() {
        let one = mask("blocks.1.1.drop_path", &[64, 1, 1, 1], 0.2);
        let other = mask("blocks.1.2.drop_path", &[64, 1, 1, 1], 0.2);
        assert_eq!(one.draw(1, 2), one.draw(1, 2));
        assert_ne!(one.draw(1, 2), one.draw(2, 1));
        assert_ne!(one.draw(1, 2), one.draw(1, 3));
        assert_ne!(one.draw(1, 2), other.draw(1, 2));
    }

    #[test]
    fn a_mask_keeps_the_mean() {
        let mask = mask("dropout", &[100, 1000], 0.3);
        let elements = mask.draw(5, 0);
        assert!(elements.iter().all(|&element| element == 0.0 || element == 1.0 / (1.0 - 0.3)));
        let mean = elements.iter().sum::<f32>() / elements.len() as f32;
        // Standard error: √(0.3/0.7/100000) = 0.0021.
        assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    }
}
