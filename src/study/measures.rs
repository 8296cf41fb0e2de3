//! Measures of how evenly a run trained, beside the primary endpoints.
//!
//! Takes series of one run, as its flight record has them; gives numbers. No thresholds are
//! judged here and nothing is tested: a report shows the numbers with bootstrap intervals. Counts
//! and ratios of single batches are compared only between runs with batches of one size.

use std::collections::VecDeque;

use serde::Serialize;

use super::margin::smooth;
use crate::stats::robust::{MAD_TO_SD, median, quantile};

/// Losses before a step whose median is the level that a spike is measured against.
pub const WINDOW: usize = 50;

/// Multiple of the best probe loss of the median run that every run is timed to.
const SET_LOSS: f64 = 2.0;

/// One drawn batch of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepPoint {
    /// Number of the step that the learning rate follows: it goes back in a rollback.
    pub step: u64,
    /// Loss of the batch.
    pub loss: f64,
    /// Norm of all gradients, before clipping.
    pub grad_norm: f64,
    /// Whether the batch moved no weight.
    pub skipped: bool,
}

/// A look at the probe set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbePoint {
    /// Steps done.
    pub step: u64,
    /// Loss on the probe set.
    pub loss: f64,
}

/// Measures of one run; what it is too short for is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunMeasures {
    /// See [`excursion`]. Infinite, which is `null` in JSON, where a probe loss was not finite;
    /// `non_finite` then says so.
    pub excursion: Option<f64>,
    /// Spikes above twice the level per 1,000 steps. See [`spikes`].
    pub spikes_2x: Option<f64>,
    /// Spikes above five times the level per 1,000 steps.
    pub spikes_5x: Option<f64>,
    /// See [`steps_lost`].
    pub steps_lost: u64,
    /// See [`non_finite`]; probes count, too.
    pub non_finite: u64,
    /// See [`tail_ratio`].
    pub grad_norm_p99_p50: Option<f64>,
    /// See [`roughness`].
    pub log_loss_roughness: Option<f64>,
    /// See [`steps_to`]; `None` where the loss was never reached.
    pub steps_to_loss: Option<u64>,
}

/// Returns all measures of a run: its batches in the order in which they were drawn, its probes
/// in that order, and the loss that it is timed to ([`set_loss`]).
pub fn measure(steps: &[StepPoint], probes: &[ProbePoint], set_loss: Option<f64>) -> RunMeasures {
    let losses: Vec<f64> = steps.iter().map(|step| step.loss).collect();
    let norms: Vec<f64> = steps.iter().map(|step| step.grad_norm).collect();
    let probe_losses: Vec<f64> = probes.iter().map(|probe| probe.loss).collect();
    let dead_probes = probe_losses.iter().filter(|loss| !loss.is_finite()).count() as u64;
    RunMeasures {
        excursion: excursion(&probe_losses),
        spikes_2x: spikes(&losses, 2.0),
        spikes_5x: spikes(&losses, 5.0),
        steps_lost: steps_lost(steps),
        non_finite: non_finite(steps) + dead_probes,
        grad_norm_p99_p50: tail_ratio(&norms),
        log_loss_roughness: roughness(&losses),
        steps_to_loss: set_loss.and_then(|loss| steps_to(probes, loss)),
    }
}

/// Returns the excursion of the probe loss: `max over t of L(t)/min over s ≤ t of L(s)`, at least
/// 1. Infinite where a loss is not finite or rises from 0, `None` without probes.
///
/// It is to a loss what the maximum drawdown is to the value of a fund: Magdon-Ismail et al.
/// (2004), doi:10.1239/jap/1077134674.
pub fn excursion(probe_losses: &[f64]) -> Option<f64> {
    let mut minimum = f64::INFINITY;
    let mut largest = None;
    for &loss in probe_losses {
        let ratio = if !loss.is_finite() {
            f64::INFINITY
        } else {
            minimum = minimum.min(loss);
            if loss == minimum { 1.0 } else { loss / minimum }
        };
        largest = Some(largest.map_or(ratio, |most: f64| most.max(ratio)));
    }
    largest
}

/// Returns spikes per 1,000 steps: finite losses above a multiple of the median of the last 50
/// finite ones before them, over the number of losses that have as many before them. Losses in a
/// row count one by one. `None` where none has as many before it.
///
/// Unlike the guard's alarms (`stats::spikes`), which adapt to the scatter, it is the same for all
/// runs.
pub fn spikes(losses: &[f64], multiple: f64) -> Option<f64> {
    let mut window: VecDeque<f64> = VecDeque::with_capacity(WINDOW);
    let (mut judged, mut found) = (0_u64, 0_u64);
    let mut sorted = Vec::with_capacity(WINDOW);
    for &loss in losses.iter().filter(|loss| loss.is_finite()) {
        if window.len() == WINDOW {
            sorted.clear();
            sorted.extend(&window);
            judged += 1;
            found += u64::from(median(&mut sorted).is_some_and(|level| loss > multiple * level));
            window.pop_front();
        }
        window.push_back(loss);
    }
    (judged > 0).then(|| 1000.0 * found as f64 / judged as f64)
}

