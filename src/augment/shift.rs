//! `shift`: moves the picture within its frame.

use serde::{Deserialize, Serialize};

use super::affine::Affine;
use super::check::{Unfit, within};
use super::warp::View;
use crate::stats::random::SplitMix64;

/// Moves along x and y, each by up to a share of the output's width or height, either way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Largest share, 0 to 1.
    pub share: f64,
}

impl Shift {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        within("share", self.share, 0.0, 1.0)
    }

    pub(super) fn draw(&self, random: &mut SplitMix64, view: &View) -> Affine {
        let [dx, dy] =
            view.size.map(|side| f64::from(side) * random.uniform(-self.share, self.share));
        Affine::shift(dx, dy)
    }
}
