//! Images that look alike, for those who divide a dataset.

use super::models::duplicates;
use super::{Config, ConfigError, Rule, by_slug};
use crate::facts::Facts;

/// The rule whose thresholds say what looks alike.
const RULE: &str = "near_duplicate";

/// Returns the groups of two or more images with the same or nearly the same content, by
/// index, each in ascending order. What is alike is what the rules `exact_duplicate` and
/// `near_duplicate` find, whether they are turned on or not; images that were not opened are
/// like none.
///
/// # Errors
/// Fails where the rules lack `near_duplicate`, which gives the thresholds.
pub fn alike(facts: &Facts, rules: &[Rule], config: &Config) -> Result<Vec<Vec<u32>>, ConfigError> {
    let settings = config.settings(by_slug(rules, RULE)?);
    let groups = duplicates::alike(facts, &settings);
    Ok(groups.into_iter().map(|group| group.into_iter().map(|at| at as u32).collect()).collect())
}
