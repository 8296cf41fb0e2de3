//! COCO's results: an array of `{image_id, category_id, keypoints, score}`, keypoints as x,
//! y and a third number each. labelvet writes the likelihood as the third and `file_name`
//! beside, so that a result finds its image where a dataset has no ids.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Notes, PredictionsError, Reading};
use crate::dataset::{Dataset, ProblemKind};
use crate::eval::{PredictedPoint, Prediction, Predictions};

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    image_id: Value,
    category_id: Value,
    keypoints: Vec<f64>,
    score: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
}

/// Writes predictions as COCO's results, one per line. Images without ids get those of their
/// order, counted from 1, above all that there are; a missing keypoint is written as zeros.
///
/// # Errors
/// Fails when the file cannot be written.
pub fn write_coco_results(
    path: &Path,
    dataset: &Dataset,
    predictions: &Predictions,
) -> Result<(), PredictionsError> {
    let named = PredictionsError::write(path);
    let mut out = BufWriter::new(File::create(path).map_err(&named)?);
    let ids = ids(dataset);
    let mut first = true;
    out.write_all(b"[").map_err(&named)?;
    for row in predictions.by_image(dataset.images.len()).into_iter().flatten() {
        let row = &predictions.rows[row];
        let image = &dataset.images[row.image as usize];
        let triple = |point: &PredictedPoint| match point.place() {
            Some([x, y]) => {
                let likelihood = if point.likelihood.is_finite() { point.likelihood } else { 0.0 };
                [dataset.to_label(x), dataset.to_label(y), likelihood]
            }
            None => [0.0; 3],
        };
        let entry = Entry {
            image_id: ids[row.image as usize].into(),
            category_id: category(dataset, row.skeleton).into(),
            keypoints: row.points.iter().flat_map(triple).collect(),
            score: if row.score.is_finite() { row.score } else { 0.0 },
            file_name: Some(image.path.clone()),
        };
        out.write_all(if first { b"\n" } else { b",\n" }).map_err(&named)?;
        first = false;
        serde_json::to_writer(&mut out, &entry).map_err(|error| named(error.into()))?;
    }
    out.write_all(b"\n]\n").map_err(&named)?;
    out.flush().map_err(&named)
}

/// Returns the id of each image: the label file's own, or one that no other image has.
fn ids(dataset: &Dataset) -> Vec<i64> {
    let known = dataset.images.iter().filter_map(|image| image.id);
    let highest = known.max().unwrap_or(0).max(0);
    let images = dataset.images.iter().zip(1..);
    images.map(|(image, ordinal)| image.id.unwrap_or(highest.saturating_add(ordinal))).collect()
}

/// Returns the id of a skeleton's category.
fn category(dataset: &Dataset, skeleton: u16) -> i64 {
    let class = dataset.classes.iter().find(|class| class.skeleton == Some(skeleton));
    class.and_then(|class| class.id).unwrap_or(i64::from(skeleton) + 1)
}

