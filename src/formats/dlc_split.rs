//! Writes divisions for DeepLabCut: `shuffles.json`, with the rows of the merged labels that each
//! shuffle trains on and tests, and `make_training_datasets.py`, which reads it and calls
//! `create_training_dataset`.
//!
//! Rows are numbered as DeepLabCut merges labels: those of the label files of all videos that
//! `config.yaml` lists, sorted by their paths part by part. The script merges them itself, and
//! stops where it comes to other rows.
//!
//! # Source
//! DeepLabCut 3.0.1, `trainingsetmanipulation.py`: `merge_annotateddatasets` and
//! `create_training_dataset`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::dlc_dataset::below_labeled_data;
use super::files::Written;
use super::{FormatError, dlc_csv, dlc_shuffles, files};
use crate::dataset::{Dataset, DeepLabCut, LabelFile, Part, Project, Split};

/// The script that makes the training sets.
const SCRIPT: &str = include_str!("make_training_datasets.py");

/// Writes the rows of all divisions, and the script. Labels without a `config.yaml` are no
/// project that could be trained on: nothing is written.
pub(super) fn write(
    dataset: &Dataset,
    splits: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let Project::DeepLabCut(project) = &dataset.training.project else { return Ok(Vec::new()) };
    if !project.configured {
        return Ok(Vec::new());
    }
    let rows = merged(dataset, project)?;
    let first = dlc_shuffles::greatest_number(&dataset.root) + 1;
    let shuffles: Vec<_> = (first..)
        .zip(splits)
        .map(|(number, split)| {
            let [train, test] =
                [Part::Train, Part::Test].map(|part| rows_of(dataset, split, part, &rows));
            json!({ "shuffle": number, "train": train, "test": test })
        })
        .collect();
    let config = dataset.root.join("config.yaml");
    let config = std::path::absolute(&config)
        .map_err(|source| FormatError::Io { path: config.clone(), source })?;
    let table = json!({
        "schema": 1,
        "config": config.display().to_string(),
        "rows": rows,
        "shuffles": shuffles,
    });
    let mut written = Written::new(folder);
    written.put("shuffles.json", format!("{table}\n").as_bytes())?;
    written.put("make_training_datasets.py", SCRIPT.as_bytes())?;
    Ok(written.into_names())
}

/// Returns the rows, by their place among all, whose images are of a part.
fn rows_of(dataset: &Dataset, split: &Split, part: Part, rows: &[String]) -> Vec<usize> {
    let images = split.images(part);
    let paths: BTreeSet<&str> =
        images.iter().map(|&image| dataset.images[image as usize].path.as_str()).collect();
    (0..rows.len()).filter(|&at| paths.contains(rows[at].as_str())).collect()
}

/// Returns the paths of the merged labels, in DeepLabCut's order.
fn merged(dataset: &Dataset, project: &DeepLabCut) -> Result<Vec<String>, FormatError> {
    let read = |file: &&LabelFile| dataset.label_files.contains(&file.file);
    let own: Vec<&LabelFile> = project.files.iter().filter(read).collect();
    let video = |file: &LabelFile| files::file_name(files::parent(&file.file)).to_string();
    let listed = some_or_all(own, |file| project.videos.contains(&video(file)));
    let taken = some_or_all(listed, |file| file.hdf5);
    let mut rows = Vec::new();
    for LabelFile { file, .. } in taken {
        let path = dataset.root.join(file);
        let sheet = dlc_csv::parse(file, &files::read(&path)?).map_err(|error| {
            let row = Some(error.row as usize);
            FormatError::Malformed { path, row, message: error.message }
        })?;
        rows.extend(sheet.rows.iter().map(|row| below_labeled_data(&row.image).to_string()));
    }
    rows.sort_by(|a, b| a.split('/').cmp(b.split('/')));
    Ok(rows)
}

/// Returns the label files that are taken, or all where none is.
fn some_or_all(files: Vec<&LabelFile>, is_taken: impl Fn(&LabelFile) -> bool) -> Vec<&LabelFile> {
    let some = files.iter().any(|file| is_taken(file));
    files.into_iter().filter(|file| !some || is_taken(file)).collect()
}
