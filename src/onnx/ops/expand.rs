//! Repetition along axes.

use crate::onnx::elementwise::unrepeat;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Origin, Provider, Step, TensorType, Value, always,
    broadcast,
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

impl Graph {
    /// Returns what `x` is a repetition of, where an elementwise operator with a tensor of the
    /// extents `beside` repeats it anyway; else `x`. Saves a pass over memory.
    pub(in crate::onnx) fn unexpanded(&self, x: Value, beside: &[usize]) -> Value {
        let Origin::Node(index) = *self.origin(x) else { return x };
        let node = &self.nodes()[index];
        let repeats = node.operator.as_any().is::<Expand>()
            && broadcast(self.shape(node.inputs[0]), beside).as_deref() == Some(self.shape(x));
        if repeats { node.inputs[0] } else { x }
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::{Encoding, Graph, Provider, TensorType, lower};
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[3, 1]], |graph, x| {
            let whole = graph.expand(x[0], &[2, 3, 4])?;
            graph.exp(whole)
        });
    }

    #[test]
    fn what_is_repeated_anyway_is_not_repeated_before() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[2, 3, 4, 4]));
        let mean = graph.reduce_mean(x, &[2, 3]).expect("four axes");
        let mean = graph.reshape(mean, &[2, 3, 1, 1]).expect("as many");
        let whole = graph.expand(mean, &[2, 3, 4, 4]).expect("fits");
        let sum = graph.add(x, whole).expect("fits");
        let product = graph.mul(whole, sum).expect("fits");
        graph.output("product", product);
        let lowered = lower(&graph, &Encoding::plain(Provider::Cpu)).expect("a graph");
        assert!(lowered.nodes.iter().all(|node| node.operator != "Expand"));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/expand.json");
        check::reference(cases, |graph, case, x| {
            let whole = graph.expand(x[0], &case.list::<Vec<usize>>("shape"))?;
            Ok(vec![graph.exp(whole)?])
        });
    }
}
