//! Each form, out and back.

use std::fs;
use std::path::Path;

use labelvet::audit::{self, Level};
use labelvet::dataset::Visibility;
use labelvet::relabel::{self, Choice, DropWhat, Form, ImportOptions, Queue, Unchanged, Verdict};
use serde_json::{Value, json};

use super::{
    applied, decision, export_to, finding, findings, import, load, points, project, verdicts,
};
use crate::formats::{fixture, shared};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Replaces what must be there.
fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replacen(from, to, 1)
}

/// Makes Label Studio's export of its tasks: each prediction submitted as it is.
fn submitted(out: &Path) -> Value {
    let mut tasks: Value = serde_json::from_str(&text(&out.join("tasks.json"))).expect("tasks");
    for (at, task) in tasks.as_array_mut().expect("an array").iter_mut().enumerate() {
        let result = task["predictions"][0]["result"].clone();
        task["id"] = json!(at);
        task["annotations"] = json!([
            { "result": [], "was_cancelled": true, "updated_at": "2030-01-01T00:00:00Z" },
            { "result": [], "was_cancelled": false, "updated_at": "2024-01-01T00:00:00Z" },
            { "result": result, "was_cancelled": false, "updated_at": "2024-01-02T00:00:00Z" },
        ]);
    }
    tasks
}

fn results<'t>(tasks: &'t mut Value, image: &str) -> &'t mut Vec<Value> {
    let tasks = tasks.as_array_mut().expect("an array").iter_mut();
    let task = { tasks }
        .find(|task| task["data"]["path"].as_str().expect("a path").ends_with(image))
        .expect("the task");
    task["annotations"][2]["result"].as_array_mut().expect("results")
}

fn write_studio(out: &Path, tasks: &Value) {
    fs::write(out.join("project-1.json"), tasks.to_string()).expect("written");
}

/// Rounds numbers to two digits after the point, as CVAT does.
fn as_cvat(xml: &str) -> String {
    let number = regex::Regex::new(r"\d+\.\d+").expect("a pattern");
    let (head, rest) = xml.split_once("</version>").expect("the version");
    let rest = number.replace_all(rest, |found: &regex::Captures<'_>| {
        format!("{:.2}", found[0].parse::<f64>().expect("a number"))
    });
    format!("{head}</version>{rest}")
}

/// Gives every form back as it went out, as its tool would write it.
fn untouched(out: &Path, form: Form) {
    match form {
        Form::LabelStudio => write_studio(out, &submitted(out)),
        Form::Cvat => {
            let xml = as_cvat(&text(&out.join("annotations.xml")));
            fs::write(out.join("returned.xml"), xml).expect("written");
        }
        Form::Napari | Form::Csv => {}
    }
}

#[test]
fn what_comes_back_untouched_decides_nothing_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    for form in Form::ALL {
        let out = export_to(folder.path(), &dataset, &findings(), form);
        untouched(&out, form);
        let left = import(&out, Unchanged::Leave);
        assert_eq!((left.decisions.len(), left.not_judged), (0, 4), "{form:?}");
        assert_eq!(left.troubles, [], "{form:?}");
        let unsure = import(&out, Unchanged::Unsure);
        assert!(unsure.decisions.iter().all(|d| d.verdict == Verdict::Unsure), "{form:?}");
        let confirmed = import(&out, Unchanged::Correct);
        assert_eq!((confirmed.decisions.len(), confirmed.not_judged), (4, 0), "{form:?}");
        for finding in findings() {
            let decision = decision(&confirmed, &finding.fingerprint);
            assert_eq!(decision.verdict, Verdict::Correct, "{form:?}");
            assert_eq!(decision.label_hash, relabel::label_hash(&dataset, &finding, None));
            assert_eq!(decision.by.as_deref(), Some("Ada"));
        }
    }
}

/// What every tool is made to do: in the first frame the nose moves by (3, −2), the tail is
/// taken away and the ear, about which nothing was found, moves by (1, 0); the second frame
/// is confirmed; the third stays.
fn check(form: Form, out: &Path, dataset: &labelvet::dataset::Dataset, confirms: bool) {
    let back = import(out, Unchanged::Leave);
    assert_eq!(back.troubles, [], "{form:?}");
    let mut expected = vec![("keypoint_outlier-1-nose", "fixed"), ("temporal_jump-1-tail", "drop")];
    expected.extend(confirms.then_some(("keypoint_outlier-2-ear", "correct")));
    for (fingerprint, verdict) in &expected {
        assert_eq!(decision(&back, fingerprint).verdict.word(), *verdict, "{form:?} {fingerprint}");
    }
    assert_eq!(back.decisions.len(), expected.len() + 1, "{form:?}: {:?}", verdicts(&back));
    assert_eq!((back.unasked, back.not_judged), (1, 4 - expected.len()), "{form:?}");
    let after = points(&applied(dataset, &back), 1);
    let near = |name: &str, x: f64, y: f64| {
        let [a, b] = after[name];
        assert!((a - x).hypot(b - y) < 0.01, "{form:?} {name}: {a}, {b}");
    };
    near("nose", 13.25, 9.5);
    near("ear", 21.125, 8.5);
    assert!(!after.contains_key("tail"), "{form:?}");
    assert_eq!(points(&applied(dataset, &back), 3), points(dataset, 3), "{form:?}");
}

