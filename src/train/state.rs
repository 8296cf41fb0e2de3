//! The memory of a training: what each name of a graph's input or output stands for.
//!
//! Takes layouts and graphs; gives bindings. A name is a tensor in one of the flat vectors
//! (`blocks.0.0.conv_dw.weight`, its `….gradient`), or a vector of its own. An output `x'` is
//! written over `x`.

use std::collections::{BTreeMap, BTreeSet};

use ort::memory::Allocator;
use ort::session::{IoBinding, Session};

use super::buffers::Flat;
use super::error::StepError;
use super::layout::{Layout, Place};
use super::step::Accumulation;
use crate::onnx::{Graph, Origin, TensorType};

/// Returns the name of a tensor's gradient as a pass gives it.
pub(super) fn gradient_name(tensor: &str) -> String {
    format!("{tensor}.gradient")
}

/// Returns the name of a tensor's gradient as the update takes it: the sum over passes.
pub(super) fn sum_name(tensor: &str) -> String {
    format!("{tensor}.sum")
}

/// Returns the name of a batch's mean, given that of the running mean.
pub(super) fn batch_name(mean: &str) -> String {
    format!("{mean}.batch")
}

/// Returns the name of a batch's `1/√(v + ε)`, given that of the running mean.
pub(super) fn inverse_name(mean: &str) -> String {
    format!("{mean}.batch_inverse")
}

/// A compiled graph and what it is bound to.
pub(super) struct Bound {
    pub(super) session: Session,
    pub(super) binding: IoBinding,
}

impl Bound {
    pub(super) fn new(session: Session) -> ort::Result<Self> {
        let binding = session.create_binding()?;
        Ok(Bound { session, binding })
    }

    pub(super) fn run(&mut self) -> ort::Result<()> {
        self.session.run_binding(&self.binding).map(drop)
    }
}

/// The flat vectors of a training and where tensors lie in them.
pub(super) struct State {
    layout: Layout,
    statistics: Layout,
    /// Name of each running variance → name of the mean beside it.
    variances: BTreeMap<String, String>,
    /// Tensors of the model that are inputs of every pass, each with memory of its own.
    fixed: BTreeSet<String>,
    accumulation: Accumulation,
    vectors: BTreeMap<String, Flat>,
}

impl State {
    pub(super) fn new(
        layout: Layout,
        statistics: Layout,
        variances: BTreeMap<String, String>,
        fixed: BTreeSet<String>,
        accumulation: Accumulation,
    ) -> Self {
        State { layout, statistics, variances, fixed, accumulation, vectors: BTreeMap::new() }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn statistics(&self) -> &Layout {
        &self.statistics
    }

    /// Returns the names of the model's tensors that are not trained: running means and
    /// variances, tracked or fixed.
    pub(super) fn untrained(&self) -> impl Iterator<Item = String> {
        let means = self.statistics.places().iter().map(|place| place.name.clone());
        means.chain(self.variances.keys().cloned()).chain(self.fixed.iter().cloned())
    }

    /// Binds all inputs and outputs of a graph to memory, which is made where there is none
    /// yet. What is no tensor of the model gets a vector whose name begins with `prefix`.
    pub(super) fn bind(
        &mut self,
        prefix: &str,
        allocator: &dyn Fn() -> ort::Result<Allocator>,
        binding: &mut IoBinding,
        graph: &Graph,
    ) -> Result<(), StepError> {
        for &value in graph.inputs() {
            let Origin::Input(name) = graph.origin(value) else { continue };
            let tensor = graph.tensor(value);
            let (vector, start) = self.memory(prefix, allocator, name, tensor)?;
            let view = self.vectors[&vector].view(start, &tensor.shape)?;
            binding.bind_input(name, &view)?;
        }
        for (name, value) in graph.outputs() {
            let tensor = graph.tensor(*value);
            let state = name.strip_suffix('\'').unwrap_or(name);
            let (vector, start) = self.memory(prefix, allocator, state, tensor)?;
            let view = self.vectors[&vector].view(start, &tensor.shape)?;
            binding.bind_output(name, view)?;
        }
        Ok(())
    }

    /// Returns the vector and the first element that a name stands for.
    fn memory(
        &mut self,
        prefix: &str,
        allocator: &dyn Fn() -> ort::Result<Allocator>,
        name: &str,
        tensor: &TensorType,
    ) -> Result<(String, usize), StepError> {
        let (vector, start, len) = match self.locate(name) {
            Some((vector, start)) => {
                let statistics = vector.starts_with("batch_") || vector.starts_with("running_");
                let layout = if statistics { &self.statistics } else { &self.layout };
                (vector.to_owned(), start, layout.len())
            }
            None if self.fixed.contains(name) => (name.to_owned(), 0, tensor.volume()),
            None => (format!("{prefix}{name}"), 0, tensor.volume()),
        };
        if !self.vectors.contains_key(&vector) {
            self.vectors.insert(vector.clone(), Flat::new(allocator()?, len)?);
        }
        Ok((vector, start))
    }

    /// Returns the vector and the first element of what is a tensor within a vector.
    fn locate(&self, name: &str) -> Option<(&'static str, usize)> {
        let gradients = match self.accumulation {
            Accumulation::Off => "gradients",
            Accumulation::Sum => "pass_gradients",
        };
        let trained = |name: &str| Some(self.layout.place(name)?.start());
        let tracked = |name: &str| Some(self.statistics.place(name)?.start());
        let (tensor, kind) = name.rsplit_once('.').unwrap_or((name, ""));
        let known = [
            ("parameters", trained(name)),
            (gradients, trained(tensor).filter(|_| kind == "gradient")),
            ("gradients", trained(tensor).filter(|_| kind == "sum")),
            ("batch_mean", tracked(tensor).filter(|_| kind == "batch")),
            ("batch_inverse", tracked(tensor).filter(|_| kind == "batch_inverse")),
        ];
        known.into_iter().find_map(|(vector, start)| Some((vector, start?)))
    }

    /// Reads a tensor of the model.
    pub(super) fn read(&self, name: &str) -> Result<Vec<f32>, StepError> {
        if self.fixed.contains(name) {
            return self.read_whole("tensor", name);
        }
        let (vector, place) = self.model_tensor(name)?;
        let flat = self.vectors.get(vector).ok_or_else(|| unknown("tensor", name))?;
        Ok(flat.read(place.start(), place.volume())?)
    }

    /// Writes a tensor of the model.
    pub(super) fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), StepError> {
        if self.fixed.contains(name) {
            return self.write_whole("tensor", name, elements);
        }
        let (vector, place) = self.model_tensor(name)?;
        let (start, volume) = (place.start(), place.volume());
        self.write_part(vector, name, start, volume, elements)
    }

