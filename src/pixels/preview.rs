//! A small copy of a picture's brightness, to look at what lies around a place again and again
//! without opening the image.

use std::sync::Arc;

use super::Luma;

/// Longest side of a preview, samples. In frames of 400 to 1000 px, which pose datasets have, an
/// animal stays some 50 samples long, and 2,000 previews take less than 200 MB.
pub const PREVIEW_SIDE: usize = 320;

/// Brightness of a picture, shrunk by averaging squares of pixels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Side in pixels of the squares that were averaged; at least 1.
    pub factor: u32,
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Brightness, 0 to 255, row by row. Shared, since facts are cloned.
    pub samples: Arc<[u8]>,
}

impl Preview {
    /// Shrinks a brightness plane until its longer side is at most [`PREVIEW_SIDE`]; `None` of an
    /// empty one.
    pub fn of(luma: &Luma<'_>) -> Option<Preview> {
        let factor = luma.width.max(luma.height).div_ceil(PREVIEW_SIDE).max(1);
        // A plane that is no wider than a square would have no samples left.
        let factor = factor.min(luma.width).min(luma.height);
        if factor == 0 {
            return None;
        }
        let small = luma.shrink(factor);
        Some(Preview {
            factor: factor as u32,
            width: small.width as u32,
            height: small.height as u32,
            samples: small.samples.into(),
        })
    }

    /// Returns the brightness at a place of the image in pixels, linear between samples; beyond
    /// its sides, that of the nearest sample.
    pub fn at(&self, x: f64, y: f64) -> f32 {
        let place = |at: f64, count: u32| {
            let last = (count - 1) as f32;
            ((at / f64::from(self.factor) - 0.5) as f32).clamp(0.0, last)
        };
        let (x, y) = (place(x, self.width), place(y, self.height));
        let (column, row) = (x as usize, y as usize);
        let (along, down) = (x - column as f32, y - row as f32);
        let width = self.width as usize;
        let right = usize::from(column + 1 < width);
        let below = if row + 1 < self.height as usize { width } else { 0 };
        let first = row * width + column;
        let sample = |at: usize| f32::from(self.samples[at]);
        let upper = sample(first) + along * (sample(first + right) - sample(first));
        let first = first + below;
        let lower = sample(first) + along * (sample(first + right) - sample(first));
        upper + down * (lower - upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Luma<'static> {
        let samples = (0..width * height).map(|at| (at % width / 4) as u8).collect();
        Luma { width, height, samples, grey: true }
    }

    #[test]
    fn a_preview_is_small_and_shows_the_same_at_the_same_place() {
        let preview = Preview::of(&ramp(900, 500)).expect("a preview");
        assert_eq!((preview.factor, preview.width, preview.height), (3, 300, 166));
        // The centre of pixel 600 is at 600.5; the ramp rises by one in four pixels.
        for x in [90.0, 301.7, 600.5] {
            assert!((f64::from(preview.at(x, 250.0)) - (x - 2.0) / 4.0).abs() < 0.5, "{x}");
        }
        assert_eq!(preview.at(-50.0, 9.0), preview.at(1.5, 9.0));
        assert_eq!(preview.at(5000.0, 9000.0), preview.at(898.5, 490.0));
    }

    #[test]
    fn small_and_slim_pictures_have_one_too() {
        assert_eq!(Preview::of(&ramp(7, 5)).expect("a preview").samples.len(), 35);
        let slim = Preview::of(&ramp(4000, 2)).expect("a preview");
        assert_eq!((slim.factor, slim.width, slim.height), (2, 2000, 1));
        assert!(slim.at(10.0, 1.0) >= 0.0);
        assert_eq!(Preview::of(&ramp(0, 0)), None);
    }
}
