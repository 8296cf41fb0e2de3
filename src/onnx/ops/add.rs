//! Elementwise sum.

use crate::onnx::elementwise::{elementwise, unrepeat};
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = a + b`, extents of 1 repeated.
///
/// # Gradient
/// `da = db = d`, summed where repeated.
#[derive(Clone, Debug)]
pub struct Add;

impl Operator for Add {
    const NAME: &'static str = "Add";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        elementwise(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let mut gradients = vec![None, None];
        for (index, gradient) in gradients.iter_mut().enumerate() {
            if step.wanted[index] {
                *gradient = Some(unrepeat(graph, step.d(), step.inputs[index])?);
            }
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "add",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.add(args[0], args[1])],
        }]
    }
}

impl Graph {
    /// Adds `a + b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn add(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        let (left, right) = (self.shape(a).to_vec(), self.shape(b).to_vec());
        let a = self.unexpanded(a, &right);
        let b = if left == self.shape(a) { self.unexpanded(b, &left) } else { b };
        self.apply(Add, &[a, b])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4], &[3, 1]], |graph, x| graph.add(x[0], x[1]));
        check::gradient(&[&[], &[5]], |graph, x| graph.add(x[0], x[1]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/add.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.add(x[0], x[1])?]));
    }
}
