//! COCO's results: an array of `{image_id, category_id, keypoints or bbox, score}`, keypoints as
//! x, y and a third number each. labelvet writes the likelihood as the third and `file_name`
//! beside, so that a result finds its image where a dataset has no ids.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Images, Notes, PredictionsError, Reading, Seen};
use crate::dataset::{
    BBox, Dataset, PredictedBox, PredictedPoint, PredictedPose, Predictions, ProblemKind,
};

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    image_id: Value,
    category_id: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bbox: Option<[f64; 4]>,
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
        let row = &predictions.poses[row];
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
            keypoints: Some(row.points.iter().flat_map(triple).collect()),
            bbox: None,
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

/// Reads such results. An id is a number, or text that names a file. Of a box and keypoints of
/// one entry the keypoints count, where the category has any here.
pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let wrong = |row, message| PredictionsError::malformed(path, row, None, message);
    let bytes = std::fs::read(path).map_err(PredictionsError::read(path))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| wrong(None, e.to_string()))?;
    let Value::Array(entries) = value else {
        let message = "expected an array of results, as COCO's evaluation takes them";
        return Err(wrong(None, message.into()));
    };
    let ids = Ids::new(dataset);
    let mut notes = Notes::new(path);
    let mut seen = Seen::default();
    let mut found = Predictions::default();
    for (at, entry) in entries.into_iter().enumerate() {
        let row = at + 1;
        let entry: Entry =
            serde_json::from_value(entry).map_err(|e| wrong(Some(row), e.to_string()))?;
        let name = entry.file_name.clone().unwrap_or_else(|| entry.image_id.to_string());
        let Some(image) = ids.image(&entry) else {
            notes.unknown_image(row, &name);
            continue;
        };
        let id = entry.category_id.as_i64();
        let skeleton = (0..dataset.skeletons.len() as u16)
            .find(|&skeleton| id == Some(category(dataset, skeleton)));
        let class = ids.class(&entry.category_id);
        let numbers = entry.keypoints.iter().flatten().chain(entry.bbox.iter().flatten());
        let own = [entry.score, id.map_or(-1.0, |id| id as f64)];
        if !seen.is_new(image, own.into_iter().chain(numbers.copied())) {
            notes.repeated(row, &name);
            continue;
        }
        match (&entry.keypoints, entry.bbox, skeleton, class) {
            (Some(keypoints), _, Some(skeleton), _) => {
                let points = points(keypoints, dataset, skeleton)
                    .map_err(|message| wrong(Some(row), message))?;
                let score = entry.score;
                found.poses.push(PredictedPose { image, instance: None, skeleton, score, points });
            }
            (_, Some([x, y, width, height]), _, Some(class)) => {
                if !(width > 0.0 && height > 0.0) {
                    notes.unread(row, &name, format!("a box of {width} × {height} px"));
                    continue;
                }
                let bbox = BBox { x, y, width, height };
                found.boxes.push(PredictedBox { image, class, bbox, score: entry.score });
            }
            (None, None, ..) => {
                return Err(wrong(
                    Some(row),
                    "expected `keypoints` or `bbox`, found neither".into(),
                ));
            }
            _ => {
                let what =
                    if entry.keypoints.is_some() { "has no keypoints" } else { "is unknown" };
                let message = format!("category_id {} {what} here", entry.category_id);
                notes.add(Some(row), ProblemKind::UndefinedClass, None, message);
            }
        }
    }
    Ok(Reading { predictions: found, problems: notes.problems })
}

/// Returns the keypoints of a result; zeros stand for nothing.
fn points(
    numbers: &[f64],
    dataset: &Dataset,
    skeleton: u16,
) -> Result<Vec<PredictedPoint>, String> {
    let count = dataset.skeletons[usize::from(skeleton)].keypoints.len();
    let (triples, rest) = numbers.as_chunks::<3>();
    if triples.len() != count || !rest.is_empty() {
        let (wanted, found) = (3 * count, numbers.len());
        return Err(format!("expected {wanted} numbers for {count} keypoints, found {found}"));
    }
    let offset = dataset.pixel_offset;
    let point = |&[x, y, likelihood]: &[f64; 3]| match [x, y, likelihood] {
        [0.0, 0.0, 0.0] => PredictedPoint::MISSING,
        _ => PredictedPoint { x: x + offset, y: y + offset, likelihood },
    };
    Ok(triples.iter().map(point).collect())
}

