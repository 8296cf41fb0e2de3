//! Arithmetic of the kernels' inner loops, written so that the compiler vectorises it.
//!
//! `FMA` says that the processor multiplies and adds in one instruction: a function compiled
//! for such processors passes `true`. Without one, `mul_add` would be a call for each element.

/// Elements that the kernels handle side by side.
pub(super) const LANES: usize = 8;

/// Elements side by side: one AVX register.
pub(super) type Lanes = [f32; LANES];

/// Returns `a·b + c`.
#[inline(always)]
pub(super) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Adds `a·b` to each of the sums.
#[inline(always)]
pub(super) fn add_product<const FMA: bool>(sums: &mut Lanes, a: &Lanes, b: &Lanes) {
    for lane in 0..LANES {
        sums[lane] = multiply_add::<FMA>(a[lane], b[lane], sums[lane]);
    }
}

/// Adds `weight·x` to each of the sums.
#[inline(always)]
pub(super) fn add_scaled<const FMA: bool>(sums: &mut Lanes, weight: f32, x: &Lanes) {
    for lane in 0..LANES {
        sums[lane] = multiply_add::<FMA>(weight, x[lane], sums[lane]);
    }
}

/// Returns `LANES` elements of `x` from `at`.
#[inline(always)]
pub(super) fn lanes(x: &[f32; 2 * LANES], at: usize) -> &Lanes {
    x[at..].first_chunk().expect("at most LANES behind the start")
}

/// Fills `y` with `f(y, x)`, elementwise.
#[inline(always)]
pub(super) fn update(y: &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = f(*y, *x);
    }
}

/// Fills `y` with `f(a, b)`, elementwise.
#[inline(always)]
pub(super) fn combine(y: &mut [f32], a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
    for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
        *y = f(*a, *b);
    }
}

/// Fills `y` with `f(a, b)`, elementwise, where `a` may lie in `y`: then it is `None`.
#[inline(always)]
pub(super) fn combine_or_update(
    y: &mut [f32],
    a: Option<&[f32]>,
    b: &[f32],
    f: impl Fn(f32, f32) -> f32,
) {
    match a {
        Some(a) => combine(y, a, b, f),
        None => update(y, b, f),
    }
}

/// Returns the sum of lanes, a power of two of them, by halves and in double precision.
#[inline(always)]
pub(super) fn total<const N: usize>(lanes: &[f32; N]) -> f64 {
    let mut sums = lanes.map(f64::from);
    let mut half = N / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Returns `eˣ` for `x` between −87 and 88; beyond, its value at that bound. NaN stays NaN.
///
/// The relative error is at most 1.5e-7.
///
/// # Source
/// Range reduction and polynomial of `expf` in Moshier's Cephes library.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    /// 1.5·2²³: adding it rounds to an integer, which then lies in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let x = x.clamp(-87.0, 88.0);
    let shifted = multiply_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = multiply_add::<FMA>(n, -LN_2_HIGH, x);
    let r = multiply_add::<FMA>(n, -LN_2_LOW, r);
    let mut p = POLYNOMIAL[0];
    for coefficient in &POLYNOMIAL[1..] {
        p = multiply_add::<FMA>(p, r, *coefficient);
    }
    let p = multiply_add::<FMA>(p, r * r, r) + 1.0;
    // 2ⁿ, with n moved into the exponent.
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

/// Returns `σ(u) = 1/(1 + e⁻ᵘ)`.
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(u: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-u))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_and_sigmoid_are_close_to_double_precision() {
        for step in -86_000..88_000 {
            let x = step as f32 * 1e-3;
            let expected = f64::from(x).exp();
            for found in [exp::<false>(x), exp::<true>(x)] {
                assert!((f64::from(found) / expected - 1.0).abs() < 1.5e-7, "{x}: {found}");
            }
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            for found in [sigmoid::<false>(x), sigmoid::<true>(x)] {
                assert!((f64::from(found) / expected - 1.0).abs() < 2.5e-7, "{x}: {found}");
            }
        }
    }

    #[test]
    fn exponential_stays_finite_and_keeps_nan() {
        assert_eq!(exp::<true>(-1e9), exp::<true>(-87.0));
        assert!(exp::<true>(f32::INFINITY).is_finite());
        assert!(exp::<true>(f32::NAN).is_nan());
        assert_eq!(exp::<true>(0.0), 1.0);
    }

    #[test]
    fn totals_are_sums() {
        assert_eq!(total(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), 36.0);
    }
}
