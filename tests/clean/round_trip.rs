//! Apply, then revert, on every format that is written.

use std::path::Path;

use labelvet::audit::{Action, Finding, Proposal};
use labelvet::clean::{self, Patch};
use labelvet::dataset::{Dataset, Edit};
use labelvet::formats::{self, ReadOptions};

use super::{Made, copy, tree, unlimited};
use crate::formats::{fixture, load, shared};

/// Returns findings that ask for every kind of change that a dataset can hold, each of a
/// frame of its own.
fn findings(dataset: &Dataset) -> Vec<Finding> {
    let made = Made(dataset);
    let ranges = dataset.instances_by_image();
    let mut frames: Vec<usize> = (0..ranges.len()).filter(|&at| !ranges[at].is_empty()).collect();
    let mut findings = Vec::new();
    let pair_of = |at: usize| {
        let instance = &dataset.instances[at];
        let pairs = dataset.skeleton_of(instance).map_or(&[][..], |skeleton| &skeleton.pairs);
        let labelled = |kind| dataset.keypoint(instance, kind).is_some();
        pairs.iter().copied().find(|[a, b]| labelled(*a) || labelled(*b))
    };
    let swap =
        frames.iter().find_map(|&f| ranges[f].clone().find_map(|i| Some((f, i, pair_of(i)?))));
    if let Some((frame, at, pair)) = swap {
        findings.push(made.swap(at, pair));
        frames.retain(|&other| other != frame);
    }
    let pointed = frames.iter().find_map(|&frame| {
        let at = ranges[frame].clone().find(|&at| dataset.instances[at].len > 1)?;
        Some((frame, at))
    });
    if let Some((frame, at)) = pointed {
        let kind = dataset.keypoints_of(&dataset.instances[at])[0].kind;
        let drop = Proposal::new(Action::DropKeypoint);
        findings.push(made.keypoint("keypoint_outside_image", at, kind, drop));
        frames.retain(|&other| other != frame);
    }
    if let Some(frame) = frames.pop() {
        findings.push(made.image("corrupt_image", frame as u32));
    }
    if let Some(frame) = frames.pop() {
        findings.push(made.instance("duplicate_instance", ranges[frame].end - 1));
    }
    if let Some(frame) = frames.pop() {
        findings.push(made.image("blurry_image", frame as u32));
    }
    findings
}

/// What is read of labels, as far as rows do not matter.
fn labels(dataset: &Dataset) -> Vec<String> {
    let mut lines: Vec<String> = (dataset.instances.iter())
        .map(|instance| {
            let points: Vec<_> = (dataset.keypoints_of(instance).iter())
                .map(|p| (p.kind, p.visibility, dataset.to_label(p.x), dataset.to_label(p.y)))
                .collect();
            let image = &dataset.images[instance.image as usize].path;
            format!("{image} {:?} {:?} {points:?}", instance.class, instance.bbox)
        })
        .collect();
    lines.sort();
    lines
}

/// Cleans a copy of a dataset and takes it back.
fn there_and_back(source: &Path, file: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let below = |name: &str| folder.path().join(name);
    copy(source, &below("source"));
    let before = tree(&below("source"));
    let dataset = load(&below("source").join(file));
    let patch = clean::plan(&dataset, &findings(&dataset), &unlimited());
    assert!(!patch.changes.is_empty(), "{}: something changes", source.display());
    let applied = patch
        .apply(&dataset, &below("clean"), &below("patch.d"))
        .unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    assert_eq!(tree(&below("source")), before, "the source is as it was");

    // The copy says what the patch makes of the dataset.
    let edits = patch.edits(&dataset).expect("the dataset is as it was");
    let cleaned = load(&below("clean").join(file));
    assert_eq!(labels(&cleaned), labels(&dataset.edited(&edits)), "{}", source.display());
    for edit in &edits {
        if let Edit::DropImage { image } = edit {
            let path = &dataset.images[*image as usize].path;
            assert!(cleaned.images.iter().all(|image| image.path != *path), "{path} is left out");
        }
    }
    let clean = tree(&below("clean"));
    for (path, hash) in &before {
        let other = applied.changed.contains(path)
            || applied.left_out.contains(path)
            || applied.stale.contains(path);
        assert_eq!(clean.get(path) == Some(hash), !other, "{path}");
    }
    let added: Vec<_> = clean.keys().filter(|path| !before.contains_key(*path)).collect();
    let tables: Vec<_> = applied.tables.iter().collect();
    assert_eq!(added, tables, "nothing but tables is added");

    std::fs::write(below("clean/labelvet.json"), "{}").expect("the mark");
    let clean = tree(&below("clean"));
    patch.revert(&below("clean"), &below("patch.d"), &below("back")).expect("it is taken back");
    assert_eq!(tree(&below("back")), before, "{}", source.display());
    assert_eq!(tree(&below("clean")), clean, "the copy is as it was");
}

