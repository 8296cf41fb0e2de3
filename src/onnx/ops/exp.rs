//! Exponential function.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = eˣ`.
///
/// # Gradient
/// `dx = d·y`.
#[derive(Clone, Debug)]
pub struct Exp;

impl Operator for Exp {
    const NAME: &'static str = "Exp";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        same(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![Some(graph.mul(step.d(), step.outputs[0])?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "exp",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.unary("Exp", args[0])],
        }]
    }
}

impl Graph {
    /// Adds `eˣ`.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn exp(&mut self, x: Value) -> Result<Value, GraphError> {
        self.apply(Exp, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3]], |graph, x| graph.exp(x[0]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/exp.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.exp(x[0])?]));
    }
}
