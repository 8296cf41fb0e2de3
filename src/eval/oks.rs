//! Object keypoint similarity: how near a predicted animal is to a labelled one, on a
//! scale that grows with the animal.
//!
//! ```text
//! OKS = mean over labelled keypoints of exp(−d² / (2 A (2σ)²))
//! ```
//!
//! d is the distance in pixels, A the area of the animal in square pixels, σ how far
//! people's own labels of that keypoint scatter, as a share of √A. 1 is perfect.
//!
//! # Source
//! COCO's keypoint evaluation (cocodataset.org, "Keypoint evaluation") as `COCOeval` of
//! pycocotools 2.0 computes it.

use crate::dataset::{Dataset, Instance, Skeleton};

/// Keypoints of COCO's persons and ten times their σ, as COCO writes them.
const COCO_PERSON: [(&str, f64); 17] = [
    ("nose", 0.26),
    ("left_eye", 0.25),
    ("right_eye", 0.25),
    ("left_ear", 0.35),
    ("right_ear", 0.35),
    ("left_shoulder", 0.79),
    ("right_shoulder", 0.79),
    ("left_elbow", 0.72),
    ("right_elbow", 0.72),
    ("left_wrist", 0.62),
    ("right_wrist", 0.62),
    ("left_hip", 1.07),
    ("right_hip", 1.07),
    ("left_knee", 0.87),
    ("right_knee", 0.87),
    ("left_ankle", 0.89),
    ("right_ankle", 0.89),
];

/// σ of every keypoint that COCO does not know, as in DeepLabCut 3.0.
pub const DEFAULT_SIGMA: f64 = 0.1;

/// Returns the σ of each keypoint: COCO's own for its persons of 17 keypoints, else `other`.
pub fn sigmas(skeleton: &Skeleton, other: f64) -> Vec<f64> {
    let names = &skeleton.keypoints;
    let person = names.len() == COCO_PERSON.len()
        && names.iter().zip(COCO_PERSON).all(|(name, (own, _))| name == own);
    match person {
        true => COCO_PERSON.iter().map(|(_, tenfold)| tenfold / 10.0).collect(),
        false => vec![other; names.len()],
    }
}

/// A labelled animal as OKS looks at it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Truth {
    /// Place of each keypoint, `None` where it is not labelled.
    pub(super) points: Vec<Option<[f64; 2]>>,
    /// Left, top, width, height; zeros where there is no box.
    pub(super) bbox: [f64; 4],
    /// A, square pixels.
    pub(super) area: f64,
    /// Whether it stands for a group.
    pub(super) crowd: bool,
}

impl Truth {
    /// Describes an instance of a skeleton with so many keypoints. Its area is what the
    /// label file states, else that of the box around its labelled keypoints, as
    /// DeepLabCut has it.
    pub(super) fn new(dataset: &Dataset, instance: &Instance, keypoints: usize) -> Truth {
        let mut points = vec![None; keypoints];
        for point in dataset.keypoints_of(instance) {
            if let Some(place) = points.get_mut(usize::from(point.kind)) {
                *place = Some([point.x, point.y]);
            }
        }
        let area = instance.area.unwrap_or_else(|| box_area(points.iter().flatten().copied()));
        let bbox = instance.bbox.map_or([0.0; 4], |b| [b.x, b.y, b.width, b.height]);
        Truth { points, bbox, area, crowd: instance.crowd }
    }

    /// Returns the number of labelled keypoints.
    pub(super) fn labelled(&self) -> usize {
        self.points.iter().flatten().count()
    }

    /// Returns the similarity of a predicted animal, 0 to 1.
    ///
    /// For an animal without labelled keypoints, d is the distance to its box, grown by
    /// its size on each side: predictions that fall on it are then no mistakes.
    pub(super) fn oks(&self, places: &[[f64; 2]], sigmas: &[f64]) -> f64 {
        let labelled = self.labelled();
        let [x, y, width, height] = self.bbox;
        let outside = |v: f64, start: f64, length: f64| {
            (start - length - v).max(0.0) + (v - (start + 2.0 * length)).max(0.0)
        };
        let mut sum = 0.0;
        for ((point, place), sigma) in self.points.iter().zip(places).zip(sigmas) {
            let [dx, dy] = match point {
                Some(label) => [place[0] - label[0], place[1] - label[1]],
                None if labelled == 0 => {
                    [outside(place[0], x, width), outside(place[1], y, height)]
                }
                None => continue,
            };
            let variance = (2.0 * sigma).powi(2);
            sum += (-(dx * dx + dy * dy) / variance / (self.area + f64::EPSILON) / 2.0).exp();
        }
        let count = if labelled == 0 { self.points.len() } else { labelled };
        if count == 0 { 0.0 } else { sum / count as f64 }
    }
}

/// Returns the area of the box around places, 0 of none.
pub(super) fn box_area(places: impl Iterator<Item = [f64; 2]>) -> f64 {
    let none = [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]];
    let [low, high] = places.fold(none, |[low, high], [x, y]| {
        [[low[0].min(x), low[1].min(y)], [high[0].max(x), high[1].max(y)]]
    });
    (high[0] - low[0]).max(0.0) * (high[1] - low[1]).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_falls_with_the_distance_in_units_of_the_animal() {
        let truth = Truth {
            points: vec![Some([0.0, 0.0]), None],
            bbox: [0.0; 4],
            area: 100.0,
            crowd: false,
        };
        let at = |x: f64| truth.oks(&[[x, 0.0], [99.0, 99.0]], &[0.1, 0.1]);
        assert_eq!(at(0.0), 1.0);
        // d = 2σ√A = 2 px: exp(-1/2).
        assert!((at(2.0) - (-0.5_f64).exp()).abs() < 1e-12);
        assert!(at(50.0) < 1e-12);
    }

    #[test]
    fn an_animal_without_keypoints_is_as_near_as_its_grown_box() {
        let truth =
            Truth { points: vec![None], bbox: [10.0, 10.0, 10.0, 10.0], area: 100.0, crowd: false };
        assert_eq!(truth.oks(&[[0.0, 30.0]], &[0.1]), 1.0);
        assert!(truth.oks(&[[-5.0, 30.0]], &[0.1]) < 0.1);
    }

    #[test]
    fn only_cocos_persons_have_cocos_scatters() {
        let names = COCO_PERSON.map(|(name, _)| name.to_string()).to_vec();
        let person = Skeleton { keypoints: names, ..Skeleton::default() };
        assert_eq!(sigmas(&person, 0.1)[..2], [0.26 / 10.0, 0.25 / 10.0]);
        assert_eq!(sigmas(&person, 0.1)[11], 1.07 / 10.0);
        let mouse = Skeleton { keypoints: vec!["nose".into()], ..Skeleton::default() };
        assert_eq!(sigmas(&mouse, 0.1), [0.1]);
    }
}
