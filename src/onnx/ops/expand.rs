//! Repetition along axes.

use crate::onnx::elementwise::unrepeat;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always, broadcast,
};

/// The input repeated along axes of extent 1, to a given shape.
///
/// # Gradient
/// `dx = d`, summed over the repeated axes.
#[derive(Clone, Debug)]
pub struct Expand {
    /// Extents of the result.
    pub shape: Vec<usize>,
}

impl Operator for Expand {
    const NAME: &'static str = "Expand";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        if broadcast(&x.shape, &self.shape).as_ref() != Some(&self.shape) {
            return Err(format!("cannot be repeated to {:?}", self.shape));
        }
        Ok(vec![x.with_shape(&self.shape)])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![Some(unrepeat(graph, step.d(), step.inputs[0])?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "expand",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| {
                let extents: Vec<i64> = op.shape.iter().map(|&extent| extent as i64).collect();
                let extents = emit.integers(&extents);
                vec![emit.op("Expand", &[args[0], extents], &op.shape, vec![])]
            },
        }]
    }
}

impl Graph {
    /// Adds `x` repeated to `shape`; nothing where it has that shape.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when `x` cannot be repeated to it.
    pub fn expand(&mut self, x: Value, shape: &[usize]) -> Result<Value, GraphError> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        self.apply(Expand { shape: shape.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[3, 1]], |graph, x| graph.expand(x[0], &[2, 3, 4]));
    }
}
