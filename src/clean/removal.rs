//! A patch that no finding asks for: of changes by index, for controls and comparisons.

use super::change::Labels;
use super::patch::{Extent, labels_fingerprint};
use super::{Action, Change, Patch, Policy};
use crate::dataset::{Dataset, Edit, Instance};

/// Version of the layout of a patch.
const SCHEMA: u32 = 1;

impl Patch {
    /// Returns the patch that makes removals, in their order, each for the same reason; changes of
    /// other kinds and indices that do not exist are passed over.
    pub fn of_removals(dataset: &Dataset, edits: &[Edit], reason: &str, policy: &Policy) -> Patch {
        let instance = |at: u32| dataset.instances.get(at as usize);
        let changes = edits.iter().enumerate().filter_map(|(number, edit)| {
            let (action, image, about, kind) = match *edit {
                Edit::DropImage { image } => (Action::DropImage, image, None, None),
                Edit::DropInstance { instance: at } => {
                    (Action::DropInstance, instance(at)?.image, instance(at), None)
                }
                Edit::DropKeypoint { instance: at, kind } => {
                    (Action::DropKeypoint, instance(at)?.image, instance(at), Some(kind))
                }
                Edit::SetKeypoint { .. } | Edit::SetVisibility { .. } => return None,
            };
            let path = dataset.images.get(image as usize)?.path.clone();
            let name = |at: &Instance, kind: u16| {
                Some(dataset.skeleton_of(at)?.keypoints.get(usize::from(kind))?.clone())
            };
            Some(Change {
                fingerprint: format!("{number:016x}"),
                action,
                rule: "removal".to_owned(),
                score: 0.0,
                image: path,
                instance: about.map(|at| dataset.instance_name(at)),
                keypoint: about.zip(kind).and_then(|(at, kind)| name(at, kind)),
                before: match (about, kind) {
                    (Some(at), Some(kind)) => Labels::of_keypoints(dataset, at, &[kind]),
                    (Some(at), None) => Labels::of_instance(dataset, at),
                    (None, _) => {
                        let range = dataset.instances_by_image()[image as usize].clone();
                        Labels::of_image(dataset, &dataset.instances[range])
                    }
                },
                after: None,
                reason: reason.to_owned(),
            })
        });
        Patch {
            schema: SCHEMA,
            dataset: labels_fingerprint(dataset),
            format: dataset.format.to_owned(),
            labels: Extent::of(dataset),
            policy: policy.clone(),
            changes: changes.collect(),
            held_back: Vec::new(),
            relabel: Vec::new(),
            weights: Vec::new(),
        }
    }
}
