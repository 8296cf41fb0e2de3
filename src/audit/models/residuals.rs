//! How far predicted boxes lie from their labels: which distances are a model's usual scatter, and
//! which are so great that the label is at fault.
//!
//! A residual r = (Δx / w, Δy / h, ln w′/w, ln h′/h) has the centres' distance in mean sides and
//! the ratios of the sides. Around a right label it follows a t distribution with four degrees of
//! freedom, centred and scaled as all of similar score are (median and MAD); around a wrong one
//! the same distribution, much wider. The share of wrong ones is found by EM.
//!
//! # Source
//! Lange, Little & Taylor, "Robust statistical modeling using the t distribution", JASA 84 (1989),
//! equation 1; Dempster, Laird & Rubin, JRSS B 39 (1977).

use super::belief::{LEAST_FREEDOM, posterior};
use crate::dataset::BBox;
use crate::stats::robust::robust;

/// Centre x, centre y, width, height.
const DIMENSIONS: usize = 4;
/// Least scale: a box of 100 px is drawn to half a pixel at best.
const LEAST_SCALE: f64 = 0.005;
/// Scales are taken from so many residuals of similar score at least, and from as many groups at
/// most.
const GROUP: usize = 40;
const GROUPS: usize = 4;
/// As if so many residuals had been seen before the data, the expected share of them wrong.
const PRIOR_RESIDUALS: f64 = 20.0;
/// Steps of EM; the share settles within a few.
const STEPS: usize = 100;

/// Returns the residual of a predicted box.
pub(in crate::audit) fn residual(label: &BBox, predicted: &BBox) -> [f64; DIMENSIONS] {
    let mean = |a: f64, b: f64| (a * b).sqrt();
    let centre = |from: f64, side: f64| from + side / 2.0;
    [
        (centre(predicted.x, predicted.width) - centre(label.x, label.width))
            / mean(label.width, predicted.width),
        (centre(predicted.y, predicted.height) - centre(label.y, label.height))
            / mean(label.height, predicted.height),
        (predicted.width / label.width).ln(),
        (predicted.height / label.height).ln(),
    ]
}

/// Returns for each residual, given with the score of its prediction, the probability that the
/// label is wrong. `spread` is the scale of wrong labels in each dimension, `expected` the share
/// of them before looking.
pub(in crate::audit) fn wrong(
    residuals: &[([f64; DIMENSIONS], f64)],
    spread: f64,
    expected: f64,
) -> Vec<f64> {
    let mut order: Vec<usize> = (0..residuals.len()).collect();
    order.sort_by(|&a, &b| residuals[a].1.total_cmp(&residuals[b].1).then(a.cmp(&b)));
    let groups = (residuals.len() / GROUP).clamp(1, GROUPS);
    let mut ratios = vec![0.0; residuals.len()];
    for group in order.chunks(residuals.len().div_ceil(groups).max(1)) {
        let [centre, scale] = scatter(group.iter().map(|&at| residuals[at].0));
        for &at in group {
            ratios[at] = log_ratio(&residuals[at].0, &centre, &scale, spread);
        }
    }
    let mut share = expected;
    for _ in 0..STEPS {
        let sum: f64 = ratios.iter().map(|ratio| posterior(share, *ratio)).sum();
        share = (sum + PRIOR_RESIDUALS * expected) / (ratios.len() as f64 + PRIOR_RESIDUALS);
    }
    ratios.iter().map(|ratio| posterior(share, *ratio)).collect()
}

/// Returns median and scale of each dimension.
fn scatter(residuals: impl Iterator<Item = [f64; DIMENSIONS]> + Clone) -> [[f64; DIMENSIONS]; 2] {
    let mut both = [[0.0; DIMENSIONS], [LEAST_SCALE; DIMENSIONS]];
    for axis in 0..DIMENSIONS {
        let mut values: Vec<f64> = residuals.clone().map(|residual| residual[axis]).collect();
        if let Some(found) = robust(&mut values) {
            both[0][axis] = found.median;
            both[1][axis] = found.sd.max(LEAST_SCALE);
        }
    }
    both
}

/// Returns the logarithm of the ratio of the densities of wrong and right labels.
fn log_ratio(
    residual: &[f64; DIMENSIONS],
    centre: &[f64; DIMENSIONS],
    scale: &[f64; DIMENSIONS],
    spread: f64,
) -> f64 {
    let density = |scale: &dyn Fn(usize) -> f64| {
        let squares =
            (0..DIMENSIONS).map(|axis| ((residual[axis] - centre[axis]) / scale(axis)).powi(2));
        let scales: f64 = (0..DIMENSIONS).map(|axis| scale(axis).ln()).sum();
        // Constants are the same in both densities.
        -(LEAST_FREEDOM + DIMENSIONS as f64) / 2.0 * (squares.sum::<f64>() / LEAST_FREEDOM).ln_1p()
            - scales
    };
    // A wrong label is scattered more widely than the model, however bad that is.
    density(&|axis| scale[axis].hypot(spread)) - density(&|axis| scale[axis])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    #[test]
    fn a_residual_is_in_sides_and_logarithms() {
        let label = BBox { x: 0.0, y: 0.0, width: 10.0, height: 20.0 };
        assert_eq!(residual(&label, &label), [0.0; 4]);
        let moved = BBox { x: 5.0, ..label };
        assert!((residual(&label, &moved)[0] - 0.5).abs() < 1e-12);
        let wide = BBox { x: -5.0, width: 20.0, ..label };
        assert!((residual(&label, &wide)[2] - 2.0_f64.ln()).abs() < 1e-12);
        assert!(residual(&label, &wide)[0].abs() < 1e-12);
    }

    #[test]
    fn wrong_labels_stand_out_of_the_scatter_and_a_constant_offset_does_not() {
        let mut random = SplitMix64::named("residuals", 3);
        let mut residuals: Vec<([f64; 4], f64)> = (0..400)
            .map(|_| (std::array::from_fn(|_| 0.1 + 0.05 * random.normal()), random.unit()))
            .collect();
        for (residual, _) in residuals.iter_mut().take(20) {
            residual[0] += 0.6;
            residual[2] -= 0.4;
        }
        let wrong = wrong(&residuals, 0.3, 0.03);
        assert!(wrong[..20].iter().all(|p| *p > 0.5), "{:?}", &wrong[..20]);
        let alarms = wrong[20..].iter().filter(|p| **p > 0.5).count();
        assert!(alarms <= 4, "{alarms}");
    }

    #[test]
    fn a_scatter_that_grows_as_scores_fall_is_taken_into_account() {
        let mut random = SplitMix64::named("residuals", 4);
        let residuals: Vec<([f64; 4], f64)> = (0..800)
            .map(|at| {
                let score = if at < 400 { 0.9 } else { 0.4 };
                let sd = if at < 400 { 0.02 } else { 0.2 };
                (std::array::from_fn(|_| sd * random.normal()), score)
            })
            .collect();
        let alarms = wrong(&residuals, 0.3, 0.03).iter().filter(|p| **p > 0.5).count();
        assert!(alarms <= 8, "{alarms}");
        assert!(wrong(&[], 0.3, 0.03).is_empty());
    }
}
