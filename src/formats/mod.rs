//! Label formats: one file each. Takes a path that the user gave, gives a
//! [`Dataset`]; never decodes an image: readers look which files exist, and at the
//! headers of images where labels are shares of their width and height.
//!
//! A reader never stops at a bad row: it leaves the row out and adds a
//! [`crate::dataset::Problem`]. Only a dataset that cannot be read at all is an error.

mod classification;
mod coco;
mod copy;
mod deeplabcut;
mod dlc_cells;
mod dlc_config;
mod dlc_csv;
mod dlc_dataset;
mod dlc_left_out;
mod dlc_plans;
mod dlc_records;
mod dlc_rewrite;
mod dlc_shuffles;
mod dlc_split;
mod dlc_training;
mod files;
mod folder;
mod json;
mod json_spans;
mod lightning_pose;
mod lightning_pose_split;
mod pickle;
mod registry;
mod rewrite;
mod size;
mod splits;
mod voc;
mod voc_rewrite;
mod voc_split;
mod yolo;

pub use copy::{Copied, CopyError, Skipped, copy_dataset};
pub use registry::{FORMATS, read, rewrite, write_splits};
pub use size::size_px;

use std::path::{Path, PathBuf};

use crate::dataset::{Dataset, Edit, Split};

/// Says how to read a dataset.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Folder that holds the images where they lie elsewhere (`--images`).
    pub images: Option<PathBuf>,
    /// Slug of the format, overriding detection (`--format`).
    pub format: Option<String>,
    /// Left-right pairs that override the inferred ones, as keypoint names.
    pub pairs: Vec<[String; 2]>,
}

/// Describes a format that can be read.
#[derive(Debug)]
pub struct Format {
    /// Slug, such as `coco`.
    pub slug: &'static str,
    /// What a path has to be, in words; printed when nothing fits.
    pub looks_for: &'static str,
    /// What the format needs to be recognised.
    pub evidence: Evidence,
    /// Returns the file or folder to pass to `read`, if this format is at the path.
    ///
    /// The path is a folder or a file that exists. Cheap: it may look at names and
    /// at the beginning of a file.
    pub detect: fn(&Path) -> Option<PathBuf>,
    /// Reads what `detect` returned. The registry infers pairs and sorts afterwards.
    pub read: fn(&Path, &ReadOptions) -> Result<Dataset, FormatError>,
    /// Makes the label files after changes; `None` where labelvet only reads the format.
    pub rewrite: Option<Rewriter>,
    /// Writes divisions as the format's trainer reads them; `None` where it reads none.
    pub write_splits: Option<SplitWriter>,
}

/// Writes divisions of a dataset into a folder that exists, as the format's trainer reads them;
/// the k-th has the number k in its names, from 1. Returns the names of the files.
pub type SplitWriter = fn(&Dataset, &[Split], &Path) -> Result<Vec<String>, FormatError>;

/// Makes the files of a dataset after changes of its labels.
pub type Rewriter = fn(&Dataset, &[Edit]) -> Result<Rewrite, FormatError>;

/// What changes of labels do to the files of a dataset. Paths are relative to
/// [`Dataset::root`], with `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Files with their new content, in the order of their paths. What labelvet does not
    /// know of in them, such as further fields and comments, is as it was.
    pub files: Vec<(String, Vec<u8>)>,
    /// Files that go: images that are left out, and label files of theirs.
    pub left_out: Vec<String>,
    /// Files that hold labels of a changed file in a form that labelvet does not write, and
    /// that would disagree with it now: DeepLabCut's `.h5`.
    pub stale: Vec<String>,
}

/// What a format needs to be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Label or configuration files of its own.
    Labels,
    /// Images alone, so that any folder with images fits. It is considered last, when
    /// no labelled dataset lies at the path or below.
    Images,
}

/// Says why a dataset cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The path does not exist.
    #[error("{} does not exist", .path.display())]
    NotFound {
        /// The path as it was given.
        path: PathBuf,
    },
    /// No format fits the path.
    #[error("no dataset found at {}; looked for: {}", .path.display(), .looked_for.join("; "))]
    Unknown {
        /// The path as it was given.
        path: PathBuf,
        /// What each format looks for.
        looked_for: Vec<String>,
    },
    /// Several datasets lie below a folder that is none itself.
    #[error("several datasets lie below {}: {}; name one of them", .path.display(), .found.join(", "))]
    Several {
        /// The path as it was given.
        path: PathBuf,
        /// The datasets, relative to it.
        found: Vec<String>,
    },
    /// The format asked for does not exist.
    #[error("unknown format `{format}`; known are {}", .known.join(", "))]
    NoSuchFormat {
        /// The name as it was given.
        format: String,
        /// The slugs that exist.
        known: Vec<&'static str>,
    },
    /// A left-right pair names keypoints that no skeleton has both of.
    #[error("left-right pair {pair:?}: no skeleton has both; known keypoints are {}", .known.join(", "))]
    NoSuchPair {
        /// The names as they were given.
        pair: [String; 2],
        /// The keypoints that exist.
        known: Vec<String>,
    },
    /// Labels of this format are read but not written.
    #[error("labels of the format `{format}` are read, but not written")]
    NotWritten {
        /// Slug of the format.
        format: &'static str,
    },
    /// A label file cannot hold a change: it has no column for a keypoint, say.
    #[error("cannot write {}: {}{message}", .path.display(), .row.map(|row| format!("row {row}: ")).unwrap_or_default())]
    CannotHold {
        /// The file.
        path: PathBuf,
        /// Line, or ordinal of an annotation in JSON, counted from 1.
        row: Option<usize>,
        /// Which change, and why.
        message: String,
    },
    /// A file could not be read.
    #[error("failed to read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("failed to write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A label or configuration file as a whole makes no sense.
    #[error("failed to read {}: {}{message}", .path.display(), .row.map(|row| format!("row {row}: ")).unwrap_or_default())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        row: Option<usize>,
        /// What was expected and what was found.
        message: String,
    },
}
