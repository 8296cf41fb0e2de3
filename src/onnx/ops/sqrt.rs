//! Square root.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = √x`, for `x ≥ 0`.
///
/// # Gradient
/// `dx = d/(2y)`, which has no limit at 0.
#[derive(Clone, Debug)]
pub struct Sqrt;

impl Operator for Sqrt {
    const NAME: &'static str = "Sqrt";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        same(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let half = graph.scale(step.d(), 0.5)?;
        Ok(vec![Some(graph.div(half, step.outputs[0])?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "sqrt",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.unary("Sqrt", args[0])],
        }]
    }
}

impl Graph {
    /// Adds `√x`, for `x ≥ 0`.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn sqrt(&mut self, x: Value) -> Result<Value, GraphError> {
        self.apply(Sqrt, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient_at(check::positive(&[&[2, 3]]), |graph, x| graph.sqrt(x[0]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/sqrt.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.sqrt(x[0])?]));
    }
}