#[test]
fn clean_round_trip_deeplabcut() {
    there_and_back(&fixture("deeplabcut/animals"), "");
    there_and_back(&fixture("deeplabcut/spreadsheet"), "config.yaml");
    there_and_back(&fixture("deeplabcut/video_folder"), "");
}

#[test]
fn clean_round_trip_lightning_pose() {
    there_and_back(&fixture("lightning_pose/fused"), "");
    there_and_back(&fixture("lightning_pose/views"), "");
    there_and_back(&fixture("../mirror-mouse"), "");
}

#[test]
fn clean_round_trip_coco() {
    there_and_back(&fixture("coco/splits"), "");
    there_and_back(&fixture("coco/bad"), "annotations.json");
}

#[test]
fn clean_round_trip_yolo() {
    there_and_back(&fixture("yolo/pose"), "data.yaml");
    there_and_back(&fixture("yolo/lists"), "set.yaml");
}

#[test]
fn clean_round_trip_voc() {
    there_and_back(&fixture("voc/bad"), "");
}

#[test]
fn clean_round_trip_of_real_data() {
    for (path, file) in [
        ("dlc-openfield/examples/openfield-Pranav-2018-10-30", "config.yaml"),
        ("road-signs-yolo/road_signs_yolo", ""),
        ("bccd-voc/BCCD", ""),
    ] {
        if let Some(source) = shared(path) {
            there_and_back(&source, file);
        }
    }
}

/// A small COCO dataset whose pictures lie elsewhere.
#[test]
fn clean_round_trip_with_images_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let below = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(below("here")).expect("a folder");
    std::fs::create_dir_all(below("there")).expect("a folder");
    let mut images = Vec::new();
    let mut annotations = Vec::new();
    for at in 0..4 {
        let name = format!("{at}.png");
        std::fs::write(below("there").join(&name), [at as u8]).expect("a picture");
        images.push(serde_json::json!({"id": at, "file_name": name, "width": 9, "height": 9}));
        annotations.push(serde_json::json!({
            "id": at, "image_id": at, "category_id": 1, "bbox": [1, 1, 3, 3], "iscrowd": 0,
        }));
    }
    let file = serde_json::json!({
        "info": {"by": "hand"}, "images": images, "annotations": annotations,
        "categories": [{"id": 1, "name": "mouse"}],
    });
    let json = below("here/mice.json");
    std::fs::write(&json, format!("{file:#}\n")).expect("labels");
    let options = ReadOptions { images: Some(below("there")), ..ReadOptions::default() };
    let dataset = formats::read(&json, &options).expect("a dataset");
    let made = Made(&dataset);
    let findings = [made.image("corrupt_image", 1), made.instance("duplicate_instance", 3)];
    let patch = clean::plan(&dataset, &findings, &unlimited());
    patch.apply(&dataset, &below("clean"), &below("patch.d")).expect("applied");
    let clean: Vec<String> = tree(&below("clean")).into_keys().collect();
    assert!(clean.contains(&"mice.json".into()), "{clean:?}");
    assert_eq!(clean.iter().filter(|path| path.ends_with(".png")).count(), 3, "{clean:?}");
    assert_eq!(load(&below("clean/mice.json")).instances.len(), 2);
    std::fs::write(below("clean/labelvet.json"), "{}").expect("the mark");
    patch.revert(&below("clean"), &below("patch.d"), &below("back")).expect("taken back");
    assert_eq!(
        std::fs::read(below("back/mice.json")).expect("labels"),
        std::fs::read(&json).expect("labels")
    );
    let back = tree(&below("back"));
    for (path, hash) in tree(&below("there")) {
        assert!(back.iter().any(|(name, other)| name.ends_with(&path) && *other == hash), "{path}");
    }
}

/// A prepared copy of a Lightning Pose fixture, its patch, and the folder around them.
fn applied() -> (tempfile::TempDir, Patch) {
    let folder = tempfile::tempdir().expect("a folder");
    let below = |name: &str| folder.path().join(name);
    copy(&fixture("deeplabcut/spreadsheet"), &below("source"));
    let dataset = load(&below("source"));
    let patch = clean::plan(&dataset, &findings(&dataset), &unlimited());
    patch.apply(&dataset, &below("clean"), &below("patch.d")).expect("applied");
    std::fs::write(below("clean/labelvet.json"), "{}").expect("the mark");
    (folder, patch)
}

