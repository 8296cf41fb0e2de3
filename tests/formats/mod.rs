//! Readers against small fixtures, and against real datasets where they are present.

mod deeplabcut;
mod lightning_pose;

use std::path::{Path, PathBuf};

use labelvet::dataset::{Dataset, ProblemKind};
use labelvet::formats::{FormatError, ReadOptions, read};

/// Returns a path in `fixtures/formats`.
pub(crate) fn fixture(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats").join(relative)
}

/// Returns a path among the real datasets beside the repository, or says that the test
/// is skipped without them.
pub(crate) fn shared(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// Reads a dataset that can be read.
pub(crate) fn load(path: &Path) -> Dataset {
    read(path, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns why a path cannot be read.
pub(crate) fn refusal(path: &Path) -> FormatError {
    match read(path, &ReadOptions::default()) {
        Ok(dataset) => panic!("{} was read as {}", path.display(), dataset.format),
        Err(error) => error,
    }
}

/// Returns the numbers of images, of those that exist, of those that a label file
/// names, of instances and of keypoints.
pub(crate) fn counts(dataset: &Dataset) -> [usize; 5] {
    [
        dataset.images.len(),
        dataset.images.iter().filter(|image| image.file.is_some()).count(),
        dataset.images.iter().filter(|image| image.location.is_some()).count(),
        dataset.instances.len(),
        dataset.instances.iter().map(|instance| usize::from(instance.len)).sum(),
    ]
}

/// Returns kind, file, row, column and message of every problem.
pub(crate) fn problems(dataset: &Dataset) -> Vec<String> {
    let number = |n: Option<u32>| n.map_or("-".into(), |n| n.to_string());
    (dataset.problems.iter())
        .map(|p| {
            let (row, column) = (number(p.row), number(p.column));
            format!("{:?} {}:{row}:{column}: {}", p.kind, p.file, p.message)
        })
        .collect()
}

/// Returns how many problems are of a kind.
pub(crate) fn count_of(dataset: &Dataset, kind: ProblemKind) -> usize {
    dataset.problems.iter().filter(|problem| problem.kind == kind).count()
}

/// Returns the pairs of a skeleton as names.
pub(crate) fn pair_names(dataset: &Dataset, skeleton: usize) -> Vec<[&str; 2]> {
    let skeleton = &dataset.skeletons[skeleton];
    let name = |at: u16| skeleton.keypoints[usize::from(at)].as_str();
    skeleton.pairs.iter().map(|pair| pair.map(name)).collect()
}

#[test]
fn several_datasets_are_listed() {
    let Some(data) = shared("sleap-io-js/tests/data/dlc_multiple_datasets") else { return };
    match refusal(&data) {
        FormatError::Several { found, .. } => assert_eq!(found, ["video1", "video2"]),
        error => panic!("{error}"),
    }
}
