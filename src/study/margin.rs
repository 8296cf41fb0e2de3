//! The stability margin: the learning rate at which a training diverges.
//!
//! Takes the probes of a ramp run, which trains a little at a safe rate and then raises the rate
//! exponentially: rate and loss on a fixed probe set, in the order of time. Gives one number, and
//! says where the ramp only bounds it. Its definition is fixed (`docs/methods.md`, "Study").

use serde::Serialize;

use crate::stats::robust::median;

/// Multiple of the running minimum at which the probe loss has diverged.
pub const DIVERGED: f64 = 4.0;

/// A look at the probe set during a ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RampProbe {
    /// Learning rate at that time, above 0.
    pub rate: f64,
    /// Loss on the probe set; what is not finite counts as infinite.
    pub loss: f64,
}

/// The stability margin of a ramp.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Margin {
    /// Decimal logarithm of the learning rate at divergence.
    pub log10_rate: f64,
    /// Whether the ramp tells that rate or a bound.
    pub censored: Censored,
}

/// What a ramp tells of the rate at divergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Censored {
    /// The rate itself.
    No,
    /// It lies at or below the first rate: the first probe was not finite.
    AtStart,
    /// It lies above the last rate: the ramp ended before the loss diverged.
    AtEnd,
}

/// Why a ramp has no margin.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum MarginError {
    /// There is nothing to judge.
    #[error("the ramp has no probes")]
    NoProbes,
    /// A rate makes no sense.
    #[error(
        "probe {probe}: the learning rate is {rate}, expected a number above 0 and not below the \
         one before it"
    )]
    Rate {
        /// Number of the probe, from 0.
        probe: usize,
        /// Its rate.
        rate: f64,
    },
}

/// Returns the margin of a ramp.
///
/// With rates `rᵢ` and losses `lᵢ`, `sᵢ = median(lᵢ₋₁, lᵢ, lᵢ₊₁)` (the first and the last probe
/// stand in for the neighbour that they lack) and `mᵢ = min over j ≤ i of sⱼ`, divergence is at
/// the first `i` with `sᵢ > 4 mᵢ₋₁`. Between that probe and the one before, `ln s` is taken as
/// linear in `ln r`:
/// `ln r* = ln rᵢ₋₁ + (ln rᵢ − ln rᵢ₋₁)·(ln 4mᵢ₋₁ − ln sᵢ₋₁)/(ln sᵢ − ln sᵢ₋₁)`, so that an infinite
/// `sᵢ` gives `rᵢ₋₁`. The margin is `log₁₀ r*`.
///
/// A probe that alone is high is thus no divergence, unless it is the last: who ends a ramp early
/// lets it go on for a second high probe.
///
/// # Errors
/// [`MarginError`].
pub fn margin(probes: &[RampProbe]) -> Result<Margin, MarginError> {
    let last = probes.last().ok_or(MarginError::NoProbes)?;
    let mut least_rate = 0.0;
    for (probe, &RampProbe { rate, .. }) in probes.iter().enumerate() {
        if !rate.is_finite() || rate <= 0.0 || rate < least_rate {
            return Err(MarginError::Rate { probe, rate });
        }
        least_rate = rate;
    }
    let smooth = smooth(&probes.iter().map(|probe| probe.loss).collect::<Vec<_>>());
    if smooth[0].is_infinite() {
        return Ok(Margin { log10_rate: probes[0].rate.log10(), censored: Censored::AtStart });
    }
    let mut minimum = smooth[0];
    for at in 1..probes.len() {
        let limit = DIVERGED * minimum;
        if smooth[at] > limit {
            let share = crossing(smooth[at - 1], limit, smooth[at]);
            let [before, after] = [probes[at - 1].rate.log10(), probes[at].rate.log10()];
            let log10_rate = before + share * (after - before);
            return Ok(Margin { log10_rate, censored: Censored::No });
        }
        minimum = minimum.min(smooth[at]);
    }
    Ok(Margin { log10_rate: last.rate.log10(), censored: Censored::AtEnd })
}

/// The mean of the margins of several ramps of one arm and shuffle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanMargin {
    /// Mean of the logarithms.
    pub log10_rate: f64,
    /// Ramps in it.
    pub ramps: usize,
    /// How many of them only bound the rate; the bound then stands for it.
    pub censored: usize,
}

/// Returns the mean of margins; `None` of none.
pub fn mean_margin(margins: &[Margin]) -> Option<MeanMargin> {
    let ramps = margins.len();
    let sum: f64 = margins.iter().map(|margin| margin.log10_rate).sum();
    let censored = margins.iter().filter(|margin| margin.censored != Censored::No).count();
    (ramps > 0).then(|| MeanMargin { log10_rate: sum / ramps as f64, ramps, censored })
}

