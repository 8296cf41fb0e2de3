//! Gradients of a plane at two scales, summed up per block: the raw material of
//! sharpness. Takes a plane, gives [`Sums`]; judges nothing.
//!
//! At every corner of four pixels stand two gradients: the fine one, of the 2 × 2
//! pixels around it, and the coarse one, of the same 2 × 2 places after smoothing by
//! a binomial of order 8 in both directions. Sums are weighted by the squared coarse
//! gradient, which picks out edges and leaves the noise between them.

use std::ops::Range;

use super::Luma;

/// Variance of the box that a difference of neighbours averages over, px².
pub(super) const FINE_VARIANCE: f32 = 1.0 / 12.0;
/// Variance along the coarse gradient: that box and the binomial's 8 / 4, px².
pub(super) const COARSE_VARIANCE: f32 = FINE_VARIANCE + 2.0;
/// Side of the blocks that are judged one by one, pixels.
pub(super) const BLOCK: usize = 32;

/// Coefficients of the binomial of order 8; they add up to 256.
const BINOMIAL: [u16; 9] = [1, 8, 28, 56, 70, 56, 28, 8, 1];
/// Reach of the binomial to either side, pixels.
const REACH: usize = 4;
/// Sums that run side by side, so that they can be vectorised; fixed, so that every
/// processor adds in the same order.
const LANES: usize = 16;

/// Sums over the corners of a block, grey levels and pixels. Matrices are given as
/// their entries xx, xy, yy.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    /// Of the weight: the squared coarse gradient.
    pub(super) weight: f32,
    /// Of the weighted outer product of the fine gradient.
    pub(super) fine: [f32; 3],
    /// Of the weighted outer product of the coarse gradient.
    pub(super) coarse: [f32; 3],
}

impl Sums {
    /// Adds the sums of another block.
    pub(super) fn add(&mut self, other: &Sums) {
        self.weight += other.weight;
        for (sum, term) in self.fine.iter_mut().zip(other.fine) {
            *sum += term;
        }
        for (sum, term) in self.coarse.iter_mut().zip(other.coarse) {
            *sum += term;
        }
    }
}

/// Returns the part of a window whose corners have both gradients.
pub(super) fn interior(
    plane: &Luma<'_>,
    columns: Range<usize>,
    rows: Range<usize>,
) -> (Range<usize>, Range<usize>) {
    let clip = |range: Range<usize>, length: usize| {
        let start = range.start.max(REACH);
        start..range.end.min(length.saturating_sub(REACH + 1)).max(start)
    };
    (clip(columns, plane.width), clip(rows, plane.height))
}

/// Returns the sums of the blocks of a window that lies in the [`interior`]; the
/// last block of a row or column may be cut off.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "x86_64+avx512f+avx512bw+avx512vl"))]
pub(super) fn blocks(plane: &Luma<'_>, columns: Range<usize>, rows: Range<usize>) -> Vec<Sums> {
    let across = columns.len().div_ceil(BLOCK);
    let mut out = Vec::with_capacity(across * rows.len().div_ceil(BLOCK));
    if columns.is_empty() || rows.is_empty() {
        return out;
    }
    let mut above = Line::new(columns.len());
    let mut below = Line::new(columns.len());
    let mut down = vec![0.0; columns.len() + 1 + 2 * REACH];
    below.fill(plane, &columns, rows.start, &mut down);
    let mut sums = vec![Lanes::default(); across];
    for (at, y) in rows.clone().enumerate() {
        std::mem::swap(&mut above, &mut below);
        below.fill(plane, &columns, y + 1, &mut down);
        for (block, sums) in sums.iter_mut().enumerate() {
            let start = block * BLOCK;
            let end = (start + BLOCK).min(columns.len());
            sums.add(&above, &below, start, end);
        }
        if (at + 1) % BLOCK == 0 || at + 1 == rows.len() {
            out.extend(sums.iter().map(Lanes::total));
            sums.fill(Lanes::default());
        }
    }
    out
}

/// Sums of twice the gradients, side by side.
#[derive(Debug, Clone, Copy)]
struct Lanes([[f32; LANES]; 7]);

impl Default for Lanes {
    fn default() -> Self {
        Lanes([[0.0; LANES]; 7])
    }
}

impl Lanes {
    /// Adds the corners of a part of two lines.
    #[inline(always)]
    fn add(&mut self, above: &Line, below: &Line, start: usize, end: usize) {
        let mut sums = self.0;
        let mut at = start;
        while at + LANES <= end {
            add(&mut sums, above, below, at, &[1.0; LANES]);
            at += LANES;
        }
        if at < end {
            let inside = std::array::from_fn(|lane| if at + lane < end { 1.0 } else { 0.0 });
            add(&mut sums, above, below, at, &inside);
        }
        self.0 = sums;
    }

    fn total(&self) -> Sums {
        let [weight, fxx, fxy, fyy, cxx, cxy, cyy] = self.0.map(|lanes| lanes.iter().sum::<f32>());
        // Weights are of twice the gradient, squared; the rest has two more factors of it.
        Sums {
            weight: weight / 4.0,
            fine: [fxx, fxy, fyy].map(|sum| sum / 16.0),
            coarse: [cxx, cxy, cyy].map(|sum| sum / 16.0),
        }
    }
}

