//! Writes divisions as COCO files: `train-<k>.json` and `val-<k>.json` with the images of one
//! part and their annotations. All else stays byte by byte: further fields, categories, numbers.
//!
//! Of several label files each is divided by itself (`train-<k>-<name>.json`), since their ids
//! and the folders of their images are their own.

use std::path::Path;

use super::super::FormatError;
use super::super::files::Written;
use super::super::splits::{Side, sides};
use super::rewrite::Json;
use crate::dataset::{Dataset, Split};

/// Writes the files of all divisions.
pub(super) fn write(
    dataset: &Dataset,
    splits: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let mut written = Written::new(folder);
    let alone = dataset.label_files.len() == 1;
    for (file, name) in (0..).zip(&dataset.label_files) {
        let own = match alone {
            true => String::new(),
            // Files of one name may lie in folders of splits.
            false => format!("-{}", name.trim_end_matches(".json").replace('/', "-")),
        };
        let mut json = Json::open(dataset, file)?;
        for Side { number, word, images } in sides(splits) {
            let bytes = json.only(&images.into_iter().collect())?;
            written.put(&format!("{word}-{number}{own}.json"), &bytes)?;
        }
    }
    Ok(written.into_names())
}
