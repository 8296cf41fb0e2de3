//! Which formats exist, which of them a path holds, and what every reading ends with:
//! left-right pairs and a fixed order.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::{Evidence, Format, FormatError, ReadOptions, Rewrite, files};
use super::{classification, coco, deeplabcut, folder, lightning_pose, voc, yolo};
use crate::dataset::{Dataset, Edit, PairSource, Skeleton, Split, pair_up};

/// All formats, the most specific first: the first that fits a path is taken.
/// Those that need nothing but images come last.
pub const FORMATS: &[Format] = &[
    lightning_pose::FORMAT,
    deeplabcut::FORMAT,
    yolo::FORMAT,
    voc::FORMAT,
    coco::FORMAT,
    classification::FORMAT,
    folder::FORMAT,
];

/// How many folders deep a dataset is searched below the path that was given.
const DEPTH: usize = 5;

/// How many folders are searched at most, so that a slip of the path (`/`, a network
/// drive) ends in a message and not in hours.
const FOLDERS: usize = 10_000;

/// Reads the dataset at a path, or the only one below it.
///
/// # Errors
/// Fails when the path does not exist, holds no or several datasets, or cannot be
/// read at all, and when the options name what does not exist.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    for path in std::iter::once(path).chain(options.images.as_deref()) {
        if !path.exists() {
            return Err(FormatError::NotFound { path: path.into() });
        }
    }
    let formats = candidates(options.format.as_deref())?;
    let (format, found) = detect(path, &formats)?;
    let mut dataset = (format.read)(&found, options)?;
    dataset.format = format.slug;
    set_pairs(&mut dataset.skeletons, &options.pairs)?;
    dataset.sort();
    Ok(dataset)
}

/// Returns what changes of its labels do to the files of a dataset, in its own format. Writes
/// nothing. Reading the new files gives what [`Dataset::edited`] gives.
///
/// # Errors
/// [`FormatError::NotWritten`] where labelvet only reads the format; fails as well when a
/// label file can no longer be read or is not what it was.
pub fn rewrite(dataset: &Dataset, edits: &[Edit]) -> Result<Rewrite, FormatError> {
    let format = FORMATS.iter().find(|format| format.slug == dataset.format);
    match format.and_then(|format| format.rewrite) {
        Some(rewrite) => rewrite(dataset, edits),
        None => Err(FormatError::NotWritten { format: dataset.format }),
    }
}

/// Writes divisions of a dataset into a folder that exists, as the trainer of its format reads
/// them, and returns the names of the files; none where it reads no division.
///
/// # Errors
/// Fails when a label file can no longer be read or is not what it was, and when the system
/// refuses to write.
pub fn write_splits(
    dataset: &Dataset,
    splits: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let format = FORMATS.iter().find(|format| format.slug == dataset.format);
    match format.and_then(|format| format.write_splits) {
        Some(write) => write(dataset, splits, folder),
        None => Ok(Vec::new()),
    }
}

/// Returns the formats to try.
fn candidates(slug: Option<&str>) -> Result<Vec<&'static Format>, FormatError> {
    let Some(slug) = slug else { return Ok(FORMATS.iter().collect()) };
    match FORMATS.iter().find(|format| format.slug == slug) {
        Some(format) => Ok(vec![format]),
        None => Err(FormatError::NoSuchFormat {
            format: slug.into(),
            known: FORMATS.iter().map(|format| format.slug).collect(),
        }),
    }
}

