//! Where an ONNX Runtime may lie, in the order in which it is looked for.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Build, Choice, Cuda, Device, RuntimeError, Unusable, check, cuda, install};
use crate::packages::Python;

/// Variable that names the library's file; nothing else is looked at then.
pub(super) const VARIABLE: &str = "ORT_DYLIB_PATH";

/// A place where a library is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file that `ORT_DYLIB_PATH` names.
    Variable,
    /// The folder of the program.
    Binary,
    /// labelvet's cache.
    Cache,
    /// The package `onnxruntime` or `onnxruntime-gpu` of the active Python environment.
    Python,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Variable => VARIABLE,
            Place::Binary => "beside the program",
            Place::Cache => "labelvet's cache",
            Place::Python => "the Python environment",
        })
    }
}

/// A place that had no library that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The place.
    pub place: Place,
    /// The folder, or the file that will not do; `None` where the place itself is not
    /// there.
    pub path: Option<PathBuf>,
    /// Why the file will not do; `None` where there is no file.
    pub reason: Option<Unusable>,
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, &self.reason) {
            (Some(path), Some(reason)) => write!(f, "{}: {reason}", path.display()),
            (Some(path), None) => write!(f, "{}: none in {}", self.place, path.display()),
            (None, _) if self.place == Place::Variable => write!(f, "{VARIABLE} is not set"),
            (None, _) => write!(f, "{}: none", self.place),
        }
    }
}

/// A library that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) library: PathBuf,
    pub(super) place: Place,
    pub(super) version: String,
}

/// Returns the library to use: the first one in the order of places that works.
///
/// Where CUDA will do, one that has all that CUDA needs goes first; where CUDA is asked
/// for, one that has the provider, whose error then tells what else is missing.
pub(super) fn find(choice: &Choice) -> Result<Found, RuntimeError> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let path = PathBuf::from(path);
        // `ort` looks for what is not absolute in other folders than the current one.
        let path = std::path::absolute(&path).unwrap_or(path);
        return match check::version(&path) {
            Ok(version) => Ok(Found { library: path, place: Place::Variable, version }),
            Err(reason) => Err(RuntimeError::Named { path, reason }),
        };
    }
    let mut looked = vec![Looked { place: Place::Variable, path: None, reason: None }];
    let mut usable: Option<Found> = None;
    for (place, folder) in folders(choice) {
        let Some(path) = folder.as_deref().and_then(library_in) else {
            // The folders of the cache are details of its own.
            let path = if place == Place::Cache {
                choice.cache.as_deref().map(install::root)
            } else {
                folder
            };
            looked.push(Looked { place, path, reason: None });
            looked.dedup();
            continue;
        };
        let with_provider = cuda::provider_missing(&path).is_none();
        let wanted = match choice.device {
            Device::Cpu => true,
            Device::Cuda => with_provider,
            Device::Auto => {
                with_provider && Cuda::look(&path, choice.cache.as_deref()).missing.is_empty()
            }
        };
        if !wanted && usable.is_some() {
            continue;
        }
        match check::version(&path) {
            Ok(version) if wanted => return Ok(Found { library: path, place, version }),
            Ok(version) => usable = Some(Found { library: path, place, version }),
            Err(reason) => looked.push(Looked { place, path: Some(path), reason: Some(reason) }),
        }
    }
    usable.ok_or(RuntimeError::NotFound { looked })
}

/// Returns the folders to look into, in order; `None` for a place that is not there.
/// Lazily, since asking Python takes a moment.
fn folders(choice: &Choice) -> impl Iterator<Item = (Place, Option<PathBuf>)> {
    let program = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let beside = program.and_then(|path| Some(path.parent()?.to_path_buf()));
    let cache = choice.cache.clone();
    let cached = [Build::Cpu, Build::Cuda].into_iter().map(move |build| {
        (Place::Cache, cache.as_deref().and_then(|cache| install::folder(build, cache)))
    });
    let python = std::iter::once_with(|| {
        let packages = Python::active().map(|python| python.site_packages()).unwrap_or_default();
        let mut folders: Vec<_> = packages
            .iter()
            .map(|packages| packages.join("onnxruntime").join("capi"))
            .filter(|folder| folder.is_dir())
            .map(|folder| (Place::Python, Some(folder)))
            .collect();
        if folders.is_empty() {
            folders.push((Place::Python, packages.into_iter().next()));
        }
        folders
    });
    std::iter::once((Place::Binary, beside)).chain(cached).chain(python.flatten())
}

/// Returns the ONNX Runtime in a folder: the one without a version in its name, or the
/// newest.
pub(super) fn library_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let paths = entries.flatten().map(|entry| entry.path());
    let rank = |path: &PathBuf| {
        let version = version_in(path.file_name()?.to_str()?)?;
        Some((version.is_empty(), version))
    };
    paths.filter(|path| rank(path).is_some()).max_by_key(rank)
}

/// Returns the numbers in the name of a library of ONNX Runtime, such as 1, 32, 0;
/// none of a name that has no version, `None` of any other file.
fn version_in(name: &str) -> Option<Vec<u32>> {
    let middle = if cfg!(windows) {
        name.strip_prefix("onnxruntime")?.strip_suffix(".dll")?
    } else if cfg!(target_os = "macos") {
        name.strip_prefix("libonnxruntime")?.strip_suffix(".dylib")?
    } else {
        name.strip_prefix("libonnxruntime.so")?
    };
    match middle.strip_prefix('.') {
        Some(numbers) => numbers.split('.').map(|number| number.parse().ok()).collect(),
        None => middle.is_empty().then(Vec::new),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn newest_library_of_a_folder_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(library_in(folder.path()), None);
        let add = |name: &str| std::fs::write(folder.path().join(name), "").expect("a file");
        let newest = || {
            let path = library_in(folder.path()).expect("a library");
            path.file_name().expect("a name").to_str().expect("text").to_string()
        };
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime_providers_shared.so"] {
            add(name);
        }
        assert_eq!(newest(), "libonnxruntime.so.1.9.0");
        add("libonnxruntime.so.1.10.0");
        add("libonnxruntime.so.1.10.0.bak");
        assert_eq!(newest(), "libonnxruntime.so.1.10.0", "versions are numbers");
        add("libonnxruntime.so");
        assert_eq!(newest(), "libonnxruntime.so");
    }
}
