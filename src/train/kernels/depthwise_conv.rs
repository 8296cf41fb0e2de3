//! `DepthwiseConv`: each channel of the images correlated with a kernel of its own.
//!
//! Inputs `x: [N, C, H, W]` and `w: [C, 1, k, k']`, output `[N, C, Ho, Wo]`; attributes
//! `strides`, `pads` (top, left, bottom, right) and `dilations`. The formula stands at
//! [`crate::onnx::ops::Conv`].

use super::depthwise::{Extents, Frame, ROWS, Shape, extents, read_window, with_buffers};
use super::operator::{Attributes, CustomOperator, Input, Pool, for_each};
use super::simd::{LANES, Lanes, add_scaled, lanes, multiply_add};
use crate::onnx::ops::Conv;

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct DepthwiseConv {
    window: Conv,
}

impl CustomOperator for DepthwiseConv {
    const NAME: &'static str = "DepthwiseConv";
    const INPUTS: usize = 2;
    const OUTPUTS: usize = 1;

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        Ok(DepthwiseConv { window: read_window(attributes)? })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        let [x, w] = inputs else { return Err("takes two inputs".to_owned()) };
        let Extents { batch, channels, size, kernel } = extents(x, w)?;
        let [h, w] = self.window.output_size(size, kernel).ok_or("the kernel does not fit")?;
        Ok(vec![vec![batch, channels, h, w]])
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let [x, w] = inputs else { return Err("takes two inputs".to_owned()) };
        let extents = extents(x.shape, w.shape)?;
        let Extents { size, kernel, .. } = extents;
        let output = self.window.output_size(size, kernel).ok_or("the kernel does not fit")?;
        let frame = Frame::of_input(&self.window, kernel, output);
        let task = Correlation { frame, window: self.window.clone(), kernel, columns: output[1] };
        let planes = x.elements.chunks_exact(size[0] * size[1]);
        let targets = outputs[0].chunks_exact_mut(output[0] * output[1]);
        let items = planes.zip(targets).enumerate();
        for_each(pool, items, |(index, (plane, target))| {
            let weights = kernel[0] * kernel[1];
            let weights = &w.elements[index % extents.channels * weights..][..weights];
            with_buffers(|[buffer, _]| {
                task.frame.fill(buffer, plane, size);
                task.run(buffer, weights, target);
            });
        })
    }
}

/// The correlation of frames with kernels.
#[derive(Clone, Debug)]
pub(super) struct Correlation {
    /// The layout of the input.
    pub(super) frame: Frame,
    /// Strides and dilations; the frame has the padding.
    pub(super) window: Conv,
    /// `[k, k']`.
    pub(super) kernel: [usize; 2],
    /// Columns of the output.
    pub(super) columns: usize,
}

