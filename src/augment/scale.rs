//! `scale`: enlarges or shrinks the picture about its middle.

use serde::{Deserialize, Serialize};

use super::affine::Affine;
use super::check::{Unfit, ordered};
use super::warp::View;
use crate::stats::random::SplitMix64;

/// Multiplies lengths by a factor of the range, all equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Least and greatest factor, 0.1 to 10.
    pub range: [f64; 2],
}

impl Scale {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        ordered("range", self.range, 0.1, 10.0)
    }

    pub(super) fn draw(&self, random: &mut SplitMix64, view: &View) -> Affine {
        let factor = random.uniform(self.range[0], self.range[1]);
        Affine::scale(factor, factor).about(view.centre())
    }
}
