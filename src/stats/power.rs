//! The smallest effect that a study could have seen.
//!
//! Takes the differences that a study found, gives the effect that its test would have had a
//! good chance to call real. Runs the test on drawn studies where there is no formula.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::distribution::{normal_cdf, student_quantile};
use super::interval::{by_inversion, sd};
use super::permutation::{EXACT_UP_TO, smallest_p};
use super::random::SplitMix64;

/// Most pairs for which studies are drawn; with more, the formula of Student's test is as good.
const DRAWN_UP_TO: usize = 12;
/// Studies drawn: the standard error of the result is below 1 %.
const STUDIES: usize = 10_000;

/// What was drawn before, by pairs, level and power: a study asks for the same again and again, and
/// the answer depends on nothing else.
static DRAWN: Mutex<BTreeMap<(usize, u64, u64), Option<f64>>> = Mutex::new(BTreeMap::new());

/// Returns the minimum detectable effect of a two-sided exact sign-flip test at a level `alpha`:
/// the mean difference, 0 or more and in the unit of the differences, that such a study would
/// call significant with a probability of `power`. `None` of fewer than two differences, where
/// one is not finite, and where so few pairs cannot be significant at all.
///
/// `MDE = s·δ(n, alpha, power)`, `s` the standard deviation of the differences and `δ` that of
/// [`detectable_sds`].
///
/// # Source
/// Bloom (1995), "Minimum detectable effects", doi:10.1177/0193841X9501900504.
pub fn minimum_detectable(differences: &[f64], alpha: f64, power: f64) -> Option<f64> {
    let sd = sd(differences).filter(|sd| sd.is_finite())?;
    Some(sd * detectable_sds(differences.len(), alpha, power)?)
}

/// Returns `δ`, the minimum detectable effect of n pairs in standard deviations of their
/// differences, if these are normal. `None` where n pairs cannot be significant at `alpha`, and
/// where `alpha` or `power` do not lie between 0 and 1.
///
/// - Where only equal signs of all pairs are significant: the `δ` at which
///   `Φ(δ)ⁿ + Φ(−δ)ⁿ = power`.
/// - Up to 12 pairs: a study with differences `δ + zᵢ` is significant where the lower limit of the
///   interval of the `zᵢ` that inverts the test at `1 − alpha` lies above `−δ`. So `δ` is the
///   quantile at `power` of that limit's opposite, in 10,000 drawn studies.
/// - Beyond: `δ = (t(1 − alpha/2; n − 1) + t(power; n − 1))/√n`, of Student's test, whose power
///   the sign-flip test has within 2 % of δ there.
pub fn detectable_sds(n: usize, alpha: f64, power: f64) -> Option<f64> {
    let inside = |share: f64| share > 0.0 && share < 1.0;
    if n < 2 || !inside(alpha) || !inside(power) || smallest_p(n) > alpha {
        return None;
    }
    if n <= EXACT_UP_TO && 2.0 * smallest_p(n) > alpha {
        return Some(of_equal_signs(n, power));
    }
    if n <= DRAWN_UP_TO {
        let key = (n, alpha.to_bits(), power.to_bits());
        let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
        return *drawn.entry(key).or_insert_with(|| by_drawing(n, alpha, power));
    }
    let t = |share: f64| student_quantile(share, (n - 1) as f64);
    Some((t(1.0 - alpha / 2.0) + t(power)) / (n as f64).sqrt())
}

/// Returns the `δ` at which all n signs are equal with a probability, by bisection.
fn of_equal_signs(n: usize, power: f64) -> f64 {
    let exponent = n as f64;
    let equal = |d: f64| normal_cdf(d).powf(exponent) + normal_cdf(-d).powf(exponent);
    let (mut low, mut high) = (0.0, 40.0);
    while high - low > 1e-9 {
        let middle = (low + high) / 2.0;
        if equal(middle) < power { low = middle } else { high = middle }
    }
    high
}

fn by_drawing(n: usize, alpha: f64, power: f64) -> Option<f64> {
    let mut random = SplitMix64::named("minimum detectable effect", 0);
    let mut needed = Vec::with_capacity(STUDIES);
    for _ in 0..STUDIES {
        let study: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        needed.push(-by_inversion(&study, 1.0 - alpha)?.low);
    }
    let place = ((STUDIES as f64 * power).ceil() as usize).clamp(1, STUDIES) - 1;
    Some(needed.select_nth_unstable_by(place, f64::total_cmp).1.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::permutation::sign_flip;

    /// Level of Holm's first step of four tests.
    const ALPHA: f64 = 0.05 / 4.0;

    /// Returns how often studies with an effect are significant.
    fn power_of(n: usize, effect: f64, studies: u32) -> f64 {
        let mut random = SplitMix64::named("power", n as u64);
        let significant = |_: &u32| {
            let study: Vec<f64> = (0..n).map(|_| effect + random.normal()).collect();
            sign_flip(&study, 0).expect("a test").p <= ALPHA
        };
        f64::from((0..studies).filter(significant).count() as u32) / f64::from(studies)
    }

    #[test]
    fn four_in_five_studies_see_the_smallest_effect() {
        // Standard error 0.006; for 13 pairs and more the formula is 2 % off at most.
        for (n, tolerance) in [(8, 0.02), (9, 0.02), (10, 0.02), (12, 0.02), (13, 0.03), (16, 0.03)]
        {
            let effect = detectable_sds(n, ALPHA, 0.8).expect("enough pairs");
            let power = power_of(n, effect, 4000);
            assert!((power - 0.8).abs() < tolerance, "{n}: {effect} has {power}");
        }
    }

    #[test]
    fn eight_pairs_need_equal_signs() {
        let effect = detectable_sds(8, ALPHA, 0.8).expect("enough pairs");
        assert!((normal_cdf(effect).powi(8) - 0.8).abs() < 1e-6, "{effect}");
        assert_eq!(format!("{effect:.3}"), "1.919");
        let found = minimum_detectable(&[1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0], ALPHA, 0.8);
        let sd = (8.0_f64 / 7.0).sqrt();
        assert!((found.expect("an effect") - effect * sd).abs() < 1e-9);
    }

    #[test]
    fn more_pairs_see_smaller_effects() {
        let effects: Vec<f64> = (8..=22).filter_map(|n| detectable_sds(n, ALPHA, 0.8)).collect();
        assert_eq!(effects.len(), 15);
        assert!(effects.windows(2).all(|pair| pair[0] > pair[1]), "{effects:?}");
    }

    #[test]
    fn too_few_see_nothing() {
        assert_eq!(detectable_sds(7, ALPHA, 0.8), None);
        assert_eq!(detectable_sds(0, 0.5, 0.8), None);
        assert_eq!(detectable_sds(8, ALPHA, 1.0), None);
        assert_eq!(detectable_sds(8, f64::NAN, 0.8), None);
        assert_eq!(minimum_detectable(&[1.0; 7], ALPHA, 0.8), None);
        let infinite = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, f64::INFINITY];
        assert_eq!(minimum_detectable(&infinite, ALPHA, 0.8), None);
        assert_eq!(minimum_detectable(&[2.0; 8], ALPHA, 0.8), Some(0.0));
    }
}
