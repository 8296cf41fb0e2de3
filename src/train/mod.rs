//! Training on ONNX Runtime.
//!
//! [`runtime`] finds, installs and loads the library; [`session`] compiles graphs on it.
//! [`pose`] writes a model and its [`loss`] as one forward pass, [`step`] differentiates it and
//! keeps the state of a training on the device, which [`update`] moves.

mod buffers;
#[cfg(test)]
pub(crate) mod check;
mod error;
mod forward;
mod kernels;
pub mod layout;
pub mod loss;
pub mod pose;
pub mod runtime;
pub mod session;
mod state;
pub mod step;
pub mod update;
