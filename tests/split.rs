//! `labelvet split` as users call it: tables that `train --split` reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use labelvet::dataset::{Dataset, Part, Split};
use labelvet::formats::{self, ReadOptions};
use labelvet::train::split_file;
use serde_json::Value;

fn labelvet(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(words)
        .env("LABELVET_CACHE", "off")
        .output()
        .expect("the command starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Copies the shipped example, in which the 11th frame then has the picture of the 61st.
fn project(folder: &Path) -> (PathBuf, [usize; 2]) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mirror-mouse");
    let project = folder.join("project");
    fs::create_dir_all(project.join("labeled-data")).expect("folders");
    for entry in fs::read_dir(example.join("labeled-data")).expect("images") {
        let entry = entry.expect("an image");
        let new = project.join("labeled-data").join(entry.file_name());
        fs::copy(entry.path(), new).expect("copied");
    }
    fs::copy(example.join("CollectedData.csv"), project.join("CollectedData.csv")).expect("copied");
    let dataset = read(&project);
    let labelled: Vec<usize> =
        dataset.instances.iter().map(|instance| instance.image as usize).collect();
    let twins = [labelled[10], labelled[60]];
    let [copy, original] =
        twins.map(|at| dataset.images[at].file.clone().expect("the file exists"));
    fs::copy(original, copy).expect("copied");
    (project, twins)
}

fn read(project: &Path) -> Dataset {
    formats::read(project, &ReadOptions::default()).expect("the dataset is read")
}

fn split(project: &Path, out: &Path, more: &[&str]) -> (Vec<Split>, Value) {
    let words = ["split", text(project), "--out", text(out), "--by", "block", "--shuffles", "8"];
    let output = labelvet(&[&words[..], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let dataset = read(project);
    let table = |at: usize| {
        let path = out.join(format!("split-{at}.csv"));
        split_file::read(&path, &dataset).expect("train reads it")
    };
    let summary = fs::read_to_string(out.join("summary.json")).expect("a summary");
    ((1..=8).map(table).collect(), serde_json::from_str(&summary).expect("JSON"))
}

#[test]
fn split_keeps_neighbours_and_look_alikes_on_one_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let (project, twins) = project(folder.path());
    let out = folder.path().join("splits");
    let (splits, summary) = split(&project, &out, &["--gap", "3"]);
    let mut apart = 0;
    for (split, row) in splits.iter().zip(summary["splits"].as_array().expect("rows")) {
        let test = split.images(Part::Test);
        let [train, tested, gap] = Part::ALL.map(|part| split.count(part));
        assert_eq!(row["train"], train);
        assert_eq!((&row["test"], &row["gap"]), (&tested.into(), &gap.into()));
        // Frames without labels are in no part; the others are in the order of their names.
        let labelled: Vec<u32> = (0..split.parts.len() as u32)
            .filter(|&image| split.parts[image as usize].is_some())
            .collect();
        let place = |image: u32| labelled.iter().position(|&other| other == image).expect("one");
        for image in split.images(Part::Train) {
            assert!(test.iter().all(|&other| place(other).abs_diff(place(image)) > 3));
        }
        let parts = twins.map(|image| split.parts[image]);
        if parts.contains(&Some(Part::Test)) {
            assert!(!parts.contains(&Some(Part::Train)), "{parts:?}");
            apart += usize::from(parts.contains(&Some(Part::Gap)));
            assert!(row["near_duplicates_to_gap"].as_u64() >= Some(1));
        }
    }
    assert!(apart > 0, "some block held one of the twins out");
    assert_eq!(summary["distinct"], 8);
    assert_eq!(summary["labelled_images"], 90);
    assert!(summary["times_tested"]["least"].as_u64() >= Some(1));

    let again = folder.path().join("again");
    split(&project, &again, &["--gap", "3", "--threads", "1"]);
    for name in ["split-1.csv", "split-8.csv", "summary.json"] {
        assert!(fs::read(out.join(name)).ok() == fs::read(again.join(name)).ok(), "{name}");
    }
    let blind = folder.path().join("blind");
    let (_, summary) = split(&project, &blind, &["--gap", "3", "--labels-only"]);
    assert!(summary["splits"][0]["near_duplicates_to_gap"].is_null());
    assert!(summary["groups_of_near_duplicates"].is_null());
}

#[test]
fn split_says_what_it_cannot_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (project, _) = project(folder.path());
    let out = folder.path().join("splits");
    let words = ["split", text(&project), "--out", text(&out), "--labels-only"];
    let message = |more: &[&str]| {
        let output = labelvet(&[&words[..], more].concat());
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(!out.exists(), "nothing is written");
        stderr
    };
    assert!(message(&["--by", "video"]).contains("2 or more"));
    assert!(message(&["--test-share", "1.5"]).contains("1.5"));
    assert!(message(&["--shuffles", "0"]).contains("shuffles"));
}
