//! What CUDA needs, looked at piece by piece, so that what is missing has a name.
//!
//! The libraries lie in labelvet's cache, in the Python environment's `nvidia` packages
//! or where the system's loader finds them. Each is loaded here by its path; the
//! provider, which asks for them by name, then gets these.
//!
//! # Source
//! `DT_NEEDED` of `libonnxruntime_providers_cuda.so` in onnxruntime-gpu 1.31.1, and
//! cuDNN, which it loads at the first convolution. Driver API: "CUDA Driver API",
//! NVIDIA, sections 6.2 to 6.5.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::path::{Path, PathBuf};

use libloading::Library;

use super::{Build, Choice, Device, RuntimeError, check, find, install};

/// CUDA's version that the driver must support, as `cuDriverGetVersion` tells it.
const DRIVER: i32 = 13_000;

/// A library that the provider needs.
struct Needed {
    file: &'static str,
    /// What it is a part of, for people.
    part_of: &'static str,
    /// The package of PyPI that holds it.
    package: &'static str,
}

const fn needed(file: &'static str, part_of: &'static str, package: &'static str) -> Needed {
    Needed { file, part_of, package }
}

/// Each after those that it needs itself.
#[cfg(not(windows))]
const LIBRARIES: [Needed; 5] = [
    needed("libcudart.so.13", "CUDA 13", "nvidia-cuda-runtime"),
    needed("libcublasLt.so.13", "CUDA 13", "nvidia-cublas"),
    needed("libcublas.so.13", "CUDA 13", "nvidia-cublas"),
    needed("libcurand.so.10", "CUDA 13", "nvidia-curand"),
    needed("libcudnn.so.9", "cuDNN 9", "nvidia-cudnn-cu13"),
];
#[cfg(windows)]
const LIBRARIES: [Needed; 5] = [
    needed("cudart64_13.dll", "CUDA 13", "nvidia-cuda-runtime"),
    needed("cublasLt64_13.dll", "CUDA 13", "nvidia-cublas"),
    needed("cublas64_13.dll", "CUDA 13", "nvidia-cublas"),
    needed("curand64_10.dll", "CUDA 13", "nvidia-curand"),
    needed("cudnn64_9.dll", "cuDNN 9", "nvidia-cudnn-cu13"),
];

const PROVIDER: &str = if cfg!(windows) {
    "onnxruntime_providers_cuda.dll"
} else {
    "libonnxruntime_providers_cuda.so"
};
pub(super) const DRIVER_LIBRARY: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// What there is of CUDA for a library of ONNX Runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuda {
    /// What is missing, in the order in which it is loaded; empty where CUDA will do.
    pub missing: Vec<Missing>,
    /// NVIDIA's driver, where one is installed.
    pub driver: Option<Driver>,
}

/// NVIDIA's driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Newest version of CUDA that it supports, such as `13.0`.
    pub cuda: String,
    /// Names of the GPUs, in the driver's order.
    pub gpus: Vec<String>,
}

/// Something that CUDA needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The library's file name.
    pub file: &'static str,
    /// Which version of what it is a part of.
    pub part_of: &'static str,
    /// Package and version that `labelvet runtime install --cuda` gets it from; `None`
    /// for what belongs to the driver.
    pub package: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl Missing {
    /// Returns whether it is the driver's business, which cannot be installed here.
    pub fn is_driver(&self) -> bool {
        self.file == DRIVER_LIBRARY
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Missing { file, part_of, package, reason } = self;
        match package {
            Some(package) => write!(f, "{file} ({part_of}, in {package}) {reason}"),
            None => write!(f, "{file} ({part_of}) {reason}"),
        }
    }
}

impl Cuda {
    /// Looks at what CUDA needs for the library that [`Device::Cuda`] would choose; `None`
    /// where there is no library at all.
    pub fn find(cache: Option<&Path>) -> Option<Cuda> {
        let choice = Choice { device: Device::Cuda, cache: cache.map(Path::to_path_buf) };
        find::find(&choice).ok().map(|found| Cuda::look(&found.library, cache))
    }

    /// Looks at all that the CUDA provider beside a library needs, and loads what is
    /// there into the process.
    pub fn look(library: &Path, cache: Option<&Path>) -> Cuda {
        let mut cuda = Cuda { missing: Vec::from_iter(provider_missing(library)), driver: None };
        let folders = folders(library, cache);
        for needed in &LIBRARIES {
            if let Err(reason) = preload(needed.file, &folders) {
                let Needed { file, part_of, package } = *needed;
                let package = Some(packaged(package));
                cuda.missing.push(Missing { file, part_of, package, reason });
            }
        }
        match driver() {
            Ok(driver) => cuda.driver = Some(driver),
            Err((driver, reason)) => {
                cuda.driver = driver;
                let part_of = "NVIDIA driver 580 or newer";
                cuda.missing.push(Missing { file: DRIVER_LIBRARY, part_of, package: None, reason });
            }
        }
        cuda
    }
}

/// Returns the file of the CUDA provider that belongs to a library.
fn provider_of(library: &Path) -> PathBuf {
    library.with_file_name(PROVIDER)
}

/// Returns what is wrong with the provider of a library, if it has none.
pub(super) fn provider_missing(library: &Path) -> Option<Missing> {
    let beside = library.parent().unwrap_or(Path::new("."));
    (!provider_of(library).is_file()).then(|| provider(format!("is not in {}", beside.display())))
}

/// Returns what is wrong with a provider that ONNX Runtime refused.
pub(super) fn provider_fails(error: &RuntimeError) -> Missing {
    provider(format!("cannot be used: {error}"))
}

fn provider(reason: String) -> Missing {
    let package = Some(packaged("onnxruntime-gpu"));
    Missing { file: PROVIDER, part_of: "ONNX Runtime's provider for CUDA", package, reason }
}

