//! `labelvet explain RULE`: explains a rule.

use std::path::PathBuf;

use anyhow::Result;

use crate::audit;
use crate::cli::{Common, output, settings};

/// Explain a rule: what it finds, why it matters, how it is measured, how to fix it
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Slug of the rule, as `labelvet rules` lists it
    rule: String,
    /// Folder with more rules in SQL
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

pub(in crate::cli) fn run(options: &Options, _: &Common) -> Result<()> {
    let rules = settings::rules(options.rules.as_deref())?;
    let rule = audit::by_slug(&rules, &options.rule)?;
    output::print(&output::safe(&audit::explain(rule)))
}
