//! Why there is no runtime, and what to do about it.

use std::path::PathBuf;

use super::{Looked, Missing, Unusable};
use crate::packages::PackageError;

/// Why ONNX Runtime cannot be used as was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No library was found that will do.
    #[error(
        "no usable ONNX Runtime was found ({}); run `labelvet runtime install`",
        listed(looked)
    )]
    NotFound {
        /// Where it was looked for, in order, and why that will not do.
        looked: Vec<Looked>,
    },
    /// The library that `ORT_DYLIB_PATH` names will not do.
    #[error(
        "ORT_DYLIB_PATH names {}: {reason}; unset it, or name the file of an ONNX Runtime",
        path.display()
    )]
    Named {
        /// The file.
        path: PathBuf,
        /// Why it will not do.
        reason: Unusable,
    },
    /// CUDA was asked for and something is missing.
    #[error("CUDA cannot be used with {}: {}; {}", library.display(), listed(missing), advice(missing))]
    Cuda {
        /// The ONNX Runtime that was found.
        library: PathBuf,
        /// What is missing, in the order in which it is loaded.
        missing: Vec<Missing>,
    },
    /// ONNX Runtime itself refused.
    #[error("ONNX Runtime failed: {message}")]
    Ort {
        /// What it said.
        message: String,
    },
    /// Nothing can be installed on this system.
    #[error(
        "there is no ONNX Runtime {build} to install for {os} on {arch}; \
         set ORT_DYLIB_PATH to the file of one"
    )]
    NoWheel {
        /// `for CPU` or `for CUDA`.
        build: &'static str,
        /// The operating system.
        os: &'static str,
        /// The processor architecture.
        arch: &'static str,
    },
    /// A wheel could not be had.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// What was installed does not work.
    #[error("{} was installed, but is unusable: {reason}", path.display())]
    Installed {
        /// The library.
        path: PathBuf,
        /// Why it will not do.
        reason: Unusable,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl<T> From<ort::Error<T>> for RuntimeError {
    fn from(error: ort::Error<T>) -> RuntimeError {
        let message = error.to_string();
        // Messages of ONNX Runtime may run over several lines; ours are one.
        RuntimeError::Ort { message: message.split_whitespace().collect::<Vec<_>>().join(" ") }
    }
}

fn listed(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Returns what helps: most of it can be installed, the driver cannot.
fn advice(missing: &[Missing]) -> &'static str {
    let driver = missing.iter().any(Missing::is_driver);
    match (driver, missing.iter().all(Missing::is_driver)) {
        (false, _) => "run `labelvet runtime install --cuda`, or use --device cpu",
        (true, true) => {
            "CUDA needs an NVIDIA GPU with driver 580 or newer; use --device cpu without"
        }
        (true, false) => {
            "on a machine with an NVIDIA GPU and driver 580 or newer run \
             `labelvet runtime install --cuda`, or use --device cpu"
        }
    }
}
