//! What a detector said of all copies of one cell and rate, pooled: ready to be counted, as it is
//! and with frames drawn anew.

use super::figures::RELIABILITY_BINS;
use super::set::{Judgement, Unit};

/// Score above which a flagged clean instance counts as a confident false alarm.
pub(super) const CONFIDENT: f64 = 0.9;
/// Precision at which recall is told.
const PRECISION: f64 = 0.9;

/// Judgements of one detector over copies.
#[derive(Debug, Default)]
pub(super) struct Pool {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    /// Frame.
    image: u32,
    is_planted: bool,
    is_flagged: bool,
    score: f64,
}

/// How often instances were what, weighted.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    planted: f64,
    clean: f64,
}

impl Pool {
    /// Adds the judgements of a copy.
    pub(super) fn add(&mut self, units: &[Unit], judgements: &[Judgement]) {
        self.rows.extend(units.iter().zip(judgements).map(|(unit, said)| Row {
            image: unit.image,
            is_planted: unit.is_planted,
            is_flagged: said.is_flagged,
            score: said.score,
        }));
    }

    /// Adds another pool of the same detector.
    pub(super) fn extend(&mut self, other: &Pool) {
        self.rows.extend(&other.rows);
    }

    /// Orders by score, the greatest first, as figures need it.
    pub(super) fn sort(&mut self) {
        self.rows.sort_by(|a, b| {
            (b.score.total_cmp(&a.score))
                .then(a.image.cmp(&b.image))
                .then(a.is_planted.cmp(&b.is_planted))
        });
    }

    /// Returns whether it has no judgement.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns whether all scores can be probabilities.
    pub(super) fn has_probabilities(&self) -> bool {
        self.rows.iter().all(|row| (0.0..=1.0).contains(&row.score))
    }

    /// Returns planted instances and all.
    pub(super) fn sizes(&self) -> [usize; 2] {
        [self.rows.iter().filter(|row| row.is_planted).count(), self.rows.len()]
    }

    /// Returns how many flagged instances have scores within each tenth, and the mean of these.
    pub(super) fn bins(&self) -> [(usize, f64); RELIABILITY_BINS] {
        let mut bins = [(0, 0.0); RELIABILITY_BINS];
        for row in self.rows.iter().filter(|row| row.is_flagged) {
            let (count, sum) = &mut bins[bin(row.score)];
            *count += 1;
            *sum += row.score;
        }
        bins.map(|(count, sum)| (count, if count > 0 { sum / count as f64 } else { f64::NAN }))
    }

    /// Writes all figures of the pool, frames weighted: [`Ranked`] in order, then the share of
    /// planted instances in each bin of the scores of flagged ones. NaN where one has no value.
    ///
    /// `weight` tells how often a frame counts.
    pub(super) fn figures(&self, weight: impl Fn(u32) -> u32, out: &mut [f64]) {
        let mut flagged = Count::default();
        let mut confident = Count::default();
        let mut bins = [Count::default(); RELIABILITY_BINS];
        let mut all = Count::default();
        for row in &self.rows {
            let by = f64::from(weight(row.image));
            all.add(row, by);
            if row.is_flagged {
                flagged.add(row, by);
                bins[bin(row.score)].add(row, by);
                if row.score > CONFIDENT {
                    confident.add(row, by);
                }
            }
        }
        let mut above = Count::default();
        let (mut precision, mut at_precision) = (0.0, 0.0_f64);
        // Instances of one score come at once: their order is nobody's merit.
        for group in self.rows.chunk_by(|a, b| a.score == b.score) {
            let before = above.planted;
            for row in group {
                above.add(row, f64::from(weight(row.image)));
            }
            let share = above.share();
            if above.planted > before {
                precision += (above.planted - before) / all.planted * share;
            }
            if share >= PRECISION {
                at_precision = at_precision.max(above.planted / all.planted);
            }
        }
        let none = all.planted == 0.0;
        out[0] = flagged.share();
        out[1] = flagged.planted / all.planted;
        out[2] = if none { f64::NAN } else { precision };
        out[3] = if none { f64::NAN } else { at_precision };
        out[4] = confident.clean / all.clean;
        for (out, bin) in out[RANKED..].iter_mut().zip(bins) {
            *out = bin.share();
        }
    }

