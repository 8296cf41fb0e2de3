//! `coarse_dropout`: blackens small squares, so that no single spot decides.

use serde::{Deserialize, Serialize};

use super::check::{Unfit, within};
use super::warp::FILL;
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Blackens cells of a grid.
///
/// # Source
/// DeVries and Taylor (2017), arXiv:1708.04552, with many small squares for a large one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoarseDropout {
    /// Probability of each cell, 0 to 1.
    pub share: f64,
    /// Side of a cell in pixels of the stored image, 1 to 1000; at least one of the output.
    pub cell_px: f64,
    /// Probability, 0 to 1, that the channels are blackened apart.
    pub per_channel: f64,
}

impl CoarseDropout {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        within("share", self.share, 0.0, 1.0)?;
        within("cell_px", self.cell_px, 1.0, 1000.0)?;
        within("per_channel", self.per_channel, 0.0, 1.0)
    }

    /// Blackens cells of an output with `scale` pixels for one of the stored image.
    pub(super) fn apply(&self, random: &mut SplitMix64, scale: f64, picture: &mut Picture) {
        let cell = (self.cell_px * scale).max(1.0);
        let [width, height] = [picture.width, picture.height].map(|side| side as usize);
        let cells = |side: usize| (side as f64 / cell).ceil() as usize;
        let edge = |at: usize, side: usize| ((at as f64 * cell).round() as usize).min(side);
        // First channel and the one behind the last.
        let groups: &[[usize; 2]] =
            if random.chance(self.per_channel) { &[[0, 1], [1, 2], [2, 3]] } else { &[[0, 3]] };
        for &[first, end] in groups {
            for row in 0..cells(height) {
                for column in 0..cells(width) {
                    if !random.chance(self.share) {
                        continue;
                    }
                    let (left, right) = (edge(column, width), edge(column + 1, width));
                    for y in edge(row, height)..edge(row + 1, height) {
                        let at = y * width * 3;
                        let pixels = &mut picture.samples[at + left * 3..at + right * 3];
                        for pixel in pixels.chunks_exact_mut(3) {
                            pixel[first..end].fill(FILL);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_share_of_the_picture_is_black() {
        let dropout = CoarseDropout { share: 0.1, cell_px: 6.0, per_channel: 0.0 };
        let mut picture = Picture {
            width: 301,
            height: 200,
            samples: vec![9; 301 * 200 * 3],
            ..Picture::default()
        };
        dropout.apply(&mut SplitMix64::named("dropout", 0), 0.5, &mut picture);
        let black = picture.samples.chunks_exact(3).filter(|pixel| *pixel == [0, 0, 0]).count();
        let share = black as f64 / (301.0 * 200.0);
        assert!((share - 0.1).abs() < 0.015, "{share}");
    }
}
