//! COCO detection and keypoints: one JSON file of `images`, `annotations` and
//! `categories`, or one per split.
//!
//! Takes the file, or the folder that holds them. Files reach gigabytes, so that
//! they are streamed twice, first for images and categories, then for annotations,
//! and never held in memory. `docs/formats.md` says how each key is read.

mod aside;
mod build;
mod images;
mod rewrite;
mod row;
mod split;
mod stream;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::json::Elements;
use super::{Evidence, Format, FormatError, ReadOptions, files, splits};
use crate::dataset::Dataset;

/// COCO detection and keypoints.
pub(super) const FORMAT: Format = Format {
    slug: "coco",
    looks_for: "a COCO .json with `images` and `annotations`",
    evidence: Evidence::Labels,
    detect,
    read,
    rewrite: Some(rewrite::rewrite),
    write_splits: Some(split::write),
};

/// Bytes at the beginning of a file by which it is known.
const HEAD: u64 = 256 * 1024;
/// Number of .json files of one folder that are looked into: other tools write one
/// per image.
const LOOKED_INTO: usize = 64;

/// One label file.
#[derive(Debug)]
struct Part {
    json: PathBuf,
    /// The split that the file's or the folder's name tells, and the word that says so.
    split: Option<String>,
    word: Option<String>,
    /// The name without the split; parts of one dataset share it.
    kind: String,
}

fn detect(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return (files::has_suffix(path, "json") && looks_like_coco(path)).then(|| path.into());
    }
    let mut parts = parts_below(path);
    match parts.len() {
        0 => None,
        1 => parts.pop().map(|part| part.json),
        _ => Some(path.into()),
    }
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    // Images are looked for above the file, so that the folders there need names.
    let path = &std::path::absolute(path)
        .map_err(|source| FormatError::Io { path: path.into(), source })?;
    let (parts, complete) = if path.is_dir() {
        (parts_below(path), true)
    } else {
        let part = part(path.clone());
        // Beside other label files, images that this one does not name may be theirs.
        let beside = parts_below(&images::base(&part.json));
        (vec![part], beside.len() < 2)
    };
    let Some(first) = parts.first() else {
        let looked_for = vec![FORMAT.looks_for.into()];
        return Err(FormatError::Unknown { path: path.into(), looked_for });
    };
    let mut names: Vec<_> = parts.iter().map(|part| &part.split).collect();
    names.sort();
    names.dedup();
    let same = parts.iter().all(|part| part.kind == first.kind && part.split.is_some());
    if parts.len() > 1 && (!same || names.len() < parts.len()) {
        let found = parts.iter().map(|part| files::relative(path, &part.json)).collect();
        return Err(FormatError::Several { path: path.into(), found });
    }
    build::Builder::default().build(&parts, complete, options)
}

/// Returns the label files of a folder: in itself, in a folder of annotations, or in
/// folders named after splits.
fn parts_below(folder: &Path) -> Vec<Part> {
    let mut folders = vec![folder.to_path_buf(), folder.join("annotations"), folder.join("labels")];
    folders.extend(splits::split_folders(folder).into_iter().map(|(path, _)| path));
    let mut parts = Vec::new();
    for folder in folders {
        let names = files::entries(&folder).into_iter();
        let jsons = names.filter(|path| files::has_suffix(path, "json")).take(LOOKED_INTO);
        parts.extend(jsons.filter(|json| looks_like_coco(json)).map(part));
    }
    parts
}

fn part(json: PathBuf) -> Part {
    let name = files::name(&json);
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    let folder = json.parent().map(files::name).unwrap_or_default();
    let (found, kind) = match splits::split_in(stem) {
        Some(found) => (Some(found.clone()), found.rest),
        // Where the folder tells the split, the files have one name.
        None => (splits::split_in(&folder).filter(|found| found.rest.is_empty()), stem.into()),
    };
    let (split, word) = found.map(|found| (found.split, found.word)).unzip();
    Part { json, split, word, kind }
}

fn looks_like_coco(json: &Path) -> bool {
    let Ok(file) = File::open(json) else { return false };
    let arrays = ["images", "annotations", "categories"];
    let mut elements = Elements::new(file.take(HEAD), &arrays);
    let mut text = Vec::new();
    loop {
        text.clear();
        match elements.next(&mut text) {
            Ok(Some(place)) => {
                if let Some(right) = row::looks_right(arrays[place.array], &text) {
                    return right;
                }
            }
            // Without entries, the names of the arrays have to do.
            _ => return elements.seen(0) && elements.seen(1),
        }
    }
}
