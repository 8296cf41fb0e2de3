//! Options that say how a dataset is read, for every command that takes one.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::dataset::Dataset;
use crate::formats::{self, ReadOptions};

/// How a dataset is read.
#[derive(Debug, clap::Args)]
pub(super) struct DatasetOptions {
    /// Folder that holds the images, where they lie elsewhere
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Format, overriding detection
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
}

impl DatasetOptions {
    /// Reads a dataset, whose left-right pairs the settings may give.
    pub(super) fn read(&self, path: &Path, pairs: &[[String; 2]]) -> Result<Dataset> {
        let options = ReadOptions {
            images: self.images.clone(),
            format: self.format.clone(),
            pairs: pairs.to_vec(),
        };
        Ok(formats::read(path, &options)?)
    }
}