/// Returns the format that fits, and the file or folder to pass to it: at the path
/// itself, else below it, else one that needs nothing but images.
fn detect(
    path: &Path,
    formats: &[&'static Format],
) -> Result<(&'static Format, PathBuf), FormatError> {
    let (labelled, plain): (Vec<_>, Vec<_>) =
        formats.iter().partition(|format| format.evidence == Evidence::Labels);
    if let Some(found) = at(path, &labelled) {
        return Ok(found);
    }
    let asked = plain.first().filter(|_| formats.len() == 1 && path.is_dir());
    let mut below = search(path, &labelled);
    match below.len() {
        1 => Ok(below.remove(0)),
        // A format that was asked for needs no evidence beyond the images.
        0 => at(path, &plain).or_else(|| Some((*asked?, path.into()))).ok_or_else(|| {
            FormatError::Unknown {
                path: path.into(),
                looked_for: formats.iter().map(|format| format.looks_for.into()).collect(),
            }
        }),
        _ => Err(FormatError::Several {
            path: path.into(),
            found: below.iter().map(|(_, found)| files::relative(path, found)).collect(),
        }),
    }
}

/// Returns the first format that fits exactly this path.
fn at(path: &Path, formats: &[&'static Format]) -> Option<(&'static Format, PathBuf)> {
    formats.iter().find_map(|format| Some((*format, (format.detect)(path)?)))
}

/// Returns what lies below a folder, level by level; does not look into what it found.
fn search(path: &Path, formats: &[&'static Format]) -> Vec<(&'static Format, PathBuf)> {
    let mut found = Vec::new();
    let mut queue = VecDeque::from([(path.to_path_buf(), 0)]);
    let mut searched = 0;
    while let Some((folder, depth)) = queue.pop_front() {
        for below in files::entries(&folder) {
            // A link may lead anywhere, also back up.
            if below.is_symlink() || !below.is_dir() || searched == FOLDERS {
                continue;
            }
            searched += 1;
            match at(&below, formats) {
                Some(project) => found.push(project),
                None if depth + 1 < DEPTH => queue.push_back((below, depth + 1)),
                None => {}
            }
        }
    }
    found
}

/// Sets the left-right pairs of all skeletons: the user's where there are any, else
/// inferred ones.
fn set_pairs(skeletons: &mut [Skeleton], given: &[[String; 2]]) -> Result<(), FormatError> {
    if given.is_empty() {
        skeletons.iter_mut().for_each(pair_up);
        return Ok(());
    }
    for pair in given {
        let fits = |skeleton: &Skeleton| pair.iter().all(|name| skeleton.index(name).is_some());
        if !skeletons.iter().any(fits) {
            return Err(FormatError::NoSuchPair {
                pair: pair.clone(),
                known: skeletons.iter().flat_map(|s| s.keypoints.iter().cloned()).collect(),
            });
        }
    }
    for skeleton in skeletons {
        let pairs = given
            .iter()
            .filter_map(|[left, right]| Some([skeleton.index(left)?, skeleton.index(right)?]));
        skeleton.pairs = pairs.collect();
        skeleton.pair_source =
            if skeleton.pairs.is_empty() { PairSource::None } else { PairSource::Settings };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skeleton(names: &[&str]) -> Skeleton {
        Skeleton { keypoints: names.iter().map(|n| n.to_string()).collect(), ..Skeleton::default() }
    }

    #[test]
    fn given_pairs_override_names_and_must_exist() {
        let mut skeletons = [skeleton(&["ear_l", "ear_r", "nose"]), skeleton(&["box"])];
        set_pairs(&mut skeletons, &[]).expect("no pair is given");
        assert_eq!(skeletons[0].pairs, [[0, 1]]);
        assert_eq!(skeletons[0].pair_source, PairSource::Names);
        let pair = |a: &str, b: &str| [a.to_string(), b.to_string()];
        set_pairs(&mut skeletons, &[pair("nose", "ear_l")]).expect("both exist");
        assert_eq!(skeletons[0].pairs, [[2, 0]]);
        assert_eq!(skeletons[0].pair_source, PairSource::Settings);
        assert_eq!(skeletons[1].pair_source, PairSource::None);
        let error = set_pairs(&mut skeletons, &[pair("nose", "tail")]).expect_err("no tail");
        assert!(error.to_string().contains("\"tail\""), "{error}");
    }

    #[test]
    fn paths_and_formats_that_do_not_exist_are_named() {
        let none = ReadOptions::default();
        let error = read(Path::new("/no/such/place"), &none).expect_err("it does not exist");
        assert_eq!(error.to_string(), "/no/such/place does not exist");
        let folder = tempfile::tempdir().expect("a folder");
        let options = ReadOptions { format: Some("dlc".into()), ..ReadOptions::default() };
        let error = read(folder.path(), &options).expect_err("the slug is deeplabcut");
        assert!(
            matches!(&error, FormatError::NoSuchFormat { known, .. } if known.contains(&"deeplabcut"))
        );
        let error = read(folder.path(), &none).expect_err("an empty folder");
        assert!(error.to_string().contains("config.yaml"), "{error}");
    }
}
