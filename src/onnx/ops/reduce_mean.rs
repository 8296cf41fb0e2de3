//! Mean over axes.

use crate::onnx::{
    Arg, Emit, Graph, GraphError, Keep, Lowering, Operator, Provider, Step, TensorType, Value,
    always,
};

/// Mean over `axes`, which are dropped. Over the last two axes of images it is global average
/// pooling.
///
/// # Gradient
/// `dx = d / n`, repeated along the axes, `n` the number of elements that are averaged.
#[derive(Clone, Debug)]
pub struct ReduceMean {
    /// Axes that are averaged over, ascending.
    pub axes: Vec<usize>,
}

impl Operator for ReduceMean {
    const NAME: &'static str = "ReduceMean";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        if self.axes.iter().any(|&axis| axis >= x.rank() || x.shape[axis] == 0) {
            return Err(format!("has no such axes, or they are empty: {:?}", self.axes));
        }
        Ok(vec![x.with_shape(&Keep::No.shape(&x.shape, &self.axes))])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let shape = graph.shape(step.inputs[0]).to_vec();
        let count: usize = self.axes.iter().map(|&axis| shape[axis]).product();
        let share = graph.scale(step.d(), 1.0 / count as f32)?;
        let kept = graph.reshape(share, &Keep::Yes.shape(&shape, &self.axes))?;
        Ok(vec![Some(graph.expand(kept, &shape)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "reduce_mean",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![op.emit(emit, args[0])],
        }]
    }
}

impl ReduceMean {
    /// Writes the mean; over batch and places as the sum that CUDA does fast.
    fn emit(&self, emit: &mut Emit, x: Arg) -> Arg {
        match self.axes.as_slice() {
            [] => emit.unary("Identity", x),
            [0, 2, 3] if emit.shape(x).len() == 4 => {
                let count = emit.tensor(x).volume() / emit.shape(x)[1];
                let sums = emit.sum_to_channels(x);
                let share = emit.scalar(1.0 / count as f32);
                emit.mul(sums, share)
            }
            axes => emit.reduce("ReduceMean", x, axes, Keep::No),
        }
    }
}

impl Graph {
    /// Adds the mean over `axes`, which are dropped.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when `x` has no such axes, or they are empty.
    pub fn reduce_mean(&mut self, x: Value, axes: &[usize]) -> Result<Value, GraphError> {
        self.apply(ReduceMean { axes: axes.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4, 5]], |graph, x| graph.reduce_mean(x[0], &[2, 3]));
        check::gradient(&[&[2, 3, 4, 5]], |graph, x| graph.reduce_mean(x[0], &[0, 2, 3]));
        check::gradient(&[&[2, 3]], |graph, x| graph.reduce_mean(x[0], &[0, 1]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/reduce_mean.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.reduce_mean(x[0], &case.list::<Vec<usize>>("axes"))?])
        });
    }
}
