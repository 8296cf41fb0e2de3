//! Cuts pictures out of images: each image is decoded once, however many pictures are
//! cut out of it, and as many at a time as there are threads.

use std::collections::BTreeMap;

use base64::Engine as _;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::thumbnail;
use image::{ExtendedColorType, GenericImageView as _, ImageBuffer, Luma, Pixel, Rgb};
use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::media;
use crate::pixels::Picture;

/// Longer side of a crop, pixels: sharp at the width of a card.
const CROP_PX: u32 = 340;
/// Longer side of the small picture that shows where a crop lies.
const OVERVIEW_PX: u32 = 112;
/// JPEG quality: blocks do not show, and a crop takes 10 to 20 kB.
const QUALITY: u8 = 76;

/// A picture to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shot {
    /// Index of the image.
    pub(super) image: usize,
    /// Left, top, width and height in pixels of the image; `None` for the small
    /// picture of all of it.
    pub(super) crop: Option<[u32; 4]>,
}

/// Pictures as data URIs, or why there is none.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    made: BTreeMap<Shot, Result<String, String>>,
}

impl Pictures {
    /// Makes the pictures; those asked for twice are made once.
    pub(super) fn make(dataset: &Dataset, shots: impl Iterator<Item = Shot>) -> Pictures {
        let mut by_image: BTreeMap<usize, Vec<Shot>> = BTreeMap::new();
        for shot in shots {
            by_image.entry(shot.image).or_default().push(shot);
        }
        let made = (by_image.into_par_iter())
            .flat_map_iter(|(image, mut shots)| {
                shots.sort_unstable();
                shots.dedup();
                let file = dataset.images[image].file.as_deref();
                let picture = file
                    .ok_or_else(|| "no such file".to_string())
                    .and_then(|file| media::open(file).map_err(|error| error.to_string()));
                let make = move |shot: Shot| {
                    let made = picture.as_ref().map_err(Clone::clone);
                    (shot, made.and_then(|picture| cut(picture, shot.crop)))
                };
                shots.into_iter().map(make)
            })
            .collect();
        Pictures { made }
    }

    /// Returns a picture as a data URI, or why there is none; `None` for one that was
    /// never asked for.
    pub(super) fn get(&self, shot: Shot) -> Option<Result<&str, &str>> {
        let made = self.made.get(&shot)?;
        Some(made.as_ref().map(String::as_str).map_err(String::as_str))
    }
}

fn cut(picture: &Picture, crop: Option<[u32; 4]>) -> Result<String, String> {
    let (width, height, samples) = (picture.width, picture.height, picture.samples.as_slice());
    let small = if picture.channels == 1 {
        shrink::<Luma<u8>>(width, height, samples, crop)
            .map(|(size, samples)| (size, samples, ExtendedColorType::L8))
    } else {
        shrink::<Rgb<u8>>(width, height, samples, crop)
            .map(|(size, samples)| (size, samples, ExtendedColorType::Rgb8))
    };
    let ([width, height], samples, color) = small.ok_or("the picture is smaller than declared")?;
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(&samples, width, height, color)
        .map_err(|error| error.to_string())?;
    let mut uri = "data:image/jpeg;base64,".to_string();
    base64::engine::general_purpose::STANDARD.encode_string(&jpeg, &mut uri);
    Ok(uri)
}

/// Cuts and shrinks; never enlarges. `None` where the crop leaves the picture.
fn shrink<P: Pixel<Subpixel = u8> + 'static>(
    width: u32,
    height: u32,
    samples: &[u8],
    crop: Option<[u32; 4]>,
) -> Option<([u32; 2], Vec<u8>)> {
    let whole = ImageBuffer::<P, &[u8]>::from_raw(width, height, samples)?;
    let most = if crop.is_some() { CROP_PX } else { OVERVIEW_PX };
    let [left, top, wide, tall] = crop.unwrap_or([0, 0, width, height]);
    if left.checked_add(wide)? > width || top.checked_add(tall)? > height {
        return None;
    }
    let view = whole.view(left, top, wide, tall);
    let scale = (f64::from(most) / f64::from(wide.max(tall))).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let (wide_out, tall_out) = (side(wide), side(tall));
    let small = if scale < 1.0 {
        thumbnail(&*view, wide_out, tall_out)
    } else {
        ImageBuffer::from_fn(wide, tall, |x, y| view.get_pixel(x, y))
    };
    Some(([wide_out, tall_out], small.into_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_shrink_to_the_longer_side_and_never_grow() {
        let samples = vec![128; 800 * 600 * 3];
        let (size, out) = shrink::<Rgb<u8>>(800, 600, &samples, Some([0, 0, 680, 340])).unwrap();
        assert_eq!((size, out.len()), ([340, 170], 340 * 170 * 3));
        let (size, _) = shrink::<Rgb<u8>>(800, 600, &samples, Some([10, 10, 50, 20])).unwrap();
        assert_eq!(size, [50, 20]);
        assert!(shrink::<Rgb<u8>>(800, 600, &samples, Some([780, 0, 50, 20])).is_none());
    }
}
