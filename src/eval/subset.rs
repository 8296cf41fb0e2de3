//! Which images belong to which part: the dataset's own splits, or a split file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dataset::Dataset;
use crate::predictions::{PredictionsError, read_columns};

/// Name of the part that holds everything where there is no split.
const ALL: &str = "all";

/// Some images of a dataset, under a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subset {
    /// Such as `test`.
    pub name: String,
    /// Indices into [`Dataset::images`], ascending.
    pub images: Vec<u32>,
}

/// Returns the dataset's own splits, or `all` where it has none.
///
/// Only images that a label file names are in it: of the others nobody knows whether an
/// animal is there.
pub fn own_subsets(dataset: &Dataset) -> Vec<Subset> {
    subsets(dataset, |image| {
        Some(dataset.split_of(&dataset.images[image]).unwrap_or(ALL).to_string())
    })
}

/// Reads the parts from a file with the columns `image` and `part`, as Parquet or CSV.
///
/// # Errors
/// Fails when the file cannot be read, lacks a column, or names no image of the dataset.
pub fn read_subsets(path: &Path, dataset: &Dataset) -> Result<Vec<Subset>, PredictionsError> {
    let named: BTreeMap<String, String> =
        read_columns(path, ["image", "part"])?.into_iter().collect();
    let found = subsets(dataset, |image| named.get(&dataset.images[image].path).cloned());
    if found.is_empty() {
        let first = named.keys().next().map_or("nothing".into(), |name| format!("`{name}`"));
        let message = format!("expected images of the dataset, found {first}");
        return Err(PredictionsError::malformed(path, None, None, message));
    }
    Ok(found)
}

/// Groups the images that a label file names.
fn subsets(dataset: &Dataset, part: impl Fn(usize) -> Option<String>) -> Vec<Subset> {
    let instances = dataset.instances_by_image();
    let mut parts: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (at, image) in dataset.images.iter().enumerate() {
        if (image.location.is_some() || !instances[at].is_empty())
            && let Some(part) = part(at)
        {
            parts.entry(part).or_default().push(at as u32);
        }
    }
    parts.into_iter().map(|(name, images)| Subset { name, images }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::testing::{animal, dataset};

    #[test]
    fn a_split_file_divides_what_is_labelled() {
        let dataset = dataset(&[animal(0, &[[0.0, 0.0]]), animal(1, &[[0.0, 0.0]])]);
        assert_eq!(own_subsets(&dataset)[0].name, "all");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        std::fs::write(&path, "part,image\ntrain,a/0.png\ntest,a/1.png\ntest,b/7.png\n").unwrap();
        let parts = read_subsets(&path, &dataset).unwrap();
        let parts: Vec<_> = parts.iter().map(|p| (p.name.as_str(), &p.images[..])).collect();
        assert_eq!(parts, [("test", &[1][..]), ("train", &[0][..])]);
        std::fs::write(&path, "part,image\ntest,b/7.png\n").unwrap();
        let error = read_subsets(&path, &dataset).unwrap_err().to_string();
        assert!(error.contains("b/7.png"), "{error}");
    }
}
