//! `clahe`: equalises the histogram of each channel by tiles, with limited contrast.

use serde::{Deserialize, Serialize};

use super::check::{Unfit, ordered};
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Contrast-limited adaptive histogram equalisation.
///
/// # Source
/// Zuiderveld (1994), "Contrast limited adaptive histogram equalization", Graphics Gems IV.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clahe {
    /// Least and greatest limit of a histogram's bins, in multiples of what they would hold if
    /// all held the same, 0.1 to 100.
    pub limit: [f64; 2],
    /// Least and greatest number of tiles along each side, 1 to 32.
    pub tiles: [u32; 2],
}

type Table = [u8; 256];

impl Clahe {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        ordered("limit", self.limit, 0.1, 100.0)?;
        ordered("tiles", self.tiles.map(f64::from), 1.0, 32.0)
    }

    pub(super) fn apply(&self, random: &mut SplitMix64, picture: &mut Picture) {
        let limit = random.uniform(self.limit[0], self.limit[1]);
        let [low, high] = self.tiles;
        let tiles = (low + random.below(u64::from(high - low) + 1) as u32) as usize;
        let [width, height] = [picture.width, picture.height].map(|side| side as usize);
        if width == 0 || height == 0 {
            return;
        }
        let tables = tables(picture, tiles, limit);
        let columns: Vec<Between> = (0..width).map(|x| Between::tiles(x, width, tiles)).collect();
        for (y, row) in picture.samples.chunks_exact_mut(width * 3).enumerate() {
            let vertical = Between::tiles(y, height, tiles);
            let [upper, lower] = vertical.pair.map(|row| &tables[row * tiles..(row + 1) * tiles]);
            for (pixel, horizontal) in row.chunks_exact_mut(3).zip(&columns) {
                let [left, right] = horizontal.pair;
                let corners = [&upper[left], &upper[right], &lower[left], &lower[right]];
                for (channel, sample) in pixel.iter_mut().enumerate() {
                    let [a, b, c, d] =
                        corners.map(|tables| u32::from(tables[channel][usize::from(*sample)]));
                    let mix = |a: u32, b: u32, share: u32| a * (256 - share) + b * share;
                    let (top, bottom) = (mix(a, b, horizontal.share), mix(c, d, horizontal.share));
                    *sample = ((mix(top, bottom, vertical.share) + 32768) >> 16) as u8;
                }
            }
        }
    }
}

/// The two tiles whose middles a pixel lies between, and the share of the second in 256ths.
#[derive(Debug, Clone, Copy)]
struct Between {
    pair: [usize; 2],
    share: u32,
}

impl Between {
    fn tiles(at: usize, side: usize, tiles: usize) -> Self {
        let at = (at as f64 + 0.5) * tiles as f64 / side as f64 - 0.5;
        let at = at.clamp(0.0, (tiles - 1) as f64);
        let first = at as usize;
        let share = ((at - first as f64) * 256.0).round() as u32;
        Between { pair: [first, (first + 1).min(tiles - 1)], share }
    }
}

/// Returns the tables of the tiles, `[rows, columns, channels]`.
fn tables(picture: &Picture, tiles: usize, limit: f64) -> Vec<[Table; 3]> {
    let [width, height] = [picture.width, picture.height].map(|side| side as usize);
    let edge = |tile: usize, side: usize| tile * side / tiles;
    let mut tables = Vec::with_capacity(tiles * tiles);
    for row in 0..tiles {
        for column in 0..tiles {
            let mut counts = [[0_u32; 256]; 3];
            let (left, right) = (edge(column, width), edge(column + 1, width));
            for y in edge(row, height)..edge(row + 1, height) {
                let pixels = &picture.samples[(y * width + left) * 3..(y * width + right) * 3];
                for pixel in pixels.chunks_exact(3) {
                    for (counts, sample) in counts.iter_mut().zip(pixel) {
                        counts[usize::from(*sample)] += 1;
                    }
                }
            }
            tables.push(counts.map(|counts| limited(counts, limit)));
        }
    }
    tables
}

/// Equalises with bins of at most `limit` times their mean; what is above it is spread over all.
fn limited(mut counts: [u32; 256], limit: f64) -> Table {
    let total: u32 = counts.iter().sum();
    if total == 0 {
        return std::array::from_fn(|level| level as u8);
    }
    let most = ((limit * f64::from(total) / 256.0) as u32).max(1);
    let mut excess = 0;
    for count in &mut counts {
        excess += count.saturating_sub(most);
        *count = (*count).min(most);
    }
    let spread = f64::from(excess) / 256.0;
    let mut below = 0.0;
    counts.map(|count| {
        below += f64::from(count) + spread;
        (below * 255.0 / f64::from(total)).round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Layout;

    #[test]
    fn a_low_limit_changes_little_and_a_high_one_spreads() {
        // A ramp of 32 levels in the middle of the scale.
        let samples: Vec<u8> = (0..64 * 64 * 3).map(|at| 112 + (at / 3 % 64 / 2) as u8).collect();
        let picture = Picture { width: 64, height: 64, layout: Layout::Rgb, samples };
        let range = |limit: f64| {
            let clahe = Clahe { limit: [limit; 2], tiles: [1, 1] };
            let mut picture = picture.clone();
            clahe.apply(&mut SplitMix64::named("clahe", 0), &mut picture);
            let (least, most) = (picture.samples.iter().min(), picture.samples.iter().max());
            most.copied().unwrap_or(0) - least.copied().unwrap_or(0)
        };
        assert!(range(1.0) < 70, "{}", range(1.0));
        assert!(range(100.0) > 240, "{}", range(100.0));
    }
}