/// Returns losses smoothed by a running median of three, what is not finite as infinite. The
/// first and the last stand in for the neighbour that they lack, and so stay as they are.
pub(super) fn smooth(losses: &[f64]) -> Vec<f64> {
    let at = |place: usize| Some(losses[place]).filter(|l| l.is_finite()).unwrap_or(f64::INFINITY);
    let last = losses.len().saturating_sub(1);
    (0..losses.len())
        .map(|place| {
            let mut three = [at(place.saturating_sub(1)), at(place), at((place + 1).min(last))];
            median(&mut three).unwrap_or(f64::INFINITY)
        })
        .collect()
}

/// Returns where between two losses, 0 to 1, their logarithm reaches a limit.
fn crossing(before: f64, limit: f64, after: f64) -> f64 {
    let share = (limit.ln() - before.ln()) / (after.ln() - before.ln());
    // A loss of 0 has no logarithm; everything above it is a jump.
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp from 1e-3 to 1 whose loss falls, then rises as a power of the rate.
    fn ramp(loss: impl Fn(usize, f64) -> f64, probes: usize) -> Vec<RampProbe> {
        (0..probes)
            .map(|i| {
                let rate = 10_f64.powf(-3.0 + 3.0 * i as f64 / (probes - 1) as f64);
                RampProbe { rate, loss: loss(i, rate) }
            })
            .collect()
    }

    /// Flat at 0.01 up to a rate of 0.1, then a power of the rate: 4 times at 0.1·4^(1/3).
    fn cubic(_: usize, rate: f64) -> f64 {
        0.01 * (rate / 0.1).powi(3).max(1.0)
    }

    #[test]
    fn a_power_law_is_met_exactly_whatever_the_grid() {
        for probes in [31, 52, 200] {
            let found = margin(&ramp(cubic, probes)).expect("a margin");
            let expected = (0.1 * 4_f64.powf(1.0 / 3.0)).log10();
            // The corner may fall between two probes, where the law is not a straight line.
            assert!((found.log10_rate - expected).abs() < 0.01, "{probes}: {found:?}");
            assert_eq!(found.censored, Censored::No);
        }
    }

    #[test]
    fn the_minimum_runs() {
        // Falls tenfold on its way: four times the first loss is never reached.
        let losses = [1.0, 0.5, 0.1, 0.1, 0.2, 0.3, 0.5, 0.6];
        let found = margin(&ramp(|i, _| losses[i], 8)).expect("a margin");
        // Smoothed the same; 0.4 lies between probes 5 and 6.
        let share = (0.4_f64 / 0.3).ln() / (0.5_f64 / 0.3).ln();
        let expected = -3.0 + 3.0 * (5.0 + share) / 7.0;
        assert!((found.log10_rate - expected).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn one_wild_probe_is_no_divergence_but_two_are() {
        let calm = margin(&ramp(cubic, 52)).expect("a margin");
        for wild in [1e6, f64::INFINITY, f64::NAN] {
            let once = ramp(|i, rate| if i == 10 { wild } else { cubic(i, rate) }, 52);
            assert_eq!(margin(&once), Ok(calm));
            let twice =
                ramp(|i, rate| if [10, 11].contains(&i) { wild } else { cubic(i, rate) }, 52);
            let found = margin(&twice).expect("a margin");
            let [before, after] = [twice[9].rate.log10(), twice[10].rate.log10()];
            assert!(before <= found.log10_rate && found.log10_rate < after, "{found:?}");
        }
    }

    #[test]
    fn a_run_that_ends_in_what_is_no_number_diverged_there() {
        let cut = ramp(|i, _| if i == 20 { f64::NAN } else { 0.01 }, 21);
        let found = margin(&cut).expect("a margin");
        assert_eq!(found, Margin { log10_rate: cut[19].rate.log10(), censored: Censored::No });
    }

    #[test]
    fn bounds_are_called_bounds() {
        let calm = ramp(|_, _| 0.01, 40);
        assert_eq!(margin(&calm), Ok(Margin { log10_rate: 0.0, censored: Censored::AtEnd }));
        let dead = ramp(|_, _| f64::NAN, 40);
        assert_eq!(margin(&dead), Ok(Margin { log10_rate: -3.0, censored: Censored::AtStart }));
        let zero = ramp(|i, _| if i < 5 { 0.0 } else { 1.0 }, 10);
        assert_eq!(margin(&zero).expect("a margin").censored, Censored::No);
        let mean = mean_margin(&[-1.0, -2.0].map(|log10_rate| Margin {
            log10_rate,
            censored: if log10_rate < -1.5 { Censored::AtEnd } else { Censored::No },
        }));
        assert_eq!(mean, Some(MeanMargin { log10_rate: -1.5, ramps: 2, censored: 1 }));
        assert_eq!(mean_margin(&[]), None);
    }

    #[test]
    fn rates_that_make_no_sense_are_refused() {
        assert_eq!(margin(&[]), Err(MarginError::NoProbes));
        for rate in [0.0, -1.0, f64::INFINITY, 0.5] {
            let probes = [RampProbe { rate: 0.6, loss: 1.0 }, RampProbe { rate, loss: 1.0 }];
            assert_eq!(margin(&probes), Err(MarginError::Rate { probe: 1, rate }));
        }
    }
}
