//! Which prediction stands for which labelled animal.
//!
//! Takes labels and predictions, gives one prediction, or none, for each instance. A
//! prediction that was made for an instance keeps it. The others of an image go to its
//! remaining instances, the nearest pair first, by the mean distance over the keypoints
//! that both have; so that one animal and one prediction always belong together.

use super::{Dataset, Instance, Predictions};

/// Returns for each of [`Dataset::instances`] the index of its row in the predictions.
/// Needs [`Dataset::sort`].
pub fn assign(dataset: &Dataset, predictions: &Predictions) -> Vec<Option<usize>> {
    let mut chosen: Vec<Option<usize>> = vec![None; dataset.instances.len()];
    let mut free: Vec<bool> = vec![true; predictions.poses.len()];
    for (at, row) in predictions.poses.iter().enumerate() {
        let Some(instance) = row.instance else { continue };
        free[at] = false;
        let of_image =
            dataset.instances.get(instance as usize).is_some_and(|i| i.image == row.image);
        if of_image {
            let place = &mut chosen[instance as usize];
            // Of several predictions for one label, the surest counts.
            if place.is_none_or(|other| predictions.poses[other].score < row.score) {
                *place = Some(at);
            }
        }
    }
    let rows = predictions.by_image(dataset.images.len());
    for (instances, rows) in dataset.instances_by_image().into_iter().zip(rows) {
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for instance in instances.filter(|&at| chosen[at].is_none()) {
            for &row in rows.iter().filter(|&&row| free[row]) {
                let known = distance(dataset, &dataset.instances[instance], predictions, row);
                pairs.extend(known.map(|distance| (distance, instance, row)));
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for (_, instance, row) in pairs {
            if chosen[instance].is_none() && free[row] {
                chosen[instance] = Some(row);
                free[row] = false;
            }
        }
    }
    chosen
}

/// Returns the mean distance in pixels between a label and a prediction; `None` where they
/// share no keypoint.
fn distance(
    dataset: &Dataset,
    instance: &Instance,
    predictions: &Predictions,
    row: usize,
) -> Option<f64> {
    let prediction = &predictions.poses[row];
    if instance.skeleton != Some(prediction.skeleton) || instance.crowd {
        return None;
    }
    let (mut sum, mut count) = (0.0, 0);
    for label in dataset.keypoints_of(instance) {
        if let Some(point) = prediction.point(label.kind) {
            sum += (point.x - label.x).hypot(point.y - label.y);
            count += 1;
        }
    }
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{animal, dataset, points};
    use super::*;
    use crate::dataset::PredictedPose;

    fn row(image: u32, instance: Option<u32>, at: [f64; 2], score: f64) -> PredictedPose {
        PredictedPose { image, instance, skeleton: 0, score, points: points(&[at, at]) }
    }

    #[test]
    fn the_nearest_pair_goes_first_and_stated_pairs_stay() {
        let dataset = dataset(&[
            animal(0, &[[0.0, 0.0], [0.0, 0.0]]),
            animal(0, &[[10.0, 0.0], [10.0, 0.0]]),
            animal(1, &[[0.0, 0.0], [0.0, 0.0]]),
        ]);
        let rows = vec![
            row(0, None, [9.0, 0.0], 0.5),
            row(0, None, [8.0, 0.0], 0.9),
            row(1, Some(2), [500.0, 0.0], 0.1),
            row(1, None, [0.0, 0.0], 0.9),
        ];
        let found = assign(&dataset, &Predictions::from(rows));
        assert_eq!(found, [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn another_image_or_skeleton_is_no_match() {
        let dataset = dataset(&[animal(0, &[[0.0, 0.0], [1.0, 0.0]])]);
        let mut other = row(0, None, [0.0, 0.0], 1.0);
        other.skeleton = 1;
        let rows = vec![other, row(1, None, [0.0, 0.0], 1.0), row(1, Some(0), [0.0, 0.0], 1.0)];
        assert_eq!(assign(&dataset, &Predictions::from(rows)), [None]);
    }
}
