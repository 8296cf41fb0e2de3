//! Files of predictions: labelvet's own Parquet table, the CSV of DeepLabCut and Lightning
//! Pose, and COCO's results. Each is written and read; reading leaves out what does not
//! belong to the dataset and says so, and fails only where nothing is left to judge.

mod parquet;
mod pose_csv;
mod results;
pub(super) mod table;

use std::path::{Path, PathBuf};

use super::Predictions;
use crate::dataset::{Dataset, Problem, ProblemKind};

pub use parquet::write_parquet;
pub use pose_csv::write_csv;
pub use results::write_coco_results;

/// Version of the layout of what is written here.
pub(super) const SCHEMA: u32 = 1;

/// What a file of predictions holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// What belongs to the dataset.
    pub predictions: Predictions,
    /// What does not, and what could not be understood.
    pub problems: Vec<Problem>,
}

/// Says why a file of predictions or of parts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// The system refused.
    #[error("failed to {verb} {}: {source}", .path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content makes no sense.
    #[error("failed to read {}: {place}{message}", .path.display(), place = place(*.row, *.column))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, or ordinal of an entry, counted from 1.
        row: Option<usize>,
        /// Column, counted from 1.
        column: Option<usize>,
        /// What was expected and what was found.
        message: String,
    },
    /// A table could not be made, read or written.
    #[error("failed to {verb} {}: {source}", .path.display())]
    Table {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What polars said.
        source: Box<polars::prelude::PolarsError>,
    },
}

impl PredictionsError {
    pub(super) fn malformed(
        path: &Path,
        row: Option<usize>,
        column: Option<usize>,
        message: impl Into<String>,
    ) -> PredictionsError {
        PredictionsError::Malformed { path: path.into(), row, column, message: message.into() }
    }

    fn read(path: &Path) -> impl Fn(std::io::Error) -> PredictionsError {
        move |source| PredictionsError::Io { verb: "read", path: path.into(), source }
    }

    fn write(path: &Path) -> impl Fn(std::io::Error) -> PredictionsError {
        move |source| PredictionsError::Io { verb: "write", path: path.into(), source }
    }
}

fn place(row: Option<usize>, column: Option<usize>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("row {row}, column {column}: "),
        (Some(row), None) => format!("row {row}: "),
        _ => String::new(),
    }
}

/// Reads predictions for a dataset. Needs [`Dataset::sort`].
///
/// # Errors
/// Fails when the file cannot be read, is of no known kind, makes no sense at a row, or
/// holds nothing about the dataset.
pub fn read_predictions(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let suffix = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let reading = match suffix.as_str() {
        "parquet" => parquet::read(path, dataset),
        "csv" => pose_csv::read(path, dataset),
        "json" => results::read(path, dataset),
        "h5" => Err(PredictionsError::malformed(
            path,
            None,
            None,
            "HDF5 cannot be read; DeepLabCut writes a .csv beside it with save_as_csv",
        )),
        _ => Err(PredictionsError::malformed(
            path,
            None,
            None,
            "expected predictions as .parquet, .csv (DeepLabCut, Lightning Pose) or .json (COCO results)",
        )),
    }?;
    if reading.predictions.rows.is_empty() {
        let first = reading.problems.first();
        let why =
            first.map_or("it holds no predicted point".into(), |problem| problem.message.clone());
        return Err(PredictionsError::malformed(
            path,
            first.and_then(|problem| problem.row.map(|row| row as usize)),
            None,
            format!("no prediction for an image of the dataset: {why}"),
        ));
    }
    Ok(reading)
}

/// Collects what does not belong to the dataset.
struct Notes {
    file: String,
    problems: Vec<Problem>,
}

impl Notes {
    fn new(path: &Path) -> Notes {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Notes { file, problems: vec![] }
    }

    fn add(&mut self, row: usize, kind: ProblemKind, image: Option<&str>, message: String) {
        self.problems.push(Problem {
            file: self.file.clone(),
            row: u32::try_from(row).ok(),
            column: None,
            kind,
            image: image.map(String::from),
            message,
        });
    }

    /// Notes an image that the dataset does not have.
    fn unknown_image(&mut self, row: usize, image: &str) {
        let message = format!("`{image}` is no image of the dataset");
        self.add(row, ProblemKind::LabelWithoutImage, Some(image), message);
    }
}
