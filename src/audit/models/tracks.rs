//! The labelled frames of one animal in the order of time.

use std::collections::BTreeMap;

use crate::dataset::{Dataset, InstanceName};

/// One animal in one video.
#[derive(Debug)]
pub(in crate::audit) struct Track {
    /// Index into [`Dataset::skeletons`].
    pub(in crate::audit) skeleton: usize,
    /// Frame number and index into [`Dataset::instances`], ascending, one per frame.
    pub(in crate::audit) frames: Vec<(u64, u32)>,
}

/// Returns the tracks of a dataset: named individuals, and the only instance of each
/// image. Other instances have no identity over time, images without frame number no
/// time; they belong to none.
pub(in crate::audit) fn tracks(dataset: &Dataset) -> Vec<Track> {
    let mut alone = vec![0_u32; dataset.images.len()];
    for instance in &dataset.instances {
        alone[instance.image as usize] += 1;
    }
    let mut tracks: BTreeMap<(u32, Option<u32>, u16), BTreeMap<u64, u32>> = BTreeMap::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let image = &dataset.images[instance.image as usize];
        let name = match instance.name {
            InstanceName::Individual(name) => Some(name),
            _ if alone[instance.image as usize] == 1 => None,
            _ => continue,
        };
        if let (Some(video), Some(frame), Some(skeleton)) =
            (image.video, image.frame, instance.skeleton)
            && usize::from(skeleton) < dataset.skeletons.len()
            && !instance.crowd
        {
            let track = tracks.entry((video, name, skeleton)).or_default();
            track.entry(frame).or_insert(at as u32);
        }
    }
    (tracks.into_iter())
        .map(|((_, _, skeleton), frames)| Track {
            skeleton: usize::from(skeleton),
            frames: frames.into_iter().collect(),
        })
        .collect()
}
