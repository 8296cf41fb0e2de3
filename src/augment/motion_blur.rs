//! `motion_blur`: smears the picture along a line, as a moving camera does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check::{Unfit, within};
use super::filter::{Tap, UNIT, filter};
use super::scratch::Scratch;
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Smears along a line of any direction; its weight falls from one end to the other by a random
/// amount, as in a movement that slows down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionBlur {
    /// Length of the line in pixels of the stored image, 1 (no blur) to 101.
    pub length_px: f64,
}

/// Samples of the line per pixel.
const DENSITY: f64 = 4.0;
/// Longest line in pixels of the output.
const LONGEST: f64 = 101.0;

impl MotionBlur {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        within("length_px", self.length_px, 1.0, LONGEST)
    }

    /// Blurs an output with `scale` pixels for one of the stored image.
    pub(super) fn apply(
        &self,
        random: &mut SplitMix64,
        scale: f64,
        picture: &mut Picture,
        scratch: &mut Scratch,
    ) {
        let angle = random.uniform(0.0, std::f64::consts::TAU);
        let slope = random.uniform(-1.0, 1.0);
        let length = (self.length_px * scale).min(LONGEST);
        if length > 1.0 {
            filter(picture, &line(length, angle, slope), scratch);
        }
    }
}

/// Returns the taps of a line through the middle, whose weights sum to [`UNIT`].
fn line(length: f64, angle: f64, slope: f64) -> Vec<Tap> {
    let (sin, cos) = angle.sin_cos();
    let count = (length * DENSITY).ceil() as usize;
    let mut kernel: BTreeMap<(isize, isize), f64> = BTreeMap::new();
    for sample in 0..count {
        // From −1 to 1. The ends lie in the middle of their pixels, which are one wide.
        let t = (2 * sample + 1) as f64 / count as f64 - 1.0;
        let along = t * (length - 1.0) / 2.0;
        let (x, y) = (along * cos, along * sin);
        let (left, top) = (x.floor(), y.floor());
        for (dx, share_x) in [(left, left + 1.0 - x), (left + 1.0, x - left)] {
            for (dy, share_y) in [(top, top + 1.0 - y), (top + 1.0, y - top)] {
                let weight = (1.0 + slope * t) * share_x * share_y;
                *kernel.entry((dy as isize, dx as isize)).or_default() += weight;
            }
        }
    }
    let total: f64 = kernel.values().sum();
    let mut taps: Vec<Tap> = kernel
        .into_iter()
        .map(|((dy, dx), weight)| Tap {
            dx,
            dy,
            weight: (weight / total * f64::from(UNIT)).round() as i32,
        })
        .filter(|tap| tap.weight != 0)
        .collect();
    // What rounding lost or gained goes to the heaviest tap, so that brightness stays.
    let missing = UNIT - taps.iter().map(|tap| tap.weight).sum::<i32>();
    if let Some(heaviest) = taps.iter_mut().max_by_key(|tap| tap.weight) {
        heaviest.weight += missing;
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_line_spreads_over_its_length_and_keeps_brightness() {
        let taps = line(5.0, 0.0, 0.0);
        assert_eq!(taps.iter().map(|tap| tap.weight).sum::<i32>(), UNIT);
        assert!(taps.iter().all(|tap| tap.dy == 0 && tap.dx.abs() <= 2));
        assert_eq!(taps.len(), 5);
        let slanted = line(9.0, 0.7, -0.9);
        assert_eq!(slanted.iter().map(|tap| tap.weight).sum::<i32>(), UNIT);
        assert!(slanted.iter().all(|tap| tap.weight > 0));
    }
}
