//! Labels beside predictions, point by point: what every number and plot is made of.

use crate::dataset::{Dataset, Predictions};

/// A labelled keypoint and what was predicted for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Index into [`Dataset::images`].
    pub image: u32,
    /// Index into [`Dataset::instances`].
    pub instance: u32,
    /// Index into [`Dataset::skeletons`].
    pub skeleton: u16,
    /// Index into the skeleton's keypoints.
    pub kind: u16,
    /// Predicted less labelled place, pixels; `None` where nothing was predicted.
    pub offset: Option<[f64; 2]>,
    /// Likelihood of the prediction; NaN where there is none.
    pub likelihood: f64,
}

impl Sample {
    /// Returns the distance between prediction and label in pixels.
    pub fn error(&self) -> Option<f64> {
        self.offset.map(|[dx, dy]| dx.hypot(dy))
    }
}

/// Everything that is compared on some images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Labelled keypoints, by image, instance and keypoint.
    pub labelled: Vec<Sample>,
    /// Likelihoods of predictions for keypoints that are not labelled on labelled animals:
    /// hidden ones, which a good model is unsure of.
    pub unlabelled: Vec<f64>,
}

/// Compares labels with predictions on some images. `assigned` is [`crate::dataset::assign`]'s;
/// groups and instances without keypoints are left out. Needs [`Dataset::sort`].
pub fn samples(
    dataset: &Dataset,
    predictions: &Predictions,
    assigned: &[Option<usize>],
    images: &[u32],
) -> Samples {
    let mut samples = Samples::default();
    let ranges = dataset.instances_by_image();
    for &image in images {
        for at in ranges[image as usize].clone() {
            let instance = &dataset.instances[at];
            let (Some(kind_of), false) = (instance.skeleton, instance.crowd || instance.len == 0)
            else {
                continue;
            };
            let row = assigned[at].map(|row| &predictions.poses[row]);
            let count = dataset.skeletons[usize::from(kind_of)].keypoints.len() as u16;
            for kind in 0..count {
                let point = row.and_then(|row| row.point(kind));
                let likelihood = point.map_or(f64::NAN, |point| point.likelihood);
                let Some(label) = dataset.keypoint(instance, kind) else {
                    let known = point.map(|point| point.likelihood).filter(|l| l.is_finite());
                    samples.unlabelled.extend(known);
                    continue;
                };
                samples.labelled.push(Sample {
                    image,
                    instance: at as u32,
                    skeleton: kind_of,
                    kind,
                    offset: point.map(|point| [point.x - label.x, point.y - label.y]),
                    likelihood,
                });
            }
        }
    }
    samples
}
