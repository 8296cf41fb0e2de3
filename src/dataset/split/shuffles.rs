//! Several divisions of one dataset, so that a result can be told from the luck of one.

use super::{By, Divided, Split, SplitError, SplitSettings};
use super::{block_length, checked, hold_out_videos, is_short, split};
use crate::dataset::Dataset;
use crate::stats::random::SplitMix64;

/// Divides a dataset in several ways whose test parts cover it as evenly as may be. Needs
/// [`Dataset::sort`](crate::dataset::Dataset::sort).
///
/// By blocks of time, the k-th of n blocks of a video of c labelled images, L of which are
/// held out, begins at image round(k (c − L) / (n − 1)), k from 0: the first and the last touch
/// the ends of the video. The seed decides which shuffle gets which block, for each video
/// anew. By videos, those that were held out least often are held out next; the seed decides
/// among equals. One shuffle is what [`split`] gives; where the dataset's own division counts,
/// all are the same.
///
/// # Errors
/// As [`split`].
pub fn shuffles(
    dataset: &Dataset,
    settings: &SplitSettings,
    count: usize,
) -> Result<Vec<Split>, SplitError> {
    if count < 2 || settings.by == By::Dataset {
        return Ok(vec![split(dataset, settings)?; count]);
    }
    let divided = Divided::new(dataset, settings)?;
    let empty = Split { parts: vec![None; dataset.images.len()] };
    let mut splits = vec![empty; count];
    match settings.by {
        By::Video => by_videos(&divided, settings, &mut splits),
        _ => by_blocks(&divided, settings, &mut splits),
    }
    splits.into_iter().map(|split| checked(split, settings)).collect()
}

/// Holds out a block of each video in each split.
fn by_blocks(divided: &Divided<'_>, settings: &SplitSettings, splits: &mut [Split]) {
    for (video, images) in &divided.videos {
        let length = block_length(images.len(), settings.test_share);
        let mut starts = starts(images.len() - length.unwrap_or(0), settings.gap, splits.len());
        let key = video.map_or(0, |video| u64::from(video) + 1);
        SplitMix64::keyed("shuffles", settings.seed, &[key]).shuffle(&mut starts);
        for (split, start) in splits.iter_mut().zip(starts) {
            let block = length.map_or(0..0, |length| start..start + length);
            divided.hold_out_block(images, block, settings, &mut split.parts);
        }
    }
}

/// Returns where blocks begin, from 0 to `most`, equally spaced; at the ends alone where one in
/// the middle might leave nothing beside its gaps.
fn starts(most: usize, gap: usize, count: usize) -> Vec<usize> {
    let last = (count - 1).max(1);
    let start = |k: usize| match is_short(most, gap) {
        true => most * (k % 2),
        false => (2 * k * most + last) / (2 * last),
    };
    (0..count).map(start).collect()
}

