//! Small linear filters, given as the few places that they look at.

use super::scratch::Scratch;
use crate::pixels::Picture;

/// What a weight of 1 is.
pub(super) const UNIT: i32 = 256;

/// A place that a filter looks at, and what it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tap {
    /// Pixels to the right.
    pub(super) dx: isize,
    /// Pixels down.
    pub(super) dy: isize,
    /// Weight in [`UNIT`]s.
    pub(super) weight: i32,
}

/// Replaces each pixel of an RGB picture by the weighted sum of others. Pixels of the border
/// stand for those beyond it.
pub(super) fn filter(picture: &mut Picture, taps: &[Tap], scratch: &mut Scratch) {
    let reach = taps.iter().map(|tap| tap.dx.unsigned_abs().max(tap.dy.unsigned_abs())).max();
    let reach = reach.unwrap_or(0);
    let [width, height] = [picture.width, picture.height].map(|side| side as usize);
    if width == 0 || height == 0 {
        return;
    }
    let Scratch { padded, sums, .. } = scratch;
    pad(picture, reach, padded);
    let stride = (width + 2 * reach) * 3;
    sums.resize(width * 3, 0);
    for (y, row) in picture.samples.chunks_exact_mut(width * 3).enumerate() {
        sums.fill(UNIT / 2);
        for tap in taps {
            let x = reach.wrapping_add_signed(tap.dx);
            let at = (y + reach).wrapping_add_signed(tap.dy) * stride + x * 3;
            add(sums, &padded[at..at + width * 3], tap.weight);
        }
        finish(row, sums);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn add(sums: &mut [i32], samples: &[u8], weight: i32) {
    for (sum, sample) in sums.iter_mut().zip(samples) {
        *sum += weight * i32::from(*sample);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn finish(row: &mut [u8], sums: &[i32]) {
    for (sample, sum) in row.iter_mut().zip(sums) {
        *sample = (sum / UNIT).clamp(0, 255) as u8;
    }
}

/// Copies a picture with `reach` further pixels on all sides.
fn pad(picture: &Picture, reach: usize, padded: &mut Vec<u8>) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    padded.clear();
    for y in 0..height + 2 * reach {
        let row = y.saturating_sub(reach).min(height - 1) * width * 3;
        let row = &picture.samples[row..row + width * 3];
        (0..reach).for_each(|_| padded.extend_from_slice(&row[..3]));
        padded.extend_from_slice(row);
        (0..reach).for_each(|_| padded.extend_from_slice(&row[width * 3 - 3..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Layout;

    #[test]
    fn a_tap_aside_moves_the_picture_and_repeats_its_border() {
        let samples = vec![1, 2, 3, 40, 50, 60];
        let mut picture = Picture { width: 2, height: 1, layout: Layout::Rgb, samples };
        let taps = [Tap { dx: 1, dy: -1, weight: UNIT }];
        filter(&mut picture, &taps, &mut Scratch::default());
        assert_eq!(picture.samples, [40, 50, 60, 40, 50, 60]);
        let taps = [Tap { dx: 0, dy: 0, weight: -UNIT }];
        filter(&mut picture, &taps, &mut Scratch::default());
        assert_eq!(picture.samples, [0; 6]);
    }
}
