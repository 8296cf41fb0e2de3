//! A copy of a dataset with changed label files. Takes a dataset, what changes of its labels
//! do to its files ([`Rewrite`]), and an empty folder; never touches a file of the dataset.
//!
//! # What is copied
//! All that lies below the dataset's root, where the root is the dataset's own folder. A COCO
//! file, or a CSV outside of any project, may lie in a folder of other things: then the label
//! files, the images, and all else in the folders below the root that hold some of them.
//! Images of elsewhere (`--images`) come to where their paths say.
//!
//! Images and videos become hard links where the file system has them, and are copied
//! elsewhere. Other files are copied, so that no program that changes one in the copy changes
//! the original. Symbolic links stay links and are never followed out of the dataset: a link
//! that leads out leads to the same place from the copy, one that stays inside stays inside
//! the copy.
//!
//! Not copied are the stores of version control, folders that labelvet wrote (they are marked
//! by `labelvet.json`), and what is neither file, folder nor link; [`Copied::skipped`] lists
//! them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{Rewrite, files};
use crate::dataset::Dataset;

/// Suffixes of videos, in lower case.
const VIDEO_SUFFIXES: [&str; 10] =
    ["mp4", "avi", "mov", "mkv", "webm", "m4v", "mpg", "mpeg", "wmv", "mjpeg"];

/// Folders in which version control keeps its history; a copy is a dataset, not a clone.
const STORES: [&str; 3] = [".git", ".hg", ".svn"];

/// File that marks a folder as written by labelvet.
const MARK: &str = "labelvet.json";

/// Beginning of the names that unfinished folders of labelvet have.
const STAGING: &str = ".labelvet-";

/// What a copy consists of, in numbers of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Images and videos that are hard links to the originals.
    pub linked: usize,
    /// Files that were copied.
    pub copied: usize,
    /// Label files with new content.
    pub written: usize,
    /// Symbolic links.
    pub links: usize,
    /// What the dataset has and the copy has not, in the order of the walk.
    pub skipped: Vec<Skipped>,
}

/// Something that a copy does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Path relative to the dataset, with `/`.
    pub path: String,
    /// Why, a lower-case fragment.
    pub reason: &'static str,
}

/// Says why a dataset cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The folder to write holds something.
    #[error("{} is not empty; a copy is written into a new folder", .path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A label file lies outside of the dataset's folder.
    #[error(
        "{file} lies outside of the dataset's folder {}, so that a copy could not hold it; move the label files beside the images",
        .root.display()
    )]
    Outside {
        /// The label file.
        file: String,
        /// The folder of the dataset.
        root: PathBuf,
    },
    /// A file of the copy would be written where the original lies.
    #[error("{path} leads through several links out of the dataset; put the file itself there")]
    Linked {
        /// The file, relative to the dataset.
        path: String,
    },
    /// The system refused.
    #[error("failed to {verb} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CopyError {
    fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CopyError {
        let path = path.to_path_buf();
        move |source| CopyError::Io { verb, path, source }
    }
}

/// Copies a dataset into a folder that is absent or empty, with the files of `rewrite` in
/// place of the old ones, and without those that are left out or stale. The folder is whole
/// only when this returns: the caller gives it a temporary name first.
///
/// # Errors
/// Fails when the folder holds something, when a label file lies outside of the dataset's
/// folder, and when the system refuses to read or write.
pub fn copy_dataset(dataset: &Dataset, rewrite: &Rewrite, to: &Path) -> Result<Copied, CopyError> {
    let changed = rewrite.files.iter().map(|(path, _)| path);
    let outside = dataset.label_files.iter().chain(changed).find(|path| !is_inside(path));
    if let Some(file) = outside {
        return Err(CopyError::Outside { file: file.clone(), root: dataset.root.clone() });
    }
    fs::create_dir_all(to).map_err(CopyError::io("create", to))?;
    let mut present = fs::read_dir(to).map_err(CopyError::io("read", to))?;
    if present.next().is_some() {
        return Err(CopyError::NotEmpty { path: to.into() });
    }
    let mut copy = Copy::new(dataset, rewrite, to)?;
    copy.folder(&copy.root.clone(), Path::new(""), Tree::Inside)?;
    copy.place_images(dataset)?;
    copy.write(rewrite)?;
    Ok(copy.copied)
}

