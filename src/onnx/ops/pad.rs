//! Zeros around a tensor.

use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// The input with zeros before and after it along each axis.
///
/// # Gradient
/// `dx = d` without its border ([`super::Slice`]).
#[derive(Clone, Debug)]
pub struct Pad {
    /// Number of zeros before, for each axis.
    pub before: Vec<usize>,
    /// Number of zeros after, for each axis.
    pub after: Vec<usize>,
}

impl Operator for Pad {
    const NAME: &'static str = "Pad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        if [self.before.len(), self.after.len()] != [x.rank(); 2] {
            return Err("needs two counts for each axis".to_owned());
        }
        let counts = self.before.iter().zip(&self.after);
        let shape: Vec<usize> =
            x.shape.iter().zip(counts).map(|(extent, (b, a))| extent + b + a).collect();
        Ok(vec![x.with_shape(&shape)])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let shape = graph.shape(step.inputs[0]);
        let end: Vec<usize> =
            shape.iter().zip(&self.before).map(|(extent, b)| extent + b).collect();
        Ok(vec![Some(graph.cut(step.d(), &self.before, &end)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "pad",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![emit.pad(args[0], &op.before, &op.after)],
        }]
    }
}

impl Graph {
    /// Adds `x` with `before[i]` zeros before and `after[i]` after it along axis `i`; nothing
    /// where there are none.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there are not two counts for each axis.
    pub fn pad(
        &mut self,
        x: Value,
        before: &[usize],
        after: &[usize],
    ) -> Result<Value, GraphError> {
        let rank = self.shape(x).len();
        let none = before.iter().chain(after).all(|&count| count == 0);
        if none && [before.len(), after.len()] == [rank; 2] {
            return Ok(x);
        }
        self.apply(Pad { before: before.to_vec(), after: after.to_vec() }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4]], |graph, x| graph.pad(x[0], &[0, 1, 2], &[1, 0, 3]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/pad.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.pad(
                x[0],
                &case.list::<Vec<usize>>("before"),
                &case.list::<Vec<usize>>("after"),
            )?])
        });
    }
}
