//! What Ultralytics trains on: it checks each image with its label file, and one row that fails
//! a check costs the image with all its labels. An image without labels is background.
//!
//! # Source
//! Ultralytics 8.3, `ultralytics/data/utils.py`, `verify_image_label`, whose order of checks
//! is that of the reasons; `ultralytics/data/augment.py` (`flip_idx`).

use std::collections::BTreeMap;

use super::book::{Book, Fate, Owner, place_of};
use super::words::counted;
use super::{Effect, Ledger, Lost, Note, Reason, Unopened, unopened};
use crate::dataset::{OddRow, Oddity, Project, WhyLeftOut, Yolo};
use crate::facts::Facts;

const NAMES: [&str; 2] = ["yolo", "Ultralytics YOLO"];

pub(super) const NO_IMAGE: usize = 0;
pub(super) const UNREADABLE_IMAGE: usize = 1;
pub(super) const TINY_IMAGE: usize = 2;
pub(super) const UNREADABLE_ROW: usize = 3;
pub(super) const WRONG_COLUMNS: usize = 4;
pub(super) const ABOVE_ONE: usize = 5;
pub(super) const BELOW_ZERO: usize = 6;
pub(super) const UNKNOWN_CLASS: usize = 7;
pub(super) const REPEATED_ROW: usize = 8;

#[rustfmt::skip]
const REASONS: &[Reason] = &[
    Reason { slug: "no_image", title: "in label files without an image", effect: Effect::Dropped,
        fix: "put the image back, or remove the label file" },
    Reason { slug: "unreadable_image", title: "of images that cannot be opened", effect: Effect::Dropped,
        fix: "replace the image" },
    Reason { slug: "tiny_image", title: "of images below 10 pixels", effect: Effect::Dropped,
        fix: "remove the image" },
    Reason { slug: "unreadable_row", title: "of images with a row that holds no numbers", effect: Effect::Dropped,
        fix: "correct the row: it costs the whole image" },
    Reason { slug: "wrong_columns", title: "of images with a row of a wrong number of columns", effect: Effect::Dropped,
        fix: "correct the row or `kpt_shape`: it costs the whole image" },
    Reason { slug: "above_one", title: "of images with a coordinate above 1.01", effect: Effect::Dropped,
        fix: "divide coordinates by width and height: one costs the whole image" },
    Reason { slug: "below_zero", title: "of images with a value below -0.01", effect: Effect::Dropped,
        fix: "correct the value: it costs the whole image" },
    Reason { slug: "unknown_class", title: "of images with a class that `names` does not have", effect: Effect::Dropped,
        fix: "add the class to `names`, or correct its number: it costs the whole image" },
    Reason { slug: "repeated_row", title: "in rows that repeat another", effect: Effect::Dropped,
        fix: "nothing; remove the row to be tidy" },
];

/// Greatest coordinate, and least value, that pass.
pub(super) const MOST: f64 = 1.01;
pub(super) const LEAST: f64 = -0.01;
/// Least side of an image that passes, pixels.
pub(super) const LEAST_SIDE_PX: u32 = 10;

