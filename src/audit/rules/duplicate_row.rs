//! Two rows or files of labels for one image, or the same annotation twice.

use crate::audit::models::problems;
use crate::audit::{Hit, Settings};
use crate::dataset::ProblemKind;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, _: &Settings) -> Vec<Hit> {
    problems::hits(facts, ProblemKind::DuplicateRow)
}
