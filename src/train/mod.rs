//! Training on ONNX Runtime.
//!
//! [`runtime`] finds, installs and loads the library; [`session`] compiles graphs on it.
//! [`pose`] and [`class`] write a model and its [`loss`] as one forward pass, [`step`]
//! differentiates it and keeps the state of a training on the device, which [`update`] moves.
//! [`run`] makes steps of batches, watched by the guard and kept in a record and in
//! checkpoints; [`pass`] makes of a dataset and settings a RUN folder with a trained,
//! exported and evaluated model.

mod buffers;
#[cfg(test)]
pub(crate) mod check;
pub mod checkpoint;
pub mod class;
pub mod config;
pub mod curves;
pub mod data;
mod error;
pub mod export;
pub mod folder;
pub mod forward;
pub mod guard;
mod kernels;
pub mod ladder;
pub mod layout;
pub mod loss;
pub mod material;
pub mod model;
pub mod network;
mod page;
pub mod pass;
mod peaks;
pub mod pose;
pub mod predict;
pub mod predictor;
pub mod record;
pub mod run;
pub mod runtime;
pub mod schedule;
pub mod session;
pub mod snapshot;
pub mod split_file;
mod state;
pub mod step;
pub mod update;
pub mod verdict;
pub mod zclip;

pub use error::TrainError;