#[test]
fn napari_saves_what_people_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let out = export_to(folder.path(), &dataset, &findings(), Form::Napari);
    let config = text(&out.join("config.yaml"));
    for key in ["scorer: \"Ada\"", "\"day1.avi\"", "dotsize", "pcutoff", "colormap", "project_path"]
    {
        assert!(config.contains(key), "{key}: {config}");
    }
    let csv = out.join("labeled-data/day1/CollectedData_Ada.csv");
    let sent = text(&csv);
    assert!(
        sent.contains("labeled-data/day1/img1.png,10.25,11.5,20.125,8.5,40.333333,30\n"),
        "{sent}"
    );
    assert!(out.join("labeled-data/day1/img1.png").is_file());
    // The plugin writes three columns of index, and pandas has its own way with zeros.
    let saved = swap(
        &sent,
        "img1.png,10.25,11.5,20.125,8.5,40.333333,30",
        "img1.png,13.25,9.5,21.125,8.5,,",
    );
    let saved = saved
        .replace("labeled-data/day1/", "labeled-data,day1,")
        .replace("scorer,", "scorer,,,")
        .replace("bodyparts,", "bodyparts,,,")
        .replace("coords,", "coords,,,");
    fs::write(&csv, saved).expect("saved");
    fs::write(csv.with_extension("h5"), b"\x89HDF\r\n\x1a\n").expect("saved");
    check(Form::Napari, &out, &dataset, false);
    // The plugin has no place for verdicts, so they stand in the table.
    let table = out.join("queue.csv");
    let mut rows: Vec<String> = text(&table).lines().map(String::from).collect();
    let row = rows.iter_mut().find(|row| row.contains("keypoint_outlier-2-ear")).expect("a row");
    *row = swap(row, "-ear,,", "-ear,correct,seen twice");
    fs::write(&table, rows.join("\r\n")).expect("written");
    check(Form::Napari, &out, &dataset, true);
    let back = import(&out, Unchanged::Leave);
    assert_eq!(decision(&back, "keypoint_outlier-2-ear").note.as_deref(), Some("seen twice"));
    assert!(relabel::changed_since(&out).expect("a list").len() == 3);
}

#[test]
fn label_studio_exports_what_people_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let out = export_to(folder.path(), &dataset, &findings(), Form::LabelStudio);
    assert!(out.join("images/labeled-data/day1/img1.png").is_file());
    let mut tasks = submitted(&out);
    // A whole number means the centre of a pixel in DeepLabCut, a corner in the browser.
    let x = results(&mut tasks, "img3.png")
        .iter()
        .find(|result| result["value"]["keypointlabels"][0] == "nose")
        .and_then(|result| result["value"]["x"].as_f64());
    assert_eq!(x, Some(100.0 * 14.5 / 64.0));
    let first = results(&mut tasks, "img1.png");
    first.retain(|result| result["value"]["keypointlabels"][0] != "tail");
    for result in first.iter_mut() {
        let nose = result["value"]["keypointlabels"][0] == "nose";
        let mut add = |axis: &str, px: f64, side: f64| {
            let value = &mut result["value"][axis];
            *value = json!(value.as_f64().expect("a number") + 100.0 * px / side);
        };
        add("x", if nose { 3.0 } else { 1.0 }, 64.0);
        if nose {
            // Drawn anew: neither its id nor its words are the old ones.
            add("y", -2.0, 48.0);
            result["id"] = json!("new");
            result["meta"] = Value::Null;
        }
    }
    results(&mut tasks, "img2.png").push(json!({
        "from_name": "verdict", "to_name": "image", "type": "choices",
        "value": { "choices": ["correct"] },
    }));
    write_studio(&out, &tasks);
    check(Form::LabelStudio, &out, &dataset, true);
}

