//! Real datasets, with the figures that `docs/ledger.md` gives of them.

use labelvet::audit::Count;

use super::{book, lost, notes};
use crate::formats::shared;

#[test]
fn openfield_loses_nothing() {
    let Some(path) = shared("dlc-openfield/examples/openfield-Pranav-2018-10-30") else { return };
    let ledger = book(&path);
    assert_eq!(
        ledger.summary,
        "all 464 labelled points reach the trainer (DeepLabCut with PyTorch)"
    );
    assert_eq!(lost(&ledger), []);
    assert_eq!(notes(&ledger), ["hdf5_not_compared"]);
    assert_eq!((ledger.visits[0].train_images, ledger.visits[0].per_image), (110, 200.0));
}

#[test]
fn reaching_loses_its_decimals() {
    let Some(path) = shared("dlc-reaching/examples/Reaching-Mackenzie-2018-08-30") else { return };
    let ledger = book(&path);
    assert_eq!(lost(&ledger), []);
    assert_eq!(notes(&ledger), ["cut_to_integers", "hdf5_not_compared"]);
    assert!(
        ledger.notes[0].message.starts_with("233 used points")
            && ledger.notes[0].message.contains("0.78 px")
    );
    assert_eq!((ledger.visits[0].train_images, ledger.visits[0].per_image), (52, 19_807.7));
}

#[test]
fn mirror_mouse_has_three_frames_without_labels() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mirror-mouse");
    let ledger = book(&path);
    assert_eq!(lost(&ledger), [("not_labelled", 0, 0, 3)]);
    assert_eq!(ledger.used, Count { points: 1396, instances: 90, images: 90 });
}

#[test]
fn boxes_of_public_sets_reach_the_trainer() {
    for (set, instances, images) in [("bccd-voc", 4888, 364), ("road-signs-yolo", 466, 384)] {
        let Some(path) = shared(set) else { continue };
        let ledger = book(&path);
        assert_eq!(lost(&ledger), [], "{set}");
        assert_eq!(ledger.used, Count { points: 0, instances, images }, "{set}");
    }
}
