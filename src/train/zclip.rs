//! ZClip: clipping of gradients by how far their norm leaves its own running mean.
//!
//! Takes the norm of each step's gradient; gives the norm that it is to be clipped to. A spike
//! is not only cut but pushed back the further the higher it is. Moves nothing itself.

use serde::{Deserialize, Serialize};

/// What the running mean and variance keep of their past, `α`.
const KEEP: f64 = 0.97;
/// Norms that mean and variance are first taken from; none of them is clipped.
const WARM_UP: u32 = 25;
/// Added to the standard deviation, so that equal norms have a z-score.
const EPSILON: f64 = 1e-6;

/// Running mean `μ` and variance `σ²` of the norms of gradients.
///
/// With `z = (g − μ)/σ` of a norm `g`, it is clipped to `μ + Z²·σ/z` where `z > Z`. Mean and
/// variance follow what is left of it: `μ ← α·μ + (1 − α)·g`, then
/// `σ² ← α·σ² + (1 − α)·(g − μ)²`.
///
/// It is kept in single precision, which every text format gives back exactly.
///
/// # Source
/// Kumar, Owen, Roy Chowdhury and Güra (2025), "ZClip: Adaptive Spike Mitigation for LLM
/// Pre-Training", arXiv:2504.02507, and the authors' implementation (`zscore`,
/// `adaptive_scaling`), from which `α`, `Z` and the length of the warm-up are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZClip {
    /// `Z`.
    threshold: f32,
    mean: f32,
    variance: f32,
    /// Norms so far, counted to the end of the warm-up.
    count: u32,
}

impl ZClip {
    /// `Z` of the authors.
    pub const THRESHOLD: f64 = 2.5;

    /// Returns the state before the first step, for a threshold above 0.
    pub fn new(threshold: f64) -> Self {
        ZClip { threshold: threshold as f32, mean: 0.0, variance: 0.0, count: 0 }
    }

    /// Returns the norm that a gradient of a norm is to be clipped to; infinity where it is to
    /// be left.
    pub fn limit(&self, norm: f64) -> f64 {
        let (mean, sd) = (f64::from(self.mean), f64::from(self.variance).sqrt());
        let threshold = f64::from(self.threshold);
        let z = (norm - mean) / (sd + EPSILON);
        if self.count < WARM_UP || z.is_nan() || z <= threshold {
            return f64::INFINITY;
        }
        mean + threshold * threshold * sd / z
    }

    /// Takes the norm of a step's gradient, before clipping. One that is not finite is passed
    /// over.
    pub fn observe(&mut self, norm: f64) {
        if !norm.is_finite() {
            return;
        }
        let norm = norm.min(self.limit(norm));
        let (mean, variance) = (f64::from(self.mean), f64::from(self.variance));
        if self.count < WARM_UP {
            // Mean and variance of all so far (Welford 1962, doi:10.1080/00401706.1962.10490022).
            self.count += 1;
            let share = 1.0 / f64::from(self.count);
            let new = mean + share * (norm - mean);
            self.mean = new as f32;
            self.variance = (variance + share * ((norm - mean) * (norm - new) - variance)) as f32;
        } else {
            let new = KEEP * mean + (1.0 - KEEP) * norm;
            self.mean = new as f32;
            self.variance = (KEEP * variance + (1.0 - KEEP) * (norm - new).powi(2)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After norms 1 and 3 in turns: mean 2 (nearly, of 25), deviation 1.
    fn warm() -> ZClip {
        let mut zclip = ZClip::new(ZClip::THRESHOLD);
        for step in 0..WARM_UP {
            assert_eq!(zclip.limit(1e6), f64::INFINITY, "nothing is clipped at first");
            zclip.observe(if step % 2 == 0 { 1.0 } else { 3.0 });
        }
        zclip
    }

    #[test]
    fn warm_up_takes_mean_and_variance_of_all() {
        let zclip = warm();
        let mean = (13.0 + 12.0 * 3.0) / 25.0;
        let variance = (13.0 * (1.0_f64 - mean).powi(2) + 12.0 * (3.0 - mean).powi(2)) / 25.0;
        assert!((f64::from(zclip.mean) - mean).abs() < 1e-6);
        assert!((f64::from(zclip.variance) - variance).abs() < 1e-6);
    }

    #[test]
    fn limit_is_the_papers() {
        let zclip = ZClip { threshold: 2.5, mean: 2.0, variance: 1.0, count: WARM_UP };
        assert_eq!(zclip.limit(4.4), f64::INFINITY);
        // z is 5: the limit is 2 + 2.5² · 1 / 5.
        assert!((zclip.limit(7.0) - 3.25).abs() < 1e-5);
        // The higher, the nearer to the mean.
        assert!((zclip.limit(102.0) - 2.0625).abs() < 1e-5);
        assert!((zclip.limit(1e300) - 2.0).abs() < 1e-5);
        assert_eq!(zclip.limit(f64::NAN), f64::INFINITY);
    }

    #[test]
    fn mean_and_variance_follow_what_is_left_of_a_spike() {
        let mut zclip = ZClip { threshold: 2.5, mean: 2.0, variance: 1.0, count: WARM_UP };
        let before = zclip.clone();
        for norm in [f64::NAN, f64::INFINITY] {
            zclip.observe(norm);
            assert_eq!(zclip, before);
        }
        zclip.observe(7.0);
        let mean = 0.97 * 2.0 + 0.03 * 3.25;
        assert!((f64::from(zclip.mean) - mean).abs() < 1e-6);
        let variance = 0.97 + 0.03 * (3.25 - mean).powi(2);
        assert!((f64::from(zclip.variance) - variance).abs() < 1e-6);
    }

    #[test]
    fn what_was_saved_goes_on_as_if_it_had_not_been() {
        let mut zclip = warm();
        let text = serde_json::to_string(&zclip).expect("numbers");
        let mut again: ZClip = serde_json::from_str(&text).expect("what was saved");
        for step in 0..1000 {
            let norm = f64::from(step % 13) + 0.1;
            assert_eq!(zclip.limit(norm).to_bits(), again.limit(norm).to_bits());
            zclip.observe(norm);
            again.observe(norm);
        }
        assert_eq!(zclip, again);
    }
}
