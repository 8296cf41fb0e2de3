//! Where pixels come from: image files, each read once and decoded once.
//!
//! Takes a path or a file's bytes, gives a [`Picture`] and what else the bytes say
//! ([`Encoded`]), or the reason why there is none ([`MediaError`]). Whatever the
//! bytes, it neither panics nor takes more than [`MEMORY_LIMIT`] for one picture.
//! It measures nothing and looks at no label.
//!
//! A picture is in its stored orientation, 8 bits per sample, grey, RGB or in JPEG's own
//! brightness and colour: 16-bit samples keep their upper byte, an alpha channel is dropped (as training loaders
//! do), palettes are resolved, CMYK becomes RGB, an animation gives its first frame.

mod content;
mod file;
mod jpeg;
mod other;
mod png;

pub use content::name as content_name;
pub use file::{dvc_pointer, read};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use crate::pixels::{Layout, Picture};

/// Names the decoders and how they are used; what was decoded otherwise is not
/// comparable, so caches are keyed by it.
pub const DECODERS: &str = "own baseline JPEG 1, zune-jpeg 0.5 strict, png 0.18, image 0.25; 1";

/// Memory in bytes that decoding one picture may take, estimated from its header.
///
/// A photograph of 200 megapixels stays below.
pub const MEMORY_LIMIT: u64 = 1 << 30;

/// Memory in bytes from which on pictures are decoded one at a time, so that several
/// threads that meet large pictures together do not add up their needs.
const LARGE: u64 = 128 << 20;

/// What the bytes of an image file say besides its pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Format by the first bytes, such as `png`; `None` where they fit none.
    pub content: Option<&'static str>,
    /// Width and height in pixels as stored, where the header could be read.
    pub size_px: Option<[u32; 2]>,
    /// EXIF orientation, 1 to 8; 1 where there is none.
    pub orientation: u8,
}

/// Says why an image cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct MediaError {
    /// What kind of trouble.
    pub fault: Fault,
    /// What exactly, a lower-case fragment.
    pub reason: String,
}

/// Kinds of trouble with an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
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
    /// A Git LFS pointer, with the SHA-256 of the file that it stands for.
    LfsPointer([u8; 32]),
    /// A DVC file stands beside, the image itself was not fetched.
    DvcPointer,
    /// The system refused to read it.
    Unreadable,
}

impl MediaError {
    fn new(fault: Fault, reason: impl Into<String>) -> MediaError {
        MediaError { fault, reason: reason.into() }
    }

    fn corrupt(reason: impl Into<String>) -> MediaError {
        MediaError::new(Fault::Corrupt, reason)
    }

    fn truncated(reason: impl Into<String>) -> MediaError {
        MediaError::new(Fault::Truncated, reason)
    }

    fn unsupported(reason: impl Into<String>) -> MediaError {
        MediaError::new(Fault::Unsupported, reason)
    }
}

/// Reads and decodes an image file, in its stored orientation.
///
/// # Errors
/// Fails when the file cannot be read, is damaged, or is too large.
pub fn open(path: &Path) -> Result<Picture, MediaError> {
    let mut bytes = Vec::new();
    read(path, &mut bytes)?;
    let mut picture = Picture::default();
    decode(&bytes, &mut picture).1?;
    Ok(picture)
}

/// Decodes a file's bytes into `picture`, whose memory is used again.
///
/// What the header says is given even where the pixels cannot be decoded; `picture`
/// then holds nothing of meaning.
pub fn decode(bytes: &[u8], picture: &mut Picture) -> (Encoded, Result<(), MediaError>) {
    let content = content::of(bytes);
    let mut encoded = Encoded { content: content.map(|c| c.name), size_px: None, orientation: 1 };
    let Some(content) = content else {
        return (encoded, Err(MediaError::corrupt("its first bytes fit no image format")));
    };
    // Decoders are fed files that nobody vouches for, and one that panics must not
    // end the scan. Everything that it may have left half done is in `picture`,
    // whose content has no meaning after an error.
    let outcome = catch_unwind(AssertUnwindSafe(|| match content.decoder {
        content::Decoder::Jpeg => jpeg::decode(bytes, &mut encoded, picture),
        content::Decoder::Png => png::decode(bytes, &mut encoded, picture),
        content::Decoder::Image(format) => other::decode(bytes, format, &mut encoded, picture),
        content::Decoder::NoImage => {
            Err(MediaError::corrupt(format!("the content is {}, no image", content.name)))
        }
        content::Decoder::None => {
            Err(MediaError::unsupported(format!("{} files cannot be decoded", content.name)))
        }
    }))
    .unwrap_or_else(|_| Err(MediaError::corrupt("the decoder gave up on it (panicked)")));
    (encoded, outcome)
}

/// Held while a large picture is decoded.
static LARGE_PICTURE: Mutex<()> = Mutex::new(());

/// Runs a decoder that will take an estimated number of bytes per pixel, within the
/// memory limit, and alone where that is much.
fn within_memory<T>(
    [width, height]: [u32; 2],
    bytes_per_pixel: u64,
    decode: impl FnOnce() -> Result<T, MediaError>,
) -> Result<T, MediaError> {
    let need = u128::from(width) * u128::from(height) * u128::from(bytes_per_pixel);
    if need > u128::from(MEMORY_LIMIT) {
        let reason = format!(
            "it declares {width} × {height} pixels, which take {} MiB to decode; the limit is {} MiB",
            need >> 20,
            MEMORY_LIMIT >> 20,
        );
        return Err(MediaError::new(Fault::Bomb, reason));
    }
    if need < u128::from(LARGE) {
        return decode();
    }
    let _alone = LARGE_PICTURE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    decode()
}

/// Makes room for a picture of `length` samples, using its memory again; samples hold
/// anything.
fn prepare(picture: &mut Picture, [width, height]: [u32; 2], layout: Layout, length: usize) {
    (picture.width, picture.height, picture.layout) = (width, height, layout);
    if picture.samples.capacity() > LARGE as usize {
        // Not kept by every thread that once met a large picture.
        picture.samples = Vec::new();
    }
    picture.samples.resize(length, 0);
}

/// Returns the EXIF orientation of an EXIF block that begins with its TIFF header,
/// 1 where it has none.
fn exif_orientation(exif: &[u8]) -> u8 {
    image::metadata::Orientation::from_exif_chunk(exif).map_or(1, |o| o.to_exif())
}
