//! Width and height of an image file, for formats that store shares of them.
//!
//! Reads the header alone: this is the one thing of an image that a reader may look at.

use std::path::Path;

use image::ImageReader;

/// Returns width and height of an image file in pixels as stored; `None` where the header cannot be read.
pub fn size_px(file: &Path) -> Option<[u32; 2]> {
    let reader = ImageReader::open(file).ok()?.with_guessed_format().ok()?;
    let (width, height) = reader.into_dimensions().ok()?;
    (width > 0 && height > 0).then_some([width, height])
}
