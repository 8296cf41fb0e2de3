//! The CSV that DeepLabCut and Lightning Pose write for predictions: header rows scorer,
//! (individuals,) bodyparts, coords; columns x, y and likelihood of each body part; rows
//! named by the path of an image, in one column or three, or by the number of a frame.

mod header;
mod write;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use csv::StringRecord;

use super::{Images, Notes, PredictionsError, Reading};
use crate::dataset::{Dataset, PredictedPoint, PredictedPose, Predictions, ProblemKind};

use header::{Group, Header};
pub use write::write_csv;

/// Reads such a CSV.
pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let bytes = std::fs::read(path).map_err(PredictionsError::read(path))?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut records = reader.into_records();
    let mut next = |row: usize| {
        let record = records.next()?;
        Some(record.map_err(|e| PredictionsError::malformed(path, Some(row), None, e.to_string())))
    };
    let mut rows = 0;
    let mut header = Header::default();
    let coords = loop {
        rows += 1;
        let Some(record) = next(rows).transpose()? else {
            let message =
                "expected header rows scorer, bodyparts and coords, found the end of the file";
            return Err(PredictionsError::malformed(path, Some(rows), None, message));
        };
        match record.get(0).unwrap_or_default().trim() {
            "scorer" => {}
            "individuals" => header.individuals = Some(record),
            "bodyparts" => header.bodyparts = Some(record),
            "coords" => break record,
            found => {
                let message = format!(
                    "expected a header row `scorer`, `bodyparts` or `coords`, found `{found}`"
                );
                return Err(PredictionsError::malformed(path, Some(rows), Some(1), message));
            }
        }
    };
    let mut notes = Notes::new(path);
    let groups = header.groups(path, rows, &coords)?;
    let index = groups.iter().flat_map(|g| &g.parts).map(|part| part.columns[0]).min().unwrap_or(1);
    let images = Images::new(dataset);
    let frames = Frames::new(path, dataset);
    let layouts = Layouts::new(dataset, &groups);
    layouts.check(path, &groups, &mut notes)?;
    let mut reading = Predictions::default();
    let mut seen = BTreeSet::new();
    loop {
        rows += 1;
        let Some(record) = next(rows).transpose()? else { break };
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let name = name(&record, index);
        let image = match images.find(&name) {
            None => frames.find(path, rows, &name)?,
            found => found,
        };
        let Some(image) = image else {
            notes.unknown_image(rows, &name);
            continue;
        };
        if !seen.insert(image) {
            notes.repeated(rows, &name);
            continue;
        }
        for (at, group) in groups.iter().enumerate() {
            let Some(skeleton) = layouts.of(image, at) else { continue };
            let layout = &dataset.skeletons[usize::from(skeleton)];
            let mut points = vec![PredictedPoint::MISSING; layout.keypoints.len()];
            for part in &group.parts {
                let Some(kind) = layout.index(&part.name) else { continue };
                points[usize::from(kind)] = part.point(path, rows, &record, dataset)?;
            }
            if points.iter().any(|point| point.place().is_some()) {
                let mut row = PredictedPose { image, instance: None, skeleton, score: 0.0, points };
                row.score = row.mean_likelihood();
                reading.poses.push(row);
            }
        }
    }
    Ok(Reading { predictions: reading, problems: notes.problems })
}

/// Returns the name of a row: its index columns, joined.
fn name(record: &StringRecord, index: usize) -> String {
    let cells: Vec<&str> =
        record.iter().take(index).filter(|cell| !cell.trim().is_empty()).collect();
    cells.join("/")
}

/// Which skeleton each individual of a file has.
struct Layouts<'a> {
    dataset: &'a Dataset,
    /// Per individual and skeleton, the number of shared names.
    shared: Vec<Vec<usize>>,
    instances: Vec<std::ops::Range<usize>>,
}

