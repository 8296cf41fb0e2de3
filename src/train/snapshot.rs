//! Everything that a training goes on from, outside the device.
//!
//! A [`Trainer`] gives a [`Snapshot`] and takes one; nothing is written here.

use super::error::StepError;
use super::step::Trainer;
use crate::models::weights::{Data, Tensor, Tensors};

/// Name of the moving average among the optimiser's tensors.
const AVERAGE: &str = "average";

/// The state of a training at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Tensors of the model under timm's names: parameters and running statistics.
    pub model: Tensors,
    /// What the optimiser keeps of each parameter, under `mean/NAME`, and the moving average,
    /// under `average/NAME`.
    pub optimiser: Tensors,
    /// Updates that moved the parameters.
    pub steps: u64,
}

impl Snapshot {
    /// Returns the weights to predict with: the moving average where one is kept.
    pub fn weights(&self) -> Tensors {
        let mut weights = self.model.clone();
        for (name, tensor) in &self.optimiser {
            if let Some(name) = name.strip_prefix("average/") {
                weights.insert(name.to_owned(), tensor.clone());
            }
        }
        weights
    }
}

impl Trainer {
    /// Copies the state from the device.
    ///
    /// # Errors
    /// [`StepError::Runtime`].
    pub fn snapshot(&self) -> Result<Snapshot, StepError> {
        let mut model = Tensors::default();
        for (name, shape) in self.tensors() {
            let elements = self.get(&name)?;
            let shape = shape.unwrap_or_else(|| vec![elements.len()]);
            model.insert(name, tensor(shape, elements));
        }
        let mut optimiser = Tensors::default();
        for vector in self.vectors() {
            for place in self.layout().places() {
                let elements = self.vector(vector, &place.name)?;
                let name = format!("{vector}/{}", place.name);
                optimiser.insert(name, tensor(place.shape.clone(), elements));
            }
        }
        Ok(Snapshot { model, optimiser, steps: self.steps() })
    }

    /// Sets the state on the device.
    ///
    /// # Errors
    /// [`StepError::Unknown`] where a tensor of this training is missing, and
    /// [`StepError::Length`] where it has another size.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), StepError> {
        for (name, _) in self.tensors() {
            let elements = elements(&snapshot.model, &name)?;
            self.set(&name, elements)?;
        }
        let names: Vec<String> =
            self.layout().places().iter().map(|place| place.name.clone()).collect();
        for vector in self.vectors() {
            for name in &names {
                let elements = elements(&snapshot.optimiser, &format!("{vector}/{name}"))?;
                self.set_vector(vector, name, elements)?;
            }
        }
        self.set_steps(snapshot.steps);
        Ok(())
    }

    /// Returns the vectors beside the parameters that a training goes on from.
    fn vectors(&self) -> Vec<&'static str> {
        let average = self.keeps_average().then_some(AVERAGE);
        self.means().iter().copied().chain(average).collect()
    }
}

fn tensor(shape: Vec<usize>, elements: Vec<f32>) -> Tensor {
    Tensor::new(shape, Data::F32(elements)).expect("as many elements as the layout says")
}

fn elements<'a>(tensors: &'a Tensors, name: &str) -> Result<&'a [f32], StepError> {
    let found = tensors.get(name).and_then(Tensor::as_f32);
    found.ok_or_else(|| StepError::Unknown { kind: "tensor", name: name.to_owned() })
}
