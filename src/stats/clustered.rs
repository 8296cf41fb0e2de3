//! Intervals of figures over clustered records: frames whose records, seed after seed, are of the
//! same picture and not independent.

use super::interval::Interval;
use super::random::SplitMix64;

/// Resamples: the ends of a 95 % interval rest on the 50 outermost on each side.
const RESAMPLES: usize = 2_000;
/// Share of the resamples in which a figure must have a value, for an interval to be given.
const LEAST_VALID: f64 = 0.95;

/// Returns percentile bootstrap intervals of several figures at a level such as 0.95. Clusters
/// are drawn with replacement, whole; `figures` takes how often each was drawn and writes `count`
/// figures, NaN for one that has no value. `None` of fewer than two clusters, and where more than
/// one resample in twenty gives no value.
///
/// # Source
/// Davison & Hinkley (1997), "Bootstrap Methods and their Application", § 3.8 (resampling of
/// groups) and § 5.3.1 (percentile limits).
pub fn by_clusters(
    clusters: usize,
    count: usize,
    level: f64,
    seed: u64,
    mut figures: impl FnMut(&[u32], &mut [f64]),
) -> Vec<Option<Interval>> {
    if clusters < 2 || !(0.0..1.0).contains(&level) {
        return vec![None; count];
    }
    let mut random = SplitMix64::named("clusters", seed);
    let mut weights = vec![0_u32; clusters];
    let mut row = vec![f64::NAN; count];
    let mut replicates: Vec<Vec<f64>> = vec![Vec::with_capacity(RESAMPLES); count];
    for _ in 0..RESAMPLES {
        weights.fill(0);
        for _ in 0..clusters {
            weights[random.below(clusters as u64) as usize] += 1;
        }
        row.fill(f64::NAN);
        figures(&weights, &mut row);
        for (all, value) in replicates.iter_mut().zip(&row) {
            all.extend(Some(*value).filter(|value| value.is_finite()));
        }
    }
    let tail = (1.0 - level) / 2.0;
    let limits = |mut all: Vec<f64>| {
        if (all.len() as f64) < LEAST_VALID * RESAMPLES as f64 {
            return None;
        }
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all[(share * (all.len() - 1) as f64).round() as usize];
        Some(Interval { low: at(tail), high: at(1.0 - tail) })
    };
    replicates.into_iter().map(limits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the mean of values by their weights.
    fn mean(values: &[f64], weights: &[u32]) -> f64 {
        let sum: f64 = values.iter().zip(weights).map(|(v, w)| v * f64::from(*w)).sum();
        sum / weights.iter().map(|w| f64::from(*w)).sum::<f64>()
    }

    #[test]
    fn a_means_interval_is_as_wide_as_its_standard_error_says() {
        let mut random = SplitMix64::named("test", 1);
        let values: Vec<f64> = (0..100).map(|_| random.normal()).collect();
        let limits = by_clusters(100, 2, 0.95, 0, |weights, out| {
            out[0] = mean(&values, weights);
            out[1] = 7.0;
        });
        let first = limits[0].expect("limits");
        // ± 1.96 / √100.
        assert!((first.high - first.low - 0.392).abs() < 0.08, "{first:?}");
        assert!(first.contains(mean(&values, &[1; 100])));
        assert_eq!(limits[1], Some(Interval { low: 7.0, high: 7.0 }));
    }

    #[test]
    fn a_figure_that_seldom_has_a_value_has_no_interval() {
        // One cluster of five holds all that is counted: a third of the resamples lacks it.
        let limits = by_clusters(5, 1, 0.95, 0, |weights, out| {
            out[0] = if weights[0] > 0 { 1.0 } else { f64::NAN };
        });
        assert_eq!(limits, [None]);
        assert_eq!(by_clusters(1, 1, 0.95, 0, |_, out| out[0] = 1.0), [None]);
    }

    #[test]
    fn the_seed_decides() {
        let values = [1.0, 4.0, 2.0, 8.0];
        let of = |seed| by_clusters(4, 1, 0.9, seed, |w, out| out[0] = mean(&values, w));
        assert_eq!(of(3), of(3));
    }
}
