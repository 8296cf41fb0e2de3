//! Tests by permutation of paired differences, and what several tests together may claim.
//!
//! Takes differences of pairs; gives p-values. Needs no distribution: where a treatment does
//! nothing, each difference is as likely as its opposite, so that all 2ⁿ patterns of signs are
//! equally likely.

use super::random::SplitMix64;

/// Most pairs whose patterns are all counted; of more, patterns are drawn at random.
pub const EXACT_UP_TO: usize = 20;
/// Patterns that are drawn at random: the standard error of p = 0.05 is 0.0007.
const DRAWS: u64 = 99_999;
/// Sums that differ by less than this share of the largest possible sum are equal: numbers that
/// tie on paper differ by rounding. Ties count as at least as extreme.
const TIE: f64 = 1e-9;

/// What a sign-flip test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// Mean difference.
    pub mean: f64,
    /// Two-sided p-value, above 0 to 1.
    pub p: f64,
    /// How p was found.
    pub counted: Counted,
}

/// Which patterns of signs a p-value rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All of them: p is exact.
    All,
    /// Drawn ones, by a seed: p is estimated, and never too small on average.
    Drawn,
}

/// Tests whether the mean of paired differences is 0: p is the share of the patterns of signs
/// whose mean is at least as far from 0 as the one observed. `None` of no differences, and where
/// one is not finite. The seed matters from [`EXACT_UP_TO`] pairs on.
///
/// It is exact where, without an effect, each difference is symmetric about 0. Of n pairs the
/// smallest p is [`smallest_p`].
///
/// # Source
/// Fisher (1935), The Design of Experiments, § 21; Pitman (1937), doi:10.2307/2984124. For drawn
/// patterns Phipson & Smyth (2010), doi:10.2202/1544-6115.1585: `p = (b + 1)/(m + 1)`.
pub fn sign_flip(differences: &[f64], seed: u64) -> Option<SignFlip> {
    let scaled = Scaled::new(differences)?;
    let n = scaled.values.len();
    let (p, counted) = if n <= EXACT_UP_TO {
        (scaled.extreme_of_all() as f64 / (1_u64 << n) as f64, Counted::All)
    } else {
        let extreme = scaled.extreme_of_drawn(seed);
        ((extreme + 1) as f64 / (DRAWS + 1) as f64, Counted::Drawn)
    };
    Some(SignFlip { mean: scaled.mean(), p, counted })
}

/// Returns the smallest p that a two-sided sign-flip test of n pairs can have: 2/2ⁿ, the pattern
/// in which all signs are equal and its opposite.
pub fn smallest_p(n: usize) -> f64 {
    if n > EXACT_UP_TO {
        return 1.0 / (DRAWS + 1) as f64;
    }
    (2.0 / (1_u64 << n) as f64).min(1.0)
}

/// Adjusts the p-values of a family of tests so that each may be held against the level at which
/// the whole family may err once; gives them in the same order.
///
/// With `p₍₁₎ ≤ … ≤ p₍ₘ₎` the adjusted `p₍ᵢ₎` is `max over j ≤ i of min(1, (m − j + 1)·p₍ⱼ₎)`. A
/// number outside 0 to 1 or NaN, a test that could not be made, stands as 1.
///
/// # Source
/// Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
/// Statistics 6, 65–70; the adjusted form by Wright (1992), doi:10.2307/2532694.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let p: Vec<f64> = p.iter().map(|p| if (0.0..=1.0).contains(p) { *p } else { 1.0 }).collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0_f64;
    for (place, &test) in order.iter().enumerate() {
        let remaining = (p.len() - place) as f64;
        largest = largest.max((remaining * p[test]).min(1.0));
        adjusted[test] = largest;
    }
    adjusted
}

/// Differences as shares of the largest, so that no sum overflows.
struct Scaled {
    values: Vec<f64>,
    largest: f64,
}

impl Scaled {
    fn new(differences: &[f64]) -> Option<Self> {
        if differences.is_empty() || differences.iter().any(|d| !d.is_finite()) {
            return None;
        }
        let largest = differences.iter().fold(0.0_f64, |largest, d| largest.max(d.abs()));
        let unit = if largest > 0.0 { largest } else { 1.0 };
        Some(Scaled { values: differences.iter().map(|d| d / unit).collect(), largest })
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64 * self.largest
    }

    /// Returns the sum from which a pattern counts as extreme.
    fn limit(&self) -> f64 {
        let all: f64 = self.values.iter().map(|d| d.abs()).sum();
        self.values.iter().sum::<f64>().abs() - TIE * all
    }

    /// Returns how many of all patterns are extreme.
    ///
    /// The signs of one half of the differences and those of the other are chosen apart: with the
    /// sums of one half in order, it takes two searches to count the patterns that a sum of the
    /// other half makes extreme. No sum is made of more than n additions, so that rounding stays
    /// far below a tie.
    fn extreme_of_all(&self) -> u64 {
        let limit = self.limit();
        let n = self.values.len();
        if limit <= 0.0 {
            return 1 << n;
        }
        let (first, second) = self.values.split_at(n / 2);
        let mut second = signed_sums(second);
        second.sort_by(f64::total_cmp);
        let count = |sum: &f64| {
            let above = second.len() - second.partition_point(|other| *other < limit - sum);
            let below = second.partition_point(|other| *other <= -limit - sum);
            (above + below) as u64
        };
        signed_sums(first).iter().map(count).sum()
    }

