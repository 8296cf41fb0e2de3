//! Bounds of what one piece of evidence may say.

/// Least and greatest logarithm of a likelihood ratio that one piece of evidence may give: models
/// are wrong in their tails, so none may decide alone against all others.
const LIMITS: [f64; 2] = [-8.0, 15.0];

/// Returns a log likelihood ratio within bounds.
pub(super) fn within(log_ratio: f64) -> f64 {
    log_ratio.clamp(LIMITS[0], LIMITS[1])
}