/// Finds images and classes by what results say of them.
struct Ids<'a> {
    dataset: &'a Dataset,
    images: Images<'a>,
    by_id: HashMap<i64, u32>,
}

impl<'a> Ids<'a> {
    fn new(dataset: &'a Dataset) -> Ids<'a> {
        let mut by_id = HashMap::new();
        for (id, at) in ids(dataset).into_iter().zip(0..) {
            // Files of several splits may use one id twice; the first keeps it.
            by_id.entry(id).or_insert(at);
        }
        Ids { dataset, images: Images::new(dataset), by_id }
    }

    fn image(&self, entry: &Entry) -> Option<u32> {
        let named = entry.file_name.as_deref().and_then(|name| self.images.find(name));
        named.or_else(|| match &entry.image_id {
            Value::String(text) => (self.images.find(text))
                // Ultralytics writes the name of the file without its suffix.
                .or_else(|| self.images.find_stem(text))
                .or_else(|| self.by_id.get(&text.parse().ok()?).copied()),
            id => self.by_id.get(&id.as_i64()?).copied(),
        })
    }

    /// Returns the class of an id; where classes have no ids, they are numbered from 0.
    fn class(&self, id: &Value) -> Option<u16> {
        let classes = &self.dataset.classes;
        let id = id.as_i64()?;
        let at = match classes.iter().any(|class| class.id.is_some()) {
            true => classes.iter().position(|class| class.id == Some(id))?,
            false => usize::try_from(id).ok().filter(|&at| at < classes.len())?,
        };
        u16::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::dataset::Class;
    use crate::dataset::testing::{animal, dataset, points};

    #[test]
    fn what_is_written_is_read_back() {
        let dataset = dataset(&[animal(0, &[[1.0, 2.0], [3.0, 4.0]])]);
        let rows = vec![PredictedPose {
            image: 1,
            instance: None,
            skeleton: 0,
            score: 0.25,
            points: points(&[[1.5, 2.0], [7.0, 8.0]]),
        }];
        let predictions = Predictions::from(rows);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        write_coco_results(&path, &dataset, &predictions).unwrap();
        assert_eq!(read(&path, &dataset).unwrap().predictions, predictions);
    }

    #[test]
    fn boxes_have_the_class_of_their_id_and_come_once() {
        let mut dataset = dataset(&[]);
        dataset.images[1].id = Some(7);
        let class = |name: &str, id| Class { name: name.into(), id: Some(id), ..Class::default() };
        dataset.classes = vec![class("cat", 17), class("dog", 18)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let entry = |image: &str, class: u32, width: f64| {
            format!(
                "{{\"image_id\":{image},\"category_id\":{class},\"score\":0.5,\"bbox\":[1,2,{width},4]}}"
            )
        };
        let entries = [
            entry("7", 18, 3.0),
            entry("7", 18, 3.0),
            entry("7", 19, 3.0),
            entry("7", 17, 0.0),
            entry("\"0\"", 17, 3.0),
        ];
        std::fs::write(&path, format!("[{}]", entries.join(","))).unwrap();
        let Reading { predictions, problems } = read(&path, &dataset).unwrap();
        let bbox = BBox { x: 1.0, y: 2.0, width: 3.0, height: 4.0 };
        let found = |image, class| PredictedBox { image, class, bbox, score: 0.5 };
        assert_eq!(predictions.boxes, [found(1, 1), found(0, 0)]);
        let noted: Vec<_> = problems.iter().map(|problem| (problem.row, problem.kind)).collect();
        assert_eq!(
            noted,
            [
                (Some(2), ProblemKind::DuplicateRow),
                (Some(3), ProblemKind::UndefinedClass),
                (Some(4), ProblemKind::UnreadableLabel),
            ]
        );
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
            let error = read(&path, &dataset).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
