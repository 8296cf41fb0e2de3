//! JPEG, through zune-jpeg.
//!
//! JPEG decoders are made to show something whatever happens, also zune-jpeg and
//! also in its strict mode, so damage is looked for around it: the end-of-image
//! marker must be there, the decoder must use up the data and reach the last row,
//! and the data may hold no long run of zeros that cannot be picture.

use std::cell::Cell;

use zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZCursor, ZSeekFrom};
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::png::lower;
use super::{Encoded, MediaError, exif_orientation, prepare, within_memory};
use crate::pixels::Picture;

/// Share of the picture's data that a decoder may leave unused. Encoders leave a few
/// bytes; a picture whose data were lost or zeroed leaves a good part.
const UNUSED_MAX_SHARE: f64 = 0.02;
/// Unused bytes that are tolerated whatever their share.
const UNUSED_MIN_BYTES: u64 = 256;
/// Length in bytes of a run of zeros that is a hole: a sector of a disk.
const HOLE_BYTES: usize = 512;

/// Decodes into `picture`.
pub(super) fn decode(
    bytes: &[u8],
    encoded: &mut Encoded,
    picture: &mut Picture,
) -> Result<(), MediaError> {
    let mut header = Header::default();
    let parsed = header.parse(bytes);
    encoded.size_px = header.size_px;
    encoded.orientation = header.exif.map_or(1, exif_orientation);
    let scan = parsed?;
    let Some(size_px) = header.size_px else {
        return Err(MediaError::corrupt("no frame header"));
    };
    header.check_process()?;
    let data = &bytes[scan..];
    let Some(length) = end_of_image(data) else {
        return Err(MediaError::truncated("no end-of-image marker: the file ends early"));
    };
    if !header.zeros_are_flat && has_hole(&data[..length]) {
        return Err(MediaError::corrupt("a part of the picture's data is zeros"));
    }
    // Progressive pictures keep 16-bit coefficients of every component until the end.
    let bytes_per_pixel = if header.process == PROGRESSIVE { 10 } else { 4 };
    within_memory(size_px, bytes_per_pixel, || pixels(bytes, length, picture))
}

/// Runs the decoder; `length` is that of the picture's data in bytes.
fn pixels(bytes: &[u8], length: usize, picture: &mut Picture) -> Result<(), MediaError> {
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
    let colour = if stored == ColorSpace::Luma { ColorSpace::Luma } else { ColorSpace::RGB };
    // Oddities of headers are harmless, damage in the data is not.
    decoder.set_options(options.set_strict_mode(true).jpeg_set_out_colorspace(colour));
    let channels = colour.num_components() as u8;
    prepare(picture, [width as u32, height as u32], channels);
    // The decoder may stop early and call it done. Then the last row is untouched.
    let last = picture.samples.len() - width * usize::from(channels);
    for (at, sample) in picture.samples[last..].iter_mut().enumerate() {
        *sample = untouched(at);
    }
    searched.set(0);
    decoder.decode_into(&mut picture.samples).map_err(fault)?;
    if picture.samples[last..].iter().enumerate().all(|(at, &sample)| sample == untouched(at)) {
        return Err(MediaError::corrupt("the data end before the last row of the picture"));
    }
    let unused = searched.get();
    if unused > UNUSED_MIN_BYTES && unused as f64 > UNUSED_MAX_SHARE * length as f64 {
        return Err(MediaError::corrupt(format!(
            "{unused} of {length} bytes of the picture's data are left over"
        )));
    }
    Ok(())
}

/// A sample of a row that no decoder has written: no picture ends in such a row.
fn untouched(at: usize) -> u8 {
    if at.is_multiple_of(2) { 0xa7 } else { 0x16 }
}

/// What is needed of the segments before the first scan.
#[derive(Default)]
struct Header<'a> {
    size_px: Option<[u32; 2]>,
    /// Low half of the SOF marker: 0 baseline, 1 extended, 2 progressive, …
    process: u8,
    precision: u8,
    exif: Option<&'a [u8]>,
    /// Whether a run of zero bits may be flat blocks: the AC code of all zeros is
    /// the end of a block (or a run of zero coefficients).
    zeros_are_flat: bool,
}

