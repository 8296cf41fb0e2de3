//! A DeepLabCut project's `config.yaml`: who labels, which body parts, which bones.
//!
//! Reads only the keys that tell about labels; paths, videos and training settings
//! of a project that moved from machine to machine are no concern of it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{FormatError, files};
use crate::dataset::Engine;

/// Name of the individual that unique body parts belong to in label files.
pub(super) const UNIQUE: &str = "single";

/// What `config.yaml` says about labels.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Config {
    /// Who labels; labels of others are not trained on.
    pub(super) scorer: Option<String>,
    /// Body parts of every animal.
    pub(super) bodyparts: Vec<String>,
    /// Body parts that exist once in a picture, such as the corner of an arena.
    pub(super) unique: Vec<String>,
    /// Bones, as names.
    pub(super) edges: Vec<[String; 2]>,
    /// Whether individuals are told apart.
    pub(super) multi_animal: bool,
    /// Names of the videos, without folder and suffix.
    pub(super) videos: Vec<String>,
    /// Share of the frames that are trained on.
    pub(super) train_fraction: Option<f64>,
    /// Number of the refinement that training sets and plans belong to.
    pub(super) iteration: Option<u64>,
    /// Who trains.
    pub(super) engine: Option<Engine>,
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
    video_sets: Value,
    #[serde(rename = "TrainingFraction")]
    training_fraction: Value,
    iteration: Value,
    engine: Value,
}

/// Returns whether a file is the `config.yaml` of a DeepLabCut project, by its keys.
pub(super) fn is_config(path: &Path) -> bool {
    let Some(text) = files::yaml_text(path) else { return false };
    let has = |key: &str| files::has_key(&text, key);
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
    let raw: Raw = files::yaml(text).map_err(|error| {
        let row = error.location().map(|location| location.line() as usize);
        // The row stands in the error already.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        malformed(row, message.lines().next().unwrap_or_default().into())
    })?;
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
            multi_animal: multi,
            videos: videos(&raw.video_sets),
            train_fraction: (raw.training_fraction.get(0).unwrap_or(&raw.training_fraction))
                .as_f64()
                .filter(|share| (0.0..=1.0).contains(share)),
            iteration: raw.iteration.as_u64(),
            engine: match name(&raw.engine).map(|word| word.to_lowercase()).as_deref() {
                Some("tensorflow" | "tf") => Some(Engine::TensorFlow),
                Some("pytorch" | "torch") => Some(Engine::PyTorch),
                _ => None,
            },
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

/// Returns the names of videos: the last parts of their paths, which may be those of another
/// machine, without the suffix.
///
/// # Source
/// DeepLabCut 3.0.1, `_robust_path_split`: the path is split at backslashes if it has any.
fn videos(sets: &Value) -> Vec<String> {
    let mut names: Vec<String> = (sets.as_object().into_iter().flatten())
        .map(|(path, _)| {
            let separator = if path.contains('\\') { '\\' } else { '/' };
            let file = path.rsplit(separator).next().unwrap_or(path);
            file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_string()
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn edges(value: &Value) -> Vec<[String; 2]> {
    let pair = |edge: &Value| <[String; 2]>::try_from(names(edge)).ok();
    value.as_array().map(|list| list.iter().filter_map(pair).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, FormatError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, text).expect("a file");
        assert!(is_config(&path), "{text}");
        read(&path)
    }

    #[test]
    fn names_that_yaml_takes_for_something_else_stay_names() {
        let config = config("scorer: 7\nbodyparts:\n- 1\n- no\n- y\n- 'a: b'\n").expect("YAML");
        assert_eq!(config.scorer.as_deref(), Some("7"));
        assert_eq!(config.bodyparts, ["1", "no", "y", "a: b"]);
    }

    #[test]
    fn a_multi_animal_project_has_other_keys() {
        let text = "\u{feff}scorer: Ada\r\nmultianimalproject: true\r\nbodyparts: MULTI!\r\n\
                    multianimalbodyparts: [nose, tail]\r\nuniquebodyparts:\r\n- corner\r\n\
                    skeleton:\r\n- [nose, tail]\r\n- [nose]\r\n- nose\r\n";
        let config = config(text).expect("YAML");
        assert_eq!(config.bodyparts, ["nose", "tail"]);
        assert_eq!(config.unique, ["corner"]);
        assert_eq!(config.edges, [["nose", "tail"].map(String::from)]);
    }

    #[test]
    fn videos_are_named_by_the_last_part_of_their_paths() {
        let text = "scorer: Ada\nbodyparts: [nose]\nengine: pytorch\nTrainingFraction: [0.8, 0.95]\n\
                    iteration: 2\nvideo_sets:\n  C:\\Users\\me\\cage 1.b.avi:\n    crop: 0, 1, 0, 1\n  /data/m4s1.mp4:\n    crop: 0, 1, 0, 1\n";
        let config = config(text).expect("YAML");
        assert_eq!(config.videos, ["cage 1.b", "m4s1"]);
        assert_eq!(config.engine, Some(Engine::PyTorch));
        assert_eq!((config.train_fraction, config.iteration), (Some(0.8), Some(2)));
    }

    #[test]
    fn empty_keys_are_nothing() {
        let config = config("scorer:\nbodyparts:\nskeleton: []\nscorer:\n").expect("YAML");
        assert_eq!(config, Config::default());
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_row() {
        let error = config("scorer: Ada\nbodyparts:\n- nose\nskeleton: }\n").expect_err("no YAML");
        let FormatError::Malformed { row, message, .. } = error else { panic!("{error}") };
        assert_eq!(row, Some(4), "{message}");
        assert!(!message.contains('\n') && !message.contains("line 4"), "{message}");
    }
}
