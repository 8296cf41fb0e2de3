//! Elementwise minimum.

use crate::onnx::elementwise::{elementwise, unrepeat};
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// The lesser of `a` and `b`, extents of 1 repeated.
///
/// # Gradient
/// `d` goes to the input that was taken, to `b` where both are equal; summed where repeated.
#[derive(Clone, Debug)]
pub struct Min;

impl Operator for Min {
    const NAME: &'static str = "Min";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        elementwise(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let (a, b) = (step.inputs[0], step.inputs[1]);
        let first = graph.less(a, b)?;
        let zero = graph.scalar(0.0);
        let mut gradients = vec![None, None];
        if step.wanted[0] {
            let taken = graph.select(first, step.d(), zero)?;
            gradients[0] = Some(unrepeat(graph, taken, a)?);
        }
        if step.wanted[1] {
            let taken = graph.select(first, zero, step.d())?;
            gradients[1] = Some(unrepeat(graph, taken, b)?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "min",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.binary("Min", args[0], args[1])],
        }]
    }
}

impl Graph {
    /// Adds the lesser of `a` and `b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn min(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Min, &[a, b])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient_at(check::distinct(&[&[2, 3, 4], &[3, 1]]), |graph, x| {
            graph.min(x[0], x[1])
        });
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/min.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.min(x[0], x[1])?]));
    }
}
