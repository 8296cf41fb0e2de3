//! What makes one version of a dataset's labels another one.

use std::collections::BTreeMap;

use super::{Dataset, Edit, Instance};

impl Dataset {
    /// Returns the changes that make the labels of this version those of another, for images
    /// that both have (by path) and animals that both have: by name, or the only one of its
    /// image. Keypoints are matched by name; what the other version does not know, such as
    /// images and animals that it lacks, stays as it is. Needs [`Dataset::sort`] of both.
    pub fn difference(&self, other: &Dataset) -> Vec<Edit> {
        let images: BTreeMap<&str, usize> =
            other.images.iter().enumerate().map(|(at, image)| (image.path.as_str(), at)).collect();
        let (own, others) = (self.instances_by_image(), other.instances_by_image());
        let mut edits = Vec::new();
        for (image, of_image) in self.images.iter().zip(own) {
            let Some(range) = images.get(image.path.as_str()).map(|&at| others[at].clone()) else {
                continue;
            };
            let alone = of_image.len() == 1 && range.len() == 1;
            for at in of_image {
                let instance = &self.instances[at];
                let name = self.instance_name(instance);
                let same = |&other_at: &usize| {
                    alone || other.instance_name(&other.instances[other_at]) == name
                };
                if let Some(other_at) = range.clone().find(same) {
                    let to = &other.instances[other_at];
                    self.instance_difference(at as u32, instance, other, to, &mut edits);
                }
            }
        }
        edits
    }

    fn instance_difference(
        &self,
        at: u32,
        from: &Instance,
        other: &Dataset,
        to: &Instance,
        edits: &mut Vec<Edit>,
    ) {
        let (Some(names), Some(other_names)) = (self.skeleton_of(from), other.skeleton_of(to))
        else {
            return;
        };
        for (kind, name) in names.keypoints.iter().enumerate() {
            let kind = kind as u16;
            let Some(other_kind) = other_names.index(name) else { continue };
            match (self.keypoint(from, kind), other.keypoint(to, other_kind)) {
                (Some(_), None) => edits.push(Edit::DropKeypoint { instance: at, kind }),
                (old, Some(new)) => {
                    if old.is_none_or(|old| (old.x, old.y) != (new.x, new.y)) {
                        edits.push(Edit::SetKeypoint { instance: at, kind, x: new.x, y: new.y });
                    }
                    if old.is_none_or(|old| old.visibility != new.visibility) {
                        let visibility = new.visibility;
                        edits.push(Edit::SetVisibility { instance: at, kind, visibility });
                    }
                }
                (None, None) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Image, InstanceName, Keypoint, Skeleton, Visibility};

    /// One image with animals of two keypoints each, at such places.
    fn dataset(animals: &[[f64; 2]], names: [&str; 2]) -> Dataset {
        let mut dataset = Dataset {
            images: vec![Image { path: "a.png".into(), ..Image::default() }],
            skeletons: vec![Skeleton {
                keypoints: names.map(str::to_owned).into(),
                ..Skeleton::default()
            }],
            ..Dataset::default()
        };
        for (at, places) in animals.iter().enumerate() {
            dataset.instances.push(Instance {
                image: 0,
                name: InstanceName::Ordinal(at as u32),
                class: None,
                skeleton: Some(0),
                bbox: None,
                area: None,
                first: 2 * at as u32,
                len: 2,
                location: None,
                crowd: false,
            });
            dataset.keypoints.extend(places.iter().enumerate().map(|(kind, &x)| Keypoint {
                kind: kind as u16,
                column: 0,
                visibility: Visibility::Visible,
                x,
                y: 1.0,
            }));
        }
        dataset
    }

    #[test]
    fn the_difference_makes_one_version_the_other() {
        let old = dataset(&[[1.0, 2.0], [3.0, 4.0]], ["nose", "tail"]);
        let new = dataset(&[[1.0, 9.0], [3.0, 4.0]], ["nose", "tail"])
            .edited(&[Edit::DropKeypoint { instance: 1, kind: 0 }]);
        let edits = old.difference(&new);
        assert_eq!(edits.len(), 2, "{edits:?}");
        assert_eq!(old.edited(&edits).keypoints, new.keypoints);
        assert_eq!(new.edited(&new.difference(&old)).keypoints, old.keypoints);
        assert!(old.difference(&old).is_empty());
    }

    #[test]
    fn keypoints_are_matched_by_name_and_what_is_not_known_stays() {
        let old = dataset(&[[1.0, 2.0]], ["nose", "tail"]);
        let new = dataset(&[[7.0, 8.0]], ["tail", "ear"]);
        let set = Edit::SetKeypoint { instance: 0, kind: 1, x: 7.0, y: 1.0 };
        assert_eq!(old.difference(&new), [set]);
        let elsewhere = Dataset { images: vec![Image::default()], ..new };
        assert!(old.difference(&elsewhere).is_empty());
    }
}
