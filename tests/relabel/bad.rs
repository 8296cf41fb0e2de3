//! What cannot be understood is an error with its place or a listed trouble, never a panic.

use std::fs;
use std::path::Path;

use labelvet::relabel::{self, Form, ImportOptions, Unchanged};
use serde_json::json;

use super::{export_to, findings, import, load, project};

fn error(folder: &Path) -> String {
    match relabel::import(folder, &ImportOptions::default()) {
        Ok(import) => panic!("{import:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn folders_and_files_that_are_none_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(error(folder.path()).contains("is no export"));
    let dataset = load(&project(folder.path()));

    let studio = export_to(folder.path(), &dataset, &findings(), Form::LabelStudio);
    assert!(error(&studio).contains("--returned"));
    let back = studio.join("project.json");
    for (content, expected) in [
        ("[{\"data\":", "project.json: line 1"),
        ("{\"a\": 1}", "expected the array of tasks"),
        ("[{\"image\": \"a.png\", \"id\": 1}]", "not as JSON-MIN"),
        ("\"\"", "expected the array"),
    ] {
        fs::write(&back, content).expect("written");
        let error = error(&studio);
        assert!(error.contains(expected), "{error}");
    }
    fs::write(studio.join("second.json"), "[]").expect("written");
    assert!(error(&studio).contains("several JSON files"));

    let cvat = export_to(folder.path(), &dataset, &findings(), Form::Cvat);
    assert!(error(&cvat).contains("returned.xml"));
    for (content, expected) in [
        ("<annotations>\n<image name=\"a\" name=\"b\"/></annotations>", "line 2"),
        ("<html></html>", "expected <annotations>, found <html>"),
        ("<annotations><track/></annotations>", "CVAT for images 1.1"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><annotations>&b;</annotations>", "returned.xml"),
    ] {
        fs::write(cvat.join("returned.xml"), content).expect("written");
        let error = error(&cvat);
        assert!(error.contains(expected), "{error}");
    }

    let table = export_to(folder.path(), &dataset, &findings(), Form::Csv);
    let csv = table.join("queue.csv");
    let sent = fs::read_to_string(&csv).expect("a table");
    fs::write(&csv, sent.replace("-2-ear,,", "-2-ear,perhaps,")).expect("written");
    let message = error(&table);
    assert!(message.contains("line 4") && message.contains("\"perhaps\""), "{message}");
    fs::write(&csv, "a,b\n1,2\n").expect("written");
    assert!(error(&table).contains("expected a column `fingerprint`"));
    fs::write(table.join("queue.jsonl"), "{\"schema\":1}\n").expect("written");
    assert!(error(&table).contains("queue.jsonl: line 1"));

    let napari = export_to(folder.path(), &dataset, &findings(), Form::Napari);
    fs::remove_dir_all(napari.join("labeled-data")).expect("removed");
    fs::remove_file(napari.join("config.yaml")).expect("removed");
    assert!(error(&napari).contains("napari"));
}

#[test]
fn frames_and_labels_that_nobody_asked_about_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let list = |folder: &Path| -> Vec<String> {
        let troubles = import(folder, Unchanged::Leave).troubles;
        troubles.into_iter().map(|t| format!("{}: {}", t.place, t.message)).collect()
    };

    let studio = export_to(folder.path(), &dataset, &findings(), Form::LabelStudio);
    let point = json!({ "type": "keypointlabels", "original_width": 64, "original_height": 48,
        "image_rotation": 0, "value": { "x": 1.0, "y": 1.0, "keypointlabels": ["whisker"] } });
    let tasks = json!([
        { "data": { "labelvet_image": "images/elsewhere.png" }, "annotations": [] },
        { "data": { "labelvet_image": "images/labeled-data/day1/img1.png" },
          "annotations": [{ "result": [point, { "type": "brushlabels" }] }] },
        { "data": {} },
    ]);
    fs::write(studio.join("back.json"), tasks.to_string()).expect("written");
    let listed = list(&studio).join("\n");
    for expected in ["elsewhere.png", "no keypoint \"whisker\"", "brushlabels", "task 3"] {
        assert!(listed.contains(expected), "{expected}: {listed}");
    }

    let cvat = export_to(folder.path(), &dataset, &findings(), Form::Cvat);
    let xml = "<annotations><image name=\"other.png\"/><image name=\"labeled-data/day1/img1.png\">\
        <box label=\"b\" xtl=\"1\" ytl=\"1\" xbr=\"2\" ybr=\"2\"/><polygon points=\"1,2\"/>\
        <skeleton label=\"animal\"><attribute name=\"instance\">0</attribute>\
        <points label=\"nose\" points=\"x\"/></skeleton></image></annotations>";
    fs::write(cvat.join("returned.xml"), xml).expect("written");
    let listed = list(&cvat).join("\n");
    for expected in [
        "other.png",
        "<box>",
        "<polygon>",
        "nose of instance 0 has no place",
        "img2.png: it is not",
    ] {
        assert!(listed.contains(expected), "{expected}: {listed}");
    }

    let napari = export_to(folder.path(), &dataset, &findings(), Form::Napari);
    let csv = napari.join("labeled-data/day1/CollectedData_Ada.csv");
    let sent = fs::read_to_string(&csv).expect("labels");
    let kept: Vec<&str> = sent.lines().filter(|row| !row.contains("img2")).collect();
    fs::write(&csv, kept.join("\n").replace("10.25", "ten")).expect("written");
    let listed = list(&napari).join("\n");
    assert!(listed.contains("img2.png: its row is not"), "{listed}");
    assert!(
        listed.contains("`ten`") && listed.contains("img1.png: nothing was decided"),
        "{listed}"
    );

    let table = export_to(folder.path(), &dataset, &findings(), Form::Csv);
    let csv = table.join("queue.csv");
    let sent = fs::read_to_string(&csv).expect("a table");
    let row = "9,1,elsewhere.png,0,nose,r,m,,,,,,ffff,correct,\n";
    fs::write(&csv, format!("{}{row}", sent.replace("10.25,11.5", ","))).expect("written");
    let listed = list(&table).join("\n");
    assert!(listed.contains("\"ffff\" is not in the queue"), "{listed}");
    assert!(listed.contains("write drop"), "{listed}");
}

#[test]
fn frames_without_picture_are_left_out_and_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = project(folder.path());
    fs::remove_file(root.join("labeled-data/day1/img1.png")).expect("removed");
    fs::write(root.join("labeled-data/day1/img2.png"), b"no picture").expect("written");
    let dataset = load(&root);
    for (form, frames) in
        [(Form::Napari, 2), (Form::LabelStudio, 1), (Form::Cvat, 1), (Form::Csv, 3)]
    {
        let out = folder.path().join(form.name());
        let export = relabel::export(&dataset, super::queue(&dataset, &findings(), form), &out)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(export.queue.frames.len(), frames, "{form:?}");
        assert_eq!(export.troubles.len(), 3 - frames, "{form:?}: {:?}", export.troubles);
        assert!(export.queue.frames.iter().enumerate().all(|(at, frame)| frame.rank == at + 1));
    }
}

/// Bytes changed at random in everything that is read back. Nothing may panic.
#[test]
fn damaged_files_are_errors_or_troubles() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for form in Form::ALL {
        let out = export_to(folder.path(), &dataset, &findings(), form);
        let (from, to) = match form {
            Form::Napari => (
                "labeled-data/day1/CollectedData_Ada.csv",
                "labeled-data/day1/CollectedData_Ada.csv",
            ),
            Form::LabelStudio => ("tasks.json", "back.json"),
            Form::Cvat => ("annotations.xml", "returned.xml"),
            Form::Csv => ("queue.csv", "queue.csv"),
        };
        let sent = fs::read_to_string(out.join(from)).expect("what was sent");
        let sent = sent.replace("\"predictions\"", "\"annotations\"").into_bytes();
        let lines = fs::read(out.join("queue.jsonl")).expect("the queue");
        let mut understood = 0;
        for round in 0..150 {
            let damage = |bytes: &[u8], random: &mut dyn FnMut(usize) -> usize| {
                let mut bytes = bytes.to_vec();
                for _ in 0..1 + random(4) {
                    let at = random(bytes.len());
                    match random(3) {
                        0 => bytes[at] = random(256) as u8,
                        1 => bytes[at] = b"0,\"<>{}[]-.e\n"[random(13)],
                        _ => drop(bytes.drain(at..(at + 1 + random(20)).min(bytes.len()))),
                    }
                }
                bytes
            };
            let back = if round % 5 == 4 { sent.clone() } else { damage(&sent, &mut random) };
            let kept = if round % 5 == 4 { damage(&lines, &mut random) } else { lines.clone() };
            fs::write(out.join(to), back).expect("written");
            fs::write(out.join("queue.jsonl"), kept).expect("written");
            let options =
                ImportOptions { unchanged: Unchanged::Correct, ..ImportOptions::default() };
            if let Ok(import) = relabel::import(&out, &options) {
                understood += 1;
                for decision in &import.decisions {
                    let _ = decision.edits(&dataset);
                }
            }
        }
        assert!(understood > 0, "{form:?}: not every change ruins a file");
    }
}
