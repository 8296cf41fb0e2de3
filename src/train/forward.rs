//! One forward pass to be trained: what a trainer takes.
//!
//! A graph, its loss, and which of its inputs are trained, tracked or fixed; [`pass_graph`]
//! adds the backward pass.

use super::error::StepError;
use super::state::{batch_name, gradient_name, inverse_name};
use crate::onnx::{Graph, Value, gradients};

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
pub fn pass_graph(forward: &mut Forward) -> Result<&Graph, StepError> {
    let by: Vec<Value> = forward.trained.iter().map(|tensor| tensor.value).collect();
    let found = gradients(&mut forward.graph, forward.loss, &by)?;
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
