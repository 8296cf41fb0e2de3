//! Rules in SQL.

use super::{Hit, Rule, Settings};
use crate::facts::Facts;

/// Says why a query cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct SqlError(String);

/// Runs the query of a rule.
pub(super) fn find(_: &Facts, _: &Rule, _: &Settings) -> Result<Vec<Hit>, SqlError> {
    Err(SqlError("not built".into()))
}
