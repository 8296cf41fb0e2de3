//! Applying a patch to a copy of a dataset, and keeping what takes it back.
//!
//! Beside the patch, in `PATCH.d/`, lie the bytes of every file that the copy has otherwise or
//! not at all (`files/`), and a list of them with their hashes (`applied.json`).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{CleanError, Labels, Patch, aside};
use crate::dataset::{Dataset, Edit};
use crate::formats::{self, Copied, Rewrite};

/// List of what differs in the copy, in `PATCH.d`.
pub(super) const APPLIED: &str = "applied.json";
/// Folder of the original files, in `PATCH.d`.
pub(super) const ORIGINALS: &str = "files";
/// The file that marks a folder as written by labelvet.
pub(super) const MARK: &str = "labelvet.json";
/// Version of the layout of the list.
pub(super) const SCHEMA: u32 = 1;

/// What was done to make a cleaned copy.
#[derive(Debug)]
pub struct Applied {
    /// Label files with new content.
    pub changed: Vec<String>,
    /// Files that the copy does not have: images that are left out, and their label files.
    pub left_out: Vec<String>,
    /// Files that hold the labels in a form that is not written, and that the copy does not
    /// have, since they would disagree: DeepLabCut's `.h5`.
    pub stale: Vec<String>,
    /// Tables beside the labels: what should count less in training, what a person should
    /// look at.
    pub tables: Vec<String>,
    /// What was copied.
    pub copied: Copied,
}

/// What of a copy is not as in the dataset, and what takes it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) schema: u32,
    /// Hash of the patch.
    pub(super) patch: String,
    /// Format of the dataset.
    pub(super) format: String,
    /// Hash of what the labels of the copy say, in whatever bytes.
    pub(super) labels: String,
    /// Files that differ, by path.
    pub(super) files: BTreeMap<String, Entry>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) role: Role,
    /// SHA-256 of the dataset's file; none where it has none.
    pub(super) original: Option<String>,
    /// SHA-256 of the copy's file; none where it has none, or one that programs may replace.
    pub(super) applied: Option<String>,
}

/// Why a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    Changed,
    /// An image that is left out.
    Image,
    /// A label file that is left out.
    LeftOut,
    Stale,
    /// A table or mark that labelvet adds.
    Added,
}

impl Patch {
    /// Writes a cleaned copy of a dataset into `to`, and what takes it back into `kept`: two
    /// folders that are absent or empty, and whole only when this returns. The mark of the
    /// copy is left to the caller.
    ///
    /// # Errors
    /// Fails where the dataset holds other labels than the patch was made for, where labels of
    /// its format are not written, and where the system refuses.
    pub fn apply(&self, dataset: &Dataset, to: &Path, kept: &Path) -> Result<Applied, CleanError> {
        self.check(dataset)?;
        let edits = self.edits(dataset)?;
        let mut rewrite = formats::rewrite(dataset, &edits)?;
        rewrite.left_out.extend(left_out_elsewhere(dataset, &edits, &rewrite));
        let mut record = Record {
            schema: SCHEMA,
            patch: self.hash(),
            format: dataset.format.into(),
            labels: labels_hash(&dataset.edited(&edits)),
            files: BTreeMap::new(),
        };
        let changed = rewrite.files.iter().map(|(path, _)| path.clone()).collect();
        let tables = aside::tables(&dataset.root, self)?;
        let names = tables.iter().map(|table| table.name.to_string()).collect();
        let added = tables.iter().map(|table| (table.name.to_string(), table.content.clone()));
        let images = left_out_images(dataset, &rewrite);
        for (path, content) in &rewrite.files {
            record.files.insert(path.clone(), Entry::new(Role::Changed, Some(content)));
        }
        for (path, content) in added.clone() {
            record.files.insert(path, Entry::new(Role::Added, Some(&content)));
        }
        record.files.insert(MARK.into(), Entry::new(Role::Added, None));
        for path in &rewrite.left_out {
            let role = if images.contains_key(path) { Role::Image } else { Role::LeftOut };
            record.files.insert(path.clone(), Entry::new(role, None));
        }
        for path in &rewrite.stale {
            record.files.insert(path.clone(), Entry::new(Role::Stale, None));
        }
        let (left_out, stale) = (rewrite.left_out.clone(), rewrite.stale.clone());
        rewrite.files.extend(added);
        // An earlier cleaning's mark does not speak of this copy.
        rewrite.left_out.push(MARK.into());
        let copied = formats::copy_dataset(dataset, &rewrite, to)?;
        keep(dataset, &images, kept, &mut record)?;
        Ok(Applied { changed, left_out, stale, tables: names, copied })
    }

