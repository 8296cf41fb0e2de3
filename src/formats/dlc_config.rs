//! A DeepLabCut project's `config.yaml`: who labels, which body parts, which bones.
//!
//! Reads only the keys that tell about labels; paths, videos and training settings
//! of a project that moved from machine to machine are no concern of it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{FormatError, files};

/// Name of the individual that unique body parts belong to in label files.
pub(super) const UNIQUE: &str = "single";

/// What `config.yaml` says about labels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Who labels; labels of others are not trained on.
    pub(super) scorer: Option<String>,
    /// Body parts of every animal.
    pub(super) bodyparts: Vec<String>,
    /// Body parts that exist once in a picture, such as the corner of an arena.
    pub(super) unique: Vec<String>,
    /// Bones, as names.
    pub(super) edges: Vec<[String; 2]>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    scorer: Value,
    multianimalproject: Value,
    bodyparts: Value,
    multianimalbodyparts: Value,
    uniquebodyparts: Value,
    skeleton: Value,
}

/// Returns whether a file is the `config.yaml` of a DeepLabCut project, by its keys.
pub(super) fn is_config(path: &Path) -> bool {
    let yaml = files::has_suffix(path, "yaml") || files::has_suffix(path, "yml");
    if !yaml || !path.is_file() {
        return false;
    }
    let Ok(bytes) = files::read(path) else { return false };
    let text = String::from_utf8_lossy(&bytes);
    let has = |key: &str| {
        (text.lines()).any(|line| line.strip_prefix(key).is_some_and(|l| l.starts_with(':')))
    };
    has("bodyparts") && (has("scorer") || has("video_sets"))
}

/// Reads a `config.yaml`.
///
/// # Errors
/// Fails when it cannot be read or is no YAML.
pub(super) fn read(path: &Path) -> Result<Config, FormatError> {
    let bytes = files::read(path)?;
    let malformed = |row, message| FormatError::Malformed { path: path.into(), row, message };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let row = 1 + bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        malformed(Some(row), "expected UTF-8, found another encoding".into())
    })?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        with_snippet: false,
    };
    let raw: Raw =
        serde_saphyr::from_str_with_options(text.trim_start_matches('\u{feff}'), options).map_err(
            |error| {
                let row = error.location().map(|location| location.line() as usize);
                malformed(row, error.to_string().lines().next().unwrap_or_default().into())
            },
        )?;
    Ok(raw.into())
}

impl From<Raw> for Config {
    fn from(raw: Raw) -> Config {
        let multi = raw.multianimalproject == Value::Bool(true);
        let own = names(&raw.bodyparts);
        Config {
            scorer: name(&raw.scorer),
            // A multi-animal project says `bodyparts: MULTI!`.
            bodyparts: if multi || own.is_empty() { names(&raw.multianimalbodyparts) } else { own },
            unique: names(&raw.uniquebodyparts),
            edges: edges(&raw.skeleton),
        }
    }
}

/// Returns a name, which YAML may have taken for a number.
fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().into()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn names(value: &Value) -> Vec<String> {
    value.as_array().map(|list| list.iter().filter_map(name).collect()).unwrap_or_default()
}

fn edges(value: &Value) -> Vec<[String; 2]> {
    let pair = |edge: &Value| <[String; 2]>::try_from(names(edge)).ok();
    value.as_array().map(|list| list.iter().filter_map(pair).collect()).unwrap_or_default()
}
