//! YOLO detection and pose.

use std::collections::BTreeMap;

use labelvet::dataset::PairSource;
use labelvet::formats::FormatError;

use super::{counts, fixture, load, problems, refusal, shared};

#[test]
fn road_signs_read_wholly() {
    let Some(data) = shared("road-signs-yolo") else { return };
    let dataset = load(&data);
    assert_eq!(dataset.format, "yolo");
    assert_eq!(counts(&dataset), [384, 384, 384, 466, 0]);
    assert_eq!(dataset.classes.len(), 21);
    assert!(dataset.classes.iter().all(|class| class.defined));
    let mut used: Vec<_> = dataset.instances.iter().filter_map(|i| i.class).collect();
    used.sort();
    used.dedup();
    assert_eq!(used.len(), 8);
    let mut splits: BTreeMap<&str, usize> = BTreeMap::new();
    for image in &dataset.images {
        *splits.entry(dataset.split_of(image).expect("a split")).or_default() += 1;
    }
    assert_eq!(
        splits.into_iter().collect::<Vec<_>>(),
        [("test", 128), ("train", 128), ("val", 128)]
    );
    assert_eq!(problems(&dataset), [""; 0]);
}

#[test]
fn a_declared_flip_is_kept_even_if_it_is_wrong() {
    let dataset = load(&fixture("yolo/pose"));
    assert_eq!(dataset.skeletons[0].flip_idx, Some(vec![0, 2, 7]));
    assert_eq!(dataset.skeletons[0].pair_source, PairSource::Names);
}

#[test]
fn a_configuration_that_leads_nowhere_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = folder.path().join("data.yaml");
    let refused = |text: &str| {
        std::fs::write(&yaml, text).expect("a file");
        refusal(folder.path()).to_string()
    };
    let nowhere = refused("train: a/images\nval: b/images\nnames: [x]\n");
    assert!(nowhere.ends_with("none of the folders of images exists: a/images, b/images"));
    let broken = refused("train: a\nnames: [x\nval: {\n");
    assert!(broken.contains("data.yaml: row "), "{broken}");
    std::fs::rename(&yaml, folder.path().join("one.yaml")).expect("renamed");
    std::fs::copy(folder.path().join("one.yaml"), folder.path().join("two.yaml")).expect("a copy");
    match refusal(folder.path()) {
        FormatError::Several { found, .. } => assert_eq!(found, ["one.yaml", "two.yaml"]),
        error => panic!("{error}"),
    }
}
