//! `labelvet.json`: marks a folder as written by labelvet and says how: version,
//! command line, every setting, and a fingerprint of the dataset.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{AuditReport, RunInfo, SCHEMA};
use crate::audit::{Config, Rule, Severity};
use crate::dataset::fingerprint;
use crate::facts::Facts;

/// How a folder was made, with the settings of the command that made it.
#[derive(Debug, Serialize)]
pub(super) struct Mark<S> {
    /// Version of the layout of this file and of `findings.json` beside it.
    schema: u32,
    /// Always `labelvet`.
    tool: &'static str,
    /// Version of labelvet.
    version: &'static str,
    /// The command line, as words.
    command: Vec<String>,
    /// The dataset.
    pub(super) dataset: Source,
    /// Everything that users may change, as it was used.
    settings: S,
    /// Seconds that the work took.
    seconds: f64,
}

/// The dataset that an output was made of.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    /// As the user named it.
    path: String,
    /// Format that it was read as.
    format: String,
    /// Hash of its images and labels, see [`crate::dataset::fingerprint`].
    pub(super) fingerprint: String,
}

/// Everything that users of an audit may change, as it was used.
#[derive(Debug, Serialize)]
pub(super) struct AuditSettings {
    /// Seed of everything random.
    seed: u64,
    /// Whether image files were opened.
    pixels: bool,
    /// Left-right pairs that the user gave.
    pairs: Vec<[String; 2]>,
    /// Rules by slug.
    pub(super) rules: BTreeMap<String, RuleSettings>,
}

/// The settings of one rule.
#[derive(Debug, Serialize)]
pub(super) struct RuleSettings {
    /// Whether it was turned on.
    pub(super) enabled: bool,
    /// Severity of its findings.
    pub(super) severity: Severity,
    /// Thresholds by name.
    pub(super) thresholds: BTreeMap<String, f64>,
}

impl<S> Mark<S> {
    /// Describes what was made of a dataset.
    pub(super) fn new(facts: &Facts, run: &RunInfo, settings: S) -> Mark<S> {
        Mark {
            schema: SCHEMA,
            tool: "labelvet",
            version: env!("CARGO_PKG_VERSION"),
            command: run.command.clone(),
            dataset: Source {
                path: run.dataset.clone(),
                format: facts.dataset.format.into(),
                fingerprint: fingerprint(&facts.dataset, |image| {
                    facts.images.get(image).and_then(|known| known.sha256)
                }),
            },
            settings,
            seconds: run.seconds,
        }
    }
}

impl AuditSettings {
    /// Returns what an audit was made with.
    pub(super) fn new(report: &AuditReport<'_>) -> AuditSettings {
        AuditSettings {
            seed: report.run.seed,
            pixels: report.facts.measured,
            pairs: report.config.skeleton.pairs.clone(),
            rules: rules(report.rules, report.config),
        }
    }
}

fn rules(rules: &[Rule], config: &Config) -> BTreeMap<String, RuleSettings> {
    let settings = |rule: &Rule| RuleSettings {
        enabled: config.enabled(rule),
        severity: config.severity(rule),
        thresholds: config.settings(rule).thresholds,
    };
    rules.iter().map(|rule| (rule.slug.clone(), settings(rule))).collect()
}
