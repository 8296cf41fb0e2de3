//! Predictions of a trained model for images of a dataset.
//!
//! Takes an exported model and what is to be looked at, an image or a box in it; gives the
//! places of keypoints in the image's own pixels, or probabilities of classes. Images that
//! cannot be read are told, and do not stop the others.

use rayon::prelude::*;

use super::data::{Decoding, Example, Framing, Source};
use super::error::TrainError;
use super::peaks::peaks;
use super::predictor::Predictor;
use crate::augment::{Plan, Scratch, View};
use crate::dataset::BBox;
use crate::dataset::{PredictedPoint, PredictedPose};
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Images that the network sees at once.
const BATCH: usize = 8;

/// What the network is to look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Index into [`crate::dataset::Dataset::images`].
    pub image: u32,
    /// Index into [`crate::dataset::Dataset::instances`], where it is about a labelled one.
    pub instance: Option<u32>,
    /// Box that is shown; `None` for the whole image.
    pub region: Option<BBox>,
}

impl Target {
    /// Returns what an example shows.
    pub fn of(example: &Example) -> Target {
        Target { image: example.image, instance: example.instance, region: example.region }
    }
}

/// What was predicted for targets, in their order; `None` where an image cannot be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predicted<T> {
    /// One entry per target.
    pub found: Vec<Option<T>>,
    /// Images that cannot be read, and why.
    pub unreadable: Vec<(u32, String)>,
}

/// A model with what brings images to it.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The model.
    pub predictor: &'a mut Predictor,
    /// Where pictures come from.
    pub source: &'a Source,
    /// How they are brought to the size of the network's input.
    pub framing: Framing,
}

impl Reader<'_> {
    /// Returns where keypoints are; `skeleton` is an index into
    /// [`crate::dataset::Dataset::skeletons`]. `each` is told of every image that is done.
    ///
    /// # Errors
    /// [`TrainError::Session`] where ONNX Runtime fails.
    pub fn poses(
        &mut self,
        targets: &[Target],
        skeleton: u16,
        each: &dyn Fn(),
    ) -> Result<Predicted<PredictedPose>, TrainError> {
        self.run(targets, &["score_maps", "locref"], each, |target, view, outputs| {
            let [(scores, shape), (locref, _)] = outputs else {
                unreachable!("two outputs were asked for")
            };
            let back = view.frame.inverse();
            let shape = [shape[1], shape[2], shape[3]];
            let points = peaks(scores, locref, shape).into_iter().map(|peak| {
                let [x, y] = back.point([peak.x, peak.y]);
                PredictedPoint { x, y, likelihood: peak.likelihood }
            });
            let mut prediction = PredictedPose {
                image: target.image,
                instance: target.instance,
                skeleton,
                score: 0.0,
                points: points.collect(),
            };
            prediction.score = prediction.mean_likelihood();
            prediction
        })
    }

    /// Returns the probabilities of classes.
    ///
    /// # Errors
    /// [`TrainError::Session`] where ONNX Runtime fails.
    pub fn classes(
        &mut self,
        targets: &[Target],
        each: &dyn Fn(),
    ) -> Result<Predicted<Vec<f32>>, TrainError> {
        self.run(targets, &["probabilities"], each, |_, _, outputs| outputs[0].0.to_vec())
    }

    fn run<T>(
        &mut self,
        targets: &[Target],
        outputs: &[&str],
        each: &dyn Fn(),
        read: impl Fn(&Target, &View, &[(&[f32], &[usize])]) -> T,
    ) -> Result<Predicted<T>, TrainError> {
        let mut predicted = Predicted { found: Vec::new(), unreadable: Vec::new() };
        let [width, height] = self.framing.size().map(|side| side as usize);
        for targets in targets.chunks(BATCH) {
            let shown: Vec<Result<(View, Vec<f32>), String>> = targets
                .par_iter()
                .map_init(Workspace::default, |space, target| self.show(target, space))
                .collect();
            let mut images = Vec::with_capacity(shown.len() * 3 * width * height);
            for (_, planes) in shown.iter().flatten() {
                images.extend_from_slice(planes);
            }
            let given =
                if images.is_empty() { Vec::new() } else { self.predictor.run(images, outputs)? };
            let mut at = 0;
            for (target, shown) in targets.iter().zip(shown) {
                each();
                match shown {
                    Ok((view, _)) => {
                        let parts: Vec<(&[f32], &[usize])> = given
                            .iter()
                            .map(|tensor| {
                                let len = tensor.elements.len() / tensor.shape[0];
                                (&tensor.elements[at * len..][..len], tensor.shape.as_slice())
                            })
                            .collect();
                        predicted.found.push(Some(read(target, &view, &parts)));
                        at += 1;
                    }
                    Err(reason) => {
                        predicted.found.push(None);
                        predicted.unreadable.push((target.image, reason));
                    }
                }
            }
        }
        Ok(predicted)
    }

    /// Returns what the network sees of a target: planes of red, green and blue, 0 to 255.
    fn show(&self, target: &Target, space: &mut Workspace) -> Result<(View, Vec<f32>), String> {
        let shown = self.source.get(target.image, &mut space.decoding)?;
        let view = self.framing.view(shown.stored, target.region.as_ref());
        // Nothing is drawn of a plan without steps.
        let drawn = Plan::none().draw(&mut SplitMix64::named("none", 0), &view);
        drawn.picture(&shown.picture, shown.stored, &mut space.picture, &mut space.scratch);
        let planes = (0..3).flat_map(|channel| {
            space.picture.samples.iter().skip(channel).step_by(3).map(|&sample| f32::from(sample))
        });
        Ok((view, planes.collect()))
    }
}

/// Memory of one thread.
#[derive(Debug, Default)]
struct Workspace {
    decoding: Decoding,
    picture: Picture,
    scratch: Scratch,
}
