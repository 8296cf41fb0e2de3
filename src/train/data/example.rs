//! Examples: what is learnt from, one image or one animal of an image at a time.
//!
//! Takes a dataset and the images that a part of a split has; gives a list of [`Example`]s in the
//! order of the dataset. Opens no file.

use std::collections::BTreeMap;

use crate::dataset::{BBox, Dataset, Instance, Visibility};

/// What is learnt from: the whole of an image, or a region of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Index into [`Dataset::images`].
    pub image: u32,
    /// Index into [`Dataset::instances`] where it is about one animal.
    pub instance: Option<u32>,
    /// Box that is shown, in pixels of the stored image; `None` for the whole image.
    pub region: Option<BBox>,
    /// Keypoints by their kind; `None` where one is not labelled. Empty for a class.
    pub labels: Vec<Option<Label>>,
    /// Class of the image, index into [`Dataset::classes`].
    pub class: Option<u16>,
    /// What its losses are multiplied by, 0 or more.
    pub weight: f32,
}

/// A labelled keypoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// Pixels from the left edge of the stored image.
    pub x: f64,
    /// Pixels from its top edge.
    pub y: f64,
    /// What its loss is multiplied by, 0 or more.
    pub weight: f32,
}

/// How examples of a pose are made.
#[derive(Debug, Clone, PartialEq)]
pub struct PoseExamples<'a> {
    /// Index into [`Dataset::skeletons`]: instances of another layout are left out.
    pub skeleton: u16,
    /// Whether examples show images or instances.
    pub subject: Subject,
    /// Weight of keypoints that were labelled where they were hidden, 0 or more.
    pub occluded_weight: f32,
    /// Margin around the keypoints of an instance without a box, as a share of the longer side of
    /// their own box, on each side.
    pub keypoint_margin: f64,
    /// Further weights.
    pub weights: &'a LabelWeights,
}

/// What an example shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subject {
    /// Instances where any image has several, else images.
    #[default]
    Auto,
    /// The whole image with its one animal.
    Image,
    /// The box of one animal (top-down).
    Instance,
}

/// Weights of labels, 1 for what is not named. Those of an image, instance and keypoint multiply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelWeights {
    /// By index into [`Dataset::images`].
    pub images: BTreeMap<u32, f32>,
    /// By index into [`Dataset::instances`].
    pub instances: BTreeMap<u32, f32>,
    /// By index into [`Dataset::keypoints`].
    pub keypoints: BTreeMap<u32, f32>,
}

/// Smallest side in pixels of a box around keypoints: one keypoint alone has none.
const LEAST_SIDE_PX: f64 = 16.0;

/// Says why no examples can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// Nothing of these images is labelled.
    #[error("none of the {images} images is labelled with {what}")]
    None {
        /// How many images were asked for.
        images: usize,
        /// What is missing, in the plural.
        what: &'static str,
    },
    /// An image has several animals where one was expected.
    #[error("{image} has {instances} labelled animals; an example of a whole image takes one")]
    Several {
        /// Path of the image.
        image: String,
        /// How many it has.
        instances: usize,
    },
}

impl Default for PoseExamples<'static> {
    /// Returns DeepLabCut's choice: hidden keypoints count as much as others.
    fn default() -> Self {
        const NONE: &LabelWeights = &LabelWeights {
            images: BTreeMap::new(),
            instances: BTreeMap::new(),
            keypoints: BTreeMap::new(),
        };
        PoseExamples {
            skeleton: 0,
            subject: Subject::Auto,
            occluded_weight: 1.0,
            keypoint_margin: 0.25,
            weights: NONE,
        }
    }
}

