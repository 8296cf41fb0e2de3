//! Body parts that only the labels or only the configuration name.

use crate::audit::models::problems;
use crate::audit::{Hit, Settings};
use crate::dataset::ProblemKind;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, _: &Settings) -> Vec<Hit> {
    problems::hits(facts, ProblemKind::KeypointMismatch)
}
