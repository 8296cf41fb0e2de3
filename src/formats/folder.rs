//! A plain folder of images, without labels; the last resort.

use std::path::{Path, PathBuf};

use super::{Evidence, Format, FormatError, ReadOptions, files, splits};
use crate::dataset::{Dataset, Image};

/// A plain folder of images.
pub(super) const FORMAT: Format = Format {
    slug: "folder",
    looks_for: "a folder with images",
    evidence: Evidence::Images,
    detect,
    read,
};

fn detect(path: &Path) -> Option<PathBuf> {
    let found = path.is_dir() && !files::images_below(path, path).images.is_empty();
    found.then(|| path.into())
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    let root = options.images.as_deref().unwrap_or(path);
    let listing = files::images_below(root, root);
    let mut videos = files::Names::default();
    let images = (listing.images.into_iter())
        .map(|found| {
            let (video, frame) = splits::video_frame(&found.path).unzip();
            Image {
                video: video.map(|video| videos.add(&video)),
                frame,
                path: found.path,
                file: Some(found.file),
                ..Image::default()
            }
        })
        .collect();
    Ok(Dataset {
        root: root.into(),
        format: FORMAT.slug,
        images,
        videos: videos.into_vec(),
        problems: listing.problems,
        ..Dataset::default()
    })
}
