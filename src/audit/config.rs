//! What users change: which rules run, their severities and thresholds.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Rule, Settings, Severity};

/// The user's settings, as in `labelvet.toml`:
///
/// ```toml
/// [rules.blurry_image]
/// enabled = true
/// severity = "error"
/// min_sharpness = 0.1
///
/// [skeleton]
/// pairs = [["leftear", "rightear"]]
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Changes by rule slug.
    #[serde(default)]
    pub rules: BTreeMap<String, Change>,
    /// What is known of the skeleton.
    #[serde(default)]
    pub skeleton: SkeletonConfig,
}

/// Changes to one rule.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Change {
    /// Turns the rule on or off.
    pub enabled: Option<bool>,
    /// Replaces its severity.
    pub severity: Option<Severity>,
    /// Replaces thresholds.
    #[serde(flatten)]
    pub thresholds: BTreeMap<String, f64>,
}

/// What users tell about the skeleton.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkeletonConfig {
    /// Left-right pairs, as keypoint names; override the inferred ones.
    #[serde(default)]
    pub pairs: Vec<[String; 2]>,
}

/// Says why settings make no sense.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// They are no TOML or have an unknown key.
    #[error("{0}")]
    Toml(#[from] Box<toml::de::Error>),
    /// They name a rule that does not exist.
    #[error("unknown rule `{rule}`{}", .similar.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    NoSuchRule {
        /// The name as it was given.
        rule: String,
        /// The rule with the nearest name.
        similar: Option<String>,
    },
    /// They name a threshold that the rule does not have.
    #[error("rule `{rule}` has no threshold `{threshold}`; it has {}", list(.known))]
    NoSuchThreshold {
        /// The rule.
        rule: String,
        /// The name as it was given.
        threshold: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A threshold lies outside its range.
    #[error("rule `{rule}`: `{threshold}` is {value}, outside {least} to {greatest}")]
    OutOfRange {
        /// The rule.
        rule: String,
        /// The threshold.
        threshold: String,
        /// The value as it was given.
        value: f64,
        /// Least value that makes sense.
        least: f64,
        /// Greatest value that makes sense.
        greatest: f64,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

impl Config {
    /// Parses the content of a `labelvet.toml`.
    ///
    /// # Errors
    /// Fails on what is no TOML and on unknown keys.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Toml(Box::new(error)))
    }

    /// Checks that every rule and threshold that the settings name exists.
    ///
    /// # Errors
    /// Fails on the first that does not, or lies outside its range.
    pub fn check(&self, rules: &[Rule]) -> Result<(), ConfigError> {
        for (slug, change) in &self.rules {
            let Some(rule) = rules.iter().find(|rule| rule.slug == *slug) else {
                let similar = nearest(slug, rules);
                return Err(ConfigError::NoSuchRule { rule: slug.clone(), similar });
            };
            for (name, &value) in &change.thresholds {
                let Some(threshold) = rule.spec.thresholds.get(name) else {
                    return Err(ConfigError::NoSuchThreshold {
                        rule: slug.clone(),
                        threshold: name.clone(),
                        known: rule.spec.thresholds.keys().cloned().collect(),
                    });
                };
                let [least, greatest] = threshold.range;
                if !(least..=greatest).contains(&value) {
                    return Err(ConfigError::OutOfRange {
                        rule: slug.clone(),
                        threshold: name.clone(),
                        value,
                        least,
                        greatest,
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns whether a rule runs.
    pub fn enabled(&self, rule: &Rule) -> bool {
        self.change(rule).and_then(|change| change.enabled).unwrap_or(rule.spec.enabled)
    }

    /// Returns the severity of a rule.
    pub fn severity(&self, rule: &Rule) -> Severity {
        self.change(rule).and_then(|change| change.severity).unwrap_or(rule.spec.severity)
    }

    /// Returns the thresholds of a rule.
    pub fn settings(&self, rule: &Rule) -> Settings {
        let mut thresholds: BTreeMap<String, f64> =
            rule.spec.thresholds.iter().map(|(name, t)| (name.clone(), t.default)).collect();
        if let Some(change) = self.change(rule) {
            thresholds.extend(change.thresholds.iter().map(|(name, &value)| (name.clone(), value)));
        }
        Settings { thresholds }
    }

    fn change(&self, rule: &Rule) -> Option<&Change> {
        self.rules.get(&rule.slug)
    }
}

/// Returns the slug that shares the most words with a name, if any does.
pub(super) fn nearest(name: &str, rules: &[Rule]) -> Option<String> {
    let shared = |slug: &str| slug.split('_').filter(|word| name.contains(word)).count();
    let best =
        rules.iter().max_by_key(|rule| (shared(&rule.slug), std::cmp::Reverse(&rule.slug)))?;
    (shared(&best.slug) > 0).then(|| best.slug.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let rules = crate::audit::builtin().expect("the built-in rules are valid");
        let checked = Config::parse(text).and_then(|config| config.check(&rules));
        checked.map_or_else(|error| error.to_string(), |()| "fine".into())
    }

    #[test]
    fn whole_numbers_are_thresholds_too() {
        let rules = crate::audit::builtin().expect("the built-in rules are valid");
        let text = "[rules.zero_area_box]\nenabled = false\nseverity = \"info\"\nmin_side_px = 2\n";
        let config = Config::parse(text).expect("settings");
        config.check(&rules).expect("they make sense");
        let rule = crate::audit::by_slug(&rules, "zero_area_box").expect("a rule");
        assert!(!config.enabled(rule));
        assert_eq!(config.severity(rule), Severity::Info);
        assert_eq!(config.settings(rule).get("min_side_px"), 2.0);
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let rule = message("[rules.zero_box]\nenabled = true\n");
        assert!(rule.contains("unknown rule `zero_box`"), "{rule}");
        assert!(rule.contains("did you mean"), "{rule}");
        let threshold = message("[rules.zero_area_box]\nmin_side = 1\n");
        assert_eq!(
            threshold,
            "rule `zero_area_box` has no threshold `min_side`; it has min_side_px"
        );
        let range = message("[rules.zero_area_box]\nmin_side_px = -1\n");
        assert_eq!(range, "rule `zero_area_box`: `min_side_px` is -1, outside 0 to 10");
        assert!(message("[rules.zero_area_box]\nmin_side_px = nan\n").contains("outside"));
        assert!(message("[rule.zero_area_box]\n").contains("unknown field"));
    }
}
