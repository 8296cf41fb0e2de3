//! A pose model and its loss as one forward pass to be trained.
//!
//! Takes a model and the shape of a batch; gives a [`Forward`] whose inputs are `images`, the
//! targets of [`PoseTargets`] and the model's masks, and whose results are `loss`,
//! `score_loss`, `offset_loss` and `losses` (each image's and keypoint's, `[N, K]`).

use super::forward::{Forward, Masks, Training};
use super::loss::{PoseLossSettings, PoseTargets, pose_loss};
use super::step::StepError;
use crate::models::{Built, Model, PoseModel, PoseOutputs};
use crate::onnx::Graph;

/// How a pose model is trained.
pub type PoseTraining = Training<PoseModel, PoseLossSettings>;

/// Prefix of the names of the head's parameters.
pub(super) const HEAD: &str = "head.";

/// Builds the forward pass of a training.
///
/// # Errors
/// [`StepError::Model`] where the model does not fit together, [`StepError::Graph`] where the
/// size does not fit the model.
pub fn pose_forward(training: &PoseTraining) -> Result<(Forward, Masks), StepError> {
    let mut graph = Graph::new();
    let images = training.images(&mut graph);
    let Built { outputs, interface } = training.model.build(&mut graph, images, training.mode())?;
    let PoseOutputs { score_maps, locref } = outputs;
    let heads: [usize; 4] = match *graph.shape(score_maps) {
        [n, k, h, w] => [n, k, h, w],
        _ => unreachable!("score maps have four axes"),
    };
    let targets = PoseTargets::inputs(&mut graph, heads);
    let losses = pose_loss(&mut graph, score_maps, locref, &targets, &training.loss)?;
    Ok(training.forward(graph, interface, &losses, HEAD))
}
