//! Where pixels come from: image files, decoded once.

use std::path::Path;

use crate::pixels::Picture;

/// Says why an image cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MediaError(String);

/// Reads and decodes an image file, in its stored orientation.
///
/// # Errors
/// Fails when the file cannot be read, is damaged, or is too large.
pub fn open(path: &Path) -> Result<Picture, MediaError> {
    let picture = image::open(path).map_err(|error| MediaError(error.to_string()))?.to_rgb8();
    Ok(Picture {
        width: picture.width(),
        height: picture.height(),
        channels: 3,
        samples: picture.into_raw(),
    })
}
