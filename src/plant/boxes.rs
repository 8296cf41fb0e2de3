//! Known errors put into labelled boxes, in memory. What each kind is: `docs/boxes.md`.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::dataset::{BBox, Dataset};
use crate::stats::random::SplitMix64;

/// Kind of an error in a labelled box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxError {
    /// The label is gone.
    Overlooked,
    /// The box is moved and scaled until its IoU with the right one lies within the limits.
    Displaced {
        /// Least and greatest IoU.
        iou: [f64; 2],
    },
    /// The class is another of those that occur.
    Swapped,
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoxError::Overlooked => f.write_str("overlooked"),
            BoxError::Displaced { iou: [least, most] } => {
                write!(f, "displaced to IoU {least}-{most}")
            }
            BoxError::Swapped => f.write_str("swapped class"),
        }
    }
}

/// A dataset with errors in its boxes.
#[derive(Debug, Clone)]
pub struct PlantedBoxes {
    /// The copy. Of an overlooked box the instance is gone, so that later ones move up.
    pub dataset: Dataset,
    /// The instances of the original that were hit, ascending.
    pub hit: BTreeSet<u32>,
    /// For each instance of the copy, its index in the original.
    pub origin: Vec<u32>,
}

/// Boxes that are moved lie within these distances of their place, in sides, and are scaled by
/// up to this factor, before the IoU decides.
const MOST_SHIFT: f64 = 0.8;
const MOST_SCALE: f64 = 1.8;
/// How often a displacement is drawn again that does not fit.
const TRIES: usize = 2000;

/// Returns the instances that an error can hit: those with a box and a class that are no groups.
pub fn boxes(dataset: &Dataset) -> impl Iterator<Item = u32> {
    (0..).zip(&dataset.instances).filter_map(|(at, instance)| {
        let area = instance.bbox.is_some_and(|bbox| bbox.area() > 0.0);
        (area && instance.class.is_some() && !instance.crowd).then_some(at)
    })
}

/// Plants an error in a share of the boxes, one at least; none where it does not fit, such as a
/// swapped class where there is one alone. Needs [`Dataset::sort`]; the same dataset, error,
/// share and seed give the same copy.
pub fn plant_boxes(dataset: &Dataset, error: BoxError, rate: f64, seed: u64) -> PlantedBoxes {
    let mut random = SplitMix64::named(&format!("plant boxes {error}"), seed);
    let mut order: Vec<u32> = boxes(dataset).collect();
    let wanted = ((rate * order.len() as f64).round() as usize).max(1);
    random.shuffle(&mut order);
    let used: BTreeSet<u16> =
        order.iter().filter_map(|&at| dataset.instances[at as usize].class).collect();
    let mut copy = dataset.clone();
    let mut hit = BTreeSet::new();
    for at in order {
        if hit.len() == wanted {
            break;
        }
        let mut own = random.fork();
        let instance = &mut copy.instances[at as usize];
        let fits = match error {
            BoxError::Overlooked => true,
            BoxError::Displaced { iou } => {
                let moved = instance.bbox.and_then(|bbox| displaced(&bbox, iou, &mut own));
                instance.bbox = moved.or(instance.bbox);
                moved.is_some()
            }
            BoxError::Swapped => {
                let others: Vec<u16> =
                    used.iter().copied().filter(|&class| Some(class) != instance.class).collect();
                if !others.is_empty() {
                    instance.class = Some(others[own.below(others.len() as u64) as usize]);
                }
                !others.is_empty()
            }
        };
        if fits {
            hit.insert(at);
        }
    }
    let gone = |at: &u32| error == BoxError::Overlooked && hit.contains(at);
    let origin: Vec<u32> = (0..dataset.instances.len() as u32).filter(|at| !gone(at)).collect();
    copy.instances = origin.iter().map(|&at| copy.instances[at as usize].clone()).collect();
    PlantedBoxes { dataset: copy, hit, origin }
}

/// Draws a box whose IoU with another lies within limits.
fn displaced(bbox: &BBox, [least, most]: [f64; 2], random: &mut SplitMix64) -> Option<BBox> {
    (0..TRIES).find_map(|_| {
        let mut scale = || (random.uniform(-1.0, 1.0) * MOST_SCALE.ln()).exp();
        let (width, height) = (bbox.width * scale(), bbox.height * scale());
        let mut shift = |side: f64| random.uniform(-MOST_SHIFT, MOST_SHIFT) * side;
        let centre = [
            bbox.x + bbox.width / 2.0 + shift(bbox.width),
            bbox.y + bbox.height / 2.0 + shift(bbox.height),
        ];
        let [x, y] = [centre[0] - width / 2.0, centre[1] - height / 2.0];
        let moved = BBox { x, y, width, height };
        (least..=most).contains(&bbox.iou(&moved)).then_some(moved)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Class;
    use crate::dataset::testing::{animal, dataset};

    fn example(classes: u16) -> Dataset {
        let animals: Vec<_> = (0..40).map(|at| animal(at / 20, &[[0.0, 0.0]])).collect();
        let mut dataset = dataset(&animals);
        dataset.classes = (0..classes).map(|_| Class::default()).collect();
        for (at, instance) in (0..).zip(&mut dataset.instances) {
            instance.class = Some(at % classes);
            let x = 30.0 * f64::from(at);
            instance.bbox = Some(BBox { x, y: 5.0, width: 20.0, height: 10.0 });
        }
        dataset
    }

    #[test]
    fn each_error_does_what_its_name_says_to_so_many_boxes() {
        let before = example(3);
        for error in
            [BoxError::Overlooked, BoxError::Displaced { iou: [0.2, 0.5] }, BoxError::Swapped]
        {
            let planted = plant_boxes(&before, error, 0.1, 7);
            assert_eq!(planted.hit.len(), 4, "{error}");
            assert_eq!(planted.dataset.instances.len(), planted.origin.len());
            for (instance, &origin) in planted.dataset.instances.iter().zip(&planted.origin) {
                let old = &before.instances[origin as usize];
                let (was, is) = (old.bbox.unwrap(), instance.bbox.unwrap());
                if !planted.hit.contains(&origin) {
                    assert_eq!(instance, old);
                } else if error == BoxError::Swapped {
                    assert!(instance.class != old.class && was == is);
                } else {
                    assert!(instance.class == old.class && (0.2..=0.5).contains(&was.iou(&is)));
                }
            }
            let again = plant_boxes(&before, error, 0.1, 7);
            assert_eq!(again.dataset.instances, planted.dataset.instances);
        }
        let gone = plant_boxes(&before, BoxError::Overlooked, 0.1, 7);
        assert_eq!(gone.origin.len(), 36);
    }

    #[test]
    fn one_class_alone_cannot_be_swapped() {
        let planted = plant_boxes(&example(1), BoxError::Swapped, 0.1, 7);
        assert!(planted.hit.is_empty());
    }
}
