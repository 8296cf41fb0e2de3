//! PNG, through the png crate.
//!
//! Checksums are verified, of chunks (CRC-32) and of the pixels (Adler-32), and the
//! file is read to its end, so that damage is not taken for a picture.

use std::io::{Cursor, ErrorKind};

use png::{
    BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, Limits, Reader, Transformations,
};

use super::{Encoded, MEMORY_LIMIT, MediaError, exif_orientation, prepare, within_memory};
use crate::pixels::{Layout, Picture};

type Source<'a> = Cursor<&'a [u8]>;

/// Decodes into `picture`.
pub(super) fn decode(
    bytes: &[u8],
    encoded: &mut Encoded,
    picture: &mut Picture,
) -> Result<(), MediaError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_adler32(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits { bytes: usize::try_from(MEMORY_LIMIT).unwrap_or(usize::MAX) });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(|error| fault(&error))?;
    let size_px = [header.width, header.height];
    encoded.size_px = Some(size_px);
    // Decoded samples, of which the picture's are a part, and its brightness.
    let stored = header.bytes_per_pixel().max(header.color_type.samples()) as u64;
    within_memory(size_px, stored + 4, || {
        let mut reader = decoder.read_info().map_err(|error| fault(&error))?;
        let outcome = pixels(&mut reader, picture);
        encoded.orientation =
            reader.info().exif_metadata.as_ref().map_or(1, |exif| exif_orientation(exif));
        outcome
    })
}

/// Decodes the pixels and reads on to the end of the file.
fn pixels(reader: &mut Reader<Source<'_>>, picture: &mut Picture) -> Result<(), MediaError> {
    let (colour, depth) = reader.output_color_type();
    let (width, height) = reader.info().size();
    if depth != BitDepth::Eight {
        return Err(MediaError::unsupported(format!("{depth:?} bits per sample")));
    }
    let layout = match colour {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => Layout::Grey,
        _ => Layout::Rgb,
    };
    let length = width as usize * height as usize * colour.samples();
    prepare(picture, [width, height], layout, length);
    reader.next_frame(&mut picture.samples).map_err(|error| fault(&error))?;
    reader.finish().map_err(|error| fault(&error))?;
    match colour {
        ColorType::GrayscaleAlpha => drop_alpha::<2>(picture),
        ColorType::Rgba => drop_alpha::<4>(picture),
        _ => {}
    }
    Ok(())
}

/// Takes the last of N channels away.
fn drop_alpha<const N: usize>(picture: &mut Picture) {
    let count = picture.samples.len() / N;
    for at in 0..count {
        picture.samples.copy_within(at * N..at * N + N - 1, at * (N - 1));
    }
    picture.samples.truncate(count * (N - 1));
}

fn fault(error: &DecodingError) -> MediaError {
    match error {
        DecodingError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            MediaError::truncated("the file ends before the picture does")
        }
        error => MediaError::corrupt(reason(&error.to_string())),
    }
}

/// Returns a message of the decoder as a reason; chunks it names by their debug form.
fn reason(message: &str) -> String {
    let chunk = message.split_once("ChunkType { type: ").map(|(before, rest)| {
        (before, rest.chars().take_while(char::is_ascii_alphabetic).collect::<String>())
    });
    match chunk {
        Some((before, chunk)) if before.starts_with("CRC error") => {
            format!("the checksum of a chunk {chunk} does not fit")
        }
        Some((_, chunk)) => format!("a chunk {chunk} makes no sense"),
        None => lower(message),
    }
}

/// Returns a message as a fragment: its first letter small, no full stop.
pub(super) fn lower(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let mut letters = message.chars();
    match letters.next() {
        // An abbreviation keeps its capitals.
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message.to_string(),
    }
}
