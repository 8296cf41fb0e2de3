//! A linear discriminant: the direction in which two kinds of descriptors differ most.

use super::descriptor::{Descriptor, LENGTH};
use crate::stats::linear;

/// Sums over descriptors of two kinds, from which a discriminant is made; sums of several parts
/// add up.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    count: [f64; 2],
    sum: [Vec<f64>; 2],
    /// Sums of products of both kinds, lower triangle, row by row.
    products: Vec<f64>,
}

impl Default for Sums {
    fn default() -> Sums {
        let zeros = || vec![0.0; LENGTH];
        Sums { count: [0.0; 2], sum: [zeros(), zeros()], products: vec![0.0; LENGTH * LENGTH] }
    }
}

impl Sums {
    /// Adds descriptors of the first (0) or second (1) kind.
    pub(super) fn add(&mut self, kind: usize, descriptors: &[Descriptor]) {
        self.count[kind] += descriptors.len() as f64;
        for descriptor in descriptors {
            for (sum, &value) in self.sum[kind].iter_mut().zip(descriptor) {
                *sum += f64::from(value);
            }
        }
        add_products(&mut self.products, descriptors);
    }

    /// Adds the sums of another part.
    pub(super) fn join(&mut self, other: &Sums) {
        let add = |to: &mut [f64], from: &[f64]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        add(&mut self.count, &other.count);
        (0..2).for_each(|kind| add(&mut self.sum[kind], &other.sum[kind]));
        add(&mut self.products, &other.products);
    }

    /// Returns the discriminant, `None` where a kind has fewer than `least` descriptors.
    pub(super) fn discriminant(&self, least: usize) -> Option<Discriminant> {
        if self.count.iter().any(|&count| count < least.max(1) as f64) {
            return None;
        }
        let mean = [0, 1].map(|kind| -> Vec<f64> {
            self.sum[kind].iter().map(|sum| sum / self.count[kind]).collect()
        });
        let freedom = (self.count[0] + self.count[1] - 2.0).max(1.0);
        let covariance = |row: usize, column: usize| {
            let of_means = |kind: usize| self.count[kind] * mean[kind][row] * mean[kind][column];
            (self.products[row * LENGTH + column] - of_means(0) - of_means(1)) / freedom
        };
        let sd: Vec<f64> =
            (0..LENGTH).map(|at| covariance(at, at).max(0.0).sqrt() + LEAST_SD).collect();
        let mut matrix = vec![0.0; LENGTH * LENGTH];
        for row in 0..LENGTH {
            for column in 0..row {
                matrix[row * LENGTH + column] =
                    KEPT * covariance(row, column) / (sd[row] * sd[column]);
            }
            matrix[row * LENGTH + row] = 1.0;
        }
        let apart: Vec<f64> = (0..LENGTH).map(|at| (mean[0][at] - mean[1][at]) / sd[at]).collect();
        let mut weights = linear::solve(&matrix, &apart)?;
        weights.iter_mut().zip(&sd).for_each(|(weight, sd)| *weight /= sd);
        let middle = (0..LENGTH).map(|at| weights[at] * (mean[0][at] + mean[1][at]) / 2.0).sum();
        Some(Discriminant { weights, middle })
    }
}

/// Share of the correlations that is believed, since there are hardly more descriptors than
/// numbers in each: Friedman, "Regularized discriminant analysis", JASA 84 (1989), with the
/// diagonal as target.
const KEPT: f64 = 0.7;
/// Standard deviation added to that of each number: one that never changes tells nothing.
const LEAST_SD: f64 = 1e-3;

/// Adds products of descriptors to a lower triangle.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "x86_64+avx512f+avx512vl"))]
fn add_products(products: &mut [f64], descriptors: &[Descriptor]) {
    // Four at once, so that each sum is loaded and stored once for four products.
    let (fours, rest) = descriptors.as_chunks::<4>();
    for four in fours {
        for row in 0..LENGTH {
            let line = &mut products[row * LENGTH..row * LENGTH + row + 1];
            let by = four.each_ref().map(|descriptor| f64::from(descriptor[row]));
            let [a, b, c, d] = four.each_ref().map(|descriptor| &descriptor[..row + 1]);
            for ((((sum, &a), &b), &c), &d) in line.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *sum += by[0] * f64::from(a)
                    + by[1] * f64::from(b)
                    + by[2] * f64::from(c)
                    + by[3] * f64::from(d);
            }
        }
    }
    for descriptor in rest {
        for row in 0..LENGTH {
            let by = f64::from(descriptor[row]);
            let line = &mut products[row * LENGTH..row * LENGTH + row + 1];
            line.iter_mut().zip(descriptor).for_each(|(sum, &value)| *sum += by * f64::from(value));
        }
    }
}

/// The direction in which two kinds differ.
#[derive(Debug, Clone)]
pub(super) struct Discriminant {
    weights: Vec<f64>,
    middle: f64,
}

impl Discriminant {
    /// Returns on which side a descriptor lies: positive on that of the first kind.
    ///
    /// # Source
    /// Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning" (2009), section 4.3.
    pub(super) fn side(&self, descriptor: &Descriptor) -> f64 {
        let along = self.weights.iter().zip(descriptor).map(|(w, &value)| w * f64::from(value));
        along.sum::<f64>() - self.middle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    /// Descriptors of noise that share a wave, and of which number 5 is `mean` on average.
    fn drawn(count: usize, mean: f32, seed: u64) -> Vec<Descriptor> {
        let mut random = SplitMix64::named("discriminant", seed);
        (0..count)
            .map(|_| {
                let wave = random.normal() as f32;
                let mut numbers: Descriptor = std::array::from_fn(|_| random.normal() as f32);
                numbers[5] += mean + 2.0 * wave;
                numbers[6] += 2.0 * wave;
                numbers
            })
            .collect()
    }

    #[test]
    fn two_kinds_are_told_apart_through_a_wave_that_they_share() {
        let (first, second) = (drawn(1201, 3.0, 1), drawn(1202, 0.0, 2));
        let mut sums = Sums::default();
        // In two parts, one of which is no multiple of four.
        sums.add(0, &first[..99]);
        sums.add(1, &second[..50]);
        let mut rest = Sums::default();
        rest.add(0, &first[99..]);
        rest.add(1, &second[50..]);
        sums.join(&rest);
        let found = sums.discriminant(10).expect("enough of both");
        let right = |of: &[Descriptor], side: f64| {
            let right = of.iter().filter(|&d| found.side(d) * side > 0.0).count();
            right as f64 / of.len() as f64
        };
        // By number 5 alone it would be Φ(1.5 / √5) = .75; without the wave Φ(3 / (2√2)) = .86.
        let found = [right(&drawn(2000, 3.0, 3), 1.0), right(&drawn(2000, 0.0, 4), -1.0)];
        assert!(found.iter().all(|&share| share > 0.77), "{found:?}");
    }

    #[test]
    fn one_kind_alone_makes_none() {
        let mut sums = Sums::default();
        sums.add(0, &drawn(20, 0.0, 1));
        assert!(sums.discriminant(1).is_none());
        sums.add(1, &drawn(9, 0.0, 2));
        assert!(sums.discriminant(10).is_none() && sums.discriminant(9).is_some());
    }
}