#[test]
fn cvat_exports_what_people_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let out = export_to(folder.path(), &dataset, &findings(), Form::Cvat);
    let labels: Value = serde_json::from_str(&text(&out.join("labels.json"))).expect("labels");
    assert_eq!(labels[0]["type"], "skeleton");
    assert!(labels[0]["svg"].as_str().expect("svg").contains("data-label-name=\"tail\""));
    let sent = text(&out.join("annotations.xml"));
    let saved = swap(&sent, "points=\"10.750000,12.000000\"", "points=\"13.750000,10.000000\"");
    let saved = swap(&saved, "points=\"20.625000,9.000000\"", "points=\"21.625000,9.000000\"");
    let tail = "outside=\"0\" occluded=\"0\" points=\"40.833333";
    let saved = swap(&saved, tail, &tail.replace("outside=\"0\"", "outside=\"1\""));
    let (first, second) = saved.split_once("img2.png").expect("the second image");
    let second = swap(second, "unchecked", "correct");
    fs::write(out.join("returned.xml"), as_cvat(&format!("{first}img2.png{second}")))
        .expect("saved");
    check(Form::Cvat, &out, &dataset, true);
}

#[test]
fn a_table_takes_places_and_verdicts_as_excel_saves_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let out = export_to(folder.path(), &dataset, &findings(), Form::Csv);
    let table = out.join("queue.csv");
    let saved: Vec<String> = text(&table)
        .lines()
        .map(|row| {
            let row = match row {
                row if row.contains("-1-nose") => {
                    swap(&row.replace("10.25,11.5", "13.25,9.5"), "-nose,,", "-nose,Fixed,")
                }
                row if row.contains("-1-tail") => swap(row, "-tail,,", "-tail, drop ,"),
                row if row.contains("-2-ear") => swap(row, "-ear,,", "-ear,correct,"),
                row => row.to_string(),
            };
            row.replace(',', ";").replace('.', ",").replace(",png", ".png")
        })
        .collect();
    // A spreadsheet has made a number of a fingerprint.
    let saved = saved.join("\r\n").replace("keypoint_outlier-2-ear", "2E+15");
    fs::write(&table, format!("\u{feff}{saved}\r\n")).expect("saved");
    let back = import(&out, Unchanged::Leave);
    assert_eq!(back.troubles, []);
    assert_eq!(
        verdicts(&back).into_iter().collect::<Vec<_>>(),
        [
            ("keypoint_outlier-1-nose", "fixed"),
            ("keypoint_outlier-2-ear", "correct"),
            ("temporal_jump-1-tail", "drop"),
        ]
    );
    let after = points(&applied(&dataset, &back), 1);
    assert_eq!(after.get("nose"), Some(&[13.25, 9.5]));
    assert!(!after.contains_key("tail"));
}

#[test]
fn a_dropped_frame_goes_and_a_changed_label_is_not_changed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = project(folder.path());
    let dataset = load(&root);
    let out = export_to(folder.path(), &dataset, &findings(), Form::Cvat);
    let sent = text(&out.join("annotations.xml"));
    fs::write(out.join("returned.xml"), swap(&sent, "unchecked", "drop")).expect("saved");
    let back = import(&out, Unchanged::Leave);
    assert_eq!(back.decisions.len(), 2, "both findings of the first frame");
    let after = back.decisions[0].after.as_ref().expect("what is dropped");
    assert_eq!(after.drop, Some(DropWhat::Image));
    assert!(points(&applied(&dataset, &back), 1).is_empty());
    let csv = root.join("labeled-data/day1/CollectedData_Ada.csv");
    fs::write(&csv, swap(&text(&csv), "10.25", "10.75")).expect("changed");
    let error = back.decisions[0].edits(&load(&root)).expect_err("the label has changed");
    assert!(error.to_string().contains("changed since"), "{error}");
}

