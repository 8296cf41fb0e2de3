//! `BatchNormTrainGrad`: gradient of `BatchNormTrain`.
//!
//! Inputs `d, x: [N, C, H, W]`, `γ, β, μ, s: [C]` with `s = 1/√(v + ε)`; outputs
//! `dx: [N, C, H, W]`, `dγ, dβ: [C]`; attributes `activation` and `epsilon`. With
//! `e = d·f′(u)`, `u` recomputed from `x`, and `n = N·H·W`:
//! `dβ = Σe`, `dγ = s·Σ e·(x − μ)`, `dx = γ·s·(e − dβ/n − (x − μ)·s·dγ/n)`.

use super::activation::{Function, read_activation, with_function};
use super::batch_norm_train::{Line, check_images};
use super::channels::{BLOCK, Sum, planes, planes_mut};
use super::operator::{Attributes, CustomOperator, Input, Pool, for_each};
use super::simd::{combine_or_update, multiply_add, update};
use crate::onnx::ops::Activation;

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct BatchNormTrainGrad {
    activation: Activation,
}

impl CustomOperator for BatchNormTrainGrad {
    const NAME: &'static str = "BatchNormTrainGrad";
    const INPUTS: usize = 6;
    const OUTPUTS: usize = 3;
    const REUSED: &'static [(u32, u32)] = &[(0, 0)];

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        Ok(BatchNormTrainGrad { activation: read_activation(attributes)? })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        gradient_shapes(inputs)
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        for_each_channel(inputs, outputs, pool, |channel| {
            let Channel { vectors: [scale, offset, mean, inverse], d, x, by_x } = channel;
            let line = Line { centre: mean, slope: scale * inverse, offset };
            let sums = behind_activation(d, x, &line, self.activation, by_x);
            let count: f64 = x.iter().map(|plane| plane.len() as f64).sum();
            let shift = (sums.e / count) as f32;
            let tilt = (f64::from(inverse).powi(2) * sums.with_x / count) as f32;
            finish(x, &line, shift, tilt, by_x);
            ByVectors { scale: f64::from(inverse) * sums.with_x, offset: sums.e }
        })
    }
}

/// Checks the shapes of `d`, `x` and four vectors, and returns those of `dx`, `dγ` and `dβ`.
pub(super) fn gradient_shapes(inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
    let [d, x, vectors @ ..] = inputs else { return Err("takes six inputs".to_owned()) };
    let channels = check_images(x, vectors)?;
    match d == x && vectors.len() == 4 {
        true => Ok(vec![x.to_vec(), vec![channels], vec![channels]]),
        false => Err("gradient and images differ in shape".to_owned()),
    }
}

/// One channel of the inputs, and its part of `dx`.
pub(super) struct Channel<'a, 'b> {
    /// What the four vectors hold for it.
    pub(super) vectors: [f32; 4],
    /// Planes of `d`; `None` where `by_x` holds them.
    pub(super) d: Option<&'a [&'a [f32]]>,
    /// Planes of `x`.
    pub(super) x: &'a [&'a [f32]],
    /// Planes of `dx`.
    pub(super) by_x: &'a mut [&'b mut [f32]],
}

/// `dγ` and `dβ` of one channel.
pub(super) struct ByVectors {
    /// `dγ`.
    pub(super) scale: f64,
    /// `dβ`.
    pub(super) offset: f64,
}

/// Runs `gradient` on each channel, spread over the pool. The shapes are those that
/// [`gradient_shapes`] checked.
pub(super) fn for_each_channel(
    inputs: &[Input],
    outputs: &mut [&mut [f32]],
    pool: &dyn Pool,
    gradient: impl Fn(Channel) -> ByVectors + Sync,
) -> Result<(), String> {
    let ([d, x, vectors @ ..], [by_x, by_scale, by_offset]) = (inputs, outputs) else {
        return Err("takes six inputs and gives three outputs".to_owned());
    };
    let [batch, channels, h, w] = x.shape[..] else { return Err("four axes".to_owned()) };
    let d = planes(d.elements, channels, h * w);
    let x = planes(x.elements, channels, h * w);
    let mut by_x = planes_mut(by_x, channels, h * w);
    let mut d = d.chunks_exact(batch);
    let results = by_scale.iter_mut().zip(by_offset.iter_mut());
    let items = x.chunks_exact(batch).zip(by_x.chunks_exact_mut(batch)).zip(results);
    let items = items.enumerate().map(|(channel, item)| (channel, d.next(), item));
    for_each(pool, items, |(channel, d, ((x, by_x), (by_scale, by_offset)))| {
        let vectors = [0, 1, 2, 3].map(|vector| vectors[vector].elements[channel]);
        let by_vectors = gradient(Channel { vectors, d, x, by_x });
        *by_scale = by_vectors.scale as f32;
        *by_offset = by_vectors.offset as f32;
    })
}

