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

#[cfg(test)]
mod tests {
    use super::super::samples::{dataset, walk};
    use super::*;

    #[test]
    fn a_lone_animal_is_followed_in_the_order_of_time() {
        let mut data = dataset(&walk(4));
        data.images[0].frame = Some(9);
        data.images[2].frame = None;
        data.instances[3].crowd = true;
        let found = tracks(&data);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].frames, [(1, 1), (9, 0)]);
    }

    #[test]
    fn of_two_in_a_frame_only_named_ones_are_followed() {
        let mut data = dataset(&walk(4));
        // Both of frame 0 and both of frame 1.
        data.instances[2].image = 0;
        data.instances[3].image = 1;
        assert!(tracks(&data).is_empty());
        for (instance, name) in data.instances.iter_mut().zip([0, 1, 1, 0]) {
            instance.name = InstanceName::Individual(name);
        }
        let frames: Vec<_> = tracks(&data).into_iter().map(|track| track.frames).collect();
        assert_eq!(frames, [[(0, 0), (1, 3)], [(0, 2), (1, 1)]]);
    }
}
