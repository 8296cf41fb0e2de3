//! A YOLO dataset with every loss planted: one bad row costs its whole image.

use std::path::Path;

use super::{book, draw, lost, notes, put};

fn dataset(root: &Path, yaml: &str, labels: &[(&str, &str)]) {
    put(root, "data.yaml", format!("train: images/train\nval: images/train\n{yaml}"));
    for (name, text) in labels {
        draw(root, &format!("images/train/{name}.png"), 32, 32);
        put(root, &format!("labels/train/{name}.txt"), text);
    }
}

#[test]
fn one_bad_row_costs_the_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let good = "0 .5 .5 .2 .2\n1 .4 .4 .2 .2\n";
    let with = |row: &str| format!("{good}{row}\n");
    dataset(
        root,
        "names: [a, b]\n",
        &[
            ("good", good),
            ("empty", ""),
            ("word", &with("0 .5 x .1 .1")),
            ("columns", &with("0 .5 .5 .1")),
            ("above", &with("0 320 .5 .1 .1")),
            ("edge", &with("0 1.005 .5 .1 .1")),
            ("below", &with("0 -.5 .5 .1 .1")),
            ("class", &with("2 .5 .5 .1 .1")),
            ("twice", &with("1 .4 .4 .2 .2")),
            // The first check that fails is the reason, not the first row.
            ("both", &with("7 .5 .5 .1 .1\n0 .5 .5 .1")),
        ],
    );
    draw(root, "images/train/alone.png", 32, 32);
    draw(root, "images/train/tiny.png", 9, 32);
    put(root, "labels/train/tiny.txt", good);
    put(root, "images/train/broken.png", "no image");
    put(root, "labels/train/orphan.txt", good);
    let ledger = book(root);
    assert_eq!(
        lost(&ledger),
        [
            ("no_image", 0, 2, 0),
            ("unreadable_image", 0, 0, 1),
            ("tiny_image", 0, 2, 1),
            ("unreadable_row", 0, 3, 1),
            ("wrong_columns", 0, 3 + 4, 2),
            ("above_one", 0, 3, 1),
            ("below_zero", 0, 3, 1),
            ("unknown_class", 0, 3, 1),
            ("repeated_row", 0, 1, 0),
        ]
    );
    // good 2, edge 3, twice 2; empty and alone are background.
    assert_eq!((ledger.used.instances, ledger.used.images), (7, 5));
    assert_eq!(ledger.background, 2);
    assert_eq!(notes(&ledger), ["background"]);
    let place = ledger.places.iter().find(|place| place.reason == "unknown_class");
    assert_eq!(
        place.map(|place| place.message.as_str()),
        Some("row 3 costs the image: class 2, of 2 that `names` has")
    );
    assert!(ledger.summary.starts_with("7 of 31 labelled instances reach the trainer"));
}

#[test]
fn keypoints_are_lost_with_their_image_and_flips_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    dataset(
        root,
        "names: [a]\nkpt_shape: [2, 3]\nflip_idx: [1, 0, 2]\n",
        &[
            ("good", "0 .5 .5 .2 .2 .1 .1 2 0 0 0\n"),
            // The box may lie beyond 1, the keypoints may not.
            ("wide", "0 1.5 .5 .2 .2 .1 .1 2 .2 .2 1\n"),
            ("far", "0 .5 .5 .2 .2 1.2 .1 2 .2 .2 2\n"),
            ("shape", "0 .5 .5 .2 .2 .1 .1 .2 .2\n0 .4 .4 .2 .2 .1 .1 2 .2 .2 2\n"),
        ],
    );
    let ledger = book(root);
    // A row of nine columns may hold one keypoint of three values.
    assert_eq!(lost(&ledger), [("wrong_columns", 3, 2, 1), ("above_one", 2, 1, 1)]);
    assert_eq!((ledger.used.points, ledger.used.images), (3, 2));
    assert_eq!(notes(&ledger), ["flip_idx_length"]);
}

#[test]
fn two_values_cannot_say_that_a_keypoint_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = "0 .5 .5 .2 .2 .1 .1 0 0\n";
    dataset(folder.path(), "names: [a]\nkpt_shape: [2, 2]\n", &[("a", rows)]);
    let ledger = book(folder.path());
    assert_eq!((ledger.used.points, lost(&ledger).len()), (1, 0));
    assert_eq!(notes(&ledger), ["corner_points", "no_flip_idx"]);
}
