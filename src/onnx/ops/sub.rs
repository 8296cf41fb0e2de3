//! Elementwise difference.

use crate::onnx::elementwise::{elementwise, unrepeat};
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = a − b`, extents of 1 repeated.
///
/// # Gradient
/// `da = d`, `db = −d`, summed where repeated.
#[derive(Clone, Debug)]
pub struct Sub;

impl Operator for Sub {
    const NAME: &'static str = "Sub";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        elementwise(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let mut gradients = vec![None, None];
        if step.wanted[0] {
            gradients[0] = Some(unrepeat(graph, step.d(), step.inputs[0])?);
        }
        if step.wanted[1] {
            let sum = unrepeat(graph, step.d(), step.inputs[1])?;
            gradients[1] = Some(graph.neg(sum)?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "sub",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.sub(args[0], args[1])],
        }]
    }
}

impl Graph {
    /// Adds `a − b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn sub(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Sub, &[a, b])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4], &[3, 1]], |graph, x| graph.sub(x[0], x[1]));
        check::gradient(&[&[4], &[2, 3, 4]], |graph, x| graph.sub(x[0], x[1]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/sub.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.sub(x[0], x[1])?]));
    }
}
