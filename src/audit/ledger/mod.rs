//! The ledger of what training will use: every labelled point, instance and image is followed
//! to what the usual trainer of its format takes, and each is lost for one reason, the first in
//! the order in which the trainer drops it. Takes [`Facts`], gives a [`Ledger`] in which
//!
//! > found = used + what is lost for each reason
//!
//! holds for points, instances and images. Pure, like rules; one file per trainer.

mod book;
mod coco;
mod deeplabcut;
mod lightning_pose;
mod voc;
mod words;
mod yolo;

use serde::Serialize;

use crate::dataset::{Dataset, Image, LeftOut};
use crate::facts::{Facts, Status};

/// What a trainer will use of a dataset, and what it will not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ledger {
    /// Slug of the trainer, that of the format.
    pub trainer: &'static str,
    /// The trainer in words.
    pub trainer_name: &'static str,
    /// What is counted first: `points` where anything has keypoints, else `instances`.
    pub unit: Unit,
    /// One sentence for people.
    pub summary: String,
    /// All that the dataset holds.
    pub found: Count,
    /// What the trainer uses. An image that it takes for background counts.
    pub used: Count,
    /// Images among the used ones that are trained on as background, without labels.
    pub background: usize,
    /// Reasons in the order in which the trainer drops, those for which nothing is lost included.
    pub lost: Vec<Loss>,
    /// What is not lost and does not reach the trainer as it stands either.
    pub notes: Vec<Note>,
    /// How often each image will be seen.
    pub visits: Vec<Visits>,
    /// Every place at which something is lost, in the order of reasons, images and rows.
    #[serde(skip)]
    pub places: Vec<Lost>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Labelled points.
    Points,
    /// Labelled instances: boxes, mostly.
    Instances,
}

/// Numbers of points, instances and images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Labelled points.
    pub points: usize,
    /// Labelled instances.
    pub instances: usize,
    /// Images, labelled or not.
    pub images: usize,
}

impl Count {
    /// Returns the number of what a ledger counts first.
    pub fn of(&self, unit: Unit) -> usize {
        match unit {
            Unit::Points => self.points,
            Unit::Instances => self.instances,
        }
    }
}

/// What is lost for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Slug of the reason.
    pub reason: &'static str,
    /// The reason in words that follow a number: `3 points: …`.
    pub title: &'static str,
    /// What the trainer does.
    pub effect: Effect,
    /// What to do about it.
    pub fix: &'static str,
    /// How much is lost.
    #[serde(flatten)]
    pub count: Count,
    /// Number of entries of [`Ledger::places`].
    pub places: usize,
}

/// What a trainer does with what it cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It goes on without, mostly without a word.
    Dropped,
    /// It stops with an error, so that nothing is trained until this is put right.
    Stops,
}

/// Something worth knowing that loses nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Note {
    /// Slug.
    pub note: &'static str,
    /// Sentence for people.
    pub message: String,
    /// Number of what it is about.
    pub count: usize,
}

/// How often each image is seen in one training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Visits {
    /// File of the plan, or `None` for the trainer's own defaults.
    pub plan: Option<String>,
    /// Who trains.
    pub engine: &'static str,
    /// Steps, where the plan counts these.
    pub iterations: Option<u64>,
    /// Epochs, where the plan counts these.
    pub epochs: Option<u64>,
    /// Images per step.
    pub batch: u64,
    /// Images that are trained on: those used, less the share held back for testing.
    pub train_images: usize,
    /// Times that an image is seen, on average.
    pub per_image: f64,
}

/// A place at which something is lost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Lost {
    /// Slug of the reason.
    pub reason: &'static str,
    /// Path of the image.
    pub image: Option<String>,
    /// Name of the instance.
    pub instance: Option<String>,
    /// Name of the keypoint.
    pub keypoint: Option<String>,
    /// Label file.
    pub file: Option<String>,
    /// Line, or ordinal of an annotation, counted from 1.
    pub row: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
    /// x and y in the label file's own numbers.
    pub x: Option<f64>,
    /// See `x`.
    pub y: Option<f64>,
    /// Labelled points that are lost here; 0 where an instance or an image without points is.
    pub points: u32,
    /// What was found, a lower-case fragment.
    pub message: String,
}

impl Lost {
    /// Returns the place of labels that a reader left out.
    fn of(left_out: &LeftOut) -> Lost {
        Lost {
            reason: "",
            image: left_out.image.clone(),
            instance: Some(left_out.instance.clone()),
            keypoint: left_out.keypoint.clone(),
            file: Some(left_out.file.clone()),
            row: left_out.row,
            column: left_out.column,
            x: left_out.at.map(|[x, _]| x),
            y: left_out.at.map(|[_, y]| y),
            points: left_out.points,
            message: left_out.message.clone(),
        }
    }

    /// Returns the place of an image.
    fn of_image(dataset: &Dataset, image: &Image, message: &str) -> Lost {
        let place = image.location;
        Lost {
            image: Some(image.path.clone()),
            file: place.and_then(|place| dataset.label_files.get(place.file as usize)).cloned(),
            row: place.map(|place| place.row),
            message: message.into(),
            ..Lost::default()
        }
    }
}

/// A reason why a trainer does not use something.
#[derive(Debug, Clone, Copy)]
struct Reason {
    slug: &'static str,
    title: &'static str,
    effect: Effect,
    fix: &'static str,
}

/// Returns the ledger of a dataset, or `None` where labelvet knows no trainer of its format.
pub fn ledger(facts: &Facts) -> Option<Ledger> {
    match facts.dataset.format {
        "deeplabcut" => Some(deeplabcut::ledger(facts)),
        "lightning_pose" => Some(lightning_pose::ledger(facts)),
        "yolo" => Some(yolo::ledger(facts)),
        "coco" => Some(coco::ledger(facts)),
        "voc" => Some(voc::ledger(facts)),
        _ => None,
    }
}

/// Why the file of an image cannot be opened; `None` where it can, as far as is known.
fn unopened(facts: &Facts, image: usize) -> Option<(Unopened, &'static str)> {
    if facts.dataset.images[image].file.is_none() {
        return Some((Unopened::Missing, "there is no such file"));
    }
    match facts.images.get(image).map(|known| known.status).unwrap_or_default() {
        Status::Missing => Some((Unopened::Missing, "there is no such file")),
        Status::Empty => Some((Unopened::Unreadable, "the file is empty")),
        Status::Corrupt => Some((Unopened::Unreadable, "the file is damaged or no image")),
        Status::LfsPointer => Some((Unopened::Unreadable, "a Git LFS pointer stands in its place")),
        Status::DvcPointer => Some((Unopened::Missing, "a DVC file stands in its place")),
        Status::Unreadable => Some((Unopened::Unreadable, "the system refused to read it")),
        // What labelvet cannot decode may be no trouble to the trainer's library.
        Status::NotOpened
        | Status::Decoded
        | Status::Truncated
        | Status::Unsupported
        | Status::Bomb => None,
    }
}

/// Returns a note of images whose size is not known, so that limits cannot be held against it.
fn size_unknown(facts: &Facts) -> Option<Note> {
    let count = (0..facts.dataset.images.len())
        .filter(|&image| facts.size_px(image).is_none() && unopened(facts, image).is_none())
        .count();
    let message = format!(
        "the size of {} is not known, so that what lies beyond the right and lower edge counts as used",
        words::counted(count, "image")
    );
    (count > 0).then_some(Note { note: "size_unknown", message, count })
}

/// What keeps a trainer from opening an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unopened {
    Missing,
    Unreadable,
}
