//! `DepthwiseConvWeightGrad`: gradient of [`DepthwiseConv`] by its kernels.
//!
//! Inputs `x: [N, C, H, W]` and `d: [N, C, Ho, Wo]`, output `[C, 1, k, k']`; attributes those of
//! the convolution and `kernel_shape`. The formula stands at
//! [`crate::onnx::ops::ConvWeightGrad`]. Sums are kept short: lanes are added up every few rows,
//! in double precision.
//!
//! [`DepthwiseConv`]: super::depthwise_conv::DepthwiseConv

use super::depthwise::{Extents, Frame, Shape, extents, read_window, with_buffers};
use super::operator::{Attributes, CustomOperator, Input, Pool, for_each, sizes};
use super::simd::{LANES, Lanes, add_product, lanes, total};
use crate::onnx::ops::Conv;

/// Products that one lane sums in single precision.
const LONGEST_SUM: usize = 64;

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct DepthwiseConvWeightGrad {
    window: Conv,
    kernel: [usize; 2],
}

impl CustomOperator for DepthwiseConvWeightGrad {
    const NAME: &'static str = "DepthwiseConvWeightGrad";
    const INPUTS: usize = 2;
    const OUTPUTS: usize = 1;

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        let kernel = sizes(attributes, "kernel_shape")?;
        Ok(DepthwiseConvWeightGrad { window: read_window(attributes)?, kernel })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        let [x, d] = inputs else { return Err("takes two inputs".to_owned()) };
        let &[_, channels, ..] = *x else { return Err("takes images of four axes".to_owned()) };
        let weights = vec![channels, 1, self.kernel[0], self.kernel[1]];
        let Extents { batch, size, kernel, .. } = extents(x, &weights)?;
        let output = self.window.output_size(size, kernel).ok_or("the kernel does not fit")?;
        match **d == [batch, channels, output[0], output[1]] {
            true => Ok(vec![weights]),
            false => Err("the gradient does not have the extents of the result".to_owned()),
        }
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let [x, d] = inputs else { return Err("takes two inputs".to_owned()) };
        let [batch, channels, h, w] = x.shape[..] else { return Err("four axes".to_owned()) };
        let [.., rows, columns] = d.shape[..] else { return Err("four axes".to_owned()) };
        let task = Sums {
            frame: Frame::of_input(&self.window, self.kernel, [rows, columns]),
            padded: Frame {
                rows,
                length: columns.next_multiple_of(LANES),
                phases: 1,
                top: 0,
                left: 0,
            },
            window: self.window.clone(),
            kernel: self.kernel,
        };
        let taps = self.kernel[0] * self.kernel[1];
        let items = outputs[0].chunks_exact_mut(taps).enumerate();
        for_each(pool, items, |(channel, target)| {
            let mut sums = vec![0.0_f64; taps];
            with_buffers(|[images, gradient]| {
                for plane in (0..batch).map(|n| n * channels + channel) {
                    let x = &x.elements[plane * h * w..][..h * w];
                    let d = &d.elements[plane * rows * columns..][..rows * columns];
                    task.frame.fill(images, x, [h, w]);
                    if columns % LANES == 0 {
                        task.run(images, d, &mut sums);
                    } else {
                        task.padded.fill(gradient, d, [rows, columns]);
                        task.run(images, gradient, &mut sums);
                    }
                }
            });
            for (target, sum) in target.iter_mut().zip(sums) {
                *target = sum as f32;
            }
        })
    }
}

/// The sums of products of a plane of images and one of the gradient.
struct Sums {
    /// The layout of the images.
    frame: Frame,
    /// The layout of the gradient: rows filled up with zeros to whole chunks of lanes.
    padded: Frame,
    window: Conv,
    kernel: [usize; 2],
}

