//! What readers share: which image files lie in a folder, what a path says about
//! video and frame, and names numbered in the order of their first use.
//!
//! Looks at names only; never opens an image.

use std::fs;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use walkdir::{DirEntry, WalkDir};

use super::FormatError;
use crate::dataset::{Problem, ProblemKind};

/// Suffixes of files that are taken for images, in lower case.
pub(super) const IMAGE_SUFFIXES: [&str; 10] =
    ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "pgm", "ppm"];

/// The image files below a folder, and what else was noticed there.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Image files in the order of their paths.
    pub(super) images: Vec<ImageFile>,
    /// Litter, and folders that could not be listed.
    pub(super) problems: Vec<Problem>,
}

/// An image file that exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ImageFile {
    /// Path relative to the base of the listing, with `/`.
    pub(super) path: String,
    /// Where it lies.
    pub(super) file: PathBuf,
}

/// Lists the image files below a folder at any depth, with paths relative to `base`.
///
/// Follows symbolic links, but never in a circle; skips hidden files and folders.
/// Files that operating systems leave behind are reported as litter.
pub(super) fn images_below(base: &Path, folder: &Path) -> Listing {
    list(base, WalkDir::new(folder))
}

/// Lists the image files that lie directly in a folder, like [`images_below`].
pub(super) fn images_in(base: &Path, folder: &Path) -> Listing {
    list(base, WalkDir::new(folder).max_depth(1))
}

fn list(base: &Path, walk: WalkDir) -> Listing {
    let mut listing = Listing::default();
    let visible = |entry: &DirEntry| entry.depth() == 0 || !is_hidden_folder(entry);
    for entry in walk.follow_links(true).into_iter().filter_entry(visible) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let name = entry.file_name().to_string_lossy();
                let path = relative(base, entry.path());
                if is_litter(&name) {
                    listing.problems.push(litter(path));
                } else if !name.starts_with('.') && is_image(entry.path()) {
                    listing.images.push(ImageFile { path, file: entry.into_path() });
                }
            }
            // A link back to a folder above adds nothing, a dangling one is no file.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) if is_dangling(&error) => {}
            Err(error) => listing.problems.push(Problem {
                file: error.path().map(|path| relative(base, path)).unwrap_or_default(),
                row: None,
                column: None,
                kind: ProblemKind::UnreadableLabel,
                image: None,
                message: match error.io_error() {
                    Some(source) => format!("failed to list the folder: {source}"),
                    None => "failed to list the folder".into(),
                },
            }),
        }
    }
    listing.images.sort();
    listing.problems.sort();
    listing
}

fn is_hidden_folder(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.file_type().is_dir() && (name.starts_with('.') || name == "__MACOSX")
}

fn is_dangling(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|source| source.kind() == std::io::ErrorKind::NotFound)
}

fn litter(path: String) -> Problem {
    Problem {
        file: path,
        row: None,
        column: None,
        kind: ProblemKind::Litter,
        image: None,
        message: "left behind by an operating system; safe to delete".into(),
    }
}

/// Returns whether an operating system leaves files of this name behind: `._*`
/// (macOS, on drives that cannot hold its metadata), `.DS_Store`, `Thumbs.db`,
/// `desktop.ini`.
pub(super) fn is_litter(name: &str) -> bool {
    name.starts_with("._")
        || [".DS_Store", "Thumbs.db", "desktop.ini"].iter().any(|l| name.eq_ignore_ascii_case(l))
}

/// Returns whether a path ends in the suffix of an image format.
pub(super) fn is_image(path: &Path) -> bool {
    IMAGE_SUFFIXES.iter().any(|suffix| has_suffix(path, suffix))
}

/// Returns whether a path ends in a suffix, in upper or lower case.
pub(super) fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(suffix))
}

/// Returns the text of a YAML file; `None` for other files and unreadable ones.
pub(super) fn yaml_text(path: &Path) -> Option<String> {
    let yaml = has_suffix(path, "yaml") || has_suffix(path, "yml");
    let bytes = (yaml && path.is_file()).then(|| read(path).ok())??;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_start_matches('\u{feff}').to_string())
}

/// Reads a YAML text as trainers do: the last of two equal keys counts, and only `true` and
/// `false` are booleans.
///
/// # Errors
/// Fails with the row where it is no YAML, or not what is expected.
pub(super) fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text.trim_start_matches('\u{feff}'), options)
}

/// Returns whether a YAML text has a key at its top level.
pub(super) fn has_key(yaml: &str, key: &str) -> bool {
    yaml.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
}

/// Returns the entries of a folder in the order of their names, without hidden
/// ones; none where the folder cannot be listed.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !name(path).starts_with('.'))
        .collect();
    paths.sort();
    paths
}

/// Returns the last part of a path, empty where there is none.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Returns a path relative to a folder, with `/`; the path itself where it does not
/// lie below.
pub(super) fn relative(base: &Path, path: &Path) -> String {
    let path = path.strip_prefix(base).unwrap_or(path);
    if std::path::MAIN_SEPARATOR == '\\' {
        path.to_string_lossy().replace('\\', "/")
    } else {
        // A backslash is a letter like any other here.
        path.to_string_lossy().into_owned()
    }
}

