//! Average precision and recall of whole animals, as COCO's keypoint evaluation has them.
//!
//! Predictions of an image take labelled animals in the order of their scores; a match
//! counts where its similarity ([`super::oks`]) reaches a threshold. Precision over
//! recall, made monotonic and read at 101 points of recall, gives AP; the greatest recall
//! gives AR; both are means over the thresholds .50:.05:.95 and over skeletons.
//!
//! # Source
//! `COCOeval` of pycocotools 2.0, `iouType = "keypoints"`, which this follows to the order
//! of ties: 20 predictions per image at most, groups (`iscrowd`) and animals without
//! keypoints neither asked for nor held against a prediction on them.

use serde::Serialize;

use super::oks::{Truth, box_area, sigmas};
use crate::dataset::{Dataset, Predictions};

/// Predictions of one image that count, the surest first.
const MOST_PREDICTIONS: usize = 20;
/// Thresholds of similarity.
const THRESHOLDS: usize = 10;
/// Points of recall at which precision is read.
const RECALLS: usize = 101;
/// Ranges of area in square pixels: all, medium, large.
const AREAS: [[f64; 2]; 3] = [[0.0, 1e10], [1024.0, 9216.0], [9216.0, 1e10]];
/// Place of 0.50 and of 0.75 among the thresholds.
const AT_50: usize = 0;
const AT_75: usize = 5;

/// The ten numbers of COCO's keypoint evaluation, each 0 to 1; `None` where no labelled
/// animal falls into the range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct OksSummary {
    /// Mean average precision.
    #[serde(rename = "oks_map")]
    pub map: Option<f64>,
    /// Average precision at a similarity of 0.5.
    #[serde(rename = "oks_ap50")]
    pub ap50: Option<f64>,
    /// Average precision at a similarity of 0.75.
    #[serde(rename = "oks_ap75")]
    pub ap75: Option<f64>,
    /// Mean average precision on animals of 32² to 96² square pixels.
    #[serde(rename = "oks_map_medium")]
    pub map_medium: Option<f64>,
    /// Mean average precision on larger animals.
    #[serde(rename = "oks_map_large")]
    pub map_large: Option<f64>,
    /// Mean average recall.
    #[serde(rename = "oks_mar")]
    pub mar: Option<f64>,
    /// Recall at a similarity of 0.5.
    #[serde(rename = "oks_ar50")]
    pub ar50: Option<f64>,
    /// Recall at a similarity of 0.75.
    #[serde(rename = "oks_ar75")]
    pub ar75: Option<f64>,
    /// Mean average recall on animals of 32² to 96² square pixels.
    #[serde(rename = "oks_mar_medium")]
    pub mar_medium: Option<f64>,
    /// Mean average recall on larger animals.
    #[serde(rename = "oks_mar_large")]
    pub mar_large: Option<f64>,
}

/// Evaluates predictions on images of a dataset, in the order of their ids where they have
/// ids. `sigma` is that of keypoints which COCO does not know. Needs [`Dataset::sort`].
pub fn oks_summary(
    dataset: &Dataset,
    predictions: &Predictions,
    images: &[u32],
    sigma: f64,
) -> OksSummary {
    let mut images = images.to_vec();
    images.sort_by_key(|&image| (dataset.images[image as usize].id, image));
    let instances = dataset.instances_by_image();
    let rows = predictions.by_image(dataset.images.len());
    let mut curves: Vec<Vec<Curve>> = AREAS.iter().map(|_| vec![]).collect();
    for (kind, skeleton) in dataset.skeletons.iter().enumerate() {
        let kind = kind as u16;
        let sigmas = sigmas(skeleton, sigma);
        let scenes: Vec<Scene> = (images.iter())
            .map(|&image| {
                let mut labels: Vec<_> = (dataset.instances[instances[image as usize].clone()]
                    .iter())
                .filter(|instance| instance.skeleton == Some(kind))
                .collect();
                // The order of the label file, which decides between equal similarities.
                labels.sort_by_key(|instance| instance.location);
                let truths = labels
                    .iter()
                    .map(|i| Truth::new(dataset, i, skeleton.keypoints.len()))
                    .collect();
                let rows = rows[image as usize].iter().map(|&row| &predictions.poses[row]);
                let own = rows.filter(|row| row.skeleton == kind);
                let origin = [dataset.pixel_offset; 2];
                let found = own.map(|row| Detection {
                    score: row.score,
                    // A result in COCO's format holds zeros where nothing was predicted.
                    places: row.points.iter().map(|p| p.place().unwrap_or(origin)).collect(),
                });
                Scene::new(truths, found.collect(), &sigmas)
            })
            .collect();
        for (curves, area) in curves.iter_mut().zip(AREAS) {
            curves.extend(Curve::of(&scenes, area));
        }
    }
    let mean = |area: usize, at: Option<usize>, value: fn(&Curve, usize) -> f64| {
        let thresholds = at.map_or(0..THRESHOLDS, |at| at..at + 1);
        let all = curves[area].iter();
        let values: Vec<f64> =
            all.flat_map(|curve| thresholds.clone().map(move |t| value(curve, t))).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let precision = |curve: &Curve, t: usize| curve.precision[t];
    let recall = |curve: &Curve, t: usize| curve.recall[t];
    OksSummary {
        map: mean(0, None, precision),
        ap50: mean(0, Some(AT_50), precision),
        ap75: mean(0, Some(AT_75), precision),
        map_medium: mean(1, None, precision),
        map_large: mean(2, None, precision),
        mar: mean(0, None, recall),
        ar50: mean(0, Some(AT_50), recall),
        ar75: mean(0, Some(AT_75), recall),
        mar_medium: mean(1, None, recall),
        mar_large: mean(2, None, recall),
    }
}

/// A predicted animal.
struct Detection {
    score: f64,
    places: Vec<[f64; 2]>,
}

/// One image: its labelled animals, its predictions, the surest first, and the similarity
/// of each prediction to each animal, `[predictions][animals]`.
struct Scene {
    truths: Vec<Truth>,
    found: Vec<Detection>,
    similarity: Vec<Vec<f64>>,
}

/// What became of a prediction at one threshold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Right,
    Wrong,
    Ignored,
}

