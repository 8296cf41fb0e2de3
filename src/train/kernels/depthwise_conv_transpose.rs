//! `DepthwiseConvTranspose`: the transpose of [`DepthwiseConv`], which is its gradient by the
//! images.
//!
//! Inputs `d: [N, C, Ho, Wo]` and `w: [C, 1, k, k']`, output `[N, C, H, W]`; attributes those of
//! the convolution and `size`, which is `[H, W]`.
//!
//! [`DepthwiseConv`]: super::depthwise_conv::DepthwiseConv

use super::depthwise::{Extents, Frame, Shape, extents, reach, read_window, with_buffers};
use super::depthwise_conv::Correlation;
use super::operator::{Attributes, CustomOperator, Input, Pool, for_each, sizes};
use super::simd::{LANES, Lanes, add_scaled, lanes};
use crate::onnx::ops::Conv;

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct DepthwiseConvTranspose {
    window: Conv,
    size: [usize; 2],
}

impl CustomOperator for DepthwiseConvTranspose {
    const NAME: &'static str = "DepthwiseConvTranspose";
    const INPUTS: usize = 2;
    const OUTPUTS: usize = 1;

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        let size = sizes(attributes, "size")?;
        Ok(DepthwiseConvTranspose { window: read_window(attributes)?, size })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        let [d, w] = inputs else { return Err("takes two inputs".to_owned()) };
        let Extents { batch, channels, size, kernel } = extents(d, w)?;
        match self.window.output_size(self.size, kernel) == Some(size) && !self.size.contains(&0) {
            true => Ok(vec![vec![batch, channels, self.size[0], self.size[1]]]),
            false => Err(format!("{size:?} does not become {:?}", self.size)),
        }
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let [d, w] = inputs else { return Err("takes two inputs".to_owned()) };
        let Extents { channels, size, kernel, .. } = extents(d.shape, w.shape)?;
        let map = Map::of(self, size, kernel);
        let planes = d.elements.chunks_exact(size[0] * size[1]);
        let targets = outputs[0].chunks_exact_mut(self.size[0] * self.size[1]);
        let items = planes.zip(targets).enumerate();
        for_each(pool, items, |(index, (plane, target))| {
            let taps = kernel[0] * kernel[1];
            let weights = &w.elements[index % channels * taps..][..taps];
            with_buffers(|[frame, row]| match &map {
                Map::Turned(correlation) => {
                    let turned: Vec<f32> = weights.iter().rev().copied().collect();
                    correlation.frame.fill(frame, plane, size);
                    correlation.run(frame, &turned, target);
                }
                Map::Spread(spread) => {
                    spread.frame.fill(frame, plane, size);
                    row.resize(spread.chunks * 2 * LANES, 0.0);
                    spread.run(frame, row, weights, target);
                }
                Map::General => general(self, size, kernel, plane, weights, frame, target),
            });
        })
    }
}

/// How the output is filled.
enum Map {
    /// Stride 1: as a correlation with the kernel turned by 180°, which is padded by what the
    /// kernel reaches beyond its own padding.
    Turned(Correlation),
    /// Stride 2, square.
    Spread(Spread),
    /// Any other: [`general`].
    General,
}

impl Map {
    fn of(op: &DepthwiseConvTranspose, size: [usize; 2], kernel: [usize; 2]) -> Self {
        let window = &op.window;
        match (window.strides, Shape::of(window, kernel)) {
            ([1, 1], _) => {
                let reach = reach(window, kernel);
                let zeros = |axis: usize| reach[axis] as isize - 1 - window.pads[axis] as isize;
                let mut frame = Frame::of_input(window, kernel, op.size);
                (frame.top, frame.left) = (zeros(0), zeros(1));
                let window = Conv { pads: [0; 4], ..window.clone() };
                Map::Turned(Correlation { frame, window, kernel, columns: op.size[1] })
            }
            (_, shape @ (Shape::Three2 | Shape::Five2)) => {
                Map::Spread(Spread::of(op, size, kernel, shape))
            }
            _ => Map::General,
        }
    }
}

/// Stride 2: of the padded output, the rows and columns of each parity see the taps of the
/// kernel of that parity, and these as a correlation with stride 1: row `2t + q` is the sum over
/// `m` of row `t − m` of the input times row `2m + q` of the kernel.
struct Spread {
    frame: Frame,
    shape: Shape,
    /// Padding above and before.
    pads: [usize; 2],
    /// `[H, W]`.
    size: [usize; 2],
    /// Chunks of lanes of either parity in a row of the padded output.
    chunks: usize,
}

impl Spread {
    fn of(op: &DepthwiseConvTranspose, _: [usize; 2], kernel: [usize; 2], shape: Shape) -> Self {
        let pads = [op.window.pads[0], op.window.pads[1]];
        let [rows, columns] = [0, 1].map(|axis| (pads[axis] + op.size[axis]).div_ceil(2));
        // The most that a row of the output lies behind the row of the input that it sees.
        let behind = (kernel[0] - 1) / 2;
        let chunks = columns.div_ceil(LANES);
        let frame = Frame {
            rows: rows + behind,
            length: (chunks + 1) * LANES,
            phases: 1,
            top: behind as isize,
            left: behind as isize,
        };
        Spread { frame, shape, pads, size: op.size, chunks }
    }