#[test]
fn animals_keep_their_names_in_every_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&fixture("deeplabcut/animals"));
    let mut found = Vec::new();
    for instance in &dataset.instances {
        let image = &dataset.images[instance.image as usize];
        if image.file.is_some() {
            let mut one = finding(1, "carried_over_labels", "nose", 0.5);
            (one.level, one.keypoint) = (Level::Instance, None);
            one.image = Some(image.path.clone());
            one.instance = Some(dataset.instance_name(instance));
            one.fingerprint = format!("{}-{}", image.path, dataset.instance_name(instance));
            found.push(one);
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    for form in Form::ALL {
        let out = export_to(folder.path(), &dataset, &found, form);
        untouched(&out, form);
        let back = import(&out, Unchanged::Correct);
        assert_eq!(back.troubles, [], "{form:?}");
        let correct = back.decisions.iter().filter(|d| d.verdict == Verdict::Correct).count();
        assert_eq!((correct, back.not_judged), (found.len(), 0), "{form:?}: {:?}", verdicts(&back));
        if form == Form::Napari {
            let config = text(&out.join("config.yaml"));
            assert!(config.contains("individuals: [\"mouse1\", \"mouse2\"]"), "{config}");
            assert!(config.contains("uniquebodyparts: [\"corner\"]"), "{config}");
        }
    }
}

/// Real datasets of every format go out and come back without a change.
#[test]
fn real_datasets_survive_every_form() {
    for name in [
        "dlc-openfield",
        "dlc-reaching",
        "lp-mirror-mouse",
        "mmpose-coco/tests/data/coco/test_coco.json",
        "mmpose-coco/tests/data/fly/test_fly.json",
        "mmpose-coco/tests/data/zebra/test_zebra.json",
        "road-signs-yolo",
        "bccd-voc",
    ] {
        let Some(path) = shared(name) else { continue };
        let dataset = load(&path);
        let folder = tempfile::tempdir().expect("a folder");
        let mut found = Vec::new();
        for instance in dataset.instances.iter().step_by(1 + dataset.instances.len() / 60) {
            let mut one = finding(1, "duplicate_instance", "nose", 0.5);
            (one.level, one.keypoint) = (Level::Instance, None);
            one.image = Some(dataset.images[instance.image as usize].path.clone());
            one.instance = Some(dataset.instance_name(instance));
            one.fingerprint = found.len().to_string();
            found.push(one);
        }
        for form in Form::ALL {
            let out = folder.path().join(form.name());
            let queue = super::queue(&dataset, &found, form);
            let has_keypoints = !dataset.keypoints.is_empty();
            let export = match relabel::export(&dataset, queue, &out) {
                Ok(export) => export,
                Err(error) => {
                    assert!(form == Form::Napari && !has_keypoints, "{name} {form:?}: {error}");
                    continue;
                }
            };
            assert!(export.queue.header.findings > 0, "{name}");
            fs::create_dir(&out).expect("folder");
            relabel::write_export(&out, &export).unwrap_or_else(|error| panic!("{error}"));
            untouched(&out, form);
            let back = import(&out, Unchanged::Correct);
            assert_eq!(back.troubles, [], "{name} {form:?}");
            let right = back.decisions.iter().filter(|d| d.verdict == Verdict::Correct).count();
            assert_eq!(
                (right, back.not_judged),
                (export.queue.header.findings, 0),
                "{name} {form:?}: {:?}",
                back.decisions.iter().find(|d| d.verdict != Verdict::Correct)
            );
        }
    }
}

#[test]
fn a_moved_box_is_kept_and_said_to_be_out_of_reach_of_edits() {
    let dataset = load(&fixture("voc/bad"));
    let folder = tempfile::tempdir().expect("a folder");
    let boxed = dataset.instances.iter().find(|instance| {
        instance.bbox.is_some() && dataset.images[instance.image as usize].file.is_some()
    });
    let boxed = boxed.expect("a box");
    let mut one = finding(1, "box_size_outlier", "nose", 0.5);
    (one.level, one.keypoint) = (Level::Instance, None);
    one.image = Some(dataset.images[boxed.image as usize].path.clone());
    one.instance = Some(dataset.instance_name(boxed));
    let out = folder.path().join("studio");
    let export = relabel::export(&dataset, super::queue(&dataset, &[one], Form::LabelStudio), &out)
        .unwrap_or_else(|error| panic!("{error}"));
    fs::create_dir(&out).expect("folder");
    relabel::write_export(&out, &export).expect("written");
    let mut tasks = submitted(&out);
    let value = &mut tasks[0]["annotations"][2]["result"][0]["value"];
    let width = value["width"].as_f64().expect("a width");
    value["width"] = json!(width / 2.0);
    write_studio(&out, &tasks);
    let back = import(&out, Unchanged::Leave);
    let after = back.decisions[0].after.as_ref().expect("a change");
    let bbox = boxed.bbox.expect("a box");
    assert!((after.bbox.expect("a box")[2] - bbox.width / 2.0).abs() < 1e-6);
    let error = back.decisions[0].edits(&dataset).expect_err("no edit moves a box");
    assert!(error.to_string().contains("boxes are not written"), "{error}");
}

#[test]
fn occluded_points_and_queues_by_rule_keep_their_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dataset = load(&project(folder.path()));
    let rules = audit::builtin().expect("the built-in rules are valid");
    let seen = Queue::new(&dataset, &findings(), &rules, &Choice::default(), Form::Csv);
    dataset.keypoints[0].visibility = Visibility::Occluded;
    let hidden = Queue::new(&dataset, &findings(), &rules, &Choice::default(), Form::Csv);
    let hash = |queue: &Queue, at: usize| queue.frames[0].findings[at].label_hash.clone();
    assert_ne!(hash(&seen, 0), hash(&hidden, 0), "the nose is hidden now");
    assert_eq!(hash(&seen, 1), hash(&hidden, 1), "the tail is not");
    let out = export_to(folder.path(), &dataset, &findings(), Form::LabelStudio);
    write_studio(&out, &submitted(&out));
    let options = ImportOptions { unchanged: Unchanged::Correct, ..ImportOptions::default() };
    let back = relabel::import(&out, &options).expect("decisions");
    assert_eq!(decision(&back, "keypoint_outlier-1-nose").label_hash, Some(hash(&hidden, 0)));
}
