//! COCO detection and keypoints.

use labelvet::dataset::{InstanceName, Visibility};
use labelvet::formats::{FormatError, ReadOptions, read};

use super::{counts, fixture, load, pair_names, problems, refusal, shared};

#[test]
fn the_real_files_read_wholly() {
    // Images, files, listed images, instances, keypoints with v > 0, names of a skeleton;
    // all counted in the JSON by a script.
    for (data, expected, skeleton) in [
        ("mmpose-coco/tests/data/coco", [4, 4, 4, 14, 181], 17),
        ("mmpose-coco/tests/data/fly", [2, 2, 2, 2, 64], 32),
        ("mmpose-coco/tests/data/locust", [2, 2, 2, 2, 70], 35),
        ("mmpose-coco/tests/data/zebra", [2, 2, 2, 2, 18], 9),
        ("sleap-io-js/tests/data/coco/category_folders", [3, 3, 3, 3, 47], 17),
        ("sleap-io-js/tests/data/coco/flat_images/annotations.json", [3, 3, 3, 3, 51], 17),
        ("sleap-io-js/tests/data/coco/mixed_animals", [3, 3, 3, 6, 90], 17),
        ("sleap-io-js/tests/data/coco/multi_source", [3, 3, 3, 3, 51], 17),
        ("sleap-io-js/tests/data/coco/nested_paths", [3, 3, 3, 3, 51], 17),
        ("sleap-io-js/tests/data/coco/visibility_binary", [3, 3, 3, 3, 33], 17),
        ("sleap-io-js/tests/data/coco/visibility_ternary", [3, 3, 3, 3, 33], 17),
    ] {
        let Some(path) = shared(data) else { return };
        let dataset = load(&path);
        assert_eq!(dataset.format, "coco", "{data}");
        assert_eq!(counts(&dataset), expected, "{data}");
        assert_eq!(dataset.skeletons[0].keypoints.len(), skeleton, "{data}");
        assert_eq!(problems(&dataset), [""; 0], "{data}");
    }
}

#[test]
fn a_frame_without_instances_is_labelled() {
    let Some(path) =
        shared("sleap-io-js/tests/data/coco/flat_images/annotations_negative_frame.json")
    else {
        return;
    };
    assert_eq!(counts(&load(&path))[..4], [3, 3, 3, 2]);
    match refusal(path.parent().expect("a folder")) {
        FormatError::Several { found, .. } => {
            assert_eq!(found, ["annotations.json", "annotations_negative_frame.json"]);
        }
        error => panic!("{error}"),
    }
}

#[test]
fn ids_sizes_edges_and_pairs_are_kept() {
    let Some(path) = shared("mmpose-coco/tests/data/coco") else { return };
    let dataset = load(&path);
    let image = &dataset.images[0];
    assert_eq!((image.path.as_str(), image.declared_px), ("000000000785.jpg", Some([640, 425])));
    assert_eq!((image.video, image.frame), (None, None));
    let instance = &dataset.instances[0];
    assert_eq!(instance.name, InstanceName::Id(442619));
    let nose = dataset.keypoint(instance, 0).expect("a nose");
    assert_eq!((nose.x, nose.y, nose.visibility), (367.0, 81.0, Visibility::Visible));
    assert_eq!(dataset.skeletons[0].edges[0], [15, 13]);
    assert!(pair_names(&dataset, 0).contains(&["left_eye", "right_eye"]));
}

#[test]
fn crowds_and_undefined_classes_are_kept() {
    let dataset = load(&fixture("coco/bad"));
    assert_eq!(counts(&dataset), [5, 4, 4, 11, 4]);
    let crowds = dataset.instances.iter().filter(|instance| instance.crowd);
    assert_eq!(crowds.map(|i| i.name).collect::<Vec<_>>(), [InstanceName::Id(22)]);
    let class = |name: &str| dataset.classes.iter().find(|class| class.name == name);
    assert!(class("hand").expect("a class").defined);
    assert!(!class("7").expect("a class").defined);
}

#[test]
fn one_file_per_split_makes_one_dataset() {
    let folder = fixture("coco/splits");
    let dataset = load(&folder);
    assert_eq!(counts(&dataset), [4, 4, 3, 2, 0]);
    let found: Vec<_> = dataset
        .images
        .iter()
        .map(|image| (image.path.as_str(), dataset.split_of(image), image.location.is_some()))
        .collect();
    assert_eq!(
        found,
        [
            ("images/train2017/1.png", Some("train"), true),
            ("images/train2017/2.png", Some("train"), true),
            ("images/val2017/3.png", Some("val"), true),
            ("images/val2017/4.png", Some("val"), false),
        ]
    );
    let classes: Vec<_> = (dataset.instances.iter())
        .map(|i| dataset.classes[usize::from(i.class.expect("a class"))].name.as_str())
        .collect();
    assert_eq!(classes, ["dog", "mouse"]);
    assert_eq!(problems(&dataset), [""; 0]);
    // What one file does not name may belong to the other.
    let one = load(&folder.join("annotations/instances_val2017.json"));
    assert_eq!(counts(&one), [1, 1, 1, 1, 0]);
}

#[test]
fn a_file_of_ones_and_zeros_knows_no_occlusion() {
    let Some(path) = shared("sleap-io-js/tests/data/coco/visibility_binary") else { return };
    let visible = load(&path).keypoints.iter().all(|p| p.visibility == Visibility::Visible);
    assert!(visible);
}

#[test]
fn images_elsewhere_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("labels.json");
    std::fs::copy(fixture("coco/bad/annotations.json"), &json).expect("a copy");
    assert_eq!(counts(&load(&json))[..3], [5, 0, 5]);
    let options =
        ReadOptions { images: Some(fixture("coco/bad/images")), ..ReadOptions::default() };
    let dataset = read(&json, &options).expect("a dataset");
    assert_eq!(counts(&dataset)[..3], [5, 4, 4]);
    assert_eq!(dataset.images[0].path, "a.png");
}

#[test]
fn what_is_no_coco_file_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("labels.json");
    let refused = |text: &[u8]| {
        std::fs::write(&json, text).expect("a file");
        refusal(&json).to_string()
    };
    let start = "{\"images\": [{\"id\": 1, \"file_name\": \"a.png\"}],\n";
    let cut = refused(format!("{start}\"annotations\": [{{\"id\": 1,\n").as_bytes());
    let expected =
        "labels.json: row 3: the file ends inside the JSON object; it may have been cut short";
    assert!(cut.ends_with(expected), "{cut}");
    let object = refused(format!("{start}\"annotations\": {{}}}}").as_bytes());
    assert!(
        object.ends_with("row 2: expected an array after `annotations`, found `{`"),
        "{object}"
    );
    let deep = format!("{start}\"annotations\": {}", "[".repeat(200_000));
    assert!(refused(deep.as_bytes()).ends_with("it may have been cut short"));
    for text in
        ["", "[]", "{}", "{\"images\": []}", "\u{0}", "{\"shapes\": [], \"imagePath\": \"a\"}"]
    {
        assert!(refused(text.as_bytes()).contains("no dataset found"), "{text}");
    }
    assert!(refused(b"\xff\xfe{\0}\0").contains("no dataset found"));
}