impl<'a> Layouts<'a> {
    fn new(dataset: &'a Dataset, groups: &[Group]) -> Layouts<'a> {
        let shared = (groups.iter())
            .map(|group| {
                let known = |skeleton: &crate::dataset::Skeleton| {
                    group.parts.iter().filter(|part| skeleton.index(&part.name).is_some()).count()
                };
                dataset.skeletons.iter().map(known).collect()
            })
            .collect();
        Layouts { dataset, shared, instances: dataset.instances_by_image() }
    }

    /// Returns the skeleton of an individual in an image: the labelled one that shares most
    /// names, else any that does.
    fn of(&self, image: u32, group: usize) -> Option<u16> {
        let range = self.instances[image as usize].clone();
        let labelled = self.dataset.instances[range].iter().filter_map(|i| i.skeleton);
        let all = 0..self.dataset.skeletons.len() as u16;
        let shared = |&skeleton: &u16| self.shared[group][usize::from(skeleton)];
        // Of equals the first; max_by_key alone would take the last.
        let best = |candidates: &mut dyn Iterator<Item = u16>| {
            let key = |skeleton: &u16| (shared(skeleton), std::cmp::Reverse(*skeleton));
            candidates.filter(|skeleton| shared(skeleton) > 0).max_by_key(key)
        };
        best(&mut labelled.into_iter()).or_else(|| best(&mut all.into_iter()))
    }

    /// Notes names that no skeleton has, and fails where there are no others.
    fn check(
        &self,
        path: &Path,
        groups: &[Group],
        notes: &mut Notes,
    ) -> Result<(), PredictionsError> {
        let known = |name: &str| self.dataset.skeletons.iter().any(|s| s.index(name).is_some());
        let parts = groups.iter().flat_map(|group| group.parts.iter().map(move |p| (group, p)));
        let names: BTreeSet<&str> = parts.clone().map(|(_, part)| part.name.as_str()).collect();
        if !names.iter().any(|name| known(name)) {
            let theirs = names.into_iter().collect::<Vec<_>>().join(", ");
            let own: Vec<&str> = (self.dataset.skeletons.iter())
                .flat_map(|skeleton| skeleton.keypoints.iter().map(String::as_str))
                .collect();
            let message =
                format!("expected keypoints of the dataset ({}), found {theirs}", own.join(", "));
            return Err(PredictionsError::malformed(path, None, None, message));
        }
        for (group, part) in parts.filter(|(_, part)| !known(&part.name)) {
            let whose = match group.individual.as_str() {
                "" => String::new(),
                name => format!(" of `{name}`"),
            };
            let message = format!("`{}`{whose} is no keypoint of the dataset", part.name);
            notes.add(Some(1), ProblemKind::KeypointMismatch, None, message);
        }
        Ok(())
    }
}

/// Finds images by numbers of frames.
struct Frames {
    by_frame: HashMap<(u32, u64), u32>,
    /// The video whose frames a file numbers.
    video: Option<u32>,
}

impl Frames {
    fn new(path: &Path, dataset: &Dataset) -> Frames {
        let images = dataset.images.iter().zip(0..);
        let by_frame =
            images.filter_map(|(image, at)| Some(((image.video?, image.frame?), at))).collect();
        // DeepLabCut names the file after the video; of several that fit, the longest does.
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let named = dataset
            .videos
            .iter()
            .zip(0..)
            .filter(|(video, _)| stem.starts_with(video.rsplit('/').next().unwrap_or(video)));
        let video = named.max_by_key(|(video, _)| video.len()).map(|(_, at)| at);
        let only = (dataset.videos.len() == 1).then_some(0);
        Frames { by_frame, video: video.or(only) }
    }

    /// Returns the image of a row that is named by a number; `None` where the dataset has none.
    fn find(&self, path: &Path, row: usize, name: &str) -> Result<Option<u32>, PredictionsError> {
        let Ok(frame) = name.parse::<u64>() else { return Ok(None) };
        let Some(video) = self.video else {
            let message = "rows are numbers of frames, but the name of the file begins with that of no video of the dataset";
            return Err(PredictionsError::malformed(path, Some(row), Some(1), message));
        };
        Ok(self.by_frame.get(&(video, frame)).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::dataset::testing::{animal, dataset, points};

    const HEADER: &str = "scorer,m,m,m,m,m,m\nbodyparts,k0,k0,k0,k1,k1,k1\n\
        coords,x,y,likelihood,x,y,likelihood\n";

    fn labels() -> Dataset {
        dataset(&[animal(0, &[[1.0, 2.0], [3.0, 4.0]]), animal(1, &[[1.0, 2.0], [3.0, 4.0]])])
    }

    fn read_text(name: &str, text: &str) -> Result<Reading, PredictionsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path, &labels())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut dataset = labels();
        dataset.pixel_offset = 0.5;
        let row = |image, x| PredictedPose {
            image,
            instance: None,
            skeleton: 0,
            score: 0.9,
            points: points(&[[x, 1.25], [7.5, 8.5]]),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        for rows in [vec![row(0, 1.5), row(1, 2.5)], vec![row(0, 1.5), row(0, 9.5), row(1, 2.5)]] {
            let header = if rows.len() > 2 { 4 } else { 3 };
            let predictions = Predictions::from(rows);
            write_csv(&path, &dataset, &predictions).unwrap();
            assert_eq!(read(&path, &dataset).unwrap().predictions, predictions);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.lines().nth(header - 1).unwrap().starts_with("coords,x,y,likelihood"));
        }
    }

