//! A plain folder of images, without labels; the last resort.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{Evidence, Format, FormatError, ReadOptions, files, splits};
use crate::dataset::{Dataset, Image, Problem, ProblemKind};

/// A plain folder of images.
pub(super) const FORMAT: Format = Format {
    slug: "folder",
    looks_for: "a folder with images",
    evidence: Evidence::Images,
    detect,
    read,
    rewrite: None,
    write_splits: None,
};

fn detect(path: &Path) -> Option<PathBuf> {
    let found = path.is_dir() && !files::images_below(path, path).images.is_empty();
    found.then(|| path.into())
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    let root = options.images.as_deref().unwrap_or(path);
    let listing = files::images_below(root, root);
    let mut videos = files::Names::default();
    let images = (listing.images.into_iter())
        .map(|found| {
            let (video, frame) = splits::video_frame(&found.path).unzip();
            Image {
                video: video.map(|video| videos.add(&video)),
                frame,
                path: found.path,
                file: Some(found.file),
                ..Image::default()
            }
        })
        .collect();
    let mut problems = listing.problems;
    problems.extend(unread_labels(root));
    Ok(Dataset {
        root: root.into(),
        format: FORMAT.slug,
        images,
        videos: videos.into_vec(),
        problems,
        ..Dataset::default()
    })
}

/// Returns the label files of formats that labelvet cannot read, so that nobody takes
/// their images for images without labels.
fn unread_labels(root: &Path) -> impl Iterator<Item = Problem> {
    (WalkDir::new(root).sort_by_file_name().into_iter().flatten())
        .filter(|entry| entry.file_type().is_file() && files::has_suffix(entry.path(), "slp"))
        .map(move |entry| Problem {
            file: files::relative(root, entry.path()),
            row: None,
            column: None,
            kind: ProblemKind::UnreadableLabel,
            image: None,
            message: "labels of SLEAP cannot be read yet; export them as COCO or DeepLabCut CSV"
                .into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.png"), "x").unwrap();
        std::fs::write(folder.path().join("labels.SLP"), "x").unwrap();
        let dataset = read(folder.path(), &ReadOptions::default()).unwrap();
        assert_eq!(dataset.images.len(), 1);
        assert_eq!(dataset.problems.len(), 1);
        assert_eq!(dataset.problems[0].file, "labels.SLP");
        assert_eq!(dataset.problems[0].kind, ProblemKind::UnreadableLabel);
    }
}
