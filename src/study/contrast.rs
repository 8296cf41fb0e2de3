//! Contrasts: what one arm did differently from another on the same shuffles.
//!
//! Takes an endpoint's values of two arms, paired by shuffle; gives the mean difference, its
//! interval and, for the four primary contrasts of a study with enough shuffles, p-values that
//! account for there being four. Leaves out no pair silently: those without two numbers are
//! counted.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::stats::interval::{mean, of_mean};
use crate::stats::permutation::{holm, sign_flip};
use crate::stats::power::minimum_detectable;

/// Level at which the family of primary contrasts may err once.
pub const ALPHA: f64 = 0.05;
/// Level of confidence of the intervals, each on its own.
pub const CONFIDENCE: f64 = 0.95;
/// Power of the minimum detectable effect.
pub const POWER: f64 = 0.8;
/// Fewest pairs that are tested: with 8 the smallest p, 2/2⁸ = 0.0078, is below Holm's first step,
/// 0.05/4 = 0.0125; with 7 it is not.
pub const LEAST_PAIRS: usize = 8;
/// Tests in the family, whether all of them could be made or not: two contrasts, two endpoints.
pub const FAMILY: usize = 4;

/// What a run is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Natural logarithm of the mean test error against reference labels. Lower is better.
    TestError,
    /// Spikes of the loss above five times its level per 1,000 steps, as
    /// [`spikes`](super::measures::spikes) has it, under the default optimiser. Lower is better.
    SpikeRate,
    /// Decimal logarithm of the learning rate at which a ramp run diverges, as
    /// [`margin`](super::margin) has it. Higher is better.
    StabilityMargin,
}

impl Endpoint {
    /// Returns a measured value on the scale on which differences are taken: the logarithm of a
    /// test error (above 0, in pixels or body lengths), a rate of spikes and a margin as they are.
    /// Not finite where the value is not usable.
    pub fn scaled(self, value: f64) -> f64 {
        match self {
            Endpoint::TestError => value.ln(),
            Endpoint::SpikeRate | Endpoint::StabilityMargin => value,
        }
    }

    /// Returns whether a difference is one for the better; `None` of 0 and of NaN.
    pub fn is_better(self, difference: f64) -> Option<bool> {
        let is_rise = (difference != 0.0 && !difference.is_nan()).then_some(difference > 0.0)?;
        Some(match self {
            Endpoint::TestError | Endpoint::SpikeRate => !is_rise,
            Endpoint::StabilityMargin => is_rise,
        })
    }

    /// Returns a difference as what was measured changes: error and learning rate by a factor,
    /// spikes by so many per 1,000 steps.
    pub fn effect(self, difference: f64) -> f64 {
        match self {
            Endpoint::TestError => difference.exp(),
            Endpoint::SpikeRate => difference,
            Endpoint::StabilityMargin => 10_f64.powf(difference),
        }
    }
}

/// Which arms are compared: the first less the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contrast {
    /// Primary: flagged labels left out, against as many unflagged ones left out.
    CleanMinusRandom,
    /// Primary: the stable optimiser settings against the default ones, on the labels as they are.
    StableMinusDefault,
    /// The positive control where errors were planted: true labels against those with errors.
    TruthMinusDirty,
    /// Flagged labels left out, against the labels as they are: fewer examples, too.
    CleanMinusDirty,
    /// The whole patch with swaps turned back, against the labels as they are.
    FixedMinusDirty,
}

impl Contrast {
    /// Returns whether it is one of the two that a verdict rests on.
    pub fn is_primary(self) -> bool {
        matches!(self, Contrast::CleanMinusRandom | Contrast::StableMinusDefault)
    }

    /// Returns the two endpoints that it is judged by. Ramps tell optimisers apart, not labels;
    /// see `docs/methods.md`, "Study".
    pub fn endpoints(self) -> [Endpoint; 2] {
        match self {
            Contrast::StableMinusDefault => [Endpoint::TestError, Endpoint::StabilityMargin],
            _ => [Endpoint::TestError, Endpoint::SpikeRate],
        }
    }

    /// Returns whether a verdict rests on it at an endpoint.
    pub fn is_primary_at(self, endpoint: Endpoint) -> bool {
        self.is_primary() && self.endpoints().contains(&endpoint)
    }
}

