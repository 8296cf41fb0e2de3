//! What a rule says ([`Hit`]) and what an audit reports ([`Finding`]).

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Likely to harm training.
    Warning,
    /// Wrong, or lost to training.
    Error,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The dataset as a whole.
    Dataset,
    /// All images of a video or rig.
    Video,
    /// An image.
    Image,
    /// An instance.
    Instance,
    /// A keypoint of an instance.
    Keypoint,
}

/// Kind of error, where a rule tells several apart. The first four are those of
/// Ronchi & Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose
/// Estimation", ICCV 2017, section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// On the same part of another individual, or on the other side.
    Swap,
    /// Far from where the part is.
    Miss,
    /// Near the part, but not on it.
    Jitter,
    /// On another part of the same individual.
    Inversion,
    /// Points of several individuals in one instance.
    Chimera,
    /// The whole instance is displaced.
    Shift,
    /// The labels are those of another frame.
    CarryOver,
    /// The same content stands in two splits.
    SameContent,
    /// Nearly the same content stands in two splits.
    NearDuplicate,
    /// The same content, left and right exchanged, stands in two splits.
    MirroredCopy,
    /// Neighbouring frames of a video stand in two splits.
    Neighbour,
}

/// What a hit is about, by index into the dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The dataset; the text (a class, a pair) tells hits of one rule apart.
    Dataset(String),
    /// A video; the text as above.
    Video(u32, String),
    /// An image.
    Image(u32),
    /// An instance.
    Instance(u32),
    /// A keypoint of an instance, by kind. It need not be labelled.
    Keypoint(u32, u16),
}

/// What a rule says about one subject. The audit adds names, places and a
/// fingerprint and makes it a [`Finding`].
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What it is about.
    pub subject: Subject,
    /// Estimated probability that the defect is real, 0 to 1; 1 for a fact.
    pub score: f64,
    /// Words for the user: a lower-case fragment with numbers and units.
    pub message: String,
    /// Kind of error.
    pub kind: Option<Kind>,
    /// The measured number, in the unit of the message.
    pub value: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
    /// Paths of images, names of instances or keypoints that belong to it.
    pub related: Vec<String>,
    /// What would put it right. Coordinates are those of the pixel convention; the
    /// audit converts them.
    pub proposal: Option<Proposal>,
    /// Row and file that override those of the subject.
    pub place: Option<Place>,
    /// Severity that overrides the rule's own.
    pub severity: Option<Severity>,
}

impl Hit {
    /// Makes a hit with a score and words, and nothing else.
    pub fn new(subject: Subject, score: f64, message: impl Into<String>) -> Hit {
        Hit {
            subject,
            score,
            message: message.into(),
            kind: None,
            value: None,
            threshold: None,
            related: Vec::new(),
            proposal: None,
            place: None,
            severity: None,
        }
    }

    /// Adds the measured number and what it was compared with.
    #[must_use]
    pub fn measured(self, value: f64, threshold: f64) -> Hit {
        Hit { value: Some(value), threshold: Some(threshold), ..self }
    }

    /// Adds the kind of error.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Hit {
        Hit { kind: Some(kind), ..self }
    }

    /// Adds what belongs to it.
    #[must_use]
    pub fn related(self, related: Vec<String>) -> Hit {
        Hit { related, ..self }
    }

    /// Adds what would put it right.
    #[must_use]
    pub fn proposal(self, proposal: Proposal) -> Hit {
        Hit { proposal: Some(proposal), ..self }
    }

    /// Adds the place in a label file that it is about.
    #[must_use]
    pub fn place(self, place: Place) -> Hit {
        Hit { place: Some(place), ..self }
    }
}

/// What would put a finding right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What to do.
    pub action: Action,
    /// Proposed place, pixels.
    pub x: Option<f64>,
    /// Proposed place, pixels.
    pub y: Option<f64>,
    /// Standard deviation of the proposed place, pixels.
    pub sd_px: Option<f64>,
    /// The keypoint or instance to swap with.
    pub with: Option<String>,
}

impl Proposal {
    /// Makes a proposal without a place.
    pub fn new(action: Action) -> Proposal {
        Proposal { action, x: None, y: None, sd_px: None, with: None }
    }
}

/// What a proposal would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Leave the image out.
    DropImage,
    /// Leave the instance out.
    DropInstance,
    /// Mark the keypoint as not labelled.
    DropKeypoint,
    /// Exchange it with another.
    Swap,
    /// Move it to a place.
    Move,
    /// Have a person look at it.
    Relabel,
}

/// A place in a label file, for users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// File, relative to the dataset, with `/`.
    pub file: String,
    /// Line, or ordinal of the annotation, counted from 1.
    pub row: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
}

/// One defect, as users and scripts see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Slug of the rule.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// Estimated probability that the defect is real, 0 to 1; 1 for a fact.
    pub score: f64,
    /// What it is about.
    pub level: Level,
    /// Kind of error, where the rule tells several apart.
    pub kind: Option<Kind>,
    /// Path of the image, relative to the dataset, with `/`.
    pub image: Option<String>,
    /// Name of the video.
    pub video: Option<String>,
    /// Individual, annotation id or ordinal.
    pub instance: Option<String>,
    /// Name of the keypoint.
    pub keypoint: Option<String>,
    /// Class of the box or image.
    pub class: Option<String>,
    /// What is wrong, a lower-case fragment.
    pub message: String,
    /// The measured number, in the unit of the message.
    pub value: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
    /// Images, instances or keypoints that belong to it.
    pub related: Vec<String>,
    /// Where the label file holds it.
    pub location: Option<Place>,
    /// What would put it right.
    pub proposal: Option<Proposal>,
    /// Stable identity: 16 hexadecimal digits.
    pub fingerprint: String,
}
