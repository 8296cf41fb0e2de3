//! `data.yaml`: folders of the splits, names of classes and keypoints.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::super::{FormatError, files, splits};

/// What a `data.yaml` says.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Folder of the dataset, as it stands there.
    pub(super) path: Option<String>,
    /// Per split its folders, lists or images, as they stand there.
    pub(super) splits: Vec<(&'static str, Vec<String>)>,
    /// Class ids and names, in the order of the ids.
    pub(super) names: Vec<(u64, String)>,
    /// Number of classes, where it is stated.
    pub(super) nc: Option<u64>,
    /// Number of keypoints and of values per keypoint (2 or 3).
    pub(super) kpt_shape: Option<[usize; 2]>,
    /// Keypoint names by class id, or of all classes under `None`.
    pub(super) kpt_names: Vec<(Option<u64>, Vec<String>)>,
    /// The permutation of keypoints that a horizontal flip applies.
    pub(super) flip_idx: Option<Vec<u16>>,
    /// What could not be understood.
    pub(super) unread: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    path: Value,
    train: Value,
    val: Value,
    test: Value,
    minival: Value,
    names: Value,
    nc: Value,
    kpt_shape: Value,
    kpt_names: Value,
    flip_idx: Value,
}

/// Most keypoints of one skeleton: an array of more is a mistake.
const MOST_KEYPOINTS: u64 = 10_000;

/// Returns whether a file is the `data.yaml` of a YOLO dataset, by its keys.
pub(super) fn is_config(path: &Path) -> bool {
    let Some(text) = files::yaml_text(path) else { return false };
    let has = |key: &str| files::has_key(&text, key);
    (has("names") || has("nc")) && (has("train") || has("val") || has("test"))
}

/// Reads a `data.yaml`.
///
/// # Errors
/// Fails when it cannot be read or is no YAML.
pub(super) fn read(path: &Path) -> Result<Config, FormatError> {
    let bytes = files::read(path)?;
    parse(path, &String::from_utf8_lossy(&bytes))
}

/// Reads the text of a `data.yaml`.
///
/// # Errors
/// Fails when it is no YAML.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, FormatError> {
    let raw: Raw = files::yaml(text).map_err(|error| FormatError::Malformed {
        path: path.into(),
        row: error.location().map(|location| location.line() as usize),
        message: error.to_string().lines().next().unwrap_or_default().into(),
    })?;
    Ok(Config::new(&raw))
}

impl Config {
    fn new(raw: &Raw) -> Config {
        let mut config = Config { path: word(&raw.path), nc: raw.nc.as_u64(), ..Config::default() };
        for (split, value) in [
            ("train", &raw.train),
            ("val", &raw.val),
            ("test", &raw.test),
            ("minival", &raw.minival),
        ] {
            let places = match value {
                Value::Array(list) => list.iter().filter_map(word).collect(),
                one => word(one).into_iter().collect::<Vec<_>>(),
            };
            if !places.is_empty() {
                config.splits.push((split, places));
            }
        }
        config.names = match &raw.names {
            Value::Array(list) => numbered(list),
            Value::Object(map) => {
                let mut names = Vec::new();
                for (id, name) in map {
                    match (id.trim().parse(), word(name)) {
                        (Ok(id), Some(name)) => names.push((id, name)),
                        _ => config.unread.push(format!(
                            "expected a class id and a name in `names`, found `{id}: {name}`"
                        )),
                    }
                }
                names.sort();
                names
            }
            Value::Null => {
                let count = config.nc.unwrap_or(0).min(u64::from(u16::MAX));
                (0..count).map(|id| (id, id.to_string())).collect()
            }
            other => {
                config.unread.push(format!("expected a list or map as `names`, found {other}"));
                Vec::new()
            }
        };
        if let Some(nc) = config.nc
            && nc != config.names.len() as u64
        {
            let found = config.names.len();
            config.unread.push(format!("`nc` is {nc}, but `names` has {found} names"));
        }
        config.read_keypoints(raw);
        config
    }

    fn read_keypoints(&mut self, raw: &Raw) {
        let shape: Option<Vec<u64>> =
            raw.kpt_shape.as_array().and_then(|shape| shape.iter().map(Value::as_u64).collect());
        match (&raw.kpt_shape, shape.as_deref()) {
            (Value::Null, _) => {}
            (_, Some(&[count, values]))
                if (1..=MOST_KEYPOINTS).contains(&count) && (2..=3).contains(&values) =>
            {
                self.kpt_shape = Some([count as usize, values as usize]);
            }
            (found, _) => self.unread.push(format!(
                "expected [number of keypoints, 2 or 3] as `kpt_shape`, found {found}"
            )),
        }
        match &raw.kpt_names {
            Value::Array(list) => {
                let names = list.iter().filter_map(word).collect();
                self.kpt_names.push((None, names));
            }
            Value::Object(map) => {
                for (id, list) in map {
                    if let (Ok(id), Value::Array(list)) = (id.trim().parse(), list) {
                        self.kpt_names.push((Some(id), list.iter().filter_map(word).collect()));
                    }
                }
                self.kpt_names.sort();
            }
            _ => {}
        }
        if let Some(count) = self.kpt_shape.map(|shape| shape[0]) {
            let unread = &mut self.unread;
            self.kpt_names.retain(|(_, names)| {
                if names.len() != count {
                    let found = names.len();
                    unread.push(format!("expected {count} `kpt_names`, found {found}"));
                }
                names.len() == count
            });
        }
        self.flip_idx = match &raw.flip_idx {
            Value::Null => None,
            found => {
                let index = |value: &Value| u16::try_from(value.as_u64()?).ok();
                let flip: Option<Vec<u16>> =
                    found.as_array().and_then(|list| list.iter().map(index).collect());
                if flip.is_none() {
                    let message =
                        format!("expected a list of indices as `flip_idx`, found {found}");
                    self.unread.push(message);
                }
                // An empty list is how some exporters write that there is none.
                flip.filter(|flip| !flip.is_empty())
            }
        };
    }
}

