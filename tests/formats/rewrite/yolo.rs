//! YOLO.

use super::super::{fixture, shared};
use super::*;

#[test]
fn what_is_written_reads_as_edited() {
    let refused = hold(&fixture("yolo/pose"), Hidden::Sayable, 200);
    // Hidden keypoints without any that is seen.
    assert!(refused < 80, "{refused}");
    assert_eq!(hold(&fixture("yolo/lists"), Hidden::Not, 40), 0);
}

#[test]
fn real_data_read_as_edited() {
    let Some(path) = shared("road-signs-yolo") else { return };
    assert_eq!(hold(&path, Hidden::Not, 12), 0);
}

/// Returns a picture of 640 × 480 px.
fn picture() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::GrayImage::new(640, 480);
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("a picture");
    bytes.into_inner()
}

/// Writes a project with labels of `a.png` and of `b.png`, two keypoints of some values.
fn project(values: usize, a: &str, b: &str) -> tempfile::TempDir {
    let yaml = format!("train: images\nnames: [mouse]\nkpt_shape: [2, {values}]\n");
    folder(&[
        ("data.yaml", yaml.as_bytes()),
        ("images/a.png", &picture()),
        ("images/b.png", &picture()),
        ("labels/a.txt", a.as_bytes()),
        ("labels/b.txt", b.as_bytes()),
    ])
}

#[test]
fn only_numbers_that_an_edit_concerns_change() {
    let a = "\u{feff}# by hand\r\n0  0.5 0.5\t0.50 0.5 0.123456789012345 2.5e-1 2.0 0.75 0.5 1 \r\n\
             \n0 0.1 0.1 0.1 0.1 0.2 0.2 2 0 0 0\n0 0.1 0.1 0.1 0.1 .2 0.20 2 0 0 0";
    let project = project(3, a, "");
    let dataset = load(project.path());
    assert_eq!(dataset.instances.len(), 2);
    let text = |edits: &[Edit]| one(&dataset, edits);
    let set = |instance, kind, x, y| Edit::SetKeypoint { instance, kind, x, y };
    assert_eq!(
        text(&swap(&dataset, 0, 0, 1)),
        a.replace(
            "0.123456789012345 2.5e-1 2.0 0.75 0.5 1",
            "0.75 0.5 2.0 0.123456789012345 2.5e-1 1"
        )
    );
    assert_eq!(
        text(&[Edit::DropKeypoint { instance: 0, kind: 0 }, set(0, 1, 480.0, 100.0)]),
        a.replace("0.123456789012345 2.5e-1 2.0 0.75 0.5 1", "0 0 0 0.75 0.208333333 1")
    );
    // A line that repeats another stays its equal, or it would count.
    assert_eq!(
        text(&[set(1, 1, 320.0, 120.0)]),
        a.replace("0.2 0.2 2 0 0 0", "0.2 0.2 2 0.5 2.5e-1 2")
            .replace(".2 0.20 2 0 0 0", ".2 0.20 2 0.5 2.5e-1 2")
    );
    assert_eq!(text(&[Edit::DropInstance { instance: 1 }]), &a[..a.find("0 0.1").expect("a line")]);
    let written = rewrite(&dataset, &[Edit::DropImage { image: 0 }]).expect("an image goes");
    assert_eq!(written.left_out, ["images/a.png", "labels/a.txt"]);
    assert_eq!((written.files, written.stale), (vec![], vec![]));
}

#[test]
fn ones_stay_ones_and_two_values_have_no_visibility() {
    let a = "0 0.5 0.5 0.5 0.5 0.25 0.25 1 0 0 0\n";
    let project_ones = project(3, a, "");
    let dataset = load(project_ones.path());
    let set = |x, y| Edit::SetKeypoint { instance: 0, kind: 1, x, y };
    assert_eq!(one(&dataset, &[set(320.0, 240.0)]), a.replace("0 0 0", "0.5 0.5 1"));
    let hide = Edit::SetVisibility { instance: 0, kind: 0, visibility: Visibility::Occluded };
    assert!(rewrite(&dataset, &[hide]).is_err());
    let a = "0 0.5 0.5 0.5 0.5 0.25 0.25 0 0\n";
    let project_two = project(2, a, "");
    let dataset = load(project_two.path());
    assert_eq!(one(&dataset, &[set(320.0, 0.0)]), a.replace("0.25 0 0", "0.25 0.5 0"));
    for edit in [set(0.0, 0.0), hide] {
        let refused = rewrite(&dataset, &[edit]).expect_err("it cannot be said");
        assert!(matches!(refused, FormatError::CannotHold { row: Some(1), .. }), "{refused}");
    }
    assert_eq!(hold(project_two.path(), Hidden::Not, 60), 0);
}

#[test]
fn lines_that_would_repeat_another_are_refused() {
    let a = "0 .5 .5 .5 .5 .1 .1 2 .2 .2 2\n0 .5 .5 .5 .5 .1 .1 2 .3 .2 2\n";
    let project = project(3, a, "0 .5 .5 .5 .5 .1 .1 2 .2 .2 2\n");
    let dataset = load(project.path());
    let drop = |instance| Edit::DropKeypoint { instance, kind: 1 };
    let refused = rewrite(&dataset, &[drop(0), drop(1)]).expect_err("two equal lines");
    assert!(refused.to_string().contains("two instances would have the same"), "{refused}");
    assert!(rewrite(&dataset, &[drop(0), drop(2)]).is_ok());
}

#[test]
fn an_image_leaves_the_lists_and_a_shared_label_file_stays() {
    let dataset = load(&fixture("yolo/lists"));
    let drop = |path| Edit::DropImage { image: image(&dataset, path) };
    let written = rewrite(&dataset, &[drop("images/1.png"), drop("images/gone.png")]);
    let written = written.expect("an image goes");
    let texts: Vec<_> = (written.files.iter())
        .map(|(name, bytes)| (name.as_str(), String::from_utf8_lossy(bytes).into_owned()))
        .collect();
    assert_eq!(
        texts,
        [("train.txt", String::new()), ("val.txt", "/content/lists/images/2.png\n".into())]
    );
    assert_eq!(written.left_out, ["images/1.png", "labels/1.txt"]);
    let project = project(3, "0 .5 .5 .5 .5 .1 .1 2 .2 .2 2\n", "");
    fs::write(project.path().join("images/a.jpg"), picture()).expect("a file");
    let dataset = load(project.path());
    let gone = Edit::DropImage { image: image(&dataset, "images/a.jpg") };
    assert_eq!(rewrite(&dataset, &[gone]).expect("it goes").left_out, ["images/a.jpg"]);
    let edit = Edit::DropKeypoint { instance: instance(&dataset, "images/a.png"), kind: 0 };
    let refused = rewrite(&dataset, &[edit]).expect_err("two images have the label");
    assert!(refused.to_string().ends_with("those of images/a.jpg, too"), "{refused}");
}

#[test]
fn a_file_that_has_changed_is_refused_with_its_line() {
    let a = "0 .5 .5 .5 .5 .1 .1 2 .2 .2 2\n";
    let project = project(3, a, "");
    let dataset = load(project.path());
    for new in ["", "0 .5 .5 .5 .5 .1 .1 2 .2 .25 2\n", "x\n", "0 .5 .5 .5 .5\n", "\u{0}"] {
        fs::write(project.path().join("labels/a.txt"), new).expect("a file");
        match rewrite(&dataset, &[Edit::DropInstance { instance: 0 }]) {
            Err(FormatError::Malformed { row: Some(1), .. }) => {}
            other => panic!("{new}: {other:?}"),
        }
    }
}
