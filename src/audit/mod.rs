//! The audit: rules over facts. Takes [`Facts`](crate::facts::Facts) and
//! [`Config`], gives sorted [`Finding`]s. Pure: no files, clock or randomness.

mod alike;
mod config;
mod explain;
mod finding;
mod load;
mod models;
mod registry;
mod rule;
mod rules;
mod run;
mod sql;

pub use alike::alike;
pub use config::{Config, ConfigError};
pub use explain::explain;
pub use finding::{Action, Finding, Hit, Kind, Level, Place, Proposal, Severity, Subject};
pub use load::{by_slug, load};
pub use registry::builtin;
pub use rule::{Family, Find, Need, Rule, RuleError, Settings, Threshold};
pub use run::{Audit, Skipped, run};
