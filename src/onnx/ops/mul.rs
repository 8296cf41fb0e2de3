//! Elementwise product.

use crate::onnx::elementwise::{elementwise, unrepeat};
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = a · b`, extents of 1 repeated.
///
/// # Gradient
/// `da = d · b`, `db = d · a`, summed where repeated.
#[derive(Clone, Debug)]
pub struct Mul;

impl Operator for Mul {
    const NAME: &'static str = "Mul";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        elementwise(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let mut gradients = vec![None, None];
        for (index, gradient) in gradients.iter_mut().enumerate() {
            if step.wanted[index] {
                let product = graph.mul(step.d(), step.inputs[1 - index])?;
                *gradient = Some(unrepeat(graph, product, step.inputs[index])?);
            }
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "mul",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.mul(args[0], args[1])],
        }]
    }
}

impl Graph {
    /// Adds `a · b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn mul(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        let (left, right) = (self.shape(a).to_vec(), self.shape(b).to_vec());
        let a = self.unexpanded(a, &right);
        let b = if left == self.shape(a) { self.unexpanded(b, &left) } else { b };
        self.apply(Mul, &[a, b])
    }

    /// Adds `x · factor`.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn scale(&mut self, x: Value, factor: f32) -> Result<Value, GraphError> {
        let factor = self.scalar(factor);
        self.mul(x, factor)
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4], &[3, 1]], |graph, x| graph.mul(x[0], x[1]));
        check::gradient(&[&[2, 3, 4, 5], &[2, 3, 1, 1]], |graph, x| graph.mul(x[0], x[1]));
        check::gradient(&[&[6]], |graph, x| graph.mul(x[0], x[0]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/mul.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.mul(x[0], x[1])?]));
    }
}
