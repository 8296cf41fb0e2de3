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

/// Runs `split` into the folder `splits` and returns its own tables of the divisions.
fn divided(dataset: &Path, folder: &Path, more: &[&str]) -> (PathBuf, Vec<Split>) {
    let out = folder.join("splits");
    let words = ["split", text(dataset), "--out", text(&out), "--by", "block", "--shuffles", "2"];
    let output = labelvet(&[&words[..], &["--gap", "1", "--labels-only"], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let read = read(dataset);
    let table = |at: usize| split_file::read(&out.join(format!("split-{at}.csv")), &read);
    let splits = (1..=2).map(|at| table(at).expect("train reads it")).collect();
    (out, splits)
}

/// Returns the paths of a part.
fn paths(dataset: &Dataset, split: &Split, part: Part) -> Vec<String> {
    split.images(part).into_iter().map(|at| dataset.images[at as usize].path.clone()).collect()
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.lines().map(String::from).collect()
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, content).expect("written");
}

/// The smallest picture of the fixtures, 4 × 4 px.
fn picture() -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats/deeplabcut");
    fs::read(fixtures.join("shuffles/labeled-data/cage/img000.png")).expect("a picture")
}

#[test]
fn deeplabcut_gets_the_rows_of_its_merged_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats/deeplabcut/shuffles");
    let (out, splits) = divided(&fixture, folder.path(), &[]);
    let made: Value =
        serde_json::from_slice(&fs::read(out.join("shuffles.json")).expect("rows")).expect("JSON");
    let rows: Vec<&str> =
        made["rows"].as_array().expect("rows").iter().filter_map(Value::as_str).collect();
    assert_eq!(rows.len(), 8);
    assert!(rows.is_sorted() && rows[0] == "labeled-data/cage/img000.png");
    assert!(made["config"].as_str().is_some_and(|path| Path::new(path).is_file()));
    let dataset = read(&fixture);
    // Shuffles 1 to 4 exist.
    for ((number, split), shuffle) in
        (5..).zip(&splits).zip(made["shuffles"].as_array().expect("two"))
    {
        assert_eq!(shuffle["shuffle"], number);
        for (part, key) in [(Part::Train, "train"), (Part::Test, "test")] {
            let numbers = shuffle[key].as_array().expect("rows").iter().filter_map(Value::as_u64);
            let named: Vec<&str> = numbers.map(|row| rows[row as usize]).collect();
            assert_eq!(named, paths(&dataset, split, part));
            assert!(!named.is_empty());
        }
    }
    let script = fs::read_to_string(out.join("make_training_datasets.py")).expect("a script");
    for word in ["create_training_dataset", "trainIndices", "testIndices", "shuffles.json"] {
        assert!(script.contains(word), "{word}");
    }
}

/// A DeepLabCut that merges the rows of `merged.json` and keeps what it is called with.
const DEEPLABCUT: &str = r#"
import json
from pathlib import Path

HERE = Path(__file__).parent.parent


def create_training_dataset(config, **lists):
    (HERE / "called.json").write_text(json.dumps({"config": config, **lists}))
"#;
const MANIPULATION: &str = r#"
import json
from pathlib import Path


class merged:
    here = Path(__file__).parent.parent.parent
    index = [row.split("/") for row in json.loads((here / "merged.json").read_text())]


def merge_annotateddatasets(config, folder):
    assert Path(folder).is_dir()
    return merged
"#;

