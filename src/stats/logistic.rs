//! Logistic regression with a normal prior on its weights, some of which must not be negative.

use super::linear;

/// What is known of the weights before looking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior<const N: usize> {
    /// Mean of each weight.
    pub mean: [f64; N],
    /// One over the variance of each weight; not negative, 0 where nothing is known.
    pub precision: [f64; N],
    /// Weights that must not be negative.
    pub rising: [bool; N],
}

/// What the weights are fitted to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Example<const N: usize> {
    /// Values that the weights are multiplied with.
    pub row: [f64; N],
    /// Whether it is so, 1 or 0.
    pub is: f64,
    /// How much it counts; not negative.
    pub weight: f64,
}

/// Returns the likeliest weights `w` of the model P(is) = 1 / (1 + exp(-`w` · row)).
///
/// # Source
/// Bishop, "Pattern Recognition and Machine Learning" (2006), section 4.3.3 (Newton's steps) and
/// 4.4 (the prior); weights at their bound are held while the gradient pushes them against it, as
/// in Bertsekas (1982), doi:10.1137/0320018.
pub fn fit<const N: usize>(examples: &[Example<N>], prior: &Prior<N>) -> [f64; N] {
    let mut weights = prior.mean;
    for _ in 0..STEPS {
        let (gradient, curvature) = slope(examples, prior, &weights);
        let free: Vec<usize> = (0..N)
            .filter(|&at| !(prior.rising[at] && weights[at] <= 0.0 && gradient[at] <= 0.0))
            .collect();
        let matrix: Vec<f64> = (free.iter())
            .flat_map(|&row| free.iter().map(move |&column| (row, column)))
            .map(|(row, column)| curvature[row][column])
            .collect();
        let right: Vec<f64> = free.iter().map(|&at| gradient[at]).collect();
        let Some(step) = linear::solve(&matrix, &right) else { break };
        let mut greatest = 0.0_f64;
        for (&at, step) in free.iter().zip(step) {
            // Far from the answer the parabola is wrong; a bounded step returns from there.
            let step = step.clamp(-LONGEST, LONGEST);
            let next = weights[at] + step;
            weights[at] = if prior.rising[at] { next.max(0.0) } else { next };
            greatest = greatest.max(step.abs());
        }
        if greatest < CLOSE {
            break;
        }
    }
    weights
}

/// Newton's steps, at most; ten are usual.
const STEPS: usize = 40;
/// Longest step along one weight.
const LONGEST: f64 = 2.0;
/// Step below which the answer is reached.
const CLOSE: f64 = 1e-5;
/// Added to the curvature, so that a weight of which nothing is known can be solved for.
const RIDGE: f64 = 1e-6;

/// Returns the gradient of the log posterior, and its negative curvature.
fn slope<const N: usize>(
    examples: &[Example<N>],
    prior: &Prior<N>,
    weights: &[f64; N],
) -> ([f64; N], [[f64; N]; N]) {
    let mut gradient = [0.0; N];
    let mut curvature = [[0.0; N]; N];
    for example in examples {
        let share = chance(weights, &example.row);
        let pull = example.weight * (example.is - share);
        let bend = example.weight * share * (1.0 - share);
        for (at, value) in example.row.iter().enumerate() {
            gradient[at] += pull * value;
            for (sum, other) in curvature[at].iter_mut().zip(&example.row) {
                *sum += bend * value * other;
            }
        }
    }
    for at in 0..N {
        gradient[at] -= prior.precision[at] * (weights[at] - prior.mean[at]);
        curvature[at][at] += prior.precision[at] + RIDGE;
    }
    (gradient, curvature)
}

/// Returns the probability that it is so.
pub fn chance<const N: usize>(weights: &[f64; N], row: &[f64; N]) -> f64 {
    1.0 / (1.0 + (-log_odds(weights, row)).exp())
}

/// Returns the natural logarithm of the odds that it is so.
pub fn log_odds<const N: usize>(weights: &[f64; N], row: &[f64; N]) -> f64 {
    weights.iter().zip(row).map(|(weight, value)| weight * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    fn examples(count: usize, weights: [f64; 2]) -> Vec<Example<2>> {
        let mut random = SplitMix64::named("logistic", 3);
        (0..count)
            .map(|_| {
                let row = [2.0 * random.normal(), 1.0];
                let is = f64::from(u8::from(random.chance(chance(&weights, &row))));
                Example { row, is, weight: 1.0 }
            })
            .collect()
    }

    const VAGUE: Prior<2> = Prior { mean: [0.0; 2], precision: [1e-3; 2], rising: [false; 2] };

    #[test]
    fn weights_that_made_the_examples_are_found() {
        let found = fit(&examples(20_000, [1.5, -0.7]), &VAGUE);
        assert!((found[0] - 1.5).abs() < 0.1 && (found[1] + 0.7).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn a_rising_weight_is_zero_where_the_examples_fall() {
        let rising = Prior { rising: [true, false], ..VAGUE };
        let found = fit(&examples(2000, [-1.0, 0.0]), &rising);
        assert_eq!(found[0], 0.0);
        assert!(found[1].abs() < 0.2, "{found:?}");
        assert!((fit(&examples(20_000, [1.0, 0.0]), &rising)[0] - 1.0).abs() < 0.1);
    }

    #[test]
    fn without_examples_the_prior_is_the_answer_and_many_examples_outweigh_it() {
        let prior = Prior { mean: [1.0, 0.5], precision: [4.0; 2], rising: [true, false] };
        assert_eq!(fit(&[], &prior), [1.0, 0.5]);
        let weight = fit(&examples(20_000, [3.0, 0.0]), &prior)[0];
        assert!(weight > 2.8, "{weight}");
    }

    #[test]
    fn what_is_told_apart_without_doubt_gives_no_endless_weight() {
        let of = |x: f64, is: f64| Example { row: [x, 1.0], is, weight: 1.0 };
        let found = fit(&[of(-1.0, 0.0), of(1.0, 1.0)], &Prior { precision: [0.1; 2], ..VAGUE });
        assert!(found[0].is_finite() && found[0] > 1.0, "{found:?}");
    }
}
