//! Training steps on a device: the forward and backward pass, and the update, as sessions
//! that share parameters, gradients and statistics without a copy.
//!
//! Takes a graph of one pass and the settings of an update; gives a [`Trainer`] that is fed
//! batches and keeps the whole state on the device. Reads no files, knows no schedule.

pub use super::error::StepError;
pub use super::forward::{Forward, Tracked, Trained, pass_graph};
use super::layout::Layout;
use super::session::Sessions;
use super::state::{Bound, State, sum_name};
use super::update::{
    Average, Clipping, Optimiser, StatisticsSettings, UpdateSettings, accumulate_graph, clip_graph,
    norms_graph, update_graph,
};
use crate::onnx::{Checkpointing, Encoding, Graph, Lowered, Shape, Value, check_in_place, lower};

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
    /// What is kept from the forward pass for the backward pass, to save time or memory.
    pub checkpointing: Checkpointing,
    /// Share of a new batch in running statistics; PyTorch's default is 0.1.
    pub statistics_momentum: f32,
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
    /// What the moving average of the parameters keeps of its past.
    pub average_keep: f32,
}

impl Default for Rates {
    fn default() -> Self {
        Rates { learning_rate: 1e-3, limit: f32::INFINITY, average_keep: 0.0 }
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
    checkpointing: Checkpointing,
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
        let tracked = shared_epsilon(&forward.tracked)?.map(|epsilon| StatisticsSettings {
            len: statistics.len(),
            momentum: settings.statistics_momentum,
            epsilon,
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
        let mut state = State::new(
            layout.clone(),
            statistics,
            variances.collect(),
            forward.fixed.iter().cloned().collect(),
            settings.accumulation,
        );
        // The pass takes most of the time; threads of the others must not spin beside it.
        let others = sessions.asleep();
        let mut bind = |graph: &Graph| bound(&others, &settings.encoding, &mut state, "", graph);
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
            checkpointing: settings.checkpointing,
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
        let graph = pass_graph(&mut forward, self.checkpointing)?;
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

    /// Runs the pass on what was fed for its results alone: nothing is added to gradients that
    /// are summed, and running statistics stay as they are.
    ///
    /// # Errors
    /// [`StepError::Runtime`].
    pub fn look(&mut self) -> Result<(), StepError> {
        Ok(self.passes[self.chosen].bound.run()?)
    }

    /// Forgets the gradients since the last update.
    pub fn discard(&mut self) {
        self.summed = 0;
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
            ("scale", 1.0 / self.summed.max(1) as f32),
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

    /// Returns the norm of each trained tensor's gradient, the mean over summed passes, in the
    /// order of the layout. To be read before the update.
    ///
    /// # Errors
    /// [`StepError::Runtime`].
    pub fn gradient_norms(&mut self) -> Result<Vec<f32>, StepError> {
        self.state.write_scalar("scale", 1.0 / self.summed.max(1) as f32)?;
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

    /// Sets a tensor of the model: a trained one, whose moving average follows, or a running
    /// mean or variance, tracked or fixed.
    ///
    /// # Errors
    /// [`StepError::Unknown`] and [`StepError::Length`].
    pub fn set(&mut self, name: &str, elements: &[f32]) -> Result<(), StepError> {
        if self.average == Average::Exponential && self.layout().place(name).is_some() {
            self.state.write_vector("average", name, elements)?;
        }
        self.state.write(name, elements)
    }

    /// Returns the elements of a tensor of the model: a trained one, or a running mean or
    /// variance, tracked or fixed.
    ///
    /// # Errors
    /// [`StepError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Vec<f32>, StepError> {
        self.state.read(name)
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

    /// Says whether a moving average of the parameters is kept.
    pub fn keeps_average(&self) -> bool {
        self.average == Average::Exponential
    }

    /// Returns the names of all tensors of the model, with the shapes of the trained ones; the
    /// others are vectors.
    pub(super) fn tensors(&self) -> Vec<(String, Option<Shape>)> {
        let trained = self.layout().places().iter();
        let trained = trained.map(|place| (place.name.clone(), Some(place.shape.clone())));
        trained.chain(self.state.untrained().map(|name| (name, None))).collect()
    }

    /// Sets the factor of the learning rate of each trained tensor, by its name; 0 freezes it.
    ///
    /// # Errors
    /// [`StepError::Runtime`].
    pub fn set_rates(&mut self, rate: impl Fn(&str) -> f32) -> Result<(), StepError> {
        let rates = self.layout().places().iter().map(|place| rate(&place.name));
        let rates = self.layout().by_row(rates);
        self.state.write_whole("vector", "rate", &rates)
    }

    /// Fills what stays the same: rate and decay of each row, and what no pass writes.
    fn set_rows(&mut self, forward: &Forward) -> Result<(), StepError> {
        let rate = self.layout().by_row(forward.trained.iter().map(|tensor| tensor.rate));
        let decay = self.layout().by_row(forward.trained.iter().map(|tensor| tensor.decay));
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
    let lowered = lower(graph, encoding)?;
    check_states(&lowered)?;
    let mut bound = Bound::new(sessions.compile(&lowered.to_bytes())?)?;
    let allocator = || sessions.allocator(&bound.session);
    state.bind(prefix, &allocator, &mut bound.binding, graph)?;
    Ok(bound)
}

/// Returns the `ε` that all normalisations of a model have; `None` where none is tracked.
fn shared_epsilon(tracked: &[Tracked]) -> Result<Option<f32>, StepError> {
    let Some(first) = tracked.first() else { return Ok(None) };
    match tracked.iter().find(|other| other.epsilon != first.epsilon) {
        Some(other) => Err(StepError::Epsilon(first.epsilon, other.epsilon)),
        None => Ok(Some(first.epsilon)),
    }
}

/// Checks that every state of a graph may be written over itself.
fn check_states(lowered: &Lowered) -> Result<(), StepError> {
    let states: Vec<_> = lowered
        .inputs
        .iter()
        .filter_map(|&input| {
            let new = format!("{}'", lowered.name(input));
            let output = lowered.outputs.iter().find(|&&output| lowered.name(output) == new)?;
            Some((input, *output))
        })
        .collect();
    Ok(check_in_place(lowered, &states)?)
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
mod tests;
