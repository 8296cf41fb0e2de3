//! COCO.

use super::super::{fixture, shared};
use super::*;

#[test]
fn what_is_written_reads_as_edited() {
    let refused = hold(&fixture("coco/bad"), Hidden::Sayable, 200);
    // Hidden keypoints without any that is seen.
    assert!(refused < 60, "{refused}");
    hold(&fixture("coco/splits"), Hidden::Sayable, 60);
}

#[test]
fn real_data_read_as_edited() {
    for data in ["coco", "fly", "locust", "zebra"] {
        let Some(path) = shared(&format!("mmpose-coco/tests/data/{data}")) else { return };
        let hidden = if data == "coco" { Hidden::Sayable } else { Hidden::Not };
        let refused = hold(&path, hidden, 60);
        assert!(refused < 6, "{data}: {refused}");
    }
    for data in ["category_folders", "mixed_animals", "nested_paths", "visibility_binary"] {
        let Some(path) = shared(&format!("sleap-io-js/tests/data/coco/{data}")) else { return };
        assert_eq!(hold(&path, Hidden::Not, 60), 0, "{data}");
    }
}

/// Two images, three annotations, one of them without keypoints; every kind of spacing.
const JSON: &str = r#"{"info" : {"annotations": [1]},
  "images": [
    {"id": 7, "file_name": "a.png", "note": "k\u00e4fig"},
    {"id": 8, "file_name": "b.png"} ],
  "annotations": [
    {"id": 1, "num_keypoints": 2, "image_id": 7, "category_id": 1,
     "keypoints": [
       0.1000000000000000055, 2.50, 2,
       3e1,4,1, 0,0,0], "bbox": [1.0, 2, 8, 6], "extra": {"keypoints": [NaN]}},
    {"id":2,"image_id":8,"category_id":1,"keypoints":[1,2,2,3,4,2,5,6,2]},
    {"image_id" : 7 , "category_id" : 1 , "bbox" : [1,2,3,4]}
  ],
  "categories": [{"id": 1, "name": "mouse", "keypoints": ["a", "b", "c"]}]}
"#;

fn project(json: &str) -> tempfile::TempDir {
    folder(&[("labels.json", json.as_bytes()), ("a.png", b""), ("b.png", b"")])
}

#[test]
fn only_values_that_an_edit_concerns_change() {
    let project = project(JSON);
    let dataset = load(project.path());
    let (first, second) = (instance(&dataset, "a.png"), instance(&dataset, "b.png"));
    // An ordinal stands before an id.
    let boxed = dataset.instances.iter().position(|i| i.image == 0 && i.len == 0);
    let boxed = boxed.expect("a box without keypoints") as u32;
    let first = if boxed == first { first + 1 } else { first };
    let text = |edits: &[Edit]| one(&dataset, edits);
    let set = |instance, kind, x, y| Edit::SetKeypoint { instance, kind, x, y };
    let drop = |instance, kind| Edit::DropKeypoint { instance, kind };
    assert_eq!(
        text(&swap(&dataset, first, 0, 1)),
        JSON.replace("0.1000000000000000055, 2.50, 2", "3e1, 4, 2")
            .replace("3e1,4,1", "0.1000000000000000055,2.50,1")
    );
    assert_eq!(
        text(&[drop(first, 0)])
            .replace("\n       0, 0, 0,\n", "\n       0.1000000000000000055, 2.50, 2,\n"),
        JSON.replace("\"num_keypoints\": 2", "\"num_keypoints\": 1")
    );
    assert_eq!(
        text(&[set(first, 2, 7.25, 4.0), drop(second, 1)]),
        JSON.replace("4,1, 0,0,0]", "4,1, 7.25,4,2]")
            .replace("\"num_keypoints\": 2", "\"num_keypoints\": 3")
            .replace("3,4,2,5", "0,0,0,5")
    );
    assert_eq!(text(&[set(first, 1, 30.0, 9.0)]), JSON.replace("3e1,4,1", "3e1,9,1"));
    assert_eq!(
        text(&[set(boxed, 1, 5.5, 6.0)]),
        JSON.replace("[1,2,3,4]}", "[1,2,3,4] , \"keypoints\" : [0, 0, 0, 5.5, 6, 2, 0, 0, 0]}")
    );
    let seen = Edit::SetVisibility { instance: first, kind: 1, visibility: Visibility::Visible };
    assert_eq!(text(&[seen]), JSON.replace("3e1,4,1", "3e1,4,2"));
}

