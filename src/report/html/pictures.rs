//! Cuts pictures out of images: each image is decoded once, however many pictures are
//! cut out of it, and as many at a time as there are threads.

use std::collections::BTreeMap;

use base64::Engine as _;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{
    FilterType, ImageBufferError, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer,
};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::media;
use crate::pixels::{Layout, Picture, rgb};

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
    let small = shrink(picture, crop).map_err(|error| error.to_string())?;
    let color = match small.pixel_type() {
        PixelType::U8 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(small.buffer(), small.width(), small.height(), color)
        .map_err(|error| error.to_string())?;
    let mut uri = "data:image/jpeg;base64,".to_string();
    base64::engine::general_purpose::STANDARD.encode_string(&jpeg, &mut uri);
    Ok(uri)
}

/// Says why a picture cannot be cut.
#[derive(Debug, thiserror::Error)]
enum CutError {
    #[error("the picture is smaller than declared")]
    Planes,
    #[error("the picture is smaller than declared")]
    Samples(#[from] ImageBufferError),
    #[error("the crop leaves the picture")]
    Crop(#[from] ResizeError),
}

/// Cuts and shrinks; never enlarges.
fn shrink(picture: &Picture, crop: Option<[u32; 4]>) -> Result<Image<'static>, CutError> {
    let most = if crop.is_some() { CROP_PX } else { OVERVIEW_PX };
    let [left, top, wide, tall] = crop.unwrap_or([0, 0, picture.width, picture.height]);
    let scale = (f64::from(most) / f64::from(wide.max(tall))).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let mut resizer = Resizer::new();
    // Shrinks a plane of the given size that covers the whole picture.
    let mut plane = |samples: &[u8], [width, height]: [u32; 2], pixel: PixelType| {
        let whole = ImageRef::new(width, height, samples, pixel)?;
        let mut small = Image::new(side(wide), side(tall), pixel);
        let [x, y] = [(width, picture.width), (height, picture.height)]
            .map(|(plane, picture)| f64::from(plane) / f64::from(picture));
        let [left, top, wide, tall] = [left, top, wide, tall].map(f64::from);
        let options = ResizeOptions::new()
            .crop(left * x, top * y, wide * x, tall * y)
            .resize_alg(ResizeAlg::Convolution(FilterType::Box));
        resizer.resize(&whole, &mut small, &options)?;
        Ok::<_, CutError>(small)
    };
    let size = [picture.width, picture.height];
    match picture.layout {
        Layout::Grey => plane(&picture.samples, size, PixelType::U8),
        Layout::Rgb => plane(&picture.samples, size, PixelType::U8x3),
        Layout::YCbCr { chroma } => {
            // Planes are shrunk before they become RGB, so that only few pixels are
            // converted; those of colour mostly are small already.
            let [brightness, blue, red] = picture.planes(chroma).ok_or(CutError::Planes)?;
            let brightness = plane(brightness, size, PixelType::U8)?;
            let (blue, red) =
                (plane(blue, chroma, PixelType::U8)?, plane(red, chroma, PixelType::U8)?);
            let samples = rgb(brightness.buffer(), blue.buffer(), red.buffer());
            let (width, height) = (brightness.width(), brightness.height());
            Ok(Image::from_vec_u8(width, height, samples, PixelType::U8x3)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_shrink_to_the_longer_side_and_never_grow() {
        let samples = vec![128; 800 * 600 * 3];
        let picture = Picture { width: 800, height: 600, layout: Layout::Rgb, samples };
        let small = shrink(&picture, Some([0, 0, 680, 340])).unwrap();
        assert_eq!((small.width(), small.height()), (340, 170));
        assert!(small.buffer().iter().all(|&sample| sample == 128));
        let small = shrink(&picture, Some([10, 10, 50, 20])).unwrap();
        assert_eq!((small.width(), small.height()), (50, 20));
        assert!(shrink(&picture, Some([780, 0, 50, 20])).is_err());
    }
}