/// Returns whether a path stays below the folder that it is relative to.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a folder belongs to the dataset, or is one that a link leads out to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    Inside,
    Outside,
}

/// A copy that is being made.
struct Copy<'a> {
    /// Folder of the dataset, without links.
    root: PathBuf,
    to: &'a Path,
    /// The same without links.
    own: PathBuf,
    /// Where the copy itself lies in the dataset, if it does.
    own_path: Option<PathBuf>,
    /// Files that the walk passes over: written anew, left out or stale.
    passed: BTreeSet<String>,
    /// What belongs to the dataset, where not all below its root does.
    extent: Option<Extent>,
    copied: Copied,
}

impl<'a> Copy<'a> {
    fn new(dataset: &Dataset, rewrite: &Rewrite, to: &'a Path) -> Result<Copy<'a>, CopyError> {
        let given = match dataset.root.as_os_str().is_empty() {
            true => Path::new("."),
            false => &dataset.root,
        };
        let root = given.canonicalize().map_err(CopyError::io("read", given))?;
        let own = to.canonicalize().map_err(CopyError::io("read", to))?;
        let gone = rewrite.left_out.iter().chain(&rewrite.stale);
        let mut passed: BTreeSet<String> =
            rewrite.files.iter().map(|(path, _)| path).chain(gone).cloned().collect();
        let left_out: BTreeSet<&String> = rewrite.left_out.iter().collect();
        for image in dataset.images.iter().filter(|image| left_out.contains(&image.path)) {
            // With `--images` a file may lie elsewhere in the dataset than its path says.
            let below = image.file.as_deref().and_then(|file| file.strip_prefix(given).ok());
            passed.extend(below.map(|below| files::relative(Path::new(""), below)));
        }
        Ok(Copy {
            own_path: own.strip_prefix(&root).ok().map(Path::to_path_buf),
            own,
            root,
            to,
            passed,
            extent: (!has_own_folder(dataset)).then(|| Extent::new(dataset)),
            copied: Copied::default(),
        })
    }

    /// Copies what lies in a folder. `path` is where it comes to, relative to the copy.
    fn folder(&mut self, from: &Path, path: &Path, tree: Tree) -> Result<(), CopyError> {
        let entries = fs::read_dir(from).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut names = entries.map_err(CopyError::io("read", from))?;
        names.sort();
        for name in names {
            let (entry, path) = (from.join(&name), path.join(&name));
            let key = files::relative(Path::new(""), &path);
            if self.passed.contains(&key) || self.own_path.as_deref() == Some(&path) {
                continue;
            }
            let kind = entry.symlink_metadata().map_err(CopyError::io("read", &entry))?.file_type();
            if self.extent.as_ref().is_some_and(|extent| !extent.admits(&key, kind.is_dir())) {
                continue;
            }
            let inside = tree == Tree::Inside;
            if kind.is_symlink() {
                self.link(&entry, &path, &key)?;
            } else if kind.is_dir() && (inside || self.is_changed_below(&key)) {
                if let Some(reason) = reason_to_skip(&entry) {
                    self.skip(key, reason);
                    continue;
                }
                let new = self.to.join(&path);
                fs::create_dir(&new).map_err(CopyError::io("create", &new))?;
                self.folder(&entry, &path, tree)?;
            } else if !inside {
                self.symlink(&entry, &path, &key)?;
            } else if kind.is_file() {
                self.file(&entry, &path)?;
            } else {
                self.skip(key, "neither a file nor a folder");
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: String, reason: &'static str) {
        self.copied.skipped.push(Skipped { path, reason });
    }

    /// Returns whether something below a folder is written anew or goes.
    fn is_changed_below(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        self.passed.range(below.clone()..).next().is_some_and(|path| path.starts_with(&below))
    }

    /// Makes a symbolic link that leads to the same as another: in the copy where that leads
    /// into the dataset. A linked folder with something that changes becomes a folder.
    fn link(&mut self, entry: &Path, path: &Path, key: &str) -> Result<(), CopyError> {
        let Ok(target) = entry.canonicalize() else {
            let target = fs::read_link(entry).map_err(CopyError::io("read", entry))?;
            return self.symlink(&target, path, key);
        };
        if let Ok(inside) = target.strip_prefix(&self.root) {
            let up = path.parent().map_or(0, |folder| folder.components().count());
            let back: PathBuf = std::iter::repeat_n("..", up).collect();
            return self.symlink(&back.join(inside), path, key);
        }
        if target.is_dir() && self.is_changed_below(key) {
            let new = self.to.join(path);
            fs::create_dir(&new).map_err(CopyError::io("create", &new))?;
            return self.folder(&target, path, Tree::Outside);
        }
        self.symlink(&target, path, key)
    }

    fn symlink(&mut self, target: &Path, path: &Path, key: &str) -> Result<(), CopyError> {
        let new = self.to.join(path);
        match make_symlink(target, &new) {
            Some(made) => made.map_err(CopyError::io("create", &new))?,
            None => {
                self.skip(key.into(), "a symbolic link, which are not made on this system");
                return Ok(());
            }
        }
        self.copied.links += 1;
        Ok(())
    }

    /// Links an image or video, copies another file.
    fn file(&mut self, from: &Path, path: &Path) -> Result<(), CopyError> {
        let new = self.to.join(path);
        let video = VIDEO_SUFFIXES.iter().any(|suffix| files::has_suffix(from, suffix));
        if video || files::is_image(from) {
            match fs::hard_link(from, &new) {
                Ok(()) => {
                    self.copied.linked += 1;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(CopyError::io("create", &new)(error));
                }
                // Another file system, or one without hard links.
                Err(_) => {}
            }
        }
        copy_file(from, &new).map_err(CopyError::io("copy", from))?;
        self.copied.copied += 1;
        Ok(())
    }

    /// Brings images to where their paths say that do not lie there.
    fn place_images(&mut self, dataset: &Dataset) -> Result<(), CopyError> {
        for image in &dataset.images {
            let Some(file) = &image.file else { continue };
            let new = self.to.join(&image.path);
            if self.passed.contains(&image.path) || new.exists() {
                continue;
            }
            if !is_inside(&image.path) {
                self.skip(image.path.clone(), "its path leads out of the dataset");
                continue;
            }
            self.make_folder(&image.path)?;
            if new.is_symlink() {
                // It led to something that does not belong to the copy.
                fs::remove_file(&new).map_err(CopyError::io("replace", &new))?;
                self.copied.links -= 1;
            }
            if file.is_symlink() {
                let target = file.canonicalize().map_err(CopyError::io("read", file))?;
                self.symlink(&target, Path::new(&image.path), &image.path)?;
            } else {
                self.file(file, Path::new(&image.path))?;
            }
        }
        Ok(())
    }

    /// Makes the folder of a file of the copy. Refuses where links lead out of the copy: there
    /// the file itself would be that of the dataset, or of somebody else.
    fn make_folder(&self, path: &str) -> Result<(), CopyError> {
        let new = self.to.join(path);
        let Some(folder) = new.parent() else { return Ok(()) };
        let present = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok());
        let present = present.unwrap_or(self.to);
        let real = present.canonicalize().map_err(CopyError::io("read", present))?;
        if !real.starts_with(&self.own) {
            return Err(CopyError::Linked { path: path.into() });
        }
        fs::create_dir_all(folder).map_err(CopyError::io("create", folder))
    }

    /// Writes the changed files, and takes away what links within the dataset brought in by
    /// another name.
    fn write(&mut self, rewrite: &Rewrite) -> Result<(), CopyError> {
        for path in &self.passed {
            let old = self.to.join(path);
            if is_inside(path) && old.symlink_metadata().is_ok() {
                self.make_folder(path)?;
                fs::remove_file(&old).map_err(CopyError::io("replace", &old))?;
            }
        }
        for (path, content) in &rewrite.files {
            self.make_folder(path)?;
            let new = self.to.join(path);
            fs::write(&new, content).map_err(CopyError::io("write", &new))?;
            self.copied.written += 1;
        }
        Ok(())
    }
}

/// Returns why a folder is not copied, where it is not.
fn reason_to_skip(folder: &Path) -> Option<&'static str> {
    let name = files::name(folder);
    if STORES.contains(&name.as_str()) {
        Some("the store of version control")
    } else if name.starts_with(STAGING) || folder.join(MARK).is_file() {
        Some("written by labelvet")
    } else {
        None
    }
}

/// Copies a file to a name that does not exist yet, with its permissions and its time.
fn copy_file(from: &Path, new: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let known = source.metadata()?;
    // Never over an existing file: that might be another name of the original.
    let mut target = File::create_new(new)?;
    io::copy(&mut source, &mut target)?;
    if let Ok(time) = known.modified() {
        // Some file systems refuse; the copy is as good.
        let _ = target.set_modified(time);
    }
    target.set_permissions(known.permissions())
}

/// Makes a symbolic link; `None` where the system needs to know what it leads to.
#[cfg(unix)]
fn make_symlink(target: &Path, new: &Path) -> Option<io::Result<()>> {
    Some(std::os::unix::fs::symlink(target, new))
}

#[cfg(not(unix))]
fn make_symlink(_: &Path, _: &Path) -> Option<io::Result<()>> {
    None
}

/// Returns whether a dataset's root is its own folder, so that all in it belongs to it.
fn has_own_folder(dataset: &Dataset) -> bool {
    match dataset.format {
        "coco" => false,
        "deeplabcut" => {
            let at = |name| dataset.root.join(name);
            at("config.yaml").is_file() || at("labeled-data").is_dir()
        }
        _ => true,
    }
}

/// What belongs to a dataset that lies among other things.
struct Extent {
    /// Label files and images.
    files: BTreeSet<String>,
    /// The folders that hold them, without the root.
    folders: BTreeSet<String>,
}

impl Extent {
    fn new(dataset: &Dataset) -> Extent {
        let images = dataset.images.iter().map(|image| &image.path);
        let files: BTreeSet<String> = dataset.label_files.iter().chain(images).cloned().collect();
        let folders = files.iter().map(|file| files::parent(file));
        let folders = folders.filter(|folder| !folder.is_empty()).map(String::from).collect();
        Extent { files, folders }
    }

    fn admits(&self, path: &str, is_folder: bool) -> bool {
        let parent = files::parent(path);
        if self.files.contains(path) || self.holds(parent) || (is_folder && self.holds(path)) {
            return true;
        }
        if is_folder {
            let below = format!("{path}/");
            let mut next = self.folders.range(below.clone()..);
            return next.next().is_some_and(|folder| folder.starts_with(&below));
        }
        let name = files::file_name(path).to_lowercase();
        parent.is_empty() && (name.starts_with("readme") || name.starts_with("license"))
    }

    /// Returns whether a folder is one of the dataset's, or lies in one.
    fn holds(&self, folder: &str) -> bool {
        let above = folder.match_indices('/').map(|(at, _)| &folder[..at]);
        above.chain([folder]).any(|folder| self.folders.contains(folder))
    }
}

#[cfg(test)]
mod tests;
