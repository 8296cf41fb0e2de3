//! Intervals: where the mean of paired differences, or a statistic over runs, may truly lie.
//!
//! Takes a handful of values, gives limits. Which method covers what it claims at 8 or 10 values
//! was measured (`docs/methods.md`, "Intervals"); the ones below are those that fared best.

use serde::Serialize;

use super::distribution::{normal_cdf, normal_quantile, student_quantile};
use super::permutation::EXACT_UP_TO;
use super::random::SplitMix64;

/// Resamples of a bootstrap: the ends of a 95 % interval of ten values rest on 60 of them each.
const RESAMPLES: usize = 9_999;

/// The limits of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
}

impl Interval {
    /// Returns whether a number lies within the limits.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// Returns the interval of a mean at a level of confidence such as 0.95: the one that inverts
/// the exact sign-flip test where as many values allow one ([`by_inversion`]), else Student's
/// ([`by_student`]). `None` of fewer than two values, or where one is not finite.
pub fn of_mean(values: &[f64], level: f64) -> Option<Interval> {
    by_inversion(values, level).or_else(|| by_student(values, level))
}

/// Returns the means that the exact sign-flip test does not refuse: with n values the means of
/// the 2ⁿ − 1 subsets in order, without the outermost `k − 1` on each side, `k = ⌊2ⁿ(1 − level)/2⌋`.
/// It holds the true mean with a probability of `1 − 2k/2ⁿ`, at least the level, where values are
/// independent and symmetric about it, whatever their distribution. `None` where `k` is 0 (at
/// 95 %: fewer than 6 values), of more than [`EXACT_UP_TO`] values, or where one is not finite.
///
/// # Source
/// Hartigan (1969), "Using subsample values as typical values", doi:10.1080/01621459.1969.10501057.
pub fn by_inversion(values: &[f64], level: f64) -> Option<Interval> {
    let n = values.len();
    if n > EXACT_UP_TO || !usable(values, level) {
        return None;
    }
    let patterns = (1_usize << n) as f64;
    // A hair more, since 1 − level is not exact in floating point.
    let cut = (patterns * (1.0 - level) / 2.0 * (1.0 + 1e-9)).floor() as usize;
    let first = cut.checked_sub(1)?;
    let mut means = subset_means(values);
    let last = means.len().checked_sub(cut)?;
    let low = *means.select_nth_unstable_by(first, f64::total_cmp).1;
    let high = *means.select_nth_unstable_by(last, f64::total_cmp).1;
    (low <= high).then_some(Interval { low, high })
}

/// Returns Student's interval of a mean: `x̄ ± t(1 − (1 − level)/2; n − 1)·s/√n`. `None` of fewer
/// than two values, or where one is not finite.
///
/// # Source
/// "Student" (1908), "The probable error of a mean", doi:10.2307/2331554.
pub fn by_student(values: &[f64], level: f64) -> Option<Interval> {
    let n = values.len() as f64;
    if values.len() < 2 || !usable(values, level) {
        return None;
    }
    let t = student_quantile((1.0 + level) / 2.0, n - 1.0);
    let half = t * sd(values)? / n.sqrt();
    let mean = mean(values);
    Some(Interval { low: mean - half, high: mean + half })
}

/// Returns a bootstrap interval of a statistic over items such as runs: bias-corrected and
/// accelerated (BCa), its normal quantile widened to Student's, `z = √(n/(n − 1))·t(n − 1)`, since
/// resamples of n items vary less than samples. `None` of fewer than two items, and where the
/// statistic of the items or of a resample is not finite.
///
/// # Source
/// Efron (1987), "Better bootstrap confidence intervals", doi:10.1080/01621459.1987.10478410; the
/// widening: Hesterberg (2015), doi:10.1080/00031305.2015.1089789, § 5 ("expanded" intervals).
pub fn bootstrap<T: Clone>(
    items: &[T],
    statistic: impl Fn(&[T]) -> f64,
    level: f64,
    seed: u64,
) -> Option<Interval> {
    let n = items.len() as f64;
    let estimate = statistic(items);
    if items.len() < 2 || !(0.0..1.0).contains(&level) || !estimate.is_finite() {
        return None;
    }
    let replicates = replicates(items, &statistic, seed)?;
    let widened = (n / (n - 1.0)).sqrt() * student_quantile((1.0 - level) / 2.0, n - 1.0);
    let correction = Correction::new(items, &statistic, estimate, &replicates);
    let end = |z: f64| at_share(&replicates, correction.share(z));
    Some(Interval { low: end(widened), high: end(-widened) })
}

/// Returns the standard deviation of values, with n − 1; `None` of fewer than two.
pub fn sd(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Returns the mean, NaN of no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn usable(values: &[f64], level: f64) -> bool {
    values.iter().all(|value| value.is_finite()) && level > 0.0 && level < 1.0
}

/// Returns the means of all subsets that are not empty, in no order.
fn subset_means(values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for value in values {
        sums.extend_from_within(..);
        let half = sums.len() / 2;
        sums[half..].iter_mut().for_each(|sum| *sum += value);
    }
    (sums.iter().enumerate().skip(1))
        .map(|(subset, sum)| sum / f64::from(subset.count_ones()))
        .collect()
}

/// Returns the statistic of resamples, in order; `None` where one is not finite.
fn replicates<T: Clone>(
    items: &[T],
    statistic: impl Fn(&[T]) -> f64,
    seed: u64,
) -> Option<Vec<f64>> {
    let mut random = SplitMix64::named("bootstrap", seed);
    let mut resample = items.to_vec();
    let mut replicates = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for item in &mut resample {
            item.clone_from(&items[random.below(items.len() as u64) as usize]);
        }
        replicates.push(statistic(&resample));
    }
    replicates.sort_by(f64::total_cmp);
    replicates.iter().all(|value| value.is_finite()).then_some(replicates)
}

/// Returns the replicate below which a share lies, between two by interpolation.
fn at_share(replicates: &[f64], share: f64) -> f64 {
    let last = replicates.len() - 1;
    let place = (share * (replicates.len() + 1) as f64 - 1.0).clamp(0.0, last as f64);
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    replicates[below] + (place - below as f64) * (replicates[above] - replicates[below])
}

/// What BCa corrects: bias `z₀` and the change of the scatter with the statistic, `a`.
struct Correction {
    z0: f64,
    a: f64,
}

impl Correction {
    fn new<T: Clone>(
        items: &[T],
        statistic: impl Fn(&[T]) -> f64,
        estimate: f64,
        replicates: &[f64],
    ) -> Self {
        let below = replicates.partition_point(|value| *value < estimate);
        let up_to = replicates.partition_point(|value| *value <= estimate);
        let count = replicates.len() as f64;
        let share = (below + up_to) as f64 / 2.0 / count;
        let z0 = normal_quantile(share.clamp(1.0 / (count + 1.0), count / (count + 1.0)));
        let without = |left_out: usize| {
            let others: Vec<T> = [&items[..left_out], &items[left_out + 1..]].concat();
            statistic(&others)
        };
        let jackknife: Vec<f64> = (0..items.len()).map(without).collect();
        let centre = mean(&jackknife);
        let power = |k: i32| jackknife.iter().map(|value| (centre - value).powi(k)).sum::<f64>();
        let a = power(3) / (6.0 * power(2).powf(1.5));
        // All items alike, or a statistic that has no value without one of them.
        Correction { z0, a: if a.is_finite() { a } else { 0.0 } }
    }

    /// Returns the share of replicates at which an interval ends whose normal quantile is z.
    fn share(&self, z: f64) -> f64 {
        let shifted = self.z0 + z;
        // Beyond its pole the correction is meaningless: the end is then the outermost replicate.
        let room = 1.0 - self.a * shifted;
        if room <= 0.0 {
            return if shifted > 0.0 { 1.0 } else { 0.0 };
        }
        normal_cdf(self.z0 + shifted / room)
    }
}

#[cfg(test)]
#[path = "interval_tests.rs"]
mod tests;
