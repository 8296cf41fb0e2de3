//! Parts into which poses are divided, so that nothing is judged by what was fitted to it.

use std::collections::BTreeMap;

use crate::dataset::Dataset;

/// Parts, see Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning" (2009),
/// section 7.10: five or ten.
pub(super) const FOLDS: usize = 5;

/// Returns the part of each instance, by index: whole videos where there are as many as parts,
/// else blocks of time within each video, since neighbouring frames share what is wrong with them.
/// Images without a video count as one.
pub(super) fn folds(dataset: &Dataset, instances: &[u32]) -> Vec<usize> {
    let mut videos: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
    for (at, &instance) in instances.iter().enumerate() {
        let image = &dataset.images[dataset.instances[instance as usize].image as usize];
        videos.entry(image.video).or_default().push(at);
    }
    let mut folds = vec![0; instances.len()];
    if videos.len() < FOLDS {
        for members in videos.values_mut() {
            let when = |&at: &usize| {
                let instance = &dataset.instances[instances[at] as usize];
                let frame = dataset.images[instance.image as usize].frame;
                (frame.unwrap_or_default(), instance.image)
            };
            members.sort_by_key(when);
            for (place, &at) in members.iter().enumerate() {
                folds[at] = place * FOLDS / members.len();
            }
        }
        return folds;
    }
    // The largest video first, each to the part that has least.
    let mut by_size: Vec<&Vec<usize>> = videos.values().collect();
    by_size.sort_by_key(|members| std::cmp::Reverse(members.len()));
    let mut filled = [0; FOLDS];
    for members in by_size {
        let least = (0..FOLDS).min_by_key(|&fold| filled[fold]).unwrap_or_default();
        filled[least] += members.len();
        members.iter().for_each(|&at| folds[at] = least);
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::models::samples::{dataset, walk};

    #[test]
    fn one_video_is_cut_into_blocks_of_time() {
        let mut data = dataset(&walk(10));
        let all: Vec<u32> = (0..10).collect();
        assert_eq!(folds(&data, &all), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
        // The order of time counts, not that of files.
        for (at, image) in data.images.iter_mut().enumerate() {
            image.frame = Some(9 - at as u64);
        }
        assert_eq!(folds(&data, &all), [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]);
    }

    #[test]
    fn many_videos_stay_whole_and_parts_are_about_as_large() {
        let mut data = dataset(&walk(14));
        for (at, image) in data.images.iter_mut().enumerate() {
            image.video = Some(at as u32 / 2);
        }
        let found = folds(&data, &(0..14).collect::<Vec<_>>());
        let mut sizes = [0; FOLDS];
        for (at, &fold) in found.iter().enumerate() {
            assert_eq!(fold, found[at / 2 * 2], "a video is in one part");
            sizes[fold] += 1;
        }
        assert_eq!(sizes, [4, 4, 2, 2, 2]);
    }
}
