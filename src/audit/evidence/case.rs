//! A labelled pose with what is needed to judge it.

use crate::audit::models::poses::{Pose, Poses, REFERENCES, pose};
use crate::dataset::Dataset;
use crate::facts::Facts;
use crate::pixels::Preview;

/// A labelled pose.
#[derive(Debug, Clone)]
pub(super) struct Case<'a> {
    /// Index into the dataset's instances.
    pub(super) instance: u32,
    /// Its points.
    pub(super) pose: Pose,
    /// The part of the data that must not be asked about it.
    pub(super) fold: usize,
    /// Its image, small.
    pub(super) preview: Option<&'a Preview>,
}

impl<'a> Case<'a> {
    /// Returns an instance as a case.
    pub(super) fn of(facts: &'a Facts, instance: u32, fold: usize) -> Case<'a> {
        let labelled = &facts.dataset.instances[instance as usize];
        Case {
            instance,
            pose: pose(&facts.dataset, labelled),
            fold,
            preview: facts.images[labelled.image as usize].preview.as_ref(),
        }
    }

    /// Returns the keypoints that are labelled.
    pub(super) fn labelled(&self) -> Vec<usize> {
        (0..self.pose.len()).filter(|&kind| self.pose[kind].is_some()).collect()
    }
}

/// Returns which of the instances models are fitted to, ascending indices into `poses.instances`:
/// at most [`REFERENCES`], of images with a preview first.
pub(super) fn references(facts: &Facts, poses: &Poses) -> Vec<usize> {
    let shown = |dataset: &Dataset, at: u32| {
        facts.images[dataset.instances[at as usize].image as usize].preview.is_some()
    };
    let all = &poses.instances;
    let of = |wanted: bool| -> Vec<u32> {
        all.iter().copied().filter(|&at| shown(&facts.dataset, at) == wanted).collect()
    };
    let part = |instances: Vec<u32>, most: usize| {
        Poses { skeleton: poses.skeleton, instances, body_length_px: poses.body_length_px }
            .sample(most)
    };
    let mut chosen = part(of(true), REFERENCES);
    chosen.extend(part(of(false), REFERENCES - chosen.len()));
    chosen.sort_unstable();
    // Both are ascending.
    let mut chosen = chosen.into_iter().peekable();
    (all.iter().enumerate())
        .filter(|(_, at)| chosen.next_if_eq(*at).is_some())
        .map(|(place, _)| place)
        .collect()
}

/// Returns at most `most` of `count` places, evenly spread.
pub(super) fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |at| at * count / taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::models::samples::{dataset, preview, walk};
    use crate::facts::ImageFacts;

    #[test]
    fn places_are_spread_over_all() {
        assert_eq!(spread(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(3, 4).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(0, 4).count(), 0);
    }

    #[test]
    fn of_many_poses_those_with_a_picture_come_first() {
        let poses = walk(REFERENCES + 100);
        let shown = |at: usize| at % 10 == 3;
        let images = (poses.iter().enumerate())
            .map(|(at, pose)| ImageFacts {
                preview: shown(at).then(|| preview(pose)),
                ..ImageFacts::default()
            })
            .collect();
        let facts = Facts { dataset: dataset(&poses), images, ..Facts::default() };
        let groups = Poses::by_skeleton(&facts.dataset);
        let chosen = references(&facts, &groups[0]);
        assert_eq!(chosen.len(), REFERENCES);
        assert!(chosen.is_sorted());
        assert_eq!(chosen.iter().filter(|&&at| shown(at)).count(), (REFERENCES + 100) / 10);
    }
}