    fn run(&self, buffer: &[f32], row: &mut [f32], weights: &[f32], target: &mut [f32]) {
        spread(self, buffer, row, weights, target);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn spread(task: &Spread, buffer: &[f32], row: &mut [f32], weights: &[f32], target: &mut [f32]) {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    for (y, target) in target.chunks_exact_mut(task.size[1]).enumerate() {
        let y = y + task.pads[0];
        let seen = &buffer[y / 2 * task.frame.length..];
        match (task.shape, y % 2) {
            (Shape::Three2, 0) => spread_row::<3, 0, FMA>(task, seen, row, weights),
            (Shape::Three2, _) => spread_row::<3, 1, FMA>(task, seen, row, weights),
            (_, 0) => spread_row::<5, 0, FMA>(task, seen, row, weights),
            (_, _) => spread_row::<5, 1, FMA>(task, seen, row, weights),
        }
        target.copy_from_slice(&row[task.pads[1]..][..target.len()]);
    }
}

/// Fills a row of the padded output of parity `Q`. `seen` begins with the row of the frame that
/// the last tap sees.
#[inline(always)]
fn spread_row<const K: usize, const Q: usize, const FMA: bool>(
    task: &Spread,
    seen: &[f32],
    row: &mut [f32],
    weights: &[f32],
) {
    let behind = (K - 1) / 2;
    let kernel: [[f32; K]; K] =
        std::array::from_fn(|u| std::array::from_fn(|v| weights[u * K + v]));
    for (chunk, target) in row.as_chunks_mut::<{ 2 * LANES }>().0.iter_mut().enumerate() {
        let mut sums: [Lanes; 2] = [[0.0; LANES]; 2];
        for u in (Q..K).step_by(2) {
            let start = (behind - u / 2) * task.frame.length + chunk * LANES;
            let Some(window) = seen.get(start..).and_then(|seen| seen.first_chunk()) else {
                return;
            };
            for v in 0..K {
                add_scaled::<FMA>(&mut sums[v % 2], kernel[u][v], lanes(window, behind - v / 2));
            }
        }
        for lane in 0..LANES {
            target[2 * lane] = sums[0][lane];
            target[2 * lane + 1] = sums[1][lane];
        }
    }
}

/// Fills the output for any kernel, stride and dilation: adds each input to what it spreads to.
fn general(
    op: &DepthwiseConvTranspose,
    [rows, columns]: [usize; 2],
    kernel: [usize; 2],
    plane: &[f32],
    weights: &[f32],
    padded: &mut Vec<f32>,
    target: &mut [f32],
) {
    let Conv { strides, dilations, pads, .. } = &op.window;
    let reach = reach(&op.window, kernel);
    let [height, width] = [0, 1].map(|axis| {
        let spread = ([rows, columns][axis] - 1) * strides[axis] + reach[axis];
        spread.max(pads[axis] + op.size[axis])
    });
    padded.clear();
    padded.resize(height * width, 0.0);
    for (i, d) in plane.chunks_exact(columns).enumerate() {
        for u in 0..kernel[0] {
            let row = (i * strides[0] + u * dilations[0]) * width;
            for v in 0..kernel[1] {
                let weight = weights[u * kernel[1] + v];
                let places = &mut padded[row + v * dilations[1]..row + width];
                for (place, d) in places.iter_mut().step_by(strides[1]).zip(d) {
                    *place += weight * d;
                }
            }
        }
    }
    for (y, target) in target.chunks_exact_mut(op.size[1]).enumerate() {
        let row = (y + pads[0]) * width + pads[1];
        target.copy_from_slice(&padded[row..][..op.size[1]]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::depthwise::tests::{cases, products};
    use super::super::operator::tests::{assert_close, outputs};
    use super::*;
    use crate::train::check::random;

    #[test]
    fn agrees_with_the_formula() {
        for (extents, window) in cases() {
            let Extents { batch, channels, size: [h, w], kernel: [k, k2] } = extents;
            let [rows, columns] = window.output_size([h, w], [k, k2]).expect("fits");
            let d = random(batch * channels * rows * columns, 1);
            let weights = random(channels * k * k2, 2);
            let mut expected = vec![0.0; batch * channels * h * w];
            for plane in 0..batch * channels {
                products(&extents, &window, |y, tap, x_at| {
                    expected[plane * h * w + x_at] +=
                        f64::from(weights[plane % channels * k * k2 + tap])
                            * f64::from(d[plane * rows * columns + y]);
                });
            }
            let operator = DepthwiseConvTranspose { window, size: [h, w] };
            let shapes = ([batch, channels, rows, columns], [channels, 1, k, k2]);
            let found = outputs(&operator, &[(&shapes.0, &d), (&shapes.1, &weights)]);
            assert_close(&found[0], &expected, 1e-6);
        }
    }
}
