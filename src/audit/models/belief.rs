//! From distances to probabilities: a right value follows a t distribution around its
//! place, a wrong one lies anywhere within reach.

use crate::stats::robust;

/// Returns the probability of a hypothesis.
///
/// `log_ratio` is the logarithm of the likelihood ratio in its favour.
pub(in crate::audit) fn posterior(prior: f64, log_ratio: f64) -> f64 {
    1.0 / (1.0 + (1.0 - prior) / prior * (-log_ratio).exp())
}

/// Returns the probability that a quantity is wrong: the natural logarithm of a right
/// one follows a t distribution with four degrees of freedom, `z` standard deviations of
/// `sd` from its centre; that of a wrong one is anything up to a factor of eight away.
pub(in crate::audit) fn wrong_ratio(z: f64, sd: f64, prior: f64) -> f64 {
    // Density of t with 4 degrees of freedom: 3/8 (1 + z²/4)^(-5/2).
    let right = -2.5 * (z * z / 4.0).ln_1p() + (0.375 / sd).ln();
    let anything = -(2.0 * 8.0_f64.ln()).ln();
    posterior(prior, anything - right)
}

/// Returns the logarithm of a likelihood ratio, positive for a wrong place: a right one follows a
/// bivariate t distribution at `surprise` and `sd_px`, a wrong one is anywhere within `reach_px`.
pub(in crate::audit) fn wrong_place(surprise: f64, sd_px: f64, reach_px: f64) -> f64 {
    // Densities 1/(2π sd²) exp(-surprise) and 1/(π reach²).
    let right = -surprise - (2.0 * sd_px * sd_px).ln();
    let anywhere = -(reach_px * reach_px).ln();
    anywhere - right
}

/// Returns the logarithm of a likelihood ratio, positive for a wrong place: a right one is expected
/// with a density per px², whose natural logarithm is given, a wrong one anywhere within `reach_px`.
pub(in crate::audit) fn anywhere_ratio(log_density: f64, reach_px: f64) -> f64 {
    -(std::f64::consts::PI * reach_px * reach_px).ln() - log_density
}

/// Returns the negative logarithm of the density of a bivariate t distribution at a
/// distance in standard deviations, without its constant.
///
/// # Source
/// Lange, Little & Taylor, "Robust statistical modeling using the t distribution",
/// JASA 84 (1989), equation 1.
pub(in crate::audit) fn surprise(z: f64, freedom: f64) -> f64 {
    (freedom + 2.0) / 2.0 * (z * z / freedom).ln_1p()
}

/// Returns the distance within which a share of a bivariate t distribution lies:
/// 1 - (1 + z²/ν)^(-ν/2) solved for z.
pub(in crate::audit) fn t_quantile(share: f64, freedom: f64) -> f64 {
    (freedom * ((1.0 - share).powf(-2.0 / freedom) - 1.0)).sqrt()
}

/// Fewest degrees of freedom, for distances that are often far off; Lange, Little &
/// Taylor use 4 where they cannot be estimated.
pub(in crate::audit) const LEAST_FREEDOM: f64 = 4.0;

/// How distances scatter around what was predicted: a bivariate t distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Usual {
    /// What a standard deviation must be multiplied by. Positive.
    pub(in crate::audit) scale: f64,
    /// Degrees of freedom: the fewer, the more often it is far off.
    pub(in crate::audit) freedom: f64,
}

impl Usual {
    /// Returns what fits distances in standard deviations, of which a tenth may be wrong: their
    /// median and their upper tenth tell scale and degrees of freedom.
    pub(in crate::audit) fn of(all: &mut [f64]) -> Usual {
        let middle = robust::quantile(all, 0.5).unwrap_or(0.0);
        let upper = robust::quantile(all, 0.9).unwrap_or(0.0);
        let freedom = (FREEDOMS.into_iter())
            .find(|&freedom| upper * t_quantile(0.5, freedom) <= middle * t_quantile(0.9, freedom))
            .unwrap_or(LEAST_FREEDOM);
        let scale = (middle / t_quantile(0.5, freedom)).max(upper / t_quantile(0.9, freedom));
        Usual { scale: scale.max(LEAST_SCALE), freedom }
    }

    /// Returns the natural logarithm of the density, per px², at a distance in standard deviations
    /// of `sd_px`.
    pub(in crate::audit) fn log_density(self, z: f64, sd_px: f64) -> f64 {
        let area_px2 = std::f64::consts::TAU * (sd_px * self.scale).powi(2);
        -surprise(z / self.scale, self.freedom) - area_px2.ln()
    }
}

/// Degrees of freedom that are told apart, lightest tails first. 16 is still far from
/// a normal distribution in the tails that matter here.
const FREEDOMS: [f64; 5] = [16.0, 11.0, 8.0, 5.5, LEAST_FREEDOM];
/// Where labels agree better than this with their witnesses, they were made of each
/// other.
const LEAST_SCALE: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_evidence_the_prior_stays() {
        assert!((posterior(0.01, 0.0) - 0.01).abs() < 1e-12);
        assert!(posterior(0.01, 20.0) > 0.999 && posterior(0.01, -20.0) < 1e-9);
    }

    #[test]
    fn quantiles_approach_those_of_the_rayleigh_distribution() {
        let rayleigh = (-2.0 * 0.1_f64.ln()).sqrt();
        assert!((t_quantile(0.9, 1e6) - rayleigh).abs() < 1e-3);
        assert!(t_quantile(0.9, 4.0) > 1.1 * rayleigh);
    }

    #[test]
    fn far_places_and_lengths_are_wrong_near_ones_are_not() {
        let wrong = |z: f64| posterior(0.01, wrong_place(surprise(z, 4.0), 2.0, 100.0));
        assert!(wrong(1.0) < 0.001 && wrong(30.0) > 0.9);
        // ln 8 + 3 ln 101 - 2 ln 100 = 6.714 in favour, against prior odds of 1 to 99.
        assert!((wrong(20.0) - 0.893).abs() < 0.001);
        assert!(wrong_ratio(1.0, 0.1, 0.01) < 0.01 && wrong_ratio(20.0, 0.1, 0.01) > 0.9);
        // 5/2 ln 37 - ln 3.75 - ln(2 ln 8) = 6.280 in favour.
        assert!((wrong_ratio(12.0, 0.1, 0.01) - 0.844).abs() < 0.001);
    }
}
