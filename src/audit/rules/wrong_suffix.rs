//! Image files whose content is of another format than their names say.

use crate::audit::{Hit, Settings, Subject};
use crate::facts::{Facts, Status};

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (facts.dataset.images.iter().zip(&facts.images).enumerate())
        .filter_map(|(at, (image, known))| {
            // Of a file that is no image at all, another rule says so.
            let readable = matches!(known.status, Status::Decoded | Status::Unsupported);
            let content = known.content.filter(|_| readable)?;
            let (_, suffix) = image.path.rsplit('/').next()?.rsplit_once('.')?;
            let named = format(&suffix.to_ascii_lowercase())?;
            (named != format(content).unwrap_or(content)).then(|| {
                let message = format!("the name says {suffix}, the content is {content}");
                Hit::new(Subject::Image(at as u32), 1.0, message)
            })
        })
        .collect()
}

/// Returns the format that a suffix stands for; `None` for one that names no format,
/// such as a number.
fn format(suffix: &str) -> Option<&'static str> {
    Some(match suffix {
        "jpg" | "jpeg" | "jpe" | "jfif" => "jpeg",
        "png" | "apng" => "png",
        "gif" => "gif",
        "bmp" | "dib" => "bmp",
        "tif" | "tiff" => "tiff",
        "webp" => "webp",
        "pnm" | "pbm" | "pgm" | "ppm" => "pnm",
        _ => return None,
    })
}
