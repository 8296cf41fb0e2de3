//! What trainers that read COCO files use: MMPose where anything has keypoints, else
//! MMDetection.
//!
//! # Source
//! MMPose 1.x, `base_coco_style_dataset.py` (`_load_annotations`, `parse_data_info`,
//! `_is_valid_instance`); MMDetection 3.x, `coco.py` (`parse_data_info`, `filter_data` with
//! `filter_empty_gt` and `min_size` 32); pycocotools, `COCO.createIndex`. The order of the
//! reasons is that of this code.

use rustc_hash::FxHashSet;

use super::book::{Book, Fate, Owner, place_of};
use super::{Effect, Ledger, Lost, Reason, Unopened, unopened};
use crate::dataset::{BBox, Coco, Instance, Project, WhyLeftOut};
use crate::facts::Facts;

const NO_IMAGE: Reason = Reason {
    slug: "no_image",
    title: "of annotations whose image_id no image has",
    effect: Effect::Dropped,
    fix: "add the entry to `images`, or remove the annotation",
};
const UNREADABLE: Reason = Reason {
    slug: "unreadable_annotation",
    title: "of annotations that cannot be read",
    effect: Effect::Stops,
    fix: "give every annotation an id, an image_id and a category_id",
};
const CROWD: Reason = Reason {
    slug: "crowd",
    title: "of crowds (iscrowd 1)",
    effect: Effect::Dropped,
    fix: "nothing, if they stand for groups",
};
const NO_BOX: Reason = Reason {
    slug: "no_box",
    title: "of annotations without a box",
    effect: Effect::Dropped,
    fix: "add `bbox`: the box around the keypoints will do",
};
const NO_KEYPOINTS: Reason = Reason {
    slug: "no_keypoints",
    title: "of annotations without labelled keypoints",
    effect: Effect::Dropped,
    fix: "label keypoints, or remove the annotation",
};
const ZERO_COUNT: Reason = Reason {
    slug: "zero_count",
    title: "of annotations whose num_keypoints is 0",
    effect: Effect::Dropped,
    fix: "count num_keypoints again",
};
const ZERO_AREA: Reason = Reason {
    slug: "zero_area_box",
    title: "of boxes without area within the image",
    effect: Effect::Dropped,
    fix: "correct the box",
};
const MISMATCH: Reason = Reason {
    slug: "keypoint_mismatch",
    title: "in lists of keypoints of another length, or without a place",
    effect: Effect::Stops,
    fix: "write three numbers for each keypoint of the category",
};
const IGNORED: Reason = Reason {
    slug: "ignored",
    title: "of annotations marked `ignore`",
    effect: Effect::Dropped,
    fix: "nothing, if that is meant",
};
const NO_BOX_STOPS: Reason = Reason { effect: Effect::Stops, ..NO_BOX };
const OUTSIDE: Reason = Reason {
    slug: "box_outside_image",
    title: "of boxes outside the image",
    effect: Effect::Dropped,
    fix: "correct the box, or the size in `images`",
};
const SMALL_BOX: Reason = Reason {
    slug: "small_box",
    title: "of boxes below one pixel",
    effect: Effect::Dropped,
    fix: "correct the box",
};
const UNKNOWN_CLASS: Reason = Reason {
    slug: "unknown_class",
    title: "of classes that `categories` does not have",
    effect: Effect::Dropped,
    fix: "add the category, or correct category_id",
};
const SMALL_IMAGE: Reason = Reason {
    slug: "small_image",
    title: "of images below 32 pixels",
    effect: Effect::Dropped,
    fix: "remove the image, or lower `min_size`",
};
const MISSING_IMAGE: Reason = Reason {
    slug: "missing_image",
    title: "of images that are not there",
    effect: Effect::Stops,
    fix: "put the image back, or remove its entry",
};
const UNREADABLE_IMAGE: Reason = Reason {
    slug: "unreadable_image",
    title: "of images that cannot be opened",
    effect: Effect::Stops,
    fix: "replace the image",
};
const NOT_LABELLED: Reason = Reason {
    slug: "not_labelled",
    title: "of images without annotations",
    effect: Effect::Dropped,
    fix: "nothing, if there is nothing to label",
};