/// Returns a package with the version that is installed.
fn packaged(package: &str) -> String {
    let wheels = install::wheels(Build::Cuda).unwrap_or_default();
    match wheels.iter().find(|wheel| wheel.package() == package) {
        Some(wheel) => format!("{package} {}", wheel.version()),
        None => package.into(),
    }
}

/// Returns the folders that may hold the libraries: the runtime's own, the cache's, and
/// those of the `nvidia` packages of the Python environment that the runtime lies in.
fn folders(library: &Path, cache: Option<&Path>) -> Vec<PathBuf> {
    let own = library.parent().unwrap_or(Path::new("."));
    let mut folders = vec![own.to_path_buf()];
    folders.extend(cache.map(install::cuda_folders).unwrap_or_default());
    // site-packages/onnxruntime/capi
    if let Some(packages) = own.ancestors().nth(2).filter(|_| own.ends_with("onnxruntime/capi")) {
        let parts = std::fs::read_dir(packages.join("nvidia")).into_iter().flatten().flatten();
        let mut parts: Vec<PathBuf> =
            parts.flat_map(|part| ["lib", "bin"].map(|last| part.path().join(last))).collect();
        parts.sort_unstable();
        folders.extend(parts);
    }
    folders
}

/// Loads a library from the first folder that has it, or as the system finds it; it
/// stays loaded.
fn preload(file: &str, folders: &[PathBuf]) -> Result<(), String> {
    let found = folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file());
    let verdict = match found {
        Some(_) => "cannot be loaded",
        None => "was not found beside the runtime, and the system has none that will do",
    };
    ort::util::preload_dylib(found.unwrap_or_else(|| file.into()))
        .map_err(|error| format!("{verdict}: {}", check::loader_says(&error)))
}

/// Returns the driver, or what is wrong with it.
#[expect(unsafe_code, reason = "the driver is asked through its C functions")]
fn driver() -> Result<Driver, (Option<Driver>, String)> {
    type Out = unsafe extern "system" fn(*mut c_int) -> c_int;
    type Name = unsafe extern "system" fn(*mut c_char, c_int, c_int) -> c_int;
    type Device = unsafe extern "system" fn(*mut c_int, c_int) -> c_int;
    type Init = unsafe extern "system" fn(u32) -> c_int;

    let none = |reason: &str| (None, reason.to_string());
    // SAFETY: NVIDIA's driver is made to be loaded so, and stays loaded: see below.
    let library = unsafe { Library::new(DRIVER_LIBRARY) }.map_err(|_| none("was not found"))?;
    // The driver keeps threads; unloading it would pull the ground from under them.
    let library = std::mem::ManuallyDrop::new(library);
    // SAFETY: The types are those of the driver API's declarations, which keep them.
    let functions = unsafe {
        let init = library.get::<Init>(b"cuInit\0");
        let version = library.get::<Out>(b"cuDriverGetVersion\0");
        let count = library.get::<Out>(b"cuDeviceGetCount\0");
        let device = library.get::<Device>(b"cuDeviceGet\0");
        let name = library.get::<Name>(b"cuDeviceGetName\0");
        (init, version, count, device, name)
    };
    let (Ok(init), Ok(version), Ok(count), Ok(device), Ok(name)) = functions else {
        return Err(none("is not NVIDIA's driver"));
    };
    let mut number = 0;
    // SAFETY: It writes one number, and may be called before `cuInit`.
    if unsafe { version(&mut number) } != 0 {
        return Err(none("does not tell its version"));
    }
    let mut driver =
        Driver { cuda: format!("{}.{}", number / 1000, number % 1000 / 10), gpus: Vec::new() };
    if number < DRIVER {
        let reason = format!("supports CUDA {} at most", driver.cuda);
        return Err((Some(driver), reason));
    }
    // SAFETY: It takes no pointers; a second call does nothing.
    let code = unsafe { init(0) };
    if code != 0 {
        return Err((Some(driver), format!("finds no usable GPU (cuInit gives {code})")));
    }
    let mut gpus = 0;
    // SAFETY: It writes one number; the driver is initialised.
    if unsafe { count(&mut gpus) } != 0 || gpus == 0 {
        return Err((Some(driver), "finds no GPU".into()));
    }
    for ordinal in 0..gpus {
        let mut handle = 0;
        let mut text = [0u8; 256];
        // SAFETY: The ordinal is below the count; the name is written with a null byte and
        // cut to the length that is passed.
        let done = unsafe {
            device(&mut handle, ordinal) == 0 && name(text.as_mut_ptr().cast(), 256, handle) == 0
        };
        let text = CStr::from_bytes_until_nul(&text).ok().filter(|_| done);
        driver.gpus.push(text.unwrap_or(c"unknown").to_string_lossy().into_owned());
    }
    Ok(driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_name_and_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let cuda = Cuda::look(&folder.path().join("libonnxruntime.so"), None);
        let first = cuda.missing.first().expect("no provider").to_string();
        assert!(first.starts_with(PROVIDER), "{first}");
        assert!(first.contains("onnxruntime-gpu"), "{first}");
    }

    #[test]
    fn libraries_of_python_are_looked_for_beside_the_package() {
        let folder = tempfile::tempdir().expect("a folder");
        let capi = folder.path().join("onnxruntime/capi");
        let lib = folder.path().join("nvidia/cu13/lib");
        for path in [&capi, &lib] {
            std::fs::create_dir_all(path).expect("a folder");
        }
        let folders = folders(&capi.join("libonnxruntime.so"), None);
        assert_eq!(folders.first(), Some(&capi));
        assert!(folders.contains(&lib));
    }
}
