//! What a reader could not read, or noticed, without stopping.

/// Says what is wrong at one place of a dataset's files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File, relative to the dataset, with `/`.
    pub file: String,
    /// Line or ordinal of the annotation, counted from 1.
    pub row: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
    /// What it is.
    pub kind: ProblemKind,
    /// Path of the image that it is about, where there is one.
    pub image: Option<String>,
    /// What was expected and what was found, a lower-case fragment.
    pub message: String,
}

/// Sorts problems by the rule that reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// A file, row or value that could not be understood; it is left out.
    UnreadableLabel,
    /// Two rows or files of labels for one image, or the same annotation twice.
    DuplicateRow,
    /// A class id or name that the dataset does not define.
    UndefinedClass,
    /// A label file or annotation whose image is not part of the dataset.
    LabelWithoutImage,
    /// A body part in the labels that the configuration does not name, or the reverse.
    KeypointMismatch,
    /// Labels of a scorer that the configuration does not name.
    OtherScorer,
    /// A file left behind by an operating system, such as `._img010.png`.
    Litter,
    /// A companion file that is present and was not compared, such as an `.h5`.
    NotCompared,
}
