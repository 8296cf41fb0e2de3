//! What Lightning Pose trains on: all rows of its CSV; a point that is missing or lies outside
//! the image has no heatmap.
//!
//! # Source
//! Lightning Pose, `lightning_pose/data/datasets.py`, `HeatmapDataset.compute_heatmap`: a point
//! with x or y below 0, x from the width on or y from the height on is taken for missing.

use super::book::{Book, Fate, Owner, place_of};
use super::words::counted;
use super::{Effect, Ledger, Lost, Note, Reason, Unopened, unopened};
use crate::dataset::WhyLeftOut;
use crate::facts::Facts;

const NAMES: [&str; 2] = ["lightning_pose", "Lightning Pose"];

const OTHER_SCORER: usize = 0;
const MISSING_IMAGE: usize = 1;
const UNREADABLE_IMAGE: usize = 2;
const UNREADABLE_LABEL: usize = 3;
const OUTSIDE_IMAGE: usize = 4;
const NO_POINTS: usize = 5;
const NOT_LABELLED: usize = 6;

#[rustfmt::skip]
const REASONS: &[Reason] = &[
    Reason { slug: "other_scorer", title: "in columns of a second scorer", effect: Effect::Stops,
        fix: "keep the columns of one scorer" },
    Reason { slug: "missing_image", title: "of images that are not there", effect: Effect::Stops,
        fix: "put the image back, or remove its row" },
    Reason { slug: "unreadable_image", title: "of images that cannot be opened", effect: Effect::Stops,
        fix: "extract the frame again" },
    Reason { slug: "unreadable_label", title: "without two readable coordinates", effect: Effect::Dropped,
        fix: "correct the cells" },
    Reason { slug: "outside_image", title: "outside the image", effect: Effect::Dropped,
        fix: "move or remove the point" },
    Reason { slug: "no_points", title: "of frames without points", effect: Effect::Dropped,
        fix: "nothing, if the animal is not in the picture" },
    Reason { slug: "not_labelled", title: "of frames that no label file names", effect: Effect::Dropped,
        fix: "label the frame, or leave it: unsupervised losses take videos" },
];

pub(super) fn ledger(facts: &Facts) -> Ledger {
    let dataset = &facts.dataset;
    let mut book = Book::new(dataset, REASONS);
    for (at, instance) in dataset.instances.iter().enumerate() {
        let owner = Owner { image: Some(instance.image), instance: at as u32 };
        let skeleton = dataset.skeleton_of(instance);
        for point in dataset.keypoints_of(instance) {
            let at = [dataset.to_label(point.x), dataset.to_label(point.y)];
            let Some((reason, message)) = judge(facts, Some(instance.image), Some(at)) else {
                book.points(owner, 1, Fate::Used);
                continue;
            };
            book.points(owner, 1, Fate::Lost(reason));
            let name = skeleton.and_then(|s| s.keypoints.get(usize::from(point.kind)));
            let place = Lost {
                keypoint: name.cloned(),
                column: (point.column > 0).then_some(u32::from(point.column)),
                x: Some(at[0]),
                y: Some(at[1]),
                points: 1,
                ..place_of(dataset, instance, message)
            };
            book.place(reason, place);
        }
    }
    let mut repeated = 0;
    for left_out in &dataset.training.left_out {
        let owner = book.owner(left_out.image.as_deref(), &left_out.instance);
        repeated += usize::from(left_out.why == WhyLeftOut::Repeated);
        let judged = match left_out.why {
            WhyLeftOut::OtherScorer => Some((OTHER_SCORER, left_out.message.clone())),
            _ => judge(facts, owner.image, left_out.at),
        };
        let fate = judged.as_ref().map_or(Fate::Used, |(reason, _)| Fate::Lost(*reason));
        book.points(owner, left_out.points, fate);
        if let Some((reason, message)) = judged {
            book.place(reason, Lost { message, ..Lost::of(left_out) });
        }
    }
    for (at, image) in (0..).zip(&dataset.images) {
        if book.fate(at).is_some() {
            continue;
        }
        let (reason, message) = match image.location {
            Some(_) => (NO_POINTS, "its row holds no point"),
            None => (NOT_LABELLED, "no label file names it"),
        };
        book.image(at, Fate::Lost(reason));
        book.place(reason, Lost::of_image(dataset, image, message));
    }
    let mut notes = Vec::new();
    if repeated > 0 {
        let message = format!(
            "{} stand in rows that name an image again; Lightning Pose trains on both rows",
            counted(repeated, "point")
        );
        notes.push(Note { note: "repeated_rows", message, count: repeated });
    }
    notes.extend(super::size_unknown(facts));
    book.close(NAMES, notes)
}

/// Returns the first reason for which a point is lost, and what was found.
fn judge(facts: &Facts, image: Option<u32>, at: Option<[f64; 2]>) -> Option<(usize, String)> {
    let known = image.map(|image| image as usize).filter(|at| *at < facts.dataset.images.len());
    match known.map(|image| unopened(facts, image)) {
        Some(Some((Unopened::Missing, why))) => return Some((MISSING_IMAGE, why.into())),
        Some(Some((Unopened::Unreadable, why))) => return Some((UNREADABLE_IMAGE, why.into())),
        None if image.is_some() => return Some((MISSING_IMAGE, "there is no such file".into())),
        Some(None) | None => {}
    }
    let Some(at) = at else {
        return Some((UNREADABLE_LABEL, "x or y is missing or no number".into()));
    };
    let size_px = known.and_then(|image| facts.size_px(image));
    for (axis, name, side) in [(0, "x", "width"), (1, "y", "height")] {
        let value = at[axis];
        if value.is_nan() || value < 0.0 {
            return Some((OUTSIDE_IMAGE, format!("{name} {value} is below 0")));
        }
        if let Some(size_px) = size_px
            && value >= f64::from(size_px[axis])
        {
            let limit = size_px[axis];
            return Some((
                OUTSIDE_IMAGE,
                format!("{name} {value} is not below the {side} {limit}"),
            ));
        }
    }
    None
}
