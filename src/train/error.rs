//! What goes wrong with a training step.

use super::session::SessionError;

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
    /// Batch normalisations of one model differ in `ε`.
    #[error("batch normalisations of one model need one epsilon, not {0} and {1}")]
    Epsilon(f32, f32),
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
