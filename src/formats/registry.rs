//! Which formats exist, and which of them a path holds.

use std::path::Path;

use super::{Format, FormatError, ReadOptions};
use crate::dataset::Dataset;

/// All formats, the most specific first.
pub const FORMATS: &[Format] = &[];

/// Reads the dataset at a path.
///
/// # Errors
/// Fails when the path does not exist, holds no or several datasets, or cannot be
/// read at all.
pub fn read(path: &Path, _options: &ReadOptions) -> Result<Dataset, FormatError> {
    Err(FormatError::NotFound { path: path.into() })
}