#[test]
fn entries_go_with_one_comma() {
    let project = project(JSON);
    let dataset = load(project.path());
    let drop = |path| Edit::DropImage { image: image(&dataset, path) };
    let second = r#"    {"id":2,"image_id":8,"category_id":1,"keypoints":[1,2,2,3,4,2,5,6,2]},
"#;
    let b = ",\n    {\"id\": 8, \"file_name\": \"b.png\"}";
    let without_b = JSON.replace(second, "").replace(b, "");
    assert_eq!(one(&dataset, &[drop("b.png")]), without_b);
    let written = rewrite(&dataset, &[drop("a.png"), drop("b.png")]).expect("an empty list");
    assert_eq!(written.left_out, ["a.png", "b.png"]);
    let text = String::from_utf8_lossy(&written.files[0].1);
    assert!(text.contains("\"images\": [\n     ],\n  \"annotations\": [\n    \n  ],"), "{text}");
    let gone = Edit::DropInstance { instance: instance(&dataset, "b.png") };
    assert_eq!(one(&dataset, &[gone]), JSON.replace(second, ""));
}

#[test]
fn a_file_of_ones_keeps_to_ones() {
    let json =
        JSON.replace(", 2,\n", ", 1,\n").replace("[1,2,2,3,4,2,5,6,2]", "[1,2,1,3,4,1,5,6,1]");
    let project = project(&json);
    let dataset = load(project.path());
    assert!(dataset.keypoints.iter().all(|point| point.visibility == Visibility::Visible));
    let at = (0..).zip(&dataset.instances).find(|(_, i)| i.len == 2).expect("two points").0;
    let set = Edit::SetKeypoint { instance: at, kind: 2, x: 7.25, y: 9.0 };
    let expected = json.replace("4,1, 0,0,0]", "4,1, 7.25,9,1]");
    assert_eq!(one(&dataset, &[set]), expected.replace("points\": 2", "points\": 3"));
    let hide = Edit::SetVisibility { instance: at, kind: 0, visibility: Visibility::Occluded };
    let refused = rewrite(&dataset, &[hide]).expect_err("1 means seen");
    assert!(refused.to_string().ends_with("so that its 1 means seen"), "{refused}");
}

#[test]
fn hidden_keypoints_are_never_left_alone() {
    let json = JSON.replace("[1,2,2,3,4,2,5,6,2]", "[0,0,0,0,0,0,0,0,0]");
    let project = project(&json);
    let dataset = load(project.path());
    let at = (0..).zip(&dataset.instances).find(|(_, i)| i.len == 2).expect("two points").0;
    let drop = |kind| Edit::DropKeypoint { instance: at, kind };
    let refused = rewrite(&dataset, &[drop(0)]).expect_err("a hidden one would count as seen");
    assert!(matches!(refused, FormatError::CannotHold { row: Some(1), .. }), "{refused}");
    assert!(rewrite(&dataset, &[drop(0), drop(1)]).is_ok());
}

#[test]
fn a_file_that_has_changed_is_refused_with_its_annotation() {
    let project = project(JSON);
    let dataset = load(project.path());
    let drop = Edit::DropKeypoint { instance: instance(&dataset, "b.png"), kind: 0 };
    let image = Edit::DropImage { image: image(&dataset, "b.png") };
    for (new, edit, row) in [
        (JSON.replace("[1,2,2,3", "[1,2.5,2,3"), drop, 2),
        (JSON.replace("\"id\":2", "\"id\":3"), drop, 2),
        (JSON.replace("1,2,2,3,4,2", "1,2,2,0,0,0"), drop, 2),
        (JSON.replace("b.png", "c.png"), image, 2),
        ("{\"images\": [], \"annotations\": []}".into(), image, 1),
        ("{\"images\": [,".into(), drop, 1),
    ] {
        fs::write(project.path().join("labels.json"), &new).expect("a file");
        match rewrite(&dataset, &[edit]) {
            Err(FormatError::Malformed { row: found, .. }) => assert_eq!(found, Some(row), "{new}"),
            other => panic!("{new}: {other:?}"),
        }
    }
}