pub(super) fn ledger(facts: &Facts) -> Ledger {
    let dataset = &facts.dataset;
    let plain = Yolo::default();
    let project = match &dataset.training.project {
        Project::Yolo(project) => project,
        _ => &plain,
    };
    let mut book = Book::new(dataset, REASONS);
    let mut odd: BTreeMap<&str, Vec<&OddRow>> = BTreeMap::new();
    for row in &project.odd {
        odd.entry(&row.file).or_default().push(row);
    }
    // Per image, what costs all its labels.
    let failed: Vec<Option<(usize, u32, String)>> = (0..dataset.images.len())
        .map(|at| {
            refused(facts, at).map(|(reason, why)| (reason, 0, why)).or_else(|| {
                let file = dataset.images[at].location?.file;
                let file = dataset.label_files.get(file as usize)?;
                failure(odd.get(file.as_str()).map(Vec::as_slice).unwrap_or_default(), project)
            })
        })
        .collect();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let owner = Owner { image: Some(instance.image), instance: at as u32 };
        let points = u32::from(instance.len);
        match &failed[instance.image as usize] {
            None => book.points(owner, points, Fate::Used),
            Some((reason, row, why)) => {
                book.points(owner, points, Fate::Lost(*reason));
                let message = told(*row, why);
                book.place(*reason, Lost { points, ..place_of(dataset, instance, message) });
            }
        }
    }
    for left_out in &dataset.training.left_out {
        let owner = book.owner(left_out.image.as_deref(), &left_out.instance);
        let of_image = owner.image.and_then(|at| failed.get(at as usize)?.as_ref());
        let repeats = odd.get(left_out.file.as_str()).is_some_and(|rows| {
            rows.iter().any(|r| Some(r.row) == left_out.row && matches!(r.what, Oddity::Repeats(_)))
        });
        let (reason, message) = match of_image {
            _ if left_out.why == WhyLeftOut::NoImage => (NO_IMAGE, left_out.message.clone()),
            Some((reason, row, why)) => (*reason, told(*row, why)),
            None if repeats => (REPEATED_ROW, left_out.message.clone()),
            None => (UNREADABLE_ROW, left_out.message.clone()),
        };
        book.points(owner, left_out.points, Fate::Lost(reason));
        book.place(reason, Lost { message, ..Lost::of(left_out) });
    }
    for (at, image) in (0..).zip(&dataset.images) {
        match &failed[at as usize] {
            Some((reason, row, why)) if book.fate(at).is_none() => {
                book.image(at, Fate::Lost(*reason));
                book.place(*reason, Lost::of_image(dataset, image, &told(*row, why)));
            }
            None if book.fate(at).is_none() => book.background(at),
            _ => {}
        }
    }
    let background = (0..dataset.images.len())
        .filter(|&at| dataset.images[at].location.is_none() && failed[at].is_none())
        .count();
    book.close(NAMES, notes(project, background))
}

/// Returns why the file of an image is not taken.
pub(super) fn refused(facts: &Facts, image: usize) -> Option<(usize, String)> {
    if let Some((Unopened::Missing | Unopened::Unreadable, why)) = unopened(facts, image) {
        return Some((UNREADABLE_IMAGE, why.into()));
    }
    let [width, height] = facts.size_px(image)?;
    (width.min(height) < LEAST_SIDE_PX)
        .then(|| (TINY_IMAGE, format!("it has {width} × {height} pixels")))
}

/// Returns the first check that a label file fails, the row and what was found.
fn failure(odd: &[&OddRow], project: &Yolo) -> Option<(usize, u32, String)> {
    let judged = odd.iter().filter_map(|row| {
        let (reason, message) = match row.what {
            Oddity::NoText => (UNREADABLE_ROW, "the file is no text".into()),
            Oddity::NoNumber(column) => {
                (UNREADABLE_ROW, format!("column {column} holds no number"))
            }
            Oddity::Columns(found, expected) => {
                (WRONG_COLUMNS, format!("{found} columns, not {expected}"))
            }
            Oddity::Above(value) if value > MOST => (ABOVE_ONE, format!("a coordinate is {value}")),
            Oddity::Below(value) if value < LEAST => (BELOW_ZERO, format!("a value is {value}")),
            Oddity::Class(id) if id >= project.classes as f64 => {
                (UNKNOWN_CLASS, format!("class {id}, of {} that `names` has", project.classes))
            }
            Oddity::Above(_) | Oddity::Below(_) | Oddity::Class(_) | Oddity::Repeats(_) => {
                return None;
            }
        };
        Some((reason, row.row, message))
    });
    judged.min_by_key(|(reason, row, _)| (*reason, *row))
}

/// Says which row costs the image.
fn told(row: u32, why: &str) -> String {
    if row > 0 { format!("row {row} costs the image: {why}") } else { why.into() }
}

fn notes(project: &Yolo, background: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut add = |note, count: usize, message: String| {
        if count > 0 {
            notes.push(Note { note, message, count });
        }
    };
    let message = format!(
        "{} without a label file: trained on as background, where nothing is to be found",
        counted(background, "image")
    );
    add("background", background, message);
    let corner = project.corner_points as usize;
    let message = format!(
        "{} of two values at 0 0: Ultralytics trains on them as visible in the top left corner; \
         give three values per keypoint, or negative ones",
        counted(corner, "keypoint")
    );
    add("corner_points", corner, message);
    if let Some([count, _]) = project.kpt_shape {
        match project.flip_idx {
            None => add(
                "no_flip_idx",
                1,
                "data.yaml has no `flip_idx`: images are not flipped in training".into(),
            ),
            Some(found) if found != u32::from(count) => add(
                "flip_idx_length",
                1,
                format!("`flip_idx` has {found} entries for {count} keypoints: training stops"),
            ),
            Some(_) => {}
        }
    }
    notes
}
