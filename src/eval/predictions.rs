//! What a model predicted: for each animal that it found or was asked about, a place and a
//! likelihood per keypoint. No I/O.

/// Predictions for the images of one dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// One entry per detected animal. Ties in score are broken by this order, as
    /// pycocotools does.
    pub rows: Vec<Prediction>,
}

/// One animal as a model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
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

impl PredictedPoint {
    /// Nothing was predicted.
    pub const MISSING: PredictedPoint =
        PredictedPoint { x: f64::NAN, y: f64::NAN, likelihood: f64::NAN };

    /// Returns the place, if there is one.
    pub fn place(&self) -> Option<[f64; 2]> {
        (self.x.is_finite() && self.y.is_finite()).then_some([self.x, self.y])
    }
}

impl Prediction {
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

impl Predictions {
    /// Returns the rows of each image, as indices, in the order of the rows.
    pub fn by_image(&self, images: usize) -> Vec<Vec<usize>> {
        let mut rows = vec![vec![]; images];
        for (at, row) in self.rows.iter().enumerate() {
            if let Some(of_image) = rows.get_mut(row.image as usize) {
                of_image.push(at);
            }
        }
        rows
    }
}
