//! Spikes in a series of positive numbers: losses, norms of gradients.
//!
//! Takes one number a step; gives how far it lies above what those before it lead one to
//! expect. Large numbers only: what is too low is no spike. Never takes a spike into what it
//! expects, and never looks at a clock or at chance.
//!
//! Losses fall fast at first and slowly later, so that a long window's median would lag behind.
//! Here the *level* is that of the last few numbers, and the *scatter* that of the errors which
//! levels made in the last hundred or so, each in its own time: a trend enters neither much.
//!
//! # False alarms
//! Healthy series of 10,000 numbers, 200 of each kind; false spikes in a series, on average (most):
//!
//! | logarithm of the series | [`SpikeSettings::LOSS`] | [`SpikeSettings::NORM`] |
//! |---|---|---|
//! | normal, σ 0.05, 0.2 or 0.38 | 0 | 0 |
//! | the same, autocorrelated (0.9), σ 0.3 | 0 | 0 |
//! | a loss: fast fall, slow fall, cosine end; σ 0.2 or 0.38 | 0 | 0 |
//! | σ from 0.1 to 0.4 in the course of the series | 0 | 0 |
//! | σ 0.1, 0.4 in every other 300 | 0.08 (1) | 0.08 (1) |
//! | σ 0.1, 0.4 in 3 of every 12 | 0.06 (2) | 0.06 (2) |
//! | σ 0.25, every tenth number doubled, by chance | 0 | 0 |
//! | σ 0.25, every fiftieth number tripled, by chance | 0.24 (3) | 0.24 (3) |
//! | Student's t with 10 degrees of freedom, 0.35·t | 0.8 (4) | 0.07 (1) |
//! | with 5, 0.15·t | 0.7 (4) | 0.7 (4) |
//! | with 5, 0.25·t | **2.4** (7) | **1.7** (5) |
//! | normal, σ 0.5 | 0.5 (3) | 0 |
//! | normal, σ 0.65 (99th percentile 4.5 times the median) | **13** (25) | 0 |
//!
//! Ten times the level is always a spike of the loss. A number that is multiplied by ten is found
//! in 98 % of cases at σ 0.2, in 71 % at 0.38, where it may have been a low one.
//!
//! ```
//! use labelvet::stats::spikes::{SpikeDetector, SpikeSettings};
//!
//! let settings = SpikeSettings::LOSS;
//! let mut detector = SpikeDetector::default();
//! for step in 0..200 {
//!     detector.accept(0.01 + 1e-4 * f64::from(step % 7), &settings);
//! }
//! assert!(!detector.is_spike(0.02, &settings));
//! assert!(detector.is_spike(0.1, &settings));
//! ```

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::robust::{median, robust};

/// Fewest numbers that have a level.
const LEAST_LEVEL: usize = 5;
/// Fewest errors that have a scatter; before, the largest possible one is assumed.
const LEAST_ERRORS: usize = 20;

/// What counts as a spike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpikeSettings {
    /// Robust standard deviations above the level, above 0.
    pub z: f64,
    /// Multiple of the level below which nothing is a spike however even the series, above 1:
    /// the floor of the scatter.
    pub never_below: f64,
    /// Multiple of the level from which everything is a spike however uneven the series, at
    /// least `never_below`: the ceiling of the scatter.
    pub always_from: f64,
    /// Numbers that the level is the median of.
    pub level: usize,
    /// Errors of levels that the scatter is taken from.
    pub window: usize,
    /// Refused numbers in a row after which all is learned anew.
    pub relearn: u32,
}

impl SpikeSettings {
    /// For the loss of a batch: ten times the level always counts.
    pub const LOSS: SpikeSettings = SpikeSettings {
        z: 8.0,
        never_below: 5.0,
        always_from: 8.0,
        level: 11,
        window: 100,
        relearn: 50,
    };
    /// For the norm of a batch's gradient, whose tail is long: with single images the hundredth
    /// part of healthy steps has four to five times the median, and ten times it is no spike.
    pub const NORM: SpikeSettings = SpikeSettings { always_from: 100.0, ..SpikeSettings::LOSS };

    /// Returns how far above the level, in logarithms, spikes begin at a scatter.
    pub fn limit(&self, scatter: f64) -> f64 {
        (self.z * scatter).max(self.never_below.ln()).min(self.always_from.ln())
    }
}

