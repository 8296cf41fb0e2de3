//! Softmax along an axis.

use crate::onnx::{
    Attribute, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = eˣ / Σ eˣ` along an axis.
///
/// # Gradient
/// `dx = y·(d − Σ d·y)`.
#[derive(Clone, Debug)]
pub struct Softmax {
    /// The axis whose elements then sum to 1.
    pub axis: usize,
}

impl Operator for Softmax {
    const NAME: &'static str = "Softmax";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [x] if self.axis < x.rank() => Ok(vec![(*x).clone()]),
            _ => Err(format!("takes one input with axis {}", self.axis)),
        }
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let y = step.outputs[0];
        let product = graph.mul(step.d(), y)?;
        let sum = graph.sum_along(product, self.axis)?;
        let rest = graph.sub(step.d(), sum)?;
        Ok(vec![Some(graph.mul(rest, y)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "softmax",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| {
                let shape = emit.shape(args[0]).to_vec();
                let axis = vec![("axis", Attribute::Int(op.axis as i64))];
                vec![emit.op("Softmax", &[args[0]], &shape, axis)]
            },
        }]
    }
}

impl Graph {
    /// Adds `eˣ / Σ eˣ` along an axis.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there is no such axis.
    pub fn softmax(&mut self, x: Value, axis: usize) -> Result<Value, GraphError> {
        self.apply(Softmax { axis }, &[x])
    }

    /// Adds the sum along one axis, which stays with extent 1.
    pub(super) fn sum_along(&mut self, x: Value, axis: usize) -> Result<Value, GraphError> {
        let mut shape = self.shape(x).to_vec();
        shape[axis] = 1;
        let sum = self.reduce_sum(x, &[axis])?;
        self.reshape(sum, &shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 5]], |graph, x| graph.softmax(x[0], 1));
        check::gradient(&[&[2, 4, 3]], |graph, x| graph.softmax(x[0], 1));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/softmax.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.softmax(x[0], case.whole("axis"))?])
        });
    }
}
