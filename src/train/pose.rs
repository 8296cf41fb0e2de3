//! A pose model, its loss and its parameters as one forward pass to be trained.
//!
//! Takes a model and the shape of a batch; gives a [`Forward`] whose inputs are `images`, the
//! targets of [`PoseTargets`] and the model's masks, and whose results are `loss`,
//! `score_loss`, `offset_loss` and `losses` (each image's and keypoint's, `[N, K]`).

use super::loss::{Losses, PoseLossSettings, PoseTargets, pose_loss};
use super::step::{Forward, StepError, Tracked, Trained};
use crate::models::{Built, Mode, Model, PoseModel, PoseOutputs, Regularisation};
use crate::onnx::{Graph, TensorType};

/// Whose statistics batch normalisation takes in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormStatistics {
    /// Those of the batch; running ones follow.
    Batch,
    /// The running ones, which stay as they are. Needs trained weights.
    Frozen,
}

/// How a pose model is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseTraining {
    /// The model.
    pub model: PoseModel,
    /// Number of images in a batch.
    pub batch: usize,
    /// Height and width of the images in pixels, multiples of 16.
    pub size: [usize; 2],
    /// Whose statistics batch normalisation takes.
    pub statistics: NormStatistics,
    /// What is left out at random.
    pub regularisation: Regularisation,
    /// The loss.
    pub loss: PoseLossSettings,
    /// Weight decay of the weights of convolutions; biases and normalisations have none.
    pub weight_decay: f32,
    /// Factor of the trunk's learning rate; 0 freezes its weights.
    pub trunk_rate: f32,
    /// Factor of the head's learning rate.
    pub head_rate: f32,
}

/// Prefix of the names of the head's parameters.
const HEAD: &str = "head.";

/// Builds the forward pass of a training.
///
/// # Errors
/// [`StepError::Model`] where the model does not fit together, [`StepError::Graph`] where the
/// size does not fit the model.
pub fn pose_forward(training: &PoseTraining) -> Result<(Forward, Masks), StepError> {
    let mut graph = Graph::new();
    let [height, width] = training.size;
    let images = TensorType::f32(&[training.batch, 3, height, width]);
    let images = graph.input("images", images);
    let mode = match training.statistics {
        NormStatistics::Batch => Mode::Train(training.regularisation),
        NormStatistics::Frozen => Mode::FrozenStatistics(training.regularisation),
    };
    let Built { outputs, interface } = training.model.build(&mut graph, images, mode)?;
    let PoseOutputs { score_maps, locref } = outputs;
    let heads: [usize; 4] = match *graph.shape(score_maps) {
        [n, k, h, w] => [n, k, h, w],
        _ => unreachable!("score maps have four axes"),
    };
    let targets = PoseTargets::inputs(&mut graph, heads);
    let Losses { total, score, offset, each } =
        pose_loss(&mut graph, score_maps, locref, &targets, &training.loss)?;
    let trained = interface.parameters.iter().map(|input| Trained {
        name: input.parameter.name.clone(),
        value: input.value,
        rate: if input.parameter.name.starts_with(HEAD) {
            training.head_rate
        } else {
            training.trunk_rate
        },
        decay: if input.parameter.kind.decays() { training.weight_decay } else { 0.0 },
    });
    let tracked = interface.statistics.iter().map(|statistics| Tracked {
        mean_name: statistics.running.mean(),
        variance_name: statistics.running.variance(),
        mean: statistics.mean,
        inverse_deviation: statistics.inverse_deviation,
        count: statistics.count,
        epsilon: statistics.running.epsilon,
    });
    let fixed = match training.statistics {
        NormStatistics::Batch => Vec::new(),
        NormStatistics::Frozen => {
            let running = interface.running.iter();
            running.flat_map(|running| [running.mean(), running.variance()]).collect()
        }
    };
    let results =
        [("loss", total), ("score_loss", score), ("offset_loss", offset), ("losses", each)];
    let forward = Forward {
        loss: total,
        trained: trained.collect(),
        tracked: tracked.collect(),
        fixed,
        results: results.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        graph,
    };
    Ok((forward, interface.masks))
}

/// Masks that are drawn anew for each pass.
pub type Masks = Vec<crate::onnx::Mask>;
