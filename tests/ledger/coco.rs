//! COCO and VOC files with every loss planted.

use serde_json::{Value, json};

use super::{book, draw, lost, put};

/// Writes a COCO file with three images of 64 × 48 px, of which the third has no file.
fn coco(annotations: Value, keypoints: Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let image =
        |id: u32| json!({"id": id, "file_name": format!("{id}.png"), "width": 64, "height": 48});
    let mut category = json!({"id": 1, "name": "mouse"});
    if !keypoints.is_null() {
        category["keypoints"] = keypoints;
    }
    let file = json!({
        "images": [image(1), image(2), image(3), image(4)],
        "annotations": annotations,
        "categories": [category],
    });
    put(folder.path(), "labels.json", file.to_string());
    for id in [1, 2, 4] {
        draw(folder.path(), &format!("{id}.png"), 64, 48);
    }
    folder
}

#[test]
fn mmpose_drops_what_it_cannot_train_a_pose_on() {
    let points = json!([10, 10, 2, 20, 20, 1]);
    let annotation = |id: u32, more: Value| {
        let mut one = json!({"id": id, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20],
            "keypoints": points, "num_keypoints": 2, "area": 400, "iscrowd": 0});
        for (key, value) in more.as_object().expect("an object") {
            match value {
                Value::String(word) if word == "-" => {
                    _ = one.as_object_mut().map(|o| o.remove(key))
                }
                value => one[key] = value.clone(),
            }
        }
        one
    };
    let folder = coco(
        json!([
            annotation(1, json!({})),
            annotation(2, json!({"image_id": 9})),
            annotation(3, json!({"image_id": "-"})),
            annotation(4, json!({"iscrowd": 1})),
            annotation(5, json!({"bbox": "-"})),
            annotation(6, json!({"keypoints": "-"})),
            annotation(7, json!({"keypoints": [0, 0, 0, 0, 0, 0], "num_keypoints": 0})),
            annotation(8, json!({"num_keypoints": 0})),
            annotation(9, json!({"bbox": [5, 5, 0, 20]})),
            annotation(10, json!({"bbox": [70, 5, 20, 20]})),
            annotation(11, json!({"keypoints": [1, 1, 2]})),
            annotation(12, json!({"image_id": 3})),
            annotation(13, json!({"image_id": 2, "category_id": 8, "keypoints": "-"})),
        ]),
        json!(["nose", "tail"]),
    );
    let ledger = book(folder.path());
    assert_eq!(ledger.trainer_name, "MMPose");
    assert_eq!(
        lost(&ledger),
        [
            ("no_image", 2, 1, 0),
            ("unreadable_annotation", 0, 1, 0),
            ("crowd", 2, 1, 0),
            ("no_box", 2, 1, 0),
            ("no_keypoints", 0, 3, 1),
            ("zero_count", 2, 1, 0),
            ("zero_area_box", 4, 2, 0),
            ("keypoint_mismatch", 1, 1, 0),
            ("missing_image", 2, 1, 1),
            ("not_labelled", 0, 0, 1),
        ]
    );
    assert_eq!((ledger.used.points, ledger.used.instances, ledger.used.images), (2, 1, 1));
}

#[test]
fn mmdetection_drops_what_is_no_box() {
    let annotation = |id: u32, image: u32, class: u32, bbox: [f64; 4], more: Value| {
        let mut one = json!({"id": id, "image_id": image, "category_id": class, "bbox": bbox,
            "area": bbox[2] * bbox[3]});
        for (key, value) in more.as_object().expect("an object") {
            one[key] = value.clone();
        }
        one
    };
    let good = [5.0, 5.0, 20.0, 20.0];
    let none = || json!({});
    let folder = coco(
        json!([
            annotation(1, 1, 1, good, none()),
            annotation(2, 1, 1, good, json!({"ignore": 1})),
            annotation(3, 1, 1, [64.0, 5.0, 20.0, 20.0], none()),
            annotation(4, 1, 1, [5.0, 5.0, 0.5, 20.0], none()),
            annotation(5, 1, 1, good, json!({"area": 0})),
            annotation(6, 1, 8, good, none()),
            annotation(7, 1, 1, good, json!({"iscrowd": 1})),
            annotation(8, 3, 1, good, none()),
            annotation(9, 9, 1, good, none()),
        ]),
        Value::Null,
    );
    let ledger = book(folder.path());
    assert_eq!(ledger.trainer_name, "MMDetection");
    assert_eq!(
        lost(&ledger),
        [
            ("no_image", 0, 1, 0),
            ("ignored", 0, 1, 0),
            ("box_outside_image", 0, 1, 0),
            ("small_box", 0, 2, 0),
            ("unknown_class", 0, 1, 0),
            ("crowd", 0, 1, 0),
            ("missing_image", 0, 1, 1),
            ("not_labelled", 0, 0, 2),
        ]
    );
    assert_eq!((ledger.used.instances, ledger.used.images), (1, 1));
}

#[test]
fn voc_is_lost_by_difficulty_and_by_bounds() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let object = |corners: [i32; 4], more: &str| {
        let [xmin, ymin, xmax, ymax] = corners;
        format!(
            "<object><name>cell</name>{more}<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>\
             <xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>\n"
        )
    };
    let record = |name: &str, size: &str, objects: &[String]| {
        draw(root, &format!("JPEGImages/{name}.png"), 64, 48);
        let text = format!(
            "<annotation>\n<filename>{name}.png</filename>{size}\n{}</annotation>\n",
            objects.concat()
        );
        put(root, &format!("Annotations/{name}.xml"), text);
    };
    let size = "<size><width>64</width><height>48</height><depth>1</depth></size>";
    let good = || object([5, 5, 20, 20], "");
    let difficult = object([30, 30, 40, 40], "<difficult>1</difficult>");
    record("good", size, &[good(), good(), difficult]);
    record("beyond", size, &[good(), object([5, 5, 80, 20], "")]);
    record("backwards", size, &[object([20, 5, 10, 20], ""), good()]);
    record("unsized", "", &[good()]);
    record("bare", size, &["<object><name>cell</name></object>\n".into(), good()]);
    draw(root, "JPEGImages/alone.png", 64, 48);
    let ledger = book(root);
    assert_eq!(
        lost(&ledger),
        [
            ("unreadable_label", 0, 1, 0),
            ("no_size", 0, 1, 1),
            ("difficult", 0, 1, 0),
            ("above_one", 0, 2, 1),
            ("below_zero", 0, 2, 1),
            ("repeated_box", 0, 1, 0),
        ]
    );
    assert_eq!((ledger.used.instances, ledger.used.images, ledger.background), (2, 3, 1));
}
