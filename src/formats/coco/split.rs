//! Writes divisions as COCO files: `train-<k>.json` and `val-<k>.json` with the images of one
//! part and their annotations. All else stays byte by byte: further fields, categories, numbers.
//!
//! Of several label files each is divided by itself (`train-<k>-<name>.json`), since their ids
//! and the folders of their images are their own.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::FormatError;
use super::super::files::Written;
use super::rewrite;
use crate::dataset::{Dataset, Part, Split};

/// Writes the files of all divisions.
pub(super) fn write(
    dataset: &Dataset,
    splits: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let mut written = Written::new(folder);
    let alone = dataset.label_files.len() == 1;
    for (number, split) in (1..).zip(splits) {
        for (part, word) in [(Part::Train, "train"), (Part::Test, "val")] {
            let others: BTreeSet<u32> = (0..dataset.images.len() as u32)
                .filter(|&image| split.parts[image as usize] != Some(part))
                .collect();
            for (file, name) in (0..).zip(&dataset.label_files) {
                let bytes = rewrite::without(dataset, file, &others)?;
                let own = match alone {
                    true => String::new(),
                    // Files of one name may lie in folders of splits.
                    false => format!("-{}", name.trim_end_matches(".json").replace('/', "-")),
                };
                written.put(&format!("{word}-{number}{own}.json"), &bytes)?;
            }
        }
    }
    Ok(written.into_names())
}
