//! Training plans of a DeepLabCut project: `pose_cfg.yaml` (TensorFlow) and
//! `pytorch_config.yaml`, and the keys in them that no code reads.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files;
use crate::dataset::{DeadKey, Engine, Length, Plan};

/// Folders of models, the file that a plan has there, and who reads it.
const PLACES: [(&str, &str, Engine); 2] = [
    ("dlc-models", "pose_cfg.yaml", Engine::TensorFlow),
    ("dlc-models-pytorch", "pytorch_config.yaml", Engine::PyTorch),
];

/// Keys of augmentations that are read only below `contrast` or `convolution`.
const NESTED: [(&str, &str); 9] = [
    ("histeq", "contrast"),
    ("clahe", "contrast"),
    ("gamma", "contrast"),
    ("sigmoid", "contrast"),
    ("log", "contrast"),
    ("linear", "contrast"),
    ("sharpen", "convolution"),
    ("emboss", "convolution"),
    ("edge", "convolution"),
];

/// Keys that only the loader `scalecrop` reads.
const SCALECROP: [&str; 5] = ["minsize", "leftwidth", "rightwidth", "topheight", "bottomheight"];

/// Returns the plans of an iteration, in the order of their files, and their dead keys.
pub(super) fn read(root: &Path, iteration: u64) -> (Vec<Plan>, Vec<DeadKey>) {
    let mut plans = Vec::new();
    let mut dead = Vec::new();
    for (folder, name, engine) in PLACES {
        let models = files::entries(&root.join(folder).join(format!("iteration-{iteration}")));
        for file in models.iter().map(|model| model.join("train").join(name)) {
            let Some((text, keys)) = keys(&file) else { continue };
            let path = files::relative(root, &file);
            plans.push(match engine {
                Engine::TensorFlow => tensorflow(&path, &keys),
                Engine::PyTorch => pytorch(&path, &keys),
            });
            if engine == Engine::TensorFlow {
                dead.extend(dead_keys(&path, &text, &keys));
            }
        }
    }
    (plans, dead)
}

/// Returns the key of `config.yaml` that newer versions of DeepLabCut no longer read.
///
/// # Source
/// DeepLabCut 2.2 on: `create_training_dataset` takes `default_net_type`; `resnet` was read
/// until 2.0.
pub(super) fn dead_in_config(root: &Path, file: &Path) -> Option<DeadKey> {
    let (text, keys) = keys(&PathBuf::from(file))?;
    keys.get("resnet").filter(|value| !value.is_null())?;
    let message = "`default_net_type` is read in its place since DeepLabCut 2.1".into();
    Some(dead(&files::relative(root, file), &text, "resnet", message))
}

/// Returns the text of a YAML file and its keys; `None` where it is none.
fn keys(file: &Path) -> Option<(String, Value)> {
    let text = files::yaml_text(file)?;
    let keys: Value = files::yaml(&text).ok()?;
    keys.is_object().then_some((text, keys))
}

fn tensorflow(path: &str, keys: &Value) -> Plan {
    let usual = Plan::usual(Engine::TensorFlow);
    let positive = |key: &str| keys[key].as_f64().filter(|n| n.is_finite() && *n > 0.0);
    // The last entry of `multi_step` ends the training.
    let last = keys["multi_step"].as_array().and_then(|steps| steps.last()?.get(1)?.as_u64());
    Plan {
        file: Some(path.into()),
        engine: Engine::TensorFlow,
        batch: keys["batch_size"].as_u64().filter(|n| *n > 0).unwrap_or(usual.batch),
        length: last.map_or(usual.length, Length::Iterations),
        loader: keys["dataset_type"].as_str().unwrap_or("imgaug").into(),
        global_scale: positive("global_scale").unwrap_or(usual.global_scale),
        input_px: [
            positive("min_input_size").unwrap_or(usual.input_px[0]),
            positive("max_input_size").unwrap_or(usual.input_px[1]),
        ],
    }
}

