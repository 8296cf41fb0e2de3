//! Made-up poses for the tests of the models: one animal that turns while it walks,
//! labelled by a hand that is not perfectly still.

use super::poses::{Pose, distance};
use crate::dataset::{Dataset, Image, Instance, InstanceName, Keypoint, Skeleton, Visibility};
use crate::pixels::Preview;
use crate::stats::random::SplitMix64;

/// Names of the keypoints; the ears are the only pair.
pub(in crate::audit) const KEYPOINTS: [&str; 6] =
    ["nose", "left_ear", "right_ear", "centre", "tail_base", "tail_tip"];
/// Places of the keypoints on an animal that looks along the x axis, pixels.
const BODY: [[f64; 2]; 6] =
    [[40.0, 0.0], [28.0, -12.0], [28.0, 12.0], [0.0, 0.0], [-35.0, 0.0], [-65.0, 9.0]];

/// Returns the poses of the first frames of the walk.
pub(in crate::audit) fn walk(frames: usize) -> Vec<Pose> {
    (0..frames)
        .map(|frame| {
            let time = frame as f64;
            let (sin, cos) = (0.3 * time).sin_cos();
            let place = |kind: usize, [x, y]: [f64; 2]| {
                // Waves that share no period with the walk or each other.
                let hand = |wave: f64| (wave * (6.0 * time + kind as f64)).sin();
                [
                    200.0 + 3.0 * time + cos * x - sin * y + hand(1.9),
                    150.0 + sin * x + cos * y + hand(2.7),
                ]
            };
            BODY.iter().enumerate().map(|(kind, &at)| Some(place(kind, at))).collect()
        })
        .collect()
}

/// Returns a picture of a pose: a bright body on grained ground, with a spot of its own brightness
/// for each keypoint. Half the size of the image.
pub(in crate::audit) fn preview(pose: &Pose) -> Preview {
    let (width, height) = (260, 160);
    let mut grain = SplitMix64::named("grain", 0);
    let samples = (0..width * height)
        .map(|at| {
            let place = [2.0 * (at % width) as f64 + 1.0, 2.0 * (at / width) as f64 + 1.0];
            let spots = pose.iter().enumerate().filter_map(|(kind, &point)| {
                let px = distance(place, point?);
                (px < 9.0).then_some(180.0 + 14.0 * kind as f64 - px)
            });
            let near = pose.iter().flatten().any(|&point| distance(place, point) < 24.0);
            let ground = if near { 120.0 } else { 40.0 };
            let level = spots.fold(ground, f64::max);
            (level + 4.0 * grain.normal()).clamp(0.0, 255.0) as u8
        })
        .collect();
    Preview { factor: 2, width: width as u32, height: height as u32, samples }
}

/// Returns a dataset of one pose per frame of one video.
pub(in crate::audit) fn dataset(poses: &[Pose]) -> Dataset {
    let skeleton = Skeleton {
        keypoints: KEYPOINTS.map(String::from).to_vec(),
        pairs: vec![[1, 2]],
        ..Skeleton::default()
    };
    let mut dataset =
        Dataset { videos: vec!["walk".into()], skeletons: vec![skeleton], ..Dataset::default() };
    for (frame, pose) in poses.iter().enumerate() {
        dataset.images.push(Image {
            path: format!("walk/img{frame:04}.png"),
            video: Some(0),
            frame: Some(frame as u64),
            ..Image::default()
        });
        let first = dataset.keypoints.len();
        dataset.keypoints.extend(pose.iter().enumerate().filter_map(|(kind, point)| {
            let [x, y] = (*point)?;
            Some(Keypoint { kind: kind as u16, column: 0, visibility: Visibility::Visible, x, y })
        }));
        dataset.instances.push(Instance {
            image: frame as u32,
            name: InstanceName::Ordinal(0),
            class: None,
            skeleton: Some(0),
            bbox: None,
            first: first as u32,
            len: (dataset.keypoints.len() - first) as u16,
            location: None,
            crowd: false,
            area: None,
        });
    }
    dataset
}
