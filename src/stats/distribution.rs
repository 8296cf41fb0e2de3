//! The normal distribution and Student's t: shares below a number, and numbers below which a
//! share lies.
//!
//! Takes and gives plain numbers, without state. Exact to about 1e-12 in the shares.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, SQRT_2};

/// Returns Φ(x), the share of the standard normal distribution below x.
pub fn normal_cdf(x: f64) -> f64 {
    erfc(-x / SQRT_2) / 2.0
}

/// Returns Φ⁻¹(p), p from 0 to 1: −∞ of 0, ∞ of 1, NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    invert(p, normal_cdf)
}

/// Returns the share of Student's t distribution below t; NaN where the degrees of freedom are
/// not above 0.
///
/// # Source
/// Abramowitz & Stegun, 26.7.1: `P(|T| > t) = I(ν/(ν + t²); ν/2, 1/2)`.
pub fn student_cdf(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || !freedom.is_finite() || freedom <= 0.0 {
        return f64::NAN;
    }
    let upper = incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5) / 2.0;
    if t > 0.0 { 1.0 - upper } else { upper }
}

/// Returns the number below which a share p, 0 to 1, of Student's t distribution lies: −∞ of 0,
/// ∞ of 1, NaN outside and where the degrees of freedom are not above 0.
pub fn student_quantile(p: f64, freedom: f64) -> f64 {
    if !freedom.is_finite() || freedom <= 0.0 {
        return f64::NAN;
    }
    invert(p, |t| student_cdf(t, freedom))
}

/// Returns where a distribution that is symmetric about 0 reaches a share, by bisection. The
/// lower half is searched, where shares keep their relative precision.
fn invert(p: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 {
        return -invert(1.0 - p, cdf);
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    let (mut low, mut high) = (-1.0, 0.0);
    while cdf(low) > p {
        (low, high) = (2.0 * low, low);
        if low < -1e300 {
            return f64::NEG_INFINITY;
        }
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if cdf(middle) > p { high = middle } else { low = middle }
    }
}

/// Returns the complementary error function: its series up to 3, its continued fraction beyond.
///
/// # Source
/// Abramowitz & Stegun, 7.1.6 and 7.1.14.
fn erfc(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x > 3.0 {
        // 60 terms, from the innermost: more than enough from 3 on.
        let fraction = (1..=60).rev().fold(x, |below, k| x + f64::from(k) / 2.0 / below);
        return (-x * x).exp() / (PI.sqrt() * fraction);
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * k + 1);
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    1.0 - FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// Returns the regularised incomplete beta function I(x; a, b), by its continued fraction.
///
/// # Source
/// Abramowitz & Stegun, 26.5.8, evaluated by Lentz's method as in Press et al., Numerical
/// Recipes (3rd edition), § 6.4.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on this side of the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..=1000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for coefficient in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + coefficient * d);
            c = away_from_zero(1.0 + coefficient / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 4.0 * f64::EPSILON {
            break;
        }
    }
    let log = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    log.exp() * fraction / a
}

/// Returns ln Γ(x), x above 0.
///
/// # Source
/// Lanczos (1964), doi:10.1137/0701008, with g = 7 and the nine coefficients of Godfrey (2001).
fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let series = (COEFFICIENTS.iter().zip(1..))
        .fold(0.999_999_999_999_809_9, |sum, (c, k)| sum + c / (x + f64::from(k)));
    let t = x + G + 0.5;
    (2.0 * PI).ln() / 2.0 + (x + 0.5) * t.ln() - t + series.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found}, {expected}");
    }

    /// Abramowitz & Stegun, tables 26.1 and 26.10, and more digits of the same numbers.
    #[test]
    fn values_of_tables() {
        near(normal_cdf(0.0), 0.5);
        near(normal_cdf(1.0), 0.841_344_746_068_543);
        near(normal_cdf(1.96), 0.975_002_104_851_780);
        near(normal_cdf(-5.0) * 1e7, 2.866_515_718_791_939);
        near(normal_quantile(0.975), 1.959_963_984_540_054);
        near(normal_quantile(1e-10), -6.361_340_902_404_056);
        // t with 1 degree of freedom is Cauchy's, with 2 it has a closed form.
        near(student_cdf(1.0, 1.0), 0.75);
        near(student_quantile(0.975, 1.0), (PI * 0.475).tan());
        near(student_cdf(1.5, 2.0), 0.5 + 1.5 / (2.0 * (2.0_f64 + 2.25).sqrt()));
        assert_eq!(format!("{:.3}", student_quantile(0.975, 7.0)), "2.365");
        assert_eq!(format!("{:.3}", student_quantile(0.995, 9.0)), "3.250");
        assert_eq!(format!("{:.3}", student_quantile(0.95, 30.0)), "1.697");
        near(student_quantile(0.975, 1e7), 1.959_964_221_707);
    }

    #[test]
    fn both_ways_agree() {
        for p in [1e-6, 0.01, 0.3, 0.5, 0.7, 0.999] {
            near(normal_cdf(normal_quantile(p)), p);
            for freedom in [0.7, 1.0, 3.0, 9.0, 200.0] {
                near(student_cdf(student_quantile(p, freedom), freedom), p);
                near(student_quantile(p, freedom), -student_quantile(1.0 - p, freedom));
            }
        }
    }

    #[test]
    fn ends_and_nonsense() {
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert_eq!(student_cdf(f64::INFINITY, 3.0), 1.0);
        for nonsense in [
            normal_quantile(1.1),
            normal_quantile(f64::NAN),
            student_cdf(f64::NAN, 3.0),
            student_cdf(0.0, 0.0),
            student_quantile(0.5, -1.0),
        ] {
            assert!(nonsense.is_nan());
        }
    }
}
