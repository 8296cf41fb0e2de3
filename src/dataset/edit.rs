//! Changes of labels, as data: what a patch, planted errors and an arm of a study are made of.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dataset, Instance, Keypoint, Visibility};

/// One change of a dataset's labels, by index into its tables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edit {
    /// Takes all labels from an image and leaves it out.
    DropImage {
        /// Index into [`Dataset::images`].
        image: u32,
    },
    /// Takes an instance away, with its box and keypoints.
    DropInstance {
        /// Index into [`Dataset::instances`].
        instance: u32,
    },
    /// Marks a keypoint as not labelled.
    DropKeypoint {
        /// Index into [`Dataset::instances`].
        instance: u32,
        /// Index into the keypoints of its skeleton.
        kind: u16,
    },
    /// Puts a keypoint somewhere, whether it was labelled or not.
    SetKeypoint {
        /// Index into [`Dataset::instances`].
        instance: u32,
        /// Index into the keypoints of its skeleton.
        kind: u16,
        /// Pixels from the left edge of the image.
        x: f64,
        /// Pixels from the top edge of the image.
        y: f64,
    },
    /// Says whether a labelled keypoint was seen. Without it a keypoint keeps what it says,
    /// and a new one is [`Visibility::Visible`].
    SetVisibility {
        /// Index into [`Dataset::instances`].
        instance: u32,
        /// Index into the keypoints of its skeleton; passed over where it is not labelled.
        kind: u16,
        /// Whether the annotator saw it.
        visibility: Visibility,
    },
}

/// What edits come to, before anything is made of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Images that are left out.
    pub(crate) images: BTreeSet<u32>,
    /// Instances that go.
    pub(crate) instances: BTreeSet<u32>,
    /// All keypoints, by kind, of instances of which an edit names one.
    pub(crate) points: BTreeMap<u32, BTreeMap<u16, Keypoint>>,
}

impl Dataset {
    /// Returns the dataset after changes, made in their order. Images keep their index, also
    /// those that are left out: they stay as images without labels. An instance of which no
    /// keypoint and no box is left goes. Indices that do not exist are passed over.
    #[must_use]
    pub fn edited(&self, edits: &[Edit]) -> Dataset {
        let Outcome { images, instances, points } = self.outcome(edits);
        let mut edited = Dataset { instances: Vec::new(), keypoints: Vec::new(), ..self.clone() };
        for &image in &images {
            let image = &mut edited.images[image as usize];
            (image.class, image.location) = (None, None);
        }
        for (at, instance) in (0..).zip(&self.instances) {
            if images.contains(&instance.image) || instances.contains(&at) {
                continue;
            }
            let first = edited.keypoints.len() as u32;
            match points.get(&at) {
                Some(points) => edited.keypoints.extend(points.values()),
                None => edited.keypoints.extend(self.keypoints_of(instance)),
            }
            let len = (edited.keypoints.len() as u32 - first) as u16;
            edited.instances.push(Instance { first, len, ..instance.clone() });
        }
        edited
    }

