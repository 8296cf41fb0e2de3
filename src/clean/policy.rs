//! What is done with the findings of each rule, and how much may go: the embedded defaults
//! (`policy.toml`) under the keys that a user replaces.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Rule;

/// The defaults; the file says what each key means and where its value comes from.
const DEFAULT: &str = include_str!("policy.toml");

/// What is done with findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How much may go.
    pub limits: Limits,
    /// What is done with the findings of each rule, by slug.
    pub rules: BTreeMap<String, RulePolicy>,
}

/// How much of a dataset drops may take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Share of the labelled frames that drops may touch, 0 to 1.
    pub max_frame_share: f64,
    /// Examples that drops leave of each keypoint.
    pub min_per_keypoint: u32,
    /// Labelled frames that drops leave of each video.
    pub min_per_video: u32,
    /// Examples that drops leave of each class.
    pub min_per_class: u32,
}

/// What is done with the findings of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulePolicy {
    /// What becomes of what a finding is about.
    pub action: Response,
    /// Findings of a lower score are not acted on, 0 to 1.
    #[serde(default)]
    pub min_score: f64,
    /// What becomes of those.
    #[serde(default)]
    pub below: Below,
    /// Weight of what is weighed down, 0 to 1; 1 less the score where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Whether the label trains anything as it is. Where it does not, its loss costs no example.
    #[serde(default = "yes")]
    pub usable: bool,
    /// Whether an instance with labelled keypoints is relabelled where it would be dropped.
    #[serde(default)]
    pub spare_keypoints: bool,
    /// Where the default comes from.
    #[serde(default, skip_serializing)]
    pub why: String,
}

fn yes() -> bool {
    true
}

/// What becomes of what a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// What the finding proposes; instead of a move, the keypoint is dropped, since a place
    /// that was computed is no label.
    Proposal,
    /// The image is left out.
    DropImage,
    /// The instance is left out.
    DropInstance,
    /// The keypoint is marked as not labelled.
    DropKeypoint,
    /// It is exchanged with another, where the finding proposes that; else a person looks.
    Swap,
    /// It is exchanged or moved, as the finding proposes; else a person looks.
    Move,
    /// It gets a smaller weight in training.
    DownWeight,
    /// A person looks at it.
    Relabel,
    /// Nothing.
    None,
}

/// What becomes of findings of a score that is too low to act on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Below {
    /// A person looks.
    Relabel,
    /// Nothing.
    #[default]
    None,
}

/// Says why a policy makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is no TOML, or a value is of another kind.
    #[error("{0}")]
    Toml(#[from] Box<toml::de::Error>),
    /// It names what does not exist.
    #[error("unknown {what} `{name}`{}", .similar.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    Unknown {
        /// Whether it is a rule or a key, and of what.
        what: String,
        /// The name as it was given.
        name: String,
        /// The nearest name that exists.
        similar: Option<String>,
    },
    /// A value lies outside its range.
    #[error("{place}: `{key}` is {value}, outside 0 to 1")]
    OutOfRange {
        /// The rule, or `limits`.
        place: String,
        /// The key.
        key: &'static str,
        /// The value as it was given.
        value: f64,
    },
}

/// Keys of a rule.
const RULE_KEYS: [&str; 7] =
    ["action", "min_score", "below", "weight", "usable", "spare_keypoints", "why"];
/// Keys of the limits.
const LIMIT_KEYS: [&str; 4] =
    ["max_frame_share", "min_per_keypoint", "min_per_video", "min_per_class"];

impl Default for Policy {
    fn default() -> Policy {
        toml::from_str(DEFAULT).expect("a test parses the embedded policy")
    }
}

impl RulePolicy {
    /// What is done with the findings of a rule that no policy knows, a user's own: a person
    /// looks.
    fn unknown() -> RulePolicy {
        RulePolicy {
            action: Response::Relabel,
            min_score: 0.5,
            below: Below::None,
            weight: None,
            usable: true,
            spare_keypoints: false,
            why: String::new(),
        }
    }
}

impl Policy {
    /// Returns the default policy with the keys of a TOML text in place of its own. `rules`
    /// are the rules that exist, which may be more than those that the defaults know.
    ///
    /// # Errors
    /// Fails on what is no TOML, on rules and keys that do not exist, and on values outside
    /// their range.
    pub fn parse(text: &str, rules: &[Rule]) -> Result<Policy, PolicyError> {
        let given: toml::Table =
            text.parse().map_err(|error| PolicyError::Toml(Box::new(error)))?;
        let mut policy = Policy::default();
        for rule in rules {
            policy.rules.entry(rule.slug.clone()).or_insert_with(RulePolicy::unknown);
        }
        let mut whole = table(&policy)?;
        for (section, value) in given {
            known("section", &section, &["limits", "rules"])?;
            let Some(target) = whole.get_mut(&section).and_then(toml::Value::as_table_mut) else {
                continue;
            };
            if section == "limits" {
                merge(target, &section, value, &LIMIT_KEYS)?;
                continue;
            }
            for (slug, value) in entries(&section, value)? {
                let slugs: Vec<&str> = policy.rules.keys().map(String::as_str).collect();
                known("rule", &slug, &slugs)?;
                let Some(rule) = target.get_mut(&slug).and_then(toml::Value::as_table_mut) else {
                    continue;
                };
                merge(rule, &format!("rule `{slug}`"), value, &RULE_KEYS)?;
            }
        }
        let whole = toml::to_string(&whole).unwrap_or_default();
        let policy: Policy = toml::from_str(&whole).map_err(Box::new)?;
        policy.check()?;
        Ok(policy)
    }