    /// Returns recall and precision at every score, at most so many points, ascending in recall.
    pub(super) fn curve(&self, most: usize) -> Vec<[f64; 2]> {
        let [planted, _] = self.sizes();
        let mut above = Count::default();
        let mut points: Vec<[f64; 2]> = Vec::new();
        for group in self.rows.chunk_by(|a, b| a.score == b.score) {
            group.iter().for_each(|row| above.add(row, 1.0));
            points.push([above.planted / planted as f64, above.share()]);
        }
        let every = points.len().div_ceil(most.max(1)).max(1);
        let last = points.len().saturating_sub(1);
        let kept = points.into_iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last);
        kept.map(|(_, point)| point).collect()
    }
}

/// Number of figures before the bins.
pub(super) const RANKED: usize = 5;

impl Count {
    fn add(&mut self, row: &Row, by: f64) {
        match row.is_planted {
            true => self.planted += by,
            false => self.clean += by,
        }
    }

    /// Returns the share of planted ones, NaN of none.
    fn share(&self) -> f64 {
        self.planted / (self.planted + self.clean)
    }
}

/// Returns the tenth in which a score lies; 1 belongs to the last.
fn bin(score: f64) -> usize {
    ((score * RELIABILITY_BINS as f64) as usize).min(RELIABILITY_BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(rows: &[(u32, bool, f64)]) -> Pool {
        let mut pool = Pool::default();
        for &(image, is_planted, score) in rows {
            let judgement = Judgement { score, is_flagged: score > 0.0 };
            pool.add(&[Unit { image, is_planted }], &[judgement]);
        }
        pool.sort();
        pool
    }

    fn figures(pool: &Pool, weight: impl Fn(u32) -> u32) -> [f64; RANKED + RELIABILITY_BINS] {
        let mut out = [f64::NAN; RANKED + RELIABILITY_BINS];
        pool.figures(weight, &mut out);
        out
    }

    const ROWS: [(u32, bool, f64); 8] = [
        (0, true, 0.95),
        (1, false, 0.93),
        (2, true, 0.6),
        (3, false, 0.6),
        (4, false, 0.2),
        (5, true, 0.0),
        (6, false, 0.0),
        (7, false, 0.0),
    ];

    #[test]
    fn figures_are_those_of_a_count_by_hand() {
        let out = figures(&pool(&ROWS), |_| 1);
        assert!((out[0] - 2.0 / 5.0).abs() < 1e-12, "precision: 2 of 5 flagged");
        assert!((out[1] - 2.0 / 3.0).abs() < 1e-12, "recall: 2 of 3 planted");
        // Recall rises by a third at precisions 1/1, 2/4 (both of one score) and 3/8.
        let expected = (1.0 + 0.5 + 3.0 / 8.0) / 3.0;
        assert!((out[2] - expected).abs() < 1e-12, "{}", out[2]);
        assert!((out[3] - 1.0 / 3.0).abs() < 1e-12, "the first alone is 9 in 10 right");
        assert!((out[4] - 1.0 / 5.0).abs() < 1e-12, "1 of 5 clean above 0.9");
        assert!((out[RANKED + 9] - 0.5).abs() < 1e-12 && (out[RANKED + 6] - 0.5).abs() < 1e-12);
        assert_eq!(out[RANKED + 2], 0.0);
        assert!(out[RANKED].is_nan(), "what is not flagged is in no bin");
    }

    #[test]
    fn a_frame_that_is_drawn_twice_counts_twice() {
        let twice: Vec<_> = ROWS.iter().chain(&ROWS[2..4]).copied().collect();
        let weighted = figures(&pool(&ROWS), |image| 1 + u32::from(image == 2 || image == 3));
        let plain = figures(&pool(&twice), |_| 1);
        for (a, b) in weighted.iter().zip(plain) {
            assert!((a - b).abs() < 1e-12 || a.is_nan() && b.is_nan(), "{weighted:?} {plain:?}");
        }
    }

    #[test]
    fn an_order_by_chance_has_the_share_of_errors_as_its_average_precision() {
        let alike: Vec<_> = ROWS.iter().map(|&(image, planted, _)| (image, planted, 0.5)).collect();
        assert!((figures(&pool(&alike), |_| 1)[2] - 3.0 / 8.0).abs() < 1e-12);
        assert!(figures(&pool(&ROWS[3..5]), |_| 1)[2].is_nan(), "no errors, no figure");
    }

    #[test]
    fn a_curve_ends_at_all_errors() {
        let curve = pool(&ROWS).curve(100);
        assert_eq!(curve.first(), Some(&[1.0 / 3.0, 1.0]));
        assert_eq!(curve.last(), Some(&[1.0, 3.0 / 8.0]));
        assert!(pool(&ROWS).curve(2).len() <= 3);
    }
}
