//! Exchange of axes.

use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// Axis `i` of the result is axis `order[i]` of the input.
///
/// # Gradient
/// `dx`: `d` with the axes put back.
#[derive(Clone, Debug)]
pub struct Transpose {
    /// A permutation of the axes.
    pub order: Vec<usize>,
}

impl Operator for Transpose {
    const NAME: &'static str = "Transpose";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.rank()) {
            return Err(format!("{:?} is not an order of its axes", self.order));
        }
        let shape: Vec<usize> = self.order.iter().map(|&axis| x.shape[axis]).collect();
        Ok(vec![x.with_shape(&shape)])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let mut back = vec![0; self.order.len()];
        for (to, &from) in self.order.iter().enumerate() {
            back[from] = to;
        }
        Ok(vec![Some(graph.transpose(step.d(), &back)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "transpose",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![emit.transpose(args[0], &op.order)],
        }]
    }
}

impl Graph {
    /// Adds an exchange of axes: axis `i` of the result is axis `order[i]` of `x`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when `order` is not a permutation of the axes.
    pub fn transpose(&mut self, x: Value, order: &[usize]) -> Result<Value, GraphError> {
        self.apply(Transpose { order: order.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4]], |graph, x| graph.transpose(x[0], &[2, 0, 1]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/transpose.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.transpose(x[0], &case.list::<Vec<usize>>("order"))?])
        });
    }
}
