//! What is usual among the images that an image was taken with, so that a rule can ask
//! for what stands out and not for what a whole rig looks like.

use std::collections::BTreeMap;

use crate::facts::{Facts, ImageFacts};
use crate::stats::robust::{Robust, robust};

/// Images that a group needs, to say what is usual; as many as a group needs for its
/// findings to be merged.
pub(in crate::audit) const MIN_IMAGES: usize = 20;

/// A measure of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Measured {
    /// The image, by index.
    pub(in crate::audit) image: usize,
    /// Its own value.
    pub(in crate::audit) value: f64,
    /// Location and scatter among the images of its size in its video, or among those
    /// without one; `None` where they are too few to tell. Another size is another camera.
    pub(in crate::audit) usual: Option<Robust>,
}

/// Returns the measure of every image that has one, in the order of the images.
pub(in crate::audit) fn measured(
    facts: &Facts,
    measure: impl Fn(&ImageFacts) -> Option<f64>,
) -> Vec<Measured> {
    let values = || {
        (facts.images.iter().enumerate())
            .filter_map(|(image, known)| Some((image, measure(known)?)))
    };
    let camera = |image: usize| (facts.dataset.images[image].video, facts.images[image].size_px);
    let mut groups: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for (image, value) in values() {
        groups.entry(camera(image)).or_default().push(value);
    }
    let usual: BTreeMap<_, Robust> = (groups.into_iter())
        .filter(|(_, values)| values.len() >= MIN_IMAGES)
        .filter_map(|(camera, mut values)| Some((camera, robust(&mut values)?)))
        .collect();
    values()
        .map(|(image, value)| {
            let usual = usual.get(&camera(image)).copied();
            Measured { image, value, usual }
        })
        .collect()
}

/// Returns the probability that a measure beyond a threshold is a defect: one half at
/// the threshold, where good and bad images mix, and rising with the ratio of the two.
pub(in crate::audit) fn confidence(value: f64, threshold: f64) -> f64 {
    let excess = (value / threshold - 1.0).max(0.0);
    1.0 - 0.5 * (-3.0 * excess).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_a_half_at_the_threshold_and_nearly_one_at_twice_it() {
        assert_eq!(confidence(0.6, 0.6), 0.5);
        assert!(confidence(1.2, 0.6) > 0.97);
    }
}
