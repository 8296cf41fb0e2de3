//! `labelvet rules`: lists the rules.

use std::path::PathBuf;

use anyhow::Result;

use crate::audit::{Config, Rule};
use crate::cli::{Common, output, settings};

/// List the rules with their severity and what they are about
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Folder with more rules in SQL
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

pub(in crate::cli) fn run(options: &Options, common: &Common) -> Result<()> {
    let rules = settings::rules(options.rules.as_deref())?;
    let here = std::env::current_dir()?;
    let config = settings::load(common.config.as_deref(), &here, &rules)?;
    output::print(&table(&rules, &config))
}

fn table(rules: &[Rule], config: &Config) -> String {
    let longest = rules.iter().map(|rule| rule.slug.len()).max().unwrap_or(0);
    let mut text = String::new();
    for rule in rules {
        let severity = format!("{:?}", config.severity(rule)).to_lowercase();
        let state = if config.enabled(rule) { severity.as_str() } else { "off" };
        let level = format!("{:?}", rule.spec.level).to_lowercase();
        let title = output::safe(&rule.spec.title);
        text += &format!("{:longest$}  {state:7}  {level:8}  {title}\n", rule.slug);
    }
    text
}
