//! Label files damaged in many ways: a reader may refuse them, and must not panic.

use std::fs;
use std::path::{Path, PathBuf};

use labelvet::formats::{ReadOptions, read};

use super::fixture;

/// Damaged copies made of each file, per kind of damage.
const COPIES: usize = 24;

/// What takes the place of a byte.
const BYTES: [&[u8]; 12] = [
    b"\"",
    b"{",
    b"]",
    b"<",
    b"\xff",
    b"\0",
    b"-",
    b"\n",
    b",",
    b"1e999",
    b"NaN",
    b"99999999999999999999",
];

#[test]
fn damaged_label_files_never_panic() {
    let mut reads = 0;
    for case in walkdir::WalkDir::new(fixture("")).min_depth(2).max_depth(2).sort_by_file_name() {
        let case = case.expect("an entry").into_path();
        if !case.is_dir() {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        for file in copy(&case, folder.path()) {
            let whole = fs::read(&file).expect("a copy");
            for at in 0..COPIES {
                let cut = whole.len() * at / COPIES;
                let place = whole.len() * (at * 7 % COPIES) / COPIES + at % 3;
                let mut hurt = whole.clone();
                let end = (place + 1).min(hurt.len());
                hurt.splice(place.min(end)..end, BYTES[at % BYTES.len()].iter().copied());
                for damaged in [&whole[..cut], &hurt] {
                    fs::write(&file, damaged).expect("a damaged copy");
                    let _ = read(folder.path(), &ReadOptions::default());
                    let _ = read(&file, &ReadOptions::default());
                    reads += 2;
                }
            }
            fs::write(&file, &whole).expect("a copy");
        }
    }
    assert!(reads > 1000, "{reads}");
}

/// Copies a folder and returns the label files of the copy.
fn copy(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut labels = Vec::new();
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry.expect("an entry");
        let path = to.join(entry.path().strip_prefix(from).expect("below"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(path).expect("a folder");
            continue;
        }
        fs::copy(entry.path(), &path).expect("a copy");
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        if ["json", "yaml", "txt", "xml", "csv", "pickle"].contains(&suffix) {
            labels.push(path);
        }
    }
    labels
}
