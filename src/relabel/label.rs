//! Labels by name, as people and label files know them, and the hash that tells whether a
//! judged label is still what it was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::audit::{Family, Finding, Level};
use crate::dataset::{Dataset, Visibility};

/// A labelled place, pixels, in the label file's own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// Whether the annotator marked it as hidden.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub occluded: bool,
}

/// The label of one instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Individual, annotation id or ordinal.
    pub instance: String,
    /// Class, where there are classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Index into the skeletons of the dataset; `None` for a box alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skeleton: Option<usize>,
    /// Labelled keypoints by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keypoints: BTreeMap<String, Place>,
    /// Box as left, top, width, height in pixels from the image's corner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<[f64; 4]>,
}

/// What a finding judges, and a decision about it with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Judged {
    /// The picture, whatever its labels; a fingerprint holds the picture's own hash.
    Picture,
    /// All labels of an image.
    Frame,
    /// The whole label of an instance.
    Instance {
        /// Its name.
        instance: String,
    },
    /// Some keypoints of an instance, labelled or not.
    Keypoints {
        /// Its name.
        instance: String,
        /// Their names.
        keypoints: BTreeSet<String>,
    },
}

impl Judged {
    /// Returns what a finding is about; `None` for findings about a video or a dataset.
    ///
    /// A keypoint is judged with those that the finding compares it with (the other ear of a
    /// swap, the other end of a bone), and with nothing else: what a person confirmed stays
    /// confirmed when another part of the animal is corrected. `family` is that of the rule;
    /// without it, the finding's level decides.
    pub(super) fn of(
        finding: &Finding,
        family: Option<Family>,
        labels: &Labels<'_>,
    ) -> Option<Judged> {
        let instance = || finding.instance.clone().unwrap_or_default();
        match finding.level {
            Level::Dataset | Level::Video => None,
            Level::Image if family.is_some_and(concerns_labels) => Some(Judged::Frame),
            Level::Image => Some(Judged::Picture),
            Level::Instance => Some(Judged::Instance { instance: instance() }),
            Level::Keypoint => {
                let with = finding.proposal.as_ref().and_then(|proposal| proposal.with.clone());
                let names = finding.keypoint.iter().cloned().chain(with);
                let names = names.chain(
                    finding.related.iter().filter(|name| labels.image(name).is_none()).cloned(),
                );
                Some(Judged::Keypoints { instance: instance(), keypoints: names.collect() })
            }
        }
    }

    /// Returns the instance that it is about.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Judged::Picture | Judged::Frame => None,
            Judged::Instance { instance } | Judged::Keypoints { instance, .. } => Some(instance),
        }
    }

    /// Returns 16 hexadecimal digits that change when the judged label does: of the names,
    /// places and visibilities of its keypoints and the numbers of its box, in the label
    /// file's own numbers to 1e-6 px. `class` is that of the whole image.
    pub fn hash(&self, labels: &[Label], class: Option<&str>) -> String {
        let mut text = String::new();
        let find = |name: &str| labels.iter().find(|label| label.instance == name);
        match self {
            Judged::Picture => text.push_str("picture"),
            Judged::Frame => {
                part(&mut text, "frame");
                part(&mut text, class.unwrap_or_default());
                let sorted: BTreeMap<&str, &Label> =
                    labels.iter().map(|label| (label.instance.as_str(), label)).collect();
                for (name, label) in sorted {
                    part(&mut text, name);
                    whole(&mut text, label);
                }
            }
            Judged::Instance { instance } => {
                part(&mut text, "instance");
                match find(instance) {
                    Some(label) => whole(&mut text, label),
                    None => part(&mut text, "absent"),
                }
            }
            Judged::Keypoints { instance, keypoints } => {
                part(&mut text, "keypoints");
                let label = find(instance);
                for name in keypoints {
                    place(&mut text, name, label.and_then(|label| label.keypoints.get(name)));
                }
            }
        }
        digest(&text)
    }
}

/// Returns whether rules of a family judge labels, not pictures, files or splits.
pub(super) fn concerns_labels(family: Family) -> bool {
    matches!(family, Family::Keypoint | Family::Instance | Family::Class)
}

fn whole(text: &mut String, label: &Label) {
    part(text, label.class.as_deref().unwrap_or_default());
    for side in label.bbox.iter().flatten() {
        number(text, *side);
    }
    for (name, point) in &label.keypoints {
        place(text, name, Some(point));
    }
}

fn place(text: &mut String, name: &str, place: Option<&Place>) {
    part(text, name);
    match place {
        None => part(text, "unlabelled"),
        Some(place) => {
            number(text, place.x);
            number(text, place.y);
            part(text, if place.occluded { "occluded" } else { "visible" });
        }
    }
}

/// The length keeps neighbouring texts apart.
fn part(text: &mut String, word: &str) {
    let _ = write!(text, "{}:{word},", word.len());
}

/// Adding zero makes the two zeros one.
fn number(text: &mut String, value: f64) {
    let _ = write!(text, "{:.6},", rounded(value) + 0.0);
}