#[test]
fn the_script_calls_deeplabcut_with_lists_of_the_share_that_it_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats/deeplabcut/shuffles");
    let (out, _) = divided(&fixture, folder.path(), &[]);
    let library = folder.path().join("library");
    write(&library.join("deeplabcut/__init__.py"), DEEPLABCUT);
    let nested = library.join("deeplabcut/generate_training_dataset");
    write(&nested.join("__init__.py"), "");
    write(&nested.join("trainingsetmanipulation.py"), MANIPULATION);
    let utils = "class auxiliaryfunctions:\n    read_config = staticmethod(lambda config: \
                 {'TrainingFraction': [0.75]})\n";
    write(&library.join("deeplabcut/utils/__init__.py"), utils);
    let made: Value =
        serde_json::from_slice(&fs::read(out.join("shuffles.json")).expect("rows")).expect("JSON");
    let run = |rows: &Value| {
        write(&library.join("merged.json"), rows.to_string());
        let script = out.join("make_training_datasets.py");
        let mut python = Command::new("python3");
        python.arg("-B").arg(script).arg("other.yaml").env("PYTHONPATH", &library);
        python.output().expect("Python 3")
    };
    let output = run(&made["rows"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let called = fs::read(library.join("called.json")).expect("it was called");
    let called: Value = serde_json::from_slice(&called).expect("JSON");
    assert_eq!(
        (&called["config"], &called["Shuffles"]),
        (&"other.yaml".into(), &vec![5, 6].into())
    );
    for (at, shuffle) in made["shuffles"].as_array().expect("two").iter().enumerate() {
        let lists = ["train", "test"].map(|key| {
            let list = called[format!("{key}Indices")][at].as_array().expect("a list").clone();
            let own = shuffle[key].as_array().expect("a list");
            let (rows, fill) = list.split_at(own.len());
            assert_eq!((rows, fill.iter().all(|row| *row == -1)), (&own[..], true));
            list.len()
        });
        assert_eq!(lists[0], 3 * lists[1], "three quarters");
    }
    let mut others = made["rows"].clone();
    others[0] = "labeled-data/cage/img999.png".into();
    let output = run(&others);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("run `labelvet split` again"), "{stderr}");
}

#[test]
fn yolo_gets_lists_and_a_data_yaml() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("set");
    let yaml = "# mice\npath: .\ntrain: images/train\nval: images/val\nnames: {0: mouse}\n\
                kpt_shape: [1, 3]\nauthor: Ada\n";
    write(&set.join("data.yaml"), yaml);
    for frame in 0..20 {
        let part = if frame % 4 == 0 { "val" } else { "train" };
        write(&set.join(format!("images/{part}/a_frame_{frame:02}.png")), picture());
        let label = "0 0.5 0.5 0.25 0.25 0.5 0.5 2\n";
        write(&set.join(format!("labels/{part}/a_frame_{frame:02}.txt")), label);
    }
    let (out, splits) = divided(&set.join("data.yaml"), folder.path(), &[]);
    let dataset = read(&set);
    for (number, split) in (1..).zip(&splits) {
        let yaml = out.join(format!("data-{number}.yaml"));
        let text = fs::read_to_string(&yaml).expect("a data.yaml");
        assert!(text.contains("author: Ada") && text.contains("# mice"), "{text}");
        let again = read(&yaml);
        assert_eq!(again.splits, ["train", "val"]);
        assert_eq!((again.instances.len(), again.problems.len()), (again.images.len(), 0));
        for (part, word) in [(Part::Train, "train"), (Part::Test, "val")] {
            let expected: Vec<String> = (paths(&dataset, split, part).iter())
                .map(|path| set.join(path).display().to_string())
                .collect();
            assert!(!expected.is_empty());
            assert_eq!(lines(&out.join(format!("{word}-{number}.txt"))), expected);
            let own = again.images.iter().filter(|image| again.split_of(image) == Some(word));
            assert_eq!(own.count(), expected.len());
        }
    }
}

