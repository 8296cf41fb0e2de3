//! Taking a patch back: from a cleaned copy and what was kept beside the patch to a copy with
//! the original label files, byte by byte.

use std::fs;
use std::path::{Path, PathBuf};

use super::apply::{APPLIED, Entry, MARK, ORIGINALS, Record, Role, SCHEMA};
use super::apply::{hash_file, is_inside, labels_hash, place};
use super::{CleanError, Patch};
use crate::dataset::Dataset;
use crate::formats::{self, ReadOptions, Rewrite};

/// What was done to take a patch back.
#[derive(Debug)]
pub struct Reverted {
    /// Files that are as they were before the patch was applied.
    pub restored: Vec<String>,
}

impl Patch {
    /// Writes the dataset as it was before the patch was applied into `to`, a folder that is
    /// absent or empty and whole only when this returns. `copy` is the cleaned copy, which
    /// stays as it is; `kept` is the folder beside the patch.
    ///
    /// `deeplabcut.convertcsv2h5` writes the CSV anew, too, in other bytes. Where it has made
    /// the `.h5` again, a CSV with the same labels is no edit.
    ///
    /// # Errors
    /// Fails where `kept` is not there or damaged, where `copy` was not made by this patch or
    /// edited since, and where the system refuses.
    pub fn revert(&self, copy: &Path, kept: &Path, to: &Path) -> Result<Reverted, CleanError> {
        let record = read_record(kept)?;
        if record.patch != self.hash() {
            return Err(CleanError::OtherCopy {
                path: copy.into(),
                message: "the patch has been changed since it was applied",
            });
        }
        if !copy.join(MARK).is_file() {
            return Err(CleanError::OtherCopy {
                path: copy.into(),
                message: "it holds no labelvet.json, which `labelvet clean apply` writes",
            });
        }
        self.check_copy(&record, copy)?;
        // All that differs goes, and comes back from what was kept.
        let gone = record.files.keys().cloned().collect();
        let rewrite = Rewrite { left_out: gone, ..Rewrite::default() };
        let whole = Dataset { root: copy.into(), ..Dataset::default() };
        formats::copy_dataset(&whole, &rewrite, to)?;
        let mut restored = Vec::new();
        for (path, entry) in &record.files {
            let Some(original) = &entry.original else { continue };
            let (from, new) = (kept.join(ORIGINALS).join(path), to.join(path));
            if let Some(folder) = new.parent() {
                fs::create_dir_all(folder).map_err(CleanError::io("create", folder))?;
            }
            let may_link = entry.role == Role::Image;
            if place(&from, &new, may_link)? != *original {
                return Err(CleanError::InTheWay {
                    path: from,
                    message: "it is not what was kept there when the patch was applied",
                });
            }
            restored.push(path.clone());
        }
        Ok(Reverted { restored })
    }

    /// Checks that what the patch wrote is what the copy holds.
    fn check_copy(&self, record: &Record, copy: &Path) -> Result<(), CleanError> {
        let mut labels = None;
        for (path, entry) in &record.files {
            let edited = |difference| CleanError::Edited {
                copy: copy.into(),
                path: path.clone(),
                difference,
            };
            match difference(entry, &copy.join(path))? {
                None => {}
                // Only now are the labels read.
                Some(_) if is_made_again(record, copy, path) => {
                    let labels = labels.get_or_insert_with(|| read_labels(record, copy));
                    if labels.as_ref() != Some(&record.labels) {
                        return Err(edited("its labels are others"));
                    }
                }
                Some(difference) => return Err(edited(difference)),
            }
        }
        Ok(())
    }
}

/// Returns whether a CSV has an `.h5` beside it that was not there when the patch was applied.
fn is_made_again(record: &Record, copy: &Path, csv: &str) -> bool {
    let Some(stem) = csv.strip_suffix(".csv") else { return false };
    let h5 = format!("{stem}.h5");
    let was_stale = record.files.get(&h5).is_some_and(|entry| entry.role == Role::Stale);
    was_stale && copy.join(h5).is_file() && copy.join(csv).is_file()
}

/// Says how a file of the copy differs from what was written.
fn difference(entry: &Entry, file: &Path) -> Result<Option<&'static str>, CleanError> {
    let exists = file.symlink_metadata().is_ok();
    Ok(match (entry.role, &entry.applied) {
        // It is to be made again from the labels beside it; the mark has no fixed content.
        (Role::Stale, _) | (Role::Added, None) => None,
        (Role::Image | Role::LeftOut, _) | (_, None) => {
            exists.then_some("it was left out, and is there now")
        }
        (_, Some(_)) if !file.is_file() => Some("it is gone"),
        (_, Some(applied)) => (hash_file(file)? != *applied).then_some("it holds something else"),
    })
}

/// Returns the hash of what the labels of the copy say; `None` where they cannot be read.
fn read_labels(record: &Record, copy: &Path) -> Option<String> {
    let options = ReadOptions { format: Some(record.format.clone()), ..ReadOptions::default() };
    Some(labels_hash(&formats::read(copy, &options).ok()?))
}

fn read_record(kept: &Path) -> Result<Record, CleanError> {
    let path = kept.join(APPLIED);
    let text = fs::read(&path).map_err(CleanError::io("read", &path))?;
    let record: Record = serde_json::from_slice(&text).map_err(|error| CleanError::Malformed {
        path: path.clone(),
        row: error.line(),
        message: error.to_string(),
    })?;
    let outside = record.files.keys().find(|path| !is_inside(path));
    if record.schema != SCHEMA || outside.is_some() {
        let message = match outside {
            Some(outside) => format!("`{outside}` leads out of the copy"),
            None => format!("expected schema {SCHEMA}, found {}", record.schema),
        };
        return Err(CleanError::Malformed { path, row: 1, message });
    }
    Ok(record)
}

/// Returns the folder of a cleaned copy: that of the path or the nearest above it that holds
/// the mark of labelvet.
pub fn copy_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let marked = absolute.ancestors().find(|folder| folder.join(MARK).is_file());
    marked.map_or_else(|| path.into(), Path::to_path_buf)
}

/// Returns whether two folders beside patches take back the same.
///
/// # Errors
/// Fails where one of them cannot be read.
pub fn keeps_the_same(one: &Path, other: &Path) -> Result<bool, CleanError> {
    Ok(read_record(one)? == read_record(other)?)
}

/// Returns the folder beside a patch that keeps what takes it back.
pub fn kept_beside(patch: &Path) -> PathBuf {
    patch.with_extension("d")
}