    /// Reads what a vector holds for a trained tensor.
    pub(super) fn read_vector(&self, vector: &str, name: &str) -> Result<Vec<f32>, StepError> {
        let place = self.layout.place(name).ok_or_else(|| unknown("tensor", name))?;
        let flat = self.vectors.get(vector).ok_or_else(|| unknown("vector", vector))?;
        Ok(flat.read(place.start(), place.volume())?)
    }

    /// Writes what a vector holds for a trained tensor.
    pub(super) fn write_vector(
        &mut self,
        vector: &str,
        name: &str,
        elements: &[f32],
    ) -> Result<(), StepError> {
        let place = self.layout.place(name).ok_or_else(|| unknown("tensor", name))?;
        let (start, volume) = (place.start(), place.volume());
        self.write_part(vector, name, start, volume, elements)
    }

    /// Reads a whole vector; `kind` says in an error what it was thought to be.
    pub(super) fn read_whole(&self, kind: &'static str, name: &str) -> Result<Vec<f32>, StepError> {
        let flat = self.vectors.get(name).ok_or_else(|| unknown(kind, name))?;
        Ok(flat.read(0, flat.len())?)
    }

    /// Writes a whole vector; `kind` says in an error what it was thought to be.
    pub(super) fn write_whole(
        &mut self,
        kind: &'static str,
        name: &str,
        elements: &[f32],
    ) -> Result<(), StepError> {
        let len = self.vectors.get(name).ok_or_else(|| unknown(kind, name))?.len();
        self.write_part(name, name, 0, len, elements)
    }

    /// Writes a scalar where one of that name is used.
    pub(super) fn write_scalar(&mut self, name: &str, number: f32) -> Result<(), StepError> {
        match self.vectors.get_mut(name) {
            Some(flat) => Ok(flat.write(0, &[number])?),
            None => Ok(()),
        }
    }

    fn write_part(
        &mut self,
        vector: &str,
        name: &str,
        start: usize,
        volume: usize,
        elements: &[f32],
    ) -> Result<(), StepError> {
        if volume != elements.len() {
            let name = name.to_owned();
            return Err(StepError::Length { name, expected: volume, found: elements.len() });
        }
        let flat = self.vectors.get_mut(vector).ok_or_else(|| unknown("vector", vector))?;
        Ok(flat.write(start, elements)?)
    }

    fn model_tensor(&self, name: &str) -> Result<(&'static str, &Place), StepError> {
        let trained = self.layout.place(name).map(|place| ("parameters", place));
        let statistic = || {
            let (vector, mean) = match self.variances.get(name) {
                Some(mean) => ("running_variance", mean.as_str()),
                None => ("running_mean", name),
            };
            Some((vector, self.statistics.place(mean)?))
        };
        trained.or_else(statistic).ok_or_else(|| unknown("tensor", name))
    }
}

fn unknown(kind: &'static str, name: &str) -> StepError {
    StepError::Unknown { kind, name: name.to_owned() }
}
