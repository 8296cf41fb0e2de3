//! Greatest element along axes.

use crate::onnx::{
    Graph, GraphError, Keep, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// Greatest element over `axes`, which are dropped.
///
/// # Gradient
/// `d` goes to the greatest element, in equal parts where several are as great.
#[derive(Clone, Debug)]
pub struct ReduceMax {
    /// Axes that are searched, ascending; at least one.
    pub axes: Vec<usize>,
}

impl Operator for ReduceMax {
    const NAME: &'static str = "ReduceMax";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        let missing = self.axes.iter().any(|&axis| axis >= x.rank() || x.shape[axis] == 0);
        if missing || self.axes.is_empty() {
            return Err(format!("has no such axes, or they are empty: {:?}", self.axes));
        }
        Ok(vec![x.with_shape(&Keep::No.shape(&x.shape, &self.axes))])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let x = step.inputs[0];
        let kept = Keep::Yes.shape(graph.shape(x), &self.axes);
        let greatest = graph.reshape(step.outputs[0], &kept)?;
        let d = graph.reshape(step.d(), &kept)?;

        let found = graph.equal(x, greatest)?;
        let (zero, one) = (graph.scalar(0.0), graph.scalar(1.0));
        let found = graph.select(found, one, zero)?;
        let count = graph.reduce_sum(found, &self.axes)?;
        let count = graph.reshape(count, &kept)?;
        let share = graph.div(d, count)?;
        Ok(vec![Some(graph.mul(found, share)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "reduce_max",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![emit.reduce("ReduceMax", args[0], &op.axes, Keep::No)],
        }]
    }
}

impl Graph {
    /// Adds the greatest element over `axes`, which are dropped.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when `x` has no such axes, or they are empty.
    pub fn reduce_max(&mut self, x: Value, axes: &[usize]) -> Result<Value, GraphError> {
        self.apply(ReduceMax { axes: axes.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        let inputs = check::distinct(&[&[2, 3, 4]]);
        check::gradient_at(inputs.clone(), |graph, x| graph.reduce_max(x[0], &[1]));
        check::gradient_at(inputs, |graph, x| graph.reduce_max(x[0], &[0, 2]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/reduce_max.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.reduce_max(x[0], &case.list::<Vec<usize>>("axes"))?])
        });
    }
}
