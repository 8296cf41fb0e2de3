//! Rules that users bring in a folder, and rules by name.

use std::path::Path;

use super::config::nearest;
use super::{ConfigError, Find, Rule, RuleError};

/// Largest rule file, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the rules of a folder: each `NAME.toml` is a rule in SQL.
///
/// A rule is run once over tables without rows, so that whatever is wrong with it
/// shows here and not after an hour of measuring.
///
/// # Errors
/// Fails when the folder cannot be read, a rule makes no sense or does what a rule
/// must not, or its name is taken.
pub fn load(folder: &Path) -> Result<Vec<Rule>, RuleError> {
    let io = |path: &Path, source| RuleError::Io { path: path.display().to_string(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| io(folder, error))? {
        let path = entry.map_err(|error| io(folder, error))?.path();
        if path.extension().is_some_and(|suffix| suffix == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let taken = super::builtin()?;
    let mut rules = Vec::new();
    for path in files {
        let slug = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let invalid =
            |message: &str| RuleError::Invalid { slug: slug.clone(), message: message.into() };
        if !is_slug(&slug) {
            return Err(invalid(
                "a file of a rule is named in lower case, such as few_keypoints.toml",
            ));
        }
        if taken.iter().any(|rule| rule.slug == slug) {
            return Err(invalid("labelvet has a rule of this name; choose another file name"));
        }
        // A pull request may bring the folder: a link could lead to a file whose
        // lines are nobody's business, and an error message would show one.
        let file = std::fs::symlink_metadata(&path).map_err(|error| io(&path, error))?;
        if !file.is_file() || file.len() > MAX_BYTES {
            return Err(invalid("a rule is a plain file of at most 1 MiB, not a link"));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| io(&path, error))?;
        let rule = Rule::parse(&slug, &text, Find::Sql)?;
        super::sql::rehearse(&rule).map_err(|error| invalid(&error.to_string()))?;
        rules.push(rule);
    }
    Ok(rules)
}

/// Returns whether a name is in snake case and so can stand in settings.
fn is_slug(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns the rule of a slug.
///
/// # Errors
/// Fails when there is none; the error names the nearest.
pub fn by_slug<'a>(rules: &'a [Rule], slug: &str) -> Result<&'a Rule, ConfigError> {
    rules
        .iter()
        .find(|rule| rule.slug == slug)
        .ok_or_else(|| ConfigError::NoSuchRule { rule: slug.into(), similar: nearest(slug, rules) })
}
