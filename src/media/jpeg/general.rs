//! Every JPEG that `baseline.rs` leaves, through zune-jpeg: progressive ones, several
//! scans, CMYK.
//!
//! zune-jpeg shows something whatever happens, also in its strict mode, so damage is
//! looked for around it: it must use up the data and reach the last row.

use std::cell::Cell;

use zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZCursor, ZSeekFrom};
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::super::png::lower;
use super::super::{MediaError, prepare};
use crate::pixels::{Layout, Picture};

/// Decodes into `picture`; returns the number of bytes that are left over after the
/// picture's data.
pub(super) fn decode(bytes: &[u8], picture: &mut Picture) -> Result<usize, MediaError> {
    let searched = Cell::new(0);
    let reader = Watched { cursor: ZCursor::new(bytes), searched: &searched };
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(reader, options);
    decoder.decode_headers().map_err(fault)?;
    let (Some((width, height)), Some(stored)) = (decoder.dimensions(), decoder.input_colorspace())
    else {
        return Err(MediaError::corrupt("no frame header"));
    };
    let (colour, layout) = match stored {
        ColorSpace::Luma => (ColorSpace::Luma, Layout::Grey),
        _ => (ColorSpace::RGB, Layout::Rgb),
    };
    // Oddities of headers are harmless, damage in the data is not.
    decoder.set_options(options.set_strict_mode(true).jpeg_set_out_colorspace(colour));
    let row = width * colour.num_components();
    prepare(picture, [width as u32, height as u32], layout, row * height);
    // The decoder may stop early and call it done. Then the last row is untouched.
    let last = picture.samples.len() - row;
    for (at, sample) in picture.samples[last..].iter_mut().enumerate() {
        *sample = untouched(at);
    }
    searched.set(0);
    decoder.decode_into(&mut picture.samples).map_err(fault)?;
    if picture.samples[last..].iter().enumerate().all(|(at, &sample)| sample == untouched(at)) {
        return Err(MediaError::corrupt("the data end before the last row of the picture"));
    }
    Ok(searched.get())
}

/// A sample of a row that no decoder has written: no picture ends in such a row.
fn untouched(at: usize) -> u8 {
    if at.is_multiple_of(2) { 0xa7 } else { 0x16 }
}

fn fault(error: DecodeErrors) -> MediaError {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(ZByteIoError::NotEnoughBytes(..)) => {
            MediaError::truncated("the data end before the picture does")
        }
        DecodeErrors::Unsupported(scheme) => MediaError::unsupported(lower(&format!("{scheme:?}"))),
        error => MediaError::corrupt(lower(format!("{error:?}").trim_matches('"'))),
    }
}

/// A reader that counts the bytes which the decoder reads one by one once it is past
/// the header: those that it looks through for a marker, having decoded all blocks.
/// (It takes the picture's data four bytes at a time.)
struct Watched<'a> {
    cursor: ZCursor<&'a [u8]>,
    searched: &'a Cell<usize>,
}

impl ZByteReaderTrait for Watched<'_> {
    #[inline(always)]
    fn read_byte_no_error(&mut self) -> u8 {
        self.cursor.read_byte_no_error()
    }

    #[inline(always)]
    fn read_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        if buffer.len() == 1 {
            self.searched.set(self.searched.get() + 1);
        }
        self.cursor.read_exact_bytes(buffer)
    }

    #[inline(always)]
    fn read_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.cursor.read_bytes(buffer)
    }

    #[inline(always)]
    fn peek_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.cursor.peek_bytes(buffer)
    }

    #[inline(always)]
    fn peek_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        self.cursor.peek_exact_bytes(buffer)
    }

    #[inline(always)]
    fn z_seek(&mut self, from: ZSeekFrom) -> Result<u64, ZByteIoError> {
        self.cursor.z_seek(from)
    }

    #[inline(always)]
    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        self.cursor.is_eof()
    }

    #[inline(always)]
    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        self.cursor.z_position()
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        self.cursor.read_remaining(sink)
    }
}