/// Returns a path that a label file names in one form: `/` between the parts, no
/// empty part and no `.`; a beginning `/` stays.
pub(super) fn slashes(path: &str) -> String {
    let path = path.trim();
    let mut clean = String::with_capacity(path.len());
    if path.starts_with(['/', '\\']) {
        clean.push('/');
    }
    let parts = path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".");
    for (at, part) in parts.enumerate() {
        if at > 0 {
            clean.push('/');
        }
        clean.push_str(part);
    }
    clean
}

/// Returns the folder of a path with `/`, empty where it has none.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the file name of a path with `/`.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns the frame number that a path names: the last run of digits in the file's
/// stem, such as 12 in `video/img0012.png`.
pub(super) fn frame_number(path: &str) -> Option<u64> {
    let name = file_name(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + stem[at..].chars().next().map_or(1, char::len_utf8));
    stem[start..end].parse().ok()
}

/// Numbers names in the order of their first use.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    index: FxHashMap<String, u32>,
}

impl Names {
    /// Returns the number of a name, a new one where it was not seen before.
    pub(super) fn add(&mut self, name: &str) -> u32 {
        if let Some(&at) = self.index.get(name) {
            return at;
        }
        let at = self.names.len() as u32;
        self.names.push(name.into());
        self.index.insert(name.into(), at);
        at
    }

    /// Returns the number of a name that was seen before.
    pub(super) fn get(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    /// Returns the names by number.
    pub(super) fn into_vec(self) -> Vec<String> {
        self.names
    }
}

/// Writes files below a folder, and keeps their names.
#[derive(Debug)]
pub(super) struct Written<'a> {
    folder: &'a Path,
    names: Vec<String>,
}

impl<'a> Written<'a> {
    /// Begins without files.
    pub(super) fn new(folder: &'a Path) -> Written<'a> {
        Written { folder, names: Vec::new() }
    }

    /// Writes a file, whose name may have folders with `/`.
    ///
    /// # Errors
    /// Fails with the path and what the system said.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), FormatError> {
        let path = self.folder.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let written = made.and_then(|()| fs::write(&path, bytes));
        self.names.push(name.into());
        written.map_err(|source| FormatError::Write { path, source })
    }

    /// Returns the names in the order of writing.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// Reads a whole file.
///
/// # Errors
/// Fails with the path and what the system said.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FormatError> {
    fs::read(path).map_err(|source| FormatError::Io { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_numbers_are_the_last_digits_of_the_stem() {
        for (path, frame) in [
            ("labeled-data/m4s1/img0012.png", Some(12)),
            ("cam2/frame_000130.jpg", Some(130)),
            ("cam2/img.png", None),
            ("12/a.b7c.png", Some(7)),
            ("img5", Some(5)),
            ("é7é.png", Some(7)),
            ("99999999999999999999999.png", None),
            ("", None),
        ] {
            assert_eq!(frame_number(path), frame, "{path}");
        }
    }

    #[test]
    fn slashes_puts_windows_paths_right() {
        assert_eq!(slashes(r"labeled-data\m4s1\img1.png"), "labeled-data/m4s1/img1.png");
        assert_eq!(slashes(r" .\a//b/./c "), "a/b/c");
        assert_eq!(slashes(r"C:\data\a.png"), "C:/data/a.png");
        assert_eq!(slashes("/home/a.png"), "/home/a.png");
        assert_eq!(slashes(""), "");
    }

    #[test]
    fn a_listing_is_sorted_and_tells_litter_from_images() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::create_dir_all(root.join("b/.hidden")).expect("folders");
        for file in
            ["b/2.PNG", "b/1.jpg", "a.Tiff", "._a.tiff", "b/Thumbs.db", "b/.hidden/x.png", "t.txt"]
        {
            fs::write(root.join(file), "").expect("a file");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("b/loop")).expect("a link");
        let listing = images_below(root, root);
        let paths: Vec<&str> = listing.images.iter().map(|i| i.path.as_str()).collect();
        assert_eq!(paths, ["a.Tiff", "b/1.jpg", "b/2.PNG"]);
        let litter: Vec<_> = listing.problems.iter().map(|p| (p.kind, p.file.as_str())).collect();
        assert_eq!(
            litter,
            [(ProblemKind::Litter, "._a.tiff"), (ProblemKind::Litter, "b/Thumbs.db")]
        );
        assert_eq!(images_in(root, &root.join("b")).images.len(), 2);
        assert!(images_below(root, &root.join("absent")).images.is_empty());
    }

    #[test]
    fn names_are_numbered_by_first_use() {
        let mut names = Names::default();
        assert_eq!([names.add("b"), names.add("a"), names.add("b")], [0, 1, 0]);
        assert_eq!(names.get("c"), None);
        assert_eq!(names.into_vec(), ["b", "a"]);
    }
}