    #[test]
    fn rows_are_paths_of_one_or_three_columns_or_frames() {
        let one = read_text("p.csv", &format!("{HEADER}a/1.png,1,2,0.5,3,4,1\n")).unwrap();
        let two = "scorer,,m,m,m\nbodyparts,,k0,k0,k0\ncoords,,x,y,likelihood\na,1.png,1,2,0.5\n";
        let two = read_text("p.csv", two).unwrap();
        let frame = read_text("aDLC_resnet50.csv", &format!("{HEADER}1,1,2,0.5,3,4,1\n")).unwrap();
        for reading in [&one, &two, &frame] {
            let row = &reading.predictions.poses[0];
            assert_eq!((row.image, row.points[0].x, row.points[0].likelihood), (1, 1.0, 0.5));
        }
        assert_eq!(one.predictions.poses[0].score, 0.75);
        assert_eq!(two.predictions.poses[0].points[1].place(), None);
    }

    #[test]
    fn lightning_poses_last_column_is_no_point() {
        let text = HEADER
            .replace("m,m\n", "m,m,set\n")
            .replace("k1,k1\n", "k1,k1,\n")
            .replace("y,likelihood\n", "y,likelihood,\n");
        let text = format!("{text}a/0.png,1,2,0.5,3,4,1,train\n");
        assert_eq!(read_text("p.csv", &text).unwrap().predictions.poses.len(), 1);
    }

    #[test]
    fn paths_may_be_of_another_machine_and_a_second_row_of_an_image_is_noted() {
        let text = format!("{HEADER}C:\\p\\a\\0.png,1,2,0.5,3,4,1\na/0.png,5,6,0.5,7,8,1\n");
        let reading = read_text("p.csv", &text).unwrap();
        assert_eq!(reading.predictions.poses.len(), 1);
        assert_eq!(reading.predictions.poses[0].points[0].x, 1.0);
        assert_eq!(reading.problems[0].row, Some(5));
        assert_eq!(reading.problems[0].kind, ProblemKind::DuplicateRow);
    }

    #[test]
    fn missing_and_unknown_are_left_out() {
        let text =
            format!("{HEADER}a/0.png,,,,3,4,1\nb/7.png,1,2,1,3,4,1\na/1.png,nan,NaN,nan,,,\n");
        let reading = read_text("p.csv", &text).unwrap();
        assert_eq!(reading.predictions.poses.len(), 1);
        assert!(reading.predictions.poses[0].points[0].place().is_none());
        assert_eq!(reading.problems.len(), 1);
        assert_eq!(reading.problems[0].row, Some(5));
    }

    #[test]
    fn what_makes_no_sense_is_named_by_its_place() {
        for (text, said) in [
            ("", "row 1: expected header rows"),
            ("x,y\n1,2\n", "row 1, column 1: expected a header row"),
            (
                &HEADER.replace("likelihood", "z"),
                "row 3: expected columns x, y and likelihood of `k0`, found no likelihood",
            ),
            (&HEADER.replace("k0", "q0").replace("k1", "q1"), "(k0, k1), found q0, q1"),
            (
                &format!("{HEADER}a/0.png,1,two,1,3,4,1\n"),
                "row 4, column 3: expected a number, found `two`",
            ),
            (&format!("{HEADER}a/0.png,1,2\n"), "row 4: expected a number in column 4"),
            (HEADER, "it holds no predicted point"),
            (&format!("{HEADER}b/0.png,1,2,1,3,4,1\n"), "row 4: no prediction for an image"),
        ] {
            let error = read_text("p.csv", text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
