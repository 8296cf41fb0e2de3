//! Elementwise quotient.

use crate::onnx::elementwise::{elementwise, unrepeat};
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = a / b`, extents of 1 repeated.
///
/// # Gradient
/// `da = d / b`, `db = −d·a/b² = −da·y`, summed where repeated.
#[derive(Clone, Debug)]
pub struct Div;

impl Operator for Div {
    const NAME: &'static str = "Div";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        elementwise(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let (a, b) = (step.inputs[0], step.inputs[1]);
        let quotient = graph.div(step.d(), b)?;
        let mut gradients = vec![None, None];
        if step.wanted[0] {
            gradients[0] = Some(unrepeat(graph, quotient, a)?);
        }
        if step.wanted[1] {
            let product = graph.mul(quotient, step.outputs[0])?;
            let sum = unrepeat(graph, product, b)?;
            gradients[1] = Some(graph.neg(sum)?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "div",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.div(args[0], args[1])],
        }]
    }
}

impl Graph {
    /// Adds `a / b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn div(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Div, &[a, b])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        let inputs = check::positive(&[&[2, 3, 4], &[3, 1]]);
        check::gradient_at(inputs, |graph, x| graph.div(x[0], x[1]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/div.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.div(x[0], x[1])?]));
    }
}
