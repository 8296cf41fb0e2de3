//! A box cut out of a tensor.

use std::ops::Range;

use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// The elements from `start` up to `end` along each axis.
///
/// # Gradient
/// `dx = d` with zeros where `x` was cut off ([`super::Pad`]).
#[derive(Clone, Debug)]
pub struct Slice {
    /// First place along each axis.
    pub start: Vec<usize>,
    /// Place behind the last along each axis, greater than `start`.
    pub end: Vec<usize>,
}

impl Operator for Slice {
    const NAME: &'static str = "Slice";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        let ranges = || self.start.iter().zip(&self.end).zip(&x.shape);
        let fits = ranges().all(|((start, end), extent)| start < end && end <= extent);
        if [self.start.len(), self.end.len()] != [x.rank(); 2] || !fits {
            return Err(format!("cannot be cut from {:?} to {:?}", self.start, self.end));
        }
        let shape: Vec<usize> = ranges().map(|((start, end), _)| end - start).collect();
        Ok(vec![x.with_shape(&shape)])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let shape = graph.shape(step.inputs[0]);
        let after: Vec<usize> =
            shape.iter().zip(&self.end).map(|(extent, end)| extent - end).collect();
        Ok(vec![Some(graph.pad(step.d(), &self.start, &after)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "slice",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![emit.cut(args[0], &op.start, &op.end)],
        }]
    }
}

impl Graph {
    /// Adds the elements in `range` along one axis; nothing where these are all.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there are no such elements.
    pub fn slice(
        &mut self,
        x: Value,
        axis: usize,
        range: Range<usize>,
    ) -> Result<Value, GraphError> {
        let mut end = self.shape(x).to_vec();
        let mut start = vec![0; end.len()];
        match end.get_mut(axis) {
            Some(end) => (start[axis], *end) = (range.start, range.end),
            // An axis too many, for which the operator names the problem.
            None => end.push(range.end),
        }
        self.cut(x, &start, &end)
    }

    /// Adds the elements from `start` up to `end` along each axis; nothing where these are all.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there are no such elements.
    pub fn cut(&mut self, x: Value, start: &[usize], end: &[usize]) -> Result<Value, GraphError> {
        if start.iter().all(|&start| start == 0) && end == self.shape(x) {
            return Ok(x);
        }
        self.apply(Slice { start: start.to_vec(), end: end.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::{Graph, TensorType};
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 5, 3]], |graph, x| graph.slice(x[0], 1, 1..4));
        check::gradient(&[&[4, 5]], |graph, x| graph.cut(x[0], &[1, 0], &[3, 4]));
    }

    #[test]
    fn what_is_not_there_cannot_be_cut_out() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[2, 3]));
        assert!(graph.slice(x, 1, 1..4).is_err());
        assert!(graph.slice(x, 1, 2..2).is_err());
        assert!(graph.slice(x, 2, 0..1).is_err());
        assert!(graph.cut(x, &[0], &[1]).is_err());
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/slice.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.cut(
                x[0],
                &case.list::<Vec<usize>>("start"),
                &case.list::<Vec<usize>>("end"),
            )?])
        });
    }
}
