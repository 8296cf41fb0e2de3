//! Training steps on a device: the forward and backward pass, and the update, as sessions
//! that share parameters, gradients and statistics without a copy.
//!
//! Takes a graph of one pass and the settings of an update; gives a [`Trainer`] that is fed
//! batches and keeps the whole state on the device. Reads no files, knows no schedule.

use super::layout::Layout;
use super::session::{SessionError, Sessions};
use super::state::{Bound, State, batch_name, gradient_name, inverse_name, sum_name};
use super::update::{
    Average, Clipping, Optimiser, StatisticsSettings, UpdateSettings, accumulate_graph, clip_graph,
    norms_graph, update_graph,
};
use crate::onnx::{Encoding, Graph, Value, check_in_place, encode, gradients, lower};

/// A tensor that is trained.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its name, unique.
    pub name: String,
    /// The input of the graph that it is.
    pub value: Value,
    /// Factor of the learning rate; 0 freezes it.
    pub rate: f32,
    /// Weight decay.
    pub decay: f32,
}

/// A batch normalisation's running statistics.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Name of the running mean, such as `bn1.running_mean`.
    pub mean_name: String,
    /// Name of the running variance.
    pub variance_name: String,
    /// Mean of the batch, `[C]`.
    pub mean: Value,
    /// `1/√(v + ε)` of the batch, `[C]`.
    pub inverse_deviation: Value,
    /// Number of values that each mean is of: N·H·W.
    pub count: usize,
}

/// The forward pass with its loss, before it is differentiated.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The graph; its inputs beside the trained tensors are fed.
    pub graph: Graph,
    /// One value, to be made small.
    pub loss: Value,
    /// What is trained.
    pub trained: Vec<Trained>,
    /// Running statistics, empty where they are frozen.
    pub tracked: Vec<Tracked>,
    /// What else is read after a pass: name and value.
    pub results: Vec<(String, Value)>,
}

/// How a trainer updates.
#[derive(Clone, Debug)]
pub struct TrainerSettings {
    /// How graphs are written.
    pub encoding: Encoding,
    /// How parameters follow their gradients.
    pub optimiser: Optimiser,
    /// How gradients are limited.
    pub clipping: Clipping,
    /// Whether a moving average of the parameters is kept.
    pub average: Average,
    /// Whether gradients of several passes are summed before an update.
    pub accumulation: Accumulation,
    /// Share of a new batch in running statistics; PyTorch's default is 0.1.
    pub statistics_momentum: f32,
    /// `ε` of the batch normalisations.
    pub epsilon: f32,
}

/// Whether an update follows each pass or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulation {
    /// Each pass replaces the gradients of the former.
    Off,
    /// Passes are summed until an update, which takes their mean.
    Sum,
}

/// What an update is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Learning rate.
    pub learning_rate: f32,
    /// Limit of the gradient's norm, of its elements, or of its share of the weights; infinity
    /// for none.
    pub limit: f32,
    /// What gradients are multiplied with: one over the loss scale. The mean over summed
    /// passes is taken beside it.
    pub scale: f32,
    /// What the moving average of the parameters keeps of its past.
    pub average_keep: f32,
}

impl Default for Rates {
    fn default() -> Self {
        Rates { learning_rate: 1e-3, limit: f32::INFINITY, scale: 1.0, average_keep: 0.0 }
    }
}

/// What an update says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Updated {
    /// Norm of all gradients together, before clipping; after it where it is adaptive.
    pub norm: f32,
    /// Whether it was a finite number; if not, nothing was changed.
    pub finite: bool,
}

