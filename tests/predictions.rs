//! `labelvet audit --predictions`: what is read, what is said of the rest, and what it finds.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Images of a drawn set of boxes, and their classes in turn.
const IMAGES: usize = 30;

fn labelvet(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(words)
        .args(["--cache", "off"])
        .output()
        .expect("labelvet runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Writes a YOLO dataset of a cat and a dog in each image, but no dog in the fifth and the classes
/// of the sixth exchanged, and the predictions of a model that sees all as they are.
fn boxes(folder: &Path) {
    let write = |name: String, content: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, content).expect("written");
    };
    write("set/data.yaml".into(), "train: images\nval: images\nnames: [cat, dog]\n");
    for at in 0..IMAGES {
        let picture = image::RgbImage::from_fn(64, 48, |x, y| {
            image::Rgb([(x * 4) as u8, (y * 5) as u8, (at * 8) as u8])
        });
        let path = folder.join(format!("set/images/{at}.png"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        picture.save(path).expect("an image");
        let off = at as f64 * 0.005;
        let cat = format!("{:.4} 0.3 0.2 0.2", 0.3 + off);
        let dog = format!("{:.4} 0.7 0.3 0.2", 0.6 + off);
        let labels = match at {
            4 => format!("0 {cat}\n"),
            5 => format!("1 {cat}\n0 {dog}\n"),
            _ => format!("0 {cat}\n1 {dog}\n"),
        };
        write(format!("set/labels/{at}.txt"), &labels);
        write(format!("found/{at}.txt"), &format!("0 {cat} 0.95\n1 {dog} 0.97\n"));
    }
    write("found/31.txt".into(), "0 0.5 0.5 0.1 0.1 0.9\n");
}

#[test]
fn labels_are_compared_with_predictions_and_what_is_left_out_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    boxes(folder.path());
    let (set, found) = (folder.path().join("set"), folder.path().join("found"));
    let out = folder.path().join("out");
    let words = ["audit", text(&set), "--predictions", text(&found), "--out", text(&out)];
    let output = labelvet(&words);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("31.txt: row 1: `31` is no image of the dataset"), "{said}");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(out.join(name)).expect("a file")).expect("JSON")
    };
    let summary = read("summary.json");
    assert_eq!(summary["predictions"]["boxes"], 2 * IMAGES);
    assert_eq!(summary["predictions"]["problems"][0]["file"], "31.txt");
    let findings = read("findings.json");
    let of = |rule: &str| -> Vec<(String, String)> {
        let rows = findings.as_array().expect("an array").iter().filter(|f| f["rule"] == rule);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        rows.map(|f| (word(&f["image"]), word(&f["proposal"]["with"]))).collect()
    };
    assert_eq!(of("overlooked_instance"), [("images/4.png".into(), "dog".into())]);
    let mut swapped = of("swapped_class");
    swapped.sort();
    let sixth = |class: &str| ("images/5.png".to_owned(), class.to_owned());
    assert_eq!(swapped, [sixth("cat"), sixth("dog")]);
}

#[test]
fn without_predictions_the_rules_that_need_them_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    boxes(folder.path());
    let out = folder.path().join("out");
    let output = labelvet(&["audit", text(&folder.path().join("set")), "--out", text(&out)]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    let line = said.lines().find(|line| line.contains("did not run")).expect("a line");
    assert!(line.contains("overlooked_instance") && line.contains("needs predictions"), "{said}");
}

#[test]
fn a_file_that_predicts_nothing_is_refused_in_one_message() {
    let folder = tempfile::tempdir().expect("a folder");
    boxes(folder.path());
    let set = folder.path().join("set");
    let out = folder.path().join("out");
    for (name, content, said) in [
        ("a.json", "{\"images\": []}", "expected an array of results"),
        ("a.csv", "image,cow,hen\n1.png,1,0\n", "(cat, dog), found image, cow, hen"),
        ("a.csv", "x,y\n1,2\n", "row 1, column 1: expected a header row"),
        ("a.txt", "0 0 0 0 0 0\n", "expected predictions as"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        let output =
            labelvet(&["audit", text(&set), "--predictions", text(&path), "--out", text(&out)]);
        let message = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{name}: {message}");
        assert!(message.contains(said), "{message}");
        assert!(!out.exists());
    }
}

#[test]
fn planted_errors_of_boxes_are_found_by_simulated_predictions() {
    let folder = tempfile::tempdir().expect("a folder");
    boxes(folder.path());
    let out = folder.path().join("bench");
    let set = folder.path().join("set");
    let words = ["bench", "boxes", text(&set), "--rates", "0.1", "--seeds", "3", "--out"];
    let output = labelvet(&[&words[..], &[text(&out)]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let bench: Value =
        serde_json::from_slice(&fs::read(out.join("boxes.json")).expect("a file")).expect("JSON");
    let cells = bench["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 5);
    for cell in cells {
        let found = &cell["detectors"][0];
        let precision = found["average_precision"]["value"].as_f64().expect("a figure");
        assert!(precision > 0.4, "{cell}");
    }
}
