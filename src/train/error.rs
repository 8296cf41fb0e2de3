//! What goes wrong with training steps and with runs.

use super::checkpoint::CheckpointError;
use super::config::ConfigError;
use super::data::LoaderError;
use super::folder::FolderError;
use super::material::MaterialError;
use super::network::FirstWeightsError;
use super::record::RecordError;
use super::session::SessionError;

/// What ends a run before its time. What was written until then stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A step cannot be made.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A model cannot be compiled or run.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Settings make no sense.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// The dataset cannot be learnt from.
    #[error(transparent)]
    Material(Box<MaterialError>),
    /// Batches cannot be made.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// Predictions cannot be written.
    #[error(transparent)]
    Predictions(Box<crate::predictions::PredictionsError>),
    /// A file of JSON cannot be made or read.
    #[error("failed to write or read JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Half precision was asked for without CUDA.
    #[error("half precision needs --device cuda")]
    HalfOnCpu,
    /// A run that is to go on is of something else.
    #[error("the run was of other {what}; start a new one in another folder")]
    OtherRun {
        /// What differs.
        what: &'static str,
    },
    /// No skeleton of a dataset has the keypoints of a model.
    #[error("the dataset has no skeleton of the model's keypoints, in their order: {expected}")]
    OtherKeypoints {
        /// The model's keypoints.
        expected: String,
    },
    /// A model file says nothing of itself.
    #[error("{} is no model of labelvet's: {reason}", path.display())]
    NoModel {
        /// The file.
        path: std::path::PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The record cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file of the run cannot be written or read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The first weights are not to be had.
    #[error(transparent)]
    FirstWeights(Box<FirstWeightsError>),
}

impl From<ConfigError> for TrainError {
    fn from(error: ConfigError) -> TrainError {
        TrainError::Config(Box::new(error))
    }
}

impl From<MaterialError> for TrainError {
    fn from(error: MaterialError) -> Self {
        TrainError::Material(Box::new(error))
    }
}

impl From<FirstWeightsError> for TrainError {
    fn from(error: FirstWeightsError) -> Self {
        TrainError::FirstWeights(Box::new(error))
    }
}

impl From<crate::predictions::PredictionsError> for TrainError {
    fn from(error: crate::predictions::PredictionsError) -> Self {
        TrainError::Predictions(Box::new(error))
    }
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