/// Reasons in the order of MMPose.
const POSE: &[Reason] = &[
    NO_IMAGE,
    UNREADABLE,
    CROWD,
    NO_BOX,
    NO_KEYPOINTS,
    ZERO_COUNT,
    ZERO_AREA,
    MISMATCH,
    MISSING_IMAGE,
    UNREADABLE_IMAGE,
    NOT_LABELLED,
];
/// Reasons in the order of MMDetection.
const BOXES: &[Reason] = &[
    NO_IMAGE,
    UNREADABLE,
    IGNORED,
    NO_BOX_STOPS,
    OUTSIDE,
    SMALL_BOX,
    UNKNOWN_CLASS,
    CROWD,
    SMALL_IMAGE,
    MISSING_IMAGE,
    UNREADABLE_IMAGE,
    NOT_LABELLED,
];
/// Least side of an image and of a box that MMDetection takes, pixels.
const LEAST_IMAGE_PX: u32 = 32;
const LEAST_BOX_PX: f64 = 1.0;

/// Who trains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trainer {
    Pose,
    Boxes,
}

impl Trainer {
    fn reasons(self) -> &'static [Reason] {
        match self {
            Trainer::Pose => POSE,
            Trainer::Boxes => BOXES,
        }
    }

    /// Returns the place of a reason in the order; those of the other trainer come first.
    fn at(self, reason: &Reason) -> usize {
        self.reasons().iter().position(|own| own.slug == reason.slug).unwrap_or(0)
    }
}

pub(super) fn ledger(facts: &Facts) -> Ledger {
    let dataset = &facts.dataset;
    let plain = Coco::default();
    let told = match &dataset.training.project {
        Project::Coco(told) => told,
        _ => &plain,
    };
    let (trainer, names) = match dataset.skeletons.is_empty() {
        false => (Trainer::Pose, ["coco", "MMPose"]),
        true => (Trainer::Boxes, ["coco", "MMDetection"]),
    };
    let mut book = Book::new(dataset, trainer.reasons());
    // Annotations some or all of whose keypoints were left out: these are judged below.
    let left_out: FxHashSet<(&str, u32)> = (dataset.training.left_out.iter())
        .filter_map(|left_out| Some((left_out.file.as_str(), left_out.row?)))
        .collect();
    let is_left_out = |instance: &Instance| {
        instance.location.is_some_and(|place| {
            let file = dataset.label_files.get(place.file as usize);
            file.is_some_and(|file| left_out.contains(&(file.as_str(), place.row)))
        })
    };
    for (at, instance) in dataset.instances.iter().enumerate() {
        let owner = Owner { image: Some(instance.image), instance: at as u32 };
        let points = u32::from(instance.len);
        let judged = match trainer {
            Trainer::Pose => pose(facts, told, instance),
            Trainer::Boxes => boxes(facts, told, instance),
        };
        let judged = judged.or_else(|| image(facts, instance.image as usize));
        let Some((reason, message)) = judged else {
            book.points(owner, points, Fate::Used);
            continue;
        };
        if reason.slug == NO_KEYPOINTS.slug && is_left_out(instance) {
            continue;
        }
        let reason = trainer.at(reason);
        book.points(owner, points, Fate::Lost(reason));
        book.place(reason, Lost { points, ..place_of(dataset, instance, message) });
    }
    for left_out in &dataset.training.left_out {
        let owner = book.owner(left_out.image.as_deref(), &left_out.instance);
        let reason = match left_out.why {
            WhyLeftOut::NoImage => &NO_IMAGE,
            _ if owner.image.is_none() => &UNREADABLE,
            // Keypoints without names are no matter to a trainer of boxes.
            _ if trainer == Trainer::Boxes => continue,
            _ => {
                let instance = dataset.instances.get(owner.instance as usize);
                let judged = instance.and_then(|instance| pose(facts, told, instance));
                let earlier = |(reason, _): &(&Reason, String)| {
                    trainer.at(reason) < trainer.at(&NO_KEYPOINTS)
                };
                judged.filter(earlier).map_or(&MISMATCH, |(reason, _)| reason)
            }
        };
        let reason = trainer.at(reason);
        book.points(owner, left_out.points, Fate::Lost(reason));
        book.place(reason, Lost::of(left_out));
    }
    for (at, entry) in (0..).zip(&dataset.images) {
        if book.fate(at).is_none() {
            let reason = trainer.at(&NOT_LABELLED);
            book.image(at, Fate::Lost(reason));
            book.place(reason, Lost::of_image(dataset, entry, "no annotation names it"));
        }
    }
    let notes = super::size_unknown(facts).into_iter().collect();
    book.close(names, notes)
}

