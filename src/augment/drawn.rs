//! What one sample undergoes: the plan with its dice thrown.

use super::affine::Affine;
use super::flip::Flip;
use super::plan::{Plan, Step, Transform};
use super::scratch::Scratch;
use super::warp::{View, Warp};
use super::{Equalize, elastic::Ripple};
use crate::dataset::BBox;
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// The transforms of one sample: a map of places, then changes of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    warp: Warp,
    sides: Sides,
    scale: f64,
    effects: Vec<Effect>,
}

/// Whether left and right have changed places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// They are as in the stored image.
    Kept,
    /// The picture is mirrored.
    Exchanged,
}

/// A step that changes the output, with random numbers of its own.
#[derive(Debug, Clone, PartialEq)]
struct Effect {
    transform: Transform,
    random: SplitMix64,
}

impl Plan {
    /// Draws what one sample undergoes. All depends on the stream alone, and each step draws
    /// from a stream of its own, so that changing one leaves the others as they were.
    pub fn draw(&self, random: &mut SplitMix64, view: &View) -> Drawn {
        let mut map = view.frame;
        let mut ripple: Option<Ripple> = None;
        let mut sides = Sides::Kept;
        let mut effects = Vec::new();
        for Step { transform, probability } in &self.steps {
            let mut random = random.fork();
            if !random.chance(*probability) {
                continue;
            }
            let step = match transform {
                Transform::Rotate(rotate) => rotate.draw(&mut random, view),
                Transform::Scale(scale) => scale.draw(&mut random, view),
                Transform::Shift(shift) => shift.draw(&mut random, view),
                Transform::CropAndPad(crop) => crop.draw(&mut random, view),
                Transform::Flip(_) => {
                    sides = sides.exchanged();
                    Flip::map(view)
                }
                Transform::Elastic(elastic) => {
                    ripple = Some(elastic.draw(&mut random, view));
                    Affine::IDENTITY
                }
                effect => {
                    effects.push(Effect { transform: *effect, random });
                    Affine::IDENTITY
                }
            };
            map = map.then(step);
        }
        let warp = Warp::new(view.size, map, ripple);
        Drawn { warp, sides, scale: view.magnification(), effects }
    }
}

impl Drawn {
    /// Returns where a point of the stored image lies in the output.
    pub fn point(&self, stored: [f64; 2]) -> [f64; 2] {
        self.warp.point(stored)
    }

    /// Returns the smallest box in the output that holds the corners of a box of the stored
    /// image. It may leave the output.
    pub fn bbox(&self, stored: &BBox) -> BBox {
        self.warp.bbox(stored)
    }

    /// Tells whether left and right have changed places, in which case labels change theirs.
    pub fn sides(&self) -> Sides {
        self.sides
    }

    /// Draws the output `[height, width, 3]`, RGB.
    ///
    /// `source` is in [`crate::pixels::Layout::Rgb`] and shows a stored image of width and height
    /// `stored`, at that size or shrunk.
    ///
    /// # Panics
    /// Panics when `source` has fewer samples than its size says.
    pub fn picture(
        &self,
        source: &Picture,
        stored: [u32; 2],
        output: &mut Picture,
        scratch: &mut Scratch,
    ) {
        self.warp.picture(source, stored, output, scratch);
        for Effect { transform, random } in &self.effects {
            let mut random = random.clone();
            match transform {
                Transform::MotionBlur(blur) => {
                    blur.apply(&mut random, self.scale, output, scratch);
                }
                Transform::Noise(noise) => noise.apply(&mut random, output),
                Transform::CoarseDropout(dropout) => {
                    dropout.apply(&mut random, self.scale, output);
                }
                Transform::Equalize(_) => Equalize::apply(output),
                Transform::Clahe(clahe) => clahe.apply(&mut random, output),
                Transform::Emboss(emboss) => emboss.apply(&mut random, output, scratch),
                Transform::Brightness(brightness) => brightness.apply(&mut random, output),
                Transform::Rotate(_)
                | Transform::Scale(_)
                | Transform::Shift(_)
                | Transform::Flip(_)
                | Transform::CropAndPad(_)
                | Transform::Elastic(_) => {}
            }
        }
    }
}

impl Sides {
    fn exchanged(self) -> Self {
        match self {
            Sides::Kept => Sides::Exchanged,
            Sides::Exchanged => Sides::Kept,
        }
    }
}
