//! A compiled graph that can be run.
//!
//! Takes the bytes of a model; gives outputs for inputs.

use std::collections::BTreeMap;

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor as OrtTensor;

use crate::onnx::Shape;

/// Elements and extents of a floating-point tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first.
    pub shape: Shape,
    /// Row-major elements.
    pub elements: Vec<f32>,
}

/// Runs a model once: `inputs` by name; returns all outputs by name.
///
/// # Errors
/// ONNX Runtime's.
pub fn run_once(
    environment: &Environment,
    model: &[u8],
    inputs: &[(String, Tensor)],
) -> ort::Result<BTreeMap<String, Tensor>> {
    let mut session = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(2)?
        .with_memory_pattern(false)?
        .commit_from_memory(model)?;
    let mut feeds = Vec::new();
    for (name, tensor) in inputs {
        let shape: Vec<i64> = tensor.shape.iter().map(|&extent| extent as i64).collect();
        feeds.push((
            name.as_str(),
            OrtTensor::from_array((shape, tensor.elements.clone()))?.into_dyn(),
        ));
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
