//! Writes divisions for Lightning Pose: `<name>-<k>.csv`, the label file without the rows of
//! other parts, and `<name>-<k>_new.csv` with the rows of the test part alone.
//!
//! Lightning Pose trains on one label file, which it divides at random itself, so that the file
//! must hold no test row. A file of other labels is given to `litpose predict` once a model is
//! trained; by its `_new` the reader knows it for one to test on.
//!
//! # Source
//! Lightning Pose, `docs/source/user_guide/config_file.rst` (`data.csv_file`,
//! `training.train_prob`) and `inference.rst` ("Inference on new images").

use std::collections::BTreeSet;
use std::path::Path;

use super::files::Written;
use super::{FormatError, dlc_rewrite, files};
use crate::dataset::{Dataset, Part, Split};

/// Writes the files of all divisions.
pub(super) fn write(
    dataset: &Dataset,
    splits: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let mut written = Written::new(folder);
    for (number, split) in (1..).zip(splits) {
        for (part, mark) in [(Part::Train, ""), (Part::Test, "_new")] {
            let images: BTreeSet<u32> = split.images(part).into_iter().collect();
            for (file, name) in (0..).zip(&dataset.label_files) {
                let name = files::file_name(name);
                let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
                let bytes = dlc_rewrite::rows_of(dataset, file, &images)?;
                written.put(&format!("{stem}-{number}{mark}.csv"), &bytes)?;
            }
        }
    }
    Ok(written.into_names())
}