/// Holds out videos in each split, those first that were held out least often.
fn by_videos(divided: &Divided<'_>, settings: &SplitSettings, splits: &mut [Split]) {
    let videos: Vec<&Vec<u32>> = divided.videos.values().collect();
    let wanted = settings.test_share * divided.labelled as f64;
    let mut random = SplitMix64::named("shuffles", settings.seed);
    let mut times = vec![0_usize; videos.len()];
    for split in splits {
        let mut order: Vec<usize> = (0..videos.len()).collect();
        random.shuffle(&mut order);
        order.sort_by_key(|&video| times[video]);
        let ordered: Vec<&Vec<u32>> = order.iter().map(|&video| videos[video]).collect();
        for at in hold_out_videos(&ordered, wanted, &mut split.parts) {
            times[order[at]] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::dataset;
    use super::*;
    use crate::dataset::Part;

    fn settings(by: By) -> SplitSettings {
        SplitSettings { by, test_share: 0.2, gap: 2, gap_frames: 0, seed: 5 }
    }

    /// How often each image is in the test part.
    fn tested(splits: &[Split]) -> Vec<usize> {
        let of_image =
            |image| splits.iter().filter(|split| split.parts[image] == Some(Part::Test)).count();
        (0..splits[0].parts.len()).map(of_image).collect()
    }

    #[test]
    fn blocks_differ_and_cover_the_video_evenly() {
        let dataset = dataset(&[116]);
        for count in [2, 5, 8, 10] {
            let splits = shuffles(&dataset, &settings(By::Block), count).expect("shuffles");
            let firsts: BTreeSet<u32> =
                splits.iter().map(|split| split.images(Part::Test)[0]).collect();
            assert_eq!(firsts.len(), count, "all differ");
            assert_eq!(firsts.first(), Some(&0));
            assert_eq!(firsts.last(), Some(&93));
            for split in &splits {
                let test = split.images(Part::Test);
                assert_eq!((test.len(), test[22] - test[0]), (23, 22), "one block");
                let near = |image: &u32| test.iter().any(|other| other.abs_diff(*image) <= 2);
                assert!(!split.images(Part::Train).iter().any(near), "a gap of 2");
                assert!((2..=4).contains(&split.count(Part::Gap)));
            }
            let tested = tested(&splits);
            let (least, most) = (tested.iter().min(), tested.iter().max());
            match count {
                8 => assert_eq!((least, most), (Some(&1), Some(&2))),
                10 => assert_eq!((least, most), (Some(&1), Some(&3))),
                _ => assert_eq!((least, most), (Some(&0), Some(&1))),
            }
        }
    }

    #[test]
    fn the_seed_orders_the_blocks_of_each_video_anew() {
        let dataset = dataset(&[50, 50]);
        let first = shuffles(&dataset, &settings(By::Block), 8).expect("shuffles");
        let firsts = |video: u32| -> Vec<u32> {
            let range = 50 * video..50 * (video + 1);
            let of_video = |split: &Split| {
                let test = split.images(Part::Test);
                test.into_iter().find(|image| range.contains(image)).expect("a block") % 50
            };
            first.iter().map(of_video).collect()
        };
        let (a, b) = (firsts(0), firsts(1));
        assert_ne!(a, b);
        let sorted = |mut starts: Vec<u32>| {
            starts.sort_unstable();
            starts
        };
        assert_eq!(sorted(a), sorted(b));
        let other = SplitSettings { seed: 6, ..settings(By::Block) };
        assert_ne!(shuffles(&dataset, &other, 8).expect("shuffles"), first);
        assert_eq!(shuffles(&dataset, &settings(By::Block), 8).expect("shuffles"), first);
    }

    #[test]
    fn every_video_is_held_out_about_as_often() {
        let dataset = dataset(&[10; 7]);
        let splits = shuffles(&dataset, &settings(By::Video), 10).expect("shuffles");
        let tested = tested(&splits);
        // A fifth of seven videos is one; ten shuffles hold out each once or twice.
        assert!(tested.iter().all(|times| (1..=2).contains(times)), "{tested:?}");
        for split in &splits {
            assert_eq!(split.count(Part::Test), 10);
            assert_eq!(split.count(Part::Gap), 0);
        }
    }

    #[test]
    fn few_images_still_leave_both_parts() {
        for (count, videos) in [(5, vec![6]), (4, vec![2]), (3, vec![1, 12]), (6, vec![3, 3, 3])] {
            let dataset = dataset(&videos);
            for split in shuffles(&dataset, &settings(By::Block), count).expect("shuffles") {
                assert!(split.count(Part::Test) > 0, "{videos:?}");
            }
        }
        let two = dataset(&[9, 9]);
        let splits = shuffles(&two, &settings(By::Video), 4).expect("shuffles");
        assert!(splits.iter().all(|split| split.count(Part::Train) == 9));
        let one = dataset(&[9]);
        let refused = shuffles(&one, &settings(By::Video), 4);
        assert_eq!(refused, Err(SplitError::TooFewVideos { found: 1 }));
        let single = shuffles(&one, &settings(By::Block), 1).expect("one");
        assert_eq!(single, [split(&one, &settings(By::Block)).expect("one")]);
        assert!(shuffles(&one, &settings(By::Block), 0).expect("none").is_empty());
    }
}
