//! Classification by folders: `<class>/*.jpg`, or `<split>/<class>/*.jpg`.
//!
//! Takes the folder. A folder of folders of images can be many things, so that it is
//! taken for this only where its names leave little doubt: folders of splits which hold
//! folders of images and no images themselves; or at least two folders which all hold
//! images directly, where the folder itself holds none and no name looks like a video, a
//! split or a folder of labels. Everything else is a plain folder, or `--format
//! classification`.

use std::path::{Path, PathBuf};

use super::files::Written;
use super::{Evidence, Format, FormatError, ReadOptions, files, splits};
use crate::dataset::{Class, Dataset, Image, Location, Split};

/// Classification by folders.
pub(super) const FORMAT: Format = Format {
    slug: "classification",
    looks_for: "a folder of images per class, below a folder per split",
    evidence: Evidence::Images,
    detect,
    read,
    rewrite: None,
    write_splits: Some(write_splits),
};

/// Words of folders that hold something else than a class.
const OTHER: [&str; 22] = [
    "images",
    "image",
    "imgs",
    "img",
    "frames",
    "frame",
    "videos",
    "video",
    "labels",
    "label",
    "annotations",
    "masks",
    "mask",
    "data",
    "raw",
    "cam",
    "camera",
    "view",
    "session",
    "trial",
    "labeled-data",
    "crops",
];

fn detect(path: &Path) -> Option<PathBuf> {
    if !path.is_dir() {
        return None;
    }
    let splits = splits::split_folders(path);
    let found = if splits.is_empty() {
        holds_classes(path, 2)
    } else {
        !holds_image_itself(path) && splits.iter().all(|(folder, _)| holds_classes(folder, 1))
    };
    found.then(|| path.into())
}

/// Returns whether a folder holds folders of images, and nothing that speaks against
/// their names being classes.
fn holds_classes(path: &Path, least: usize) -> bool {
    let folders: Vec<_> = files::entries(path).into_iter().filter(|path| path.is_dir()).collect();
    folders.len() >= least
        && !holds_image_itself(path)
        && folders.iter().all(|folder| {
            is_class_name(&files::name(folder)) && holds_image_itself(folder) && !is_video(folder)
        })
}

fn holds_image_itself(folder: &Path) -> bool {
    files::entries(folder).iter().any(|path| files::is_image(path) && path.is_file())
}

/// Returns whether a folder's name can be that of a class.
fn is_class_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let word = lower.trim_end_matches(|c: char| c.is_ascii_digit() || "_- .".contains(c));
    // Names of cameras and videos: a number alone is a class (digits are), dates are not.
    let digits = lower.chars().filter(char::is_ascii_digit).count();
    splits::split_named(name).is_none() && !OTHER.contains(&word) && digits < 6
}

/// Returns whether the images of a folder are named like frames.
fn is_video(folder: &Path) -> bool {
    let names = files::entries(folder);
    let mut images = names.iter().filter(|path| files::is_image(path)).take(8).peekable();
    let frame =
        |path: &&PathBuf| splits::video_frame(&format!("_/{}", files::name(path))).is_some();
    images.peek().is_some() && images.all(|path| frame(&path))
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    let root = options.images.as_deref().unwrap_or(path);
    let listing = files::images_below(root, root);
    let folders = splits::split_folders(root);
    let split_of = |name: &str| folders.iter().find(|(path, _)| files::name(path) == name);
    let mut dataset = Dataset {
        root: root.into(),
        format: FORMAT.slug,
        problems: listing.problems,
        ..Dataset::default()
    };
    let mut found = Vec::new();
    for image in listing.images {
        let mut parts = image.path.split('/').peekable();
        let split = parts.next_if(|part| split_of(part).is_some());
        let split = split.and_then(split_of).map(|(_, split)| split.clone());
        let class = parts.next().filter(|_| parts.peek().is_some()).map(String::from);
        found.push((image, split, class));
    }
    let mut classes: Vec<_> = found.iter().filter_map(|(_, _, class)| class.clone()).collect();
    classes.sort();
    classes.dedup();
    if classes.len() > usize::from(u16::MAX) {
        let message = format!("more than {} folders of classes", u16::MAX);
        return Err(FormatError::Malformed { path: root.into(), row: None, message });
    }
    let mut names: Vec<_> = folders.iter().map(|(_, split)| split.clone()).collect();
    names.sort();
    names.dedup();
    // The folder of the class is the label; it stands for the label file.
    dataset.label_files =
        found.iter().map(|(image, ..)| files::parent(&image.path).into()).collect();
    dataset.label_files.sort();
    dataset.label_files.dedup();
    for (image, split, class) in found {
        let file = dataset.label_files.binary_search_by(|f| (**f).cmp(files::parent(&image.path)));
        let location =
            class.as_ref().and(file.ok()).map(|file| Location { file: file as u32, row: 1 });
        dataset.images.push(Image {
            path: image.path,
            file: Some(image.file),
            split: split.and_then(|split| names.binary_search(&split).ok()).map(|at| at as u16),
            class: class.and_then(|class| classes.binary_search(&class).ok()).map(|at| at as u16),
            location,
            ..Image::default()
        });
    }
    let defined = |name| Class { name, id: None, skeleton: None, defined: true };
    dataset.classes = classes.into_iter().map(defined).collect();
    dataset.splits = names;
    Ok(dataset)
}

/// Writes divisions as lists of images, `train-<k>.txt` and `val-<k>.txt`: a path relative to
/// the dataset in each line. Folders alone tell a trainer of this format its parts, so that
/// there is nothing that all read.
fn write_splits(
    dataset: &Dataset,
    divisions: &[Split],
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    let mut written = Written::new(folder);
    for side in splits::sides(divisions) {
        let path = |image: u32| format!("{}\n", dataset.images[image as usize].path);
        let list: String = side.images.into_iter().map(path).collect();
        written.put(&format!("{}-{}.txt", side.word, side.number), list.as_bytes())?;
    }
    Ok(written.into_names())
}
