//! Checks a library before `ort` sees it, and asks the loaded one what it can do.

use std::ffi::CStr;
use std::path::Path;

use libloading::Library;
use ort::sys::OrtApiBase;

/// Oldest minor version of ONNX Runtime 1 that `ort` can use, as it was built.
pub const OLDEST: u32 = ort::MINOR_VERSION;

/// Why a library will not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// The system cannot load it.
    #[error("not a library that this system can load ({0})")]
    NotALibrary(String),
    /// It is a library, but not ONNX Runtime.
    #[error("not ONNX Runtime: it has no usable OrtGetApiBase")]
    NoApi,
    /// It is an ONNX Runtime that is too old.
    #[error("version {0}, but 1.{OLDEST} or newer is needed")]
    TooOld(String),
}

/// Returns the version of the ONNX Runtime in a file, given by its absolute path.
///
/// # Errors
/// Fails when the file is anything but an ONNX Runtime that `ort` can use.
pub(super) fn version(path: &Path) -> Result<String, Unusable> {
    // Neither a folder nor a pipe, on which the system's loader would wait.
    if !path.is_file() {
        return Err(Unusable::Missing);
    }
    let (version, current) = ask(path)?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(1), Some(minor)) if minor >= OLDEST && current => Ok(version),
        (Some(1), Some(minor)) if minor >= OLDEST => Err(Unusable::NoApi),
        _ => Err(Unusable::TooOld(version)),
    }
}

/// Returns the version string of a library, and whether it has the functions that
/// `ort` was built for.
#[expect(unsafe_code, reason = "the version is told by a function of the library")]
fn ask(path: &Path) -> Result<(String, bool), Unusable> {
    // SAFETY: Loading runs the initialisers of the library. It is one that the user named,
    // or put beside the binary or into the Python environment, or that was installed from
    // bytes with a known checksum: loading it is what was asked for.
    let library = unsafe { Library::new(path) }.map_err(|error| {
        let said = loader_says(&error);
        Unusable::NotALibrary(said.replace(&format!("{}: ", path.display()), ""))
    })?;
    // SAFETY: ONNX Runtime's C API declares `OrtGetApiBase` as this function since 1.0.
    let base = unsafe {
        library.get::<unsafe extern "system" fn() -> *const OrtApiBase>(b"OrtGetApiBase\0")
    };
    let base = base.map_err(|_| Unusable::NoApi)?;
    // SAFETY: It takes nothing and gives a pointer to a constant of the library, or null.
    let base = unsafe { base().as_ref() }.ok_or(Unusable::NoApi)?;
    // SAFETY: The two functions of the base never changed; the library is still loaded.
    let (text, api) = unsafe { ((base.GetVersionString)(), (base.GetApi)(OLDEST)) };
    if text.is_null() {
        return Err(Unusable::NoApi);
    }
    // SAFETY: The version is a constant of the library that ends with a null byte.
    let text = unsafe { CStr::from_ptr(text) };
    Ok((text.to_string_lossy().into_owned(), !api.is_null()))
}

/// Returns what the system's loader says; the error itself says only that it failed.
pub(super) fn loader_says(error: &libloading::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Returns the names of the providers that the loaded library was built with.
#[expect(unsafe_code, reason = "ort asks for one provider at a time, not for their names")]
pub(super) fn providers() -> Vec<String> {
    let api = ort::api();
    let mut names = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: Both places to write to are valid for the call.
    let status = unsafe { (api.GetAvailableProviders)(&mut names, &mut count) };
    if !status.0.is_null() || names.is_null() {
        return Vec::new();
    }
    let length = usize::try_from(count).unwrap_or_default();
    let name = |index| {
        // SAFETY: The array holds `count` strings that end with a null byte.
        unsafe { CStr::from_ptr(*names.add(index)) }.to_string_lossy().into_owned()
    };
    let list = (0..length).map(name).collect();
    // SAFETY: The array came from the call above and is not used afterwards.
    let _ = unsafe { (api.ReleaseAvailableProviders)(names, count) };
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("libonnxruntime.so");
        assert_eq!(version(&file), Err(Unusable::Missing));
        assert_eq!(version(folder.path()), Err(Unusable::Missing));
        std::fs::write(&file, "text").expect("a file");
        assert!(matches!(version(&file), Err(Unusable::NotALibrary(_))));
    }
}