impl Correlation {
    /// Fills the plane `target`.
    pub(super) fn run(&self, buffer: &[f32], weights: &[f32], target: &mut [f32]) {
        match Shape::of(&self.window, self.kernel) {
            Shape::Other => general(self, buffer, weights, target),
            shape => square(self, shape, buffer, weights, target),
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn square(task: &Correlation, shape: Shape, buffer: &[f32], weights: &[f32], target: &mut [f32]) {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    let (frame, columns) = (&task.frame, task.columns);
    match shape {
        Shape::Three1 => rows::<3, 1, FMA>(frame, columns, buffer, weights, target),
        Shape::Three2 => rows::<3, 2, FMA>(frame, columns, buffer, weights, target),
        Shape::Five1 => rows::<5, 1, FMA>(frame, columns, buffer, weights, target),
        Shape::Five2 => rows::<5, 2, FMA>(frame, columns, buffer, weights, target),
        Shape::Other => {}
    }
}

/// Fills the output by blocks of [`ROWS`] rows and a chunk of lanes, whose sums stay in registers
/// over all taps: each load of the input serves all the taps and rows that see it.
#[inline(always)]
fn rows<const K: usize, const S: usize, const FMA: bool>(
    frame: &Frame,
    columns: usize,
    buffer: &[f32],
    weights: &[f32],
    target: &mut [f32],
) {
    let kernel: [[f32; K]; K] =
        std::array::from_fn(|u| std::array::from_fn(|v| weights[u * K + v]));
    let row = frame.row();
    for (block, target) in target.chunks_mut(ROWS * columns).enumerate() {
        let buffer = &buffer[block * ROWS * S * row..];
        for chunk in 0..columns.div_ceil(LANES) {
            let mut sums: [Lanes; ROWS] = [[0.0; LANES]; ROWS];
            for r in 0..(ROWS - 1) * S + K {
                for phase in 0..S {
                    let window = &buffer[r * row + phase * frame.length + chunk * LANES..];
                    let Some(window) = window.first_chunk() else { return };
                    for v in (phase..K).step_by(S) {
                        let x = lanes(window, v / S);
                        for q in 0..ROWS {
                            if (q * S..q * S + K).contains(&r) {
                                add_scaled::<FMA>(&mut sums[q], kernel[r - q * S][v], x);
                            }
                        }
                    }
                }
            }
            let rest = columns - chunk * LANES;
            for (q, sums) in sums.into_iter().enumerate() {
                // The last block may have fewer rows.
                let start = q * columns + chunk * LANES;
                let Some(target) = target.get_mut(start..) else { break };
                match target.first_chunk_mut() {
                    Some(target) if rest >= LANES => *target = sums,
                    _ => store_part(target, sums, rest),
                }
            }
        }
    }
}

/// Stores the lanes that a row has room for. Apart, since a copy of varying length in the loop
/// would keep the sums out of registers.
#[inline(never)]
fn store_part(target: &mut [f32], sums: Lanes, count: usize) {
    for (target, sum) in target.iter_mut().zip(sums).take(count) {
        *target = sum;
    }
}

/// Fills the output for any kernel, stride and dilation: by rows, tap by tap.
#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn general(task: &Correlation, buffer: &[f32], weights: &[f32], target: &mut [f32]) {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    let (frame, window, [k, k2]) = (&task.frame, &task.window, task.kernel);
    for (i, target) in target.chunks_exact_mut(task.columns).enumerate() {
        target.fill(0.0);
        for u in 0..k {
            let row = (i * window.strides[0] + u * window.dilations[0]) * frame.row();
            for v in 0..k2 {
                let column = v * window.dilations[1];
                let start = column % frame.phases * frame.length + column / frame.phases;
                let seen = &buffer[row + start..][..task.columns];
                let weight = weights[u * k2 + v];
                for (target, &x) in target.iter_mut().zip(seen) {
                    *target = multiply_add::<FMA>(weight, x, *target);
                }
            }
        }
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
            let x = random(batch * channels * h * w, 1);
            let weights = random(channels * k * k2, 2);
            let mut expected = vec![0.0; batch * channels * rows * columns];
            for plane in 0..batch * channels {
                products(&extents, &window, |y, tap, x_at| {
                    expected[plane * rows * columns + y] +=
                        f64::from(weights[plane % channels * k * k2 + tap])
                            * f64::from(x[plane * h * w + x_at]);
                });
            }
            let operator = DepthwiseConv { window };
            let shapes = ([batch, channels, h, w], [channels, 1, k, k2]);
            let found = outputs(&operator, &[(&shapes.0, &x), (&shapes.1, &weights)]);
            assert_close(&found[0], &expected, 1e-6);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let operator = DepthwiseConv { window: Conv::default() };
        assert!(operator.output_shapes(&[&[1, 2, 4, 4], &[3, 1, 3, 3]]).is_err());
        assert!(operator.output_shapes(&[&[1, 2, 2, 2], &[2, 1, 3, 3]]).is_err());
        assert!(operator.output_shapes(&[&[1, 2, 2, 2], &[2, 1, 0, 3]]).is_err());
    }
}
