//! Losses of pose and of class, written into a graph.
//!
//! Takes what a head gives and inputs with targets and weights; gives the loss that is
//! differentiated, and losses per image and keypoint to record.

use serde::{Deserialize, Serialize};

use crate::onnx::{Graph, GraphError, Keep, TensorType, Value};

/// Added to a sum of weights, so that a batch without any label has a loss of 0.
const TINY: f32 = 1e-6;

/// How score maps are compared with their targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreLoss {
    /// Sigmoid cross-entropy: targets are probabilities. DeepLabCut's on TensorFlow.
    CrossEntropy,
    /// Squared error of the logits themselves, as heat-map regression has it.
    SquaredError,
}

/// What is compared with the outputs of a pose head, as inputs of a graph.
///
/// # Shapes
/// For `N` images, `K` keypoints, score maps of `h × w`: `scores, score_weights: [N, K, h, w]`;
/// `offsets, offset_weights: [N, 2K, h, w]`, channels 2k and 2k + 1 the offsets of keypoint k
/// along x and y.
#[derive(Clone, Copy, Debug)]
pub struct PoseTargets {
    /// Target of each score, 0 to 1.
    pub scores: Value,
    /// Weight of each score, 0 for what is not to be learnt.
    pub score_weights: Value,
    /// Target of each offset (locref), in units of its standard deviation.
    pub offsets: Value,
    /// Weight of each offset, 0 away from keypoints.
    pub offset_weights: Value,
}

impl PoseTargets {
    /// Adds the inputs `scores`, `score_weights`, `offsets` and `offset_weights`, for heads of
    /// `[N, K, h, w]`.
    pub fn inputs(graph: &mut Graph, heads: [usize; 4]) -> Self {
        let scores = TensorType::f32(&heads);
        let [n, k, h, w] = heads;
        let offsets = TensorType::f32(&[n, 2 * k, h, w]);
        PoseTargets {
            scores: graph.input("scores", scores.clone()),
            score_weights: graph.input("score_weights", scores),
            offsets: graph.input("offsets", offsets.clone()),
            offset_weights: graph.input("offset_weights", offsets),
        }
    }
}

/// How a pose is compared with its targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseLossSettings {
    /// How score maps are compared.
    pub scores: ScoreLoss,
    /// Weight of the offsets' loss beside the scores'. DeepLabCut's is 0.05.
    pub offset_weight: f32,
    /// Where the offsets' Huber loss turns linear, in their standard deviations.
    pub huber_delta: f32,
}

impl Default for PoseLossSettings {
    fn default() -> Self {
        PoseLossSettings { scores: ScoreLoss::CrossEntropy, offset_weight: 0.05, huber_delta: 1.0 }
    }
}

/// Losses of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Losses {
    /// What is differentiated: one value.
    pub total: Value,
    /// The part of the score maps or of the classes; one value.
    pub score: Value,
    /// The part of the offsets, weighted; one value. Zero for classes.
    pub offset: Value,
    /// Loss of each image and keypoint, `[N, K]`, or of each image, `[N, 1]`, weighted so that
    /// it sums to `total`.
    pub each: Value,
}

/// Adds the loss of a pose: `Σ w·l(score) / Σ w + a · Σ w·huber(offset) / Σ w`.
///
/// # Shapes
/// `scores: [N, K, h, w]`, `offsets: [N, 2K, h, w]`.
///
/// # Errors
/// [`GraphError::Inputs`] when the shapes do not fit.
pub fn pose_loss(
    graph: &mut Graph,
    scores: Value,
    offsets: Value,
    targets: &PoseTargets,
    settings: &PoseLossSettings,
) -> Result<Losses, GraphError> {
    let [n, k, h, w] = graph.shape(scores)[..] else {
        return Err(GraphError::NotScalar(graph.tensor(scores).clone()));
    };
    let score = match settings.scores {
        ScoreLoss::CrossEntropy => graph.sigmoid_cross_entropy(scores, targets.scores)?,
        ScoreLoss::SquaredError => {
            let error = graph.sub(scores, targets.scores)?;
            graph.mul(error, error)?
        }
    };
    let score = weighted(graph, score, targets.score_weights, &[n, k, h * w], 1.0)?;
    let offset = graph.huber(offsets, targets.offsets, settings.huber_delta)?;
    let factor = settings.offset_weight;
    let offset = weighted(graph, offset, targets.offset_weights, &[n, k, 2 * h * w], factor)?;
    let each = graph.add(score, offset)?;
    Ok(Losses {
        total: graph.reduce_sum(each, &[0, 1])?,
        score: graph.reduce_sum(score, &[0, 1])?,
        offset: graph.reduce_sum(offset, &[0, 1])?,
        each,
    })
}

/// Adds the cross-entropy of classes: `mean over images of −Σ t·log softmax(x)`, with targets
/// `t` smoothed to `(1 − s)·t + s/C`.
///
/// # Shapes
/// `logits, targets: [N, C]`, targets one-hot or probabilities; `weights: [N, 1]`.
///
/// # Source
/// Szegedy et al. (2016), "Rethinking the Inception Architecture", section 7 (smoothing).
///
/// # Errors
/// [`GraphError::Inputs`] when the shapes do not fit.
pub fn class_loss(
    graph: &mut Graph,
    logits: Value,
    targets: Value,
    weights: Value,
    smoothing: f32,
) -> Result<Losses, GraphError> {
    let shape = graph.shape(logits).to_vec();
    let classes = shape.last().copied().unwrap_or(1).max(1);
    let kept = graph.scale(targets, smoothing - 1.0)?;
    let spread = graph.scalar(-smoothing / classes as f32);
    let negative = graph.add(kept, spread)?;
    let logs = graph.log_softmax(logits, 1)?;
    let each = graph.mul(logs, negative)?;
    let each = graph.reduce_sum(each, &[1])?;
    let each = graph.reshape(each, &[shape[0], 1])?;
    let each = weighted(graph, each, weights, &[shape[0], 1, 1], 1.0)?;
    let zero = graph.scalar(0.0);
    let total = graph.reduce_sum(each, &[0, 1])?;
    Ok(Losses { total, score: total, offset: zero, each })
}

/// Adds `factor · Σ w·l / Σ w` in parts: summed over the last of three axes that the elements
/// are cut into, `[N, K]`.
fn weighted(
    graph: &mut Graph,
    losses: Value,
    weights: Value,
    parts: &[usize; 3],
    factor: f32,
) -> Result<Value, GraphError> {
    let axes: Vec<usize> = (0..graph.tensor(weights).rank()).collect();
    let sum = graph.reduce_sum(weights, &axes)?;
    let tiny = graph.scalar(TINY);
    let sum = graph.add(sum, tiny)?;
    let factor = graph.scalar(factor);
    let share = graph.div(factor, sum)?;
    let products = graph.mul(losses, weights)?;
    let products = graph.reshape(products, parts)?;
    let sums = graph.reduce_sum(products, &[2])?;
    debug_assert_eq!(graph.shape(sums), Keep::No.shape(parts, &[2]));
    graph.mul(sums, share)
}
