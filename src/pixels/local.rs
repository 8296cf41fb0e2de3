//! Measures of a window of a picture: around a keypoint, or a box.

use super::{LocalFacts, Luma, sharpness};

/// A window in pixels of the image (the dataset's pixel convention); it may reach
/// beyond the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Window {
    /// Returns the square window of a half side around a point.
    pub fn around(x: f64, y: f64, half_px: f64) -> Window {
        Window { x: x - half_px, y: y - half_px, width: 2.0 * half_px, height: 2.0 * half_px }
    }
}

/// Measures a window; `None` where no pixel of the image lies in it.
///
/// `noise` is the image's [`noise`](super::PixelFacts::noise).
pub fn local(luma: &Luma<'_>, noise: f32, window: Window) -> Option<LocalFacts> {
    // The cast saturates, and makes 0 of what is no number.
    let clip = |from: f64, length: f64, limit: usize| {
        let first = (from.floor().max(0.0) as usize).min(limit);
        let last = ((from + length).ceil().max(0.0) as usize).min(limit);
        first..last.max(first)
    };
    let columns = clip(window.x, window.width, luma.width);
    let rows = clip(window.y, window.height, luma.height);
    let count = (columns.len() * rows.len()) as f64;
    if count == 0.0 {
        return None;
    }
    let (mut sum, mut squares) = (0_u64, 0_u64);
    for y in rows.clone() {
        for &value in &luma.row(y)[columns.clone()] {
            sum += u64::from(value);
            squares += u64::from(value) * u64::from(value);
        }
    }
    let mean = sum as f64 / count;
    let variance = (squares as f64 / count - mean * mean).max(0.0);
    let blur_px = sharpness::window(luma, noise * 255.0, columns, rows);
    Some(LocalFacts {
        blur_px,
        sharpness: sharpness::score(blur_px),
        brightness: (mean / 255.0) as f32,
        contrast: (variance.sqrt() / 255.0) as f32,
    })
}
