//! Absolute value.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = |x|`.
///
/// # Gradient
/// `dx = d·sign(x)`, which is 0 at 0.
#[derive(Clone, Debug)]
pub struct Abs;

impl Operator for Abs {
    const NAME: &'static str = "Abs";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        same(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let sign = graph.sign(step.inputs[0])?;
        Ok(vec![Some(graph.mul(step.d(), sign)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "abs",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.unary("Abs", args[0])],
        }]
    }
}

impl Graph {
    /// Adds `|x|`.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn abs(&mut self, x: Value) -> Result<Value, GraphError> {
        self.apply(Abs, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient_at(check::distinct(&[&[3, 4]]), |graph, x| graph.abs(x[0]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/abs.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.abs(x[0])?]));
    }
}
