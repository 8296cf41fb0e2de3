//! Ranges of the plan's numbers.

/// A number of a step that does not fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unfit {
    /// The key in the plan's file.
    pub(super) key: &'static str,
    /// What is wrong with it, a fragment.
    pub(super) reason: String,
}

/// Checks a number: from `low` to `high`.
pub(super) fn within(key: &'static str, value: f64, low: f64, high: f64) -> Result<(), Unfit> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Unfit { key, reason: format!("must be from {low} to {high}, not {value}") })
}

/// Checks a pair of least and most, both from `low` to `high`.
pub(super) fn ordered(
    key: &'static str,
    [least, most]: [f64; 2],
    low: f64,
    high: f64,
) -> Result<(), Unfit> {
    within(key, least, low, high)?;
    within(key, most, low, high)?;
    if least <= most {
        return Ok(());
    }
    Err(Unfit { key, reason: format!("must begin with the lesser number, not [{least}, {most}]") })
}
