//! YOLO's predictions: a folder of text files named after their images, a line per object:
//! `class x y width height confidence` in shares of the image, with the keypoints before the
//! confidence where there are any (`yolo predict save_txt=True save_conf=True`).

use std::path::Path;

use walkdir::WalkDir;

use super::{Images, Notes, PredictionsError, Reading, Seen};
use crate::dataset::{
    BBox, Dataset, PredictedBox, PredictedPoint, PredictedPose, Predictions, ProblemKind,
};
use crate::formats;

/// Columns of a line without keypoints.
const COLUMNS: usize = 6;

/// Reads such a folder at any depth.
pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let images = Images::new(dataset);
    let mut found = Predictions::default();
    let mut problems = Vec::new();
    let mut files = 0;
    for entry in WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            PredictionsError::malformed(path, None, None, format!("failed to list: {error}"))
        })?;
        if entry.path().extension().is_none_or(|suffix| suffix != "txt") {
            continue;
        }
        files += 1;
        let below = entry.path().strip_prefix(path).unwrap_or(entry.path()).with_extension("");
        let name = below.to_string_lossy().replace('\\', "/");
        let mut notes = Notes::new(entry.path());
        match images.find_stem(&name) {
            Some(image) => {
                let text = std::fs::read_to_string(entry.path())
                    .map_err(PredictionsError::read(entry.path()))?;
                objects(&text, dataset, image, &mut found, &mut notes);
            }
            None => notes.unknown_image(1, &name),
        }
        problems.append(&mut notes.problems);
    }
    if files == 0 {
        let message = "expected a folder with predictions of YOLO (.txt), found none";
        return Err(PredictionsError::malformed(path, None, None, message));
    }
    Ok(Reading { predictions: found, problems })
}

/// Reads the lines of an image.
fn objects(text: &str, dataset: &Dataset, image: u32, found: &mut Predictions, notes: &mut Notes) {
    let labelled = &dataset.images[image as usize];
    let name = &labelled.path;
    let size = labelled.declared_px.or_else(|| formats::size_px(labelled.file.as_deref()?));
    let Some([width, height]) = size.map(|size| size.map(f64::from)) else {
        notes.unread(1, name, "its size is not known, and places are shares of it");
        return;
    };
    let mut seen = Seen::default();
    for (row, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let numbers: Vec<f64> =
            line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let finite = numbers.iter().all(|number| number.is_finite());
        if !finite || numbers.len() != line.split_whitespace().count() {
            notes.unread(row, name, format!("expected numbers, found `{}`", line.trim()));
            continue;
        }
        if numbers.len() < COLUMNS {
            let columns = numbers.len();
            notes.unread(
                row,
                name,
                format!("expected a confidence as the last of {COLUMNS} columns or more, found {columns} columns (save_conf=True)"),
            );
            continue;
        }
        let class = numbers[0];
        let known = (class >= 0.0 && class.fract() == 0.0)
            .then_some(class as usize)
            .filter(|&class| class < dataset.classes.len());
        let Some(class) = known else {
            let message = format!("class {class} is none of the dataset");
            notes.add(Some(row), ProblemKind::UndefinedClass, Some(name), message);
            continue;
        };
        if !seen.is_new(image, numbers.iter().copied()) {
            notes.repeated(row, name);
            continue;
        }
        let score = numbers[numbers.len() - 1];
        let skeleton = dataset.classes[class].skeleton;
        let rest = &numbers[COLUMNS - 1..numbers.len() - 1];
        match skeleton.filter(|_| !rest.is_empty()) {
            Some(skeleton) => {
                let count = dataset.skeletons[usize::from(skeleton)].keypoints.len();
                let (triples, over) = rest.as_chunks::<3>();
                if triples.len() != count || !over.is_empty() {
                    let wanted = COLUMNS + 3 * count;
                    let columns = numbers.len();
                    notes.unread(row, name, format!("expected {wanted} columns, found {columns}"));
                    continue;
                }
                let point = |&[x, y, likelihood]: &[f64; 3]| PredictedPoint {
                    x: x * width,
                    y: y * height,
                    likelihood,
                };
                let points = triples.iter().map(point).collect();
                found.poses.push(PredictedPose { image, instance: None, skeleton, score, points });
            }
            None => {
                let [x, y] = [numbers[1] * width, numbers[2] * height];
                let [width, height] = [numbers[3] * width, numbers[4] * height];
                let bbox = BBox { x: x - width / 2.0, y: y - height / 2.0, width, height };
                found.boxes.push(PredictedBox { image, class: class as u16, bbox, score });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::dataset::Class;
    use crate::dataset::testing::dataset;

    #[test]
    fn a_folder_of_texts_is_read_and_odd_lines_are_named() {
        let mut dataset = dataset(&[]);
        dataset.images[0].declared_px = Some([200, 100]);
        dataset.classes = vec![Class::default(), Class::default()];
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write(
            "0.txt",
            "1 0.5 0.5 0.1 0.2 0.75\n0 0.5 0.5 0.1 0.2\n7 0.5 0.5 0.1 0.2 0.75\n1 0.5 x 0.1 0.2 0.75\n1 0.5 0.5 0.1 0.2 0.75\n",
        );
        write("9.txt", "1 0.5 0.5 0.1 0.2 0.75\n");
        let Reading { predictions, problems } = read(folder.path(), &dataset).unwrap();
        let bbox = BBox { x: 90.0, y: 40.0, width: 20.0, height: 20.0 };
        assert_eq!(predictions.boxes, [PredictedBox { image: 0, class: 1, bbox, score: 0.75 }]);
        let places: Vec<_> = problems.iter().map(|p| (p.file.as_str(), p.row.unwrap())).collect();
        let expected = [("0.txt", 2), ("0.txt", 3), ("0.txt", 4), ("0.txt", 5), ("9.txt", 1)];
        assert_eq!(places, expected);
        assert!(problems[0].message.contains("confidence"));
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path(), &dataset).unwrap_err().to_string().contains("found none"));
    }

    #[test]
    fn keypoints_stand_before_the_confidence() {
        let mut dataset = dataset(&[crate::dataset::testing::animal(0, &[[1.0, 2.0]])]);
        dataset.images[1].declared_px = Some([200, 100]);
        dataset.classes = vec![Class { skeleton: Some(0), ..Class::default() }];
        let folder = tempfile::tempdir().unwrap();
        let text = "0 0.5 0.5 0.1 0.2 0.25 0.75 0.9 0.5\n0 0.5 0.5 0.1 0.2 0.25 0.75 0.5\n";
        std::fs::write(folder.path().join("1.txt"), text).unwrap();
        let Reading { predictions, problems } = read(folder.path(), &dataset).unwrap();
        let point = predictions.poses[0].points[0];
        assert_eq!((point.x, point.y, point.likelihood), (50.0, 75.0, 0.9));
        assert_eq!(predictions.poses[0].score, 0.5);
        assert!(problems[0].message.contains("expected 9 columns, found 8"));
    }
}
