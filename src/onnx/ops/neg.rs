//! Negation.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = −x`.
///
/// # Gradient
/// `dx = −d`.
#[derive(Clone, Debug)]
pub struct Neg;

impl Operator for Neg {
    const NAME: &'static str = "Neg";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        same(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![Some(graph.neg(step.d())?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "neg",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.unary("Neg", args[0])],
        }]
    }
}

impl Graph {
    /// Adds `−x`.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn neg(&mut self, x: Value) -> Result<Value, GraphError> {
        self.apply(Neg, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3]], |graph, x| graph.neg(x[0]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/neg.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.neg(x[0])?]));
    }
}
