//! Augmentation: transforms of a picture together with its keypoints and boxes.
//!
//! Takes a [`Plan`] (a list of steps, each a [`Transform`] with its probability), a stream of
//! random numbers and a [`View`] of a stored image; gives [`Drawn`], which moves pictures, points
//! and boxes by exactly the same map. Opens no file and keeps no state: the same stream gives the
//! same output.
//!
//! Geometric steps become one map from the stored image to the output, so that a picture is
//! resampled once; the others then change the output in the plan's order. Lengths in a plan are
//! pixels of the stored image, whatever the output's size.

mod affine;
mod brightness;
mod check;
mod clahe;
mod coarse_dropout;
mod crop_and_pad;
mod drawn;
mod elastic;
mod emboss;
mod equalize;
mod filter;
mod flip;
mod motion_blur;
mod noise;
mod plan;
mod rotate;
mod scale;
mod scratch;
mod shift;
#[cfg(test)]
mod tests;
mod warp;

pub use affine::Affine;
pub use brightness::Brightness;
pub use clahe::Clahe;
pub use coarse_dropout::CoarseDropout;
pub use crop_and_pad::CropAndPad;
pub use drawn::{Drawn, Sides};
pub use elastic::Elastic;
pub use emboss::Emboss;
pub use equalize::Equalize;
pub use flip::{Flip, flip_permutation};
pub use motion_blur::MotionBlur;
pub use noise::Noise;
pub use plan::{Plan, PlanError, Step, Transform};
pub use rotate::Rotate;
pub use scale::Scale;
pub use scratch::Scratch;
pub use shift::Shift;
pub use warp::{FILL, View, Warp};
