//! Another element type.

use crate::onnx::{
    DType, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// The same numbers in another element type, rounded to the nearest.
///
/// # Gradient
/// `dx = d` in the element type of `x`.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Element type of the result.
    pub to: DType,
}

impl Operator for Cast {
    const NAME: &'static str = "Cast";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        Ok(vec![TensorType { dtype: self.to, shape: x.shape.clone() }])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let is_number = |dtype| matches!(dtype, DType::F32 | DType::F16);
        let from = graph.tensor(step.inputs[0]).dtype;
        if !is_number(from) || !is_number(self.to) {
            return Ok(vec![None]);
        }
        Ok(vec![Some(graph.cast(step.d(), from)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "cast",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![emit.cast(args[0], op.to)],
        }]
    }
}

impl Graph {
    /// Adds the same numbers in another element type; nothing where they have it.
    ///
    /// # Errors
    /// None.
    pub fn cast(&mut self, x: Value, to: DType) -> Result<Value, GraphError> {
        if self.tensor(x).dtype == to {
            return Ok(x);
        }
        self.apply(Cast { to }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    #[test]
    fn gradient() {
        // Between 1 and 2, halves lie 2⁻¹⁰ apart; a small share of them in the result keeps
        // what that does to the differences below their tolerance, and the share above it.
        check::gradient_at(check::positive(&[&[60]]), |graph, x| {
            let half = graph.cast(x[0], DType::F16)?;
            let full = graph.cast(half, DType::F32)?;
            let share = graph.scale(full, 0.1)?;
            graph.sub(share, x[0])
        });
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/cast.json");
        check::reference(cases, |graph, _, x| {
            let half = graph.cast(x[0], DType::F16)?;
            Ok(vec![graph.cast(half, DType::F32)?])
        });
    }
}
