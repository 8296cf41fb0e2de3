//! `BatchNorm` and `BatchNormGrad`: batch normalisation with known statistics, the activation
//! behind it, and their gradient.
//!
//! `BatchNorm`: inputs `x: [N, C, H, W]`, `γ, β, μ, v: [C]`, output `y: [N, C, H, W]`.
//! `BatchNormGrad`: inputs `d, x: [N, C, H, W]`, `γ, β, μ, v: [C]`, outputs `dx: [N, C, H, W]`,
//! `dγ, dβ: [C]`. Attributes `activation` and `epsilon`. The formulas stand at
//! [`crate::onnx::ops::BatchNorm`].

use super::activation::read_activation;
use super::batch_norm_train::{Line, check_images, normalise};
use super::batch_norm_train_grad::{
    ByVectors, Channel, behind_activation, for_each_channel, gradient_shapes,
};
use super::operator::{Attributes, CustomOperator, Input, Pool, for_each};
use crate::onnx::ops::Activation;

/// The normalisation.
#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
    activation: Activation,
    epsilon: f32,
}

impl CustomOperator for BatchNorm {
    const NAME: &'static str = "BatchNorm";
    const INPUTS: usize = 5;
    const OUTPUTS: usize = 1;

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        let epsilon = attributes.float("epsilon").ok_or("lacks epsilon")?;
        Ok(BatchNorm { activation: read_activation(attributes)?, epsilon })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        let [x, vectors @ ..] = inputs else { return Err("takes five inputs".to_owned()) };
        check_images(x, vectors)?;
        Ok(vec![x.to_vec()])
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let ([x, vectors @ ..], [y]) = (inputs, outputs) else {
            return Err("takes five inputs and gives one output".to_owned());
        };
        let [_, channels, h, w] = x.shape[..] else { return Err("four axes".to_owned()) };
        let x = x.elements.chunks_exact(h * w);
        let items = x.zip(y.chunks_exact_mut(h * w)).enumerate();
        for_each(pool, items, |(plane, (x, y))| {
            let of_channel = [0, 1, 2, 3].map(|vector| vectors[vector].elements[plane % channels]);
            let known = Known::of(of_channel, self.epsilon);
            normalise(&[x], &known.line, self.activation, &mut [y]);
        })
    }
}

/// A channel's line, and `1/√(v + ε)`.
struct Known {
    line: Line,
    inverse: f64,
}

impl Known {
    fn of([scale, offset, mean, variance]: [f32; 4], epsilon: f32) -> Self {
        let inverse = (f64::from(variance) + f64::from(epsilon)).sqrt().recip();
        let slope = (f64::from(scale) * inverse) as f32;
        Known { line: Line { centre: mean, slope, offset }, inverse }
    }
}

/// The gradient.
#[derive(Clone, Debug)]
pub(super) struct BatchNormGrad(BatchNorm);

impl CustomOperator for BatchNormGrad {
    const NAME: &'static str = "BatchNormGrad";
    const INPUTS: usize = 6;
    const OUTPUTS: usize = 3;
    const REUSED: &'static [(u32, u32)] = &[(0, 0)];

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        BatchNorm::read(attributes).map(BatchNormGrad)
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
            let Channel { vectors, d, x, by_x } = channel;
            let BatchNorm { activation, epsilon } = self.0;
            let known = Known::of(vectors, epsilon);
            let sums = behind_activation(d, x, &known.line, activation, by_x);
            scale(by_x, known.line.slope);
            ByVectors { scale: known.inverse * sums.with_x, offset: sums.e }
        })
    }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn scale(e: &mut [&mut [f32]], slope: f32) {
    for e in e {
        e.iter_mut().for_each(|e| *e *= slope);
    }
}

#[cfg(test)]
mod tests {
    use super::super::operator::tests::{assert_close, outputs};
    use super::*;
    use crate::train::check::random;

    #[test]
    fn agrees_with_double_precision() {
        let (shape, places) = ([2, 5, 13, 7], 13 * 7);
        let (x, d) = (random(10 * places, 1), random(10 * places, 2));
        let [scale, offset, mean] = [3, 4, 5].map(|seed| random(5, seed));
        let variance = vec![0.1, 1.0, 2.5, 0.01, 7.0];
        let vectors = [&scale, &offset, &mean, &variance];
        let operator = BatchNorm { activation: Activation::Silu, epsilon: 1e-3 };
        let mut inputs: Vec<(&[usize], &[f32])> = vec![(&shape, &x)];
        inputs.extend(vectors.map(|vector| (&[5_usize][..], &vector[..])));
        let forward = outputs(&operator, &inputs);
        inputs.insert(0, (&shape, &d));
        let backward = outputs(&BatchNormGrad(operator), &inputs);

        let mut y = vec![];
        let mut expected = [vec![], vec![0.0; 5], vec![0.0; 5]];
        for (at, (x, d)) in x.iter().zip(&d).enumerate() {
            let channel = at / places % 5;
            let [g, b, m, v] = vectors.map(|vector| f64::from(vector[channel]));
            let s = (v + f64::from(1e-3_f32)).sqrt().recip();
            let u = (f64::from(*x) - m) * s * g + b;
            let sigmoid = 1.0 / (1.0 + (-u).exp());
            let e = f64::from(*d) * sigmoid * (1.0 + u * (1.0 - sigmoid));
            y.push(u * sigmoid);
            expected[0].push(g * s * e);
            expected[1][channel] += e * (f64::from(*x) - m) * s;
            expected[2][channel] += e;
        }
        assert_close(&forward[0], &y, 1e-6);
        // Looser, since terms of either sign cancel in the sums.
        for (found, expected) in backward.iter().zip(&expected) {
            assert_close(found, expected, 2e-5);
        }
    }
}
