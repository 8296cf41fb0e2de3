//! `ChannelScaleGrad`: gradient of the product of images with a factor for each channel of each
//! image, in one pass over them.
//!
//! Inputs `d, x: [N, C, H, W]`, `g: [N, C, 1, 1]`; outputs `dx = d·g: [N, C, H, W]` and
//! `dg = Σ d·x: [N, C, 1, 1]` over places; no attributes.

use super::channels::{BLOCK, Sum};
use super::operator::{Attributes, CustomOperator, Input, Pool, for_each};
use super::simd::combine;

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct ChannelScaleGrad;

impl CustomOperator for ChannelScaleGrad {
    const NAME: &'static str = "ChannelScaleGrad";
    const INPUTS: usize = 3;
    const OUTPUTS: usize = 2;
    const REUSED: &'static [(u32, u32)] = &[(0, 0)];

    fn read(_: &dyn Attributes) -> Result<Self, String> {
        Ok(ChannelScaleGrad)
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        let [d, x, g] = inputs else { return Err("takes three inputs".to_owned()) };
        let &[n, c, _, _] = *x else { return Err("images need four axes".to_owned()) };
        match d == x && **g == [n, c, 1, 1] && !x.contains(&0) {
            true => Ok(vec![x.to_vec(), g.to_vec()]),
            false => Err("gradient, images and factors do not fit".to_owned()),
        }
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let ([d, x, g], [by_x, by_g]) = (inputs, outputs) else {
            return Err("takes three inputs and gives two outputs".to_owned());
        };
        let places = x.shape[2..].iter().product();
        let mut d = d.elements.chunks_exact(places);
        let x = x.elements.chunks_exact(places);
        let items = x.zip(by_x.chunks_exact_mut(places)).zip(g.elements.iter().zip(&mut **by_g));
        let items = items.map(|item| (d.next(), item));
        for_each(pool, items, |(d, ((x, by_x), (&g, by_g)))| *by_g = plane(d, x, g, by_x))
    }
}

/// Fills `dx` of a plane, where `d` lies if it is `None`, and returns `dg`.
#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn plane(d: Option<&[f32]>, x: &[f32], g: f32, by_x: &mut [f32]) -> f32 {
    let mut sum = Sum::new();
    let mut d = d.map(|d| d.chunks(BLOCK));
    for (x, by_x) in x.chunks(BLOCK).zip(by_x.chunks_mut(BLOCK)) {
        if let Some(d) = d.as_mut().and_then(Iterator::next) {
            sum.add(d, x, |d, x| d * x);
            combine(by_x, d, d, |d, _| d * g);
        } else {
            sum.add(by_x, x, |d, x| d * x);
            by_x.iter_mut().for_each(|d| *d *= g);
        }
    }
    sum.total() as f32
}

#[cfg(test)]
mod tests {
    use super::super::operator::tests::{assert_close, outputs};
    use super::*;
    use crate::train::check::random;

    #[test]
    fn agrees_with_double_precision() {
        let (shape, places) = ([2, 3, 97, 61], 97 * 61);
        let (d, x, g) = (random(6 * places, 1), random(6 * places, 2), random(6, 3));
        let inputs: [(&[usize], &[f32]); 3] = [(&shape, &d), (&shape, &x), (&[2, 3, 1, 1], &g)];
        let found = outputs(&ChannelScaleGrad, &inputs);
        let product = |(a, b): (&f32, &f32)| f64::from(*a) * f64::from(*b);
        let scaled: Vec<f64> =
            d.iter().enumerate().map(|(at, d)| product((d, &g[at / places]))).collect();
        let planes = d.chunks(places).zip(x.chunks(places));
        let sums: Vec<f64> = planes.map(|(d, x)| d.iter().zip(x).map(product).sum()).collect();
        assert_close(&found[0], &scaled, 1e-7);
        assert_close(&found[1], &sums, 1e-6);
    }
}
