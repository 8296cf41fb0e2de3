//! Adaptive clipping of one tensor's gradient.

use crate::onnx::{
    Arg, Emit, Graph, GraphError, Keep, Lowering, Operator, Provider, TensorType, Value, always,
};

/// Smallest norm that a unit of weights counts with, so that zeros can be left.
///
/// # Source
/// Brock et al. (2021), section 4.1: `ε = 10⁻³`.
const SMALLEST: f32 = 1e-3;
/// Keeps a gradient of zeros from dividing by zero.
const TINY: f32 = 1e-12;

/// Limits the gradient of each unit to a share of the unit's weights:
/// `g′ᵢ = gᵢ·min(1, l·max(‖wᵢ‖, 10⁻³)/(s·‖gᵢ‖))`. A unit is an output channel; a vector is one
/// unit.
///
/// # Shapes
/// `w, g, g′`: one shape; `s` (scale of the gradients) and `l` (limit): `[]`.
///
/// # Source
/// Brock et al. (2021), "High-Performance Large-Scale Image Recognition Without
/// Normalization", arXiv:2102.06171, equation 3.
#[derive(Clone, Debug)]
pub struct AdaptiveClip;

impl Operator for AdaptiveClip {
    const NAME: &'static str = "AdaptiveClip";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [w, g, scale, limit] if w == g && scale.rank() == 0 && limit.rank() == 0 => {
                Ok(vec![(*g).clone()])
            }
            _ => Err("takes weights and gradients of one type and two scalars".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| {
                let [w, g, scale, limit] = args[..] else {
                    unreachable!("a checked node has four inputs")
                };
                let weights = unit_norms(emit, w);
                let smallest = emit.scalar(SMALLEST);
                let weights = emit.binary("Max", weights, smallest);
                let allowed = emit.mul(weights, limit);
                let gradients = unit_norms(emit, g);
                let gradients = emit.mul(gradients, scale);
                let tiny = emit.scalar(TINY);
                let gradients = emit.add(gradients, tiny);
                let ratio = emit.div(allowed, gradients);
                let one = emit.scalar(1.0);
                let factor = emit.binary("Min", ratio, one);
                vec![emit.mul(g, factor)]
            },
        }]
    }
}

/// Norm of each unit, in a shape that repeats over the tensor.
fn unit_norms(emit: &mut Emit, x: Arg) -> Arg {
    let rank = emit.tensor(x).rank();
    let first = usize::from(rank > 1);
    let axes: Vec<usize> = (first..rank).collect();
    let squares = emit.mul(x, x);
    let sums = if axes.is_empty() { squares } else { emit.reduce_sum(squares, &axes, Keep::Yes) };
    emit.unary("Sqrt", sums)
}

impl Graph {
    /// Adds the adaptively clipped gradient `g` of weights `w`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn adaptive_clip(
        &mut self,
        w: Value,
        g: Value,
        scale: Value,
        limit: Value,
    ) -> Result<Value, GraphError> {
        self.apply(AdaptiveClip, &[w, g, scale, limit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Encoding, encode};
    use crate::train::{check, session::Tensor};

    fn clipped(shape: &[usize], w: &[f32], g: &[f32], scale: f32, limit: f32) -> Option<Vec<f32>> {
        let mut graph = Graph::new();
        let values = ["w", "g"].map(|name| graph.input(name, TensorType::f32(shape)));
        let scalars = ["scale", "limit"].map(|name| graph.input(name, TensorType::f32(&[])));
        let y = graph
            .adaptive_clip(values[0], values[1], scalars[0], scalars[1])
            .expect("shapes that fit");
        graph.output("y", y);
        let model = encode(&graph, &Encoding::plain(Provider::Cpu)).expect("a model");
        let tensor = |shape: &[usize], elements: &[f32]| Tensor {
            shape: shape.to_vec(),
            elements: elements.to_vec(),
        };
        let inputs = [
            ("w".to_owned(), tensor(shape, w)),
            ("g".to_owned(), tensor(shape, g)),
            ("scale".to_owned(), tensor(&[], &[scale])),
            ("limit".to_owned(), tensor(&[], &[limit])),
        ];
        Some(check::run(&model, &inputs)?["y"].elements.clone())
    }

    #[test]
    fn each_unit_is_limited_by_its_own_weights() {
        // Unit 0: ‖w‖ = 5, ‖g‖ = 10 → 0.1·5/10; unit 1: ‖w‖ = 0 → 10⁻³, ‖g‖ = 10⁻⁵, is left.
        let y = clipped(&[2, 2], &[3.0, 4.0, 0.0, 0.0], &[6.0, 8.0, 1e-5, 0.0], 1.0, 0.1);
        let Some(y) = y else { return };
        let expected = [0.3, 0.4, 1e-5, 0.0];
        for (y, expected) in y.iter().zip(expected) {
            assert!((y - expected).abs() < 1e-6, "{y} {expected}");
        }
    }

    #[test]
    fn a_vector_is_one_unit_and_the_scale_counts() {
        let Some(y) = clipped(&[2], &[3.0, 4.0], &[6.0, 8.0], 0.5, 0.1) else { return };
        assert!((y[0] - 0.6).abs() < 1e-6 && (y[1] - 0.8).abs() < 1e-6, "{y:?}");
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/adaptive_clip.json");
        check::reference(cases, |graph, _, x| {
            Ok(vec![graph.adaptive_clip(x[0], x[1], x[2], x[3])?])
        });
    }
}
