//! Sum over axes.

use crate::onnx::{Graph, GraphError, Keep, Lowering, Operator, Provider, Step, TensorType, Value};

/// Sum over `axes`, which are dropped.
///
/// # Gradient
/// `dx = d`, repeated along the axes.
#[derive(Clone, Debug)]
pub struct ReduceSum {
    /// Axes that are summed over, ascending.
    pub axes: Vec<usize>,
}

impl Operator for ReduceSum {
    const NAME: &'static str = "ReduceSum";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        if self.axes.iter().any(|&axis| axis >= x.rank()) {
            return Err(format!("has no such axes: {:?}", self.axes));
        }
        Ok(vec![x.with_shape(&Keep::No.shape(&x.shape, &self.axes))])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let shape = graph.shape(step.inputs[0]).to_vec();
        let kept = graph.reshape(step.d(), &Keep::Yes.shape(&shape, &self.axes))?;
        Ok(vec![Some(graph.expand(kept, &shape)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        fn channels(op: &ReduceSum, inputs: &[&TensorType]) -> bool {
            inputs[0].rank() == 4 && op.axes == [0, 2, 3]
        }
        &[
            Lowering {
                name: "channels",
                providers: Provider::ALL,
                applies: channels,
                emit: |_, emit, args| vec![emit.sum_to_channels(args[0])],
            },
            Lowering {
                name: "reduce_sum",
                providers: Provider::ALL,
                applies: crate::onnx::always,
                emit: |op, emit, args| match op.axes.as_slice() {
                    [] => vec![emit.unary("Identity", args[0])],
                    axes => vec![emit.reduce_sum(args[0], axes, Keep::No)],
                },
            },
        ]
    }
}

impl Graph {
    /// Adds the sum over `axes`, which are dropped.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when `x` has no such axes.
    pub fn reduce_sum(&mut self, x: Value, axes: &[usize]) -> Result<Value, GraphError> {
        self.apply(ReduceSum { axes: axes.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4, 5]], |graph, x| graph.reduce_sum(x[0], &[0, 2, 3]));
        check::gradient(&[&[2, 3]], |graph, x| graph.reduce_sum(x[0], &[1]));
        check::gradient(&[&[2, 3]], |graph, x| graph.reduce_sum(x[0], &[0, 1]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/reduce_sum.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.reduce_sum(x[0], &case.list::<Vec<usize>>("axes"))?])
        });
    }
}
