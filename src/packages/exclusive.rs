//! A folder that one process at a time fills.
//!
//! What is not whole has a name that begins with a dot. While a folder is held, such names
//! can only be what a process that was killed left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{PackageError, at};

/// The right to fill a folder.
#[derive(Debug)]
pub(crate) struct Exclusive {
    folder: PathBuf,
    /// Held until the file is closed, also when the process dies.
    _lock: File,
}

/// Makes a folder, waits until no other process fills it, and deletes what is not whole.
///
/// # Errors
/// Fails when the folder cannot be made or locked.
pub(crate) fn exclusive(folder: &Path) -> Result<Exclusive, PackageError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let lock = File::create(folder.join("lock")).map_err(at(folder))?;
    lock.lock().map_err(at(folder))?;
    sweep(folder);
    Ok(Exclusive { folder: folder.into(), _lock: lock })
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        sweep(&self.folder);
    }
}

/// Deletes what begins with a dot. What cannot be deleted only takes room.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn leftovers_go_before_and_after() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("new/runtime");
        drop(exclusive(&folder).expect("a new folder"));
        let litter = || {
            fs::create_dir_all(folder.join(".unpack-1/whole")).expect("a folder");
            fs::write(folder.join(".labelvet-1"), "half").expect("a file");
        };
        fs::create_dir(folder.join("whole")).expect("a folder");
        litter();
        let held = exclusive(&folder).expect("the folder");
        assert_eq!(names(&folder), ["lock", "whole"]);
        litter();
        drop(held);
        assert_eq!(names(&folder), ["lock", "whole"]);
    }

    #[test]
    fn others_wait() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = exclusive(folder.path()).expect("the folder");
        let lock = File::open(folder.path().join("lock")).expect("the lock");
        assert!(lock.try_lock().is_err(), "held");
        drop(held);
        assert!(lock.try_lock().is_ok(), "free again");
    }
}
