//! The graphs that update all parameters from all gradients.
//!
//! Takes the settings of an optimiser and the size of the flat vectors; gives graphs whose
//! state outputs may be bound over its state inputs. Learning rate, step, clip limit and scale
//! are inputs, so that a schedule never builds it anew.

use super::layout::{Layout, ROW};
use crate::onnx::ops::{
    AdamUpdate, LookAhead, RunningStatistics, SegmentNorms, SgdUpdate, Update, WeightDecay,
};
use crate::onnx::{Graph, GraphError, TensorType, Value};

/// How parameters follow their gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// Adam or AdamW.
    Adam {
        /// What the means keep of their past, `β₁` and `β₂`.
        betas: [f32; 2],
        /// `ε`.
        epsilon: f32,
        /// How weight decay acts.
        weight_decay: WeightDecay,
    },
    /// Gradient descent with momentum.
    Sgd {
        /// What the mean keeps of its past.
        momentum: f32,
        /// Where the gradient is thought to be taken.
        look_ahead: LookAhead,
    },
}

impl Optimiser {
    /// Returns AdamW with PyTorch's defaults: `β = (0.9, 0.999)`, `ε = 10⁻⁸`.
    pub const fn adam_w() -> Self {
        Optimiser::Adam { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: WeightDecay::Decoupled }
    }

    /// Returns Adam with PyTorch's defaults; weight decay adds to the gradient.
    pub const fn adam() -> Self {
        Optimiser::Adam { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: WeightDecay::Coupled }
    }

    /// Returns gradient descent with a momentum of 0.9.
    pub const fn sgd() -> Self {
        Optimiser::Sgd { momentum: 0.9, look_ahead: LookAhead::None }
    }

    /// Returns the names of the optimiser's own vectors, each as long as the parameters.
    pub fn means(self) -> &'static [&'static str] {
        match self {
            Optimiser::Adam { .. } => &["mean", "square"],
            Optimiser::Sgd { .. } => &["momentum"],
        }
    }
}

/// How gradients are limited before the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clipping {
    /// All together, to a norm; a limit of infinity leaves them as they are.
    Norm,
    /// Each element, to a size.
    Value,
    /// The gradient of each unit, to a share of the unit's weights
    /// ([`crate::onnx::ops::AdaptiveClip`]), before the update sees it.
    Adaptive,
}

/// Running statistics that are updated, too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatisticsSettings {
    /// Elements of the flat vectors.
    pub len: usize,
    /// Share of the new batch.
    pub momentum: f32,
    /// `ε` of the normalisations.
    pub epsilon: f32,
}

/// What an update graph is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdateSettings {
    /// How parameters follow their gradients.
    pub optimiser: Optimiser,
    /// How gradients are limited.
    pub clipping: Clipping,
    /// Rows of the flat vectors of parameters.
    pub rows: usize,
    /// Running statistics; `None` where they are frozen.
    pub statistics: Option<StatisticsSettings>,
    /// Whether an exponential moving average of the parameters is kept.
    pub average: Average,
}

/// Whether a moving average of the parameters is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// None.
    Off,
    /// `a′ = p′ + k·(a − p′)` with `k` as input `average_keep`.
    Exponential,
}

/// Builds the update graph.
///
/// Inputs, flat `[rows, 64]`: `parameters`, `gradients`, the optimiser's means, `average`;
/// `[rows, 1]`: `rate`, `decay`; `[len]`: `running_mean`, `running_variance`, `batch_mean`,
/// `batch_inverse`, `unbias`; scalars: `learning_rate`, `step` (from 1), `scale` (of the
/// gradients), `limit`, `average_keep`. Outputs: every state under its name with `'`; `norm`
/// (before clipping) and `finite` (1 or 0).
///
/// # Errors
/// None for sizes that [`super::layout::Layout`] gives.
pub fn update_graph(settings: &UpdateSettings) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let flat = TensorType::f32(&[settings.rows, ROW]);
    let by_row = TensorType::f32(&[settings.rows, 1]);
    let parameters = graph.input("parameters", flat.clone());
    let mut gradients = graph.input("gradients", flat.clone());
    let rate = graph.input("rate", by_row.clone());
    let decay = graph.input("decay", by_row);
    let scalar = |graph: &mut Graph, name: &str| graph.input(name, TensorType::f32(&[]));
    let learning_rate = scalar(&mut graph, "learning_rate");
    let scale = scalar(&mut graph, "scale");
    let limit = scalar(&mut graph, "limit");

    // Adaptive clipping has its own graph, and its own limit.
    let norm_limit = match settings.clipping {
        Clipping::Adaptive => graph.scalar(f32::INFINITY),
        Clipping::Norm | Clipping::Value => limit,
    };
    let mut norm = graph.gradient_norm(gradients, scale, norm_limit)?;
    if settings.clipping == Clipping::Value {
        gradients = graph.clip_value(gradients, scale, limit)?;
        norm.factor = graph.scalar(1.0);
    }
    let update = Update {
        parameters,
        gradients,
        factor: norm.factor,
        finite: norm.finite,
        learning_rate,
        rate,
        decay,
    };
    let means: Vec<Value> =
        settings.optimiser.means().iter().map(|name| graph.input(name, flat.clone())).collect();
    let new: Vec<Value> = match settings.optimiser {
        Optimiser::Adam { betas, epsilon, weight_decay } => {
            let step = scalar(&mut graph, "step");
            let adam = AdamUpdate { betas, epsilon, weight_decay };
            graph.adam_update(adam, &update, [means[0], means[1]], step)?.to_vec()
        }
        Optimiser::Sgd { momentum, look_ahead } => {
            graph.sgd_update(SgdUpdate { momentum, look_ahead }, &update, means[0])?.to_vec()
        }
    };
    graph.output("parameters'", new[0]);
    for (name, value) in settings.optimiser.means().iter().zip(&new[1..]) {
        graph.output(&format!("{name}'"), *value);
    }
    if settings.average == Average::Exponential {
        let average = graph.input("average", flat);
        let keep = scalar(&mut graph, "average_keep");
        let distance = graph.sub(average, new[0])?;
        let distance = graph.mul(distance, keep)?;
        let moved = graph.add(new[0], distance)?;
        graph.output("average'", moved);
    }
    if let Some(statistics) = settings.statistics {
        statistics_part(&mut graph, &statistics, Some(norm.finite))?;
    }
    graph.output("norm", norm.norm);
    graph.output("finite", norm.finite);
    Ok(graph)
}

