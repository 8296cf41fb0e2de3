//! The ledger of what training will use: planted losses add up exactly, random edits never break
//! the sum, and real datasets give the figures of `docs/ledger.md`.

mod coco;
mod deeplabcut;
mod random;
mod real;
mod yolo;

use std::fs;
use std::path::{Path, PathBuf};

use image::GrayImage;
use labelvet::audit::{Count, Ledger, ledger};
use labelvet::facts::{Facts, MeasureOptions, measure};
use labelvet::formats::{ReadOptions, read};

/// Returns facts of a dataset on disk, with opened images.
pub(crate) fn facts(path: &Path) -> Facts {
    let dataset = read(path, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    measure(dataset, &MeasureOptions::default())
}

/// Returns the ledger of a dataset on disk, whose sums are right.
pub(crate) fn book(path: &Path) -> Ledger {
    let ledger = ledger(&facts(path)).expect("a format with a trainer");
    adds_up(&ledger);
    ledger
}

/// Holds the numbers of a ledger against each other.
pub(crate) fn adds_up(ledger: &Ledger) {
    let sum = |of: fn(&Count) -> usize| {
        of(&ledger.used) + ledger.lost.iter().map(|loss| of(&loss.count)).sum::<usize>()
    };
    assert_eq!(sum(|count| count.points), ledger.found.points, "{}", ledger.summary);
    assert_eq!(sum(|count| count.instances), ledger.found.instances, "{}", ledger.summary);
    assert_eq!(sum(|count| count.images), ledger.found.images, "{}", ledger.summary);
    assert!(ledger.background <= ledger.used.images);
    for loss in &ledger.lost {
        let places: Vec<_> =
            ledger.places.iter().filter(|place| place.reason == loss.reason).collect();
        assert_eq!(places.len(), loss.places, "{}", loss.reason);
        let points: usize = places.iter().map(|place| place.points as usize).sum();
        assert_eq!(points, loss.count.points, "places of {}", loss.reason);
    }
}

/// Returns reason, points, instances and images of what is lost.
pub(crate) fn lost(ledger: &Ledger) -> Vec<(&'static str, usize, usize, usize)> {
    (ledger.lost.iter())
        .map(|loss| {
            let Count { points, instances, images } = loss.count;
            (loss.reason, points, instances, images)
        })
        .filter(|&(_, points, instances, images)| points + instances + images > 0)
        .collect()
}

/// Returns the slugs of the notes.
pub(crate) fn notes(ledger: &Ledger) -> Vec<&'static str> {
    ledger.notes.iter().map(|note| note.note).collect()
}

/// Writes a file below a folder.
pub(crate) fn put(root: &Path, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = root.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(&path, content).expect("a file");
    path
}

/// Draws an image of noise below a folder; no two are alike.
pub(crate) fn draw(root: &Path, file: &str, width: u32, height: u32) {
    let path = put(root, file, "");
    let seed =
        file.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let image = GrayImage::from_fn(width, height, |x, y| {
        let n = (x ^ (y << 7) ^ seed).wrapping_mul(0x9E37_79B9);
        image::Luma([(n >> 24) as u8])
    });
    image.save(&path).expect("an image");
}