/// Returns how many batches were drawn in vain: they moved no weight, or a rollback undid them,
/// which shows in that a later batch has the same number of step or a lower one.
pub fn steps_lost(steps: &[StepPoint]) -> u64 {
    let mut lowest_later = u64::MAX;
    let mut lost = 0;
    for step in steps.iter().rev() {
        lost += u64::from(step.skipped || step.step >= lowest_later);
        lowest_later = lowest_later.min(step.step);
    }
    lost
}

/// Returns the number of batches whose loss or gradient norm is not finite.
pub fn non_finite(steps: &[StepPoint]) -> u64 {
    let dead = |step: &&StepPoint| !step.loss.is_finite() || !step.grad_norm.is_finite();
    steps.iter().filter(dead).count() as u64
}

/// Returns the 99th percentile of finite gradient norms over their median; `None` of fewer than
/// 100, and where the median is 0.
pub fn tail_ratio(norms: &[f64]) -> Option<f64> {
    let mut norms: Vec<f64> = norms.iter().copied().filter(|norm| norm.is_finite()).collect();
    if norms.len() < 100 {
        return None;
    }
    let ratio = quantile(&mut norms, 0.99)? / median(&mut norms)?;
    ratio.is_finite().then_some(ratio)
}

/// Returns the roughness of the log loss: `1.4826/√6 · median |y(t−1) − 2 y(t) + y(t+1)|`, where
/// `y = ln L`, over all three steps in a row with finite losses above 0; `None` of none. Where
/// the log loss is a smooth course and independent normal noise, it is the noise's standard
/// deviation: second differences cancel the course, and of the noise have 6 times the variance.
///
/// # Source
/// Gasser, Sroka & Jennen-Steinmetz (1986), doi:10.1093/biomet/73.3.625, made robust by the median.
pub fn roughness(losses: &[f64]) -> Option<f64> {
    let second = |three: &[f64]| {
        let bend = three[0].ln() - 2.0 * three[1].ln() + three[2].ln();
        let usable = three.iter().all(|loss| loss.is_finite() && *loss > 0.0);
        usable.then_some(bend.abs())
    };
    let mut bends: Vec<f64> = losses.windows(3).filter_map(second).collect();
    Some(MAD_TO_SD / 6_f64.sqrt() * median(&mut bends)?)
}

/// Returns the number of steps after which the probe loss, smoothed by a running median of three,
/// is first at or below a loss; `None` where it never is.
pub fn steps_to(probes: &[ProbePoint], loss: f64) -> Option<u64> {
    let smoothed = smooth(&probes.iter().map(|probe| probe.loss).collect::<Vec<_>>());
    (probes.iter().zip(smoothed)).find(|(_, smooth)| *smooth <= loss).map(|(probe, _)| probe.step)
}