#[test]
fn coco_gets_files_that_keep_every_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("set");
    let names: Vec<String> = (0..12).map(|frame| format!("a_frame_{frame:02}.png")).collect();
    for name in &names {
        write(&set.join("images").join(name), picture());
    }
    let image = |(id, name): (usize, &String)| serde_json::json!({ "id": 100 + id, "file_name": name, "width": 4, "height": 4, "moon": "full" });
    let annotation = |id: usize| {
        serde_json::json!({ "id": id, "image_id": 100 + id / 2, "category_id": 7, "mood": [1.50, null],
            "bbox": [0.0, 1.0, 2.0, 2.0], "area": 4, "iscrowd": 0 })
    };
    let source = serde_json::json!({
        "info": { "by": "Ada" },
        "images": names.iter().enumerate().map(image).collect::<Vec<_>>(),
        "annotations": (0..24).map(annotation).collect::<Vec<_>>(),
        "categories": [{ "id": 7, "name": "mouse", "tail": true }],
        "sessions": ["a"],
    });
    write(&set.join("labels.json"), format!("{source:#}"));
    let (out, splits) = divided(&set, folder.path(), &[]);
    let dataset = read(&set);
    for (number, split) in (1..).zip(&splits) {
        for (part, word) in [(Part::Train, "train"), (Part::Test, "val")] {
            let file = fs::read(out.join(format!("{word}-{number}.json"))).expect("a file");
            let found: Value = serde_json::from_slice(&file).expect("JSON");
            let own: Vec<String> = paths(&dataset, split, part);
            let of_part = |image: &&Value| {
                let name = image["file_name"].as_str().expect("a name");
                own.contains(&format!("images/{name}"))
            };
            let images: Vec<&Value> =
                source["images"].as_array().expect("images").iter().filter(of_part).collect();
            assert_eq!((images.len(), images.is_empty()), (own.len(), false));
            let ids: Vec<&Value> = images.iter().map(|image| &image["id"]).collect();
            let all = source["annotations"].as_array().expect("annotations").iter();
            let annotations: Vec<&Value> = all.filter(|a| ids.contains(&&a["image_id"])).collect();
            assert_eq!(found["images"], serde_json::json!(images));
            assert_eq!(found["annotations"], serde_json::json!(annotations));
            for key in ["info", "categories", "sessions"] {
                assert_eq!(found[key], source[key]);
            }
        }
    }
}