    /// Returns how many of the drawn patterns are extreme.
    fn extreme_of_drawn(&self, seed: u64) -> u64 {
        let limit = self.limit();
        let mut random = SplitMix64::named("sign flip", seed);
        let mut draw = || {
            let mut sum = 0.0;
            for part in self.values.chunks(64) {
                let mut signs = random.word();
                for value in part {
                    sum += if signs & 1 == 1 { *value } else { -value };
                    signs >>= 1;
                }
            }
            sum.abs() >= limit
        };
        (0..DRAWS).filter(|_| draw()).count() as u64
    }
}

/// Returns the sums of all patterns of signs, 1 of no values.
fn signed_sums(values: &[f64]) -> Vec<f64> {
    values.iter().fold(vec![0.0], |sums, value| {
        sums.iter().flat_map(|sum| [sum + value, sum - value]).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts every pattern on its own.
    fn by_force(differences: &[f64]) -> f64 {
        let observed = differences.iter().sum::<f64>().abs();
        let extreme = (0..1_u32 << differences.len())
            .filter(|pattern| {
                let signed =
                    |(bit, d): (usize, &f64)| if pattern >> bit & 1 == 1 { *d } else { -d };
                let sum: f64 = differences.iter().enumerate().map(signed).sum();
                sum.abs() >= observed - 1e-9
            })
            .count();
        extreme as f64 / f64::from(1_u32 << differences.len())
    }

    /// Darwin's 15 pairs of crossed and self-fertilised maize, in eighths of an inch. Fisher (1935,
    /// § 21) counts 863 of the 32,768 patterns whose sum is at least the observed 314.
    #[test]
    fn darwins_maize_as_fisher_counted_it() {
        let maize = [
            49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0,
            -48.0,
        ];
        let found = sign_flip(&maize, 0).expect("a test");
        assert_eq!(found.p, 2.0 * 863.0 / 32_768.0);
        assert_eq!(found.counted, Counted::All);
        assert!((found.mean - 314.0 / 15.0).abs() < 1e-12);
    }

    #[test]
    fn agrees_with_brute_force() {
        let mut random = SplitMix64::named("brute force", 1);
        for round in 0..300 {
            let n = 1 + (round % 12);
            // Every other round has whole numbers, which tie; some are zero.
            let mut draw = || match round % 2 {
                0 => random.normal(),
                _ => random.below(7) as f64 - 2.0,
            };
            let differences: Vec<f64> = (0..n).map(|_| draw()).collect();
            let found = sign_flip(&differences, 0).expect("a test").p;
            assert_eq!(found, by_force(&differences), "{differences:?}");
        }
    }

    #[test]
    fn ties_by_rounding_count_as_ties() {
        // 0.1 + 0.2 is not 0.3 in floating point; on paper the sum of (0.1, 0.2, −0.3) is 0.
        assert_eq!(sign_flip(&[0.1, 0.2, -0.3], 0).expect("a test").p, 1.0);
        let whole = sign_flip(&[1.0, 2.0, 3.0, 4.0, -2.0], 0).expect("a test").p;
        for unit in [0.1, 1e-300, 3e307 / 4.0] {
            let scaled = [1.0, 2.0, 3.0, 4.0, -2.0].map(|d| d * unit);
            assert_eq!(sign_flip(&scaled, 0).expect("a test").p, whole, "{unit}");
        }
    }

    #[test]
    fn the_smallest_p_is_that_of_equal_signs() {
        for n in 1..=EXACT_UP_TO {
            let equal: Vec<f64> = (1..=n).map(|d| -0.5 - d as f64).collect();
            assert_eq!(sign_flip(&equal, 0).expect("a test").p, smallest_p(n));
        }
        assert_eq!(smallest_p(8), 0.007_812_5);
    }

    #[test]
    fn drawn_patterns_agree_with_all_of_them() {
        let mut random = SplitMix64::named("drawn", 0);
        let differences: Vec<f64> = (0..20).map(|_| random.normal() + 0.4).collect();
        let scaled = Scaled::new(&differences).expect("numbers");
        let exact = sign_flip(&differences, 0).expect("a test");
        let drawn = scaled.extreme_of_drawn(5) as f64 / DRAWS as f64;
        let error = (exact.p * (1.0 - exact.p) / DRAWS as f64).sqrt();
        assert!((drawn - exact.p).abs() < 5.0 * error, "{drawn} {}", exact.p);
        let more: Vec<f64> = (0..130).map(|_| random.normal()).collect();
        let found = sign_flip(&more, 3).expect("a test");
        assert_eq!(found.counted, Counted::Drawn);
        assert_eq!(sign_flip(&more, 3), Some(found));
        assert_eq!(sign_flip(&[1.0; 40], 3).expect("a test").p, smallest_p(40));
    }

    #[test]
    fn nothing_and_what_is_no_number() {
        assert_eq!(sign_flip(&[], 0), None);
        assert_eq!(sign_flip(&[1.0, f64::NAN], 0), None);
        assert_eq!(sign_flip(&[0.0, 0.0], 0).expect("a test").p, 1.0);
    }

    /// p.adjust(c(0.01, 0.02, 0.03, 0.005), "holm") of R, and its manual's property of order.
    #[test]
    fn holm_as_r_has_it() {
        let close = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        close(holm(&[0.01, 0.02, 0.03, 0.005]), &[0.03, 0.04, 0.04, 0.02]);
        close(holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]);
        close(holm(&[0.9, 0.6, f64::NAN]), &[1.0, 1.0, 1.0]);
        close(holm(&[]), &[]);
    }
}
