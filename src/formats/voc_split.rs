//! Writes divisions as Pascal VOC's lists: `split-<k>/ImageSets/Main/train.txt` and `val.txt`
//! with the name of an annotation, without suffix, in each line. The folder `ImageSets` goes
//! into that of the dataset, beside `Annotations`.

use std::path::Path;

use super::FormatError;
use super::files::Written;
use super::splits::{Side, sides};
use crate::dataset::{Dataset, Split};

/// Writes the lists of all divisions.
pub(super) fn write(
    dataset: &Dataset,
    splits: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let mut written = Written::new(folder);
    let name = |image: u32| {
        let location = dataset.images[image as usize].location?;
        let file = &dataset.label_files[location.file as usize];
        let name = file.strip_prefix("Annotations/").unwrap_or(file);
        Some(name.rsplit_once('.').map_or(name, |(stem, _)| stem))
    };
    for Side { number, word, images } in sides(splits) {
        let list: String =
            images.into_iter().filter_map(name).map(|name| format!("{name}\n")).collect();
        written.put(&format!("split-{number}/ImageSets/Main/{word}.txt"), list.as_bytes())?;
    }
    Ok(written.into_names())
}
