//! A dataset divided so that each labelled image is held out once.

use super::{By, Divided, Part, Split, SplitError, SplitSettings, checked};
use crate::dataset::Dataset;

/// Divides a dataset `count` times, two at least; each labelled image is in exactly one test part.
/// Needs [`Dataset::sort`](crate::dataset::Dataset::sort).
///
/// By videos, each goes to the part that holds least, the longest first; otherwise every video's
/// images are cut into `count` blocks in the order of time, with the gap of the settings on both
/// sides. Their share of test images and their seed do not matter. The dataset's own division,
/// which is only one, is not asked.
///
/// # Errors
/// [`SplitError`] where there are fewer labelled images, or videos, than parts, or nothing is left
/// to train with.
pub fn folds(
    dataset: &Dataset,
    settings: &SplitSettings,
    count: usize,
) -> Result<Vec<Split>, SplitError> {
    let divided = Divided::new(dataset, settings)?;
    if count < 2 || divided.labelled < count {
        return Err(SplitError::Folds { asked: count, found: divided.labelled });
    }
    let empty = Split { parts: vec![None; dataset.images.len()] };
    let mut splits = vec![empty; count];
    match settings.by {
        By::Video => by_videos(&divided, &mut splits)?,
        _ => by_blocks(&divided, settings, &mut splits),
    }
    let trained = |split: Split| match split.count(Part::Train) {
        0 => Err(SplitError::Folds { asked: count, found: divided.labelled }),
        _ => checked(split, settings),
    };
    splits.into_iter().map(trained).collect()
}

/// Holds out each video in one of the splits.
fn by_videos(divided: &Divided<'_>, splits: &mut [Split]) -> Result<(), SplitError> {
    if divided.videos.len() < splits.len() {
        return Err(SplitError::TooFewVideos { found: divided.videos.len() });
    }
    let mut videos: Vec<&Vec<u32>> = divided.videos.values().collect();
    videos.sort_by_key(|images| std::cmp::Reverse(images.len()));
    let mut held = vec![0; splits.len()];
    for images in videos {
        let least = (0..splits.len()).min_by_key(|&at| held[at]).unwrap_or_default();
        held[least] += images.len();
        for (at, split) in splits.iter_mut().enumerate() {
            let part = if at == least { Part::Test } else { Part::Train };
            images.iter().for_each(|&image| split.parts[image as usize] = Some(part));
        }
    }
    Ok(())
}

/// Holds out the k-th block of each video in the k-th split.
fn by_blocks(divided: &Divided<'_>, settings: &SplitSettings, splits: &mut [Split]) {
    let count = splits.len();
    for images in divided.videos.values() {
        for (at, split) in splits.iter_mut().enumerate() {
            let block = at * images.len() / count..(at + 1) * images.len() / count;
            divided.hold_out_block(images, block, settings, &mut split.parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::dataset::Image;
    use crate::dataset::testing::{animal, dataset};

    fn settings(by: By) -> SplitSettings {
        SplitSettings { by, test_share: 0.2, gap: 1, gap_frames: 0, seed: 0 }
    }

    fn frames(videos: &[u32]) -> Dataset {
        let labels: Vec<_> =
            (0..videos.len()).map(|at| animal(at as u32, &[[1.0, 2.0], [3.0, 4.0]])).collect();
        let mut data = dataset(&labels);
        data.images = (videos.iter().enumerate())
            .map(|(at, &video)| Image {
                path: format!("{video}/{at}.png"),
                file: Some(PathBuf::new()),
                video: Some(video),
                frame: Some(at as u64),
                ..Image::default()
            })
            .collect();
        data
    }

    fn tests(splits: &[Split]) -> Vec<Vec<u32>> {
        splits.iter().map(|split| split.images(Part::Test)).collect()
    }

    #[test]
    fn each_image_of_one_video_is_held_out_once_and_its_neighbours_are_not_learnt_from() {
        let splits = folds(&frames(&[0; 7]), &settings(By::Block), 3).expect("three parts");
        assert_eq!(tests(&splits), [vec![0, 1], vec![2, 3], vec![4, 5, 6]]);
        assert_eq!(splits[1].images(Part::Gap), [1, 4]);
        assert_eq!(splits[1].images(Part::Train), [0, 5, 6]);
    }

    #[test]
    fn videos_stay_whole() {
        let splits = folds(&frames(&[0, 1, 1, 1, 2, 2]), &settings(By::Video), 2).expect("two");
        assert_eq!(tests(&splits), [vec![1, 2, 3], vec![0, 4, 5]]);
        assert_eq!(splits[0].images(Part::Train), [0, 4, 5]);
    }

    #[test]
    fn more_parts_than_images_or_videos_are_refused() {
        let data = frames(&[0, 0, 1]);
        for count in [0, 1, 4] {
            let found = folds(&data, &settings(By::Block), count);
            assert_eq!(found, Err(SplitError::Folds { asked: count, found: 3 }));
        }
        let found = folds(&data, &settings(By::Video), 3);
        assert_eq!(found, Err(SplitError::TooFewVideos { found: 2 }));
        // With the gap nothing would be left to train with.
        let found = folds(&frames(&[0, 0]), &settings(By::Block), 2);
        assert_eq!(found, Err(SplitError::Folds { asked: 2, found: 2 }));
    }
}
