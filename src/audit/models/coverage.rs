//! How many instances have each keypoint. Takes a dataset, gives counts.

use crate::dataset::{Dataset, Skeleton};

/// How often a keypoint of a skeleton is labelled.
#[derive(Debug)]
pub(in crate::audit) struct Coverage<'a> {
    skeleton: &'a Skeleton,
    keypoint: &'a str,
    /// Instances that have it.
    pub(in crate::audit) labelled: usize,
    /// Instances of the skeleton that have any keypoint; at least one.
    pub(in crate::audit) instances: usize,
}

impl Coverage<'_> {
    /// Returns the keypoint's name, with that of its skeleton where it has one.
    pub(in crate::audit) fn name(&self) -> String {
        match self.skeleton.name.as_str() {
            "" => self.keypoint.into(),
            skeleton => format!("{} of {skeleton}", self.keypoint),
        }
    }
}

/// Returns the counts of every keypoint of every skeleton that has labelled
/// instances, in the skeletons' order.
pub(in crate::audit) fn of_skeletons(dataset: &Dataset) -> Vec<Coverage<'_>> {
    let mut instances = vec![0_usize; dataset.skeletons.len()];
    let mut labelled: Vec<Vec<usize>> =
        dataset.skeletons.iter().map(|skeleton| vec![0; skeleton.keypoints.len()]).collect();
    // An instance without any keypoint, a mere box, says nothing of a single one.
    for instance in dataset.instances.iter().filter(|instance| instance.len > 0) {
        let Some(skeleton) = instance.skeleton.map(usize::from) else { continue };
        instances[skeleton] += 1;
        for point in dataset.keypoints_of(instance) {
            labelled[skeleton][usize::from(point.kind)] += 1;
        }
    }
    (dataset.skeletons.iter().zip(labelled).zip(instances))
        .filter(|&(_, instances)| instances > 0)
        .flat_map(|((skeleton, labelled), instances)| {
            (skeleton.keypoints.iter().zip(labelled)).map(move |(keypoint, labelled)| Coverage {
                skeleton,
                keypoint,
                labelled,
                instances,
            })
        })
        .collect()
}
