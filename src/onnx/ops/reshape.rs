//! Another shape of the same elements.

use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always, volume,
};

/// The same elements in row-major order under another shape.
///
/// # Gradient
/// `dx = d` in the shape of `x`.
#[derive(Clone, Debug)]
pub struct Reshape {
    /// Extents of the result.
    pub shape: Vec<usize>,
}

impl Operator for Reshape {
    const NAME: &'static str = "Reshape";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        if x.volume() != volume(&self.shape) {
            return Err(format!("cannot become {:?}", self.shape));
        }
        Ok(vec![x.with_shape(&self.shape)])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let shape = graph.shape(step.inputs[0]).to_vec();
        Ok(vec![Some(graph.reshape(step.d(), &shape)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "reshape",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![emit.reshape(args[0], &op.shape)],
        }]
    }
}

impl Graph {
    /// Adds the same elements under another shape; nothing where it is the same.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the number of elements differs.
    pub fn reshape(&mut self, x: Value, shape: &[usize]) -> Result<Value, GraphError> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        self.apply(Reshape { shape: shape.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4]], |graph, x| graph.reshape(x[0], &[4, 6]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/reshape.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.reshape(x[0], &case.list::<Vec<usize>>("shape"))?])
        });
    }
}
