//! What a model says of the images of a dataset: poses, boxes, probabilities of classes. No I/O.

use super::BBox;

/// Predictions for the images of one dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// One entry per detected animal. Ties in score are broken by this order, as
    /// pycocotools does.
    pub poses: Vec<PredictedPose>,
    /// One entry per detected object.
    pub boxes: Vec<PredictedBox>,
    /// One entry per image, or labelled box, that was classified.
    pub classes: Vec<PredictedClass>,
}

/// One animal as a model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedPose {
    /// Index into [`crate::dataset::Dataset::images`].
    pub image: u32,
    /// Index into [`crate::dataset::Dataset::instances`] of the label that it was made for;
    /// `None` where the model did not know the labels. [`super::assign`] then finds it.
    pub instance: Option<u32>,
    /// Index into [`crate::dataset::Dataset::skeletons`].
    pub skeleton: u16,
    /// Confidence in the whole animal; only its order matters.
    pub score: f64,
    /// One entry per keypoint of the skeleton.
    pub points: Vec<PredictedPoint>,
}

/// A predicted keypoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedPoint {
    /// Pixels from the left edge of the image ([`crate::dataset`]'s convention); NaN where
    /// nothing was predicted.
    pub x: f64,
    /// Pixels from the top edge of the image; NaN where nothing was predicted.
    pub y: f64,
    /// How sure the model is that the keypoint is there and visible, usually 0 to 1.
    pub likelihood: f64,
}

/// One object as a model sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedBox {
    /// Index into [`crate::dataset::Dataset::images`].
    pub image: u32,
    /// Index into [`crate::dataset::Dataset::classes`].
    pub class: u16,
    /// Where it is, pixels.
    pub bbox: BBox,
    /// Confidence; only its order matters.
    pub score: f64,
}

/// What a model that was not trained on it says of the class of an image or of a labelled box.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedClass {
    /// Index into [`crate::dataset::Dataset::images`].
    pub image: u32,
    /// Index into [`crate::dataset::Dataset::instances`]; `None` for the image as a whole.
    pub instance: Option<u32>,
    /// Probability of each of [`crate::dataset::Dataset::classes`], 0 to 1; they add up to 1.
    pub probabilities: Vec<f64>,
}

impl PredictedPoint {
    /// Nothing was predicted.
    pub const MISSING: PredictedPoint =
        PredictedPoint { x: f64::NAN, y: f64::NAN, likelihood: f64::NAN };

    /// Returns the place, if there is one.
    pub fn place(&self) -> Option<[f64; 2]> {
        (self.x.is_finite() && self.y.is_finite()).then_some([self.x, self.y])
    }
}

impl PredictedPose {
    /// Returns the predicted keypoint of a kind, if it has a place.
    pub fn point(&self, kind: u16) -> Option<&PredictedPoint> {
        self.points.get(usize::from(kind)).filter(|point| point.place().is_some())
    }

    /// Returns the mean likelihood of the points that have a place, 0 without any: the
    /// score of an animal where the model gives none.
    pub fn mean_likelihood(&self) -> f64 {
        let found =
            || self.points.iter().filter(|p| p.place().is_some() && p.likelihood.is_finite());
        found().map(|point| point.likelihood).sum::<f64>() / found().count().max(1) as f64
    }
}

impl From<Vec<PredictedPose>> for Predictions {
    fn from(poses: Vec<PredictedPose>) -> Predictions {
        Predictions { poses, ..Predictions::default() }
    }
}

impl Predictions {
    /// Returns whether nothing was predicted.
    pub fn is_empty(&self) -> bool {
        self.poses.is_empty() && self.boxes.is_empty() && self.classes.is_empty()
    }

    /// Returns the poses of each image, as indices, in their order.
    pub fn by_image(&self, images: usize) -> Vec<Vec<usize>> {
        let mut rows = vec![vec![]; images];
        for (at, row) in self.poses.iter().enumerate() {
            if let Some(of_image) = rows.get_mut(row.image as usize) {
                of_image.push(at);
            }
        }
        rows
    }

    /// Returns the predictions for another dataset. `image` and `instance` tell where an image
    /// or label of this one stands in the other; what stands nowhere is left out, save a pose,
    /// which then belongs to no label.
    #[must_use]
    pub fn carried(
        &self,
        image: impl Fn(u32) -> Option<u32>,
        instance: impl Fn(u32) -> Option<u32>,
    ) -> Predictions {
        Predictions {
            poses: (self.poses.iter())
                .filter_map(|pose| {
                    let own = pose.instance.and_then(&instance);
                    Some(PredictedPose { image: image(pose.image)?, instance: own, ..pose.clone() })
                })
                .collect(),
            boxes: (self.boxes.iter())
                .filter_map(|row| Some(PredictedBox { image: image(row.image)?, ..*row }))
                .collect(),
            classes: (self.classes.iter())
                .filter_map(|row| {
                    let own = match row.instance {
                        Some(at) => Some(instance(at)?),
                        None => None,
                    };
                    Some(PredictedClass { image: image(row.image)?, instance: own, ..row.clone() })
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_over_follows_its_image_and_label() {
        let pose = |image, instance| PredictedPose {
            image,
            instance,
            skeleton: 0,
            score: 1.0,
            points: vec![],
        };
        let bbox = BBox { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };
        let class = |image, instance| PredictedClass { image, instance, probabilities: vec![1.0] };
        let all = Predictions {
            poses: vec![pose(0, Some(0)), pose(1, Some(1)), pose(1, Some(2))],
            boxes: vec![PredictedBox { image: 1, class: 0, bbox, score: 0.5 }],
            classes: vec![class(0, None), class(1, None), class(1, Some(2))],
        };
        // Image 0 goes, and of image 1 the label 2.
        let carried =
            all.carried(|image| image.checked_sub(1), |instance| (instance == 1).then_some(0));
        assert_eq!(carried.poses, [pose(0, Some(0)), pose(0, None)]);
        assert_eq!(carried.boxes[0].image, 0);
        assert_eq!(carried.classes, [class(0, None)]);
        assert!(!carried.is_empty() && Predictions::default().is_empty());
    }
}
