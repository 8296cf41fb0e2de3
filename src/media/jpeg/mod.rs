//! JPEG: baseline pictures by `baseline.rs`, which gives what is measured without a
//! detour through RGB, all others by `general.rs`.
//!
//! JPEG decoders are made to show something whatever happens, so damage is looked for:
//! the end-of-image marker must be there, the data must be used up and reach the last
//! row, and they may hold no long run of zeros that cannot be picture.

mod baseline;
mod entropy;
mod general;
mod header;
mod idct;

use baseline::Scan;
use header::Header;

use super::{Encoded, MediaError, exif_orientation, within_memory};
use crate::pixels::Picture;

/// Share of the picture's data that a decoder may leave unused. Encoders leave a few
/// bytes; a picture whose data were lost or zeroed leaves a good part.
const UNUSED_MAX_SHARE: f64 = 0.02;
/// Unused bytes that are tolerated whatever their share.
const UNUSED_MIN_BYTES: usize = 256;
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
    let bytes_per_pixel = if header.is_progressive() { 10 } else { 4 };
    let unused = within_memory(size_px, bytes_per_pixel, || match Scan::new(&header) {
        Some(scan) => scan.decode(&data[..length], picture),
        None => general::decode(bytes, picture),
    })?;
    if unused > UNUSED_MIN_BYTES && unused as f64 > UNUSED_MAX_SHARE * length as f64 {
        return Err(MediaError::corrupt(format!(
            "{unused} of {length} bytes of the picture's data are left over"
        )));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Layout, Luma, rgb};

    /// Drawn pictures of 61 × 43 px, encoded by libjpeg-turbo: `fixtures/media`.
    const FILES: [(&str, &[u8]); 4] = [
        ("444", include_bytes!("../../../fixtures/media/444.jpg")),
        ("422", include_bytes!("../../../fixtures/media/422.jpg")),
        ("420-restart", include_bytes!("../../../fixtures/media/420-restart.jpg")),
        ("grey", include_bytes!("../../../fixtures/media/grey.jpg")),
    ];
    const PROGRESSIVE: &[u8] = include_bytes!("../../../fixtures/media/progressive.jpg");

    fn decoded(bytes: &[u8]) -> Result<Picture, MediaError> {
        let mut encoded = Encoded { content: None, size_px: None, orientation: 1 };
        let mut picture = Picture::default();
        decode(bytes, &mut encoded, &mut picture).map(|()| picture)
    }

    /// Converts to RGB, or grey, taking the nearest samples of colour.
    fn converted(picture: &Picture) -> Vec<u8> {
        let Layout::YCbCr { chroma: [across, down] } = picture.layout else {
            return picture.samples.clone();
        };
        let [brightness, blue, red] = picture.planes([across, down]).expect("whole planes");
        let nearest = |plane: &[u8]| -> Vec<u8> {
            let at =
                |y: u32, x: u32| (y * down / picture.height) * across + x * across / picture.width;
            let place = |y| (0..picture.width).map(move |x| plane[at(y, x) as usize]);
            (0..picture.height).flat_map(place).collect()
        };
        rgb(brightness, &nearest(blue), &nearest(red))
    }

    #[test]
    fn planes_are_those_of_another_decoder() {
        for (name, bytes) in FILES {
            let ours = decoded(bytes).unwrap();
            assert_ne!(ours.layout, Layout::Rgb, "{name} is decoded here");
            let mut other = Picture::default();
            general::decode(bytes, &mut other).unwrap();
            let (ours_luma, other_luma) = (Luma::of(&ours), Luma::of(&other));
            let off = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max();
            assert_eq!(ours_luma.samples.len(), 61 * 43, "{name}");
            assert!(off(&ours_luma.samples, &other_luma.samples) <= Some(2), "{name}");
            // Colour changes slowly in these pictures, but not from pixel to pixel.
            let limit = if name == "444" { 3 } else { 14 };
            assert!(off(&converted(&ours), &other.samples) <= Some(limit), "{name}");
        }
    }

    #[test]
    fn other_kinds_are_decoded_too() {
        let (whole, early) = (PROGRESSIVE, &PROGRESSIVE[..PROGRESSIVE.len() / 2]);
        assert_eq!(decoded(whole).unwrap().layout, Layout::Rgb);
        assert_eq!(decoded(early).unwrap_err().fault, crate::media::Fault::Truncated);
    }

    #[test]
    fn a_restart_marker_that_is_missing_is_damage() {
        let [.., (_, restarts), _] = FILES;
        let second = restarts.windows(2).position(|pair| pair == [0xff, 0xd1]).unwrap();
        let without = [&restarts[..second], &restarts[second + 2..]].concat();
        assert!(decoded(&without).is_err());
        let mut renamed = restarts.to_vec();
        renamed[second + 1] = 0xd5;
        assert_eq!(decoded(&renamed).unwrap_err().reason, "a restart marker is missing");
    }

    #[test]
    fn no_damage_makes_it_panic() {
        // Not through `media::decode`, which would catch it.
        for (_, bytes) in FILES {
            for at in 0..bytes.len() {
                for change in [0x01, 0x10, 0x80, 0xff] {
                    let mut damaged = bytes.to_vec();
                    damaged[at] ^= change;
                    // Some declare another size, and take long.
                    let small = |side: &u32| *side < 2048;
                    let mut header = Header::default();
                    let parsed = header.parse(&damaged);
                    if parsed.is_ok() && header.size_px.iter().flatten().all(small) {
                        let _ = decoded(&damaged);
                    }
                }
                let _ = decoded(&bytes[..at]);
            }
        }
    }
}