#[test]
fn lightning_pose_gets_a_file_to_train_on_and_one_to_test() {
    let folder = tempfile::tempdir().expect("a folder");
    let (project, _) = project(folder.path());
    let (out, splits) = divided(&project, folder.path(), &["--gap-frames", "100"]);
    let dataset = read(&project);
    let source = lines(&project.join("CollectedData.csv"));
    for (number, split) in (1..).zip(&splits) {
        for (part, mark) in [(Part::Train, ""), (Part::Test, "_new")] {
            let own = paths(&dataset, split, part);
            let is_kept = |(at, line): &(usize, &String)| {
                *at < 3 || own.iter().any(|path| line.starts_with(&format!("{path},")))
            };
            let expected: Vec<&String> =
                source.iter().enumerate().filter(is_kept).map(|(_, line)| line).collect();
            assert_eq!(expected.len(), 3 + own.len());
            let found = lines(&out.join(format!("CollectedData-{number}{mark}.csv")));
            assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn voc_and_folders_of_classes_get_lists() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("voc");
    for name in ["a", "b", "c", "d", "e"] {
        write(&set.join(format!("JPEGImages/{name}.png")), picture());
        let bndbox = "<xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax>";
        let object = format!("<object><name>cell</name><bndbox>{bndbox}</bndbox></object>");
        let xml = format!("<annotation><filename>{name}.png</filename>{object}</annotation>\n");
        write(&set.join(format!("Annotations/{name}.xml")), xml);
    }
    let (out, splits) = divided(&set, folder.path(), &[]);
    let dataset = read(&set);
    let names = |part, extra: &str| -> Vec<String> {
        let paths = paths(&dataset, &splits[1], part).into_iter();
        paths.map(|path| path.replace("JPEGImages/", extra).replace(".png", "")).collect()
    };
    assert_eq!(lines(&out.join("split-2/ImageSets/Main/train.txt")), names(Part::Train, ""));
    assert_eq!(lines(&out.join("split-2/ImageSets/Main/val.txt")), names(Part::Test, ""));
    assert_eq!(names(Part::Test, "").len(), 1);
    // The lists are read where they belong.
    for word in ["train", "val"] {
        let list =
            fs::read(out.join(format!("split-2/ImageSets/Main/{word}.txt"))).expect("a list");
        write(&set.join(format!("ImageSets/Main/{word}.txt")), list);
    }
    let again = read(&set);
    let of = |split: &str| again.images.iter().filter(|i| again.split_of(i) == Some(split)).count();
    assert_eq!([of("train"), of("val")], [splits[1].count(Part::Train), 1]);

    let set = folder.path().join("classes");
    for name in ["cat/1", "cat/2", "cat/3", "dog/1", "dog/2", "dog/3"] {
        write(&set.join(format!("{name}.png")), picture());
    }
    let other = folder.path().join("other");
    let (out, splits) = divided(&set, &other, &[]);
    let dataset = read(&set);
    for (part, word) in [(Part::Train, "train"), (Part::Test, "val")] {
        assert_eq!(lines(&out.join(format!("{word}-1.txt"))), paths(&dataset, &splits[0], part));
    }
}

#[test]
fn a_gap_in_frames_is_kept_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats/deeplabcut/shuffles");
    let (out, _) = divided(&fixture, folder.path(), &["--gap-frames", "5"]);
    let summary = fs::read(out.join("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!(summary["settings"]["gap_frames"], 5);
    assert_eq!(summary["trainer_files"][0], "shuffles.json");
    for split in summary["splits"].as_array().expect("splits") {
        assert_eq!(split["share_within_frames"]["5"], 0.0);
    }
    let other = folder.path().join("too-much");
    let words = ["split", text(&fixture), "--out", text(&other), "--by", "block", "--labels-only"];
    let output = labelvet(&[&words[..], &["--gap-frames", "1000"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("within 1000 frames of a test image") && !other.exists(), "{stderr}");
    // What was written is not written over.
    let output = labelvet(&["split", text(&fixture), "--out", text(&out), "--labels-only"]);
    assert_eq!(output.status.code(), Some(2));
}

/// Each shuffle that leaks is one finding per kind, with a fingerprint of its own.
#[test]
fn audit_judges_every_shuffle() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats/deeplabcut/shuffles");
    let out = folder.path().join("audit");
    let output = labelvet(&["audit", text(&fixture), "--out", text(&out), "--labels-only"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let findings = fs::read(out.join("findings.json")).expect("findings");
    let findings: Value = serde_json::from_slice(&findings).expect("JSON");
    let found: Vec<&Value> = (findings.as_array().expect("a list").iter())
        .filter(|finding| finding["rule"] == "split_leakage")
        .collect();
    let messages: Vec<&str> = found.iter().filter_map(|f| f["message"].as_str()).collect();
    let shares = "of the same video within 5 frames; within 1, 2, 5, 10, 30 frames:";
    assert_eq!(
        messages,
        [format!(
            "iteration-0/trainset75shuffle1: 2 of the 3 test frames have a training frame {shares} \
                 67 %, 67 %, 67 %, 100 %, 100 %"
        ),]
    );
    let prints: std::collections::BTreeSet<_> =
        found.iter().map(|finding| finding["fingerprint"].to_string()).collect();
    assert_eq!(prints.len(), messages.len());
}

#[test]
fn two_shuffles_that_leak_alike_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path().join("project");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats/deeplabcut/shuffles");
    for entry in walkdir::WalkDir::new(&fixture) {
        let entry = entry.expect("an entry");
        if entry.file_type().is_file() {
            let inside = entry.path().strip_prefix(&fixture).expect("below");
            write(&project.join(inside), fs::read(entry.path()).expect("a file"));
        }
    }
    let sets = project.join("training-datasets/iteration-0/UnaugmentedDataSet_cageOct30");
    let name = |number| sets.join(format!("Documentation_data-cage_75shuffle{number}.pickle"));
    fs::copy(name(1), name(9)).expect("a second shuffle");
    let out = folder.path().join("audit");
    let output = labelvet(&["audit", text(&project), "--out", text(&out), "--labels-only"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let findings = fs::read(out.join("findings.json")).expect("findings");
    let findings: Value = serde_json::from_slice(&findings).expect("JSON");
    let found = findings.as_array().expect("a list").iter();
    let found: Vec<&Value> = found.filter(|f| f["rule"] == "split_leakage").collect();
    let [first, second] = found[..] else { panic!("two findings, not {found:?}") };
    let [one, other] = [first, second].map(|finding| finding["message"].as_str().expect("words"));
    assert!(one.contains("shuffle1") && other.contains("shuffle9"), "{one}; {other}");
    assert_ne!(first["fingerprint"], second["fingerprint"]);
}
