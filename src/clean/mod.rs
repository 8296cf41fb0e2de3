//! Cleaning: findings and a [`Policy`] become a [`Patch`], and a patch becomes a cleaned copy
//! of a dataset, and back. Never changes a file of the dataset, and never prints.

mod apply;
mod aside;
mod asked;
mod change;
mod edits;
mod error;
mod limits;
mod names;
mod patch;
mod plan;
mod policy;

mod revert;

pub use apply::Applied;
pub use aside::{RELABEL, WEIGHTS};
pub use change::{Action, Change, HeldBack, Labels, Limit, Point, Relabel, Weight, When};
pub use error::CleanError;
pub use patch::{Counts, Extent, Patch, labels_fingerprint};
pub use plan::plan;
pub use policy::{Below, Limits, Policy, PolicyError, Response, RulePolicy};
pub use revert::{Reverted, copy_of, keeps_the_same, kept_beside};

#[cfg(test)]
mod tests;
