//! Reverse-mode differentiation: adds to a graph the nodes that compute gradients.
//!
//! Takes a loss of one value and the values to differentiate by; gives their gradients. Walks
//! the nodes backwards once; each operator states its own gradient in the same language.

use super::checkpointing::{Checkpointing, Repeats};
use super::graph::{Graph, GraphError, Node, Origin, Value};
use super::operator::Step;
use super::shape::TensorType;

/// Adds the nodes that compute the gradient of `loss` by each value of `by`, and returns these
/// gradients; `None` where the loss does not depend on it.
///
/// # Shapes
/// `loss`: one element of any rank. Each gradient has the shape of its value.
///
/// # Errors
/// [`GraphError::NotScalar`]; [`GraphError::NoGradient`], which names the node, where a path
/// from `by` to `loss` leads through an operator without a gradient.
pub fn gradients(
    graph: &mut Graph,
    loss: Value,
    by: &[Value],
) -> Result<Vec<Option<Value>>, GraphError> {
    checkpointed_gradients(graph, loss, by, Checkpointing::Off)
}

/// Does what [`gradients`] does, and chooses what the backward pass computes again. The
/// gradients are the same, bit for bit.
///
/// # Errors
/// Those of [`gradients`].
pub fn checkpointed_gradients(
    graph: &mut Graph,
    loss: Value,
    by: &[Value],
    checkpointing: Checkpointing,
) -> Result<Vec<Option<Value>>, GraphError> {
    let tensor: TensorType = graph.tensor(loss).clone();
    if tensor.volume() != 1 {
        return Err(GraphError::NotScalar(tensor));
    }
    let needed = depends_on(graph, by);
    let mut repeats = Repeats::new(graph, by, checkpointing);
    let mut sums: Vec<Option<Value>> = vec![None; graph.len()];
    sums[loss.0] = Some(graph.constant(&tensor.shape, vec![1.0]));

    for index in (0..graph.nodes().len()).rev() {
        let node: Node = graph.nodes()[index].clone();
        let gradients: Vec<_> = node.outputs.iter().map(|value| sums[value.0]).collect();
        let wanted: Vec<bool> = node.inputs.iter().map(|value| needed[value.0]).collect();
        let Some(&gradient) = gradients.iter().flatten().next().filter(|_| wanted.contains(&true))
        else {
            continue;
        };
        let [inputs, outputs] = repeats.of(graph, &node, gradient, &sums)?;
        let step = Step { inputs, outputs, gradients, wanted: wanted.clone() };
        let scope = format!("{}.grad", node.scope);
        let found = graph
            .scoped(scope.trim_start_matches('.'), |graph| node.operator.gradient(graph, &step));
        let found = found.map_err(|error| match error {
            GraphError::NoGradient { operator, .. } => {
                GraphError::NoGradient { operator, scope: node.scope.clone() }
            }
            other => other,
        })?;
        for ((&input, wanted), gradient) in node.inputs.iter().zip(wanted).zip(found) {
            let Some(gradient) = gradient.filter(|_| wanted) else { continue };
            debug_assert_eq!(graph.shape(gradient), graph.shape(input), "{:?}", node.operator);
            sums[input.0] = Some(match sums[input.0] {
                Some(sum) => graph.add(sum, gradient)?,
                None => gradient,
            });
        }
    }
    Ok(by.iter().map(|value| sums[value.0]).collect())
}

/// Says for each value whether it depends on one of `by`.
fn depends_on(graph: &Graph, by: &[Value]) -> Vec<bool> {
    let mut depends = vec![false; graph.len()];
    for value in by {
        depends[value.0] = true;
    }
    for node in graph.nodes() {
        if node.inputs.iter().any(|value| depends[value.0]) {
            for output in &node.outputs {
                depends[output.0] = true;
            }
        }
    }
    debug_assert!(by.iter().all(|&value| !matches!(graph.origin(value), Origin::Constant(_))));
    depends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::ops::{Activation, Conv};

    #[test]
    fn a_node_without_a_gradient_names_itself() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[1, 2, 4, 4]));
        let w = graph.input("w", TensorType::f32(&[2, 2, 3, 3]));
        let d = graph.input("d", TensorType::f32(&[1, 2, 2, 2]));
        let loss = graph
            .scoped("blocks.3", |graph| {
                let y = graph.conv(x, w, &Conv::default())?;
                let y = graph.mul(y, d)?;
                graph.scoped("odd", |graph| {
                    let by_weights = graph.conv_weight_grad(x, y, &Conv::default(), [3, 3])?;
                    graph.reduce_sum(by_weights, &[0, 1, 2, 3])
                })
            })
            .expect("shapes that fit");
        let error = gradients(&mut graph, loss, &[w]).expect_err("no gradient");
        assert_eq!(error.to_string(), "ConvWeightGrad in blocks.3.odd has no gradient");
    }

    #[test]
    fn paths_that_are_not_asked_for_need_no_gradient() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[3]));
        let y = graph.input("y", TensorType::f32(&[3]));
        let unrelated = graph.input("unrelated", TensorType::f32(&[3]));
        let above = graph.greater(y, x).expect("shapes that fit");
        let chosen = graph.select(above, x, y).expect("shapes that fit");
        let loss = graph.reduce_sum(chosen, &[0]).expect("one axis");
        let found = gradients(&mut graph, loss, &[x, unrelated]).expect("a gradient");
        assert!(found[0].is_some());
        assert_eq!(found[1], None);
    }

    #[test]
    fn gradients_of_several_uses_are_added() {
        crate::train::check::gradient(&[&[2, 3]], |graph, x| {
            let square = graph.mul(x[0], x[0])?;
            let bent = graph.activate(x[0], Activation::Silu)?;
            let sum = graph.add(square, bent)?;
            graph.mul(sum, x[0])
        });
    }

    #[test]
    fn a_loss_is_one_number() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[3]));
        let error = gradients(&mut graph, x, &[x]).expect_err("three numbers");
        assert!(matches!(error, GraphError::NotScalar(_)), "{error}");
    }
}
