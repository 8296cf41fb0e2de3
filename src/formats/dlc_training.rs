//! What the files of a DeepLabCut project tell its training: the label files as it finds them,
//! the plans, and keys that no code reads.

use std::path::Path;

use super::dlc_config::Config;
use super::dlc_csv::Sheet;
use super::dlc_dataset::LABELED_DATA;
use super::{dlc_plans, files};
use crate::dataset::{DeepLabCut, LabelFile, Project};

/// Returns what a project tells. `sheets` are all label files that could be read.
pub(super) fn read(
    root: &Path,
    config_file: Option<&Path>,
    config: &Option<Config>,
    sheets: &[Sheet],
) -> Project {
    let configured = config.is_some();
    let usual = Config::default();
    let config = config.as_ref().unwrap_or(&usual);
    let mut found = DeepLabCut {
        configured,
        scorer: config.scorer.clone(),
        multi_animal: config.multi_animal,
        bodyparts: config.bodyparts.clone(),
        unique: config.unique.clone(),
        videos: config.videos.clone(),
        train_fraction: config.train_fraction,
        engine: config.engine,
        files: sheets.iter().map(|sheet| label_file(root, sheet, config)).collect(),
        hdf5_alone: hdf5_alone(root, config.scorer.as_deref()),
        ..DeepLabCut::default()
    };
    if configured {
        (found.plans, found.dead_keys) = dlc_plans::read(root, config.iteration.unwrap_or(0));
        found.dead_keys.extend(config_file.and_then(|file| dlc_plans::dead_in_config(root, file)));
        found.dead_keys.sort();
    }
    Project::DeepLabCut(found)
}

fn label_file(root: &Path, sheet: &Sheet, config: &Config) -> LabelFile {
    let mut scorers: Vec<String> = sheet.parts.iter().map(|part| part.scorer.clone()).collect();
    scorers.sort();
    scorers.dedup();
    let csv = root.join(&sheet.file);
    // DeepLabCut asks for one name and looks at no other.
    let hdf5 = match config.scorer.as_ref().or(scorers.first()) {
        Some(scorer) => csv.with_file_name(format!("CollectedData_{scorer}.h5")),
        None => csv.with_extension("h5"),
    };
    LabelFile {
        file: sheet.file.clone(),
        hdf5: hdf5.is_file(),
        scorers,
        backslashes: sheet.backslashes,
        broken: sheet.broken.clone(),
    }
}

/// Returns the HDF5 files that DeepLabCut reads and that have no CSV beside them.
fn hdf5_alone(root: &Path, scorer: Option<&str>) -> Vec<String> {
    let folders = files::entries(&root.join(LABELED_DATA));
    let inside = folders.iter().flat_map(|folder| files::entries(folder));
    let own = |file: &Path| {
        let name = files::name(file);
        match scorer {
            Some(scorer) => name == format!("CollectedData_{scorer}.h5"),
            None => name.starts_with("CollectedData") && files::has_suffix(file, "h5"),
        }
    };
    inside
        .filter(|file| own(file) && !file.with_extension("csv").is_file())
        .map(|file| files::relative(root, &file))
        .collect()
}
