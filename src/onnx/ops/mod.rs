//! The semantic operators: one file each, with attributes, output shape, gradient, lowerings
//! and test.

use super::graph::{Graph, GraphError, Value};
use super::shape::{TensorType, broadcast, repeated_axes};

mod activation;
mod add;
mod batch_norm_train;
mod conv;
mod conv_transpose;
mod conv_weight_grad;
mod expand;
mod matmul;
mod mul;
mod reduce_sum;
mod reshape;
mod transpose;

pub use activation::{Activate, ActivateGrad, Activation};
pub use add::Add;
pub use batch_norm_train::{BatchNormTrain, BatchNormTrainGrad, BatchNormTrained};
pub use conv::Conv;
pub use conv_transpose::ConvTranspose;
pub use conv_weight_grad::ConvWeightGrad;
pub use expand::Expand;
pub use matmul::MatMul;
pub use mul::Mul;
pub use reduce_sum::ReduceSum;
pub use reshape::Reshape;
pub use transpose::Transpose;

/// Returns the type of an elementwise result of two inputs.
fn elementwise(inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
    let [a, b] = inputs else { return Err("takes two inputs".to_owned()) };
    if a.dtype != b.dtype {
        return Err("both inputs need one element type".to_owned());
    }
    let shape = broadcast(&a.shape, &b.shape).ok_or("shapes do not fit together")?;
    Ok(vec![a.with_shape(&shape)])
}

/// Returns the type of an elementwise result of one input.
fn same(inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
    match inputs {
        [x] => Ok(vec![(*x).clone()]),
        _ => Err("takes one input".to_owned()),
    }
}

/// Sums a gradient over the axes along which its input was repeated.
fn unrepeat(graph: &mut Graph, gradient: Value, input: Value) -> Result<Value, GraphError> {
    let shape = graph.shape(input).to_vec();
    let axes = repeated_axes(&shape, graph.shape(gradient));
    let sum = if axes.is_empty() { gradient } else { graph.reduce_sum(gradient, &axes)? };
    graph.reshape(sum, &shape)
}
