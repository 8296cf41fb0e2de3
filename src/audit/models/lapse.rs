//! When to believe a model rather than a label: what the scores of its predictions are worth, and
//! how often labels lapse, both learned from the dataset itself.
//!
//! A prediction of score p is right with the probability π(p), and a right one is confirmed by a
//! label unless that label is at fault, which happens with the rate λ:
//!
//! ```text
//! P(confirmed | p) = (1 − λ) π(p),    π(p) = 1 / (1 + exp(−(a + b ln(p / (1 − p)))))
//! ```
//!
//! That is a logistic curve with lapses: where even the surest predictions are not always
//! confirmed, the rest is λ. What is not confirmed is then the label's fault with probability
//! λ π / (1 − (1 − λ) π). A model that is sure and wrong throughout looks like labels that lapse;
//! the data cannot tell these apart.
//!
//! # Source
//! Wichmann & Hill, "The psychometric function: I", Perception & Psychophysics 63, 2001, for the
//! lapse rate; Platt, "Probabilistic outputs for support vector machines", 1999, for the curve;
//! Dempster, Laird & Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B
//! 39, 1977, for the fit, from several starts.

/// A prediction, and whether a label confirms it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Trial {
    /// Confidence, 0 to 1; what lies outside counts as the nearer end.
    pub(in crate::audit) score: f64,
    /// Whether a label says the same.
    pub(in crate::audit) confirmed: bool,
}

/// The fitted curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Lapse {
    /// λ, share of right predictions that no label confirms.
    rate: f64,
    intercept: f64,
    slope: f64,
}

/// As if so many right predictions had been seen before the data, the expected share of them
/// unconfirmed.
const PRIOR_TRIALS: f64 = 20.0;
/// Standard deviations of a around 0 and of b around 1. How sure a model is may be off by much;
/// that its scores tell right from wrong is relied on, since a curve as flat as lapses are cannot
/// be told from them.
const INTERCEPT_SD: f64 = 3.0;
const SLOPE_SD: f64 = 0.25;
/// Rates of lapses that the fit starts from, beside the expected one: it ends at the nearest of
/// several explanations, of which the likeliest counts.
const STARTS: [f64; 3] = [0.01, 0.1, 0.3];
/// Scores are kept this far from 0 and 1, whose log-odds are infinite.
const EDGE: f64 = 1e-3;
/// Steps of the fit at most, and the change of λ below which it ends.
const STEPS: usize = 300;
const SETTLED: f64 = 1e-7;

impl Lapse {
    /// Fits the curve. `expected` is the share of labels at fault before looking, above 0 and
    /// below 1.
    pub(in crate::audit) fn fit(trials: &[Trial], expected: f64) -> Lapse {
        let mut best = Lapse::climb(trials, expected, expected);
        let mut most = best.log_posterior(trials, expected);
        for start in STARTS {
            let other = Lapse::climb(trials, expected, start);
            let likelihood = other.log_posterior(trials, expected);
            if likelihood > most {
                (best, most) = (other, likelihood);
            }
        }
        best
    }

    /// Fits the curve from a first rate.
    fn climb(trials: &[Trial], expected: f64, rate: f64) -> Lapse {
        let mut lapse = Lapse { rate, intercept: 0.0, slope: 1.0 };
        for _ in 0..STEPS {
            let before = lapse.rate;
            lapse.step(trials, expected);
            if (lapse.rate - before).abs() < SETTLED {
                break;
            }
        }
        lapse
    }

    /// Returns the logarithm of the posterior density, without its constant.
    fn log_posterior(&self, trials: &[Trial], expected: f64) -> f64 {
        let of = |trial: &Trial| {
            let confirmed = (1.0 - self.rate) * self.right(trial.score);
            if trial.confirmed { confirmed.ln() } else { (-confirmed).ln_1p() }
        };
        let curve =
            (self.intercept / INTERCEPT_SD).powi(2) + ((self.slope - 1.0) / SLOPE_SD).powi(2);
        let lapses = expected * self.rate.ln() + (1.0 - expected) * (-self.rate).ln_1p();
        trials.iter().map(of).sum::<f64>() - curve / 2.0 + PRIOR_TRIALS * lapses
    }

