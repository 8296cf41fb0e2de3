//! The rules that labelvet brings. Generated: `UPDATE=1 cargo test --release`.

use super::rule::{Find, Rule, RuleError};
use super::rules;

/// Returns the built-in rules, sorted by slug.
///
/// # Errors
/// Fails when a rule's TOML file makes no sense; a test holds that none does.
#[rustfmt::skip]
pub fn builtin() -> Result<Vec<Rule>, RuleError> {
    [
        ("keypoint_outlier", include_str!("../../rules/keypoint_outlier.toml"), Find::Rust(rules::keypoint_outlier::find)),
        ("left_right_swap", include_str!("../../rules/left_right_swap.toml"), Find::Rust(rules::left_right_swap::find)),
        ("missing_keypoint", include_str!("../../rules/missing_keypoint.toml"), Find::Rust(rules::missing_keypoint::find)),
        ("zero_area_box", include_str!("../../rules/zero_area_box.toml"), Find::Rust(rules::zero_area_box::find)),
    ]
    .into_iter()
    .map(|(slug, toml, find)| Rule::parse(slug, toml, find))
    .collect()
}