/// What a series of positive numbers leads to expect.
///
/// With the last accepted numbers `x`, `ℓ = median(ln x)` is the level, `e = ln x − ℓ` the error
/// of the level before each, `σ = 1.4826·MAD(e)` the scatter. A new number has
/// `z = (ln x − ℓ)/σ`, where `σ` is at least `ln(never_below)/Z` and at most
/// `ln(always_from)/Z`; it is a spike where `z` is above `Z`, [`SpikeSettings::z`].
///
/// It is kept in single precision, which every text format gives back exactly: a detector that
/// was saved and loaded goes on as if it had not been.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpikeDetector {
    /// The last numbers, the oldest first.
    recent: VecDeque<f32>,
    /// Errors of levels, the oldest first.
    errors: VecDeque<f32>,
    /// Numbers that were refused since the last that was accepted.
    refused: u32,
}

impl SpikeDetector {
    /// Returns `z` of a number; `None` of the first few, and of what has no logarithm.
    pub fn z(&self, value: f64, settings: &SpikeSettings) -> Option<f64> {
        let mut errors: Vec<f64> = self.errors.iter().map(|&error| error.into()).collect();
        let known = robust(&mut errors).filter(|_| self.errors.len() >= LEAST_ERRORS);
        let scatter = known.map_or(f64::INFINITY, |known| known.sd);
        Some(settings.z * self.error(value)? / settings.limit(scatter))
    }

    /// Returns whether a number is a spike.
    pub fn is_spike(&self, value: f64, settings: &SpikeSettings) -> bool {
        self.z(value, settings).is_some_and(|z| z > settings.z)
    }

    /// Takes a number for a part of the series. One that has no logarithm is passed over.
    pub fn accept(&mut self, value: f64, settings: &SpikeSettings) {
        if value.is_finite() && value > 0.0 {
            if let Some(error) = self.error(value) {
                keep(&mut self.errors, error as f32, settings.window);
            }
            keep(&mut self.recent, value as f32, settings.level);
            self.refused = 0;
        }
    }

    /// Counts a number that is no part of the series. After many in a row it is the series that
    /// has changed, and all is learned anew.
    pub fn refuse(&mut self, settings: &SpikeSettings) {
        self.refused += 1;
        if self.refused >= settings.relearn {
            *self = SpikeDetector::default();
        }
    }

    /// Returns how far a number lies above the level, in logarithms.
    fn error(&self, value: f64) -> Option<f64> {
        if !(value.is_finite() && value > 0.0) || self.recent.len() < LEAST_LEVEL {
            return None;
        }
        let mut logs: Vec<f64> = self.recent.iter().map(|&x| f64::from(x).ln()).collect();
        Some(value.ln() - median(&mut logs)?)
    }
}

