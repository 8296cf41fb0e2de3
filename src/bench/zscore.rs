//! The simplest detector that is worth the name: how far a keypoint lies from its usual place in
//! the body, in robust standard deviations. What a detector has to beat.

use std::collections::BTreeMap;

use crate::dataset::Dataset;
use crate::stats::robust::{Robust, robust};

/// Score from which a value counts as an outlier.
///
/// # Source
/// Iglewicz & Hoaglin (1993), "How to Detect and Handle Outliers", § 3.3: 3.5 for z of median
/// and median absolute deviation.
pub(super) const OUTLIER: f64 = 3.5;

/// Smallest scatter that is believed, pixels: half of one, as exactly as anyone can label.
const LEAST_SD_PX: f64 = 0.5;

/// Returns the greatest `|z|` of each instance: over its keypoints and both axes, of the place
/// less the centroid of the instance's labelled keypoints, against median and scatter
/// (1.4826 · MAD) of that keypoint over the dataset. 0 of an instance without keypoints.
pub(super) fn scores(dataset: &Dataset) -> Vec<f64> {
    let mut groups: BTreeMap<(Option<u16>, u16, usize), Vec<f64>> = BTreeMap::new();
    let places = |at: usize| {
        let instance = &dataset.instances[at];
        let points = dataset.keypoints_of(instance);
        let count = points.len().max(1) as f64;
        let centre = [
            points.iter().map(|point| point.x).sum::<f64>() / count,
            points.iter().map(|point| point.y).sum::<f64>() / count,
        ];
        points.iter().flat_map(move |point| {
            let off = [point.x - centre[0], point.y - centre[1]];
            [0, 1].map(|axis| ((instance.skeleton, point.kind, axis), off[axis]))
        })
    };
    for at in 0..dataset.instances.len() {
        for (key, value) in places(at) {
            groups.entry(key).or_default().push(value);
        }
    }
    let usual: BTreeMap<_, Option<Robust>> =
        groups.into_iter().map(|(key, mut values)| (key, robust(&mut values))).collect();
    (0..dataset.instances.len())
        .map(|at| {
            places(at).fold(0.0, |greatest: f64, (key, value)| {
                let Some(Some(usual)) = usual.get(&key) else { return greatest };
                greatest.max((value - usual.median).abs() / usual.sd.max(LEAST_SD_PX))
            })
        })
        .collect()
}