impl Sums {
    fn run(&self, images: &[f32], gradient: &[f32], sums: &mut [f64]) {
        match Shape::of(&self.window, self.kernel) {
            Shape::Other => general(self, images, gradient, sums),
            shape => square(self, shape, images, gradient, sums),
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn square(task: &Sums, shape: Shape, images: &[f32], gradient: &[f32], sums: &mut [f64]) {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    match shape {
        Shape::Three1 => taps::<3, 1, 3, FMA>(task, 0, images, gradient, sums),
        Shape::Three2 => taps::<3, 2, 3, FMA>(task, 0, images, gradient, sums),
        // As many rows of the kernel at a time as there are registers for.
        Shape::Five1 => {
            taps::<5, 1, 2, FMA>(task, 0, images, gradient, sums);
            taps::<5, 1, 2, FMA>(task, 2, images, gradient, sums);
            taps::<5, 1, 1, FMA>(task, 4, images, gradient, sums);
        }
        Shape::Five2 => {
            taps::<5, 2, 2, FMA>(task, 0, images, gradient, sums);
            taps::<5, 2, 2, FMA>(task, 2, images, gradient, sums);
            taps::<5, 2, 1, FMA>(task, 4, images, gradient, sums);
        }
        Shape::Other => {}
    }
}

/// Adds the sums of `U` rows of taps from `first`.
#[inline(always)]
fn taps<const K: usize, const S: usize, const U: usize, const FMA: bool>(
    task: &Sums,
    first: usize,
    images: &[f32],
    gradient: &[f32],
    sums: &mut [f64],
) {
    let (frame, length) = (&task.frame, task.padded.length);
    let block = (LONGEST_SUM * LANES).div_ceil(length);
    // Hidden from the compiler, which would otherwise put loads that overlap together from parts
    // of each other, at a multiple of the cost of loading them.
    let shifts: [usize; K] = std::hint::black_box(std::array::from_fn(|v| v / S));
    for (number, gradient) in gradient.chunks(block * length).enumerate() {
        let mut lane_sums: [[Lanes; K]; U] = [[[0.0; LANES]; K]; U];
        for (i, d) in gradient.chunks_exact(length).enumerate() {
            let row = (number * block + i) * S + first;
            let images = &images[row * frame.row()..];
            for (chunk, d) in d.as_chunks().0.iter().enumerate() {
                for (u, lane_sums) in lane_sums.iter_mut().enumerate() {
                    for phase in 0..S {
                        let start = u * frame.row() + phase * frame.length + chunk * LANES;
                        let window = images.get(start..).and_then(|images| images.first_chunk());
                        let Some(window) = window else { return };
                        for v in (phase..K).step_by(S) {
                            add_product::<FMA>(&mut lane_sums[v], d, lanes(window, shifts[v]));
                        }
                    }
                }
            }
        }
        for u in 0..U {
            for v in 0..K {
                sums[(first + u) * K + v] += total(&lane_sums[u][v]);
            }
        }
    }
}

/// Adds the sums for any kernel, stride and dilation.
#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn general(task: &Sums, images: &[f32], gradient: &[f32], sums: &mut [f64]) {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    let (frame, window, [k, k2]) = (&task.frame, &task.window, task.kernel);
    for (i, d) in gradient.chunks_exact(task.padded.length).enumerate() {
        for u in 0..k {
            let row = (i * window.strides[0] + u * window.dilations[0]) * frame.row();
            for v in 0..k2 {
                let column = v * window.dilations[1];
                let start = column % frame.phases * frame.length + column / frame.phases;
                let seen = &images[row + start..][..d.len()];
                let mut lane_sums: Lanes = [0.0; LANES];
                for (d, x) in d.as_chunks().0.iter().zip(seen.as_chunks().0) {
                    add_product::<FMA>(&mut lane_sums, d, x);
                }
                sums[u * k2 + v] += total(&lane_sums);
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
            let Extents { batch, channels, size: [h, w], kernel } = extents;
            let [rows, columns] = window.output_size([h, w], kernel).expect("fits");
            let x = random(batch * channels * h * w, 1);
            let d = random(batch * channels * rows * columns, 2);
            let taps = kernel[0] * kernel[1];
            let mut expected = vec![0.0; channels * taps];
            for plane in 0..batch * channels {
                products(&extents, &window, |y, tap, x_at| {
                    expected[plane % channels * taps + tap] += f64::from(x[plane * h * w + x_at])
                        * f64::from(d[plane * rows * columns + y]);
                });
            }
            let operator = DepthwiseConvWeightGrad { window, kernel };
            let shapes = ([batch, channels, h, w], [batch, channels, rows, columns]);
            let found = outputs(&operator, &[(&shapes.0, &x), (&shapes.1, &d)]);
            assert_close(&found[0], &expected, 1e-6);
        }
    }
}
