//! `written.json`: what an export wrote, so that work that people did in it is noticed before
//! the folder is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::RelabelError;

/// Name of the file.
const FILE: &str = "written.json";
/// Files beside it that say how the folder was made.
const OWN: [&str; 2] = [FILE, "labelvet.json"];

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    schema: u32,
    /// SHA-256 of each file.
    files: BTreeMap<String, String>,
    pictures: BTreeSet<String>,
}

/// Returns name and content of the list of an export's files.
pub(super) fn list(
    files: &[(String, Vec<u8>)],
    pictures: &[(PathBuf, String)],
) -> (String, Vec<u8>) {
    let written = Written {
        schema: 1,
        files: files.iter().map(|(name, content)| (name.clone(), hash(content))).collect(),
        pictures: pictures.iter().map(|(_, name)| name.clone()).collect(),
    };
    // Text by text can always be written.
    let mut text = serde_json::to_vec_pretty(&written).unwrap_or_default();
    text.push(b'\n');
    (FILE.into(), text)
}

/// Returns the files of an export that are not as they were written, or are new, in the order
/// of their paths; none for a folder that is no export.
///
/// # Errors
/// Fails when the folder or a file in it cannot be read.
pub fn changed_since(folder: &Path) -> Result<Vec<String>, RelabelError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RelabelError::Io { verb: "read", path, source }
    };
    let list = folder.join(FILE);
    if !list.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read(&list).map_err(io(&list))?;
    let written: Written =
        serde_json::from_slice(&text).map_err(|error| RelabelError::Malformed {
            path: list.clone(),
            line: Some(error.line()),
            message: error.to_string(),
        })?;
    let mut changed = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_path_buf();
            RelabelError::Io { verb: "read", path, source: error.into() }
        })?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path();
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
        if OWN.contains(&name.as_str()) || written.pictures.contains(&name) {
            continue;
        }
        let same = match written.files.get(&name) {
            Some(known) => *known == hash(&fs::read(path).map_err(io(path))?),
            None => false,
        };
        if !same {
            changed.push(name);
        }
    }
    Ok(changed)
}

fn hash(content: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
