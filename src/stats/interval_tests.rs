//! Tests of intervals, and the measurement of how often they cover the truth.

use super::*;
use crate::stats::permutation::sign_flip;
use crate::stats::robust::median;

const LEVEL: f64 = 0.95;

fn middle(values: &[f64]) -> f64 {
    median(&mut values.to_vec()).unwrap_or(f64::NAN)
}

fn near(found: Option<Interval>, low: f64, high: f64) {
    let found = found.expect("an interval");
    let close = |a: f64, b: f64| (a - b).abs() < 5e-4 * b.abs().max(1.0);
    assert!(close(found.low, low) && close(found.high, high), "{found:?}");
}

/// "Student" (1908), section IX: hours of sleep that one drug gave ten patients more than the other.
const SLEEP: [f64; 10] = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];

/// t.test(extra ~ group, data = sleep, paired = TRUE) of R: 0.7001142 to 2.4598858.
#[test]
fn students_sleep_as_r_has_it() {
    near(by_student(&SLEEP, LEVEL), 0.700_114, 2.459_886);
}

#[test]
fn the_interval_inverts_the_test() {
    let mut random = SplitMix64::named("inversion", 0);
    for n in [6, 8, 9, 10, 13] {
        for alpha in [0.05, 0.0125_f64.max(2.0 * 0.5_f64.powi(n))] {
            let values: Vec<f64> = (0..n).map(|_| random.normal().powi(3) + 0.4).collect();
            let found = by_inversion(&values, 1.0 - alpha).expect("an interval");
            let p = |mean: f64| {
                let shifted: Vec<f64> = values.iter().map(|value| value - mean).collect();
                sign_flip(&shifted, 0).expect("a test").p
            };
            let step = 1e-6 * (found.high - found.low);
            assert!(p(found.low - step) <= alpha, "{n} {alpha}");
            assert!(p(found.low + step) > alpha, "{n} {alpha}");
            assert!(p(found.high - step) > alpha, "{n} {alpha}");
            assert!(p(found.high + step) <= alpha, "{n} {alpha}");
        }
    }
}

#[test]
fn six_values_reach_from_the_least_to_the_greatest() {
    let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0];
    assert_eq!(by_inversion(&values, LEVEL), Some(Interval { low: 1.0, high: 9.0 }));
    assert_eq!(by_inversion(&values[..5], LEVEL), None);
    assert_eq!(of_mean(&values[..5], LEVEL), by_student(&values[..5], LEVEL));
    assert_eq!(of_mean(&[0.5; 24], LEVEL), Some(Interval { low: 0.5, high: 0.5 }));
}