/// Adds a number, and lets the oldest go where there are more than `most`.
fn keep(numbers: &mut VecDeque<f32>, number: f32, most: usize) {
    numbers.push_back(number);
    while numbers.len() > most {
        numbers.pop_front();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A generator of noise.
    pub(crate) struct Noise(pub(crate) u64);

    impl Noise {
        /// Returns a number in [0, 1).
        pub(crate) fn unit(&mut self) -> f64 {
            // Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// Returns a number from the standard normal distribution.
        pub(crate) fn normal(&mut self) -> f64 {
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.unit()).cos()
        }

        /// Returns a number from Student's t distribution.
        fn student(&mut self, freedom: usize) -> f64 {
            let squares: f64 = (0..freedom).map(|_| self.normal().powi(2)).sum();
            self.normal() / (squares / freedom as f64).sqrt()
        }
    }

    /// Returns the logarithm of a loss that falls fast, then slowly, then by a cosine.
    pub(crate) fn falling(step: usize) -> f64 {
        let x = step as f64;
        let fast = -3.0 * (1.0 - (-x / 30.0).exp());
        let slow = -0.3 * (1.0 + x / 100.0).ln();
        let end = ((x - 7000.0) / 3000.0).max(0.0) * std::f64::consts::PI;
        0.7_f64.ln() + fast + slow - 0.6 * (1.0 - end.cos())
    }

    const STEPS: usize = 10_000;

    /// Returns the number of spikes in a series of logarithms.
    fn spikes(settings: &SpikeSettings, mut log: impl FnMut(usize) -> f64) -> usize {
        let mut detector = SpikeDetector::default();
        let mut found = 0;
        for step in 0..STEPS {
            let value = log(step).exp();
            if detector.is_spike(value, settings) {
                detector.refuse(settings);
                found += 1;
            } else {
                detector.accept(value, settings);
            }
        }
        found
    }

    #[test]
    fn healthy_series_have_no_spikes() {
        let (loss, norm) = (SpikeSettings::LOSS, SpikeSettings::NORM);
        for seed in 0..5 {
            let mut noise = Noise(seed);
            for scale in [0.05, 0.2, 0.38] {
                assert_eq!(spikes(&loss, |_| scale * noise.normal()), 0, "even, {scale}");
                assert_eq!(spikes(&loss, |step| falling(step) + scale * noise.normal()), 0);
            }
            let wider = |step: usize| 0.1 + 0.3 * step as f64 / STEPS as f64;
            assert_eq!(spikes(&loss, |step| wider(step) * noise.normal()), 0);
            assert_eq!(spikes(&norm, |_| 0.65 * noise.normal()), 0);
            let in_turns = |step: usize| if (step / 300).is_multiple_of(2) { 0.1 } else { 0.4 };
            assert!(spikes(&loss, |step| in_turns(step) * noise.normal()) <= 1);
            assert!(spikes(&norm, |_| 0.35 * noise.student(10)) <= 1);
        }
    }

    #[test]
    fn heavy_tails_have_few() {
        let mut noise = Noise(1);
        let loss = SpikeSettings::LOSS;
        let found: usize = (0..10).map(|_| spikes(&loss, |_| 0.15 * noise.student(5))).sum();
        assert!(found <= 12, "{found} in ten series");
    }

    #[test]
    fn ten_times_the_level_is_always_a_spike() {
        let settings = SpikeSettings::LOSS;
        for (seed, scale) in [(1, 0.05), (2, 0.2), (3, 0.38), (4, 0.65)] {
            let mut noise = Noise(seed);
            let mut detector = SpikeDetector::default();
            for step in 0..STEPS {
                let value = (falling(step) + scale * noise.normal()).exp();
                if let Some(error) = detector.error(value) {
                    let level = value / error.exp();
                    assert!(detector.is_spike(10.0 * level, &settings), "step {step}, {scale}");
                }
                detector.accept(value, &settings);
            }
        }
    }

    /// The level lags behind a trend, but not by so much.
    #[test]
    fn ten_times_the_trend_is_a_spike() {
        let (settings, mut noise) = (SpikeSettings::LOSS, Noise(7));
        let mut detector = SpikeDetector::default();
        for step in 0..STEPS {
            let spike = (falling(step) + 10_f64.ln()).exp();
            // It falls to a tenth within 40 steps; then the spike is where it came from.
            assert!(step < 40 || detector.is_spike(spike, &settings), "step {step}");
            detector.accept((falling(step) + 0.15 * noise.normal()).exp(), &settings);
        }
    }

    #[test]
    fn spikes_in_a_row_do_not_hide_each_other_until_the_series_is_learned_anew() {
        let settings = SpikeSettings::LOSS;
        let mut detector = SpikeDetector::default();
        (0..30).for_each(|_| detector.accept(1.0, &settings));
        for _ in 0..settings.relearn {
            assert!(detector.is_spike(9.0, &settings));
            detector.refuse(&settings);
        }
        assert_eq!(detector, SpikeDetector::default());
        (0..30).for_each(|_| detector.accept(9.0, &settings));
        assert!(!detector.is_spike(9.0, &settings));
        assert!(detector.is_spike(90.0, &settings));
    }

    #[test]
    fn what_has_no_logarithm_is_passed_over() {
        let settings = SpikeSettings::LOSS;
        let mut detector = SpikeDetector::default();
        for value in [1.0, 0.0, -1.0, f64::NAN, f64::INFINITY, 2.0, 1.5, 1.0] {
            assert_eq!(detector.z(value, &settings), None);
            detector.accept(value, &settings);
        }
        assert_eq!(detector.z(1.0, &settings), None, "four numbers have no level");
        detector.accept(1.0, &settings);
        assert!(detector.z(1.0, &settings).is_some());
        assert_eq!(detector.z(0.0, &settings), None);
    }

    #[test]
    fn what_was_saved_goes_on_as_if_it_had_not_been() {
        let settings = SpikeSettings::LOSS;
        let mut noise = Noise(3);
        let mut detector = SpikeDetector::default();
        (0..500).for_each(|_| detector.accept(noise.normal().exp(), &settings));
        let text = serde_json::to_string(&detector).expect("numbers");
        let mut again: SpikeDetector = serde_json::from_str(&text).expect("what was saved");
        for _ in 0..500 {
            let value = noise.normal().exp();
            let [one, other] =
                [&detector, &again].map(|detector| detector.z(value, &settings).map(f64::to_bits));
            assert_eq!(one, other);
            detector.accept(value, &settings);
            again.accept(value, &settings);
        }
        assert_eq!(detector, again);
    }
}
