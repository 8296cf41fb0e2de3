//! A rule: its data (from TOML) and how it finds (Rust or SQL).
//!
//! The schema of the TOML files is in `rules/README.md`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::evidence::Explained;
use super::sql::Query;
use super::{Hit, Level, Severity};
use crate::facts::Facts;

/// A rule with its thresholds and its explanation.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The only id that a rule has, such as `blurry_image`.
    pub slug: String,
    /// Its data.
    pub spec: Spec,
    /// How it finds.
    pub find: Find,
}

/// How a rule finds.
#[derive(Debug, Clone, Copy)]
pub enum Find {
    /// A pure function.
    Rust(fn(&Facts, &Settings) -> Vec<Hit>),
    /// A pure function that is also told what is most likely wrong with each pose.
    Poses(fn(&Facts, &Explained, &Settings) -> Vec<Hit>),
    /// The `sql` of its TOML file, run over the frames.
    Sql,
}

/// The content of a rule's TOML file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Name for people, such as "Blurry image".
    pub title: String,
    /// Default severity.
    pub severity: Severity,
    /// Group that reports list it under.
    pub family: Family,
    /// What its findings are about.
    pub level: Level,
    /// Whether it runs unless settings turn it on.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// What it cannot work without.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Whether findings about nearly all images of a video become one finding.
    #[serde(default)]
    pub merge: bool,
    /// Rules that judge a pose by more: where one of them has a finding about an instance, this
    /// one's findings about it are left out.
    #[serde(default)]
    pub yields_to: Vec<String>,
    /// What it finds.
    pub what: String,
    /// Why that harms training.
    pub why: String,
    /// How it is measured.
    pub how: String,
    /// How to fix it.
    pub fix: String,
    /// What it cannot see, and when it is wrong.
    pub limits: String,
    /// Papers, specifications and pages that it rests on.
    #[serde(default)]
    pub references: Vec<String>,
    /// Numbers that users may change.
    #[serde(default)]
    pub thresholds: BTreeMap<String, Threshold>,
    /// The query of a rule in SQL.
    pub sql: Option<String>,
}

fn enabled() -> bool {
    true
}

/// Group that reports list a rule under.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Files and label files.
    File,
    /// Pixels of whole images.
    Image,
    /// Keypoints and poses.
    Keypoint,
    /// Boxes and instances.
    Instance,
    /// Classes.
    Class,
    /// Splits.
    Split,
}

/// What a rule cannot work without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Image files that were opened and measured.
    Pixels,
    /// Explanations of poses, which are made once for all rules that need them.
    Poses,
    /// What a model says of the images.
    Predictions,
}

/// A number of a rule that users may change.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Value unless settings change it.
    pub default: f64,
    /// Unit, such as `px`; `1` for a ratio.
    pub unit: String,
    /// Least and greatest value that makes sense.
    pub range: [f64; 2],
    /// What it does.
    pub meaning: String,
    /// Where the default comes from.
    pub source: String,
}

/// Says why a rule file makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It is no TOML, or lacks a key.
    #[error("rule `{slug}`: {source}")]
    Toml {
        /// The rule.
        slug: String,
        /// What the parser said.
        source: Box<toml::de::Error>,
    },
    /// Its content contradicts itself.
    #[error("rule `{slug}`: {message}")]
    Invalid {
        /// The rule.
        slug: String,
        /// What is wrong.
        message: String,
    },
    /// The folder given with `--rules` cannot be read.
    #[error("failed to read {path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Rule {
    /// Makes a rule of a TOML text.
    ///
    /// # Errors
    /// Fails when the text does not follow the schema, a default lies outside its
    /// range, a query is missing or superfluous, or does what a rule must not.
    pub fn parse(slug: &str, toml: &str, find: Find) -> Result<Rule, RuleError> {
        let spec: Spec = toml::from_str(toml)
            .map_err(|source| RuleError::Toml { slug: slug.into(), source: source.into() })?;
        let invalid = |message: String| RuleError::Invalid { slug: slug.into(), message };
        if spec.sql.is_some() != matches!(find, Find::Sql) {
            return Err(invalid("a rule is either Rust or has `sql`".into()));
        }
        if spec.needs.contains(&Need::Poses) != matches!(find, Find::Poses(_)) {
            return Err(invalid("only a rule in Rust may need `poses`, and must say so".into()));
        }
        for (name, threshold) in &spec.thresholds {
            if ["enabled", "severity"].contains(&name.as_str()) {
                return Err(invalid(format!("`{name}` is a setting of every rule, no threshold")));
            }
            let [least, greatest] = threshold.range;
            if !(least..=greatest).contains(&threshold.default) {
                let default = threshold.default;
                return Err(invalid(format!(
                    "threshold `{name}`: {default} is outside {least} to {greatest}"
                )));
            }
        }
        if let Some(sql) = &spec.sql {
            Query::parse(sql)
                .and_then(|query| query.check_thresholds(spec.thresholds.keys()))
                .map_err(|error| invalid(format!("query: {error}")))?;
        }
        Ok(Rule { slug: slug.into(), spec, find })
    }
}

/// The thresholds of one rule, after the user's settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Values by name.
    pub thresholds: BTreeMap<String, f64>,
}

impl Settings {
    /// Returns a threshold.
    ///
    /// # Panics
    /// Panics when the rule's TOML file does not declare it; a test runs every rule.
    pub fn get(&self, name: &str) -> f64 {
        *self.thresholds.get(name).expect("the rule's TOML file declares the threshold")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
title = "T"
severity = "info"
family = "image"
level = "image"
what = "w"
why = "w"
how = "h"
fix = "f"
limits = "l"
"#;

    #[test]
    fn default_outside_its_range_is_refused() {
        let threshold = "[thresholds.t]\ndefault = 2.0\nunit = \"px\"\nrange = [0.0, 1.0]\nmeaning = \"m\"\nsource = \"s\"\n";
        let error = Rule::parse("r", &format!("{MINIMAL}{threshold}"), Find::Rust(|_, _| vec![]));
        assert!(error.unwrap_err().to_string().contains("outside 0 to 1"));
    }

    #[test]
    fn sql_rule_without_query_is_refused() {
        assert!(Rule::parse("r", MINIMAL, Find::Sql).is_err());
        assert!(Rule::parse("r", MINIMAL, Find::Rust(|_, _| vec![])).is_ok());
    }
}