    /// Returns what edits come to, without those of what does not exist.
    pub(crate) fn outcome(&self, edits: &[Edit]) -> Outcome {
        let mut outcome = Outcome::default();
        for &edit in edits {
            let (at, kind) = match edit {
                Edit::DropImage { image } => {
                    if (image as usize) < self.images.len() {
                        outcome.images.insert(image);
                    }
                    continue;
                }
                Edit::DropInstance { instance } => {
                    if (instance as usize) < self.instances.len() {
                        outcome.instances.insert(instance);
                    }
                    continue;
                }
                Edit::DropKeypoint { instance, kind }
                | Edit::SetKeypoint { instance, kind, .. }
                | Edit::SetVisibility { instance, kind, .. } => (instance, kind),
            };
            let Some(instance) = self.instances.get(at as usize) else { continue };
            let skeleton = self.skeleton_of(instance);
            if skeleton.is_none_or(|skeleton| skeleton.keypoints.len() <= usize::from(kind)) {
                continue;
            }
            let points = outcome.points.entry(at).or_insert_with(|| {
                self.keypoints_of(instance).iter().map(|point| (point.kind, *point)).collect()
            });
            match edit {
                Edit::SetKeypoint { x, y, .. } => {
                    let new = Keypoint { kind, column: 0, visibility: Visibility::Visible, x, y };
                    let point = points.entry(kind).or_insert(new);
                    (point.x, point.y) = (x, y);
                }
                Edit::SetVisibility { visibility, .. } => {
                    if let Some(point) = points.get_mut(&kind) {
                        point.visibility = visibility;
                    }
                }
                _ => drop(points.remove(&kind)),
            }
        }
        for (&at, points) in &outcome.points {
            if points.is_empty() && self.instances[at as usize].bbox.is_none() {
                outcome.instances.insert(at);
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Image, InstanceName, Skeleton};

    /// Two images of one instance of three keypoints each.
    fn dataset() -> Dataset {
        let point = |kind, x| Keypoint {
            kind,
            column: 2 * kind + 2,
            visibility: Visibility::Visible,
            x,
            y: 1.0,
        };
        let instance = |image, first| Instance {
            image,
            name: InstanceName::Ordinal(0),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first,
            len: 3,
            location: None,
            crowd: false,
        };
        Dataset {
            images: vec![Image::default(), Image::default()],
            skeletons: vec![Skeleton {
                keypoints: ["a", "b", "c"].map(String::from).to_vec(),
                ..Skeleton::default()
            }],
            instances: vec![instance(0, 0), instance(1, 3)],
            keypoints: (0..6).map(|at| point(at % 3, f64::from(at))).collect(),
            ..Dataset::default()
        }
    }

    #[test]
    fn changes_are_made_in_their_order_and_images_keep_their_index() {
        let before = dataset();
        let after = before.edited(&[
            Edit::DropKeypoint { instance: 1, kind: 0 },
            Edit::SetKeypoint { instance: 1, kind: 2, x: 9.0, y: 8.0 },
            Edit::DropImage { image: 0 },
        ]);
        assert_eq!(after.images.len(), 2);
        assert_eq!(after.instances_by_image(), [0..0, 0..1]);
        let points: Vec<_> =
            after.keypoints.iter().map(|point| (point.kind, point.x, point.y)).collect();
        assert_eq!(points, [(1, 4.0, 1.0), (2, 9.0, 8.0)]);
        assert_eq!(after.keypoints[1].column, 6, "its place in the label file stays");
        assert_eq!(before.edited(&[]).keypoints, before.keypoints);
    }

    #[test]
    fn an_instance_without_anything_goes() {
        let drop = |kind| Edit::DropKeypoint { instance: 0, kind };
        let after = dataset().edited(&[drop(0), drop(1), drop(2)]);
        assert_eq!(after.instances_by_image(), [0..0, 0..1]);
        let back = [Edit::SetKeypoint { instance: 0, kind: 1, x: 5.0, y: 5.0 }];
        let after = dataset().edited(&[&[drop(0), drop(1), drop(2)][..], &back].concat());
        assert_eq!(after.keypoints_of(&after.instances[0]).len(), 1);
        let hidden =
            [Edit::SetVisibility { instance: 0, kind: 2, visibility: Visibility::Occluded }];
        let after = dataset().edited(&hidden);
        let seen: Vec<_> = after.keypoints[..3].iter().map(|point| point.visibility).collect();
        assert_eq!(seen, [Visibility::Visible, Visibility::Visible, Visibility::Occluded]);
        let after = dataset().edited(&[&[drop(2)][..], &hidden].concat());
        assert_eq!(after.instances[0].len, 2, "what is not labelled is neither seen nor hidden");
        let nowhere = [
            Edit::DropKeypoint { instance: 7, kind: 0 },
            Edit::SetKeypoint { instance: 0, kind: 3, x: 1.0, y: 1.0 },
            Edit::DropInstance { instance: 2 },
            Edit::DropImage { image: 7 },
        ];
        assert_eq!(dataset().edited(&nowhere).keypoints, dataset().keypoints);
    }
}
