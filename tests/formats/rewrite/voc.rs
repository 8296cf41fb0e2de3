//! Pascal VOC.

use super::super::{fixture, shared};
use super::*;

#[test]
fn what_is_written_reads_as_edited() {
    assert_eq!(hold(&fixture("voc/bad"), Hidden::Not, 100), 0);
}

#[test]
fn real_data_read_as_edited() {
    let Some(path) = shared("bccd-voc") else { return };
    assert_eq!(hold(&path, Hidden::Not, 8), 0);
}

const XML: &str = "<?xml version='1.0'?>\r\n<annotation verified=\"yes\">\r\n  <!-- by hand -->\r\n\
    \t<object><name>cell</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3.50</xmax>\
    <ymax>4</ymax></bndbox><!-- sure --></object>\r\n  <object><name>bad</name></object>\
    <object><name>cell</name><bndbox><xmin>5</xmin><ymin>2</ymin><xmax>9</xmax>\
    <ymax>4</ymax></bndbox></object>\r\n</annotation>\r\n";

fn project() -> tempfile::TempDir {
    folder(&[
        ("Annotations/a.xml", XML.as_bytes()),
        ("Annotations/b.xml", b"<annotation/>"),
        ("JPEGImages/a.jpg", b""),
        ("JPEGImages/b.jpg", b""),
        ("ImageSets/Main/train.txt", b"a\r\nb\r\n"),
        ("ImageSets/Main/cell_train.txt", b"a  1\nb -1\n"),
        ("ImageSets/Layout/val.txt", b"ab\n"),
    ])
}

#[test]
fn an_object_goes_with_its_line() {
    let project = project();
    let dataset = load(project.path());
    let start = XML.find("\r\n\t<object>").expect("an object");
    let end = XML.find("\r\n  <object>").expect("the next");
    let without = format!("{}{}", &XML[..start], &XML[end..]);
    assert_eq!(one(&dataset, &[Edit::DropInstance { instance: 0 }]), without);
    let start = XML.rfind("<object>").expect("an object");
    let end = XML.rfind("\r\n</annotation>").expect("the end");
    let without = format!("{}{}", &XML[..start], &XML[end..]);
    assert_eq!(one(&dataset, &[Edit::DropInstance { instance: 1 }]), without);
    let point = Edit::SetKeypoint { instance: 0, kind: 0, x: 1.0, y: 1.0 };
    assert_eq!(rewrite(&dataset, &[point]).expect("no keypoints"), Rewrite::default());
}

#[test]
fn an_image_goes_with_its_labels_and_leaves_the_lists() {
    let project = project();
    let dataset = load(project.path());
    let gone = Edit::DropImage { image: image(&dataset, "JPEGImages/a.jpg") };
    let written = rewrite(&dataset, &[gone]).expect("an image goes");
    assert_eq!(written.left_out, ["Annotations/a.xml", "JPEGImages/a.jpg"]);
    assert_eq!(
        written.files,
        [
            ("ImageSets/Main/cell_train.txt".into(), b"b -1\n".to_vec()),
            ("ImageSets/Main/train.txt".into(), b"b\r\n".to_vec()),
        ]
    );
}

#[test]
fn a_file_that_has_changed_is_refused_with_its_line() {
    let project = project();
    let dataset = load(project.path());
    for (new, row) in [
        (XML.replace("3.50", "3.6"), 4),
        (XML.replace("<xmin>5", "<xmin>6"), 5),
        (XML.replace("<name>bad</name>", "<name>bad</name><bndbox><xmin>5</xmin></bndbox>"), 0),
        (XML.replace("\r\n  <object><name>bad</name></object>", ""), 5),
        (XML.replace("</annotation>", ""), 1),
        ("<a/>".into(), 1),
    ] {
        fs::write(project.path().join("Annotations/a.xml"), &new).expect("a file");
        match rewrite(&dataset, &[Edit::DropInstance { instance: 0 }]) {
            Err(FormatError::Malformed { row: found, .. }) => assert_eq!(found, Some(row), "{new}"),
            Ok(_) => assert_eq!(row, 0, "{new}"),
            Err(other) => panic!("{new}: {other}"),
        }
    }
}
