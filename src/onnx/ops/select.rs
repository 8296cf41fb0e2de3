//! Choice between two tensors, element by element.

use crate::onnx::elementwise::unrepeat;
use crate::onnx::{
    DType, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
    broadcast,
};

/// `a` where a condition holds, `b` elsewhere; extents of 1 are repeated.
///
/// # Gradient
/// `d` goes to the input that was taken, summed where repeated; none to the condition.
#[derive(Clone, Debug)]
pub struct Select;

impl Operator for Select {
    const NAME: &'static str = "Select";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [condition, a, b] = inputs else { return Err("takes three inputs".to_owned()) };
        if condition.dtype != DType::Bool || a.dtype != b.dtype {
            return Err("takes truth values and two inputs of one element type".to_owned());
        }
        let shape = broadcast(&a.shape, &b.shape)
            .and_then(|shape| broadcast(&condition.shape, &shape))
            .ok_or("shapes do not fit together")?;
        Ok(vec![a.with_shape(&shape)])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let condition = step.inputs[0];
        let zero = graph.scalar(0.0);
        let mut gradients = vec![None; 3];
        if step.wanted[1] {
            let taken = graph.select(condition, step.d(), zero)?;
            gradients[1] = Some(unrepeat(graph, taken, step.inputs[1])?);
        }
        if step.wanted[2] {
            let taken = graph.select(condition, zero, step.d())?;
            gradients[2] = Some(unrepeat(graph, taken, step.inputs[2])?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "where",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.choose(args[0], args[1], args[2])],
        }]
    }
}

impl Graph {
    /// Adds `a` where `condition` holds and `b` elsewhere, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit, or `condition` is not of truth values.
    pub fn select(&mut self, condition: Value, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Select, &[condition, a, b])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3], &[1, 3], &[2, 1]], |graph, x| {
            let bounds = graph.constant(&[2, 1], vec![0.0, 9.0]);
            let fixed = graph.constant(&[1, 3], vec![-1.0, 1.0, 5.0]);
            let condition = graph.greater(fixed, bounds)?;
            let first = graph.select(condition, x[0], x[1])?;
            graph.select(condition, x[2], first)
        });
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/select.json");
        check::reference(cases, |graph, _, x| {
            let zero = graph.scalar(0.0);
            let condition = graph.greater(x[0], zero)?;
            Ok(vec![graph.select(condition, x[1], x[2])?])
        });
    }
}
