//! Where pictures come from: decoded, brought to RGB and shrunk once to what the input needs,
//! then kept as long as there is room.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::framing::Framing;
use crate::dataset::{BBox, Dataset};
use crate::media;
use crate::pixels::{Layout, Picture, rgb};

/// Memory in bytes that pictures are kept in where nothing else is said: 1 GiB.
pub const CACHE_BYTES: usize = 1 << 30;

/// Says how pictures are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SourceSettings {
    /// How examples are shown.
    pub framing: Framing,
    /// What augmentation enlarges by at most, 1 or more: pictures keep that in reserve.
    pub magnification: f64,
    /// Memory in bytes that pictures are kept in. Those that find no room are decoded each time.
    pub cache_bytes: usize,
}

/// A picture in RGB and the size of the image that it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The picture, shrunk or not.
    pub picture: Picture,
    /// Width and height of the stored image in pixels.
    pub stored: [u32; 2],
}

/// Gives the pictures of a dataset to any number of threads.
#[derive(Debug)]
pub struct Source {
    settings: SourceSettings,
    images: Vec<Entry>,
    kept_bytes: AtomicUsize,
}

/// An image and what its examples show of it.
#[derive(Debug, Default)]
struct Entry {
    file: Option<PathBuf>,
    /// Empty where the whole image is shown, too.
    regions: Vec<BBox>,
    kept: OnceLock<Result<Arc<Shown>, String>>,
}

/// Memory that a thread decodes in.
#[derive(Debug, Default)]
pub struct Decoding {
    bytes: Vec<u8>,
    picture: Picture,
    resizer: Resizer,
}

impl Source {
    /// Returns the source of a dataset's images. `regions` are the boxes that will be asked for,
    /// with their image; images without any are shown whole.
    pub fn new(
        dataset: &Dataset,
        regions: impl Iterator<Item = (u32, BBox)>,
        settings: SourceSettings,
    ) -> Source {
        let entry = |file: &Option<PathBuf>| Entry { file: file.clone(), ..Entry::default() };
        let mut images: Vec<Entry> = dataset.images.iter().map(|i| entry(&i.file)).collect();
        for (image, region) in regions {
            if let Some(entry) = images.get_mut(image as usize) {
                entry.regions.push(region);
            }
        }
        Source { settings, images, kept_bytes: AtomicUsize::new(0) }
    }

    /// Returns the picture of an image, or why there is none, a lower-case fragment.
    ///
    /// The same whatever is kept and whichever thread asks.
    ///
    /// # Errors
    /// Fails when the file is missing or cannot be decoded.
    pub fn get(&self, image: u32, decoding: &mut Decoding) -> Result<Arc<Shown>, String> {
        let entry = self.images.get(image as usize).ok_or("there is no such image")?;
        if let Some(kept) = entry.kept.get() {
            return kept.clone();
        }
        let loaded = self.load(entry, decoding).map(Arc::new);
        let bytes = loaded.as_ref().map_or(0, |shown| shown.picture.samples.len());
        let before = self.kept_bytes.fetch_add(bytes, Ordering::Relaxed);
        // Another thread may have been faster; then its picture, which is the same, stays.
        if before + bytes > self.settings.cache_bytes || entry.kept.set(loaded.clone()).is_err() {
            self.kept_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        loaded
    }

    fn load(&self, entry: &Entry, decoding: &mut Decoding) -> Result<Shown, String> {
        let file = entry.file.as_deref().ok_or("no such file")?;
        let Decoding { bytes, picture, resizer } = decoding;
        media::read(file, bytes).map_err(|error| error.to_string())?;
        media::decode(bytes, picture).1.map_err(|error| error.to_string())?;
        let stored = [picture.width, picture.height];
        let scale = self.scale(stored, &entry.regions);
        let size = stored.map(|side| ((f64::from(side) * scale).ceil() as u32).clamp(1, side));
        let picture = shrink(picture, size, resizer)?;
        Ok(Shown { picture, stored })
    }

    /// Returns the scale at which an image is kept: the largest that its examples need, at most 1.
    fn scale(&self, stored: [u32; 2], regions: &[BBox]) -> f64 {
        let SourceSettings { framing, magnification, .. } = self.settings;
        let need = |region: Option<&BBox>| framing.view(stored, region).magnification();
        let most = match regions {
            [] => need(None),
            regions => regions.iter().map(|region| need(Some(region))).fold(0.0, f64::max),
        };
        (most * magnification).min(1.0)
    }
}

/// Says that a picture has fewer samples than its size needs.
const SMALLER: &str = "the picture is smaller than declared";

/// Brings a picture to RGB of a size, by the mean of what each pixel covers.
fn shrink(picture: &Picture, size: [u32; 2], resizer: &mut Resizer) -> Result<Picture, String> {
    let stored = [picture.width, picture.height];
    let mut plane = |samples: &[u8], from: [u32; 2], pixel: PixelType| {
        if from == size {
            return Ok(samples.to_vec());
        }
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let whole = ImageRef::new(from[0], from[1], samples, pixel).map_err(|_| SMALLER)?;
        let mut small = Image::new(size[0], size[1], pixel);
        resizer.resize(&whole, &mut small, &options).map_err(|error| error.to_string())?;
        Ok::<_, String>(small.into_vec())
    };
    let samples = match picture.layout {
        Layout::Grey => {
            let grey = plane(&picture.samples, stored, PixelType::U8)?;
            grey.into_iter().flat_map(|sample| [sample; 3]).collect()
        }
        Layout::Rgb => plane(&picture.samples, stored, PixelType::U8x3)?,
        Layout::YCbCr { chroma } => {
            // Planes are brought to their size before they become RGB: fewer pixels to convert.
            let [brightness, blue, red] = picture.planes(chroma).ok_or(SMALLER)?;
            let brightness = plane(brightness, stored, PixelType::U8)?;
            let blue = plane(blue, chroma, PixelType::U8)?;
            rgb(&brightness, &blue, &plane(red, chroma, PixelType::U8)?)
        }
    };
    let [width, height] = size;
    if samples.len() != width as usize * height as usize * 3 {
        return Err(SMALLER.into());
    }
    Ok(Picture { width, height, layout: Layout::Rgb, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layouts_become_rgb() {
        let mut resizer = Resizer::new();
        let mut shrunk = |layout, samples: Vec<u8>, size| {
            let picture = Picture { width: 4, height: 2, layout, samples };
            shrink(&picture, size, &mut resizer).map(|picture| picture.samples)
        };
        let grey = shrunk(Layout::Grey, vec![7; 8], [2, 1]);
        assert_eq!(grey, Ok(vec![7; 6]));
        let ycbcr = Layout::YCbCr { chroma: [2, 1] };
        let samples = vec![50, 50, 50, 50, 50, 50, 50, 50, 128, 128, 128, 128];
        assert_eq!(shrunk(ycbcr, samples, [4, 2]), Ok(vec![50; 24]));
        assert_eq!(shrunk(Layout::Rgb, vec![9; 24], [4, 2]), Ok(vec![9; 24]));
        assert_eq!(shrunk(Layout::Rgb, vec![9; 5], [4, 2]), Err(SMALLER.into()));
    }
}
