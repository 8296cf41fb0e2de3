//! Why there is no runtime, and what to do about it.

use std::path::PathBuf;

use super::{Build, Looked, Missing, Place, Unusable, wheels};
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
    #[error(
        "CUDA cannot be used with {}: {}; {}",
        library.display(),
        listed(missing),
        advice(missing, *place)
    )]
    Cuda {
        /// The ONNX Runtime that was found.
        library: PathBuf,
        /// Where it was found.
        place: Place,
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

/// Returns what helps: most of it can be installed where there are wheels for the system, the
/// driver nowhere.
fn advice(missing: &[Missing], place: Place) -> String {
    let on_cpu = "or use --device cpu";
    if missing.iter().all(Missing::is_driver) {
        return "CUDA needs an NVIDIA GPU with driver 580 or newer; use --device cpu without"
            .into();
    }
    if wheels(Build::Cuda).is_err() {
        return format!("set ORT_DYLIB_PATH to an ONNX Runtime built for CUDA 13, {on_cpu}");
    }
    // The library that the variable names would be used instead of what is installed.
    let unset = if place == Place::Variable { "unset ORT_DYLIB_PATH and " } else { "" };
    let install = format!("{unset}run `labelvet runtime install --cuda`, {on_cpu}");
    match missing.iter().any(Missing::is_driver) {
        true => format!("on a machine with an NVIDIA GPU and driver 580 or newer {install}"),
        false => install,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_place_and_the_system() {
        let missing = |file, package: Option<&str>| Missing {
            file,
            part_of: "CUDA 13",
            package: package.map(String::from),
            reason: "was not found".into(),
        };
        let library = missing("libcurand.so.10", Some("nvidia-curand"));
        let driver = missing(super::super::cuda::DRIVER_LIBRARY, None);
        let driver_only = advice(std::slice::from_ref(&driver), Place::Variable);
        assert!(!driver_only.contains("install"), "{driver_only}");
        let cached = advice(std::slice::from_ref(&library), Place::Cache);
        let named = advice(&[library, driver], Place::Variable);
        if wheels(Build::Cuda).is_ok() {
            assert_eq!(cached, "run `labelvet runtime install --cuda`, or use --device cpu");
            assert_eq!(
                named,
                "on a machine with an NVIDIA GPU and driver 580 or newer unset ORT_DYLIB_PATH and \
                 run `labelvet runtime install --cuda`, or use --device cpu"
            );
        } else {
            for text in [cached, named] {
                assert!(!text.contains("runtime install"), "{text}");
                assert!(text.contains("CUDA 13"), "{text}");
            }
        }
    }
}
