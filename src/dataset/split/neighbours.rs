//! How near in time the frames of a test part are to those that are trained on.

use std::collections::BTreeMap;

use crate::dataset::Dataset;

/// Numbers of frames for which the share of near test frames is told: from neighbours to a
/// second at 30 frames per second.
pub const CURVE_FRAMES: [u64; 5] = [1, 2, 5, 10, 30];

/// A test frame and what is trained on beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearest {
    /// Index into [`Dataset::images`].
    pub image: u32,
    /// Frames of the video from it to the nearest one that is trained on, 0 where it is trained
    /// on itself; `None` where none of its video is.
    pub frames: Option<u64>,
}

/// Returns how near each test image is to the training images of its video, in the order of
/// `test`. Images without a video or a frame number are left out: nothing tells how near they
/// are.
pub fn nearest_training_frames(dataset: &Dataset, train: &[u32], test: &[u32]) -> Vec<Nearest> {
    let place = |image: u32| {
        let image = &dataset.images[image as usize];
        image.video.zip(image.frame)
    };
    let mut videos: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (video, frame) in train.iter().filter_map(|&image| place(image)) {
        videos.entry(video).or_default().push(frame);
    }
    videos.values_mut().for_each(|frames| frames.sort_unstable());
    let nearest = |video: u32, frame: u64| {
        let frames = videos.get(&video)?;
        let at = frames.partition_point(|&other| other < frame);
        let beside = [at.checked_sub(1), Some(at)].into_iter().flatten();
        beside.filter_map(|at| Some(frames.get(at)?.abs_diff(frame))).min()
    };
    let frames = test.iter().filter_map(|&image| Some((image, place(image)?)));
    frames.map(|(image, (video, frame))| Nearest { image, frames: nearest(video, frame) }).collect()
}

/// Returns the share of test frames that have a training frame within so many frames, 0 to 1;
/// `None` without test frames.
pub fn share_within(nearest: &[Nearest], frames: u64) -> Option<f64> {
    let near = nearest.iter().filter(|test| test.frames.is_some_and(|found| found <= frames));
    (!nearest.is_empty()).then(|| near.count() as f64 / nearest.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::dataset;
    use super::*;

    #[test]
    fn the_nearest_training_frame_of_the_same_video_counts() {
        let mut dataset = dataset(&[8, 8, 8]);
        // Every tenth frame of the first video is labelled.
        for image in &mut dataset.images[..8] {
            image.frame = image.frame.map(|frame| 10 * frame);
        }
        dataset.images[23].frame = None;
        let train = [0, 3, 12, 23];
        let found = nearest_training_frames(&dataset, &train, &[1, 2, 7, 8, 12, 16, 23]);
        let frames: Vec<_> = found.iter().map(|test| (test.image, test.frames)).collect();
        assert_eq!(
            frames,
            [(1, Some(10)), (2, Some(10)), (7, Some(40)), (8, Some(4)), (12, Some(0)), (16, None)]
        );
        let shares = [0, 4, 10, 39, 40].map(|frames| share_within(&found, frames));
        assert_eq!(shares, [1.0, 2.0, 4.0, 4.0, 5.0].map(|count: f64| Some(count / 6.0)));
        assert_eq!(share_within(&[], 5), None);
    }
}
