//! What names say about splits and about frames of videos, for the formats whose
//! names are free.

use std::path::Path;

use super::files;
use crate::dataset::{Part, Split};

/// Words that name a split, alone or followed by digits (`train2017`).
const SPLITS: [&str; 12] = [
    "train",
    "training",
    "trainval",
    "val",
    "valid",
    "validation",
    "minival",
    "dev",
    "eval",
    "test",
    "testing",
    "testdev",
];

/// One side of a division that is written for a trainer.
pub(super) struct Side {
    /// Number of the division, from 1.
    pub(super) number: usize,
    /// What trainers call the side, `train` or `val`.
    pub(super) word: &'static str,
    /// Its images, ascending.
    pub(super) images: Vec<u32>,
}

/// Returns both sides of every division; what is in the gap is in neither.
pub(super) fn sides(splits: &[Split]) -> impl Iterator<Item = Side> {
    let words = [(Part::Train, "train"), (Part::Test, "val")];
    (1..).zip(splits).flat_map(move |(number, split)| {
        words.map(|(part, word)| Side { number, word, images: split.images(part) })
    })
}

/// A split as a name tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SplitName {
    /// The split, such as `train`.
    pub(super) split: String,
    /// The word that says so, such as `train2017`.
    pub(super) word: String,
    /// The name without it, such as `instances_`.
    pub(super) rest: String,
}

/// Returns the split that a name without its suffix tells, by its last word that is
/// one: `instances_train2017` is `train`.
pub(super) fn split_in(name: &str) -> Option<SplitName> {
    let mut end = name.len();
    for part in name.rsplit(|c: char| !c.is_alphanumeric()) {
        let start = end - part.len();
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
        if SPLITS.contains(&word.as_str()) {
            let rest = format!("{}{}", &name[..start], &name[end..]);
            return Some(SplitName { split: word, word: part.into(), rest });
        }
        // One sign stands between two words.
        end = start - name[..start].chars().next_back().map_or(0, char::len_utf8);
    }
    None
}

/// Returns the split that a whole name is, such as that of the folder `val2017`.
pub(super) fn split_named(name: &str) -> Option<String> {
    split_in(name).filter(|found| found.rest.is_empty()).map(|found| found.split)
}

/// Returns the sub-folders of a folder that are named after splits, in the order of
/// their names.
pub(super) fn split_folders(folder: &Path) -> Vec<(std::path::PathBuf, String)> {
    (files::entries(folder).into_iter())
        .filter_map(|path| {
            let split = split_named(&files::name(&path))?;
            path.is_dir().then_some((path, split))
        })
        .collect()
}

/// Returns the video and the frame that an image's path tells.
///
/// Only names that say so count: a word `frame` before the last digits
/// (`cage3_frame_0012.jpg`), or DeepLabCut's `img0012.png`. Photographs are numbered,
/// too, and must not be taken for neighbours in time.
pub(super) fn video_frame(path: &str) -> Option<(String, u64)> {
    let frame = files::frame_number(path)?;
    let name = files::file_name(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let before = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    if before.len() == stem.len() {
        return None;
    }
    let word = before.trim_end_matches(['_', '-', '.', ' ']);
    let lower = word.to_ascii_lowercase();
    let rest = if lower == "img" {
        ""
    } else {
        let rest = lower.strip_suffix("frame").or_else(|| lower.strip_suffix("frames"))?;
        if rest.ends_with(|c: char| c.is_alphanumeric()) {
            return None;
        }
        word[..rest.len()].trim_end_matches(['_', '-', '.', ' '])
    };
    let folder = files::parent(path);
    let video = match (folder, rest) {
        (folder, "") => folder.to_string(),
        ("", rest) => rest.to_string(),
        (folder, rest) => format!("{folder}/{rest}"),
    };
    (!video.is_empty()).then_some((video, frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_whole_words() {
        let split = |name| split_in(name).map(|found| (found.split, found.rest));
        assert_eq!(split("instances_train2017"), Some(("train".into(), "instances_".into())));
        assert_eq!(split("person_keypoints_val"), Some(("val".into(), "person_keypoints_".into())));
        assert_eq!(split("test_coco"), Some(("test".into(), "_coco".into())));
        assert_eq!(split("Train"), Some(("train".into(), "".into())));
        assert_eq!(split("trains"), None);
        assert_eq!(split("äé_contest"), None);
        assert_eq!(split(""), None);
        assert_eq!(split_named("val2017"), Some("val".into()));
        assert_eq!(split_named("val_images"), None);
    }

    #[test]
    fn only_names_that_say_so_are_frames() {
        let found = |path| video_frame(path);
        assert_eq!(found("a/cage3_frame_0012.jpg"), Some(("a/cage3".into(), 12)));
        assert_eq!(found("a/frame0012.jpg"), Some(("a".into(), 12)));
        assert_eq!(found("labeled-data/m4/img07.png"), Some(("labeled-data/m4".into(), 7)));
        for photo in
            ["000000000785.jpg", "a/BloodImage_00379.jpg", "a/timeframe1.jpg", "frame_3_b.jpg", ""]
        {
            assert_eq!(found(photo), None, "{photo}");
        }
        assert_eq!(found("frame_1.jpg"), None, "no video to belong to");
    }
}
