//! Measures of one decoded image. Takes a [`Picture`], gives [`PixelFacts`], and
//! [`LocalFacts`] of windows of it; never touches a file.
//!
//! Everything but the colour test and the hash of the samples is measured on the
//! brightness plane ([`Luma`]), which is made once per picture.

mod edges;
mod exposure;
mod gradients;
mod hash;
mod local;
mod luma;
mod noise;
mod preview;
mod sharpness;
mod ycbcr;

pub use edges::edges;
pub use hash::{Cells, HALF, THUMBNAIL, Thumbnail, WAVES, Waves, halved, halved_rows, waves};
pub use local::{Window, local};
pub use luma::Luma;
pub use preview::{PREVIEW_SIDE, Preview};
pub use sharpness::{MAX_BLUR as MAX_BLUR_PX, SIDE as MEASURED_SIDE_PX};
pub use ycbcr::rgb;

/// A decoded image in its stored (not EXIF-rotated) orientation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What the samples mean.
    pub layout: Layout,
    /// Samples, 0 to 255.
    pub samples: Vec<u8>,
}

/// What the samples of a picture mean and how they are ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Brightness, `[height, width]`.
    #[default]
    Grey,
    /// Red, green and blue, `[height, width, 3]`.
    Rgb,
    /// JPEG's brightness, `[height, width]`, then its two planes of colour, Cb and Cr,
    /// each `[chroma[1], chroma[0]]`, of which 128 stands for no colour (ITU-T T.871,
    /// section 7).
    YCbCr {
        /// Width and height of a plane of colour, which covers the whole picture.
        chroma: [u32; 2],
    },
}

impl Picture {
    /// Returns brightness and the two planes of colour of a picture in
    /// [`Layout::YCbCr`]; `None` where it has fewer samples.
    pub fn planes(&self, chroma: [u32; 2]) -> Option<[&[u8]; 3]> {
        let area = |[width, height]: [u32; 2]| width as usize * height as usize;
        let (brightness, colour) =
            self.samples.split_at_checked(area([self.width, self.height]))?;
        let (blue, red) = colour.split_at_checked(area(chroma))?;
        Some([brightness, blue, red])
    }
}

/// What is measured on the pixels of a whole image.
///
/// Brightness is 0 (black) to 1 (white).
#[derive(Debug, Clone, PartialEq)]
pub struct PixelFacts {
    /// Hash of size and samples; equal for images that look the same bit by bit and have
    /// the same layout.
    pub pixel_hash: u64,
    /// Perceptual hash; near duplicates differ in few bits. Means nothing for an
    /// image without detail.
    pub perceptual_hash: u64,
    /// The image shrunk: tells whether two images are alike.
    pub thumbnail: Box<Thumbnail>,
    /// Whether all channels are equal.
    pub grey: bool,
    /// Percentiles 1, 5, 50, 95, 99 of brightness.
    pub brightness: [f32; 5],
    /// Mean brightness.
    pub brightness_mean: f32,
    /// Share of pixels at the white end of the scale (252 to 255 of 255), 0 to 1.
    pub clipped_frac: f32,
    /// Standard deviation of brightness.
    pub contrast: f32,
    /// Shannon entropy of the brightness histogram in bits, 0 to 8.
    pub entropy_bits: f32,
    /// Standard deviation of the sensor noise, brightness units.
    pub noise: f32,
    /// Share of the image's blocks of 32 × 32 px that hold an edge, 0 to 1; larger
    /// images are shrunk as for `blur_px`.
    pub detail_frac: f32,
    /// Softness of the sharpest edges, in the direction in which they are softest:
    /// standard deviation, in pixels, of the Gaussian that would blur a step as much.
    /// In images with a side above 640 px, pixels of the image shrunk to that. `None`
    /// without edges to judge by.
    pub blur_px: Option<f32>,
    /// Sharpness of the image's sharpest parts, net of noise, 0 (no detail) to 1:
    /// 1 / (1 + `blur_px`²).
    pub sharpness: f32,
    /// Variance of the Laplacian in grey levels squared, as OpenCV scripts measure it.
    pub laplacian_var: f32,
    /// Strength of directional blur, 0 (alike in all directions) to 1: the share of
    /// `blur_px`² that edges lack in their sharpest direction.
    pub motion_blur: f32,
    /// Direction of that blur, degrees counter-clockwise from the x axis, 0 to 180.
    pub motion_angle_deg: f32,
}

impl Default for PixelFacts {
    fn default() -> Self {
        PixelFacts {
            pixel_hash: 0,
            perceptual_hash: 0,
            thumbnail: Box::new([0; THUMBNAIL * THUMBNAIL]),
            grey: false,
            brightness: [0.0; 5],
            brightness_mean: 0.0,
            clipped_frac: 0.0,
            contrast: 0.0,
            entropy_bits: 0.0,
            noise: 0.0,
            detail_frac: 0.0,
            blur_px: None,
            sharpness: 0.0,
            laplacian_var: 0.0,
            motion_blur: 0.0,
            motion_angle_deg: 0.0,
        }
    }
}

/// What is measured around a keypoint or inside a box, at the image's own resolution.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LocalFacts {
    /// Softness of the edges as in [`PixelFacts::blur_px`], in pixels of the image.
    pub blur_px: Option<f32>,
    /// Sharpness as in [`PixelFacts::sharpness`].
    pub sharpness: f32,
    /// Mean brightness.
    pub brightness: f32,
    /// Standard deviation of brightness.
    pub contrast: f32,
}

/// Measures a picture; `luma` is [`Luma::of`] it.
pub fn measure(picture: &Picture, luma: &Luma<'_>) -> PixelFacts {
    let exposure = exposure::measure(luma);
    let noise = noise::measure(luma);
    let sharpness = sharpness::measure(luma, noise);
    let thumbnail = hash::thumbnail(luma);
    PixelFacts {
        pixel_hash: hash::pixels(picture),
        perceptual_hash: hash::perceptual(&thumbnail),
        thumbnail,
        grey: luma.grey,
        brightness: exposure.percentiles,
        brightness_mean: exposure.mean,
        clipped_frac: exposure.clipped_frac,
        contrast: exposure.contrast,
        entropy_bits: exposure.entropy_bits,
        noise: noise / 255.0,
        detail_frac: sharpness.detail_frac,
        blur_px: sharpness.blur_px,
        sharpness: sharpness::score(sharpness.blur_px),
        laplacian_var: sharpness::laplacian_var(luma),
        motion_blur: sharpness.motion_blur,
        motion_angle_deg: sharpness.motion_angle_deg,
    }
}
