//! `predictions.parquet`: one row per predicted keypoint, in the label file's own pixel
//! convention; a missing point has no x and y. `schema = 1` stands in the metadata.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use polars::prelude::{
    Column, DataFrame, DataType, Float64Chunked, IntoColumn as _, KeyValueMetadata,
    NewChunkedArray as _, ParquetReader, ParquetWriter, PolarsResult, SerReader as _,
    StringChunked, UInt32Chunked,
};

use super::{Images, Notes, PredictionsError, Reading, SCHEMA};
use crate::dataset::{Dataset, PredictedPoint, PredictedPose, Predictions, ProblemKind};

/// Writes predictions as a table with the columns `image` (path), `detection` (counted
/// from 0 in each image), `instance` (name of the label that it was made for, or null),
/// `score`, `keypoint`, `x`, `y`, `likelihood`. Where the dataset has several skeletons,
/// their names stand in `skeleton`.
///
/// # Errors
/// Fails when the file cannot be written.
pub fn write_parquet(
    path: &Path,
    dataset: &Dataset,
    predictions: &Predictions,
) -> Result<(), PredictionsError> {
    let table = |source| PredictionsError::Table {
        verb: "write",
        path: path.into(),
        source: Box::new(source),
    };
    let mut frame = frame(dataset, predictions).map_err(table)?;
    let file = File::create(path).map_err(PredictionsError::write(path))?;
    let schema = vec![("schema".to_string(), SCHEMA.to_string())];
    ParquetWriter::new(BufWriter::new(file))
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(schema)))
        .finish(&mut frame)
        .map_err(table)?;
    Ok(())
}

/// A row of the table.
struct Row<'a> {
    detection: u32,
    prediction: &'a PredictedPose,
    keypoint: &'a str,
    point: PredictedPoint,
}

fn frame(dataset: &Dataset, predictions: &Predictions) -> PolarsResult<DataFrame> {
    let mut rows = Vec::new();
    for of_image in predictions.by_image(dataset.images.len()) {
        for (detection, at) in of_image.into_iter().enumerate() {
            let prediction = &predictions.poses[at];
            let names = &dataset.skeletons[usize::from(prediction.skeleton)].keypoints;
            rows.extend(names.iter().zip(&prediction.points).map(|(keypoint, &point)| Row {
                detection: detection as u32,
                prediction,
                keypoint,
                point,
            }));
        }
    }
    let instances: Vec<Option<String>> = (rows.iter())
        .map(|row| {
            let instance = dataset.instances.get(row.prediction.instance? as usize)?;
            Some(dataset.instance_name(instance))
        })
        .collect();
    let number = |name: &str, value: &dyn Fn(&Row<'_>) -> f64| {
        let values = rows.iter().map(|row| Some(value(row)).filter(|value| value.is_finite()));
        Float64Chunked::from_iter_options(name.into(), values).into_column()
    };
    let mut columns = vec![
        text("image", rows.iter().map(|r| &*dataset.images[r.prediction.image as usize].path)),
        UInt32Chunked::from_iter_values("detection".into(), rows.iter().map(|row| row.detection))
            .into_column(),
        StringChunked::from_iter_options("instance".into(), instances.iter().map(Option::as_deref))
            .into_column(),
        number("score", &|row| row.prediction.score),
        text("keypoint", rows.iter().map(|row| row.keypoint)),
        number("x", &|row| dataset.to_label(row.point.x)),
        number("y", &|row| dataset.to_label(row.point.y)),
        number("likelihood", &|row| row.point.likelihood),
    ];
    if dataset.skeletons.len() > 1 {
        let name = |row: &Row<'_>| &*dataset.skeletons[usize::from(row.prediction.skeleton)].name;
        columns.insert(4, text("skeleton", rows.iter().map(name)));
    }
    DataFrame::new(rows.len(), columns)
}

fn text<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Column {
    StringChunked::from_iter_values(name.into(), values).into_column()
}

/// Reads such a table. `detection`, `instance`, `score`, `skeleton` and `likelihood` may be
/// absent.
pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let table = |source| PredictionsError::Table {
        verb: "read",
        path: path.into(),
        source: Box::new(source),
    };
    let file = File::open(path).map_err(PredictionsError::read(path))?;
    let frame = ParquetReader::new(file).finish().map_err(table)?;
    let columns = Columns::new(path, &frame)?;
    columns.read(path, dataset)
}

/// What tells the detections of a table apart.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    image: u32,
    detection: Option<u32>,
    own: Option<&'a str>,
    skeleton: usize,
}

/// The columns of a table, row by row.
struct Columns {
    image: Vec<Option<String>>,
    detection: Vec<Option<u32>>,
    instance: Vec<Option<String>>,
    skeleton: Vec<Option<String>>,
    keypoint: Vec<Option<String>>,
    score: Vec<Option<f64>>,
    x: Vec<Option<f64>>,
    y: Vec<Option<f64>>,
    likelihood: Vec<Option<f64>>,
}

impl Columns {
    fn new(path: &Path, frame: &DataFrame) -> Result<Columns, PredictionsError> {
        for name in ["image", "keypoint", "x", "y"] {
            if frame.column(name).is_err() {
                let names: Vec<&str> =
                    frame.get_column_names().iter().map(|name| name.as_str()).collect();
                let message = format!("expected a column `{name}`, found {}", names.join(", "));
                return Err(PredictionsError::malformed(path, None, None, message));
            }
        }
        Columns::cast(frame).map_err(|source| PredictionsError::Table {
            verb: "read",
            path: path.into(),
            source: Box::new(source),
        })
    }