/// Returns the examples of a pose: one per image with labels, or one per animal.
///
/// `images` are indices into [`Dataset::images`], in any order; groups (`crowd`) and instances
/// without keypoints are left out. Needs [`Dataset::sort`].
///
/// # Errors
/// [`ExampleError`] when nothing is labelled, or an image has several animals under
/// [`Subject::Image`].
pub fn pose_examples(
    dataset: &Dataset,
    images: &[u32],
    settings: &PoseExamples<'_>,
) -> Result<Vec<Example>, ExampleError> {
    let ranges = dataset.instances_by_image();
    let mut images = images.to_vec();
    images.sort_unstable();
    images.dedup();
    let labelled = |image: u32| {
        let instances = ranges.get(image as usize).cloned().unwrap_or_default();
        instances.filter(|&at| {
            let instance = &dataset.instances[at];
            !instance.crowd && instance.len > 0 && instance.skeleton == Some(settings.skeleton)
        })
    };
    let several = images.iter().find(|&&image| labelled(image).count() > 1);
    let subject = match (settings.subject, several) {
        (Subject::Auto, None) | (Subject::Image, None) => Subject::Image,
        (Subject::Auto, Some(_)) | (Subject::Instance, _) => Subject::Instance,
        (Subject::Image, Some(&image)) => {
            return Err(ExampleError::Several {
                image: dataset.images[image as usize].path.clone(),
                instances: labelled(image).count(),
            });
        }
    };
    let examples: Vec<Example> = images
        .iter()
        .flat_map(|&image| labelled(image))
        .map(|at| pose_example(dataset, at as u32, subject, settings))
        .collect();
    if examples.is_empty() {
        return Err(ExampleError::None { images: images.len(), what: "keypoints" });
    }
    Ok(examples)
}

fn pose_example(
    dataset: &Dataset,
    at: u32,
    subject: Subject,
    settings: &PoseExamples<'_>,
) -> Example {
    let instance = &dataset.instances[at as usize];
    let weights = settings.weights;
    let count = dataset.skeleton_of(instance).map_or(0, |skeleton| skeleton.keypoints.len());
    let mut labels = vec![None; count];
    for (index, keypoint) in (instance.first..).zip(dataset.keypoints_of(instance)) {
        let visible = match keypoint.visibility {
            Visibility::Visible => 1.0,
            Visibility::Occluded => settings.occluded_weight,
        };
        let weight = visible * weight(&weights.instances, at) * weight(&weights.keypoints, index);
        if let Some(label) = labels.get_mut(usize::from(keypoint.kind)) {
            *label = Some(Label { x: keypoint.x, y: keypoint.y, weight });
        }
    }
    let region = match subject {
        Subject::Instance => Some(region(dataset, instance, settings.keypoint_margin)),
        Subject::Auto | Subject::Image => None,
    };
    Example {
        image: instance.image,
        instance: Some(at),
        region,
        labels,
        class: None,
        weight: weight(&weights.images, instance.image),
    }
}

/// Returns the labelled box where it has an area, else that of the keypoints with a margin.
fn region(dataset: &Dataset, instance: &Instance, margin: f64) -> BBox {
    if let Some(bbox) = instance.bbox.filter(|bbox| bbox.width > 0.0 && bbox.height > 0.0) {
        return bbox;
    }
    let points = dataset.keypoints_of(instance);
    let axis = |of: fn(&crate::dataset::Keypoint) -> f64| {
        let values = points.iter().map(of);
        [values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max)]
    };
    let ([left, right], [top, bottom]) = (axis(|point| point.x), axis(|point| point.y));
    let around = margin * (right - left).max(bottom - top);
    let side = |low: f64, high: f64| (high - low + 2.0 * around).max(LEAST_SIDE_PX);
    let (width, height) = (side(left, right), side(top, bottom));
    let corner = |low: f64, high: f64, side: f64| (low + high - side) / 2.0;
    BBox { x: corner(left, right, width), y: corner(top, bottom, height), width, height }
}

