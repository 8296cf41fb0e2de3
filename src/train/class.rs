//! A classifier and its loss as one forward pass to be trained.
//!
//! Takes a model and the shape of a batch; gives a [`Forward`] whose inputs are `images`,
//! `classes` (`[N, C]`, one-hot or probabilities), `weights` (`[N, 1]`) and the model's
//! masks, and whose results are those of a pose, `losses` being `[N, 1]`.

use super::forward::{Forward, Masks, Training};
use super::loss::class_loss;
use super::step::StepError;
use crate::models::{Built, Classifier, Model};
use crate::onnx::{Graph, TensorType};

/// How a classifier is trained.
pub type ClassTraining = Training<Classifier, ClassLossSettings>;

/// How classes are compared with their targets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassLossSettings {
    /// Share of a target that is spread over all classes, 0 to below 1.
    pub smoothing: f32,
}

/// Builds the forward pass of a training.
///
/// # Errors
/// [`StepError::Model`] where the model does not fit together, [`StepError::Graph`] where the
/// size does not fit the model.
pub fn class_forward(training: &ClassTraining) -> Result<(Forward, Masks), StepError> {
    let mut graph = Graph::new();
    let images = training.images(&mut graph);
    let Built { outputs, interface } = training.model.build(&mut graph, images, training.mode())?;
    let (batch, classes) = (training.batch, training.model.classes);
    let targets = graph.input("classes", TensorType::f32(&[batch, classes]));
    let weights = graph.input("weights", TensorType::f32(&[batch, 1]));
    let smoothing = training.loss.smoothing;
    let losses = class_loss(&mut graph, outputs.logits, targets, weights, smoothing)?;
    let head = training.model.architecture.classifier();
    Ok(training.forward(graph, interface, &losses, head))
}
