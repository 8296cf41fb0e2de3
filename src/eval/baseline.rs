//! What any model must beat, for it needs none: the mean place of each keypoint, and, for
//! one animal darker or lighter than its surroundings, the middle of the greatest such
//! spot with each keypoint at its mean offset.
//!
//! Takes the labels of the training images and pictures from the caller; gives predictions
//! for the labelled animals of all images.

use super::Subset;
use crate::dataset::{Dataset, Instance, PredictedPoint, PredictedPose, Predictions};

/// Training pictures by which the grey level is chosen, evenly spread.
const TUNED_ON: usize = 20;
/// Grey levels that are tried lie this far apart.
const LEVEL_STEP: usize = 8;
/// A spot smaller than this share of a picture is a speck.
const SMALLEST_SPOT: f64 = 1e-4;

/// A baseline's predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// `mean_position` or `blob`.
    pub name: &'static str,
    /// One row per labelled animal.
    pub predictions: Predictions,
}

/// The brightness of a picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plane {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Brightness, 0 to 255, row by row.
    pub samples: Vec<u8>,
}

/// Makes the baselines of a training part for the images of others. `picture` gives the
/// brightness of an image, `None` where it cannot be had; it is asked only where every
/// image has one animal at most. Needs [`Dataset::sort`].
pub fn baselines(
    dataset: &Dataset,
    train: &Subset,
    others: &[Subset],
    picture: &dyn Fn(u32) -> Option<Plane>,
) -> Vec<Baseline> {
    let mut wanted: Vec<u32> = others.iter().flat_map(|subset| subset.images.clone()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let animals = Animals::new(dataset);
    let mean = animals.mean(&train.images, |_| Some([0.0; 2]));
    let mut found = vec![Baseline {
        name: "mean_position",
        predictions: animals.predict(&wanted, &mean, |_| Some([0.0; 2])),
    }];
    let alone = animals.by_image.iter().all(|range| {
        let labelled = dataset.instances[range.clone()].iter().filter(|i| i.len > 0);
        labelled.count() <= 1
    });
    if alone && let Some(spot) = animals.tune(&train.images, picture) {
        let middle = |image: u32| spot.middle(&picture(image)?);
        let tuned = spread(&train.images, TUNED_ON);
        let offsets = animals.mean(&tuned, middle);
        let predictions = animals.predict(&wanted, &offsets, middle);
        found.push(Baseline { name: "blob", predictions });
    }
    found
}

/// Returns at most `most` of the images, evenly spread.
fn spread(images: &[u32], most: usize) -> Vec<u32> {
    let every = images.len().div_ceil(most).max(1);
    images.iter().step_by(every).copied().collect()
}

/// Mean offset of each keypoint from an anchor, by skeleton and keypoint.
type Offsets = Vec<Vec<Option<[f64; 2]>>>;

struct Animals<'a> {
    dataset: &'a Dataset,
    by_image: Vec<std::ops::Range<usize>>,
}

impl<'a> Animals<'a> {
    fn new(dataset: &'a Dataset) -> Animals<'a> {
        Animals { dataset, by_image: dataset.instances_by_image() }
    }

    /// Returns the labelled animals of an image with their indices.
    fn of(&self, image: u32) -> impl Iterator<Item = (usize, &'a Instance)> {
        let range = self.by_image[image as usize].clone();
        range.map(|at| (at, &self.dataset.instances[at])).filter(|(_, i)| i.len > 0 && !i.crowd)
    }

    /// Returns where keypoints lie from an anchor in each image, on average.
    fn mean(&self, images: &[u32], anchor: impl Fn(u32) -> Option<[f64; 2]>) -> Offsets {
        let skeletons = &self.dataset.skeletons;
        let mut sums: Vec<Vec<[f64; 3]>> =
            skeletons.iter().map(|skeleton| vec![[0.0; 3]; skeleton.keypoints.len()]).collect();
        for &image in images {
            let Some([x, y]) = anchor(image) else { continue };
            for (_, instance) in self.of(image) {
                let Some(skeleton) = instance.skeleton else { continue };
                for point in self.dataset.keypoints_of(instance) {
                    let sum = &mut sums[usize::from(skeleton)][usize::from(point.kind)];
                    *sum = [sum[0] + point.x - x, sum[1] + point.y - y, sum[2] + 1.0];
                }
            }
        }
        let mean = |[x, y, n]: [f64; 3]| (n > 0.0).then(|| [x / n, y / n]);
        sums.into_iter().map(|sums| sums.into_iter().map(mean).collect()).collect()
    }

    /// Puts each keypoint at its mean offset from the anchor of its image.
    fn predict(
        &self,
        images: &[u32],
        offsets: &Offsets,
        anchor: impl Fn(u32) -> Option<[f64; 2]>,
    ) -> Predictions {
        let mut rows = Vec::new();
        for &image in images {
            let Some([x, y]) = anchor(image) else { continue };
            for (at, instance) in self.of(image) {
                let Some(skeleton) = instance.skeleton else { continue };
                let point = |offset: &Option<[f64; 2]>| match offset {
                    Some([dx, dy]) => PredictedPoint { x: x + dx, y: y + dy, likelihood: 1.0 },
                    None => PredictedPoint::MISSING,
                };
                let points = offsets[usize::from(skeleton)].iter().map(point).collect();
                let instance = Some(at as u32);
                rows.push(PredictedPose { image, instance, skeleton, score: 1.0, points });
            }
        }
        Predictions::from(rows)
    }

    /// Chooses how a spot is told from its surroundings: what puts the keypoints of some
    /// training pictures nearest to their labels.
    fn tune(&self, train: &[u32], picture: &dyn Fn(u32) -> Option<Plane>) -> Option<Spot> {
        let seen: Vec<(u32, Plane)> = (spread(train, TUNED_ON).into_iter())
            .filter_map(|image| Some((image, picture(image)?)))
            .collect();
        let levels = (LEVEL_STEP..256).step_by(LEVEL_STEP).map(|level| level as u8);
        let spots =
            levels.flat_map(|level| [Shade::Dark, Shade::Light].map(|shade| Spot { shade, level }));
        let mut best: Option<(f64, Spot)> = None;
        for spot in spots {
            let middles: Vec<(u32, Option<[f64; 2]>)> =
                seen.iter().map(|(image, plane)| (*image, spot.middle(plane))).collect();
            // A level that finds no spot in some pictures is no way to find the animal.
            if middles.iter().any(|(_, middle)| middle.is_none()) {
                continue;
            }
            let images: Vec<u32> = middles.iter().map(|(image, _)| *image).collect();
            let middle = |image: u32| middles.iter().find(|(at, _)| *at == image)?.1;
            let offsets = self.mean(&images, middle);
            let error = self.distance(&self.predict(&images, &offsets, middle))?;
            if best.is_none_or(|(least, _)| error < least) {
                best = Some((error, spot));
            }
        }
        best.map(|(_, spot)| spot)
    }

    /// Returns the mean distance between predictions and labels.
    fn distance(&self, predictions: &Predictions) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for row in &predictions.poses {
            let instance = &self.dataset.instances[row.instance? as usize];
            for label in self.dataset.keypoints_of(instance) {
                if let Some(point) = row.point(label.kind) {
                    sum += (point.x - label.x).hypot(point.y - label.y);
                    count += 1;
                }
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    }
}

/// Whether an animal is darker or lighter than its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shade {
    Dark,
    Light,
}

/// What tells a spot from its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    shade: Shade,
    /// Brightness that it does not reach, or passes.
    level: u8,
}

