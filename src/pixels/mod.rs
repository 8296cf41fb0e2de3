//! Measures of one decoded image. Takes a [`Picture`], gives [`PixelFacts`];
//! never touches a file.

/// A decoded image in its stored (not EXIF-rotated) orientation.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// 1 for grey, 3 for RGB.
    pub channels: u8,
    /// Samples, 0 to 255, `[height, width, channels]`.
    pub samples: Vec<u8>,
}

/// What is measured on the pixels of a whole image.
///
/// Brightness is 0 (black) to 1 (white).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PixelFacts {
    /// Hash of size and samples; equal for images that look the same bit by bit.
    pub pixel_hash: u64,
    /// Perceptual hash; near duplicates differ in few bits.
    pub perceptual_hash: u64,
    /// Whether all channels are equal.
    pub grey: bool,
    /// Percentiles 1, 5, 50, 95, 99 of brightness.
    pub brightness: [f32; 5],
    /// Mean brightness.
    pub brightness_mean: f32,
    /// Standard deviation of brightness.
    pub contrast: f32,
    /// Shannon entropy of the brightness histogram in bits, 0 to 8.
    pub entropy_bits: f32,
    /// Standard deviation of the sensor noise, brightness units.
    pub noise: f32,
    /// Sharpness of the image's sharpest parts, net of noise, 0 (no detail) to 1.
    pub sharpness: f32,
    /// Variance of the Laplacian in grey levels squared, as OpenCV scripts measure it.
    pub laplacian_var: f32,
    /// Strength of directional blur, 0 (none) to 1.
    pub motion_blur: f32,
    /// Direction of that blur, degrees counter-clockwise from the x axis, 0 to 180.
    pub motion_angle_deg: f32,
}

/// What is measured around a keypoint or inside a box.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LocalFacts {
    /// Sharpness as in [`PixelFacts::sharpness`].
    pub sharpness: f32,
    /// Mean brightness.
    pub brightness: f32,
    /// Standard deviation of brightness.
    pub contrast: f32,
}
