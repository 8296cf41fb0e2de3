//! `BatchNormTrain`: batch normalisation with the statistics of the batch, and the activation
//! behind it.
//!
//! Inputs `x: [N, C, H, W]`, `γ: [C]`, `β: [C]`; outputs `y: [N, C, H, W]`, the mean `[C]` and
//! `1/√(v + ε): [C]`; attributes `activation` and `epsilon`. The formula stands at
//! [`crate::onnx::ops::BatchNormTrain`].

use super::activation::{Function, read_activation, with_function};
use super::channels::{BLOCK, Sum, planes, planes_mut};
use super::operator::{Attributes, CustomOperator, Input, Pool, for_each};
use super::simd::{combine, multiply_add};
use crate::onnx::ops::Activation;

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct BatchNormTrain {
    activation: Activation,
    epsilon: f32,
}

impl CustomOperator for BatchNormTrain {
    const NAME: &'static str = "BatchNormTrain";
    const INPUTS: usize = 3;
    const OUTPUTS: usize = 3;

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        let epsilon = attributes.float("epsilon").ok_or("lacks epsilon")?;
        Ok(BatchNormTrain { activation: read_activation(attributes)?, epsilon })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        let [x, vectors @ ..] = inputs else { return Err("takes three inputs".to_owned()) };
        let channels = check_images(x, vectors)?;
        Ok(vec![x.to_vec(), vec![channels], vec![channels]])
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let ([x, scale, offset], [y, means, inverses]) = (inputs, outputs) else {
            return Err("takes three inputs and gives three outputs".to_owned());
        };
        let [batch, channels, h, w] = x.shape[..] else { return Err("four axes".to_owned()) };
        let x = planes(x.elements, channels, h * w);
        let mut y = planes_mut(y, channels, h * w);
        let vectors = scale.elements.iter().zip(offset.elements);
        let results = means.iter_mut().zip(inverses.iter_mut());
        let items = x.chunks_exact(batch).zip(y.chunks_exact_mut(batch));
        let items = items.zip(vectors.zip(results));
        for_each(pool, items, |((x, y), ((&scale, &offset), (mean, inverse)))| {
            let moments = moments(x);
            let deviation = (moments.variance + f64::from(self.epsilon)).sqrt();
            *mean = moments.mean as f32;
            *inverse = deviation.recip() as f32;
            let line = Line { centre: *mean, slope: scale * *inverse, offset };
            normalise(x, &line, self.activation, y);
        })
    }
}

/// Checks images and vectors over channels, and returns the number of channels.
pub(super) fn check_images(x: &[usize], vectors: &[&[usize]]) -> Result<usize, String> {
    let &[_, channels, ..] = x else { return Err("images need four axes".to_owned()) };
    if x.len() != 4 || x.contains(&0) {
        return Err("images need four axes, none of extent 0".to_owned());
    }
    match vectors.iter().all(|vector| *vector == [channels]) {
        true => Ok(channels),
        false => Err(format!("a vector does not fit {channels} channels")),
    }
}

/// `u = slope·(x − centre) + offset`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// `μ`.
    pub(super) centre: f32,
    /// `γ/√(v + ε)`.
    pub(super) slope: f32,
    /// `β`.
    pub(super) offset: f32,
}

impl Line {
    /// Returns `u`.
    #[inline(always)]
    pub(super) fn at<const FMA: bool>(&self, x: f32) -> f32 {
        multiply_add::<FMA>(x - self.centre, self.slope, self.offset)
    }
}

/// Mean and biased variance.
#[derive(Clone, Copy, Debug)]
struct Moments {
    mean: f64,
    variance: f64,
}

/// Returns the moments of all elements, in two passes: deviations are taken from the mean.
#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn moments(planes: &[&[f32]]) -> Moments {
    let blocks = || planes.iter().flat_map(|plane| plane.chunks(BLOCK));
    let (mut count, mut sum) = (0, Sum::new());
    for block in blocks() {
        count += block.len();
        sum.add(block, block, |x, _| x);
    }
    let mean = sum.total() / count as f64;
    let centre = mean as f32;
    let mut squares = Sum::new();
    for block in blocks() {
        squares.add(block, block, |x, _| (x - centre) * (x - centre));
    }
    // About the rounded mean the squares are larger by the square of what was rounded off.
    let rounded = mean - f64::from(centre);
    Moments { mean, variance: squares.total() / count as f64 - rounded * rounded }
}

/// Fills the planes `y` with `f(u)`.
#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn normalise(x: &[&[f32]], line: &Line, activation: Activation, y: &mut [&mut [f32]]) {
    use multiversion::target::target_cfg_f;
    const FMA: bool = target_cfg_f!(target_feature = "fma");
    with_function!(activation, F => apply::<F, FMA>(x, line, y));
}

#[inline(always)]
fn apply<F: Function, const FMA: bool>(x: &[&[f32]], line: &Line, y: &mut [&mut [f32]]) {
    for (x, y) in x.iter().zip(y) {
        combine(y, x, x, |x, _| F::value::<FMA>(line.at::<FMA>(x)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::operator::tests::{assert_close, outputs};
    use super::*;
    use crate::train::check::random;

    #[test]
    fn agrees_with_double_precision_far_from_zero() {
        let shape = [3, 5, 37, 29];
        let places = 37 * 29;
        // Means up to 400 deviations from zero.
        let x: Vec<f32> = random(3 * 5 * places, 1)
            .into_iter()
            .enumerate()
            .map(|(index, x)| x + 50.0 * (index / places % 5) as f32)
            .collect();
        let (scale, offset) = (random(5, 2), random(5, 3));
        let operator = BatchNormTrain { activation: Activation::Silu, epsilon: 1e-3 };
        let found = outputs(&operator, &[(&shape, &x), (&[5], &scale), (&[5], &offset)]);
        let (mut y, mut means, mut inverses) = (vec![0.0; x.len()], vec![], vec![]);
        for channel in 0..5 {
            let at: Vec<usize> = (0..x.len()).filter(|at| at / places % 5 == channel).collect();
            let count = at.len() as f64;
            let mean = at.iter().map(|&at| f64::from(x[at])).sum::<f64>() / count;
            let squares: f64 = at.iter().map(|&at| (f64::from(x[at]) - mean).powi(2)).sum();
            let inverse = (squares / count + f64::from(1e-3_f32)).sqrt().recip();
            for at in at {
                let u = (f64::from(x[at]) - mean) * inverse * f64::from(scale[channel])
                    + f64::from(offset[channel]);
                y[at] = u / (1.0 + (-u).exp());
            }
            means.push(mean);
            inverses.push(inverse);
        }
        assert_close(&found[0], &y, 2e-5);
        assert_close(&found[1], &means, 1e-7);
        assert_close(&found[2], &inverses, 1e-6);
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let operator = BatchNormTrain { activation: Activation::Relu, epsilon: 1e-3 };
        assert!(operator.output_shapes(&[&[1, 2, 3, 3], &[2], &[3]]).is_err());
        assert!(operator.output_shapes(&[&[0, 2, 3, 3], &[2], &[2]]).is_err());
        assert!(operator.output_shapes(&[&[2, 3, 3], &[3], &[3]]).is_err());
    }
}
