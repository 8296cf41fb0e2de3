//! Writes such a CSV.

use std::collections::HashMap;
use std::path::Path;

use super::PredictionsError;
use crate::dataset::{Dataset, InstanceName, PredictedPose, Predictions};

/// Who DeepLabCut's scorer row says made the predictions.
const SCORER: &str = "labelvet";

/// Writes predictions as such a CSV, in the label file's own pixel convention, with a row of
/// individuals where an image has several predictions or the dataset names individuals.
///
/// # Errors
/// Fails when the file cannot be written.
pub fn write_csv(
    path: &Path,
    dataset: &Dataset,
    predictions: &Predictions,
) -> Result<(), PredictionsError> {
    let io = PredictionsError::write(path);
    let file = std::fs::File::create(path).map_err(&io)?;
    let mut out = csv::WriterBuilder::new().flexible(true).from_writer(file);
    let by_image = predictions.by_image(dataset.images.len());
    let groups = Groups::new(dataset, predictions, &by_image);
    let mut names: Vec<&str> = Vec::new();
    for name in dataset.skeletons.iter().flat_map(|skeleton| &skeleton.keypoints) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let columns = || {
        let of_group = |group| names.iter().map(move |name| (group, *name));
        groups.names.iter().flat_map(of_group)
    };
    let mut write = |record: Vec<String>| out.write_record(record).map_err(|e| io(e.into()));
    let row = |first: &str, cell: &dyn Fn(&str, &str) -> [String; 3]| {
        let cells = columns().flat_map(|(group, name)| cell(group, name));
        std::iter::once(first.to_string()).chain(cells).collect::<Vec<String>>()
    };
    write(row("scorer", &|_, _| [SCORER; 3].map(String::from)))?;
    if groups.several {
        write(row("individuals", &|group, _| [group; 3].map(String::from)))?;
    }
    write(row("bodyparts", &|_, name| [name; 3].map(String::from)))?;
    write(row("coords", &|_, _| ["x", "y", "likelihood"].map(String::from)))?;
    for (image, rows) in by_image.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
        let mut of_group: HashMap<&str, &PredictedPose> = HashMap::new();
        for (&row, group) in rows.iter().zip(groups.of_rows(dataset, predictions, rows)) {
            of_group.entry(group).or_insert(&predictions.poses[row]);
        }
        write(row(&dataset.images[image].path, &|group, name| {
            let Some(prediction) = of_group.get(group) else { return Default::default() };
            let skeleton = &dataset.skeletons[usize::from(prediction.skeleton)];
            match skeleton.index(name).and_then(|kind| prediction.point(kind)) {
                Some(p) => [dataset.to_label(p.x), dataset.to_label(p.y), p.likelihood]
                    .map(|v| if v.is_finite() { v.to_string() } else { String::new() }),
                None => Default::default(),
            }
        }))?;
    }
    out.flush().map_err(PredictionsError::write(path))
}

/// The individuals of a file that is written.
struct Groups {
    names: Vec<String>,
    several: bool,
}

impl Groups {
    fn new(dataset: &Dataset, predictions: &Predictions, by_image: &[Vec<usize>]) -> Groups {
        let most = by_image.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut names: Vec<String> = dataset.individuals.clone();
        let named = |row: &PredictedPose| individual(dataset, row).is_some();
        if !predictions.poses.iter().all(named) {
            names.extend((0..most).map(ordinal));
        }
        let several = most > 1 || !dataset.individuals.is_empty();
        Groups { names, several }
    }

    /// Returns the individual of each prediction of an image.
    fn of_rows(&self, dataset: &Dataset, predictions: &Predictions, rows: &[usize]) -> Vec<&str> {
        let mut next = 0;
        let group = |&row: &usize| {
            let own = individual(dataset, &predictions.poses[row]).map(String::from);
            let name = own.unwrap_or_else(|| {
                next += 1;
                ordinal(next - 1)
            });
            self.names.iter().find(|group| **group == name).map_or("", String::as_str)
        };
        rows.iter().map(group).collect()
    }
}

/// Returns DeepLabCut's usual name of an individual.
fn ordinal(at: usize) -> String {
    format!("individual{}", at + 1)
}

/// Returns the individual that a prediction was made for, where the dataset names it.
fn individual<'a>(dataset: &'a Dataset, row: &PredictedPose) -> Option<&'a str> {
    match dataset.instances.get(row.instance? as usize)?.name {
        InstanceName::Individual(at) => Some(&dataset.individuals[at as usize]),
        _ => None,
    }
}