    /// Returns the SHA-256 of the patch as it is written.
    pub fn hash(&self) -> String {
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut bytes);
        sha256(&bytes)
    }
}

impl Entry {
    fn new(role: Role, content: Option<&Vec<u8>>) -> Entry {
        Entry { role, original: None, applied: content.map(|content| sha256(content)) }
    }
}

/// Returns the paths of images that go and lie outside of the dataset's folder (`--images`):
/// the copy would bring them in.
fn left_out_elsewhere(dataset: &Dataset, edits: &[Edit], rewrite: &Rewrite) -> Vec<String> {
    let dropped = edits.iter().filter_map(|edit| match edit {
        Edit::DropImage { image } => dataset.images.get(*image as usize),
        _ => None,
    });
    let elsewhere = dropped.filter(|image| {
        let outside = |file: &PathBuf| file.strip_prefix(&dataset.root).is_err();
        image.file.as_ref().is_some_and(outside) && is_inside(&image.path)
    });
    let new = elsewhere.filter(|image| !rewrite.left_out.contains(&image.path));
    new.map(|image| image.path.clone()).collect()
}

/// Returns whether a path stays below the folder that it is relative to.
pub(super) fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Returns where the images lie that are left out, which may not be where their paths say.
fn left_out_images(dataset: &Dataset, rewrite: &Rewrite) -> BTreeMap<String, PathBuf> {
    let gone: std::collections::BTreeSet<&String> = rewrite.left_out.iter().collect();
    let images = dataset.images.iter().filter(|image| gone.contains(&image.path));
    images.filter_map(|image| Some((image.path.clone(), image.file.clone()?))).collect()
}

/// Keeps the originals of all files of a record, fills in their hashes and writes it.
fn keep(
    dataset: &Dataset,
    images: &BTreeMap<String, PathBuf>,
    kept: &Path,
    record: &mut Record,
) -> Result<(), CleanError> {
    fs::create_dir_all(kept).map_err(CleanError::io("create", kept))?;
    for (path, entry) in &mut record.files {
        let original = images.get(path).cloned();
        let original = original.unwrap_or_else(|| dataset.root.join(path));
        if !original.is_file() || !is_inside(path) {
            continue;
        }
        let new = kept.join(ORIGINALS).join(path);
        if let Some(folder) = new.parent() {
            fs::create_dir_all(folder).map_err(CleanError::io("create", folder))?;
        }
        // Label files are copied, so that no program that changes one changes what is kept.
        let may_link = entry.role == Role::Image;
        entry.original = Some(place(&original, &new, may_link)?);
    }
    let path = kept.join(APPLIED);
    let text = serde_json::to_string_pretty(record).unwrap_or_default();
    fs::write(&path, text + "\n").map_err(CleanError::io("write", &path))
}

/// Links or copies a file to a name that does not exist yet, and returns its SHA-256.
pub(super) fn place(from: &Path, new: &Path, may_link: bool) -> Result<String, CleanError> {
    // The hash is of what was placed, so that a file that changes meanwhile is found out.
    let linked = may_link
        && !from.is_symlink()
        && match fs::hard_link(from, new) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(CleanError::io("create", new)(error));
            }
            // Another file system, or one without hard links.
            Err(_) => false,
        };
    if !linked {
        fs::copy(from, new).map_err(CleanError::io("copy", from))?;
    }
    hash_file(new)
}

/// Returns the SHA-256 of a file.
pub(super) fn hash_file(path: &Path) -> Result<String, CleanError> {
    let mut file = fs::File::open(path).map_err(CleanError::io("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(CleanError::io("read", path))? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a hash of what labels say: classes, boxes and keypoints by image, in the label
/// file's numbers. Neither the order of rows nor images without labels have an effect.
pub(super) fn labels_hash(dataset: &Dataset) -> String {
    let class = |class: Option<u16>| {
        let class = class.and_then(|class| dataset.classes.get(usize::from(class)));
        class.map(|class| class.name.as_str())
    };
    let mut lines: Vec<String> = (dataset.instances.iter())
        .map(|instance| {
            let image = &dataset.images[instance.image as usize].path;
            let labels = Labels::of_instance(dataset, instance);
            serde_json::to_string(&(image, class(instance.class), labels)).unwrap_or_default()
        })
        .chain(dataset.images.iter().filter(|image| image.class.is_some()).map(|image| {
            serde_json::to_string(&(&image.path, class(image.class))).unwrap_or_default()
        }))
        .collect();
    lines.sort_unstable();
    sha256(lines.join("\n").as_bytes())
}