/// Returns the examples of a classification: one per image that has a class.
///
/// # Errors
/// [`ExampleError::None`] when no image has one.
pub fn class_examples(
    dataset: &Dataset,
    images: &[u32],
    weights: &LabelWeights,
) -> Result<Vec<Example>, ExampleError> {
    let mut images = images.to_vec();
    images.sort_unstable();
    images.dedup();
    let examples: Vec<Example> = images
        .iter()
        .filter_map(|&image| {
            let class = dataset.images.get(image as usize)?.class?;
            Some(Example {
                image,
                instance: None,
                region: None,
                labels: Vec::new(),
                class: Some(class),
                weight: weight(&weights.images, image),
            })
        })
        .collect();
    if examples.is_empty() {
        return Err(ExampleError::None { images: images.len(), what: "a class" });
    }
    Ok(examples)
}

fn weight(weights: &BTreeMap<u32, f32>, at: u32) -> f32 {
    weights.get(&at).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Image, InstanceName, Keypoint, Skeleton};

    fn instance(image: u32, first: u32, len: u16) -> Instance {
        Instance {
            image,
            name: InstanceName::Ordinal(first),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first,
            len,
            location: None,
            crowd: false,
        }
    }

    fn point(kind: u16, x: f64, y: f64, visibility: Visibility) -> Keypoint {
        Keypoint { kind, column: 0, visibility, x, y }
    }

    fn dataset() -> Dataset {
        let names = ["nose", "tail", "ear"].map(str::to_owned).to_vec();
        Dataset {
            images: ["a", "b", "c"]
                .map(|path| Image { path: path.into(), class: Some(1), ..Image::default() })
                .to_vec(),
            skeletons: vec![Skeleton { keypoints: names, ..Skeleton::default() }],
            instances: vec![instance(0, 0, 2), instance(2, 2, 1)],
            keypoints: vec![
                point(0, 10.0, 20.0, Visibility::Visible),
                point(2, 50.0, 40.0, Visibility::Occluded),
                point(1, 5.0, 5.0, Visibility::Visible),
            ],
            ..Dataset::default()
        }
    }

    #[test]
    fn one_animal_an_image_is_one_example_with_its_weights() {
        let mut weights = LabelWeights::default();
        weights.images.insert(0, 0.5);
        weights.keypoints.insert(1, 3.0);
        let settings =
            PoseExamples { occluded_weight: 0.25, weights: &weights, ..Default::default() };
        let examples = pose_examples(&dataset(), &[2, 0, 0, 1], &settings).unwrap();
        assert_eq!(examples.iter().map(|example| example.image).collect::<Vec<_>>(), [0, 2]);
        let first = &examples[0];
        assert_eq!((first.weight, first.region, first.labels[1]), (0.5, None, None));
        assert_eq!(first.labels[2], Some(Label { x: 50.0, y: 40.0, weight: 0.75 }));
    }

    #[test]
    fn several_animals_become_regions() {
        let mut dataset = dataset();
        dataset.instances[1].image = 0;
        let examples = pose_examples(&dataset, &[0], &PoseExamples::default()).unwrap();
        let region = examples[0].region.unwrap();
        assert_eq!(region, BBox { x: 0.0, y: 10.0, width: 60.0, height: 40.0 });
        let alone = examples[1].region.unwrap();
        assert_eq!(alone, BBox { x: -3.0, y: -3.0, width: 16.0, height: 16.0 });
        let whole = PoseExamples { subject: Subject::Image, ..Default::default() };
        let error = pose_examples(&dataset, &[0], &whole).unwrap_err();
        assert_eq!(error, ExampleError::Several { image: "a".into(), instances: 2 });
        let none = pose_examples(&dataset, &[1], &PoseExamples::default()).unwrap_err();
        assert_eq!(none.to_string(), "none of the 1 images is labelled with keypoints");
    }

    #[test]
    fn classes_of_images_are_examples() {
        let examples = class_examples(&dataset(), &[1, 2], &LabelWeights::default()).unwrap();
        assert_eq!(examples.iter().map(|example| example.class).collect::<Vec<_>>(), [Some(1); 2]);
    }
}
