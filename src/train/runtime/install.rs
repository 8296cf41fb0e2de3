//! Puts ONNX Runtime, and what it needs for CUDA, into labelvet's cache.
//!
//! One folder per wheel, `runtime/<package>-<version>`, which appears whole. Only what
//! is not there yet is fetched, and only one process installs at a time.

use std::fs;
use std::path::{Path, PathBuf};

use super::wheels::{SYSTEMS, System};
use super::{RuntimeError, check, find};
use crate::packages::{self, Progress, Wheel};

/// Which ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// For the processor, about 30 MB.
    Cpu,
    /// For NVIDIA's GPUs, with the libraries that it needs, about 1.3 GB.
    Cuda,
}

/// Installs a build to the cache; returns its library. What is there already and works
/// is left as it is.
///
/// # Errors
/// Fails when there is none for this system, when a wheel cannot be had, and when the
/// library does not work here.
pub fn install(
    build: Build,
    cache: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, RuntimeError> {
    let wheels = wheels(build)?;
    let root = root(cache);
    let io = |source| RuntimeError::Io { path: root.clone(), source };
    let _exclusive = packages::exclusive(&root)?;
    for (index, wheel) in wheels.iter().enumerate() {
        let folder = root.join(wheel.stem());
        // The first wheel is ONNX Runtime itself.
        if folder.is_dir() && (index > 0 || usable(&folder).is_ok()) {
            continue;
        }
        let mut archive = packages::fetch(wheel, &root, progress)?;
        if folder.is_dir() {
            // Damaged; out of the way in one step, and only now that there is another.
            fs::rename(&folder, root.join(format!(".damaged-{}", wheel.stem()))).map_err(io)?;
        }
        archive.unpack(&is_needed, &folder)?;
    }
    usable(&root.join(wheels[0].stem()))
}

/// Returns the wheels of a build for this system, ONNX Runtime first.
///
/// # Errors
/// Fails when there is none for this system.
pub fn wheels(build: Build) -> Result<&'static [Wheel], RuntimeError> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let system = SYSTEMS.iter().find(|system| system.name == (os, arch));
    let pick = |system: &'static System| match build {
        Build::Cpu => system.cpu,
        Build::Cuda => system.cuda,
    };
    match system.map(pick) {
        Some(wheels) if !wheels.is_empty() => Ok(wheels),
        _ => {
            let build = match build {
                Build::Cpu => "for the CPU",
                Build::Cuda => "for CUDA",
            };
            Err(RuntimeError::NoWheel { build, os, arch })
        }
    }
}

/// Returns whether a wheel is unpacked in the cache.
pub fn installed(wheel: &Wheel, cache: &Path) -> bool {
    root(cache).join(wheel.stem()).is_dir()
}

/// Returns the folder in the cache where a build's library lies once it is installed.
pub(super) fn folder(build: Build, cache: &Path) -> Option<PathBuf> {
    Some(root(cache).join(wheels(build).ok()?.first()?.stem()))
}

/// Returns the folders in the cache with the libraries that the CUDA build needs.
pub(super) fn cuda_folders(cache: &Path) -> Vec<PathBuf> {
    let wheels = wheels(Build::Cuda).unwrap_or_default();
    wheels.iter().skip(1).map(|wheel| root(cache).join(wheel.stem())).collect()
}

/// Returns the folder in the cache that holds all runtimes.
pub(super) fn root(cache: &Path) -> PathBuf {
    // Absolute, since a library outlives a change of the current folder.
    let root = cache.join("runtime");
    std::path::absolute(&root).unwrap_or(root)
}

/// Returns the library in a folder, if it works.
fn usable(folder: &Path) -> Result<PathBuf, RuntimeError> {
    let path = find::library_in(folder).unwrap_or_else(|| folder.into());
    match check::version(&path) {
        Ok(_) => Ok(path),
        Err(reason) => Err(RuntimeError::Installed { path, reason }),
    }
}

/// Picks the libraries and their licences: a tenth of a wheel's files.
fn is_needed(member: &str) -> bool {
    let name = member.rsplit('/').next().unwrap_or(member);
    let of_onnxruntime = ["LICENSE", "ThirdPartyNotices.txt"]
        .iter()
        .any(|file| member.strip_prefix("onnxruntime/") == Some(file));
    let of_nvidia = member.contains(".dist-info/") && name.eq_ignore_ascii_case("license.txt");
    let library = name.contains(".so") || name.ends_with(".dll") || name.ends_with(".dylib");
    let provider = ["tensorrt", "nv_tensorrt", "openvino"]
        .iter()
        .any(|other| name.contains(&format!("providers_{other}")));
    of_onnxruntime || of_nvidia || library && !provider && !name.contains("pybind11")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_licences_are_unpacked() {
        for member in [
            "onnxruntime/capi/libonnxruntime.so.1.32.0",
            "onnxruntime/capi/libonnxruntime_providers_cuda.so",
            "onnxruntime/capi/onnxruntime.dll",
            "onnxruntime/capi/libonnxruntime.1.32.0.dylib",
            "onnxruntime/LICENSE",
            "nvidia/cudnn/lib/libcudnn.so.9",
            "nvidia_cudnn_cu13-9.28.1.4.dist-info/License.txt",
        ] {
            assert!(is_needed(member), "{member}");
        }
        for member in [
            "onnxruntime/capi/onnxruntime_pybind11_state.cpython-312-x86_64-linux-gnu.so",
            "onnxruntime/capi/libonnxruntime_providers_tensorrt.so",
            "onnxruntime/tools/LICENSE",
            "nvidia/cu13/include/cuda.h",
            "nvidia/cu13/lib/libcudart_static.a",
        ] {
            assert!(!is_needed(member), "{member}");
        }
    }
}
