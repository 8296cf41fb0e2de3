//! The division of a dataset in a file: `split.parquet` of a run, or a table that a user made.
//!
//! Takes and gives columns `image` (path as labelvet writes it) and `part` (`train`, `test` or
//! `gap`); a CSV with a header row or a Parquet file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::record::{self, RecordError};
use crate::dataset::{Dataset, Part, Split};
use crate::predictions::{PredictionsError, read_columns};

/// Why a file gives no division.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitFileError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] Box<PredictionsError>),
    /// A row makes no sense.
    #[error("failed to read the split {}: row {row}: {message}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Row, counted from 1 without the header.
        row: usize,
        /// What was expected and found.
        message: String,
    },
    /// A part has no image.
    #[error("the split {} has no image of part `{part}` that this dataset has", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The part.
        part: Part,
    },
}

/// Writes `split.parquet`.
///
/// # Errors
/// [`RecordError`] where the file cannot be written.
pub fn write(path: &Path, dataset: &Dataset, split: &Split) -> Result<(), RecordError> {
    let rows = || {
        dataset.images.iter().zip(&split.parts).filter_map(|(image, part)| Some((image, (*part)?)))
    };
    let images = StringChunked::from_iter_values(
        "image".into(),
        rows().map(|(image, _)| image.path.as_str()),
    );
    let parts = StringChunked::from_iter_values("part".into(), rows().map(|(_, part)| part.name()));
    let height = images.len();
    let mut frame = DataFrame::new(height, vec![images.into_column(), parts.into_column()])
        .expect("two columns of one length");
    record::write(path, &mut frame)
}

/// Returns a division as the CSV file that [`read`] takes. Images that are in no part have no
/// row.
///
/// # Errors
/// Fails where memory does.
pub fn to_csv(dataset: &Dataset, split: &Split) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["image", "part"])?;
    for (image, part) in dataset.images.iter().zip(&split.parts) {
        if let Some(part) = part {
            table.write_record([image.path.as_str(), part.name()])?;
        }
    }
    table.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// Reads a division of a dataset. Images that the file does not name are in no part.
///
/// # Errors
/// [`SplitFileError`] where the file or a row makes no sense, an image is not the dataset's, or
/// nothing is left to train or to test with.
pub fn read(path: &Path, dataset: &Dataset) -> Result<Split, SplitFileError> {
    let rows = read_columns(path, ["image", "part"]).map_err(Box::new)?;
    let by_path: HashMap<&str, usize> =
        dataset.images.iter().enumerate().map(|(at, image)| (image.path.as_str(), at)).collect();
    let mut parts = vec![None; dataset.images.len()];
    for (at, (image, part)) in rows.iter().enumerate() {
        let wrong = |message| SplitFileError::Row { path: path.into(), row: at + 1, message };
        let part: Part = part.parse().map_err(wrong)?;
        let place = by_path.get(image.as_str());
        let place = *place.ok_or_else(|| wrong(format!("the dataset has no image `{image}`")))?;
        if parts[place].is_some_and(|other| other != part) {
            return Err(wrong(format!("`{image}` is in two parts")));
        }
        parts[place] = Some(part);
    }
    let split = Split { parts };
    for part in [Part::Train, Part::Test] {
        if split.count(part) == 0 {
            return Err(SplitFileError::Empty { path: path.into(), part });
        }
    }
    Ok(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Image;

    fn dataset() -> Dataset {
        let image = |path: &str| Image { path: path.into(), ..Image::default() };
        Dataset { images: ["a.png", "b.png", "c.png"].map(image).to_vec(), ..Dataset::default() }
    }

    #[test]
    fn a_split_is_written_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("split.parquet");
        let split = Split { parts: vec![Some(Part::Test), None, Some(Part::Train)] };
        write(&path, &dataset(), &split).expect("written");
        assert_eq!(read(&path, &dataset()).expect("read"), split);
    }

    #[test]
    fn a_split_is_the_same_through_csv() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("split-1.csv");
        let mut dataset = dataset();
        dataset.images[2].path = "a, \"b\"/c.png".into();
        let split = Split { parts: vec![Some(Part::Test), Some(Part::Gap), Some(Part::Train)] };
        std::fs::write(&path, to_csv(&dataset, &split).expect("a table")).expect("written");
        assert_eq!(read(&path, &dataset).expect("read"), split);
    }

    #[test]
    fn a_users_table_is_checked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("split.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            read(&path, &dataset()).map_err(|error| error.to_string())
        };
        assert!(read("part,image\ntrain,a.png\ntest,b.png\n").is_ok());
        let message = |text: &str| read(text).expect_err("an error");
        assert!(message("image,part\ntrain,a.png\n").contains("row 1"));
        assert!(message("image,part\nd.png,train\n").contains("no image `d.png`"));
        assert!(message("file,part\na.png,train\n").contains("expected columns image and part"));
        assert!(message("image,part\na.png,train\n").contains("`test`"));
    }
}