/// Adds [`LANES`] corners, each times 1 or 0.
#[inline(always)]
fn add(sums: &mut [[f32; LANES]; 7], above: &Line, below: &Line, at: usize, inside: &[f32; LANES]) {
    let Some((fine_above, fine_below, coarse_above, coarse_below)) = corners(&above.fine, at)
        .and_then(|fine_above| {
            Some((
                fine_above,
                corners(&below.fine, at)?,
                corners(&above.coarse, at)?,
                corners(&below.coarse, at)?,
            ))
        })
    else {
        return;
    };
    for lane in 0..LANES {
        // With the diagonal differences s − p and q − r of the corner's four pixels
        // p q over r s, twice the gradient is their sum along x and difference along y.
        let twice = |above: &[f32; LANES + 1], below: &[f32; LANES + 1]| {
            let falling = below[lane + 1] - above[lane];
            let rising = above[lane + 1] - below[lane];
            [falling + rising, falling - rising]
        };
        let [fx, fy] = twice(fine_above, fine_below);
        let [cx, cy] = twice(coarse_above, coarse_below);
        let (cxx, cxy, cyy) = (cx * cx, cx * cy, cy * cy);
        let weight = (cxx + cyy) * inside[lane];
        let (wfx, wfy) = (weight * fx, weight * fy);
        sums[0][lane] += weight;
        sums[1][lane] += wfx * fx;
        sums[2][lane] += wfx * fy;
        sums[3][lane] += wfy * fy;
        sums[4][lane] += weight * cxx;
        sums[5][lane] += weight * cxy;
        sums[6][lane] += weight * cyy;
    }
}

#[inline(always)]
fn corners(line: &[f32], at: usize) -> Option<&[f32; LANES + 1]> {
    line.get(at..)?.first_chunk()
}

/// A row of the window and one more column, padded to whole blocks.
struct Line {
    /// Grey levels.
    fine: Vec<f32>,
    /// The same, smoothed.
    coarse: Vec<f32>,
}

impl Line {
    fn new(columns: usize) -> Line {
        let padded = columns.next_multiple_of(BLOCK) + 1;
        Line { fine: vec![0.0; padded], coarse: vec![0.0; padded] }
    }

    /// Reads row `y` of the window; `down` is a buffer for the row smoothed downwards.
    #[inline(always)]
    fn fill(&mut self, plane: &Luma<'_>, columns: &Range<usize>, y: usize, down: &mut [f32]) {
        let from = columns.start - REACH;
        let rows: [&[u8]; 9] =
            std::array::from_fn(|t| &plane.row(y + t - REACH)[from..from + down.len()]);
        for (x, out) in down.iter_mut().enumerate() {
            let pair = |t: usize| u16::from(rows[t][x]) + u16::from(rows[8 - t][x]);
            // At most 255 · 256, which a u16 holds.
            let sum = pair(0)
                + BINOMIAL[1] * pair(1)
                + BINOMIAL[2] * pair(2)
                + BINOMIAL[3] * pair(3)
                + BINOMIAL[4] * u16::from(rows[4][x]);
            *out = f32::from(sum);
        }
        let count = columns.len() + 1;
        for (out, &level) in self.fine.iter_mut().zip(&rows[4][REACH..REACH + count]) {
            *out = f32::from(level);
        }
        let down: [&[f32]; 9] = std::array::from_fn(|t| &down[t..t + count]);
        for (x, out) in self.coarse[..count].iter_mut().enumerate() {
            let pair = |t: usize| f32::from(BINOMIAL[t]) * (down[t][x] + down[8 - t][x]);
            // Whole numbers up to 255 · 2¹⁶, which an f32 holds exactly.
            let sum = pair(0) + pair(1) + pair(2) + pair(3) + f32::from(BINOMIAL[4]) * down[4][x];
            *out = sum * (1.0 / 65536.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_has_the_same_gradient_at_both_scales() {
        let (width, height) = (60, 50);
        let samples = (0..width * height).map(|at| (3 * (at % width)) as u8).collect();
        let plane = Luma { width, height, samples, grey: true };
        let (columns, rows) = interior(&plane, 0..width, 0..height);
        assert_eq!((columns.clone(), rows.clone()), (4..55, 4..45));
        let blocks = blocks(&plane, columns, rows);
        assert_eq!(blocks.len(), 4);
        // A gradient of 3 along x has the weight 9, and products of 81, per corner.
        assert_eq!(blocks[0].weight, 9.0 * 32.0 * 32.0);
        assert_eq!(blocks[0].fine, [81.0 * 32.0 * 32.0, 0.0, 0.0]);
        assert_eq!(blocks[3].coarse, [81.0 * 19.0 * 9.0, 0.0, 0.0]);
    }

    #[test]
    fn a_window_without_interior_has_no_blocks() {
        let plane = Luma { width: 8, height: 8, samples: vec![0; 64].into(), grey: true };
        let (columns, rows) = interior(&plane, 2..6, 2..6);
        assert!(blocks(&plane, columns, rows).is_empty());
    }
}
