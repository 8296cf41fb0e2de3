//! Natural logarithm.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = ln x`, for `x > 0`.
///
/// # Gradient
/// `dx = d/x`.
#[derive(Clone, Debug)]
pub struct Log;

impl Operator for Log {
    const NAME: &'static str = "Log";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        same(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![Some(graph.div(step.d(), step.inputs[0])?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "log",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.unary("Log", args[0])],
        }]
    }
}

impl Graph {
    /// Adds `ln x`, for `x > 0`.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn log(&mut self, x: Value) -> Result<Value, GraphError> {
        self.apply(Log, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient_at(check::positive(&[&[2, 3]]), |graph, x| graph.log(x[0]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/log.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.log(x[0])?]));
    }
}
