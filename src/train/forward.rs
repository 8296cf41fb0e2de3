//! One forward pass to be trained: what a trainer takes.
//!
//! A graph, its loss, and which of its inputs are trained, tracked or fixed, as [`Training`]
//! puts them together; [`pass_graph`] adds the backward pass.

use serde::{Deserialize, Serialize};

use super::error::StepError;
use super::loss::Losses;
use super::state::{batch_name, gradient_name, inverse_name};
use crate::models::{Interface, Mode, Regularisation};
use crate::onnx::{Checkpointing, Graph, Mask, TensorType, Value, checkpointed_gradients};

/// Masks that are drawn anew for each pass.
pub type Masks = Vec<Mask>;

/// Whose statistics batch normalisation takes in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormStatistics {
    /// Those of the batch; running ones follow.
    Batch,
    /// The running ones, which stay as they are. Needs trained weights.
    Frozen,
}

/// How a model `M` is trained with the settings `L` of its loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training<M, L> {
    /// The model.
    pub model: M,
    /// Number of images in a batch.
    pub batch: usize,
    /// Height and width of the images in pixels, multiples of 16.
    pub size: [usize; 2],
    /// Whose statistics batch normalisation takes.
    pub statistics: NormStatistics,
    /// What is left out at random.
    pub regularisation: Regularisation,
    /// The loss.
    pub loss: L,
    /// Weight decay of the weights of convolutions; biases and normalisations have none.
    pub weight_decay: f32,
    /// Factor of the trunk's learning rate; 0 freezes its weights.
    pub trunk_rate: f32,
    /// Factor of the head's learning rate.
    pub head_rate: f32,
}

impl<M, L> Training<M, L> {
    /// Adds the input `images`, `[N, 3, H, W]`.
    pub(super) fn images(&self, graph: &mut Graph) -> Value {
        let [height, width] = self.size;
        graph.input("images", TensorType::f32(&[self.batch, 3, height, width]))
    }

    /// Returns what the model's graph is built for.
    pub(super) fn mode(&self) -> Mode<'static> {
        match self.statistics {
            NormStatistics::Batch => Mode::Train(self.regularisation),
            NormStatistics::Frozen => Mode::FrozenStatistics(self.regularisation),
        }
    }

    /// Puts a model's graph with its loss together; names of the head's parameters begin with
    /// `head`.
    pub(super) fn forward(
        &self,
        graph: Graph,
        interface: Interface,
        losses: &Losses,
        head: &str,
    ) -> (Forward, Masks) {
        let trained = interface.parameters.iter().map(|input| Trained {
            name: input.parameter.name.clone(),
            value: input.value,
            rate: if input.parameter.name.starts_with(head) {
                self.head_rate
            } else {
                self.trunk_rate
            },
            decay: if input.parameter.kind.decays() { self.weight_decay } else { 0.0 },
        });
        let tracked = interface.statistics.iter().map(|statistics| Tracked {
            mean_name: statistics.running.mean(),
            variance_name: statistics.running.variance(),
            mean: statistics.mean,
            inverse_deviation: statistics.inverse_deviation,
            count: statistics.count,
            epsilon: statistics.running.epsilon,
        });
        let fixed = match self.statistics {
            NormStatistics::Batch => Vec::new(),
            NormStatistics::Frozen => {
                let running = interface.running.iter();
                running.flat_map(|running| [running.mean(), running.variance()]).collect()
            }
        };
        let results = [
            ("loss", losses.total),
            ("score_loss", losses.score),
            ("offset_loss", losses.offset),
            ("losses", losses.each),
        ];
        let forward = Forward {
            loss: losses.total,
            trained: trained.collect(),
            tracked: tracked.collect(),
            fixed,
            results: results.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            graph,
        };
        (forward, interface.masks)
    }
}

/// A tensor that is trained.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its name, unique.
    pub name: String,
    /// The input of the graph that it is.
    pub value: Value,
    /// Factor of the learning rate; 0 freezes it.
    pub rate: f32,
    /// Weight decay.
    pub decay: f32,
}

/// A batch normalisation's running statistics.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Name of the running mean, such as `bn1.running_mean`.
    pub mean_name: String,
    /// Name of the running variance.
    pub variance_name: String,
    /// Mean of the batch, `[C]`.
    pub mean: Value,
    /// `1/√(v + ε)` of the batch, `[C]`.
    pub inverse_deviation: Value,
    /// Number of values that each mean is of: N·H·W.
    pub count: usize,
    /// `ε` of the normalisation, the same in all of a model.
    pub epsilon: f32,
}

/// The forward pass with its loss, before it is differentiated.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The graph; its inputs beside the trained and the fixed tensors are fed.
    pub graph: Graph,
    /// One value, to be made small.
    pub loss: Value,
    /// What is trained.
    pub trained: Vec<Trained>,
    /// Running statistics, empty where they are frozen.
    pub tracked: Vec<Tracked>,
    /// Names of inputs that belong to the model but are not trained: frozen statistics.
    pub fixed: Vec<String>,
    /// What else is read after a pass: name and value.
    pub results: Vec<(String, Value)>,
}

/// Adds gradients and names all outputs of a pass: `x.gradient` of each trained tensor,
/// `x.batch` and `x.batch_inverse` of each running mean, and the results.
///
/// # Errors
/// [`StepError::Graph`], [`StepError::Unused`].
pub fn pass_graph(
    forward: &mut Forward,
    checkpointing: Checkpointing,
) -> Result<&Graph, StepError> {
    let by: Vec<Value> = forward.trained.iter().map(|tensor| tensor.value).collect();
    let found = checkpointed_gradients(&mut forward.graph, forward.loss, &by, checkpointing)?;
    for (tensor, gradient) in forward.trained.iter().zip(found) {
        let gradient = gradient.ok_or_else(|| StepError::Unused(tensor.name.clone()))?;
        forward.graph.output(&gradient_name(&tensor.name), gradient);
    }
    for tracked in &forward.tracked {
        forward.graph.output(&batch_name(&tracked.mean_name), tracked.mean);
        forward.graph.output(&inverse_name(&tracked.mean_name), tracked.inverse_deviation);
    }
    for (name, value) in &forward.results {
        forward.graph.output(name, *value);
    }
    Ok(&forward.graph)
}