    /// One step of EM: how probably each unconfirmed prediction is right, then λ, and a Newton
    /// step of the logistic regression on these probabilities.
    fn step(&mut self, trials: &[Trial], expected: f64) {
        let (mut right, mut lapsed) = (PRIOR_TRIALS, PRIOR_TRIALS * expected);
        // Gradient and Hessian of the log posterior in a and b.
        let mut g = [-self.intercept / INTERCEPT_SD.powi(2), (1.0 - self.slope) / SLOPE_SD.powi(2)];
        let mut h = [1.0 / INTERCEPT_SD.powi(2), 0.0, 1.0 / SLOPE_SD.powi(2)];
        for trial in trials {
            let target = if trial.confirmed { 1.0 } else { self.at_fault(trial.score) };
            right += target;
            lapsed += if trial.confirmed { 0.0 } else { target };
            let x = log_odds(trial.score);
            let p = self.right(trial.score);
            let weight = p * (1.0 - p);
            g = [g[0] + target - p, g[1] + (target - p) * x];
            h = [h[0] + weight, h[1] + weight * x, h[2] + weight * x * x];
        }
        self.rate = lapsed / right;
        let determinant = h[0] * h[2] - h[1] * h[1];
        self.intercept += (h[2] * g[0] - h[1] * g[1]) / determinant;
        // A model whose sure predictions are the worse ones is not believed at all.
        self.slope = (self.slope + (h[0] * g[1] - h[1] * g[0]) / determinant).max(0.0);
    }

    /// Returns the probability that a prediction is right.
    pub(in crate::audit) fn right(&self, score: f64) -> f64 {
        1.0 / (1.0 + (-self.intercept - self.slope * log_odds(score)).exp())
    }

    /// Returns the probability that the label is at fault where it does not confirm a prediction.
    pub(in crate::audit) fn at_fault(&self, score: f64) -> f64 {
        let right = self.right(score);
        self.rate * right / (1.0 - (1.0 - self.rate) * right)
    }
}

fn log_odds(score: f64) -> f64 {
    let p = score.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    /// Predictions whose scores are probabilities, and labels of which a share is missing.
    fn trials(count: usize, missing: f64) -> Vec<(Trial, bool)> {
        let mut random = SplitMix64::named("lapse", 7);
        (0..count)
            .map(|_| {
                let score = random.unit().sqrt();
                let right = random.chance(score);
                let lapsed = random.chance(missing);
                (Trial { score, confirmed: right && !lapsed }, right && lapsed)
            })
            .collect()
    }

    #[test]
    fn the_rate_of_lapses_and_the_worth_of_scores_are_found() {
        for missing in [0.01, 0.05, 0.2] {
            let trials: Vec<Trial> = trials(8000, missing).iter().map(|(t, _)| *t).collect();
            let lapse = Lapse::fit(&trials, 0.03);
            assert!((lapse.rate - missing).abs() < 0.25 * missing + 0.01, "{missing}: {lapse:?}");
            assert!((lapse.right(0.5) - 0.5).abs() < 0.06, "{missing}: {lapse:?}");
        }
    }

    #[test]
    fn probabilities_of_faults_are_as_often_right_as_they_say() {
        let all = trials(20_000, 0.1);
        let lapse = Lapse::fit(&all.iter().map(|(t, _)| *t).collect::<Vec<_>>(), 0.03);
        for low in [0.1, 0.3, 0.5, 0.7] {
            let of_bin = |t: &&(Trial, bool)| {
                !t.0.confirmed && (low..low + 0.2).contains(&lapse.at_fault(t.0.score))
            };
            let bin: Vec<_> = all.iter().filter(of_bin).collect();
            let said: f64 = bin.iter().map(|(t, _)| lapse.at_fault(t.score)).sum();
            let found = bin.iter().filter(|(_, at_fault)| *at_fault).count() as f64;
            // The rate of lapses is known to a tenth or two.
            assert!((said - found).abs() < 0.3 * found, "{low}: {said} {found}");
        }
    }

    #[test]
    fn many_lapses_are_not_taken_for_a_bad_model() {
        // The model is better than its scores say.
        let model = Lapse { rate: 0.0, intercept: 2.0, slope: 1.0 };
        let mut random = SplitMix64::named("lapse", 8);
        for count in [1000, 5000] {
            let mut trial = || {
                let score = random.uniform(0.4, 1.0);
                let confirmed = random.chance(model.right(score)) && random.chance(0.8);
                Trial { score, confirmed }
            };
            let trials: Vec<Trial> = (0..count).map(|_| trial()).collect();
            let lapse = Lapse::fit(&trials, 0.03);
            assert!((lapse.rate - 0.2).abs() < 0.06, "{count}: {lapse:?}");
        }
    }

    #[test]
    fn few_predictions_leave_what_was_expected() {
        let lapse = Lapse::fit(&[], 0.03);
        assert!((lapse.rate - 0.03).abs() < 1e-12 && (lapse.right(0.8) - 0.8).abs() < 1e-9);
        // Odds of 0.8 to 0.2, times the share of lapses.
        assert!((lapse.at_fault(0.8) - 0.03 * 0.8 / (1.0 - 0.97 * 0.8)).abs() < 1e-9);
        assert!(lapse.at_fault(f64::MAX) < 1.0 && lapse.at_fault(-3.0) >= 0.0);
    }
}
