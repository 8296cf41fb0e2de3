//! Options that say how a dataset is read, for every command that takes one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rayon::prelude::*;

use super::output::say_problems;
use super::{Common, progress};
use crate::dataset::{Dataset, Image};
use crate::facts::{self, Facts, MeasureOptions, Pixels, Planes, Predicted};
use crate::formats::{self, ReadOptions};
use crate::plant::Recipe;
use crate::predictions::{self, Reading};

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

/// What a model says of a dataset.
#[derive(Debug, clap::Args)]
pub(super) struct PredictionsOptions {
    /// Predictions of a model for the images, so that labels are compared with them: .parquet of
    /// labelvet, .csv of DeepLabCut or Lightning Pose, .json of COCO results, a folder of YOLO's
    /// .txt, or .csv with a column `image` and one per class; may be given several times
    #[arg(long, value_name = "FILE")]
    predictions: Vec<PathBuf>,
}

impl PredictionsOptions {
    /// Reads the predictions and joins them to the labels, `None` where none are asked for. Says
    /// what could not be read or matched.
    pub(super) fn read(&self, dataset: &Dataset, common: &Common) -> Result<Option<Predicted>> {
        if self.predictions.is_empty() {
            return Ok(None);
        }
        let Reading { predictions, problems } = predictions::read_all(&self.predictions, dataset)?;
        if !common.quiet {
            say_problems(&problems);
        }
        let mut predicted = Predicted::new(dataset, predictions);
        predicted.problems = problems;
        Ok(Some(predicted))
    }
}

/// Returns the sizes of a dataset's images in pixels, `None` where an image cannot be read. Only
/// the headers are.
pub(super) fn sizes_px(dataset: &Dataset) -> Vec<Option<[u32; 2]>> {
    let size = |image: &Image| formats::size_px(image.file.as_deref()?);
    dataset.images.par_iter().map(size).collect()
}

/// Measures a dataset's images, with a progress bar.
pub(super) fn measured(dataset: Dataset, pixels: Pixels, common: &Common) -> Facts {
    let bar = progress::bar("measuring images", dataset.images.len(), common.quiet);
    let cache = common.cache_folder();
    let options = MeasureOptions { pixels, cache, progress: Some(&|| bar.inc(1)) };
    let facts = facts::measure(dataset, &options);
    bar.finish_and_clear();
    facts
}

/// Returns places on edges of a dataset's images, where a recipe needs them: images are opened for
/// that only.
pub(super) fn edges(dataset: &Dataset, recipe: &Recipe) -> Vec<Vec<[f32; 2]>> {
    match recipe.needs_edges() {
        true => Planes::default().edges(dataset),
        false => Vec::new(),
    }
}

/// Reads a copy of a dataset as its users will. `original` is the path that the dataset was read
/// by.
///
/// # Errors
/// Fails where the copy cannot be read, and where a configuration in it names the original's
/// folder: who trains on the copy would then train on the original.
pub(super) fn read_copy(dataset: &Dataset, original: &Path, copy: &Path) -> Result<Dataset> {
    let absolute = |path: &Path| {
        std::path::absolute(path).with_context(|| format!("failed to read {}", path.display()))
    };
    let (original, root) = (absolute(original)?, absolute(&dataset.root)?);
    // A folder above the dataset was searched; the copy is of the dataset itself.
    let below = original.strip_prefix(&root).unwrap_or(Path::new(""));
    let options = ReadOptions { format: Some(dataset.format.into()), ..ReadOptions::default() };
    let copied = formats::read(&copy.join(below), &options).context("failed to read the copy")?;
    let copy = absolute(copy)?;
    let elsewhere = |file: &Path| file.starts_with(&root) && !file.starts_with(&copy);
    let astray =
        copied.images.iter().filter_map(|image| image.file.as_deref()).find(|f| elsewhere(f));
    if let Some(file) = astray {
        bail!(
            "who reads the copy would read the original: a configuration in it leads to {}; make \
             the path in it (`path` of a data.yaml) a relative one",
            file.display()
        );
    }
    Ok(copied)
}
