//! The core numbers of a set of compared points. `docs/evaluation.md` has each formula.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Sample;
use crate::stats::robust::{median, quantile};

/// Radii of PCK in body lengths, with the names that outputs give them.
pub const BODY_RADII: [(&str, f64); 3] = [("0.05", 0.05), ("0.1", 0.1), ("0.2", 0.2)];
/// Radii of PCK in pixels, with the names that outputs give them.
pub const PIXEL_RADII: [(&str, f64); 3] = [("2px", 2.0), ("5px", 5.0), ("10px", 10.0)];
/// A likelihood below this says that a network has found nothing at all.
const NOTHING_FOUND: f64 = 0.001;

/// How far predictions lie from labels. Lengths in pixels or body lengths, shares 0 to 1;
/// `None` of no points.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Errors {
    /// Labelled points.
    pub n_points: usize,
    /// Labelled points for which nothing was predicted; they count in `pck` as wrong, and
    /// not in errors.
    pub n_missing: usize,
    /// Mean distance (DeepLabCut calls it rmse).
    pub error_px_mean: Option<f64>,
    /// Median distance.
    pub error_px_median: Option<f64>,
    /// 95 % of the distances are at most this.
    pub error_px_p95: Option<f64>,
    /// Mean distance in body lengths.
    pub error_bl_mean: Option<f64>,
    /// Median distance in body lengths.
    pub error_bl_median: Option<f64>,
    /// Mean of predicted less labelled x and y: a constant offset, which distances hide.
    pub bias_px: Option<[f64; 2]>,
    /// Median of predicted less labelled x and y, which wild predictions do not move.
    pub bias_px_median: Option<[f64; 2]>,
    /// Share of the labelled points whose prediction lies within a radius: of so many body
    /// lengths, or of pixels where the name ends in `px`.
    pub pck: BTreeMap<&'static str, f64>,
    /// Median likelihood of the predictions.
    pub likelihood_median: Option<f64>,
    /// Share of the predictions with a likelihood below 0.001.
    pub likelihood_below_0_001: Option<f64>,
    /// Share of the predictions with a likelihood below the cut-off.
    pub likelihood_below_pcutoff: Option<f64>,
}

impl Errors {
    /// Sums up points. `body` is the body length in pixels.
    pub fn new<'a>(
        samples: impl Iterator<Item = &'a Sample>,
        body: Option<f64>,
        pcutoff: f64,
    ) -> Errors {
        let mut errors = Errors::default();
        let (mut distances, mut likelihoods) = (Vec::new(), Vec::new());
        let [mut across, mut down] = [Vec::new(), Vec::new()];
        for sample in samples {
            errors.n_points += 1;
            let (Some([dx, dy]), Some(distance)) = (sample.offset, sample.error()) else {
                errors.n_missing += 1;
                continue;
            };
            across.push(dx);
            down.push(dy);
            distances.push(distance);
            if sample.likelihood.is_finite() {
                likelihoods.push(sample.likelihood);
            }
        }
        let points = errors.n_points;
        let within = |radius: f64| {
            distances.iter().filter(|distance| **distance <= radius).count() as f64 / points as f64
        };
        if points > 0 {
            errors.pck.extend(PIXEL_RADII.map(|(name, radius)| (name, within(radius))));
            if let Some(body) = body {
                errors.pck.extend(BODY_RADII.map(|(name, radius)| (name, within(radius * body))));
            }
        }
        let found = distances.len() as f64;
        if !distances.is_empty() {
            errors.error_px_mean = Some(distances.iter().sum::<f64>() / found);
            errors.bias_px = Some([&across, &down].map(|v| v.iter().sum::<f64>() / found));
        }
        errors.bias_px_median = median(&mut across).zip(median(&mut down)).map(|(x, y)| [x, y]);
        errors.error_px_median = median(&mut distances);
        errors.error_px_p95 = quantile(&mut distances, 0.95);
        let in_bodies = |px: Option<f64>| Some(px? / body.filter(|body| *body > 0.0)?);
        errors.error_bl_mean = in_bodies(errors.error_px_mean);
        errors.error_bl_median = in_bodies(errors.error_px_median);
        let below = |limit: f64| share(&likelihoods, |likelihood| likelihood < limit);
        errors.likelihood_below_0_001 = below(NOTHING_FOUND);
        errors.likelihood_below_pcutoff = below(pcutoff);
        errors.likelihood_median = median(&mut likelihoods);
        errors
    }
}

/// Returns the share of values that pass a test, `None` of no values.
pub(super) fn share(values: &[f64], test: impl Fn(f64) -> bool) -> Option<f64> {
    let passed = values.iter().filter(|value| test(**value)).count();
    (!values.is_empty()).then(|| passed as f64 / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(offset: Option<[f64; 2]>, likelihood: f64) -> Sample {
        Sample { image: 0, instance: 0, skeleton: 0, kind: 0, offset, likelihood }
    }

    #[test]
    fn missing_predictions_are_wrong_but_have_no_distance() {
        let samples = [
            sample(Some([3.0, 4.0]), 0.9),
            sample(Some([1.0, 0.0]), 0.0),
            sample(None, f64::NAN),
            sample(Some([-1.0, 2.0]), 0.6),
        ];
        let errors = Errors::new(samples.iter(), Some(20.0), 0.6);
        assert_eq!((errors.n_points, errors.n_missing), (4, 1));
        assert_eq!(errors.error_px_median, Some(5.0_f64.sqrt()));
        assert_eq!(errors.error_px_mean, Some((5.0 + 1.0 + 5.0_f64.sqrt()) / 3.0));
        assert_eq!(errors.error_bl_median, Some(5.0_f64.sqrt() / 20.0));
        assert_eq!(errors.bias_px, Some([1.0, 2.0]));
        assert_eq!(errors.bias_px_median, Some([1.0, 2.0]));
        assert_eq!(errors.pck["5px"], 0.75);
        assert_eq!(errors.pck["0.05"], 0.25);
        assert_eq!(errors.likelihood_below_0_001, Some(1.0 / 3.0));
        // A likelihood equal to the cut-off is kept.
        assert_eq!(errors.likelihood_below_pcutoff, Some(1.0 / 3.0));
    }

    #[test]
    fn no_points_have_no_numbers() {
        assert_eq!(Errors::new([].iter(), None, 0.6), Errors::default());
    }
}