/// Reads such results. An id is a number, or text that names a file.
pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let wrong = |row, message| PredictionsError::malformed(path, row, None, message);
    let bytes = std::fs::read(path).map_err(PredictionsError::read(path))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| wrong(None, e.to_string()))?;
    let Value::Array(entries) = value else {
        let message = "expected an array of results, as COCO's evaluation takes them";
        return Err(wrong(None, message.into()));
    };
    let images = Images::new(dataset);
    let mut notes = Notes::new(path);
    let mut unknown: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let row = at + 1;
        let entry: Entry =
            serde_json::from_value(entry).map_err(|e| wrong(Some(row), e.to_string()))?;
        let Some(image) = images.find(&entry) else {
            let name = entry.file_name.unwrap_or_else(|| entry.image_id.to_string());
            if !unknown.contains(&name) {
                notes.unknown_image(row, &name);
                unknown.push(name);
            }
            continue;
        };
        let skeleton = (0..dataset.skeletons.len() as u16)
            .find(|&skeleton| entry.category_id.as_i64() == Some(category(dataset, skeleton)));
        let Some(skeleton) = skeleton else {
            let message = format!("category_id {} has no keypoints here", entry.category_id);
            notes.add(row, ProblemKind::UndefinedClass, None, message);
            continue;
        };
        let count = dataset.skeletons[usize::from(skeleton)].keypoints.len();
        let (triples, rest) = entry.keypoints.as_chunks::<3>();
        if triples.len() != count || !rest.is_empty() {
            let message = format!(
                "expected {} numbers for {count} keypoints, found {}",
                3 * count,
                entry.keypoints.len()
            );
            return Err(wrong(Some(row), message));
        }
        let offset = dataset.pixel_offset;
        let point = |&[x, y, likelihood]: &[f64; 3]| match [x, y, likelihood] {
            [0.0, 0.0, 0.0] => PredictedPoint::MISSING,
            _ => PredictedPoint { x: x + offset, y: y + offset, likelihood },
        };
        rows.push(Prediction {
            image,
            instance: None,
            skeleton,
            score: entry.score,
            points: triples.iter().map(point).collect(),
        });
    }
    Ok(Reading { predictions: Predictions { rows }, problems: notes.problems })
}

/// Finds images by what results say of them.
struct Images<'a> {
    by_path: HashMap<&'a str, u32>,
    by_id: HashMap<i64, u32>,
}

impl<'a> Images<'a> {
    fn new(dataset: &'a Dataset) -> Images<'a> {
        let mut by_id = HashMap::new();
        for (id, at) in ids(dataset).into_iter().zip(0..) {
            // Files of several splits may use one id twice; the first keeps it.
            by_id.entry(id).or_insert(at);
        }
        let paths = dataset.images.iter().zip(0..);
        Images { by_path: paths.map(|(image, at)| (image.path.as_str(), at)).collect(), by_id }
    }

    fn find(&self, entry: &Entry) -> Option<u32> {
        let by_path = |path: &str| self.by_path.get(path).copied();
        let named = entry.file_name.as_deref().and_then(by_path);
        named.or_else(|| match &entry.image_id {
            Value::String(text) => {
                by_path(text).or_else(|| self.by_id.get(&text.parse().ok()?).copied())
            }
            id => self.by_id.get(&id.as_i64()?).copied(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{animal, dataset, points};
    use super::super::read_predictions;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dataset = dataset(&[animal(0, &[[1.0, 2.0], [3.0, 4.0]])]);
        let rows = vec![Prediction {
            image: 1,
            instance: None,
            skeleton: 0,
            score: 0.25,
            points: points(&[[1.5, 2.0], [7.0, 8.0]]),
        }];
        let predictions = Predictions { rows };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        write_coco_results(&path, &dataset, &predictions).unwrap();
        assert_eq!(read_predictions(&path, &dataset).unwrap().predictions, predictions);
    }

    #[test]
    fn an_image_without_an_id_never_takes_that_of_another() {
        let mut dataset = dataset(&[animal(0, &[[1.0, 2.0]])]);
        dataset.images[1].id = Some(1);
        assert_eq!(ids(&dataset), [2, 1]);
        dataset.images[1].id = None;
        assert_eq!(ids(&dataset), [1, 2]);
    }

    #[test]
    fn wrong_results_are_named_by_their_place() {
        let dataset = dataset(&[animal(0, &[[1.0, 2.0], [3.0, 4.0]])]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        for (text, said) in [
            ("{}", "expected an array"),
            ("[]", "it holds no predicted point"),
            ("[{\"image_id\": 1}]", "row 1: missing field"),
            (
                "[{\"image_id\":1,\"category_id\":1,\"score\":1,\"keypoints\":[1,2,3]}]",
                "row 1: expected 6 numbers for 2 keypoints, found 3",
            ),
            (
                "[{\"image_id\":9,\"category_id\":1,\"score\":1,\"keypoints\":[]}]",
                "row 1: no prediction for an image of the dataset: `9` is no image",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_predictions(&path, &dataset).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
