//! Pascal VOC.

use std::collections::BTreeMap;

use super::{counts, fixture, load, problems, shared};

#[test]
fn blood_cells_read_wholly() {
    let Some(data) = shared("bccd-voc") else { return };
    let dataset = load(&data);
    assert_eq!(dataset.format, "voc");
    assert_eq!(counts(&dataset), [364, 364, 364, 4888, 0]);
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in &dataset.instances {
        let class = &dataset.classes[usize::from(instance.class.expect("a class"))];
        *classes.entry(&class.name).or_default() += 1;
    }
    let classes: Vec<_> = classes.into_iter().collect();
    assert_eq!(classes, [("Platelets", 361), ("RBC", 4155), ("WBC", 372)]);
    let mut splits: BTreeMap<&str, usize> = BTreeMap::new();
    for image in &dataset.images {
        assert_eq!(image.declared_px, Some([640, 480]), "{}", image.path);
        *splits.entry(dataset.split_of(image).expect("a split")).or_default() += 1;
    }
    let splits: Vec<_> = splits.into_iter().collect();
    assert_eq!(splits, [("test", 72), ("train", 205), ("val", 87)]);
    assert_eq!(problems(&dataset), [""; 0]);
}

#[test]
fn rows_are_the_lines_of_objects() {
    let dataset = load(&fixture("voc/bad"));
    let rows: Vec<_> = dataset.instances.iter().filter_map(|i| Some(i.location?.row)).collect();
    assert_eq!(rows, [4, 23, 3, 3]);
}