fn pytorch(path: &str, keys: &Value) -> Plan {
    let usual = Plan::usual(Engine::PyTorch);
    let whole = |key: &str| keys["train_settings"][key].as_u64().filter(|n| *n > 0);
    Plan {
        file: Some(path.into()),
        batch: whole("batch_size").unwrap_or(usual.batch),
        length: whole("epochs").map_or(usual.length, Length::Epochs),
        ..usual
    }
}

/// Returns the keys of a `pose_cfg.yaml` that the TensorFlow engine does not read.
///
/// # Source
/// DeepLabCut 3.0.1, `pose_imgaug.py`: `rotratio` is overwritten with `rotateratio`, the
/// augmentations of contrast and convolution are looked for below these keys, `fliplr` needs
/// `symmetric_pairs`; `pose_scalecrop.py` alone reads the sizes of crops.
fn dead_keys(path: &str, text: &str, keys: &Value) -> Vec<DeadKey> {
    let set = |key: &str| !matches!(keys[key], Value::Null | Value::Bool(false));
    let loader = keys["dataset_type"].as_str().unwrap_or("imgaug");
    let imgaug = matches!(loader, "imgaug" | "default");
    let mut found = Vec::new();
    if !keys["rotratio"].is_null() && imgaug {
        let message = "the code reads `rotateratio`".to_string();
        found.push(dead(path, text, "rotratio", message));
    }
    if !imgaug {
        return found;
    }
    for (key, above) in NESTED {
        if set(key) {
            let message = format!("the code reads `{key}` below `{above}`");
            found.push(dead(path, text, key, message));
        }
    }
    for key in SCALECROP {
        if !keys[key].is_null() {
            let message = format!("only `dataset_type: scalecrop` reads it, this is `{loader}`");
            found.push(dead(path, text, key, message));
        }
    }
    if set("fliplr") && !set("symmetric_pairs") {
        let message = "it has no effect without `symmetric_pairs`".to_string();
        found.push(dead(path, text, "fliplr", message));
    }
    found
}

fn dead(file: &str, text: &str, key: &str, message: String) -> DeadKey {
    let own = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let row = text.lines().position(own).map(|at| at as u32 + 1);
    DeadKey { file: file.into(), row, key: key.into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_and_dead_keys_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            std::fs::write(file, text).expect("a file");
        };
        write(
            "dlc-models/iteration-1/a/train/pose_cfg.yaml",
            "batch_size: 4\nmulti_step:\n- [0.1, 10]\n- [0.2, 2000]\nrotratio: 0.4\nclahe: true\n\
             emboss: false\nfliplr: true\nminsize: 100\nglobal_scale: 0.5\nmax_input_size: 900\n",
        );
        write(
            "dlc-models-pytorch/iteration-1/a/train/pytorch_config.yaml",
            "train_settings:\n  batch_size: 16\n  epochs: 50\n",
        );
        write("dlc-models/iteration-0/a/train/pose_cfg.yaml", "batch_size: 9\n");
        let (plans, dead) = read(folder.path(), 1);
        assert_eq!(plans.len(), 2);
        assert_eq!((plans[0].batch, plans[0].length), (4, Length::Iterations(2000)));
        assert_eq!((plans[0].global_scale, plans[0].input_px), (0.5, [64.0, 900.0]));
        assert_eq!((plans[1].batch, plans[1].length), (16, Length::Epochs(50)));
        let found: Vec<_> = dead.iter().map(|key| (key.key.as_str(), key.row)).collect();
        assert_eq!(
            found,
            [("rotratio", Some(5)), ("clahe", Some(6)), ("minsize", Some(9)), ("fliplr", Some(8))]
        );
        assert!(read(folder.path(), 7).0.is_empty());
    }

    #[test]
    fn what_is_no_yaml_is_no_plan() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("dlc-models/iteration-0/a/train/pose_cfg.yaml");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
        std::fs::write(&file, "a: [1\n").expect("a file");
        assert!(read(folder.path(), 0).0.is_empty());
    }
}