    fn cast(frame: &DataFrame) -> PolarsResult<Columns> {
        let none = frame.height();
        let words = |name: &str| -> PolarsResult<Vec<Option<String>>> {
            let Ok(column) = frame.column(name) else { return Ok(vec![None; none]) };
            let column = column.cast(&DataType::String)?;
            Ok(column.str()?.iter().map(|word| word.map(String::from)).collect())
        };
        let numbers = |name: &str| -> PolarsResult<Vec<Option<f64>>> {
            let Ok(column) = frame.column(name) else { return Ok(vec![None; none]) };
            let column = column.cast(&DataType::Float64)?;
            Ok(column.f64()?.iter().collect())
        };
        Ok(Columns {
            image: words("image")?,
            detection: numbers("detection")?.iter().map(|n| n.map(|n| n as u32)).collect(),
            instance: words("instance")?,
            skeleton: words("skeleton")?,
            keypoint: words("keypoint")?,
            score: numbers("score")?,
            x: numbers("x")?,
            y: numbers("y")?,
            likelihood: numbers("likelihood")?,
        })
    }

    fn read(&self, path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
        let mut notes = Notes::new(path);
        let images = Images::new(dataset);
        let ranges = dataset.instances_by_image();
        let mut unknown: HashSet<&str> = HashSet::new();
        let mut seen: HashSet<(usize, usize)> = HashSet::new();
        let mut rows: Vec<PredictedPose> = Vec::new();
        // A detection's rows need not stand together.
        let mut places: HashMap<Key<'_>, usize> = HashMap::new();
        for at in 0..self.image.len() {
            let row = at + 1;
            let (Some(name), Some(keypoint)) = (&self.image[at], &self.keypoint[at]) else {
                let message = "expected an image and a keypoint, found nothing";
                return Err(PredictionsError::malformed(path, Some(row), None, message));
            };
            let Some(image) = images.find(name) else {
                notes.unknown_image(row, name);
                continue;
            };
            let named = |skeleton: &&(usize, &crate::dataset::Skeleton)| {
                self.skeleton[at].as_ref().is_none_or(|name| *name == skeleton.1.name)
                    && skeleton.1.index(keypoint).is_some()
            };
            let skeletons: Vec<_> = dataset.skeletons.iter().enumerate().collect();
            let Some(&(skeleton, layout)) = skeletons.iter().find(named) else {
                if unknown.insert(keypoint) {
                    let message = format!("`{keypoint}` is no keypoint of the dataset");
                    notes.add(Some(row), ProblemKind::KeypointMismatch, None, message);
                }
                continue;
            };
            let kind = usize::from(layout.index(keypoint).unwrap_or_default());
            let own = self.instance[at].as_deref();
            let key = Key { image, detection: self.detection[at], own, skeleton };
            let place = *places.entry(key).or_insert_with(|| {
                let instance = own.and_then(|name| {
                    let mut range = ranges[image as usize].clone();
                    range.find(|&i| dataset.instance_name(&dataset.instances[i]) == name)
                });
                rows.push(PredictedPose {
                    image,
                    instance: instance.map(|instance| instance as u32),
                    skeleton: skeleton as u16,
                    score: self.score[at].unwrap_or(f64::NAN),
                    points: vec![PredictedPoint::MISSING; layout.keypoints.len()],
                });
                rows.len() - 1
            });
            if !seen.insert((place, kind)) {
                notes.repeated(row, name);
                continue;
            }
            let offset = |v: Option<f64>| v.map_or(f64::NAN, |v| v + dataset.pixel_offset);
            rows[place].points[kind] = PredictedPoint {
                x: offset(self.x[at]),
                y: offset(self.y[at]),
                likelihood: self.likelihood[at].unwrap_or(f64::NAN),
            };
        }
        for row in rows.iter_mut().filter(|row| row.score.is_nan()) {
            row.score = row.mean_likelihood();
        }
        Ok(Reading { predictions: rows.into(), problems: notes.problems })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::testing::{animal, dataset, points};

    #[test]
    fn what_is_written_is_read_back() {
        let mut dataset =
            dataset(&[animal(0, &[[1.0, 2.0], [3.0, 4.0]]), animal(1, &[[1.0, 2.0], [3.0, 4.0]])]);
        dataset.pixel_offset = 0.5;
        let row = |image, instance, score, x| PredictedPose {
            image,
            instance,
            skeleton: 0,
            score,
            points: points(&[[x, 1.25], [7.5, 8.5]]),
        };
        let rows =
            vec![row(0, Some(0), 0.7, 1.5), row(0, None, 0.3, 2.5), row(1, Some(1), 0.9, 3.5)];
        let predictions = Predictions::from(rows);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        write_parquet(&path, &dataset, &predictions).unwrap();
        let reading = super::super::read(&path, &dataset).unwrap();
        assert_eq!(reading, Reading { predictions, problems: vec![] });
        dataset.images[0].path = "a/renamed.png".into();
        let reading = super::super::read(&path, &dataset).unwrap();
        assert_eq!(reading.predictions.poses.len(), 1);
        assert_eq!(reading.problems.len(), 1);
        assert!(reading.problems[0].message.contains("a/0.png"));
    }
}
