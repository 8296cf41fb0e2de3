//! What Ultralytics trains on of Pascal VOC, after its own conversion: objects marked as
//! difficult stay behind, boxes become shares of the size that the file declares, and an image
//! with a share out of bounds is not used at all.
//!
//! # Source
//! Ultralytics 8.3, `cfg/datasets/VOC.yaml` (`convert_label`, where 1 pixel is taken from the
//! centre) and `data/utils.py` (`verify_image_label`).

use rustc_hash::FxHashMap;

use super::book::{Book, Fate, Owner, place_of};
use super::yolo::{LEAST, LEAST_SIDE_PX, MOST};
use super::{Effect, Ledger, Lost, Reason, unopened};
use crate::dataset::{BBox, Location, Project};
use crate::facts::Facts;

const NAMES: [&str; 2] = ["voc", "Ultralytics YOLO, after its conversion of VOC"];

const UNREADABLE_LABEL: usize = 0;
const NO_SIZE: usize = 1;
const DIFFICULT: usize = 2;
const UNREADABLE_IMAGE: usize = 3;
const TINY_IMAGE: usize = 4;
const ABOVE_ONE: usize = 5;
const BELOW_ZERO: usize = 6;
const REPEATED: usize = 7;

#[rustfmt::skip]
const REASONS: &[Reason] = &[
    Reason { slug: "unreadable_label", title: "in objects that cannot be read", effect: Effect::Stops,
        fix: "correct the object" },
    Reason { slug: "no_size", title: "of files that declare no size", effect: Effect::Stops,
        fix: "write width and height of the image into <size>" },
    Reason { slug: "difficult", title: "marked as difficult", effect: Effect::Dropped,
        fix: "nothing, if that is meant; else remove <difficult>1</difficult>" },
    Reason { slug: "unreadable_image", title: "of images that are not there or cannot be opened", effect: Effect::Dropped,
        fix: "put the image back" },
    Reason { slug: "tiny_image", title: "of images below 10 pixels", effect: Effect::Dropped,
        fix: "remove the image" },
    Reason { slug: "above_one", title: "of images with a box beyond the declared size", effect: Effect::Dropped,
        fix: "correct the box or <size>: it costs the whole image" },
    Reason { slug: "below_zero", title: "of images with a box that begins before 0 or ends before it begins", effect: Effect::Dropped,
        fix: "correct the box: it costs the whole image" },
    Reason { slug: "repeated_box", title: "in boxes that repeat another", effect: Effect::Dropped,
        fix: "nothing; remove the box to be tidy" },
];

pub(super) fn ledger(facts: &Facts) -> Ledger {
    let dataset = &facts.dataset;
    let difficult: &[Location] = match &dataset.training.project {
        Project::Voc { difficult } => difficult,
        _ => &[],
    };
    let is_difficult = |place: Option<Location>| {
        place.is_some_and(|place| difficult.binary_search(&place).is_ok())
    };
    let mut book = Book::new(dataset, REASONS);
    let of_image = dataset.instances_by_image();
    for (at, range) in of_image.iter().enumerate() {
        let size_px = dataset.images[at].declared_px;
        let kept = || {
            let boxes = dataset.instances[range.clone()].iter();
            boxes.filter(|instance| !is_difficult(instance.location))
        };
        let shares: Vec<[f64; 4]> = size_px.map_or_else(Vec::new, |size_px| {
            kept().filter_map(|instance| Some(share(&instance.bbox?, size_px))).collect()
        });
        let failed = if range.is_empty() { None } else { failure(facts, at, size_px, &shares) };
        let mut seen: FxHashMap<([u64; 4], Option<u16>), u32> = FxHashMap::default();
        for (instance_at, instance) in range.clone().zip(&dataset.instances[range.clone()]) {
            let owner = Owner { image: Some(at as u32), instance: instance_at as u32 };
            let judged = match &failed {
                Some((NO_SIZE, why)) => Some((NO_SIZE, why.clone())),
                _ if is_difficult(instance.location) => {
                    Some((DIFFICULT, "it is marked as difficult".into()))
                }
                Some((reason, why)) => Some((*reason, why.clone())),
                None => instance.bbox.zip(size_px).and_then(|(bbox, size_px)| {
                    let key = (share(&bbox, size_px).map(f64::to_bits), instance.class);
                    let count = seen.entry(key).or_default();
                    *count += 1;
                    (*count > 1).then(|| (REPEATED, "the same as an earlier box".into()))
                }),
            };
            let Some((reason, message)) = judged else {
                book.instance(owner, Fate::Used);
                continue;
            };
            book.instance(owner, Fate::Lost(reason));
            book.place(reason, place_of(dataset, instance, message));
        }
    }
    for left_out in &dataset.training.left_out {
        let owner = book.owner(left_out.image.as_deref(), &left_out.instance);
        book.instance(owner, Fate::Lost(UNREADABLE_LABEL));
        book.place(UNREADABLE_LABEL, Lost::of(left_out));
    }
    for (at, image) in (0..).zip(&dataset.images) {
        if book.fate(at).is_some() {
            continue;
        }
        match refused(facts, at as usize) {
            Some((reason, why)) => {
                book.image(at, Fate::Lost(reason));
                book.place(reason, Lost::of_image(dataset, image, &why));
            }
            None => book.background(at),
        }
    }
    book.close(NAMES, Vec::new())
}

/// Returns the first check that the boxes of an image fail, and what was found.
fn failure(
    facts: &Facts,
    image: usize,
    size_px: Option<[u32; 2]>,
    shares: &[[f64; 4]],
) -> Option<(usize, String)> {
    if size_px.is_none() {
        return Some((NO_SIZE, "it declares no size".into()));
    }
    if let Some(refused) = refused(facts, image) {
        return Some(refused);
    }
    let values = || shares.iter().flatten().copied();
    let (most, least) = (values().fold(f64::MIN, f64::max), values().fold(f64::MAX, f64::min));
    if most > MOST {
        return Some((ABOVE_ONE, format!("a share of the declared size is {most:.3}")));
    }
    (least < LEAST).then(|| (BELOW_ZERO, format!("a share of the declared size is {least:.3}")))
}

fn refused(facts: &Facts, image: usize) -> Option<(usize, String)> {
    if let Some((_, why)) = unopened(facts, image) {
        return Some((UNREADABLE_IMAGE, why.into()));
    }
    let [width, height] = facts.size_px(image)?;
    (width.min(height) < LEAST_SIDE_PX)
        .then(|| (TINY_IMAGE, format!("it has {width} × {height} pixels")))
}

/// Returns centre, width and height as shares of the declared size, as the conversion does.
fn share(bbox: &BBox, [width, height]: [u32; 2]) -> [f64; 4] {
    let [w, h] = [f64::from(width), f64::from(height)];
    [
        (bbox.x + bbox.width / 2.0 - 1.0) / w,
        (bbox.y + bbox.height / 2.0 - 1.0) / h,
        bbox.width / w,
        bbox.height / h,
    ]
}
