//! Predictions beside the labels of their images.

use std::collections::HashMap;

use crate::dataset::{
    Dataset, InstanceName, PredictedPoint, PredictedPose, Predictions, Problem, assign,
};

/// What a model says of a dataset, joined to its labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predicted {
    predictions: Predictions,
    /// For each instance of the dataset the index of its pose.
    poses: Vec<Option<usize>>,
    /// What could not be read or matched, by file and row.
    pub problems: Vec<Problem>,
}

impl Predicted {
    /// Joins predictions to labels, poses as [`assign`] does: the one that was made for a label,
    /// else the nearest, each once. Needs [`Dataset::sort`].
    pub fn new(dataset: &Dataset, predictions: Predictions) -> Predicted {
        Predicted { poses: assign(dataset, &predictions), predictions, problems: Vec::new() }
    }

    /// Returns everything that was predicted.
    pub fn predictions(&self) -> &Predictions {
        &self.predictions
    }

    /// Returns the pose that was predicted for a labelled instance, by index into
    /// [`Dataset::instances`].
    pub fn pose(&self, instance: usize) -> Option<&PredictedPose> {
        Some(&self.predictions.poses[(*self.poses.get(instance)?)?])
    }

    /// Returns the keypoint of a kind that was predicted for a labelled instance, whether it is
    /// labelled or not; `None` where it has no place.
    pub fn keypoint(&self, instance: usize, kind: u16) -> Option<&PredictedPoint> {
        self.pose(instance)?.point(kind)
    }

    /// Returns the same predictions beside the labels of another dataset that has images or
    /// labels of this one. `image` tells where an image stands in it; labels are the same where
    /// image and name are.
    #[must_use]
    pub fn carried(
        &self,
        from: &Dataset,
        to: &Dataset,
        image: impl Fn(u32) -> Option<u32>,
    ) -> Predicted {
        let mut places: HashMap<(u32, InstanceName), u32> = HashMap::new();
        for (at, instance) in (0..).zip(&to.instances) {
            places.entry((instance.image, instance.name)).or_insert(at);
        }
        let instance = |at: u32| {
            let instance = from.instances.get(at as usize)?;
            places.get(&(image(instance.image)?, instance.name)).copied()
        };
        Predicted::new(to, self.predictions.carried(&image, instance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::testing::{animal, dataset, points};
    use crate::facts::Facts;

    #[test]
    fn predictions_follow_their_labels_into_a_part() {
        let whole = dataset(&[
            animal(0, &[[1.0, 2.0], [3.0, 4.0]]),
            animal(1, &[[1.0, 2.0], [3.0, 4.0]]),
            animal(1, &[[50.0, 2.0], [60.0, 4.0]]),
        ]);
        let pose = |image, instance, x| PredictedPose {
            image,
            instance,
            skeleton: 0,
            score: 0.9,
            points: points(&[[x, 2.0], [f64::NAN, 4.0]]),
        };
        let poses = vec![pose(0, Some(0), 5.0), pose(1, Some(1), 6.0), pose(1, None, 52.0)];
        let facts = Facts {
            predictions: Some(Predicted::new(&whole, poses.into())),
            images: vec![Default::default(); 2],
            dataset: whole,
            ..Facts::default()
        };
        let x = |facts: &Facts, instance, kind| {
            Some(facts.predictions.as_ref()?.keypoint(instance, kind)?.x)
        };
        assert_eq!([0, 1, 2].map(|at| x(&facts, at, 0)), [Some(5.0), Some(6.0), Some(52.0)]);
        assert_eq!((x(&facts, 0, 1), x(&facts, 0, 2), x(&facts, 9, 0)), (None, None, None));
        let part = facts.only(|image| image == 1);
        assert_eq!([0, 1, 2].map(|at| x(&part, at, 0)), [Some(6.0), Some(52.0), None]);
    }
}