/// Builds the graph that adds the gradients of one more pass to a sum, and moves the running
/// statistics, which each pass has its own of.
///
/// Inputs, flat `[rows, 64]`: `gradients` (the sum, a state) and `pass_gradients`; scalar
/// `keep`: 0 to begin a sum, else 1; those of statistics as in [`update_graph`].
///
/// # Errors
/// None for sizes that [`super::layout::Layout`] gives.
pub fn accumulate_graph(
    rows: usize,
    statistics: Option<StatisticsSettings>,
) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let flat = TensorType::f32(&[rows, ROW]);
    let sum = graph.input("gradients", flat.clone());
    let new = graph.input("pass_gradients", flat);
    let keep = graph.input("keep", TensorType::f32(&[]));
    let whole = graph.add(sum, new)?;
    // A choice, not a product: a former sum that is not finite must not stay.
    let half = graph.scalar(0.5);
    let adds = graph.greater(keep, half)?;
    let sum = graph.select(adds, whole, new)?;
    graph.output("gradients'", sum);
    if let Some(statistics) = statistics {
        statistics_part(&mut graph, &statistics, None)?;
    }
    Ok(graph)
}

/// Builds the graph that clips each tensor's gradient adaptively, in place.
///
/// Inputs: every tensor's parameters under its name, and gradients under the name that
/// `gradient` gives, which are states; scalars `scale` and `limit`.
///
/// # Errors
/// None for tensors of at least one element.
pub fn clip_graph(layout: &Layout, gradient: impl Fn(&str) -> String) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let [scale, limit] = ["scale", "limit"].map(|name| graph.input(name, TensorType::f32(&[])));
    for place in layout.places() {
        let tensor = TensorType::f32(&place.shape);
        let weights = graph.input(&place.name, tensor.clone());
        let name = gradient(&place.name);
        let gradients = graph.input(&name, tensor);
        let clipped = graph.adaptive_clip(weights, gradients, scale, limit)?;
        graph.output(&format!("{name}'"), clipped);
    }
    Ok(graph)
}

/// Builds the graph that gives the norm of each tensor's gradient, as `norms`, from the flat
/// `gradients` and a scalar `scale`.
///
/// # Errors
/// None for a layout of at least one tensor.
pub fn norms_graph(layout: &Layout) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let gradients = graph.input("gradients", TensorType::f32(&[layout.rows(), ROW]));
    let scale = graph.input("scale", TensorType::f32(&[]));
    let mut tensor_of_row = vec![0; layout.rows()];
    for (index, place) in layout.places().iter().enumerate() {
        tensor_of_row[place.row..place.row + place.rows()].fill(index);
    }
    let operator = SegmentNorms { tensor_of_row, count: layout.places().len() };
    let norms = graph.segment_norms(operator, gradients, scale)?;
    graph.output("norms", norms);
    Ok(graph)
}

/// Adds the update of running statistics: where `finite` says so, or else where the batch's
/// means are finite.
fn statistics_part(
    graph: &mut Graph,
    settings: &StatisticsSettings,
    finite: Option<Value>,
) -> Result<(), GraphError> {
    let names = ["running_mean", "running_variance", "batch_mean", "batch_inverse", "unbias"];
    let [mean, variance, of_batch, inverse, unbias] =
        names.map(|name| graph.input(name, TensorType::f32(&[settings.len])));
    let finite = match finite {
        Some(finite) => finite,
        None => {
            let rows = graph.reshape(of_batch, &[settings.len / ROW, ROW])?;
            let one = graph.scalar(1.0);
            graph.gradient_norm(rows, one, one)?.finite
        }
    };
    let operator = RunningStatistics { momentum: settings.momentum, epsilon: settings.epsilon };
    let [mean, variance] = graph.running_statistics(
        operator,
        [mean, variance],
        [of_batch, inverse],
        unbias,
        finite,
    )?;
    graph.output("running_mean'", mean);
    graph.output("running_variance'", variance);
    Ok(())
}