/// `Σe` and `Σ e·(x − μ)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// `Σe`.
    pub(super) e: f64,
    /// `Σ e·(x − μ)`.
    pub(super) with_x: f64,
}

/// Fills `e` of one channel, where it stays until its sums are known, and returns these. Where
/// `d` is `None`, `e` holds it.
#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn behind_activation(
    d: Option<&[&[f32]]>,
    x: &[&[f32]],
    line: &Line,
    activation: Activation,
    e: &mut [&mut [f32]],
) -> Sums {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    with_function!(activation, F => slopes::<F, FMA>(d, x, line, e))
}

#[inline(always)]
fn slopes<F: Function, const FMA: bool>(
    d: Option<&[&[f32]]>,
    x: &[&[f32]],
    line: &Line,
    e: &mut [&mut [f32]],
) -> Sums {
    let (mut sum, mut with_x) = (Sum::new(), Sum::new());
    for (plane, (x, e)) in x.iter().zip(e).enumerate() {
        let mut d = d.map(|d| d[plane].chunks(BLOCK));
        // By blocks that stay in the cache between the loops over them.
        for (x, e) in x.chunks(BLOCK).zip(e.chunks_mut(BLOCK)) {
            let d = d.as_mut().and_then(Iterator::next);
            combine_or_update(e, d, x, |d, x| d * F::slope::<FMA>(line.at::<FMA>(x)));
            sum.add(e, e, |e, _| e);
            with_x.add(e, x, |e, x| e * (x - line.centre));
        }
    }
    Sums { e: sum.total(), with_x: with_x.total() }
}

/// Turns the planes `e` into the gradient.
#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn finish(x: &[&[f32]], line: &Line, shift: f32, tilt: f32, e: &mut [&mut [f32]]) {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    for (x, e) in x.iter().zip(e) {
        update(e, x, |e, x| line.slope * multiply_add::<FMA>(line.centre - x, tilt, e - shift));
    }
}

#[cfg(test)]
mod tests {
    use super::super::operator::tests::{assert_close, outputs};
    use super::*;
    use crate::train::check::random;

    #[test]
    fn agrees_with_double_precision() {
        let (shape, channels, places) = ([3, 5, 37, 29], 5, 37 * 29);
        let (x, d) = (random(3 * 5 * places, 1), random(3 * 5 * places, 2));
        let (scale, offset) = (random(5, 3), random(5, 4));
        let (mean, inverse) = (random(5, 5), vec![1.5, 0.5, 2.0, 1.0, 0.1]);
        let operator = BatchNormTrainGrad { activation: Activation::Silu };
        let vectors = [&scale, &offset, &mean, &inverse];
        let mut inputs: Vec<(&[usize], &[f32])> = vec![(&shape, &d), (&shape, &x)];
        inputs.extend(vectors.map(|vector| (&[5_usize][..], &vector[..])));
        let found = outputs(&operator, &inputs);

        let mut expected = [vec![0.0; x.len()], vec![], vec![]];
        for channel in 0..channels {
            let at: Vec<usize> = (0..x.len()).filter(|at| at / places % 5 == channel).collect();
            let [g, b, m, s] = vectors.map(|vector| f64::from(vector[channel]));
            let e = |at: usize| {
                let u = (f64::from(x[at]) - m) * s * g + b;
                let sigmoid = 1.0 / (1.0 + (-u).exp());
                f64::from(d[at]) * sigmoid * (1.0 + u * (1.0 - sigmoid))
            };
            let count = at.len() as f64;
            let by_offset: f64 = at.iter().map(|&at| e(at)).sum();
            let by_scale: f64 = at.iter().map(|&at| e(at) * (f64::from(x[at]) - m) * s).sum();
            for at in at {
                let along = (f64::from(x[at]) - m) * s * by_scale / count;
                expected[0][at] = g * s * (e(at) - by_offset / count - along);
            }
            expected[1].push(by_scale);
            expected[2].push(by_offset);
        }
        for (found, expected) in found.iter().zip(&expected) {
            assert_close(found, expected, 1e-6);
        }
    }
}
