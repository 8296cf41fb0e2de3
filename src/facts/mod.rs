//! Facts: what is known of every image, instance and keypoint of a dataset.
//!
//! Takes a [`Dataset`], measures its pixels, gives [`Facts`]: typed rows for rules
//! in Rust, and the same as polars frames for rules in SQL and for files.

mod cache;
mod columns;
mod frames;
mod measure;
mod planes;
mod predicted;

pub use cache::VERSION;
pub use columns::{Column, Table};
pub use frames::{FactsError, Frames};
pub use measure::{KEYPOINT_WINDOW_HALF_PX, MeasureOptions, PREVIEWS, Pixels, measure};
pub use planes::Planes;
pub use predicted::Predicted;

use crate::dataset::{Dataset, Image, Instance};
pub use crate::pixels::{LocalFacts, PixelFacts, Preview};

/// Everything that rules may look at.
#[derive(Debug, Default)]
pub struct Facts {
    /// The dataset.
    pub dataset: Dataset,
    /// One entry per [`Dataset::images`].
    pub images: Vec<ImageFacts>,
    /// One entry per [`Dataset::keypoints`]; empty where pixels were not measured.
    pub keypoints: Vec<Option<LocalFacts>>,
    /// One entry per [`Dataset::instances`]; empty where pixels were not measured.
    pub instances: Vec<Option<LocalFacts>>,
    /// What a model says (`--predictions`); `None` where nobody asked one.
    pub predictions: Option<Predicted>,
    /// Whether pixels were measured (`--labels-only` was not given).
    pub measured: bool,
    /// Number of images that were decoded now, not taken from the cache.
    pub measured_now: usize,
    /// What kept the cache from being written, where something did.
    pub cache_trouble: Option<String>,
}

/// What is known of an image file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageFacts {
    /// Whether the file could be read, and if not, why.
    pub status: Status,
    /// What the decoder said, where it failed.
    pub reason: Option<String>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file; a Git LFS pointer's is that of the file it stands for.
    pub sha256: Option<[u8; 32]>,
    /// Width and height in pixels as stored.
    pub size_px: Option<[u32; 2]>,
    /// EXIF orientation, 1 to 8; 1 where there is none.
    pub orientation: u8,
    /// Format of the content, such as `png`, by its first bytes.
    pub content: Option<&'static str>,
    /// Measures of the pixels, where the file was decoded.
    pub pixels: Option<PixelFacts>,
    /// Small copy of the brightness, of at most [`PREVIEWS`] images with labelled keypoints.
    pub preview: Option<Preview>,
}

/// Whether an image file can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not opened (`--labels-only`).
    #[default]
    NotOpened,
    /// Decoded.
    Decoded,
    /// No such file.
    Missing,
    /// A file of no bytes.
    Empty,
    /// It ends before the picture does.
    Truncated,
    /// It is damaged or no image.
    Corrupt,
    /// A format that labelvet cannot decode.
    Unsupported,
    /// It declares more pixels than the memory limit allows.
    Bomb,
    /// A Git LFS pointer in place of the image.
    LfsPointer,
    /// A DVC file stands beside, the image itself was not fetched.
    DvcPointer,
    /// The system refused to read it.
    Unreadable,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 11] = [
        Status::NotOpened,
        Status::Decoded,
        Status::Missing,
        Status::Empty,
        Status::Truncated,
        Status::Corrupt,
        Status::Unsupported,
        Status::Bomb,
        Status::LfsPointer,
        Status::DvcPointer,
        Status::Unreadable,
    ];

    /// Returns the word that frames and reports use.
    pub fn label(self) -> &'static str {
        match self {
            Status::NotOpened => "not_opened",
            Status::Decoded => "decoded",
            Status::Missing => "missing",
            Status::Empty => "empty",
            Status::Truncated => "truncated",
            Status::Corrupt => "corrupt",
            Status::Unsupported => "unsupported",
            Status::Bomb => "bomb",
            Status::LfsPointer => "lfs_pointer",
            Status::DvcPointer => "dvc_pointer",
            Status::Unreadable => "unreadable",
        }
    }
}

impl Facts {
    /// Returns the image of an instance.
    pub fn image_of(&self, instance: &Instance) -> &Image {
        &self.dataset.images[instance.image as usize]
    }

    /// Returns width and height of an image in pixels: of the file where it was
    /// opened, else as the label file declares.
    pub fn size_px(&self, image: usize) -> Option<[u32; 2]> {
        self.images[image].size_px.or(self.dataset.images[image].declared_px)
    }

    /// Returns the facts of some images alone, as if there were no others: what an audit may see
    /// that must not look at the rest.
    #[must_use]
    pub fn only(&self, keep: impl Fn(u32) -> bool) -> Facts {
        let (dataset, rows) = self.dataset.only(keep);
        let local = |of: &[Option<LocalFacts>], rows: &[u32]| -> Vec<Option<LocalFacts>> {
            rows.iter().filter_map(|&at| of.get(at as usize).cloned()).collect()
        };
        let place = |image: u32| rows.images.binary_search(&image).ok().map(|at| at as u32);
        let carried = |all: &Predicted| all.carried(&self.dataset, &dataset, place);
        Facts {
            predictions: self.predictions.as_ref().map(carried),
            images: rows.images.iter().map(|&at| self.images[at as usize].clone()).collect(),
            keypoints: local(&self.keypoints, &rows.keypoints),
            instances: local(&self.instances, &rows.instances),
            measured: self.measured,
            measured_now: 0,
            cache_trouble: None,
            dataset,
        }
    }

    /// Returns the body length in pixels, see [`Dataset::body_length`].
    pub fn body_length(&self) -> Option<f64> {
        self.dataset.body_length()
    }
}