/// What goes wrong with a trainer.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The graph cannot be built, differentiated or written.
    #[error(transparent)]
    Graph(#[from] crate::onnx::GraphError),
    /// The model does not fit together.
    #[error(transparent)]
    Model(#[from] crate::models::ModelError),
    /// A state would be read after it has been overwritten.
    #[error(transparent)]
    Overwrite(#[from] crate::onnx::OverwriteError),
    /// A session cannot be made.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// ONNX Runtime fails.
    #[error("training step failed: {0}")]
    Runtime(#[from] ort::Error),
    /// A further pass is not of the same model.
    #[error("the pass does not train the same tensors as the first")]
    OtherModel,
    /// A trained tensor does not move the loss.
    #[error("the loss does not depend on {0}")]
    Unused(String),
    /// A name is not one of the inputs, results or tensors.
    #[error("there is no {kind} `{name}`")]
    Unknown {
        /// `input`, `result` or `tensor`.
        kind: &'static str,
        /// The name asked for.
        name: String,
    },
    /// A number of elements does not fit.
    #[error("`{name}` takes {expected} elements, not {found}")]
    Length {
        /// Name of the input or tensor.
        name: String,
        /// How many it has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
}

/// A compiled pass for images of one shape.
struct Pass {
    bound: Bound,
    /// What the names of its own inputs and results begin with.
    prefix: String,
    /// What unbiases the variance of each channel: depends on the number of places.
    unbias: Vec<f32>,
}

/// The state of a training on a device, and the sessions that move it.
pub struct Trainer {
    // Sessions are dropped before the memory that they are bound to.
    passes: Vec<Pass>,
    chosen: usize,
    accumulate: Option<Bound>,
    clip: Option<Bound>,
    norms: Bound,
    update: Bound,
    state: State,
    steps: u64,
    /// Passes since the last update.
    summed: u32,
    average: Average,
    means: &'static [&'static str],
    encoding: Encoding,
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("tensors", &self.layout().places().len())
            .field("elements", &self.layout().len())
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl Trainer {
    /// Differentiates the forward pass, compiles the graphs and allocates the state, all 0.
    ///
    /// # Errors
    /// [`StepError`] when a graph cannot be written, compiled or bound.
    pub fn new(
        sessions: &Sessions,
        forward: Forward,
        settings: &TrainerSettings,
    ) -> Result<Self, StepError> {
        let layout = Layout::new(shapes(&forward.graph, &forward.trained, |t| (&t.name, t.value)));
        let statistics =
            Layout::new(shapes(&forward.graph, &forward.tracked, |t| (&t.mean_name, t.mean)));
        let tracked = (!statistics.is_empty()).then_some(StatisticsSettings {
            len: statistics.len(),
            momentum: settings.statistics_momentum,
            epsilon: settings.epsilon,
        });
        let sums = settings.accumulation == Accumulation::Sum;
        let update = update_graph(&UpdateSettings {
            optimiser: settings.optimiser,
            clipping: settings.clipping,
            rows: layout.rows(),
            statistics: tracked.filter(|_| !sums),
            average: settings.average,
        })?;
        let variances =
            forward.tracked.iter().map(|t| (t.variance_name.clone(), t.mean_name.clone()));
        let mut state =
            State::new(layout.clone(), statistics, variances.collect(), settings.accumulation);
        let mut bind = |graph: &Graph| bound(sessions, &settings.encoding, &mut state, "", graph);
        let accumulate = match settings.accumulation {
            Accumulation::Sum => Some(bind(&accumulate_graph(layout.rows(), tracked)?)?),
            Accumulation::Off => None,
        };
        let clip = match settings.clipping {
            Clipping::Adaptive => Some(bind(&clip_graph(&layout, sum_name)?)?),
            Clipping::Norm | Clipping::Value => None,
        };
        let norms = bind(&norms_graph(&layout)?)?;
        let update = bind(&update)?;
        let mut trainer = Trainer {
            passes: Vec::new(),
            chosen: 0,
            accumulate,
            clip,
            norms,
            update,
            state,
            steps: 0,
            summed: 0,
            average: settings.average,
            means: settings.optimiser.means(),
            encoding: settings.encoding.clone(),
        };
        trainer.set_rows(&forward)?;
        trainer.add(sessions, forward)?;
        trainer.choose(0)?;
        Ok(trainer)
    }

    /// Compiles the same model's pass for images of another shape, and returns its number: the
    /// first has 0. Parameters and statistics are shared, inputs and results are its own.
    ///
    /// # Errors
    /// [`StepError::OtherModel`] when it does not train the same tensors; [`StepError`] when
    /// the graph cannot be written, compiled or bound.
    pub fn add(&mut self, sessions: &Sessions, mut forward: Forward) -> Result<usize, StepError> {
        let layout = Layout::new(shapes(&forward.graph, &forward.trained, |t| (&t.name, t.value)));
        let tracked =
            Layout::new(shapes(&forward.graph, &forward.tracked, |t| (&t.mean_name, t.mean)));
        if layout != *self.layout() || tracked != *self.state.statistics() {
            return Err(StepError::OtherModel);
        }
        let mut unbias = vec![1.0; tracked.len()];
        for (place, tracked) in tracked.places().iter().zip(&forward.tracked) {
            let count = tracked.count.max(2) as f32;
            unbias[place.start()..][..place.volume()].fill(count / (count - 1.0));
        }
        let prefix = format!("{}/", self.passes.len());
        let graph = pass_graph(&mut forward)?;
        let bound = bound(sessions, &self.encoding, &mut self.state, &prefix, graph)?;
        self.passes.push(Pass { bound, prefix, unbias });
        Ok(self.passes.len() - 1)
    }

    /// Chooses the pass that is fed, run and read from now on, by its number.
    ///
    /// # Errors
    /// [`StepError::Unknown`] when there is none of that number.
    pub fn choose(&mut self, number: usize) -> Result<(), StepError> {
        let pass = self
            .passes
            .get(number)
            .ok_or_else(|| StepError::Unknown { kind: "pass", name: number.to_string() })?;
        if !self.state.statistics().is_empty() {
            self.state.write_whole("vector", "unbias", &pass.unbias)?;
        }
        self.chosen = number;
        Ok(())
    }

    /// Gives an input of the pass its elements for the next run.
    ///
    /// # Errors
    /// [`StepError::Unknown`] and [`StepError::Length`].
    pub fn feed(&mut self, name: &str, elements: &[f32]) -> Result<(), StepError> {
        let whole = format!("{}{name}", self.passes[self.chosen].prefix);
        self.state.write_whole("input", &whole, elements)
    }

    /// Runs the forward and backward pass on what was fed. Gradients replace the former ones,
    /// or are added to those since the last update.
    ///
    /// # Errors
    /// [`StepError::Runtime`].
    pub fn pass(&mut self) -> Result<(), StepError> {
        self.passes[self.chosen].bound.run()?;
        if let Some(accumulate) = &mut self.accumulate {
            let keep = if self.summed == 0 { 0.0 } else { 1.0 };
            self.state.write_scalar("keep", keep)?;
            accumulate.run()?;
            self.summed += 1;
        } else {
            self.summed = 1;
        }
        Ok(())
    }

    /// Moves the parameters by the gradients and counts a step, unless a gradient is not
    /// finite.
    ///
    /// # Errors
    /// [`StepError::Runtime`].
    pub fn update(&mut self, rates: &Rates) -> Result<Updated, StepError> {
        let numbers = [
            ("learning_rate", rates.learning_rate),
            ("limit", rates.limit),
            ("scale", rates.scale / self.summed.max(1) as f32),
            ("average_keep", rates.average_keep),
            ("step", (self.steps + 1) as f32),
        ];
        for (name, number) in numbers {
            self.state.write_scalar(name, number)?;
        }
        if let Some(clip) = &mut self.clip {
            clip.run()?;
        }
        self.update.run()?;
        self.summed = 0;
        let norm = self.state.read_whole("result", "norm")?[0];
        let finite = self.state.read_whole("result", "finite")?[0] > 0.5;
        self.steps += u64::from(finite);
        Ok(Updated { norm, finite })
    }

    /// Returns the norm of each trained tensor's gradient in the order of the layout, scaled
    /// as the next update would scale it.
    ///
    /// # Errors
    /// [`StepError::Runtime`].
    pub fn gradient_norms(&mut self, scale: f32) -> Result<Vec<f32>, StepError> {
        self.state.write_scalar("scale", scale / self.summed.max(1) as f32)?;
        self.norms.run()?;
        self.state.read_whole("result", "norms")
    }

    /// Returns the elements of a result of the last pass.
    ///
    /// # Errors
    /// [`StepError::Unknown`].
    pub fn result(&self, name: &str) -> Result<Vec<f32>, StepError> {
        let whole = format!("{}{name}", self.passes[self.chosen].prefix);
        self.state.read_whole("result", &whole)
    }

    /// Sets a tensor of the model: a trained one, whose moving average follows, a running mean
    /// or a running variance.
    ///
    /// # Errors
    /// [`StepError::Unknown`] and [`StepError::Length`].
    pub fn set(&mut self, name: &str, elements: &[f32]) -> Result<(), StepError> {
        if self.average == Average::Exponential && self.layout().place(name).is_some() {
            self.state.write_vector("average", name, elements)?;
        }
        if let Some(own) = self.own(name) {
            return self.state.write_whole("tensor", &own, elements);
        }
        self.state.write(name, elements)
    }

    /// Returns the elements of a tensor of the model: a trained one, a running mean or a
    /// running variance.
    ///
    /// # Errors
    /// [`StepError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Vec<f32>, StepError> {
        if let Some(own) = self.own(name) {
            return self.state.read_whole("tensor", &own);
        }
        self.state.read(name)
    }

    /// Returns the name of the memory of an input of the chosen pass, as frozen statistics are.
    fn own(&self, name: &str) -> Option<String> {
        let own = format!("{}{name}", self.passes.get(self.chosen)?.prefix);
        self.state.has(&own).then_some(own)
    }

    /// Returns what one of the vectors holds for a trained tensor: `parameters`, `gradients`,
    /// `average` or one of [`Optimiser::means`].
    ///
    /// # Errors
    /// [`StepError::Unknown`].
    pub fn vector(&self, vector: &str, name: &str) -> Result<Vec<f32>, StepError> {
        self.state.read_vector(vector, name)
    }

    /// Sets what one of the vectors holds for a trained tensor, as when a checkpoint is loaded.
    ///
    /// # Errors
    /// [`StepError::Unknown`] and [`StepError::Length`].
    pub fn set_vector(
        &mut self,
        vector: &str,
        name: &str,
        elements: &[f32],
    ) -> Result<(), StepError> {
        self.state.write_vector(vector, name, elements)
    }

    /// Returns where the trained tensors lie.
    pub fn layout(&self) -> &Layout {
        self.state.layout()
    }

    /// Returns the number of updates that moved the parameters.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets the number of updates done, as when a checkpoint is loaded.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Returns the names of the optimiser's own vectors.
    pub fn means(&self) -> &'static [&'static str] {
        self.means
    }

    /// Fills what stays the same: rate and decay of each row, and what no pass writes.
    fn set_rows(&mut self, forward: &Forward) -> Result<(), StepError> {
        let of = |name: &str| forward.trained.iter().find(|tensor| tensor.name == name);
        let rate = self.layout().by_row(|place| of(&place.name).map_or(0.0, |t| t.rate));
        let decay = self.layout().by_row(|place| of(&place.name).map_or(0.0, |t| t.decay));
        self.state.write_whole("vector", "rate", &rate)?;
        self.state.write_whole("vector", "decay", &decay)?;
        let len = self.state.statistics().len();
        if self.state.statistics().is_empty() {
            return Ok(());
        }
        // Between tensors lie elements that no pass writes; 1/s² must be finite there.
        self.state.write_whole("vector", "batch_inverse", &vec![1.0; len])
    }
}

/// Compiles a graph and binds it to the state.
fn bound(
    sessions: &Sessions,
    encoding: &Encoding,
    state: &mut State,
    prefix: &str,
    graph: &Graph,
) -> Result<Bound, StepError> {
    check_states(graph, encoding)?;
    let mut bound = Bound::new(sessions.compile(&encode(graph, encoding)?)?)?;
    let allocator = || sessions.allocator(&bound.session);
    state.bind(prefix, &allocator, &mut bound.binding, graph)?;
    Ok(bound)
}

/// Adds gradients and names all outputs of a pass: `x.gradient` of each trained tensor,
/// `x.batch` and `x.batch_inverse` of each running mean, and the results.
///
/// # Errors
/// [`StepError::Graph`], [`StepError::Unused`].
pub fn pass_graph(forward: &mut Forward) -> Result<&Graph, StepError> {
    let by: Vec<Value> = forward.trained.iter().map(|tensor| tensor.value).collect();
    let found = gradients(&mut forward.graph, forward.loss, &by)?;
    for (tensor, gradient) in forward.trained.iter().zip(found) {
        let gradient = gradient.ok_or_else(|| StepError::Unused(tensor.name.clone()))?;
        forward.graph.output(&gradient_name(&tensor.name), gradient);
    }
    for tracked in &forward.tracked {
        forward.graph.output(&batch_name(&tracked.mean_name), tracked.mean);
        forward.graph.output(&inverse_name(&tracked.mean_name), tracked.inverse_deviation);
    }
    for (name, value) in &forward.results {
        forward.graph.output(name, *value);
    }
    Ok(&forward.graph)
}

/// Checks that every state of a graph may be written over itself.
fn check_states(graph: &Graph, encoding: &Encoding) -> Result<(), StepError> {
    let lowered = lower(graph, encoding)?;
    let states: Vec<_> = lowered
        .inputs
        .iter()
        .filter_map(|&input| {
            let new = format!("{}'", lowered.name(input));
            let output = lowered.outputs.iter().find(|&&output| lowered.name(output) == new)?;
            Some((input, *output))
        })
        .collect();
    Ok(check_in_place(&lowered, &states)?)
}

fn shapes<T>(
    graph: &Graph,
    tensors: &[T],
    named: impl Fn(&T) -> (&String, Value),
) -> Vec<(String, Vec<usize>)> {
    tensors
        .iter()
        .map(|tensor| {
            let (name, value) = named(tensor);
            (name.clone(), graph.shape(value).to_vec())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Provider;
    use crate::onnx::TensorType;
    use crate::onnx::ops::{Activation, Conv, LookAhead};
    use crate::train::check::random;
    use crate::train::runtime::{SessionSettings, for_tests};

    const SHAPES: [(&str, &[usize]); 4] =
        [("conv", &[4, 2, 3, 3]), ("bn.weight", &[4]), ("bn.bias", &[4]), ("head", &[3, 4, 1, 1])];

    /// A convolution, a batch normalisation with SiLU, a convolution; squared error.
    fn forward(height: usize) -> Forward {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[2, 2, height, 6]));
        let target = graph.input("target", TensorType::f32(&[2, 3, height, 6]));
        let values = SHAPES.map(|(name, shape)| graph.input(name, TensorType::f32(shape)));
        let same = Conv { pads: [1; 4], ..Conv::default() };
        let y = graph.conv(x, values[0], &same).expect("shapes");
        let norm = graph
            .batch_norm_train(y, values[1], values[2], 1e-3, Activation::Silu)
            .expect("shapes");
        let y = graph.conv(norm.y, values[3], &Conv::default()).expect("shapes");
        let error = graph.sub(y, target).expect("shapes");
        let squares = graph.mul(error, error).expect("shapes");
        let sum = graph.reduce_sum(squares, &[0, 1, 2, 3]).expect("shapes");
        let loss = graph.scale(sum, 1.0 / (36 * height) as f32).expect("shapes");
        let trained = SHAPES.iter().zip(values).map(|((name, shape), value)| Trained {
            name: (*name).to_owned(),
            value,
            rate: 1.0,
            decay: if shape.len() > 1 { 0.01 } else { 0.0 },
        });
        Forward {
            loss,
            trained: trained.collect(),
            tracked: vec![Tracked {
                mean_name: "bn.running_mean".to_owned(),
                variance_name: "bn.running_var".to_owned(),
                mean: norm.mean,
                inverse_deviation: norm.inverse_deviation,
                count: 12 * height,
            }],
            results: vec![("loss".to_owned(), loss)],
            graph,
        }
    }

    fn trainer(optimiser: Optimiser, clipping: Clipping, average: Average) -> Option<Trainer> {
        built(optimiser, clipping, average, Accumulation::Off)
    }

    fn built(
        optimiser: Optimiser,
        clipping: Clipping,
        average: Average,
        accumulation: Accumulation,
    ) -> Option<Trainer> {
        let settings = TrainerSettings {
            encoding: Encoding::plain(Provider::Cpu),
            optimiser,
            clipping,
            average,
            accumulation,
            statistics_momentum: 0.1,
            epsilon: 1e-3,
        };
        let sessions = Sessions::new(&for_tests()?, SessionSettings::default());
        let mut trainer = Trainer::new(&sessions, forward(6), &settings).expect("a trainer");
        for (index, (name, shape)) in SHAPES.iter().enumerate() {
            let mut elements = random(shape.iter().product(), index as u64);
            if *name == "bn.weight" {
                elements.fill(1.0);
            }
            trainer.set(name, &elements).expect("a tensor");
        }
        trainer.set("bn.running_var", &[1.0; 4]).expect("a tensor");
        trainer.feed("x", &random(144, 10)).expect("an input");
        trainer.feed("target", &random(216, 11)).expect("an input");
        Some(trainer)
    }

    fn losses(trainer: &mut Trainer, rates: Rates, steps: usize) -> Vec<f32> {
        (0..steps)
            .map(|_| {
                trainer.pass().expect("a pass");
                let updated = trainer.update(&rates).expect("an update");
                assert!(updated.finite);
                trainer.result("loss").expect("a loss")[0]
            })
            .collect()
    }

    #[test]
    fn every_optimiser_makes_the_loss_small() {
        let nesterov = Optimiser::Sgd { momentum: 0.9, look_ahead: LookAhead::Nesterov };
        let optimisers = [Optimiser::adam_w(), Optimiser::adam(), Optimiser::sgd(), nesterov];
        for optimiser in optimisers {
            for clipping in [Clipping::Norm, Clipping::Value, Clipping::Adaptive] {
                let Some(mut trainer) = trainer(optimiser, clipping, Average::Exponential) else {
                    return;
                };
                let rates = Rates { learning_rate: 0.02, limit: 1.0, ..Rates::default() };
                let losses = losses(&mut trainer, rates, 60);
                assert!(losses[59] < 0.7 * losses[0], "{optimiser:?} {clipping:?}: {losses:?}");
                assert_eq!(trainer.steps(), 60);
            }
        }
    }

    #[test]
    fn adam_moves_each_parameter_by_the_rate_in_its_first_step() {
        let Some(mut trainer) = trainer(Optimiser::adam(), Clipping::Norm, Average::Off) else {
            return;
        };
        let before = trainer.get("bn.bias").expect("a tensor");
        losses(&mut trainer, Rates { learning_rate: 0.01, ..Rates::default() }, 1);
        let after = trainer.get("bn.bias").expect("a tensor");
        let gradients = trainer.vector("gradients", "bn.bias").expect("gradients");
        for ((before, after), gradient) in before.iter().zip(after).zip(gradients) {
            assert!((after - before + 0.01 * gradient.signum()).abs() < 1e-5);
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let Some(mut trainer) = trainer(Optimiser::adam_w(), Clipping::Norm, Average::Exponential)
        else {
            return;
        };
        losses(&mut trainer, Rates::default(), 3);
        let state = |trainer: &Trainer| -> Vec<Vec<f32>> {
            let mut all = Vec::new();
            for (name, _) in SHAPES {
                for vector in ["parameters", "mean", "square"] {
                    all.push(trainer.vector(vector, name).expect("a vector"));
                }
            }
            for name in ["bn.running_mean", "bn.running_var"] {
                all.push(trainer.get(name).expect("a tensor"));
            }
            all
        };
        let before = state(&trainer);
        let mut x = random(144, 10);
        x[5] = f32::NAN;
        trainer.feed("x", &x).expect("an input");
        trainer.pass().expect("a pass");
        let updated = trainer.update(&Rates::default()).expect("an update");
        assert!(!updated.finite);
        assert_eq!(trainer.steps(), 3);
        assert_eq!(state(&trainer), before);
    }

    #[test]
    fn summed_passes_update_by_their_mean() {
        let rates = Rates { learning_rate: 0.01, limit: 0.5, ..Rates::default() };
        let Some(mut one) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else { return };
        let Some(mut two) =
            built(Optimiser::sgd(), Clipping::Norm, Average::Off, Accumulation::Sum)
        else {
            return;
        };
        for _ in 0..3 {
            losses(&mut one, rates, 1);
            two.pass().expect("a pass");
            losses(&mut two, rates, 1);
        }
        for (name, _) in SHAPES {
            let pair = [&one, &two].map(|trainer| trainer.get(name).expect("a tensor"));
            for (a, b) in pair[0].iter().zip(&pair[1]) {
                assert!((a - b).abs() < 1e-5, "{name}: {a} {b}");
            }
        }
        // Two passes an update move the running statistics twice.
        let [mean, twice] =
            [&one, &two].map(|trainer| trainer.get("bn.running_mean").expect("a tensor")[0]);
        assert!(twice.abs() > mean.abs());
    }

    #[test]
    fn norms_of_tensors_make_up_the_norm_of_all() {
        let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
            return;
        };
        trainer.pass().expect("a pass");
        let norms = trainer.gradient_norms(1.0).expect("norms");
        assert_eq!(norms.len(), SHAPES.len());
        let all = norms.iter().map(|norm| norm * norm).sum::<f32>().sqrt();
        let updated = trainer.update(&Rates::default()).expect("an update");
        assert!((all / updated.norm - 1.0).abs() < 1e-5);
        let gradients = trainer.vector("gradients", "head").expect("gradients");
        let head = gradients.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!((head / norms[3] - 1.0).abs() < 1e-5);
    }

    #[test]
    fn running_statistics_approach_those_of_the_batch() {
        let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
            return;
        };
        let rates = Rates { learning_rate: 0.0, ..Rates::default() };
        losses(&mut trainer, rates, 1);
        let first = trainer.get("bn.running_mean").expect("a tensor");
        losses(&mut trainer, rates, 200);
        let last = trainer.get("bn.running_mean").expect("a tensor");
        for (first, last) in first.iter().zip(last) {
            assert!((first - 0.1 * last).abs() < 1e-4, "{first} {last}");
        }
    }

    #[test]
    fn passes_of_several_shapes_share_the_parameters() {
        let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
            return;
        };
        let Some(runtime) = for_tests() else { return };
        let sessions = Sessions::new(&runtime, SessionSettings::default());
        let tall = trainer.add(&sessions, forward(9)).expect("a pass");
        losses(&mut trainer, Rates { learning_rate: 0.02, ..Rates::default() }, 1);
        let short = trainer.result("loss").expect("a loss")[0];

        trainer.choose(tall).expect("a pass");
        let fits = |trainer: &mut Trainer, rows: usize| trainer.feed("x", &random(24 * rows, 10));
        assert!(matches!(fits(&mut trainer, 6), Err(StepError::Length { expected: 216, .. })));
        fits(&mut trainer, 9).expect("an input");
        trainer.feed("target", &random(324, 11)).expect("an input");
        let before = trainer.get("head").expect("a tensor");
        losses(&mut trainer, Rates { learning_rate: 0.02, ..Rates::default() }, 1);
        assert_ne!(trainer.get("head").expect("a tensor"), before);
        assert_ne!(trainer.result("loss").expect("a loss")[0], short);
        trainer.choose(0).expect("a pass");
        assert_eq!(trainer.result("loss").expect("a loss")[0], short);
        assert!(matches!(trainer.choose(2), Err(StepError::Unknown { kind: "pass", .. })));
    }

    #[test]
    fn names_and_lengths_are_checked() {
        let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
            return;
        };
        assert!(matches!(trainer.feed("y", &[]), Err(StepError::Unknown { kind: "input", .. })));
        assert!(matches!(trainer.feed("x", &[1.0]), Err(StepError::Length { .. })));
        assert!(matches!(trainer.set("none", &[]), Err(StepError::Unknown { .. })));
    }
}
