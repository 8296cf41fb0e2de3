//! `emboss`: lights edges from the one side and darkens them from the other, as a relief.

use serde::{Deserialize, Serialize};

use super::check::{Unfit, ordered};
use super::filter::{Tap, UNIT, filter};
use super::scratch::Scratch;
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Mixes the picture with its relief, which is lit from the upper left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emboss {
    /// Least and greatest share of the relief, 0 to 1.
    pub share: [f64; 2],
    /// Least and greatest strength of the relief, 0 to 4.
    pub strength: [f64; 2],
}

impl Emboss {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        ordered("share", self.share, 0.0, 1.0)?;
        ordered("strength", self.strength, 0.0, 4.0)
    }

    pub(super) fn apply(
        &self,
        random: &mut SplitMix64,
        picture: &mut Picture,
        scratch: &mut Scratch,
    ) {
        let share = random.uniform(self.share[0], self.share[1]);
        let strength = random.uniform(self.strength[0], self.strength[1]);
        filter(picture, &relief(share, strength), scratch);
    }
}

/// Returns the taps `(1 − a)·1 + a·K`, where K weighs the lower right with 1 + s and s, the upper
/// left with their negatives, and the pixel itself with 1. They sum to [`UNIT`]: flat parts stay.
fn relief(a: f64, s: f64) -> Vec<Tap> {
    let fixed = |weight: f64| (weight * f64::from(UNIT)).round() as i32;
    let corner = fixed(a * (1.0 + s));
    let side = fixed(a * s);
    let tap = |dx, dy, weight| Tap { dx, dy, weight };
    vec![
        tap(-1, -1, -corner),
        tap(0, -1, -side),
        tap(-1, 0, -side),
        tap(0, 0, UNIT),
        tap(1, 0, side),
        tap(0, 1, side),
        tap(1, 1, corner),
    ]
}
