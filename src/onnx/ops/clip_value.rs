//! Limiting of each element to a size that is given on each run.

use crate::onnx::{Graph, GraphError, Lowering, Operator, Provider, TensorType, Value, always};

/// `y = max(−l, min(s·x, l))`.
///
/// # Shapes
/// `x, y`: any; scale `s` and limit `l`: `[]`.
///
/// No gradient: it limits gradients.
#[derive(Clone, Debug)]
pub struct ClipValue;

impl Operator for ClipValue {
    const NAME: &'static str = "ClipValue";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [x, scale, limit] if scale.rank() == 0 && limit.rank() == 0 => Ok(vec![(*x).clone()]),
            _ => Err("takes a tensor and two scalars".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| {
                let scaled = emit.mul(args[0], args[1]);
                let lowest = emit.unary("Neg", args[2]);
                let bounded = emit.binary("Min", scaled, args[2]);
                vec![emit.binary("Max", bounded, lowest)]
            },
        }]
    }
}

impl Graph {
    /// Adds `x` times `scale`, each element limited to `−limit..=limit`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when scale or limit is not a scalar.
    pub fn clip_value(
        &mut self,
        x: Value,
        scale: Value,
        limit: Value,
    ) -> Result<Value, GraphError> {
        self.apply(ClipValue, &[x, scale, limit])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/clip_value.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.clip_value(x[0], x[1], x[2])?]));
    }
}