/// Returns the loss that the runs of a study are timed to: twice the median, over the runs, of
/// the lowest smoothed probe loss of each. One number for all arms, so that none is timed to its
/// own floor; `None` where no run has a finite one.
pub fn set_loss(runs: &[Vec<ProbePoint>]) -> Option<f64> {
    let lowest = |run: &Vec<ProbePoint>| {
        let smoothed = smooth(&run.iter().map(|probe| probe.loss).collect::<Vec<_>>());
        smoothed.into_iter().min_by(f64::total_cmp).filter(|loss| loss.is_finite())
    };
    Some(SET_LOSS * median(&mut runs.iter().filter_map(lowest).collect::<Vec<_>>())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    fn points(losses: &[f64]) -> Vec<StepPoint> {
        (losses.iter().zip(0..))
            .map(|(&loss, step)| StepPoint { step, loss, grad_norm: 1.0, skipped: false })
            .collect()
    }

    fn probes(losses: &[f64]) -> Vec<ProbePoint> {
        losses.iter().zip(0..).map(|(&loss, at)| ProbePoint { step: 10 * at, loss }).collect()
    }

    #[test]
    fn the_excursion_is_the_highest_rise_from_the_lowest_point_before() {
        assert_eq!(excursion(&[4.0, 8.0, 1.0, 3.0, 0.5, 0.75]), Some(3.0));
        assert_eq!(excursion(&[4.0, 3.0, 2.0]), Some(1.0));
        assert_eq!(excursion(&[4.0, f64::NAN, 2.0]), Some(f64::INFINITY));
        assert_eq!(excursion(&[0.0, 0.0]), Some(1.0));
        assert_eq!(excursion(&[0.0, 1.0]), Some(f64::INFINITY));
        assert_eq!(excursion(&[]), None);
    }

    #[test]
    fn spikes_are_counted_per_thousand_judged_steps() {
        let mut losses = vec![1.0; 250];
        losses[10] = 9.0; // Has no level yet.
        losses[100] = 2.0; // Twice, not above.
        losses[120] = 3.0;
        losses[121] = 6.0;
        losses[150] = f64::NAN;
        let judged = 199.0;
        assert_eq!(spikes(&losses, 2.0), Some(1000.0 * 2.0 / judged));
        assert_eq!(spikes(&losses, 5.0), Some(1000.0 / judged));
        assert_eq!(spikes(&losses[..50], 2.0), None);
        // With 25 of 50 losses at a new level it is half way there, and nothing is a spike.
        let step: Vec<f64> = (0..200).map(|t| if t < 100 { 1.0 } else { 4.0 }).collect();
        assert_eq!(spikes(&step, 2.0), Some(1000.0 * 25.0 / 150.0));
    }

    #[test]
    fn steps_are_lost_by_rollback_and_by_skipping() {
        let numbers = [0, 1, 2, 3, 4, 2, 3, 4, 5];
        let mut steps: Vec<StepPoint> = numbers
            .map(|step| StepPoint { step, loss: 1.0, grad_norm: 1.0, skipped: false })
            .to_vec();
        assert_eq!(steps_lost(&steps), 3);
        steps[3].skipped = true; // Undone anyway.
        steps[8].skipped = true;
        assert_eq!(steps_lost(&steps), 4);
        assert_eq!(steps_lost(&[]), 0);
    }

    #[test]
    fn what_is_not_finite_is_counted_and_left_out_elsewhere() {
        let mut steps = points(&[1.0; 300]);
        steps[7].loss = f64::NAN;
        steps[7].grad_norm = f64::NAN;
        steps[9].grad_norm = f64::INFINITY;
        let found = measure(&steps, &probes(&[2.0, f64::NAN, 1.0, 1.0]), Some(1.0));
        assert_eq!(
            found,
            RunMeasures {
                excursion: Some(f64::INFINITY),
                spikes_2x: Some(0.0),
                spikes_5x: Some(0.0),
                steps_lost: 0,
                non_finite: 3,
                grad_norm_p99_p50: Some(1.0),
                log_loss_roughness: Some(0.0),
                steps_to_loss: Some(20),
            }
        );
        let json = serde_json::to_value(&found).expect("numbers");
        assert!(json["excursion"].is_null() && json["non_finite"] == 3, "{json}");
    }

    #[test]
    fn roughness_is_the_noise_of_a_smooth_course() {
        let mut random = SplitMix64::named("roughness", 0);
        let course = |t: usize| 1.0 / (1.0 + t as f64 / 50.0) + 0.01;
        let smooth: Vec<f64> = (0..4000).map(course).collect();
        assert!(roughness(&smooth).expect("a number") < 1e-3);
        for sd in [0.1, 0.4] {
            let noisy: Vec<f64> =
                smooth.iter().map(|loss| loss * (sd * random.normal()).exp()).collect();
            let found = roughness(&noisy).expect("a number");
            assert!((found / sd - 1.0).abs() < 0.06, "{sd}: {found}");
        }
        assert_eq!(roughness(&[1.0, 0.0, 1.0, 1.0]), None);
    }

    #[test]
    fn the_tail_of_the_gradient() {
        let norms: Vec<f64> = (1..=201).map(f64::from).collect();
        assert_eq!(tail_ratio(&norms), Some(199.0 / 101.0));
        assert_eq!(tail_ratio(&norms[..99]), None);
        assert_eq!(tail_ratio(&[0.0; 200]), None);
    }

    #[test]
    fn the_set_loss_is_one_for_all() {
        let runs = [probes(&[8.0, 3.0, 1.0, 1.0]), probes(&[8.0, 4.0, 3.0, 2.0])];
        let loss = set_loss(&runs).expect("a loss");
        assert_eq!(loss, 3.0);
        assert_eq!(steps_to(&runs[0], loss), Some(10));
        assert_eq!(steps_to(&runs[1], loss), Some(20));
        assert_eq!(steps_to(&runs[1], 1.0), None);
        assert_eq!(set_loss(&[probes(&[f64::NAN])]), None);
    }
}
