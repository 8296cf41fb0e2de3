//! Limits from below and above.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = min(max(x, low), high)`.
///
/// # Gradient
/// `dx = d` where `low ≤ x ≤ high`, else 0.
#[derive(Clone, Debug)]
pub struct Clip {
    /// The least value.
    pub low: f32,
    /// The greatest value, at least `low`.
    pub high: f32,
}

impl Operator for Clip {
    const NAME: &'static str = "Clip";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        if self.low > self.high {
            return Err(format!("{} is greater than {}", self.low, self.high));
        }
        same(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        // Within the limits, and only there, the result is the input.
        let within = graph.equal(step.inputs[0], step.outputs[0])?;
        let zero = graph.scalar(0.0);
        Ok(vec![Some(graph.select(within, step.d(), zero)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "clip",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![emit.clip(args[0], op.low, op.high)],
        }]
    }
}

impl Graph {
    /// Adds `min(max(x, low), high)`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when `low > high`.
    pub fn clip(&mut self, x: Value, low: f32, high: f32) -> Result<Value, GraphError> {
        self.apply(Clip { low, high }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient_at(check::distinct(&[&[4, 5]]), |graph, x| graph.clip(x[0], -0.5, 0.3));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/clip.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.clip(x[0], case.number("low"), case.number("high"))?])
        });
    }
}