fn numbered(list: &[Value]) -> Vec<(u64, String)> {
    (0..).zip(list).map(|(id, name)| (id, word(name).unwrap_or_else(|| id.to_string()))).collect()
}

/// Returns a word, which YAML may have taken for a number or a truth.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().into()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Returns a path without `.` and `..`, as its words alone tell.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

/// Returns the folders that a `data.yaml` may mean by its `path`, the likeliest first.
///
/// # Source
/// Ultralytics' `check_det_dataset`: `path` if given, else the folder of the file; and,
/// since datasets are moved, the folder of the file in any case.
pub(super) fn bases(yaml: &Path, path: Option<&str>) -> Vec<PathBuf> {
    let own = plain(yaml.parent().unwrap_or(Path::new("")));
    let mut bases = Vec::new();
    if let Some(path) = path {
        let path = files::slashes(path);
        bases.push(plain(&own.join(&path)));
        // A relative `path` is meant relative to a folder of datasets.
        if let Some(up) = own.parent() {
            bases.push(plain(&up.join(path.trim_start_matches("../"))));
        }
    }
    bases.push(own);
    bases.retain(|base| base.is_dir());
    bases
}

/// Returns the file or folder that an entry of a split means, if it exists.
///
/// # Source
/// Ultralytics' `check_det_dataset`: relative to the base; where that does not exist and
/// the entry begins with `../`, without that (Roboflow writes `../train/images` for the
/// folder beside the file). Where a path of another machine stands, its last parts.
pub(super) fn resolve(bases: &[PathBuf], entry: &str) -> Option<PathBuf> {
    let entry = files::slashes(entry);
    let stripped = entry.strip_prefix("../");
    for base in bases {
        for entry in [Some(entry.as_str()), stripped].into_iter().flatten() {
            let place = plain(&base.join(entry));
            if place.exists() {
                return Some(place);
            }
        }
    }
    let parts: Vec<&str> = entry.split('/').filter(|part| !["", ".."].contains(part)).collect();
    for start in 0..parts.len() {
        // A last part alone, such as `images`, says too little, unless it is a split.
        if start + 1 == parts.len() && splits::split_named(parts[start]).is_none() {
            break;
        }
        let tail = parts[start..].join("/");
        if let Some(place) = bases.iter().map(|base| base.join(&tail)).find(|p| p.exists()) {
            return Some(place);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("data.yaml");
        std::fs::write(&file, text).expect("a file");
        assert!(is_config(&file));
        read(&file).expect("a configuration")
    }

    #[test]
    fn names_come_as_list_or_map_and_splits_as_one_or_many() {
        let list = config("train: a\nval: [b, c]\nnc: 2\nnames: ['cat', 3]\n");
        let name = |id, name: &str| (id, name.to_string());
        assert_eq!(list.names, [name(0, "cat"), name(1, "3")]);
        assert_eq!(list.splits[1], ("val", vec!["b".into(), "c".into()]));
        assert_eq!(list.unread, [""; 0]);
        let map = config("train: a\nnc: 2\nnames:\n  10: ten\n  2: two\n  x: y\n");
        assert_eq!(map.names, [name(2, "two"), name(10, "ten")]);
        assert_eq!(map.unread, ["expected a class id and a name in `names`, found `x: \"y\"`"]);
    }

    #[test]
    fn keypoints_are_read_or_said_to_be_unreadable() {
        let good = config(
            "train: a\nnames: [p]\nkpt_shape: [2, 3]\nflip_idx: [1, 0]\nkpt_names:\n  0: [l, r]\n",
        );
        assert_eq!(good.kpt_shape, Some([2, 3]));
        assert_eq!(good.flip_idx, Some(vec![1, 0]));
        assert_eq!(good.kpt_names, [(Some(0), vec!["l".into(), "r".into()])]);
        let bad = config(
            "train: a\nnc: 3\nnames: [p]\nkpt_shape: [2, 4]\nflip_idx: [1, -1]\nkpt_names: [a]\n",
        );
        assert_eq!(bad.kpt_shape, None);
        assert_eq!(bad.flip_idx, None);
        assert_eq!(
            bad.unread,
            [
                "`nc` is 3, but `names` has 1 names",
                "expected [number of keypoints, 2 or 3] as `kpt_shape`, found [2,4]",
                "expected a list of indices as `flip_idx`, found [1,-1]",
            ]
        );
    }

    #[test]
    fn entries_are_found_where_trainers_look() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("set");
        for place in ["train/images", "valid/images"] {
            std::fs::create_dir_all(root.join(place)).expect("a folder");
        }
        let bases = bases(&root.join("data.yaml"), Some("../set"));
        let found = |entry| resolve(&bases, entry);
        let train = Some(root.join("train/images"));
        assert_eq!(found("train/images"), train);
        assert_eq!(found("../train/images"), train);
        assert_eq!(found(r"C:\Users\me\set\train\images"), train);
        assert_eq!(found("/content/train"), Some(root.join("train")));
        assert_eq!(found("/content/images"), None);
        assert_eq!(found("../test/images"), None);
    }
}
