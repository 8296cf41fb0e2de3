//! What a patch consists of: changes with what stood before and what stands after, in the
//! label file's own numbers and names, and what is left to people and trainers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, Instance, Keypoint, Visibility};

/// One change of labels that a finding asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Fingerprint of the finding.
    pub fingerprint: String,
    /// What is done.
    pub action: Action,
    /// Rule of the finding.
    pub rule: String,
    /// Score of the finding, 0 to 1.
    pub score: f64,
    /// Path of the image, relative to the dataset, with `/`.
    pub image: String,
    /// Individual, annotation id or ordinal; `None` where the image is meant.
    pub instance: Option<String>,
    /// Name of the keypoint; `None` where the instance or image is meant. A swap concerns
    /// a second one, too: both stand in `before`.
    pub keypoint: Option<String>,
    /// What the labels say before it.
    pub before: Labels,
    /// What they say after it; `None` where they are gone.
    pub after: Option<Labels>,
    /// The finding in words, a lower-case fragment.
    pub reason: String,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Leaves the image and its labels out.
    DropImage,
    /// Leaves the instance out.
    DropInstance,
    /// Marks the keypoint as not labelled.
    DropKeypoint,
    /// Exchanges two keypoints: their places and whether they were seen. Where only one of
    /// them is labelled, it gets the other name.
    Swap,
    /// Moves the keypoint to the proposed place.
    Move,
}

impl Action {
    /// Returns whether labels go.
    pub fn is_drop(self) -> bool {
        matches!(self, Action::DropImage | Action::DropInstance | Action::DropKeypoint)
    }
}

/// What labels say: of keypoints, of an instance, or of an image.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// Name of the instance, where labels of an image are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Left, top, width and height of the box, pixels; `null` for what is no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bbox: Option<[Option<f64>; 4]>,
    /// Keypoints by name; `null` for one that is not labelled.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keypoints: BTreeMap<String, Option<Point>>,
    /// Instances of an image, in the dataset's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Labels>,
}

/// Where a keypoint is labelled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Point {
    /// Pixels, as in the label file; `null` for what is no number.
    pub x: Option<f64>,
    /// Pixels, as in the label file; `null` for what is no number.
    pub y: Option<f64>,
    /// Whether the annotator marked it as hidden.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub occluded: bool,
}

/// A change that a limit forbids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldBack {
    /// The limit.
    pub limit: Limit,
    /// When it is held back.
    pub when: When,
    /// The change.
    pub change: Change,
}

/// When a change is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Always.
    Always,
    /// Only where swaps and moves become drops ([`super::Patch::drop_only`]).
    DropOnly,
}

/// A limit against over-cleaning, named as in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Share of the labelled frames that drops may touch.
    MaxFrameShare,
    /// Examples of each keypoint.
    MinPerKeypoint,
    /// Labelled frames of each video.
    MinPerVideo,
    /// Examples of each class.
    MinPerClass,
}

/// What a person should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relabel {
    /// Fingerprint of the finding.
    pub fingerprint: String,
    /// Rule of the finding.
    pub rule: String,
    /// Score of the finding, 0 to 1.
    pub score: f64,
    /// Path of the image, relative to the dataset, with `/`.
    pub image: String,
    /// Individual, annotation id or ordinal; `None` where the image is meant.
    pub instance: Option<String>,
    /// Name of the keypoint; `None` where the instance or image is meant.
    pub keypoint: Option<String>,
    /// The finding in words, a lower-case fragment.
    pub reason: String,
}

/// What should count less in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// The finding, and what it is about.
    #[serde(flatten)]
    pub about: Relabel,
    /// Weight, 0 to 1; 1 is that of other labels.
    pub weight: f64,
}

/// Greatest difference of two numbers of a label file that are the same, pixels: labels are
/// told to 1e-6 px.
const SAME_PX: f64 = 5e-7;

fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= SAME_PX,
        (a, b) => a.is_none() && b.is_none(),
    }
}

impl PartialEq for Point {
    fn eq(&self, other: &Point) -> bool {
        same(self.x, other.x) && same(self.y, other.y) && self.occluded == other.occluded
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Labels) -> bool {
        let boxes = match (&self.bbox, &other.bbox) {
            (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| same(*a, *b)),
            (a, b) => a.is_none() && b.is_none(),
        };
        boxes
            && self.instance == other.instance
            && self.keypoints == other.keypoints
            && self.instances == other.instances
    }
}

impl Point {
    /// Returns what a label file says of a keypoint.
    pub(super) fn of(dataset: &Dataset, point: &Keypoint) -> Point {
        let number = |value: f64| Some(dataset.to_label(value)).filter(|value| value.is_finite());
        Point {
            x: number(point.x),
            y: number(point.y),
            occluded: point.visibility == Visibility::Occluded,
        }
    }
}

impl Labels {
    /// Returns what a label file says of some keypoints of an instance.
    pub(super) fn of_keypoints(dataset: &Dataset, instance: &Instance, kinds: &[u16]) -> Labels {
        let names = dataset.skeleton_of(instance).map_or(&[][..], |s| &s.keypoints);
        let point = |kind: u16| {
            let point = dataset.keypoint(instance, kind).map(|point| Point::of(dataset, point));
            Some((names.get(usize::from(kind))?.clone(), point))
        };
        let keypoints = kinds.iter().filter_map(|&kind| point(kind)).collect();
        Labels { keypoints, ..Labels::default() }
    }

    /// Returns what a label file says of an instance.
    pub(super) fn of_instance(dataset: &Dataset, instance: &Instance) -> Labels {
        let kinds: Vec<u16> =
            dataset.keypoints_of(instance).iter().map(|point| point.kind).collect();
        let number =
            |value: f64| Some((value * 1e6).round() / 1e6).filter(|value: &f64| value.is_finite());
        Labels {
            bbox: instance.bbox.map(|b| [b.x, b.y, b.width, b.height].map(number)),
            ..Labels::of_keypoints(dataset, instance, &kinds)
        }
    }

    /// Returns what a label file says of some instances of an image.
    pub(super) fn of_image(dataset: &Dataset, instances: &[Instance]) -> Labels {
        let named = |instance: &Instance| Labels {
            instance: Some(dataset.instance_name(instance)),
            ..Labels::of_instance(dataset, instance)
        };
        Labels { instances: instances.iter().map(named).collect(), ..Labels::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_label_file_cannot_tell_apart_are_the_same() {
        let point = |x| Point { x: Some(x), y: None, occluded: false };
        assert_eq!(point(1.25), point(1.25 + 1e-9));
        assert_ne!(point(1.25), point(1.250002));
        assert_ne!(point(1.25), Point { occluded: true, ..point(1.25) });
        assert_ne!(point(1.25), Point { x: None, ..point(1.25) });
        let nothing = Labels::default();
        let boxed = Labels { bbox: Some([None; 4]), ..Labels::default() };
        assert_ne!(nothing, boxed);
        assert_eq!(boxed, boxed.clone());
    }
}
