//! How much of a spread lies between groups and how much within them: luck of the split against
//! luck of the seed, or the noise of a measurement that was repeated.

use serde::Serialize;

/// Spread of values in groups.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Standard deviation of what the groups have in common, 0 or more; `None` of one group.
    pub between_sd: Option<f64>,
    /// Standard deviation within groups, 0 or more.
    pub within_sd: f64,
    /// Degrees of freedom that the latter rests on: values less groups.
    pub within_freedom: usize,
}

/// Returns the components of variance of values in groups of any sizes, of which at least one
/// has two values; `None` otherwise. Values that are not finite are left out.
///
/// With `N` values in `a` groups of sizes `nᵢ`, sums of squares `SSB` and `SSW`:
/// `σ²_within = SSW/(N − a)`, `σ²_between = max(0, (SSB/(a − 1) − σ²_within)/n₀)` where
/// `n₀ = (N − Σ nᵢ²/N)/(a − 1)`.
///
/// # Source
/// Searle, Casella & McCulloch (1992), Variance Components, § 3.6 (one-way, unbalanced),
/// doi:10.1002/9780470316856.
pub fn one_way(groups: &[Vec<f64>]) -> Option<Spread> {
    let groups: Vec<Vec<f64>> = groups
        .iter()
        .map(|group| group.iter().copied().filter(|value| value.is_finite()).collect())
        .filter(|group: &Vec<f64>| !group.is_empty())
        .collect();
    let count = groups.len() as f64;
    let total = groups.iter().map(Vec::len).sum::<usize>();
    let freedom = total.checked_sub(groups.len()).filter(|&freedom| freedom > 0)?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let grand = mean(&groups.concat());
    let (mut between, mut within, mut squares) = (0.0, 0.0, 0.0);
    for group in &groups {
        let size = group.len() as f64;
        let middle = mean(group);
        between += size * (middle - grand).powi(2);
        within += group.iter().map(|value| (value - middle).powi(2)).sum::<f64>();
        squares += size * size;
    }
    let within = within / freedom as f64;
    let between_sd = (groups.len() > 1).then(|| {
        let size = (total as f64 - squares / total as f64) / (count - 1.0);
        ((between / (count - 1.0) - within) / size).max(0.0).sqrt()
    });
    Some(Spread { between_sd, within_sd: within.sqrt(), within_freedom: freedom })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    #[test]
    fn by_hand() {
        // Means 2 and 6; SSW 4, SSB 16, n₀ = (4 − 8/4)/1 = 2.
        let found = one_way(&[vec![1.0, 3.0], vec![5.0, f64::NAN, 7.0], vec![]]).expect("spread");
        assert_eq!(found.within_freedom, 2);
        assert_eq!(found.within_sd, 2.0_f64.sqrt());
        assert_eq!(found.between_sd, Some(7.0_f64.sqrt()));
        assert_eq!(one_way(&[vec![1.0], vec![2.0]]), None);
        assert_eq!(one_way(&[vec![1.0, 2.0]]).and_then(|found| found.between_sd), None);
        assert_eq!(one_way(&[]), None);
    }

    /// Eight splits, two of them with two more seeds, as in a study.
    #[test]
    fn right_on_average() {
        let mut random = SplitMix64::named("spread", 0);
        let (mut between, mut within) = (0.0, 0.0);
        let rounds = 4000;
        for _ in 0..rounds {
            let groups: Vec<Vec<f64>> = (0..8)
                .map(|split| {
                    let common = 2.0 * random.normal();
                    let seeds = if split < 2 { 3 } else { 1 };
                    (0..seeds).map(|_| common + random.normal()).collect()
                })
                .collect();
            let found = one_way(&groups).expect("spread");
            between += found.between_sd.expect("groups").powi(2) / f64::from(rounds);
            within += found.within_sd.powi(2) / f64::from(rounds);
        }
        assert!((within - 1.0).abs() < 0.06, "{within}");
        assert!((between - 4.0).abs() < 0.25, "{between}");
    }
}
