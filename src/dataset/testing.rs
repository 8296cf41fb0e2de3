//! Small datasets and predictions for the tests of this module.

use super::{
    Dataset, Image, Instance, InstanceName, Keypoint, PredictedPoint, Skeleton, Visibility,
};

/// A labelled animal: its image and its keypoints; NaN is not labelled.
pub(crate) struct Animal {
    image: u32,
    places: Vec<[f64; 2]>,
}

pub(crate) fn animal(image: u32, places: &[[f64; 2]]) -> Animal {
    Animal { image, places: places.to_vec() }
}

/// Two images of one video, `a/0.png` and `a/1.png`, with animals of `k0`, `k1`, ….
pub(crate) fn dataset(animals: &[Animal]) -> Dataset {
    let image = |frame: u64| Image {
        path: format!("a/{frame}.png"),
        video: Some(0),
        frame: Some(frame),
        ..Image::default()
    };
    let count = animals.first().map_or(0, |animal| animal.places.len());
    let names = (0..count).map(|kind| format!("k{kind}")).collect();
    let mut dataset = Dataset {
        videos: vec!["a".into()],
        images: vec![image(0), image(1)],
        skeletons: vec![Skeleton { keypoints: names, ..Skeleton::default() }],
        ..Dataset::default()
    };
    for (ordinal, animal) in animals.iter().enumerate() {
        let first = dataset.keypoints.len();
        for (kind, [x, y]) in animal.places.iter().enumerate().filter(|(_, p)| p[0].is_finite()) {
            let (kind, visibility) = (kind as u16, Visibility::Visible);
            dataset.keypoints.push(Keypoint { kind, column: 0, visibility, x: *x, y: *y });
        }
        dataset.instances.push(Instance {
            image: animal.image,
            name: InstanceName::Ordinal(ordinal as u32),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first: first as u32,
            len: (dataset.keypoints.len() - first) as u16,
            location: None,
            crowd: false,
        });
    }
    dataset
}

/// Sure predictions at places; NaN is missing.
pub(crate) fn points(places: &[[f64; 2]]) -> Vec<PredictedPoint> {
    places.iter().map(|&[x, y]| PredictedPoint { x, y, likelihood: 0.9 }).collect()
}
