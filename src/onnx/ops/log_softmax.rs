//! Logarithm of the softmax along an axis.

use crate::onnx::{
    Attribute, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = x − ln Σ eˣ` along an axis.
///
/// # Gradient
/// `dx = d − eʸ·Σd`.
#[derive(Clone, Debug)]
pub struct LogSoftmax {
    /// The axis whose exponentials then sum to 1.
    pub axis: usize,
}

impl Operator for LogSoftmax {
    const NAME: &'static str = "LogSoftmax";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [x] if self.axis < x.rank() => Ok(vec![(*x).clone()]),
            _ => Err(format!("takes one input with axis {}", self.axis)),
        }
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let sum = graph.sum_along(step.d(), self.axis)?;
        let softmax = graph.exp(step.outputs[0])?;
        let share = graph.mul(softmax, sum)?;
        Ok(vec![Some(graph.sub(step.d(), share)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "log_softmax",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| {
                let shape = emit.shape(args[0]).to_vec();
                let axis = vec![("axis", Attribute::Int(op.axis as i64))];
                vec![emit.op("LogSoftmax", &[args[0]], &shape, axis)]
            },
        }]
    }
}

impl Graph {
    /// Adds `x − ln Σ eˣ` along an axis.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there is no such axis.
    pub fn log_softmax(&mut self, x: Value, axis: usize) -> Result<Value, GraphError> {
        self.apply(LogSoftmax { axis }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 5]], |graph, x| graph.log_softmax(x[0], 1));
        check::gradient(&[&[2, 4, 3]], |graph, x| graph.log_softmax(x[0], 1));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/log_softmax.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.log_softmax(x[0], case.whole("axis"))?])
        });
    }
}
