//! Norm of all gradients together, and what clipping by it multiplies them with.

use crate::onnx::{
    Arg, Emit, Graph, GraphError, Keep, Lowering, Operator, Provider, TensorType, Value, always,
};

/// Added to the norm before dividing, as PyTorch's `clip_grad_norm_` does.
const TINY: f32 = 1e-6;
/// Largest norm that counts as finite.
const LARGEST: f32 = f32::MAX;
/// Rows are summed first by this many, so that no sum has so many terms that rounding biases it.
const ROWS: usize = 256;

/// The norm of a scaled gradient and the factor that clips it.
///
/// # Shapes
/// `g: [R, 64]` with `R` a multiple of 256, all gradients one after the other; `scale: []`,
/// which they are to be multiplied with (one over the number of batches summed and over the
/// loss scale); `limit: []`. Outputs, all `[]`: `norm = scale·‖g‖`; `factor = scale·min(1,
/// limit/(norm + 10⁻⁶))`; `finite`, 1 where the norm is a finite number, else 0.
///
/// # Source
/// Pascanu, Mikolov, Bengio (2013), "On the difficulty of training recurrent neural networks",
/// arXiv:1211.5063, algorithm 1.
#[derive(Clone, Debug)]
pub struct GradientNorm;

impl Operator for GradientNorm {
    const NAME: &'static str = "GradientNorm";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [g, scale, limit] if g.rank() == 2 && scale.rank() == 0 && limit.rank() == 0 => {
                if !g.shape[0].is_multiple_of(ROWS) {
                    return Err(format!("takes a multiple of {ROWS} rows"));
                }
                Ok(vec![(*scale).clone(); 3])
            }
            _ => Err("takes rows of gradients and two scalars".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| write(emit, args[0], args[1], args[2]),
        }]
    }
}

fn write(emit: &mut Emit, g: Arg, scale: Arg, limit: Arg) -> Vec<Arg> {
    let rows = emit.shape(g)[0];
    let squares = emit.mul(g, g);
    let sums = emit.reduce_sum(squares, &[1], Keep::No);
    let sums = emit.reshape(sums, &[rows / ROWS, ROWS]);
    let sums = emit.reduce_sum(sums, &[1], Keep::No);
    let sum = emit.reduce_sum(sums, &[0], Keep::No);
    let norm = emit.unary("Sqrt", sum);
    let norm = emit.mul(norm, scale);

    let tiny = emit.scalar(TINY);
    let padded = emit.add(norm, tiny);
    let ratio = emit.div(limit, padded);
    let one = emit.scalar(1.0);
    let clipped = emit.binary("Min", ratio, one);
    let factor = emit.mul(clipped, scale);

    let largest = emit.scalar(LARGEST);
    let zero = emit.scalar(0.0);
    // False for an infinite norm and for one that is not a number.
    let finite = emit.compare("Less", norm, largest);
    vec![norm, factor, emit.choose(finite, one, zero)]
}

/// Values that [`GradientNorm`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Norm of the scaled gradients.
    pub norm: Value,
    /// What the gradients are multiplied with.
    pub factor: Value,
    /// 1 where the norm is a finite number, else 0.
    pub finite: Value,
}

impl Graph {
    /// Adds the norm of scaled gradients and the factor that clips it to `limit`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn gradient_norm(
        &mut self,
        g: Value,
        scale: Value,
        limit: Value,
    ) -> Result<Norm, GraphError> {
        let outputs = self.add_node(GradientNorm, &[g, scale, limit])?;
        Ok(Norm { norm: outputs[0], factor: outputs[1], finite: outputs[2] })
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::{Encoding, Graph, Provider, TensorType, encode};
    use crate::train::{check, session::Tensor};

    fn run(g: Vec<f32>, scale: f32, limit: f32) -> Option<[f32; 3]> {
        let mut graph = Graph::new();
        let rows = graph.input("g", TensorType::f32(&[256, 64]));
        let by = graph.input("scale", TensorType::f32(&[]));
        let to = graph.input("limit", TensorType::f32(&[]));
        let norm = graph.gradient_norm(rows, by, to).expect("shapes that fit");
        graph.output("norm", norm.norm);
        graph.output("factor", norm.factor);
        graph.output("finite", norm.finite);
        let model = encode(&graph, &Encoding::plain(Provider::Cpu)).expect("a model");
        let outputs = check::run(
            &model,
            &[
                ("g".to_owned(), Tensor { shape: vec![256, 64], elements: g }),
                ("scale".to_owned(), Tensor { shape: vec![], elements: vec![scale] }),
                ("limit".to_owned(), Tensor { shape: vec![], elements: vec![limit] }),
            ],
        )?;
        Some(["norm", "factor", "finite"].map(|name| outputs[name].elements[0]))
    }

    #[test]
    fn long_gradients_are_scaled_down_and_short_ones_are_not() {
        let g = check::random(256 * 64, 3);
        let exact = g.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() as f32;
        let Some([norm, factor, finite]) = run(g.clone(), 0.5, 1.0) else { return };
        assert!((norm / (exact * 0.5) - 1.0).abs() < 1e-6);
        assert!((factor * exact - 1.0).abs() < 1e-5);
        assert_eq!(finite, 1.0);
        assert_eq!(run(g, 0.5, 1e9).map(|outputs| outputs[1]), Some(0.5));
    }

    #[test]
    fn norms_that_are_not_finite_are_told() {
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            let mut g = vec![0.0; 256 * 64];
            g[777] = bad;
            let Some([_, _, finite]) = run(g, 1.0, 1.0) else { return };
            assert_eq!(finite, 0.0, "{bad}");
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/gradient_norm.json");
        check::reference(cases, |graph, _, x| {
            let norm = graph.gradient_norm(x[0], x[1], x[2])?;
            Ok(vec![norm.norm, norm.factor, norm.finite])
        });
    }
}