/// An endpoint's values of both arms on one shuffle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Number of the shuffle.
    pub shuffle: u32,
    /// Value of the first arm: a test error above 0, spikes per 1,000 steps, or the decimal
    /// logarithm of a rate. Several
    /// runs of one arm on one shuffle are averaged before.
    pub treated: f64,
    /// Value of the second arm.
    pub control: f64,
    /// Whether either is only a bound, from a ramp that ended before its loss diverged.
    pub censored: bool,
}

/// The pairs of one contrast at one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The contrast.
    pub contrast: Contrast,
    /// Shuffles that the design asked for.
    pub planned: usize,
    /// What came of them, at most one a shuffle.
    pub pairs: Vec<Pair>,
}

/// What a contrast came to. Differences are first arm less second, on the endpoint's scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContrastResult {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The contrast.
    pub contrast: Contrast,
    /// Mean difference; `None` of no pairs.
    pub estimate: Option<f64>,
    /// Lower limit of the 95 % interval of the mean difference; `None` of one pair.
    pub ci_low: Option<f64>,
    /// Upper limit.
    pub ci_high: Option<f64>,
    /// Two-sided p-value of the exact sign-flip test: of primary contrasts of at least
    /// [`LEAST_PAIRS`] pairs.
    pub p: Option<f64>,
    /// The same adjusted for [`FAMILY`] tests.
    pub p_holm: Option<f64>,
    /// Size of the mean difference, above 0, that a test of as many pairs with as much scatter
    /// calls significant in 80 % of cases at Holm's first step; where `p` is given.
    pub minimum_detectable: Option<f64>,
    /// Pairs that it rests on.
    pub n: usize,
    /// Planned shuffles that gave no pair: a run failed, or its number is not finite.
    pub missing: usize,
    /// Pairs of which a value is only a bound.
    pub censored: usize,
    /// The differences, in the order of shuffles.
    pub differences: Vec<f64>,
}

/// What a contrast says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Significant, for the better.
    Better,
    /// Significant, for the worse.
    Worse,
    /// Tested and not significant.
    Unclear,
    /// Not tested.
    Untested,
}

impl ContrastResult {
    /// Returns what it says at [`ALPHA`], for the family.
    pub fn outcome(&self) -> Outcome {
        match (self.p_holm, self.estimate) {
            (Some(p), Some(estimate)) if p <= ALPHA => match self.endpoint.is_better(estimate) {
                Some(true) => Outcome::Better,
                Some(false) => Outcome::Worse,
                None => Outcome::Unclear,
            },
            (Some(_), _) => Outcome::Unclear,
            (None, _) => Outcome::Untested,
        }
    }

    /// Returns whether the whole interval lies on the side of what is better.
    pub fn interval_is_better(&self) -> bool {
        let better = |limit: Option<f64>| limit.and_then(|limit| self.endpoint.is_better(limit));
        better(self.ci_low) == Some(true) && better(self.ci_high) == Some(true)
    }
}

/// Why contrasts make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContrastError {
    /// Two pairs of one shuffle would count as independent.
    #[error("{what}: shuffle {shuffle} is given twice, expected one pair a shuffle")]
    RepeatedShuffle {
        /// Endpoint and contrast.
        what: String,
        /// The shuffle.
        shuffle: u32,
    },
    /// A contrast would be tested twice.
    #[error("{what} is given twice")]
    RepeatedContrast {
        /// Endpoint and contrast.
        what: String,
    },
}

/// Returns the results of all contrasts of a study, sorted by contrast, then endpoint. The seed
/// matters only to more than 20 pairs, whose patterns of signs are drawn.
///
/// # Errors
/// [`ContrastError`].
pub fn compare(study: &[Paired], seed: u64) -> Result<Vec<ContrastResult>, ContrastError> {
    let mut study: Vec<&Paired> = study.iter().collect();
    study.sort_by_key(|paired| (paired.contrast, paired.endpoint));
    for pair in study.windows(2) {
        if (pair[0].contrast, pair[0].endpoint) == (pair[1].contrast, pair[1].endpoint) {
            return Err(ContrastError::RepeatedContrast { what: pair[0].to_string() });
        }
    }
    let mut results = study
        .into_iter()
        .map(|paired| one(paired, seed))
        .collect::<Result<Vec<_>, ContrastError>>()?;
    // A test of the family that could not be made counts as one that found nothing.
    let mut family: Vec<f64> = results.iter().filter_map(|result| result.p).collect();
    family.resize(family.len().max(FAMILY), 1.0);
    let mut adjusted = holm(&family).into_iter();
    for result in results.iter_mut().filter(|result| result.p.is_some()) {
        result.p_holm = adjusted.next();
    }
    Ok(results)
}

