//! What a keypoint usually looks like: a measure around it, compared with the same
//! keypoint elsewhere.

use std::collections::BTreeMap;

use crate::facts::{Facts, LocalFacts};
use crate::stats::robust;

/// A measure around one labelled keypoint, against what is usual for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Look {
    /// Index into the dataset's instances.
    pub(in crate::audit) instance: u32,
    /// Index into [`Dataset::keypoints`](crate::dataset::Dataset::keypoints).
    pub(in crate::audit) point: usize,
    /// Natural logarithm of the ratio to the usual.
    pub(in crate::audit) log_ratio: f64,
    /// Scatter of that logarithm for this keypoint; positive.
    pub(in crate::audit) sd: f64,
}

/// Compares a positive measure of every labelled keypoint with its median over the same
/// keypoint of the same video. Keypoints with fewer than `min_points` have no look.
pub(in crate::audit) fn looks(
    facts: &Facts,
    min_points: usize,
    measure: impl Fn(&LocalFacts, usize) -> Option<f64>,
) -> Vec<Look> {
    let dataset = &facts.dataset;
    let mut groups: BTreeMap<Kind, Vec<(u32, usize, f64)>> = BTreeMap::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let image = instance.image as usize;
        let video = dataset.images[image].video;
        for (offset, point) in dataset.keypoints_of(instance).iter().enumerate() {
            let index = instance.first as usize + offset;
            if let Some(Some(local)) = facts.keypoints.get(index)
                && let Some(value) = measure(local, image).filter(|&value| value > 0.0)
            {
                let key = (video, instance.skeleton, point.kind);
                groups.entry(key).or_default().push((at as u32, index, value.ln()));
            }
        }
    }
    let mut looks = Vec::new();
    for group in groups.into_values().filter(|group| group.len() >= min_points) {
        let mut logs: Vec<f64> = group.iter().map(|&(_, _, log)| log).collect();
        let Some(centre) = robust::median(&mut logs) else { continue };
        logs.iter_mut().for_each(|log| *log = (*log - centre).abs());
        // The middle of the values and their tails, as for bones.
        let middle = robust::quantile(&mut logs, 0.5).unwrap_or(0.0) / 0.6745;
        let tails = robust::quantile(&mut logs, 0.9).unwrap_or(0.0) / 1.6449;
        let sd = middle.max(tails).max(LEAST_SD);
        looks.extend(group.into_iter().map(|(instance, point, log)| Look {
            instance,
            point,
            log_ratio: log - centre,
            sd,
        }));
    }
    looks
}

/// Video, skeleton and keypoint.
type Kind = (Option<u32>, Option<u16>, u16);

/// No measure around a point is steadier than a tenth of itself.
const LEAST_SD: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::super::samples::{KEYPOINTS, dataset, walk};
    use super::*;

    /// Returns twenty frames whose keypoints all have a contrast of 0.2.
    fn facts() -> Facts {
        let dataset = dataset(&walk(20));
        let local = LocalFacts { blur_px: None, sharpness: 0.0, brightness: 0.5, contrast: 0.2 };
        let keypoints = vec![Some(local); dataset.keypoints.len()];
        Facts { dataset, keypoints, ..Facts::default() }
    }

    fn contrast(local: &LocalFacts, _image: usize) -> Option<f64> {
        Some(f64::from(local.contrast))
    }

    #[test]
    fn one_that_looks_unlike_the_others_stands_out() {
        let mut facts = facts();
        let odd = 7 * KEYPOINTS.len() + 2;
        facts.keypoints[odd].as_mut().expect("measured").contrast = 0.8;
        for look in looks(&facts, 20, contrast) {
            let ratio = if look.point == odd { 4.0_f64.ln() } else { 0.0 };
            assert!((look.log_ratio - ratio).abs() < 1e-6, "{look:?}");
            assert_eq!(look.sd, LEAST_SD);
            assert_eq!(look.instance as usize, look.point / KEYPOINTS.len());
        }
    }

    #[test]
    fn few_of_a_kind_have_no_look() {
        let mut facts = facts();
        assert_eq!(looks(&facts, 20, contrast).len(), facts.keypoints.len());
        // One nose less, and one whose logarithm is none.
        facts.keypoints[0] = None;
        facts.keypoints[1].as_mut().expect("measured").contrast = 0.0;
        assert_eq!(looks(&facts, 20, contrast).len(), facts.keypoints.len() - 2 * 20);
    }
}