/// Rounds to 1e-6 px, like everything that labelvet writes.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Returns 16 hexadecimal digits of the SHA-256 of a text.
pub(super) fn digest(text: &str) -> String {
    let mut hex = String::with_capacity(16);
    for byte in &Sha256::digest(text.as_bytes())[..8] {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Returns the hash of the label that a finding judges, as decisions hold it; `None` where it
/// judges no label or its image does not exist. `family` is that of its rule.
pub fn label_hash(dataset: &Dataset, finding: &Finding, family: Option<Family>) -> Option<String> {
    Labels::new(dataset).hash(finding, family)
}

/// Looks up labels of a dataset by the path of their image.
#[derive(Debug)]
pub(super) struct Labels<'a> {
    dataset: &'a Dataset,
    images: HashMap<&'a str, usize>,
    instances: Vec<std::ops::Range<usize>>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(dataset: &'a Dataset) -> Labels<'a> {
        let images = dataset.images.iter().enumerate();
        Labels {
            dataset,
            images: images.map(|(at, image)| (image.path.as_str(), at)).collect(),
            instances: dataset.instances_by_image(),
        }
    }

    /// Returns the index of an image.
    pub(super) fn image(&self, path: &str) -> Option<usize> {
        self.images.get(path).copied()
    }

    /// Returns the index of an instance.
    pub(super) fn instance(&self, image: usize, name: &str) -> Option<u32> {
        let range = self.instances.get(image)?.clone();
        let named = |at: &usize| self.dataset.instance_name(&self.dataset.instances[*at]) == name;
        range.into_iter().find(named).map(|at| at as u32)
    }

    /// Returns the class of a whole image.
    pub(super) fn class(&self, image: usize) -> Option<&'a str> {
        let class = self.dataset.images.get(image)?.class?;
        Some(&self.dataset.classes.get(usize::from(class))?.name)
    }

    /// Returns the labels of an image, in the dataset's order. Of several with one name the
    /// first stands for it.
    pub(super) fn of(&self, image: usize) -> Vec<Label> {
        let dataset = self.dataset;
        let mut seen = BTreeSet::new();
        let range = self.instances.get(image).cloned().unwrap_or_default();
        let instances = dataset.instances.get(range).unwrap_or_default();
        let mut labels = Vec::with_capacity(instances.len());
        for instance in instances {
            let name = dataset.instance_name(instance);
            if !seen.insert(name.clone()) {
                continue;
            }
            let names = dataset.skeleton_of(instance).map(|skeleton| &skeleton.keypoints);
            let points = dataset.keypoints_of(instance).iter().filter_map(|point| {
                let place = Place {
                    x: dataset.to_label(point.x),
                    y: dataset.to_label(point.y),
                    occluded: point.visibility == Visibility::Occluded,
                };
                Some((names?.get(usize::from(point.kind))?.clone(), place))
            });
            let class = instance.class.and_then(|class| dataset.classes.get(usize::from(class)));
            labels.push(Label {
                instance: name,
                class: class.map(|class| class.name.clone()),
                skeleton: instance.skeleton.map(usize::from),
                keypoints: points.collect(),
                bbox: instance.bbox.map(|b| [b.x, b.y, b.width, b.height].map(rounded)),
            });
        }
        labels
    }

    /// Returns the hash of what a finding judges; `None` where it judges no label or its
    /// image does not exist.
    pub(super) fn hash(&self, finding: &Finding, family: Option<Family>) -> Option<String> {
        let judged = Judged::of(finding, family, self)?;
        let image = self.image(finding.image.as_deref()?)?;
        Some(judged.hash(&self.of(image), self.class(image)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(nose: [f64; 2], tail: Option<[f64; 2]>) -> Label {
        let place = |[x, y]: [f64; 2]| Place { x, y, occluded: false };
        let mut keypoints = BTreeMap::from([("nose".to_string(), place(nose))]);
        keypoints.extend(tail.map(|tail| ("tail".to_string(), place(tail))));
        Label { instance: "0".into(), keypoints, ..Label::default() }
    }

    fn keypoint(name: &str) -> Judged {
        Judged::Keypoints { instance: "0".into(), keypoints: [name.to_string()].into() }
    }

    #[test]
    fn a_keypoint_is_judged_alone_and_an_instance_whole() {
        let before = [label([1.0, 2.0], Some([3.0, 4.0]))];
        let moved = [label([1.0, 2.0], Some([3.0, 4.5]))];
        let whole = Judged::Instance { instance: "0".into() };
        assert_eq!(keypoint("nose").hash(&before, None), keypoint("nose").hash(&moved, None));
        for judged in [keypoint("tail"), whole, Judged::Frame] {
            assert_ne!(judged.hash(&before, None), judged.hash(&moved, None), "{judged:?}");
        }
        assert_eq!(Judged::Picture.hash(&before, None), Judged::Picture.hash(&moved, None));
    }

    #[test]
    fn an_absent_keypoint_has_a_hash_that_labelling_it_changes() {
        let absent = [label([1.0, 2.0], None)];
        let labelled = [label([1.0, 2.0], Some([0.0, 0.0]))];
        let judged = keypoint("tail");
        assert_ne!(judged.hash(&absent, None), judged.hash(&labelled, None));
        assert_eq!(judged.hash(&absent, None), judged.hash(&[], None));
        let occluded = {
            let mut label = label([1.0, 2.0], Some([0.0, 0.0]));
            label.keypoints.values_mut().for_each(|place| place.occluded = true);
            [label]
        };
        assert_ne!(judged.hash(&occluded, None), judged.hash(&labelled, None));
    }

    #[test]
    fn noise_below_a_millionth_of_a_pixel_changes_nothing() {
        let a = [label([1.0, -0.0], None)];
        let b = [label([1.0 + 1e-9, 0.0], None)];
        assert_eq!(keypoint("nose").hash(&a, None), keypoint("nose").hash(&b, None));
    }
}