/// Start-of-frame marker of progressive pictures, lower half.
const PROGRESSIVE: u8 = 2;

impl<'a> Header<'a> {
    /// Walks the segments; returns where the data of the first scan begin.
    ///
    /// # Source
    /// ITU-T T.81, annex B.
    fn parse(&mut self, bytes: &'a [u8]) -> Result<usize, MediaError> {
        let early = || MediaError::truncated("the file ends within its header");
        let mut at = 2;
        loop {
            // Fill bytes and stray ones before a marker are skipped.
            at += bytes
                .get(at..)
                .and_then(|rest| rest.iter().position(|&b| b == 0xff))
                .ok_or_else(early)?;
            let marker = *bytes.get(at + 1).ok_or_else(early)?;
            if marker == 0 || marker == 0xff {
                at += 1;
                continue;
            }
            at += 2;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            if marker == 0xd9 {
                return Err(MediaError::corrupt("the file ends before any picture"));
            }
            let length = usize::from(u16::from_be_bytes([
                *bytes.get(at).ok_or_else(early)?,
                *bytes.get(at + 1).ok_or_else(early)?,
            ]));
            let body = bytes.get(at + 2..at + length.max(2)).ok_or_else(early)?;
            at += length.max(2);
            match marker {
                // SOF, but for DHT (c4), JPG (c8) and DAC (cc), which share the range.
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => self.frame(marker, body),
                0xc4 => self.huffman(body),
                0xe1 if self.exif.is_none() => self.exif = body.strip_prefix(b"Exif\0\0"),
                0xda => return Ok(at),
                _ => {}
            }
        }
    }

    fn frame(&mut self, marker: u8, body: &[u8]) {
        if let [precision, h1, h0, w1, w0, ..] = *body {
            self.process = marker & 0x0f;
            self.precision = precision;
            let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
            self.size_px = Some([side(w1, w0), side(h1, h0)]);
        }
    }

    /// Looks at the first AC table, that of brightness.
    ///
    /// Codes are canonical (T.81, annex C), so the code of all zeros belongs to the
    /// first symbol; an AC symbol whose lower half is 0 stands for zeros only.
    fn huffman(&mut self, mut body: &[u8]) {
        while let [class, rest @ ..] = body {
            let Some((counts, values)) = rest.split_at_checked(16) else { return };
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            if *class == 0x10 {
                self.zeros_are_flat = values.first().is_none_or(|symbol| symbol & 0x0f == 0);
            }
            body = values.get(total..).unwrap_or_default();
        }
    }

    fn check_process(&self) -> Result<(), MediaError> {
        let process = match self.process {
            0..=PROGRESSIVE => None,
            3 | 7 | 11 | 15 => Some("lossless"),
            5 | 6 | 13 | 14 => Some("hierarchical"),
            _ => Some("arithmetic-coded"),
        };
        match process {
            Some(process) => Err(MediaError::unsupported(format!("{process} JPEG"))),
            None if self.precision != 8 => {
                Err(MediaError::unsupported(format!("JPEG of {} bits per sample", self.precision)))
            }
            None => Ok(()),
        }
    }
}

/// Returns where the picture's data end: at the last end-of-image marker, which the
/// data themselves cannot hold since they put a zero after each 0xff.
fn end_of_image(data: &[u8]) -> Option<usize> {
    data.windows(2).rposition(|pair| pair == [0xff, 0xd9])
}

/// Tells whether data hold [`HOLE_BYTES`] zeros in a row.
fn has_hole(data: &[u8]) -> bool {
    // A run of that length covers a byte of every half of it.
    let step = HOLE_BYTES / 2;
    (0..data.len()).step_by(step).any(|at| {
        data[at] == 0 && {
            let before = data[..at].iter().rev().take(HOLE_BYTES).take_while(|&&b| b == 0).count();
            let after = data[at..].iter().take(HOLE_BYTES).take_while(|&&b| b == 0).count();
            before + after >= HOLE_BYTES
        }
    })
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
    searched: &'a Cell<u64>,
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
