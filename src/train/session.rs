//! Compiled graphs.
//!
//! Takes the bytes of a model and a device; gives a session that can be bound and run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor as OrtTensor;

use super::kernels;
use super::runtime::{Device, Runtime, RuntimeError, SessionSettings, Waiting};
use crate::onnx::Shape;

/// Elements and extents of a floating-point tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first.
    pub shape: Shape,
    /// Row-major elements.
    pub elements: Vec<f32>,
}

/// Why a session cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The runtime has no session with these settings on this device.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// ONNX Runtime does not take the graph or the options.
    #[error("ONNX Runtime does not take the graph: {0}")]
    Compile(#[from] ort::Error),
}

/// Makes sessions on one device, with one choice of settings.
#[derive(Clone, Debug)]
pub struct Sessions {
    runtime: Runtime,
    settings: SessionSettings,
    profile: Option<PathBuf>,
}

impl Sessions {
    /// Returns a maker of sessions on the runtime's device.
    pub fn new(runtime: &Runtime, settings: SessionSettings) -> Self {
        Sessions { runtime: runtime.clone(), settings, profile: None }
    }

    /// Returns a maker of sessions whose threads sleep between runs: for graphs that take turns
    /// with a longer one, whose threads theirs would hinder.
    pub fn asleep(&self) -> Sessions {
        let settings = SessionSettings { waiting: Waiting::Sleep, ..self.settings };
        Sessions { settings, ..self.clone() }
    }

    /// Writes a profile of the sessions made from now on to files that begin with `path`.
    pub fn with_profile(mut self, path: &Path) -> Self {
        self.profile = Some(path.to_owned());
        self
    }

    /// Compiles a model.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn compile(&self, model: &[u8]) -> Result<Session, SessionError> {
        let mut builder = self
            .runtime
            .session(&self.settings)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(ort::Error::from)?;
        if self.runtime.device() == Device::Cpu {
            builder = builder.with_operators(kernels::domain()?).map_err(ort::Error::from)?;
        }
        if let Some(path) = &self.profile {
            builder = builder.with_profiling(path).map_err(ort::Error::from)?;
        }
        Ok(builder.commit_from_memory(model)?)
    }

    /// Returns the allocator of the device that a session runs on.
    ///
    /// # Errors
    /// ONNX Runtime's.
    pub fn allocator(&self, session: &Session) -> ort::Result<Allocator> {
        let device = match self.runtime.device() {
            Device::Cuda => AllocationDevice::CUDA,
            Device::Auto | Device::Cpu => AllocationDevice::CPU,
        };
        let memory = MemoryInfo::new(device, 0, AllocatorType::Device, MemoryType::Default)?;
        Allocator::new(session, memory)
    }
}

/// Runs a model once: `inputs` by name; returns all outputs by name.
///
/// # Errors
/// [`SessionError`].
pub fn run_once(
    runtime: &Runtime,
    model: &[u8],
    inputs: &[(String, Tensor)],
) -> Result<BTreeMap<String, Tensor>, SessionError> {
    let mut session = Sessions::new(runtime, SessionSettings::default()).compile(model)?;
    let mut feeds = Vec::new();
    for (name, tensor) in inputs {
        let shape: Vec<i64> = tensor.shape.iter().map(|&extent| extent as i64).collect();
        let value = OrtTensor::from_array((shape, tensor.elements.clone()))?;
        feeds.push((name.as_str(), value.into_dyn()));
    }
    let outputs = session.run(feeds)?;
    let mut results = BTreeMap::new();
    for (name, value) in outputs.iter() {
        let (shape, elements) = value.try_extract_tensor::<f32>()?;
        let shape = shape.iter().map(|&extent| extent as usize).collect();
        results.insert(name.to_owned(), Tensor { shape, elements: elements.to_vec() });
    }
    Ok(results)
}
