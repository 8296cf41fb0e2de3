//! The graph that updates all parameters from all gradients.
//!
//! Takes the settings of an optimiser and the size of the flat vectors; gives a graph whose
//! state outputs may be bound over its state inputs. Learning rate, step, clip limit and scale
//! are inputs, so that a schedule never builds it anew.

use super::layout::ROW;
use crate::onnx::ops::{AdamUpdate, LookAhead, RunningStatistics, SgdUpdate, Update, WeightDecay};
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

    let mut norm = graph.gradient_norm(gradients, scale, limit)?;
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
        let names = ["running_mean", "running_variance", "batch_mean", "batch_inverse", "unbias"];
        let [mean, variance, of_batch, inverse, unbias] =
            names.map(|name| graph.input(name, TensorType::f32(&[statistics.len])));
        let operator =
            RunningStatistics { momentum: statistics.momentum, epsilon: statistics.epsilon };
        let [mean, variance] = graph.running_statistics(
            operator,
            [mean, variance],
            [of_batch, inverse],
            unbias,
            norm.finite,
        )?;
        graph.output("running_mean'", mean);
        graph.output("running_variance'", variance);
    }
    graph.output("norm", norm.norm);
    graph.output("finite", norm.finite);
    Ok(graph)
}
