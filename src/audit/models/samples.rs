//! Made-up poses for the tests of the models: one animal that turns while it walks,
//! labelled by a hand that is not perfectly still.

use super::poses::Pose;
use crate::dataset::{Dataset, Image, Instance, InstanceName, Keypoint, Skeleton, Visibility};

/// Names of the keypoints; the ears are the only pair.
pub(super) const KEYPOINTS: [&str; 6] =
    ["nose", "left_ear", "right_ear", "centre", "tail_base", "tail_tip"];
/// Places of the keypoints on an animal that looks along the x axis, pixels.
const BODY: [[f64; 2]; 6] =
    [[40.0, 0.0], [28.0, -12.0], [28.0, 12.0], [0.0, 0.0], [-35.0, 0.0], [-65.0, 9.0]];

/// Returns the poses of the first frames of the walk.
pub(super) fn walk(frames: usize) -> Vec<Pose> {
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

/// Returns a dataset of one pose per frame of one video.
pub(super) fn dataset(poses: &[Pose]) -> Dataset {
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
