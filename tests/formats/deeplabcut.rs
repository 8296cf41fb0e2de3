//! DeepLabCut.

use labelvet::dataset::PairSource;

use super::*;

#[test]
fn openfield_reads_wholly() {
    let Some(path) = shared("dlc-openfield") else { return };
    let dataset = load(&path);
    assert_eq!(dataset.format, "deeplabcut");
    assert_eq!(counts(&dataset), [116, 116, 116, 116, 464]);
    assert_eq!(dataset.videos, ["m4s1"]);
    assert_eq!(dataset.skeletons[0].keypoints, ["snout", "leftear", "rightear", "tailbase"]);
    assert_eq!(pair_names(&dataset, 0), [["leftear", "rightear"]]);
    assert_eq!(dataset.skeletons[0].pair_source, PairSource::Names);
    let first = &dataset.instances[0];
    let image = &dataset.images[first.image as usize];
    assert_eq!(image.path, "labeled-data/m4s1/img0000.png");
    assert_eq!(image.frame, Some(0));
    let snout = dataset.keypoint(first, 0).expect("it is labelled");
    assert_eq!([dataset.to_label(snout.x), dataset.to_label(snout.y)], [21.521, 265.428]);
    assert_eq!((snout.column, first.location.map(|l| l.row)), (2, Some(4)));
    assert_eq!(
        problems(&dataset),
        [
            "NotCompared labeled-data/m4s1/CollectedData_Pranav.h5:-:-: labels in HDF5 beside the CSV, not compared with it"
        ]
    );
    // The file that users pass, and the label file alone, are the same dataset.
    let project = path.join("examples/openfield-Pranav-2018-10-30");
    for file in ["config.yaml", "labeled-data/m4s1/CollectedData_Pranav.csv", "labeled-data"] {
        let same = load(&project.join(file));
        assert_eq!(counts(&same), counts(&dataset), "{file}");
        assert_eq!(same.images[5].path, dataset.images[5].path, "{file}");
        assert_eq!(same.skeletons, dataset.skeletons, "{file}");
    }
}

#[test]
fn reaching_reads_wholly() {
    let Some(path) = shared("dlc-reaching") else { return };
    let dataset = load(&path);
    assert_eq!(dataset.format, "deeplabcut");
    let [images, files, labelled, instances, points] = counts(&dataset);
    assert_eq!([images, files, labelled, instances], [55; 4]);
    assert_eq!(points, 55 * 5 - 40 - 2);
    let names = &dataset.skeletons[0].keypoints;
    let missing = |name: &str| {
        let kind = dataset.skeletons[0].index(name).expect("a keypoint");
        dataset.instances.iter().filter(|i| dataset.keypoint(i, kind).is_none()).count()
    };
    let missing: Vec<usize> = names.iter().map(|name| missing(name)).collect();
    assert_eq!(missing, [1, 1, 40, 0, 0], "{names:?}");
    assert_eq!(dataset.skeletons[0].edges, [[0, 1], [3, 4]]);
}
