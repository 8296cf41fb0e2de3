//! Rules that users bring in a folder, and rules by name.

use std::path::Path;

use super::config::nearest;
use super::{ConfigError, Find, Rule, RuleError};

/// Reads the rules of a folder: each `NAME.toml` is a rule in SQL.
///
/// # Errors
/// Fails when the folder cannot be read, a rule makes no sense, or its name is taken.
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
        if taken.iter().any(|rule| rule.slug == slug) {
            let message = "labelvet has a rule of this name; choose another file name".into();
            return Err(RuleError::Invalid { slug, message });
        }
        let text = std::fs::read_to_string(&path).map_err(|error| io(&path, error))?;
        let rule = Rule::parse(&slug, &text, Find::Sql)?;
        super::sql::rehearse(&rule)
            .map_err(|error| RuleError::Invalid { slug, message: error.to_string() })?;
        rules.push(rule);
    }
    Ok(rules)
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
