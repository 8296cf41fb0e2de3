//! The audit: rules over facts. Takes [`Facts`](crate::facts::Facts) and
//! [`Config`], gives sorted [`Finding`]s; and the [`Ledger`] of what training will use. Pure: no
//! files, clock or randomness.

mod alike;
mod config;
mod evidence;
mod explain;
mod finding;
mod ledger;
mod load;
mod models;
mod registry;
mod rule;
mod rules;
mod run;
mod sql;
mod words;

pub use alike::alike;
pub use config::{Config, ConfigError};
pub use explain::explain;
pub use finding::{Action, Finding, Hit, Kind, Level, Place, Proposal, Severity, Subject};
pub use ledger::{Count, Effect, Ledger, Loss, Lost, Note, Unit, Visits, ledger};
pub use load::{by_slug, load};
pub use registry::builtin;
pub use rule::{Family, Find, Need, Rule, RuleError, Settings, Threshold};
pub use run::{Audit, Skipped, run};
