//! Files of predictions: labelvet's own Parquet table, the CSV of DeepLabCut and Lightning Pose,
//! COCO's results, YOLO's folder of text files, and a table of probabilities of classes.
//!
//! Takes a path and the dataset that it is about, gives [`Predictions`]. Reading leaves out what
//! does not belong to the dataset, or makes no sense, and says so by file and row; it fails only
//! where nothing is left. `docs/predictions.md` says what each kind looks like.

mod classes;
mod images;
mod parquet;
mod pose_csv;
mod results;
mod table;
mod yolo;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::dataset::{Dataset, Predictions, Problem, ProblemKind};
use images::Images;

pub use parquet::write_parquet;
pub use pose_csv::write_csv;
pub use results::write_coco_results;
pub(crate) use table::read_columns;

/// Version of the layout of what is written here.
const SCHEMA: u32 = 1;

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
    pub(crate) fn malformed(
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

/// Reads a file, or folder, of predictions for a dataset. Needs [`Dataset::sort`].
///
/// # Errors
/// Fails when it cannot be read, is of no known kind, is malformed as a whole, or holds nothing
/// about the dataset.
pub fn read(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let suffix = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let wrong = |message: &str| PredictionsError::malformed(path, None, None, message);
    let reading = match suffix.as_str() {
        _ if path.is_dir() => yolo::read(path, dataset),
        "parquet" => parquet::read(path, dataset),
        "csv" if classes::is_table(path)? => classes::read(path, dataset),
        "csv" => pose_csv::read(path, dataset),
        "json" => results::read(path, dataset),
        "h5" => {
            let message =
                "HDF5 cannot be read; DeepLabCut writes a .csv beside it with save_as_csv";
            Err(wrong(message))
        }
        _ => Err(wrong(
            "expected predictions as .parquet, .csv (DeepLabCut, Lightning Pose, or \
             `image,<class>,<class>,…`), .json (COCO results) or a folder of .txt (YOLO)",
        )),
    }?;
    if reading.predictions.is_empty() {
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

/// Reads several files of predictions as one. An image of which two files tell the same kind of
/// thing keeps what the first says, as two models would else be taken for two animals.
///
/// # Errors
/// Fails where [`read`] does for one of them.
pub fn read_all(paths: &[PathBuf], dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let mut all = Reading::default();
    for path in paths {
        let Reading { mut predictions, problems } = read(path, dataset)?;
        all.problems.extend(problems);
        let mut notes = Notes::new(path);
        let mut twice: HashSet<u32> = HashSet::new();
        let known = &mut all.predictions;
        add(&mut known.poses, &mut predictions.poses, |pose| pose.image, &mut twice);
        add(&mut known.boxes, &mut predictions.boxes, |found| found.image, &mut twice);
        add(&mut known.classes, &mut predictions.classes, |found| found.image, &mut twice);
        let mut twice: Vec<u32> = twice.into_iter().collect();
        twice.sort_unstable();
        for image in twice {
            let image = &dataset.images[image as usize].path;
            let message =
                format!("an earlier file has predictions for `{image}`; these are left out");
            notes.add(None, ProblemKind::DuplicateRow, Some(image), message);
        }
        all.problems.extend(notes.problems);
    }
    Ok(all)
}

/// Adds predictions for images that had none, and notes the others.
fn add<T>(to: &mut Vec<T>, from: &mut Vec<T>, image: fn(&T) -> u32, twice: &mut HashSet<u32>) {
    let known: HashSet<u32> = to.iter().map(image).collect();
    from.retain(|row| {
        let new = !known.contains(&image(row));
        if !new {
            twice.insert(image(row));
        }
        new
    });
    to.append(from);
}

/// Collects what does not belong to the dataset.
struct Notes {
    file: String,
    /// Images that the dataset does not have.
    unknown: HashSet<String>,
    problems: Vec<Problem>,
}

impl Notes {
    fn new(path: &Path) -> Notes {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Notes { file, unknown: HashSet::new(), problems: vec![] }
    }

    fn add(
        &mut self,
        row: Option<usize>,
        kind: ProblemKind,
        image: Option<&str>,
        message: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: self.file.clone(),
            row: row.and_then(|row| u32::try_from(row).ok()),
            column: None,
            kind,
            image: image.map(String::from),
            message: message.into(),
        });
    }

    /// Notes an image that the dataset does not have, once.
    fn unknown_image(&mut self, row: usize, image: &str) {
        if self.unknown.insert(image.to_owned()) {
            let message = format!("`{image}` is no image of the dataset");
            self.add(Some(row), ProblemKind::LabelWithoutImage, Some(image), message);
        }
    }

    /// Notes a row that cannot be used.
    fn unread(&mut self, row: usize, image: &str, message: impl Into<String>) {
        self.add(Some(row), ProblemKind::UnreadableLabel, Some(image), message);
    }

    /// Notes a row that says what an earlier one has said.
    fn repeated(&mut self, row: usize, image: &str) {
        let message = "an earlier row says the same";
        self.add(Some(row), ProblemKind::DuplicateRow, Some(image), message);
    }
}

/// Tells predictions apart, bit by bit.
#[derive(Default)]
struct Seen(HashSet<(u32, Vec<u64>)>);

impl Seen {
    /// Returns whether an image has had no prediction of the same numbers.
    fn is_new(&mut self, image: u32, numbers: impl IntoIterator<Item = f64>) -> bool {
        self.0.insert((image, numbers.into_iter().map(f64::to_bits).collect()))
    }
}
