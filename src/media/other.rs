//! GIF, TIFF, WebP, BMP and Netpbm, through the image crate.

use std::io::{Cursor, ErrorKind};

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::png::lower;
use super::{Encoded, Fault, MEMORY_LIMIT, MediaError, exif_orientation, within_memory};
use crate::pixels::{Layout, Picture};

/// Decodes into `picture`.
pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    encoded: &mut Encoded,
    picture: &mut Picture,
) -> Result<(), MediaError> {
    encoded.size_px = declared_px(bytes, format);
    if let Some(size_px) = encoded.size_px {
        // Decoders refuse some bombs without saying how large they are.
        within_memory(size_px, 4, || Ok(()))?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MEMORY_LIMIT);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| fault(&error))?;
    let (width, height) = decoder.dimensions();
    encoded.size_px = Some([width, height]);
    encoded.orientation = orientation(&mut decoder, format);
    // The decoder's samples, the picture's three and its brightness.
    let stored = u64::from(decoder.color_type().bytes_per_pixel());
    within_memory([width, height], stored + 4, || {
        let decoded = DynamicImage::from_decoder(decoder).map_err(|error| fault(&error))?;
        let grey = !decoded.color().has_color();
        *picture = Picture {
            width,
            height,
            layout: if grey { Layout::Grey } else { Layout::Rgb },
            samples: if grey {
                decoded.into_luma8().into_raw()
            } else {
                decoded.into_rgb8().into_raw()
            },
        };
        Ok(())
    })
}

/// Returns the size that a GIF or BMP declares, which stands at a fixed place.
fn declared_px(bytes: &[u8], format: ImageFormat) -> Option<[u32; 2]> {
    match format {
        ImageFormat::Gif => {
            let sides = bytes.get(6..10)?;
            let side = |at| u32::from(u16::from_le_bytes([sides[at], sides[at + 1]]));
            Some([side(0), side(2)])
        }
        // Later versions of the header have width and height where the first has.
        ImageFormat::Bmp if bytes.get(14..18)? != 12_u32.to_le_bytes() => {
            let side = |at| {
                let (side, _) = bytes.get(at..)?.split_first_chunk()?;
                Some(i32::from_le_bytes(*side))
            };
            // A negative height means that rows stand from top to bottom.
            Some([u32::try_from(side(18)?).ok()?, side(22)?.unsigned_abs()])
        }
        _ => None,
    }
}

/// Returns the EXIF orientation, 1 where there is none.
fn orientation(decoder: &mut impl ImageDecoder, format: ImageFormat) -> u8 {
    // Some writers of WebP keep the prefix that EXIF has in JPEG.
    if format == ImageFormat::WebP
        && let Ok(Some(exif)) = decoder.exif_metadata()
    {
        return exif_orientation(exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif));
    }
    decoder.orientation().map_or(1, |orientation| orientation.to_exif())
}

fn fault(error: &ImageError) -> MediaError {
    let reason = lower(&error.to_string());
    let fault = match error {
        ImageError::Unsupported(_) => Fault::Unsupported,
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => Fault::Bomb,
            _ => Fault::Corrupt,
        },
        error if ends_early(error) => Fault::Truncated,
        _ => Fault::Corrupt,
    };
    MediaError::new(fault, reason)
}

/// Tells whether the cause of an error is the end of the file.
fn ends_early(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(ImageError::IoError(io)) = error.downcast_ref::<ImageError>()
            && io.kind() == ErrorKind::UnexpectedEof
        {
            return true;
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == ErrorKind::UnexpectedEof
        {
            return true;
        }
        cause = error.source();
    }
    false
}