impl Spot {
    /// Returns the middle of the greatest connected spot that does not touch the rim of
    /// the picture (walls do), else of the greatest; `None` where there is none.
    fn middle(self, plane: &Plane) -> Option<[f64; 2]> {
        let Plane { width, height, samples } = plane;
        let (width, height) = (*width, *height);
        let mut inside: Vec<bool> = (samples.iter())
            .map(|&sample| match self.shade {
                Shade::Dark => sample < self.level,
                Shade::Light => sample > self.level,
            })
            .collect();
        let smallest = SMALLEST_SPOT * (width * height) as f64;
        let mut best: Option<(bool, usize, [f64; 2])> = None;
        let mut stack = Vec::new();
        for start in 0..inside.len() {
            if !std::mem::take(&mut inside[start]) {
                continue;
            }
            stack.push(start);
            let (mut count, mut sum, mut free) = (0, [0.0; 2], true);
            while let Some(at) = stack.pop() {
                let (x, y) = (at % width, at / width);
                count += 1;
                sum = [sum[0] + x as f64 + 0.5, sum[1] + y as f64 + 0.5];
                free &= x > 0 && y > 0 && x + 1 < width && y + 1 < height;
                let beside = [
                    (x > 0).then(|| at - 1),
                    (x + 1 < width).then_some(at + 1),
                    (y > 0).then(|| at - width),
                    (y + 1 < height).then_some(at + width),
                ];
                for next in beside.into_iter().flatten() {
                    if std::mem::take(&mut inside[next]) {
                        stack.push(next);
                    }
                }
            }
            let better = best.is_none_or(|(other, most, _)| (other, most) < (free, count));
            if count as f64 >= smallest && better {
                best = Some((free, count, sum.map(|sum| sum / count as f64)));
            }
        }
        best.map(|(_, _, middle)| middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::testing::{animal, dataset};

    /// A light picture with a dark wall at its left and a dark square of 4 × 4 px.
    fn picture(x: usize, y: usize) -> Plane {
        let (width, height) = (40, 30);
        let mut samples = vec![200; width * height];
        for row in 0..height {
            samples[row * width..row * width + 8].fill(20);
        }
        for row in y..y + 4 {
            samples[row * width + x..row * width + x + 4].fill(30);
        }
        Plane { width, height, samples }
    }

    #[test]
    fn the_spot_is_the_animal_and_not_the_wall() {
        let spot = Spot { shade: Shade::Dark, level: 100 };
        assert_eq!(spot.middle(&picture(20, 10)), Some([22.0, 12.0]));
        assert_eq!(Spot { shade: Shade::Dark, level: 10 }.middle(&picture(20, 10)), None);
    }

    #[test]
    fn baselines_are_made_of_training_images() {
        let dataset = dataset(&[
            animal(0, &[[22.0, 12.0], [26.0, 12.0]]),
            animal(1, &[[12.0, 22.0], [16.0, 22.0]]),
        ]);
        let part = |name: &str, images| Subset { name: name.into(), images };
        let pictures =
            |image: u32| Some([picture(20, 10), picture(10, 20)][image as usize].clone());
        let places = |train: Vec<u32>, at: usize| {
            let test = [part("test", vec![1])];
            let found = baselines(&dataset, &part("train", train), &test, &pictures);
            let Baseline { name, predictions } = &found[at];
            let row = &predictions.poses[0];
            assert_eq!((predictions.poses.len(), row.image, row.instance), (1, 1, Some(1)));
            (*name, row.points.iter().map(|p| [p.x, p.y]).collect::<Vec<_>>())
        };
        assert_eq!(places(vec![0], 0), ("mean_position", vec![[22.0, 12.0], [26.0, 12.0]]));
        // One picture cannot tell the animal from anything else that is in it.
        assert_eq!(places(vec![0, 1], 1), ("blob", vec![[12.0, 22.0], [16.0, 22.0]]));
    }
}
