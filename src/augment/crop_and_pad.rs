//! `crop_and_pad`: cuts off or adds at each side, and brings what is left to the same size.

use serde::{Deserialize, Serialize};

use super::affine::Affine;
use super::check::{Unfit, within};
use super::warp::View;
use crate::stats::random::SplitMix64;

/// Moves each of the four sides by itself, inwards or outwards, by up to a share of the output's
/// width or height. The sides of the picture may come out of proportion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropAndPad {
    /// Largest share, 0 to 0.45, so that something is left.
    pub share: f64,
}

impl CropAndPad {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        within("share", self.share, 0.0, 0.45)
    }

    pub(super) fn draw(&self, random: &mut SplitMix64, view: &View) -> Affine {
        let mut side = || random.uniform(-self.share, self.share);
        // Shares added before the first pixel and behind the last.
        let mut axis = || {
            let (before, behind) = (side(), side());
            let factor = 1.0 / (1.0 + before + behind);
            (factor, before * factor)
        };
        let ((by_x, before_x), (by_y, before_y)) = (axis(), axis());
        let [width, height] = view.size.map(f64::from);
        Affine::scale(by_x, by_y).then(Affine::shift(before_x * width, before_y * height))
    }
}