    /// Returns what is done with the findings of a rule.
    pub(super) fn of(&self, rule: &str) -> RulePolicy {
        self.rules.get(rule).cloned().unwrap_or_else(RulePolicy::unknown)
    }

    fn check(&self) -> Result<(), PolicyError> {
        let share = |place: &str, key, value: f64| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(PolicyError::OutOfRange { place: place.into(), key, value }),
        };
        share("limits", "max_frame_share", self.limits.max_frame_share)?;
        for (slug, rule) in &self.rules {
            let place = format!("rule `{slug}`");
            share(&place, "min_score", rule.min_score)?;
            share(&place, "weight", rule.weight.unwrap_or(0.0))?;
        }
        Ok(())
    }
}

fn table(policy: &Policy) -> Result<toml::Table, PolicyError> {
    let text = toml::to_string(policy).unwrap_or_default();
    text.parse().map_err(|error| PolicyError::Toml(Box::new(error)))
}

/// Returns the entries of what has to be a table.
fn entries(place: &str, value: toml::Value) -> Result<toml::Table, PolicyError> {
    value.try_into().map_err(|error: toml::de::Error| {
        use serde::de::Error as _;
        PolicyError::Toml(Box::new(toml::de::Error::custom(format!("{place}: {error}"))))
    })
}

/// Replaces keys of a table.
fn merge(
    target: &mut toml::Table,
    place: &str,
    value: toml::Value,
    keys: &[&str],
) -> Result<(), PolicyError> {
    for (key, value) in entries(place, value)? {
        known(&format!("key of {place}"), &key, keys)?;
        target.insert(key, value);
    }
    Ok(())
}

/// # Errors
/// Fails when a name is not among those that exist.
fn known(what: &str, name: &str, names: &[&str]) -> Result<(), PolicyError> {
    if names.contains(&name) {
        return Ok(());
    }
    let similar = nearest(name, names);
    Err(PolicyError::Unknown { what: what.into(), name: name.into(), similar })
}

/// Returns the name that the fewest changes of a letter lead to, unless that are more than
/// half of its letters.
fn nearest(name: &str, names: &[&str]) -> Option<String> {
    let (changes, best) = names.iter().map(|known| (changes(name, known), known)).min()?;
    (2 * changes <= best.len()).then(|| best.to_string())
}

/// Returns how many letters have to be added, taken away or replaced.
///
/// # Source
/// Wagner & Fischer, The string-to-string correction problem, JACM 21, 1974, with one row.
fn changes(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit;

    fn rules() -> Vec<Rule> {
        audit::builtin().expect("the built-in rules are valid")
    }

    #[test]
    fn the_defaults_name_every_rule_and_no_other() {
        let policy = Policy::parse(DEFAULT, &rules()).expect("the defaults are a policy");
        let slugs: Vec<String> = rules().into_iter().map(|rule| rule.slug).collect();
        let named: Vec<String> = Policy::default().rules.into_keys().collect();
        assert_eq!(named, slugs);
        assert!(policy.rules.values().all(|rule| !rule.why.is_empty()), "each says why");
    }

    #[test]
    fn no_default_moves_a_label() {
        let policy = Policy::default();
        assert!(policy.rules.values().all(|rule| rule.action != Response::Move));
    }

    #[test]
    fn a_key_replaces_only_itself() {
        let text = "[limits]\nmin_per_video = 0\n[rules.left_right_swap]\naction = \"move\"\n";
        let policy = Policy::parse(text, &rules()).expect("a policy");
        let default = Policy::default();
        assert_eq!(policy.limits, Limits { min_per_video: 0, ..default.limits });
        let rule = &policy.rules["left_right_swap"];
        assert_eq!(rule.action, Response::Move);
        assert_eq!(rule.min_score, default.rules["left_right_swap"].min_score);
        assert_eq!(policy.rules["exact_duplicate"].action, Response::DropImage);
    }

    #[test]
    fn mistakes_are_named() {
        let said = |text: &str| match Policy::parse(text, &rules()) {
            Ok(_) => "fine".into(),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            said("[rules.left_rigth_swap]\naction = \"swap\"\n"),
            "unknown rule `left_rigth_swap`; did you mean `left_right_swap`?"
        );
        assert_eq!(
            said("[rules.dark_image]\nmin_scores = 0.5\n"),
            "unknown key of rule `dark_image` `min_scores`; did you mean `min_score`?"
        );
        assert_eq!(
            said("[limits]\nmax_share = 0.1\n"),
            "unknown key of limits `max_share`; did you mean `max_frame_share`?"
        );
        assert_eq!(said("[rule.x]\n"), "unknown section `rule`; did you mean `rules`?");
        assert_eq!(
            said("[rules.dark_image]\nmin_score = 1.5\n"),
            "rule `dark_image`: `min_score` is 1.5, outside 0 to 1"
        );
        assert_eq!(
            said("[limits]\nmax_frame_share = nan\n"),
            "limits: `max_frame_share` is NaN, outside 0 to 1"
        );
        assert!(said("[rules.dark_image]\naction = \"burn\"\n").contains("burn"));
        assert!(said("[limits]\nmin_per_class = -1\n").contains("min_per_class"));
        assert!(said("rules = 3\n").contains("rules"));
        assert!(said("[rules").contains("TOML"));
    }
}