/// Returns the changed label file.
fn changed(folder: &Path) -> std::path::PathBuf {
    let source = tree(&folder.join("source"));
    let clean = tree(&folder.join("clean"));
    let differs = |path: &&String| {
        path.ends_with(".csv") && clean.contains_key(*path) && clean[*path] != source[*path]
    };
    folder.join("clean").join(source.keys().find(differs).expect("a label file changed"))
}

#[test]
fn clean_revert_keeps_what_was_edited_since() {
    let (folder, patch) = applied();
    let below = |name: &str| folder.path().join(name);
    let refused = |to: &str| {
        let error = patch.revert(&below("clean"), &below("patch.d"), &below(to));
        error.expect_err("the copy was edited").to_string()
    };
    let file = changed(folder.path());
    let written = std::fs::read_to_string(&file).expect("labels");
    // A digit of the last row.
    let at = written.trim_end().rfind(|c: char| c.is_ascii_digit()).expect("a number");
    let digit = if &written[at..=at] == "7" { "8" } else { "7" };
    let edited = format!("{}{digit}{}", &written[..at], &written[at + 1..]);
    std::fs::write(&file, &edited).expect("edited");
    let message = refused("one");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(message.contains(&name) && message.contains("it holds something else"), "{message}");
    assert_eq!(std::fs::read_to_string(&file).expect("labels"), edited, "the edit is kept");
    std::fs::remove_file(&file).expect("removed");
    assert!(refused("two").contains("it is gone"));

    std::fs::write(&file, &written).expect("put back");
    patch.revert(&below("clean"), &below("patch.d"), &below("back")).expect("it is taken back");
    assert_eq!(tree(&below("back")), tree(&below("source")));
}

#[test]
fn clean_revert_wants_its_own_copy() {
    let (folder, patch) = applied();
    let below = |name: &str| folder.path().join(name);
    let mut other = patch.clone();
    other.changes.pop();
    let said = |patch: &Patch, copy: &str, kept: &str| {
        let reverted = patch.revert(&below(copy), &below(kept), &below("back"));
        reverted.expect_err("it is another").to_string()
    };
    assert!(said(&other, "clean", "patch.d").contains("has been changed since"));
    assert!(said(&patch, "source", "patch.d").contains("no labelvet.json"));
    assert!(said(&patch, "clean", "nothing.d").contains("applied.json"));
    let damaged = tree(&below("patch.d"));
    let kept = damaged.keys().find(|path| path.ends_with(".csv")).expect("a kept label file");
    std::fs::write(below("patch.d").join(kept), "spoilt").expect("damaged");
    assert!(said(&patch, "clean", "patch.d").contains("is not what was kept there"));
}

#[cfg(unix)]
#[test]
fn clean_writes_through_no_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let below = |name: &str| folder.path().join(name);
    copy(&fixture("deeplabcut/spreadsheet"), &below("source"));
    // The label files and the pictures lie elsewhere, linked to.
    let files: Vec<String> = tree(&below("source")).into_keys().collect();
    for (at, path) in files.iter().filter(|path| !path.ends_with(".yaml")).enumerate() {
        std::fs::create_dir_all(below("elsewhere")).expect("a folder");
        let there = below("elsewhere").join(format!("{at}"));
        std::fs::rename(below("source").join(path), &there).expect("moved");
        std::os::unix::fs::symlink(&there, below("source").join(path)).expect("a link");
    }
    let before = tree(&below("elsewhere"));
    let dataset = load(&below("source"));
    let patch = clean::plan(&dataset, &findings(&dataset), &unlimited());
    let applied = patch.apply(&dataset, &below("clean"), &below("patch.d")).expect("applied");
    assert_eq!(tree(&below("elsewhere")), before);
    for path in &applied.changed {
        assert!(!below("clean").join(path).is_symlink(), "{path} is a file of its own");
    }
    std::fs::write(below("clean/labelvet.json"), "{}").expect("the mark");
    patch.revert(&below("clean"), &below("patch.d"), &below("back")).expect("it is taken back");
    assert_eq!(tree(&below("elsewhere")), before);
    for path in &files {
        let content = |root: &str| std::fs::read(below(root).join(path)).expect("a file");
        assert_eq!(content("back"), content("source"), "{path}");
    }
}
