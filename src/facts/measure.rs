//! Opens and decodes every image once and measures it, on all cores.

use std::path::PathBuf;

use rayon::prelude::*;
use sha2::Digest as _;

use super::{Facts, ImageFacts, Status};
use crate::dataset::Dataset;

/// Says what to measure and where to keep it.
#[derive(Default)]
pub struct MeasureOptions<'a> {
    /// Whether image files are opened at all.
    pub pixels: Pixels,
    /// Folder of the cache; `None` measures everything and keeps nothing.
    pub cache: Option<PathBuf>,
    /// Called after each image, from any thread.
    pub progress: Option<&'a (dyn Fn() + Sync)>,
}

/// Whether image files are opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pixels {
    /// Open and measure every image.
    #[default]
    Measure,
    /// Open none.
    Skip,
}

/// Measures a dataset. Never fails: a file that cannot be read is a fact.
///
/// Uses the current rayon pool; memory is bounded by its threads, not by the images.
pub fn measure(dataset: Dataset, options: &MeasureOptions<'_>) -> Facts {
    let measured = options.pixels == Pixels::Measure;
    let images = (dataset.images.par_iter())
        .map(|image| {
            let known = if measured { open(image.file.as_deref()) } else { ImageFacts::default() };
            if let Some(progress) = options.progress {
                progress();
            }
            known
        })
        .collect();
    Facts { dataset, images, measured, ..Facts::default() }
}

fn open(file: Option<&std::path::Path>) -> ImageFacts {
    let missing = ImageFacts { status: Status::Missing, ..ImageFacts::default() };
    let Some(bytes) = file.and_then(|file| std::fs::read(file).ok()) else { return missing };
    let known = ImageFacts {
        bytes: bytes.len() as u64,
        sha256: Some(sha2::Sha256::digest(&bytes).into()),
        ..ImageFacts::default()
    };
    match image::load_from_memory(&bytes) {
        Ok(picture) => ImageFacts {
            status: Status::Decoded,
            size_px: Some([picture.width(), picture.height()]),
            ..known
        },
        Err(error) => {
            ImageFacts { status: Status::Corrupt, reason: Some(error.to_string()), ..known }
        }
    }
}