impl Scene {
    fn new(truths: Vec<Truth>, mut found: Vec<Detection>, sigmas: &[f64]) -> Scene {
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MOST_PREDICTIONS);
        let similarity = (found.iter())
            .map(|d| truths.iter().map(|truth| truth.oks(&d.places, sigmas)).collect())
            .collect();
        Scene { truths, found, similarity }
    }

    /// Returns whether each animal is not asked for in a range of areas.
    fn ignored(&self, [low, high]: [f64; 2]) -> Vec<bool> {
        let out = |area: f64| area < low || area > high;
        self.truths.iter().map(|t| t.labelled() == 0 || t.crowd || out(t.area)).collect()
    }

    /// Matches predictions to animals at a threshold.
    fn outcomes(&self, threshold: f64, [low, high]: [f64; 2]) -> Vec<Outcome> {
        let ignored = self.ignored([low, high]);
        // Those asked for come first; an ignored animal is taken only where none fits.
        let mut order: Vec<usize> = (0..self.truths.len()).collect();
        order.sort_by_key(|&at| ignored[at]);
        let mut taken = vec![false; self.truths.len()];
        let mut outcomes = Vec::with_capacity(self.found.len());
        for (detection, similarity) in self.found.iter().zip(&self.similarity) {
            let mut best = threshold.min(1.0 - 1e-10);
            let mut matched: Option<usize> = None;
            for &at in &order {
                if taken[at] && !self.truths[at].crowd {
                    continue;
                }
                if matched.is_some_and(|m| !ignored[m]) && ignored[at] {
                    break;
                }
                // Of equal similarities the last is taken.
                if similarity[at] >= best {
                    best = similarity[at];
                    matched = Some(at);
                }
            }
            outcomes.push(match matched {
                Some(at) => {
                    taken[at] = true;
                    if ignored[at] { Outcome::Ignored } else { Outcome::Right }
                }
                None => {
                    let area = box_area(detection.places.iter().copied());
                    let out = area < low || area > high;
                    if out { Outcome::Ignored } else { Outcome::Wrong }
                }
            });
        }
        outcomes
    }
}

/// Mean precision and greatest recall of one skeleton at each threshold.
struct Curve {
    precision: [f64; THRESHOLDS],
    recall: [f64; THRESHOLDS],
}

impl Curve {
    /// Returns the curve over images; `None` where no animal is asked for.
    fn of(scenes: &[Scene], area: [f64; 2]) -> Option<Curve> {
        let asked: usize = scenes
            .iter()
            .map(|s| s.ignored(area).iter().filter(|ignored| !**ignored).count())
            .sum();
        if asked == 0 {
            return None;
        }
        let scores: Vec<f64> =
            scenes.iter().flat_map(|s| s.found.iter().map(|d| d.score)).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut curve = Curve { precision: [0.0; THRESHOLDS], recall: [0.0; THRESHOLDS] };
        for t in 0..THRESHOLDS {
            let threshold = evenly(0.5, 0.95, THRESHOLDS, t);
            let outcomes: Vec<Outcome> =
                scenes.iter().flat_map(|scene| scene.outcomes(threshold, area)).collect();
            let (mut right, mut wrong) = (0.0, 0.0);
            let mut recalls = Vec::with_capacity(outcomes.len());
            let mut precisions = Vec::with_capacity(outcomes.len());
            for &at in &order {
                match outcomes[at] {
                    Outcome::Right => right += 1.0,
                    Outcome::Wrong => wrong += 1.0,
                    Outcome::Ignored => {}
                }
                recalls.push(right / asked as f64);
                precisions.push(right / (wrong + right + f64::EPSILON));
            }
            for at in (1..precisions.len()).rev() {
                precisions[at - 1] = precisions[at - 1].max(precisions[at]);
            }
            let sum: f64 = (0..RECALLS)
                .map(|r| {
                    let wanted = evenly(0.0, 1.0, RECALLS, r);
                    let at = recalls.partition_point(|recall| *recall < wanted);
                    precisions.get(at).copied().unwrap_or(0.0)
                })
                .sum();
            curve.precision[t] = sum / RECALLS as f64;
            curve.recall[t] = recalls.last().copied().unwrap_or(0.0);
        }
        Some(curve)
    }
}

/// Returns one of `count` evenly spaced values, by the steps of numpy's `linspace`.
fn evenly(first: f64, last: f64, count: usize, at: usize) -> f64 {
    if at + 1 == count { last } else { at as f64 * ((last - first) / (count - 1) as f64) + first }
}
