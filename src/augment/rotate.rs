//! `rotate`: turns the picture about its middle.

use serde::{Deserialize, Serialize};

use super::affine::Affine;
use super::check::{Unfit, within};
use super::warp::View;
use crate::stats::random::SplitMix64;

/// Turns by an angle from −`degrees` to `degrees`, all equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Largest angle, 0 to 180 degrees.
    pub degrees: f64,
}

impl Rotate {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        within("degrees", self.degrees, 0.0, 180.0)
    }

    pub(super) fn draw(&self, random: &mut SplitMix64, view: &View) -> Affine {
        let degrees = random.uniform(-self.degrees, self.degrees);
        Affine::rotation(degrees.to_radians()).about(view.centre())
    }
}
