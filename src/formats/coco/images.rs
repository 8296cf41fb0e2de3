//! Where the images of a COCO file lie. Looks at names only.

use std::path::{Component, Path, PathBuf};

use rustc_hash::FxHashSet;

use super::super::{ReadOptions, files};
use super::Part;
use super::row::ImageRow;

/// Folders that hold label files beside the images' folder, not above it.
const LABEL_FOLDERS: [&str; 4] = ["annotations", "annotation", "labels", "ann"];

/// The image files of all parts of a dataset.
pub(super) struct Placed {
    /// The folder that paths are relative to.
    pub(super) root: PathBuf,
    /// Per part and row: the path relative to the root, and the file if it exists.
    pub(super) parts: Vec<Vec<(String, Option<PathBuf>)>>,
}

/// Returns the folder above the label files: their own, or the one above a folder
/// that is named after labels.
pub(super) fn base(json: &Path) -> PathBuf {
    let own = json.parent().unwrap_or(Path::new(""));
    let name = files::name(own).to_lowercase();
    let above = own.parent().filter(|_| LABEL_FOLDERS.contains(&name.as_str()));
    above.unwrap_or(own).into()
}

/// Looks for the images that the parts name.
pub(super) fn place(parts: &[Part], rows: &[&[(u32, ImageRow)]], options: &ReadOptions) -> Placed {
    let mut placed = Placed { root: PathBuf::new(), parts: Vec::new() };
    let mut found: Vec<Vec<Option<PathBuf>>> = Vec::new();
    let mut homes: Vec<PathBuf> = Vec::new();
    let mut above = false;
    for (part, rows) in parts.iter().zip(rows) {
        let candidates = candidates(part, options);
        let mut hits = vec![0_usize; candidates.len()];
        let mut files = Vec::with_capacity(rows.len());
        for (_, row) in *rows {
            let names = names(&row.file_name);
            let hit = names.iter().find_map(|name| {
                let at = candidates.iter().position(|folder| folder.join(name).is_file())?;
                Some((at, candidates[at].join(name)))
            });
            if let Some((at, _)) = &hit {
                hits[*at] += 1;
                above |= !candidates[*at].starts_with(base(&part.json));
            }
            files.push(hit.map(|(_, file)| file));
        }
        // A missing image is reported where most others lie; ties go to the first.
        let most = (0..hits.len()).max_by_key(|&at| (hits[at], std::cmp::Reverse(at)));
        homes.push(most.map_or_else(|| base(&part.json), |at| candidates[at].clone()));
        found.push(files);
    }
    placed.root = common(parts, above && options.images.is_none());
    for ((rows, files), home) in rows.iter().zip(found).zip(homes) {
        let paths = rows.iter().zip(files).map(|((_, row), file)| {
            let place = file.clone().unwrap_or_else(|| home.join(&names(&row.file_name)[0]));
            (below(&placed.root, &place, options), file)
        });
        placed.parts.push(paths.collect());
    }
    placed
}

/// Returns a path relative to the root, or to `--images` where it lies only there.
pub(super) fn below(root: &Path, file: &Path, options: &ReadOptions) -> String {
    match &options.images {
        Some(images) if file.strip_prefix(root).is_err() => files::relative(images, file),
        _ => files::relative(root, file),
    }
}

/// Returns the deepest folder that holds all label files and the folders of images.
fn common(parts: &[Part], above: bool) -> PathBuf {
    let mut root = base(&parts[0].json);
    for part in parts {
        while !part.json.starts_with(&root) && root.pop() {}
    }
    if above {
        root.pop();
    }
    root
}

/// Returns the folders that may hold the images of a part, the likeliest first.
fn candidates(part: &Part, options: &ReadOptions) -> Vec<PathBuf> {
    let words: Vec<&str> = part.word.iter().chain(&part.split).map(String::as_str).collect();
    let mut folders = Vec::new();
    let mut around = |folder: &Path| {
        for word in &words {
            folders.push(folder.join("images").join(word));
            folders.push(folder.join(word));
            folders.push(folder.join(word).join("images"));
        }
        for name in ["images", "data", ""] {
            folders.push(folder.join(name));
        }
    };
    if let Some(images) = &options.images {
        around(images);
    } else {
        let own = part.json.parent().unwrap_or(Path::new(""));
        around(own);
        let base = base(&part.json);
        if base != own {
            around(&base);
        } else if let Some(up) = own.parent() {
            // One level up only folders named so: whatever else lies there is not ours.
            for word in &words {
                folders.push(up.join("images").join(word));
                folders.push(up.join(word));
            }
            folders.push(up.join("images"));
        }
    }
    let mut seen = FxHashSet::default();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    folders
}

/// Returns the relative paths that a `file_name` may stand for: itself, and for a path
/// of another machine its last part.
fn names(file_name: &str) -> Vec<PathBuf> {
    let clean = files::slashes(file_name);
    let absolute = clean.starts_with('/') || clean.get(1..3) == Some(":/");
    let relative: PathBuf = (Path::new(&clean).components())
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let last = PathBuf::from(files::file_name(&clean));
    match absolute {
        true => vec![last, relative],
        false if last == relative => vec![relative],
        false => vec![relative, last],
    }
}
