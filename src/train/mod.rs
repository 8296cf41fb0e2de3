//! Training on ONNX Runtime.
//!
//! [`runtime`] finds, installs and loads the library; everything that runs a graph
//! builds its sessions on it.

pub mod runtime;
