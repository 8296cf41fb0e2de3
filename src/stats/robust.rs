//! Robust location and scatter: half of the values may be wrong.

/// Turns a median absolute deviation into the standard deviation of a normal
/// distribution: 1 / Φ⁻¹(3/4).
pub const MAD_TO_SD: f64 = 1.482_602_218_505_602;

/// Location and scatter of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Robust {
    /// Median.
    pub median: f64,
    /// Standard deviation as the median absolute deviation tells it.
    pub sd: f64,
}

/// Returns median and scatter, `None` of no values. Reorders and overwrites the slice.
pub fn robust(values: &mut [f64]) -> Option<Robust> {
    let median = median(values)?;
    for value in values.iter_mut() {
        *value = (*value - median).abs();
    }
    let mad = self::median(values)?;
    Some(Robust { median, sd: MAD_TO_SD * mad })
}

/// Returns the median, the mean of the middle two of an even number, `None` of no
/// values. Reorders the slice.
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let upper = *values.select_nth_unstable_by(middle, f64::total_cmp).1;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values[..middle].iter().copied().max_by(f64::total_cmp)?;
    Some((lower + upper) / 2.0)
}

/// Returns the value below which a share (0 to 1) of the values lies, without
/// interpolation, `None` of no values. Reorders the slice.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let at = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_value_of_five_does_not_matter() {
        let calm = robust(&mut [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(calm, robust(&mut [1.0, 2.0, 3.0, 4.0, 1e9]));
        assert_eq!(calm, Some(Robust { median: 3.0, sd: MAD_TO_SD }));
    }

    #[test]
    fn even_numbers_and_quantiles() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
        assert_eq!(quantile(&mut [5.0, 1.0, 3.0, 2.0, 4.0], 0.75), Some(4.0));
    }
}
