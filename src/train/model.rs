//! A trained model from its file: what `predict` uses, and `eval` on another dataset.
//!
//! Takes the bytes of `model.onnx`; gives predictions for a dataset's images. Everything that is
//! needed beside the weights stands in the file's metadata.

use std::path::Path;

use super::data::{
    CACHE_BYTES, Framing, LabelWeights, PoseExamples, Source, SourceSettings, Subject,
    pose_examples,
};
use super::error::TrainError;
use super::export::{KEY, ModelCard};
use super::material::MaterialError;
use super::predict::{Predicted, Reader, Target};
use super::predictor::Predictor;
use super::runtime::{Runtime, SessionSettings};
use super::session::Sessions;
use crate::dataset::PredictedPose;
use crate::dataset::{BBox, Dataset};

/// A trained model, compiled.
#[derive(Debug)]
pub struct TrainedModel {
    predictor: Predictor,
    card: ModelCard,
    framing: Framing,
}

impl TrainedModel {
    /// Compiles a model file, for so many threads; 0 takes one per core.
    ///
    /// # Errors
    /// [`TrainError`] where the file is no model of labelvet's.
    pub fn new(
        runtime: &Runtime,
        path: &Path,
        bytes: &[u8],
        threads: usize,
    ) -> Result<TrainedModel, TrainError> {
        let settings = SessionSettings { threads, ..SessionSettings::default() };
        let sessions = Sessions::new(runtime, settings);
        let other = |reason: String| TrainError::NoModel { path: path.into(), reason };
        let mut predictor =
            Predictor::new(&sessions, bytes, [0, 0]).map_err(|error| other(error.to_string()))?;
        let text = predictor.metadata(KEY);
        let text = text.ok_or_else(|| other(format!("its metadata has no `{KEY}`")))?;
        let card = ModelCard::parse(&text).map_err(|error| other(error.to_string()))?;
        let [width, height] = card.size;
        predictor.set_size([height, width]);
        let margin = if card.subject == "instance" { card.box_margin } else { 0.0 };
        let framing = Framing::new(card.size.map(|side| side as u32), margin);
        let framing = framing.map_err(MaterialError::from)?;
        Ok(TrainedModel { predictor, card, framing })
    }

    /// Returns what the file says of itself.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Returns the names of keypoints or classes.
    pub fn names(&self) -> &[String] {
        &self.card.names
    }

    /// Says whether a dataset has instances with the model's keypoints.
    pub fn fits(&self, dataset: &Dataset) -> bool {
        self.skeleton(dataset).is_some_and(|skeleton| {
            dataset.instances.iter().any(|instance| instance.skeleton == Some(skeleton))
        })
    }

    fn skeleton(&self, dataset: &Dataset) -> Option<u16> {
        let found = dataset.skeletons.iter().position(|s| s.keypoints == self.card.names);
        found.map(|at| at as u16)
    }

    /// Returns where keypoints are in a dataset's images: of each labelled animal where the
    /// model looks at boxes and there are any, else one of each image. A model that looks at
    /// boxes takes the whole of an image without any as one.
    ///
    /// # Errors
    /// [`TrainError`] where ONNX Runtime fails, or no skeleton has the model's keypoints.
    pub fn poses(
        &mut self,
        dataset: &Dataset,
        each: &dyn Fn(),
    ) -> Result<Predicted<PredictedPose>, TrainError> {
        let skeleton = self
            .skeleton(dataset)
            .ok_or_else(|| TrainError::OtherKeypoints { expected: self.card.names.join(", ") })?;
        let targets = self.targets(dataset, skeleton);
        let source = self.source(dataset, &targets);
        let mut reader =
            Reader { predictor: &mut self.predictor, source: &source, framing: self.framing };
        reader.poses(&targets, skeleton, each)
    }

    /// Returns the probabilities of classes for each image.
    ///
    /// # Errors
    /// [`TrainError`] where ONNX Runtime fails.
    pub fn classes(
        &mut self,
        dataset: &Dataset,
        each: &dyn Fn(),
    ) -> Result<Predicted<Vec<f32>>, TrainError> {
        let targets: Vec<Target> = (0..dataset.images.len() as u32).map(whole).collect();
        let source = self.source(dataset, &targets);
        let mut reader =
            Reader { predictor: &mut self.predictor, source: &source, framing: self.framing };
        reader.classes(&targets, each)
    }

    fn targets(&self, dataset: &Dataset, skeleton: u16) -> Vec<Target> {
        let images: Vec<u32> = (0..dataset.images.len() as u32)
            .filter(|&at| dataset.images[at as usize].file.is_some())
            .collect();
        let subject = match self.card.subject.as_str() {
            "instance" => Subject::Instance,
            _ => Subject::Auto,
        };
        let weights = LabelWeights::default();
        let settings =
            PoseExamples { skeleton, subject, weights: &weights, ..PoseExamples::default() };
        let labelled = pose_examples(dataset, &images, &settings).unwrap_or_default();
        let mut targets: Vec<Target> = labelled
            .iter()
            .map(Target::of)
            // A model of whole images sees the whole, whatever is labelled.
            .map(|target| match subject {
                Subject::Instance => target,
                Subject::Auto | Subject::Image => Target { region: None, ..target },
            })
            .collect();
        if subject != Subject::Instance {
            targets.dedup_by_key(|target| target.image);
        }
        let mut seen = vec![false; dataset.images.len()];
        for target in &targets {
            seen[target.image as usize] = true;
        }
        targets.extend(images.into_iter().filter(|&image| !seen[image as usize]).map(whole));
        targets.sort_by_key(|target| (target.image, target.instance));
        targets
    }

    fn source(&self, dataset: &Dataset, targets: &[Target]) -> Source {
        let regions = targets.iter().filter_map(|t| Some((t.image, t.region?)));
        let regions: Vec<(u32, BBox)> = regions.collect();
        // Every image is looked at once; those of several animals are kept.
        let cache_bytes = if regions.is_empty() { 0 } else { CACHE_BYTES };
        let settings = SourceSettings { framing: self.framing, magnification: 1.0, cache_bytes };
        Source::new(dataset, regions.into_iter(), settings)
    }
}

fn whole(image: u32) -> Target {
    Target { image, instance: None, region: None }
}
