//! Everything that is measured of one part of a dataset, such as its test images: the
//! content of `metrics.json`. `docs/evaluation.md` has each formula.

use std::collections::BTreeMap;

use serde::Serialize;

use super::coco::oks_summary;
use super::errors::share;
use super::{
    Baseline, Errors, Evaluation, OksSummary, PartEvaluation, Samples, Settings, Subset, samples,
};
use crate::dataset::{Dataset, Predictions, Skeleton, assign};
use crate::stats::robust::quantile;

/// Quantiles of likelihoods that are written, with their names.
const QUANTILES: [(&str, f64); 5] =
    [("0.05", 0.05), ("0.25", 0.25), ("0.5", 0.5), ("0.75", 0.75), ("0.95", 0.95)];

/// The numbers of one part. Shares are 0 to 1; `None` where there is nothing to measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// Images that were looked at.
    pub n_images: usize,
    /// Labelled animals with keypoints.
    pub n_instances: usize,
    /// Body length in pixels, see [`Dataset::body_length`].
    pub body_length_px: Option<f64>,
    /// Likelihood from which on a prediction is trusted.
    pub pcutoff: f64,
    /// Over all labelled points.
    #[serde(flatten)]
    pub all: Errors,
    /// Over the labelled points whose prediction has the likelihood of the cut-off or more.
    pub with_pcutoff: Errors,
    /// Quantiles of the likelihood at labelled points, nearest rank.
    pub likelihood_quantiles: BTreeMap<&'static str, f64>,
    /// Predictions for keypoints that are not labelled on labelled animals.
    pub unlabelled: Unlabelled,
    /// Average precision and recall by object keypoint similarity.
    #[serde(flatten)]
    pub oks: OksSummary,
    /// Over all pairs: see [`PairOrder::right_order`].
    pub left_right_order: Option<f64>,
    /// Left-right pairs of the skeletons.
    pub left_right_pairs: Vec<PairOrder>,
    /// By keypoint; by `skeleton/keypoint` where there are several skeletons.
    pub per_keypoint: BTreeMap<String, Errors>,
    /// By video.
    pub per_video: BTreeMap<String, Errors>,
    /// What needs no model, on the same points.
    pub baselines: BTreeMap<&'static str, Errors>,
}

/// What a model says of keypoints that nobody labelled: they are mostly hidden, so that
/// their likelihood should be low.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Unlabelled {
    /// Number of such predictions.
    pub n_points: usize,
    /// Their median likelihood.
    pub likelihood_median: Option<f64>,
    /// Share of them at or above the cut-off.
    pub likelihood_above_pcutoff: Option<f64>,
}

/// Whether a left and a right keypoint are told apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairOrder {
    /// Name of the left keypoint.
    pub left: String,
    /// Name of the right keypoint.
    pub right: String,
    /// Labelled animals that have both, and predictions of both.
    pub n_instances: usize,
    /// Share of them in which the two predictions lie nearer to their own labels than to
    /// those of the other side, by the sum of both distances.
    pub right_order: Option<f64>,
}

/// Measures predictions on parts of a dataset, and baselines on the same points. Needs
/// [`Dataset::sort`].
pub fn evaluate(
    dataset: &Dataset,
    predictions: &Predictions,
    subsets: &[Subset],
    baselines: &[Baseline],
    settings: &Settings,
) -> Evaluation {
    let body = dataset.body_length();
    let assigned = assign(dataset, predictions);
    let parts = (subsets.iter())
        .map(|subset| {
            let samples = samples(dataset, predictions, &assigned, &subset.images);
            let mut metrics = measure(dataset, &samples, body, settings);
            metrics.n_images = subset.images.len();
            metrics.oks = oks_summary(dataset, predictions, &subset.images, settings.sigma);
            for baseline in baselines {
                let found = self::samples(
                    dataset,
                    &baseline.predictions,
                    &assign(dataset, &baseline.predictions),
                    &subset.images,
                );
                let errors = Errors::new(found.labelled.iter(), body, settings.pcutoff);
                // Baselines predict nothing for the images that they learnt from.
                if errors.n_missing < errors.n_points {
                    metrics.baselines.insert(baseline.name, errors);
                }
            }
            PartEvaluation { name: subset.name.clone(), metrics, samples }
        })
        .collect();
    Evaluation { parts, assigned }
}

