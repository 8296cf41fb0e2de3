//! How a graph of a model meets the outside: what it is built for, fed with and gives beside
//! its result.

use super::Regularisation;
use super::parameter::{Parameter, RunningStatistics};
use crate::onnx::{Mask, Value};

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

/// What a graph of a model is fed with, and what it gives beside its result.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Parameters, in the order of the forward pass; none in inference, where they are
    /// constants.
    pub parameters: Vec<ParameterInput>,
    /// Running statistics of the batch normalisations; none in inference. They are inputs, by
    /// their names, where statistics are frozen only.
    pub running: Vec<RunningStatistics>,
    /// Statistics of the batch, in training.
    pub statistics: Vec<BatchStatistics>,
    /// Masks of dropout and stochastic depth.
    pub masks: Vec<Mask>,
}
