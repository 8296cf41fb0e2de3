//! Finds and reads the user's settings and rules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::audit::{Config, Rule};

/// Name of the settings file.
const FILE: &str = "labelvet.toml";

/// Returns the settings that hold for a dataset, checked against the rules.
///
/// # Errors
/// Fails when a settings file cannot be read or names what does not exist.
pub(super) fn load(given: Option<&Path>, dataset: &Path, rules: &[Rule]) -> anyhow::Result<Config> {
    let Some((path, text)) = (match given {
        Some(path) => Some((path.to_path_buf(), read(path)?)),
        None => find(dataset)?,
    }) else {
        return Ok(Config::default());
    };
    let named = || format!("failed to read {}", path.display());
    let text = if path.file_name().is_some_and(|name| name == "pyproject.toml") {
        tool_table(&text).with_context(named)?.unwrap_or_default()
    } else {
        text
    };
    let config = Config::parse(&text).with_context(named)?;
    config.check(rules).with_context(named)?;
    Ok(config)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// Looks beside a dataset and above it.
fn find(dataset: &Path) -> anyhow::Result<Option<(PathBuf, String)>> {
    let Ok(dataset) = dataset.canonicalize() else { return Ok(None) };
    for folder in dataset.ancestors().filter(|folder| folder.is_dir()) {
        let own = folder.join(FILE);
        if own.is_file() {
            let text = read(&own)?;
            return Ok(Some((own, text)));
        }
        let python = folder.join("pyproject.toml");
        if python.is_file() {
            let text = read(&python)?;
            // A project's file that is broken, or is not about labelvet, is not ours to judge.
            if matches!(tool_table(&text), Ok(Some(_))) {
                return Ok(Some((python, text)));
            }
        }
    }
    Ok(None)
}

/// Returns the table `[tool.labelvet]` of a `pyproject.toml`.
fn tool_table(text: &str) -> anyhow::Result<Option<String>> {
    let all: toml::Table = text.parse()?;
    let own = all.get("tool").and_then(|tool| tool.get("labelvet"));
    own.map(|table| Ok(toml::to_string(table)?)).transpose()
}

/// Returns the built-in rules and those of the user's folder.
///
/// # Errors
/// Fails when the folder cannot be read or a rule in it makes no sense.
pub(super) fn rules(folder: Option<&Path>) -> anyhow::Result<Vec<Rule>> {
    let mut rules = crate::audit::builtin()?;
    if let Some(folder) = folder {
        rules.extend(crate::audit::load(folder)?);
    }
    Ok(rules)
}