#[test]
fn nothing_comes_of_nonsense() {
    for values in [&[][..], &[1.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
        assert_eq!(of_mean(values, LEVEL), None);
        assert_eq!(bootstrap(values, mean, LEVEL, 0), None);
    }
    for level in [0.0, 1.0, -1.0, f64::NAN] {
        assert_eq!(of_mean(&SLEEP, level), None);
    }
    assert_eq!(bootstrap(&SLEEP, |_| f64::NAN, LEVEL, 0), None);
    // Fine on the whole, not on a resample.
    let spread = |values: &[f64]| 1.0 / sd(values).unwrap_or(0.0);
    assert_eq!(bootstrap(&[1.0, 2.0], spread, LEVEL, 0), None);
}

#[test]
fn the_bootstrap_follows_its_seed_and_its_statistic() {
    let found = bootstrap(&SLEEP, mean, LEVEL, 1).expect("an interval");
    assert_eq!(bootstrap(&SLEEP, mean, LEVEL, 1), Some(found));
    assert_ne!(bootstrap(&SLEEP, mean, LEVEL, 2), Some(found));
    assert!(found.contains(mean(&SLEEP)) && !found.contains(0.0), "{found:?}");
    let doubled = SLEEP.map(|value| 2.0 * value);
    let twice = bootstrap(&doubled, mean, LEVEL, 1).expect("an interval");
    assert!((twice.low - 2.0 * found.low).abs() < 1e-9, "{twice:?}");
    assert_eq!(
        bootstrap(&[2.0; 8], middle, LEVEL, 0),
        Some(Interval { low: 2.0, high: 2.0 }),
        "values all alike"
    );
}

/// Efron & Tibshirani (1993), An Introduction to the Bootstrap, table 14.1 and § 14.3: the spatial
/// test, variance with 1/n, 26 children. BCa at 90 %: 115.8 to 259.6; percentiles 100.8 to 233.9.
#[test]
fn the_spatial_test_as_efron_and_tibshirani_have_it() {
    let children = [
        48.0, 36.0, 20.0, 29.0, 42.0, 42.0, 20.0, 42.0, 22.0, 41.0, 45.0, 14.0, 6.0, 0.0, 33.0,
        28.0, 34.0, 4.0, 32.0, 24.0, 47.0, 41.0, 24.0, 26.0, 30.0, 41.0,
    ];
    let variance = |values: &[f64]| {
        let centre = mean(values);
        values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len() as f64
    };
    let estimate = variance(&children);
    assert!((estimate - 171.5).abs() < 0.05, "{estimate}");
    let replicates = replicates(&children, variance, 0).expect("numbers");
    let correction = Correction::new(&children, variance, estimate, &replicates);
    // They have a = .061 and z0 = .146 from 2,000 resamples.
    assert!((correction.a - 0.061).abs() < 0.001, "{}", correction.a);
    assert!((correction.z0 - 0.146).abs() < 0.06, "{}", correction.z0);
    let end = |p: f64| at_share(&replicates, correction.share(normal_quantile(p)));
    let (low, high) = (end(0.05), end(0.95));
    assert!((low - 115.8).abs() < 5.0 && (high - 259.6).abs() < 9.0, "{low} {high}");
}

/// The studentised bootstrap, a candidate: resamples in which all values are alike are left out.
fn studentised(values: &[f64], seed: u64) -> Option<Interval> {
    let mut random = SplitMix64::named("studentised", seed);
    let (n, centre) = (values.len(), mean(values));
    let error = |values: &[f64]| sd(values).map(|sd| sd / (n as f64).sqrt());
    let mut ratios = Vec::new();
    for _ in 0..1999 {
        let resample: Vec<f64> = (0..n).map(|_| values[random.below(n as u64) as usize]).collect();
        let ratio = (mean(&resample) - centre) / error(&resample)?;
        if ratio.is_finite() {
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let error = error(values)?;
    let end = |share: f64| centre - at_share(&ratios, share) * error;
    Some(Interval { low: end(0.975), high: end(0.025) })
}

/// The bootstrap's other forms, candidates: percentiles (with and without widening) and plain BCa.
fn candidate(values: &[f64], statistic: fn(&[f64]) -> f64, form: &str) -> Option<Interval> {
    let n = values.len() as f64;
    let replicates = replicates(values, statistic, 7)?;
    let plain = normal_quantile(0.025);
    let wide = (n / (n - 1.0)).sqrt() * student_quantile(0.025, n - 1.0);
    let correction = match form {
        "percentile" | "wide percentile" => Correction { z0: 0.0, a: 0.0 },
        _ => Correction::new(values, statistic, statistic(values), &replicates),
    };
    let z = if form.starts_with("wide") { wide } else { plain };
    let end = |z: f64| at_share(&replicates, correction.share(z));
    Some(Interval { low: end(z), high: end(-z) })
}

/// An interval of the median between two values in order, the widest that leaves out at most 5 %.
fn by_order(values: &[f64]) -> Option<Interval> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Both of 8 values and of 10: the second from either end covers 93.0 % and 97.9 %.
    let skip = usize::from(values.len() >= 10);
    Some(Interval { low: sorted[skip], high: sorted[values.len() - 1 - skip] })
}

type Draw = fn(&mut SplitMix64) -> f64;

fn student3(random: &mut SplitMix64) -> f64 {
    let squares: f64 = (0..3).map(|_| random.normal().powi(2)).sum();
    random.normal() / (squares / 3.0).sqrt()
}

/// Prints the table of `docs/methods.md`, "Intervals": how often a nominal 95 % interval holds
/// the truth, and its length against Student's.
///
///     cargo test --release --lib coverage_of -- --ignored --nocapture
#[test]
#[ignore = "takes minutes; prints a table"]
fn coverage_of_all_candidates() {
    const ROUNDS: u64 = 2000;
    let kinds: [(&str, Draw); 5] = [
        ("normal", SplitMix64::normal),
        ("t3", student3),
        ("difference of two lognormals", |r| r.normal().exp() - r.normal().exp()),
        ("exponential", |r| -(1.0 - r.unit()).ln()),
        ("lognormal", |r| (0.5 * r.normal()).exp()),
    ];
    type Statistic = fn(&[f64]) -> f64;
    let statistics: [(&str, Statistic); 3] =
        [("mean", mean), ("median", middle), ("sd", |values| sd(values).unwrap_or(f64::NAN))];
    for (of, statistic) in statistics {
        let forms: &[&str] = match of {
            "mean" => &[
                "student",
                "inversion",
                "studentised",
                "percentile",
                "bca",
                "wide percentile",
                "wide bca",
            ],
            "median" => &["order", "percentile", "bca", "wide percentile", "wide bca"],
            _ => &["percentile", "bca", "wide percentile", "wide bca"],
        };
        for (kind, draw) in kinds {
            let mut random = SplitMix64::named(kind, 1);
            let truth = truth(of, kind);
            for n in [8, 10] {
                let mut hits = vec![0_u32; forms.len()];
                let mut lengths = vec![0.0; forms.len()];
                for round in 0..ROUNDS {
                    let values: Vec<f64> = (0..n).map(|_| draw(&mut random)).collect();
                    for (at, form) in forms.iter().enumerate() {
                        let found = match *form {
                            "student" => by_student(&values, LEVEL),
                            "inversion" => by_inversion(&values, LEVEL),
                            "studentised" => studentised(&values, round),
                            "order" => by_order(&values),
                            form => candidate(&values, statistic, form),
                        };
                        let found = found.expect("an interval");
                        hits[at] += u32::from(found.contains(truth));
                        lengths[at] += found.high - found.low;
                    }
                }
                let cells: Vec<String> = (forms.iter().zip(&hits).zip(&lengths))
                    .map(|((form, &hits), length)| {
                        let share = 100.0 * f64::from(hits) / ROUNDS as f64;
                        format!("{form} {share:.1} ({:.2})", length / lengths[0])
                    })
                    .collect();
                println!("{of} | {kind} | {n} | {}", cells.join(" | "));
            }
        }
    }
}

/// Returns the true value of a statistic.
fn truth(of: &str, kind: &str) -> f64 {
    let e = std::f64::consts::E;
    // Variance of the lognormal with σ² = 1, and of that with σ² = 1/4.
    let (wide, narrow) = (e * (e - 1.0), (0.25_f64.exp() - 1.0) * 0.25_f64.exp());
    match (of, kind) {
        ("mean", "exponential") => 1.0,
        ("mean", "lognormal") => 0.125_f64.exp(),
        ("median", "exponential") => 2.0_f64.ln(),
        ("median", "lognormal") => 1.0,
        ("mean" | "median", _) => 0.0,
        ("sd", "t3") => 3.0_f64.sqrt(),
        ("sd", "difference of two lognormals") => (2.0 * wide).sqrt(),
        ("sd", "lognormal") => narrow.sqrt(),
        _ => 1.0,
    }
}