type Judged = Option<(&'static Reason, String)>;

fn pose(facts: &Facts, told: &Coco, instance: &Instance) -> Judged {
    if instance.crowd {
        return Some((&CROWD, "iscrowd is 1".into()));
    }
    let Some(bbox) = instance.bbox else {
        return Some((&NO_BOX, "it has no `bbox`".into()));
    };
    if instance.len == 0 {
        return Some((&NO_KEYPOINTS, "no keypoint is labelled".into()));
    }
    let zero = |place| told.zero_counts.binary_search(&place).is_ok();
    if instance.location.is_some_and(zero) {
        return Some((&ZERO_COUNT, format!("num_keypoints is 0, {} are labelled", instance.len)));
    }
    // Boxes are cut to the pixels of the image first.
    let size_px = facts.size_px(instance.image as usize);
    let cut = |from: f64, to: f64, axis: usize| {
        let most = size_px.map_or(f64::MAX, |size| f64::from(size[axis]) - 1.0).max(0.0);
        to.clamp(0.0, most) - from.clamp(0.0, most)
    };
    let BBox { x, y, width, height } = bbox;
    if cut(x, x + width, 0) <= 0.0 || cut(y, y + height, 1) <= 0.0 {
        return Some((&ZERO_AREA, format!("the box is {}", shown(&bbox))));
    }
    None
}

fn boxes(facts: &Facts, told: &Coco, instance: &Instance) -> Judged {
    if instance.location.is_some_and(|place| told.ignored.binary_search(&place).is_ok()) {
        return Some((&IGNORED, "it is marked `ignore`".into()));
    }
    let Some(bbox) = instance.bbox else {
        return Some((&NO_BOX_STOPS, "it has no `bbox`".into()));
    };
    let size_px = facts.size_px(instance.image as usize);
    let within = |from: f64, to: f64, axis: usize| {
        let side = size_px.map_or(f64::MAX, |size| f64::from(size[axis]));
        (to.min(side) - from.max(0.0)).max(0.0)
    };
    let BBox { x, y, width, height } = bbox;
    if within(x, x + width, 0) * within(y, y + height, 1) == 0.0 {
        return Some((&OUTSIDE, format!("the box is {}", shown(&bbox))));
    }
    if instance.area == Some(0.0) || width < LEAST_BOX_PX || height < LEAST_BOX_PX {
        let area = instance.area.map(|area| format!(", its area {area}")).unwrap_or_default();
        return Some((&SMALL_BOX, format!("the box is {}{area}", shown(&bbox))));
    }
    let class = instance.class.and_then(|class| facts.dataset.classes.get(usize::from(class)));
    if let Some(class) = class.filter(|class| !class.defined) {
        return Some((&UNKNOWN_CLASS, format!("category_id {}", class.name)));
    }
    if instance.crowd {
        return Some((&CROWD, "iscrowd is 1".into()));
    }
    if let Some([width, height]) = size_px
        && width.min(height) < LEAST_IMAGE_PX
    {
        return Some((&SMALL_IMAGE, format!("the image has {width} × {height} pixels")));
    }
    None
}

fn image(facts: &Facts, image: usize) -> Judged {
    unopened(facts, image).map(|(unopened, why)| match unopened {
        Unopened::Missing => (&MISSING_IMAGE, why.into()),
        Unopened::Unreadable => (&UNREADABLE_IMAGE, why.into()),
    })
}

fn shown(bbox: &BBox) -> String {
    format!("{} × {} px at ({}, {})", bbox.width, bbox.height, bbox.x, bbox.y)
}
