//! Writes divisions as Ultralytics reads them: lists of images, `train-<k>.txt` and
//! `val-<k>.txt`, and a `data-<k>.yaml` that names them and says all else as the dataset's own.
//!
//! # Source
//! Ultralytics' `check_det_dataset` looks for the lists beside the `data.yaml` where that has no
//! `path`; `get_img_files` takes lines of a list that do not begin with `./` as they stand, so
//! that they have to be absolute; `img2label_paths` finds the labels from there.

use std::path::Path;

use super::super::files::Written;
use super::super::splits::{Side, sides};
use super::super::{FormatError, files};
use super::config;
use crate::dataset::{Dataset, Project, Split};

/// Keys of a `data.yaml` that say which images there are.
const PLACES: [&str; 5] = ["path", "train", "val", "test", "minival"];

/// Writes the files of all divisions.
pub(super) fn write(
    dataset: &Dataset,
    splits: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let Project::Yolo(project) = &dataset.training.project else { return Ok(Vec::new()) };
    // The file may lie outside of the dataset's folder; its path is absolute then.
    let yaml = dataset.root.join(&project.config);
    let others = without_places(&yaml)?;
    let mut written = Written::new(folder);
    for Side { number, word, images } in sides(splits) {
        let mut list = String::new();
        for image in images {
            let Some(file) = &dataset.images[image as usize].file else { continue };
            let file = std::path::absolute(file)
                .map_err(|source| FormatError::Io { path: file.clone(), source })?;
            list.push_str(&format!("{}\n", file.display()));
        }
        written.put(&format!("{word}-{number}.txt"), list.as_bytes())?;
    }
    for number in 1..=splits.len() {
        let own = format!("train: train-{number}.txt\nval: val-{number}.txt\n{others}");
        written.put(&format!("data-{number}.yaml"), own.as_bytes())?;
    }
    Ok(written.into_names())
}

/// Returns the text of a `data.yaml` without the keys that say which images there are.
fn without_places(yaml: &Path) -> Result<String, FormatError> {
    let bytes = files::read(yaml)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut rest = String::new();
    let mut inside = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A value goes on in lines that are indented, or that begin with the mark of a list.
        let begins = line.starts_with(|first: char| !first.is_whitespace() && first != '-');
        if begins && !line.starts_with(['#', ']', '}']) {
            let key = line.split(':').next().unwrap_or_default();
            let key = key.trim().trim_matches(['\'', '"']);
            inside = PLACES.contains(&key);
        } else if line.starts_with('#') {
            inside = false;
        }
        if !inside && line.trim() != "---" {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    let same = config::parse(yaml, &rest).is_ok_and(|new| {
        config::parse(yaml, &text).is_ok_and(|old| {
            let says = |config: &config::Config| {
                (config.names.clone(), config.nc, config.kpt_shape, config.flip_idx.clone())
            };
            new.splits.is_empty() && new.path.is_none() && says(&new) == says(&old)
        })
    });
    if !same {
        let message = "its lists of images cannot be told from its other keys; write `train`, `val` \
                       and `names` in lines of their own";
        let path = yaml.to_path_buf();
        return Err(FormatError::CannotHold { path, row: None, message: message.into() });
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(text: &str) -> Result<String, FormatError> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("data.yaml");
        std::fs::write(&file, text).expect("a file");
        without_places(&file)
    }

    #[test]
    fn all_that_names_no_images_stays() {
        let text = "---\n# roads\npath: ../x\ntrain:\n- a\n- b\n\n# two\nval: [c,\n  d]\n\"test\":\n\
                    names:\n  0: train\n  1: 'val: x'\nextra: {a: 1}\n";
        let expected = "# roads\n# two\nnames:\n  0: train\n  1: 'val: x'\nextra: {a: 1}\n";
        assert_eq!(rest(text).expect("the rest"), expected);
    }

    #[test]
    fn keys_that_cannot_be_told_apart_are_refused() {
        let error = rest("{train: a, names: [x],\n  val: b}\n").expect_err("one line");
        assert!(error.to_string().contains("lines of their own"), "{error}");
    }
}
