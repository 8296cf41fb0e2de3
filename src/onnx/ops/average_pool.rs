//! Mean of each window.

use super::conv::Conv;
use super::max_pool::Window;
use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value,
};

/// `y[n, c, i, j]`: mean of `x[n, c, i·s − p + u, j·s − p + v]` over the places of a window;
/// those beyond the image count as zeros or not at all.
///
/// # Shapes
/// `x: [N, C, H, W]`, `y: [N, C, Ho, Wo]` with `Ho = ⌊(H + p + p' − k)/s⌋ + 1`.
///
/// # Gradient
/// `dx`: each `d`, divided by the number of elements, spread over its window, which is the
/// transposed depthwise convolution with a kernel of ones.
#[derive(Clone, Debug)]
pub struct AveragePool {
    /// The windows.
    pub window: Window,
    /// What places beyond the image count as.
    pub border: Border,
}

/// What places beyond the image count as in a mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Border {
    /// As zeros.
    Zeros,
    /// Not at all.
    Excluded,
}

impl AveragePool {
    /// Returns, row-major, the number of elements in the mean of each window: `[Ho, Wo]`.
    fn counts(&self, size: [usize; 2], pooled: [usize; 2]) -> Vec<usize> {
        let along = |axis: usize, index: usize| match self.border {
            Border::Zeros => self.window.kernel[axis],
            Border::Excluded => {
                let (start, before) = (index * self.window.strides[axis], self.window.pads[axis]);
                let end = (start + self.window.kernel[axis]).min(before + size[axis]);
                end - start.max(before)
            }
        };
        let rows = (0..pooled[0]).map(|row| along(0, row));
        rows.flat_map(|rows| (0..pooled[1]).map(move |column| rows * along(1, column))).collect()
    }
}

impl Operator for AveragePool {
    const NAME: &'static str = "AveragePool";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        Ok(vec![self.window.pooled(x)?])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let [images, pooled] =
            [step.inputs[0], step.outputs[0]].map(|value| graph.shape(value).to_vec());
        let (size, pooled) = ([images[2], images[3]], [pooled[2], pooled[3]]);
        let shares: Vec<f32> =
            self.counts(size, pooled).iter().map(|&count| 1.0 / count as f32).collect();
        let share = match self.border {
            Border::Zeros => graph.scalar(shares[0]),
            Border::Excluded => graph.constant(&pooled, shares),
        };
        let d = graph.mul(step.d(), share)?;
        let [k, k2] = self.window.kernel;
        let ones = graph.constant(&[images[1], 1, k, k2], vec![1.0; images[1] * k * k2]);
        let Window { strides, pads, .. } = self.window;
        let conv = Conv { strides, pads, groups: images[1], ..Conv::default() };
        Ok(vec![Some(graph.conv_transpose(d, ones, &conv, size)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "average_pool",
                providers: Provider::ALL,
                applies: |op, _| op.window.is_symmetric(),
                emit: |op, emit, args| {
                    let include = i64::from(op.border == Border::Zeros);
                    vec![pool(&op.window, include, emit, args[0])]
                },
            },
            // cuDNN knows one padding for both sides; this pads beforehand.
            Lowering {
                name: "padded",
                providers: Provider::ALL,
                applies: crate::onnx::always,
                emit: |op, emit, args| vec![padded(op, emit, args[0])],
            },
        ]
    }
}

fn pool(window: &Window, count_include_pad: i64, emit: &mut Emit, x: Arg) -> Arg {
    let pooled = window.pooled(emit.tensor(x)).expect("a checked node");
    let mut attributes = window.attributes();
    attributes.push(("count_include_pad", Attribute::Int(count_include_pad)));
    emit.op("AveragePool", &[x], &pooled.shape, attributes)
}

fn padded(op: &AveragePool, emit: &mut Emit, x: Arg) -> Arg {
    let size = [emit.shape(x)[2], emit.shape(x)[3]];
    let pads = op.window.pads;
    let padded = emit.pad(x, &[0, 0, pads[0], pads[1]], &[0, 0, pads[2], pads[3]]);
    let mean = pool(&Window { pads: [0; 4], ..op.window.clone() }, 1, emit, padded);
    if op.border == Border::Zeros {
        return mean;
    }
    let pooled = [emit.shape(mean)[2], emit.shape(mean)[3]];
    let whole = (op.window.kernel[0] * op.window.kernel[1]) as f32;
    let counts = op.counts(size, pooled);
    let factors: Vec<f32> = counts.iter().map(|&count| whole / count as f32).collect();
    let factors = emit.floats(&pooled, &factors);
    emit.mul(mean, factors)
}

impl Graph {
    /// Adds the mean of each window of `x: [N, C, H, W]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the windows do not fit.
    pub fn average_pool(
        &mut self,
        x: Value,
        window: &Window,
        border: Border,
    ) -> Result<Value, GraphError> {
        self.apply(AveragePool { window: window.clone(), border }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::ops::max_pool::tests::{window, windows};
    use crate::train::check;

    #[test]
    fn gradient() {
        for window in windows() {
            for border in [Border::Zeros, Border::Excluded] {
                check::gradient(&[&[2, 3, 8, 7]], |graph, x| {
                    graph.average_pool(x[0], &window, border)
                });
            }
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/average_pool.json");
        check::reference(cases, |graph, case, x| {
            let border = match case.word("border") {
                "zeros" => Border::Zeros,
                _ => Border::Excluded,
            };
            Ok(vec![graph.average_pool(x[0], &window(case), border)?])
        });
    }
}