fn one(paired: &Paired, seed: u64) -> Result<ContrastResult, ContrastError> {
    let Paired { endpoint, contrast, planned, .. } = *paired;
    let mut shuffles = BTreeSet::new();
    for &Pair { shuffle, .. } in &paired.pairs {
        if !shuffles.insert(shuffle) {
            return Err(ContrastError::RepeatedShuffle { what: paired.to_string(), shuffle });
        }
    }
    let mut pairs = paired.pairs.clone();
    pairs.sort_by_key(|pair| pair.shuffle);
    let difference = |pair: &Pair| endpoint.scaled(pair.treated) - endpoint.scaled(pair.control);
    pairs.retain(|pair| difference(pair).is_finite());
    let differences: Vec<f64> = pairs.iter().map(difference).collect();
    let n = differences.len();
    let tested = contrast.is_primary_at(endpoint) && n >= LEAST_PAIRS;
    let interval = of_mean(&differences, CONFIDENCE);
    let smallest = || minimum_detectable(&differences, ALPHA / FAMILY as f64, POWER);
    Ok(ContrastResult {
        endpoint,
        contrast,
        estimate: (n > 0).then(|| mean(&differences)),
        ci_low: interval.map(|interval| interval.low),
        ci_high: interval.map(|interval| interval.high),
        p: tested.then(|| sign_flip(&differences, seed)).flatten().map(|test| test.p),
        p_holm: None,
        minimum_detectable: tested.then(smallest).flatten(),
        n,
        missing: planned.saturating_sub(n),
        censored: pairs.iter().filter(|pair| pair.censored).count(),
        differences,
    })
}