/// Measures compared points.
fn measure(
    dataset: &Dataset,
    samples: &Samples,
    body: Option<f64>,
    settings: &Settings,
) -> Metrics {
    let labelled = &samples.labelled;
    let cut = settings.pcutoff;
    let trusted = labelled.iter().filter(|sample| sample.likelihood >= cut);
    let mut likelihoods: Vec<f64> =
        labelled.iter().map(|sample| sample.likelihood).filter(|l| l.is_finite()).collect();
    let quantiles = QUANTILES.map(|(name, at)| Some((name, quantile(&mut likelihoods, at)?)));
    let mut unlabelled = samples.unlabelled.clone();
    let pairs = pair_orders(dataset, samples);
    let asked: usize = pairs.iter().map(|pair| pair.n_instances).sum();
    let right: f64 =
        pairs.iter().map(|p| p.right_order.unwrap_or(0.0) * p.n_instances as f64).sum();
    let mut instances: Vec<u32> = labelled.iter().map(|sample| sample.instance).collect();
    instances.dedup();
    let errors = |test: &dyn Fn(&super::Sample) -> bool| {
        Errors::new(labelled.iter().filter(|sample| test(sample)), body, cut)
    };
    let keypoints = dataset.skeletons.iter().enumerate().flat_map(|(at, skeleton)| {
        let names = skeleton.keypoints.iter().enumerate();
        names.map(move |(kind, name)| (at as u16, kind as u16, keypoint_name(dataset, at, name)))
    });
    Metrics {
        n_instances: instances.len(),
        body_length_px: body,
        pcutoff: cut,
        all: Errors::new(labelled.iter(), body, cut),
        with_pcutoff: Errors::new(trusted, body, cut),
        likelihood_quantiles: quantiles.into_iter().flatten().collect(),
        unlabelled: Unlabelled {
            n_points: unlabelled.len(),
            likelihood_above_pcutoff: share(&unlabelled, |likelihood| likelihood >= cut),
            likelihood_median: crate::stats::robust::median(&mut unlabelled),
        },
        left_right_order: (asked > 0).then(|| right / asked as f64),
        left_right_pairs: pairs,
        per_keypoint: keypoints
            .map(|(at, kind, name)| (name, errors(&|s| s.skeleton == at && s.kind == kind)))
            .filter(|(_, errors)| errors.n_points > 0)
            .collect(),
        per_video: (dataset.videos.iter().enumerate())
            .map(|(at, name)| {
                let of_video =
                    |s: &super::Sample| dataset.images[s.image as usize].video == Some(at as u32);
                (name.clone(), errors(&of_video))
            })
            .filter(|(_, errors)| errors.n_points > 0)
            .collect(),
        ..Metrics::default()
    }
}

/// Returns the name that outputs give a keypoint: with its skeleton's, where there are
/// several.
pub fn keypoint_name(dataset: &Dataset, skeleton: usize, keypoint: &str) -> String {
    let Skeleton { name, .. } = &dataset.skeletons[skeleton];
    match dataset.skeletons.len() {
        0 | 1 => keypoint.into(),
        _ if name.is_empty() => format!("{skeleton}/{keypoint}"),
        _ => format!("{name}/{keypoint}"),
    }
}

/// Returns whether left and right are told apart, for each pair with labels.
fn pair_orders(dataset: &Dataset, samples: &Samples) -> Vec<PairOrder> {
    let animals: Vec<&[super::Sample]> =
        samples.labelled.chunk_by(|a, b| a.instance == b.instance).collect();
    let mut orders = Vec::new();
    for (at, skeleton) in dataset.skeletons.iter().enumerate() {
        for &[left, right] in &skeleton.pairs {
            let (mut both, mut ordered) = (0, 0);
            for animal in animals.iter().filter(|a| usize::from(a[0].skeleton) == at) {
                let place = |kind: u16| {
                    let sample = animal.iter().find(|sample| sample.kind == kind)?;
                    let instance = &dataset.instances[sample.instance as usize];
                    let label = dataset.keypoint(instance, kind)?;
                    let [dx, dy] = sample.offset?;
                    Some([[label.x, label.y], [label.x + dx, label.y + dy]])
                };
                let (Some([l, l_found]), Some([r, r_found])) = (place(left), place(right)) else {
                    continue;
                };
                let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
                both += 1;
                let own = distance(l, l_found) + distance(r, r_found);
                ordered += usize::from(own < distance(l, r_found) + distance(r, l_found));
            }
            if both > 0 {
                let name =
                    |kind: u16| keypoint_name(dataset, at, &skeleton.keypoints[usize::from(kind)]);
                orders.push(PairOrder {
                    left: name(left),
                    right: name(right),
                    n_instances: both,
                    right_order: Some(ordered as f64 / both as f64),
                });
            }
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::PredictedPose;
    use crate::dataset::testing::{animal, dataset, points};

    #[test]
    fn swapped_sides_and_hidden_points_are_counted() {
        let nan = [f64::NAN; 2];
        let mut dataset = dataset(&[
            animal(0, &[[0.0, 0.0], [10.0, 0.0], [5.0, 5.0]]),
            animal(1, &[[0.0, 0.0], [10.0, 0.0], nan]),
        ]);
        dataset.skeletons[0].pairs = vec![[0, 1]];
        let row = |image, places: &[[f64; 2]]| PredictedPose {
            image,
            instance: None,
            skeleton: 0,
            score: 1.0,
            points: points(places),
        };
        let rows = vec![
            row(0, &[[1.0, 0.0], [9.0, 0.0], nan]),
            row(1, &[[9.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
        ];
        let subset = Subset { name: "test".into(), images: vec![0, 1] };
        let evaluation =
            evaluate(&dataset, &Predictions::from(rows), &[subset], &[], &Settings::default());
        let metrics = &evaluation.parts[0].metrics;
        assert_eq!(metrics.left_right_order, Some(0.5));
        assert_eq!((metrics.n_images, metrics.n_instances), (2, 2));
        assert_eq!((metrics.all.n_points, metrics.all.n_missing), (5, 1));
        assert_eq!(metrics.unlabelled.n_points, 1);
        assert_eq!(metrics.unlabelled.likelihood_above_pcutoff, Some(1.0));
        assert_eq!(metrics.per_keypoint["k2"].n_missing, 1);
        assert_eq!(metrics.per_video["a"].n_points, 5);
        // The two labelled animals span 10 px each.
        assert_eq!(metrics.body_length_px, Some(10.0));
        let json = serde_json::to_value(metrics).unwrap();
        for key in ["n_points", "error_px_mean", "error_bl_median", "bias_px", "oks_map"] {
            assert!(!json[key].is_null(), "{key}: {json}");
        }
    }
}
