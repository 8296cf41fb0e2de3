//! Framing: how an image, or a region of it, gets into the input of a network. Prediction frames
//! by the same map as training does without augmentation.

use crate::augment::{Affine, View};
use crate::dataset::BBox;

/// What sides of an input are multiples of: the stride of features at a fourth stage.
pub const MULTIPLE: u32 = 16;
/// Largest side of an input in pixels.
pub const LARGEST: u32 = 4096;

/// How images get into an input: scaled to fit, proportions kept, in the middle; what is left is
/// black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Framing {
    size: [u32; 2],
    margin: f64,
}

/// Says why an input cannot have a size.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FramingError {
    /// A side is no multiple of [`MULTIPLE`], or too small or large.
    #[error(
        "an input of {width} × {height} pixels does not fit: sides are multiples of {MULTIPLE}, \
         at most {LARGEST}"
    )]
    Size {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// The margin is negative or not finite.
    #[error("the margin must be from 0 to 4, not {0}")]
    Margin(f64),
}

impl Framing {
    /// Returns the framing for an input of width and height `size`. Around regions there is a
    /// margin, on each side that share (0 to 4) of the region's width or height.
    ///
    /// # Errors
    /// [`FramingError`] when sides are no multiples of 16, or the margin is out of range.
    pub fn new(size: [u32; 2], margin: f64) -> Result<Framing, FramingError> {
        let [width, height] = size;
        let fits =
            |side: u32| (MULTIPLE..=LARGEST).contains(&side) && side.is_multiple_of(MULTIPLE);
        if !fits(width) || !fits(height) {
            return Err(FramingError::Size { width, height });
        }
        if !(0.0..=4.0).contains(&margin) {
            return Err(FramingError::Margin(margin));
        }
        Ok(Framing { size, margin })
    }

    /// Returns width and height of the input in pixels.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// Returns how a region (or the whole) of an image of width and height `image` is shown: the
    /// map from pixels of the stored image to pixels of the input. [`Affine::inverse`] leads
    /// predictions back.
    pub fn view(&self, image: [u32; 2], region: Option<&BBox>) -> View {
        let (corner, extent) = match region {
            Some(region) => {
                let (x, y) = (self.margin * region.width, self.margin * region.height);
                let corner = [region.x - x, region.y - y];
                (corner, [region.width + 2.0 * x, region.height + 2.0 * y])
            }
            None => ([0.0; 2], image.map(f64::from)),
        };
        // A box without area is shown as a pixel.
        let extent = extent.map(|side| side.max(1.0));
        let [width, height] = self.size.map(f64::from);
        let scale = (width / extent[0]).min(height / extent[1]);
        let middle = [0, 1].map(|at| corner[at] + extent[at] / 2.0);
        let frame = Affine::shift(-middle[0], -middle[1])
            .then(Affine::scale(scale, scale))
            .then(Affine::shift(width / 2.0, height / 2.0));
        View { size: self.size, frame }
    }
}

/// Returns the size of an input for images of width and height `image` at a scale (input pixels
/// per image pixel; DeepLabCut's `global_scale`), rounded to multiples of 16.
pub fn input_size(image: [u32; 2], scale: f64) -> [u32; 2] {
    image.map(|side| {
        let multiples = (f64::from(side) * scale / f64::from(MULTIPLE)).round() as u32;
        multiples.clamp(1, LARGEST / MULTIPLE) * MULTIPLE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_fit_in_the_middle_and_lead_back() {
        let framing = Framing::new([256, 192], 0.0).unwrap();
        let frame = framing.view([640, 640], None).frame;
        assert_eq!(frame.point([0.0, 0.0]), [32.0, 0.0]);
        assert_eq!(frame.point([640.0, 640.0]), [224.0, 192.0]);
        let [x, y] = frame.inverse().point([32.0, 96.0]);
        assert!(x.abs() < 1e-9 && (y - 320.0).abs() < 1e-9);
    }

    #[test]
    fn regions_have_their_margin() {
        let framing = Framing::new([64, 64], 0.25).unwrap();
        let region = BBox { x: 100.0, y: 50.0, width: 40.0, height: 20.0 };
        let frame = framing.view([640, 480], Some(&region)).frame;
        assert_eq!(frame.point([90.0, 60.0]), [0.0, 32.0]);
        assert_eq!(frame.point([150.0, 60.0]), [64.0, 32.0]);
    }

    #[test]
    fn sizes_are_multiples_of_sixteen() {
        assert_eq!(input_size([640, 480], 0.4), [256, 192]);
        assert_eq!(input_size([3, 10_000], 0.8), [16, 4096]);
        let error = Framing::new([250, 192], 0.0).unwrap_err();
        assert_eq!(error, FramingError::Size { width: 250, height: 192 });
        assert!(Framing::new([256, 192], f64::NAN).is_err());
    }
}
