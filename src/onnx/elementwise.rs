//! What elementwise operators share: the types of their results, and gradients of inputs that
//! were repeated.
//!
//! Takes types or values, gives types or nodes; knows no operator but the sum and the reshape
//! that a gradient needs.

use super::graph::{Graph, GraphError, Value};
use super::shape::{TensorType, broadcast, repeated_axes};

/// Returns the type of an elementwise result of two inputs.
pub(super) fn elementwise(inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
    let [a, b] = inputs else { return Err("takes two inputs".to_owned()) };
    if a.dtype != b.dtype {
        return Err("both inputs need one element type".to_owned());
    }
    let shape = broadcast(&a.shape, &b.shape).ok_or("shapes do not fit together")?;
    Ok(vec![a.with_shape(&shape)])
}

/// Returns the type of an elementwise result of one input.
pub(super) fn same(inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
    match inputs {
        [x] => Ok(vec![(*x).clone()]),
        _ => Err("takes one input".to_owned()),
    }
}

/// Sums a gradient over the axes along which its input was repeated.
pub(super) fn unrepeat(
    graph: &mut Graph,
    gradient: Value,
    input: Value,
) -> Result<Value, GraphError> {
    let shape = graph.shape(input).to_vec();
    let axes = repeated_axes(&shape, graph.shape(gradient));
    let sum = if axes.is_empty() { gradient } else { graph.reduce_sum(gradient, &axes)? };
    graph.reshape(sum, &shape)
}