impl fmt::Display for Paired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contrast = match self.contrast {
            Contrast::CleanMinusRandom => "clean - random",
            Contrast::StableMinusDefault => "stable - default",
            Contrast::TruthMinusDirty => "truth - dirty",
            Contrast::CleanMinusDirty => "clean - dirty",
            Contrast::FixedMinusDirty => "fixed - dirty",
        };
        let endpoint = match self.endpoint {
            Endpoint::TestError => "test error",
            Endpoint::SpikeRate => "spike rate",
            Endpoint::StabilityMargin => "stability margin",
        };
        write!(f, "{endpoint}, {contrast}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margins(contrast: Contrast, differences: &[f64]) -> Paired {
        let pairs = (differences.iter().zip(0..))
            .map(|(d, shuffle)| Pair { shuffle, treated: -1.0 + d, control: -1.0, censored: false })
            .collect();
        let endpoint = Endpoint::StabilityMargin;
        Paired { endpoint, contrast, planned: differences.len(), pairs }
    }

    /// The pilot of the margin on openfield: rates at divergence of clean and dirty labels in
    /// eight seeds; log10 ratio 0.35 on average, SD 0.19, p = 0.008.
    #[test]
    fn the_pilot_of_the_margin() {
        let clean = [0.080, 0.061, 0.054, 0.061, 0.061, 0.105, 0.080, 0.119_f64];
        let dirty = [0.028, 0.036, 0.047, 0.041, 0.024, 0.032, 0.036, 0.028_f64];
        let differences: Vec<f64> =
            clean.iter().zip(dirty).map(|(clean, dirty)| (clean / dirty).log10()).collect();
        let found = compare(&[margins(Contrast::StableMinusDefault, &differences)], 0);
        let [result] = &found.expect("one contrast")[..] else { panic!("not one") };
        assert_eq!(format!("{:.2}", result.estimate.expect("pairs")), "0.35");
        assert_eq!(result.p, Some(2.0 / 256.0));
        assert_eq!(result.p_holm, Some(8.0 / 256.0));
        assert_eq!(result.outcome(), Outcome::Better);
        assert!(result.interval_is_better());
        // δ(8) = 1.919 times the SD.
        let smallest = result.minimum_detectable.expect("tested");
        assert!((smallest / 0.19 - 1.919).abs() < 0.06, "{smallest}");
    }

    #[test]
    fn errors_are_compared_by_their_logarithms_and_lower_is_better() {
        let pairs = (0..8)
            .map(|shuffle| {
                let control = 2.0 + f64::from(shuffle);
                Pair { shuffle, treated: 0.8 * control, control, censored: false }
            })
            .collect();
        let endpoint = Endpoint::TestError;
        let contrast = Contrast::StableMinusDefault;
        let found = compare(&[Paired { endpoint, contrast, planned: 8, pairs }], 0);
        let result = &found.expect("one contrast")[0];
        assert!((result.estimate.expect("pairs") - 0.8_f64.ln()).abs() < 1e-12);
        assert_eq!(result.outcome(), Outcome::Better);
    }

    #[test]
    fn below_eight_pairs_there_is_no_p() {
        let found = compare(&[margins(Contrast::CleanMinusRandom, &[0.3; 7])], 0);
        let result = &found.expect("one contrast")[0];
        assert_eq!((result.p, result.p_holm, result.minimum_detectable), (None, None, None));
        assert_eq!(result.outcome(), Outcome::Untested);
        let found = compare(&[margins(Contrast::CleanMinusRandom, &[0.3])], 0);
        let result = &found.expect("one contrast")[0];
        assert_eq!((result.estimate.is_some(), result.ci_low), (true, None));
        let found = compare(&[margins(Contrast::CleanMinusRandom, &[])], 0);
        assert_eq!(found.expect("one contrast")[0].estimate, None);
    }

    #[test]
    fn only_primary_contrasts_are_tested_and_the_family_is_always_four() {
        let some = [0.3, 0.2, 0.4, 0.1, 0.3, 0.2, 0.5, -0.05];
        let study = [
            margins(Contrast::TruthMinusDirty, &some),
            margins(Contrast::StableMinusDefault, &some),
            margins(Contrast::CleanMinusRandom, &some),
        ];
        let found = compare(&study, 0).expect("contrasts");
        assert_eq!(found[0].contrast, Contrast::CleanMinusRandom);
        assert_eq!(found[0].p, None, "ramps do not judge labels");
        assert_eq!(found[1].contrast, Contrast::StableMinusDefault);
        assert_eq!(found[1].p, Some(4.0 / 256.0));
        assert_eq!(found[1].p_holm, Some(16.0 / 256.0));
        assert_eq!(found[1].outcome(), Outcome::Unclear);
        assert_eq!(found[2].p, None);
        assert!(found[2].interval_is_better());
    }

    #[test]
    fn pairs_without_numbers_are_counted() {
        let mut paired = margins(Contrast::CleanMinusRandom, &[0.1; 9]);
        paired.planned = 10;
        paired.pairs[4].treated = f64::NAN;
        paired.pairs[5].censored = true;
        paired.pairs.reverse();
        let result = compare(&[paired], 0).expect("contrasts").remove(0);
        assert_eq!((result.n, result.missing, result.censored), (8, 2, 1));
    }

    #[test]
    fn nothing_is_counted_twice() {
        let once = margins(Contrast::CleanMinusRandom, &[0.1; 8]);
        let mut repeated = once.clone();
        repeated.pairs[7].shuffle = 3;
        let error = compare(&[repeated], 0).expect_err("a shuffle twice").to_string();
        assert!(error.contains("clean - random: shuffle 3 is given twice"), "{error}");
        let error = compare(&[once.clone(), once], 0).expect_err("twice").to_string();
        assert_eq!(error, "stability margin, clean - random is given twice");
    }

    #[test]
    fn names_in_json() {
        let found = compare(&[margins(Contrast::StableMinusDefault, &[0.1; 8])], 0);
        let json = serde_json::to_value(&found.expect("contrasts")[0]).expect("numbers");
        assert_eq!(json["endpoint"], "stability_margin");
        assert_eq!(json["contrast"], "stable_minus_default");
        for key in ["estimate", "ci_low", "ci_high", "p", "p_holm", "minimum_detectable", "n"] {
            assert!(json[key].is_number(), "{key}: {json}");
        }
    }
}
