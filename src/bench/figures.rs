//! Figures with their intervals: what is told of a detector.

use serde::Serialize;

use super::counts::{Pool, RANKED};
use crate::stats::clustered::by_clusters;
use crate::stats::interval::Interval;

/// Level of all intervals.
const LEVEL: f64 = 0.95;
/// Bins of scores: tenths.
pub(super) const RELIABILITY_BINS: usize = 10;

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Figure {
    /// The figure; `None` where it has no value, such as the precision of no findings.
    pub value: Option<f64>,
    /// Lower limit; `None` where too few resamples have a value.
    pub low: Option<f64>,
    /// Upper limit.
    pub high: Option<f64>,
}

impl Figure {
    fn new(value: f64, limits: Option<Interval>) -> Figure {
        Figure {
            value: value.is_finite().then_some(value),
            low: limits.map(|limits| limits.low),
            high: limits.map(|limits| limits.high),
        }
    }
}

/// How often flagged instances of one tenth of scores have an error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Scores from here, 0 to 1.
    pub from: f64,
    /// Flagged instances with such scores.
    pub instances: usize,
    /// Mean of their scores: what the detector expects; `None` of no instances.
    pub mean_score: Option<f64>,
    /// Share of them that have a planted error.
    pub planted: Figure,
}

/// What is told of the order and the scores of a detector.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranked {
    pub(super) precision: Figure,
    pub(super) recall: Figure,
    pub(super) average_precision: Figure,
    pub(super) recall_at_precision_90: Figure,
    pub(super) clean_above_90: Figure,
    /// Empty where scores are no probabilities.
    pub(super) reliability: Vec<ReliabilityBin>,
}

/// Counts a sorted pool, and again with frames drawn anew.
pub(super) fn ranked(pool: &Pool, frames: &[u32], seed: u64) -> Ranked {
    let count = RANKED + RELIABILITY_BINS;
    let mut values = vec![f64::NAN; count];
    pool.figures(|_| 1, &mut values);
    let place = Places::new(frames);
    let limits = by_clusters(frames.len(), count, LEVEL, seed, |weights, out| {
        pool.figures(|image| place.weight(weights, image), out);
    });
    let figure = |at: usize| Figure::new(values[at], limits[at]);
    let bins = pool.bins();
    let bin = |at: usize| ReliabilityBin {
        from: at as f64 / RELIABILITY_BINS as f64,
        instances: bins[at].0,
        mean_score: Some(bins[at].1).filter(|mean| mean.is_finite()),
        planted: figure(RANKED + at),
    };
    Ranked {
        precision: figure(0),
        recall: figure(1),
        average_precision: figure(2),
        recall_at_precision_90: figure(3),
        clean_above_90: figure(4),
        reliability: match pool.has_probabilities() {
            true => (0..RELIABILITY_BINS).map(bin).collect(),
            false => Vec::new(),
        },
    }
}

/// Returns ratios of counts that are given per frame, as numerator and denominator.
pub(super) fn ratios<const N: usize>(frames: &[[[f64; 2]; N]], seed: u64) -> [Figure; N] {
    let sum = |weight: &dyn Fn(usize) -> f64, out: &mut [f64]| {
        let mut sums = [[0.0; 2]; N];
        for (at, frame) in frames.iter().enumerate() {
            let by = weight(at);
            for (sum, pair) in sums.iter_mut().zip(frame) {
                sum[0] += by * pair[0];
                sum[1] += by * pair[1];
            }
        }
        for (out, [top, bottom]) in out.iter_mut().zip(sums) {
            *out = top / bottom;
        }
    };
    let mut values = [f64::NAN; N];
    sum(&|_| 1.0, &mut values);
    let limits = by_clusters(frames.len(), N, LEVEL, seed, |weights, out| {
        sum(&|at| f64::from(weights[at]), out);
    });
    std::array::from_fn(|at| Figure::new(values[at], limits[at]))
}

/// Where frames stand among the clusters.
struct Places {
    by_image: Vec<usize>,
}

impl Places {
    fn new(frames: &[u32]) -> Places {
        let length = frames.iter().max().map_or(0, |last| *last as usize + 1);
        let mut by_image = vec![usize::MAX; length];
        for (at, &image) in frames.iter().enumerate() {
            by_image[image as usize] = at;
        }
        Places { by_image }
    }

    fn weight(&self, weights: &[u32], image: u32) -> u32 {
        let place = self.by_image.get(image as usize);
        place.and_then(|&at| weights.get(at)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_sums_and_not_means_of_ratios() {
        let frames = [[[1.0, 1.0]], [[0.0, 3.0]], [[1.0, 1.0]], [[0.0, 0.0]]];
        let [figure] = ratios(&frames, 0);
        assert_eq!(figure.value, Some(0.4));
        let none: [Figure; 1] = ratios(&[[[0.0, 0.0]], [[0.0, 0.0]]], 0);
        assert_eq!(none, [Figure::default()]);
    }
}
