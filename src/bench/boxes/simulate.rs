//! Predictions as a detector and a classifier would make them that never saw these images: the
//! truth with misses, inventions, scatter, confusions and scores that know something of these.
//!
//! Every number here was fixed before anything was measured with it; `docs/boxes.md` says why each
//! is what it is.

use crate::dataset::{BBox, Dataset, PredictedBox, PredictedClass, Predictions};
use crate::plant::boxes;
use crate::stats::random::SplitMix64;

/// Log-odds of the score of an object of mean difficulty, what a standard deviation of difficulty
/// takes from it, and its own scatter.
const SCORE: [f64; 3] = [2.2, 1.2, 0.5];
/// Log-odds of a miss of an object of mean difficulty, and what a standard deviation adds.
const MISS: [f64; 2] = [-3.0, 1.2];
/// Log-odds of a wrong class, likewise.
const CONFUSION: [f64; 2] = [-4.0, 1.2];
/// Standard deviation of an object's place and of the logarithm of its sides, in sides, and the
/// logarithm of the factor that a standard deviation of difficulty makes of it.
const SCATTER: [f64; 2] = [0.03, 0.5];
/// Degrees of freedom of the scatter.
const FREEDOM: usize = 4;
/// Share of objects that are found twice, how much less sure the second time, and its scatter.
const TWICE: f64 = 0.03;
const TWICE_LESS: f64 = 1.5;
const TWICE_SCATTER: f64 = 0.1;
/// Mean number of inventions per image; log-odds of their scores, mean and standard deviation.
const INVENTIONS: f64 = 0.3;
const INVENTION_SCORE: [f64; 2] = [-1.0, 1.3];
/// What is less sure is not written.
const LEAST_SCORE: f64 = 0.05;
/// Mean log-odds that a classifier gives the true class over the others, whose scatter is 1, and
/// by how much it is too sure of itself.
const CLASSIFIER: [f64; 2] = [3.0, 1.5];

/// What a simulated detector saw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) predictions: Predictions,
    /// For each predicted box the instance that it is of; `None` of an invention.
    pub(super) of: Vec<Option<u32>>,
}

/// Looks for the objects of a dataset. `sizes_px` has the size of each image, where it is known.
pub(super) fn detect(dataset: &Dataset, sizes_px: &[Option<[u32; 2]>], seed: u64) -> Seen {
    let mut random = SplitMix64::named("simulated detector", seed);
    let mut found: Vec<(PredictedBox, Option<u32>)> = Vec::new();
    let objects: Vec<(u32, u32, u16, BBox)> = boxes(dataset)
        .filter_map(|at| {
            let instance = &dataset.instances[at as usize];
            Some((at, instance.image, instance.class?, instance.bbox?))
        })
        .collect();
    let classes: Vec<u16> = objects.iter().map(|object| object.2).collect();
    let mut used = classes.clone();
    used.sort_unstable();
    used.dedup();
    for &(at, image, truth, bbox) in &objects {
        let mut own = random.fork();
        let difficulty = own.normal();
        let score = SCORE[0] - SCORE[1] * difficulty + SCORE[2] * own.normal();
        let missed = own.chance(share(MISS[0] + MISS[1] * difficulty));
        let confused = own.chance(share(CONFUSION[0] + CONFUSION[1] * difficulty));
        let others: Vec<u16> = used.iter().copied().filter(|&class| class != truth).collect();
        let class = match confused && !others.is_empty() {
            true => others[own.below(others.len() as u64) as usize],
            false => truth,
        };
        let sd = SCATTER[0] * (SCATTER[1] * difficulty).exp();
        let place = scattered(&bbox, sd, &mut own);
        let again = scattered(&bbox, TWICE_SCATTER, &mut own);
        let twice = own.chance(TWICE);
        if !missed {
            found.push((PredictedBox { image, class, bbox: place, score: share(score) }, Some(at)));
            if twice {
                let score = share(score - TWICE_LESS);
                found.push((PredictedBox { image, class, bbox: again, score }, Some(at)));
            }
        }
    }
    for image in 0..dataset.images.len() as u32 {
        let mut own = random.fork();
        let Some([width, height]) = sizes_px.get(image as usize).copied().flatten() else {
            continue;
        };
        // Of a Poisson number, by counting exponential waiting times.
        let mut waited = -own.unit().max(f64::MIN_POSITIVE).ln();
        while waited < INVENTIONS && !objects.is_empty() {
            let like = objects[own.below(objects.len() as u64) as usize].3;
            let room = |side: u32, own: f64| (f64::from(side) - own).max(0.0);
            let x = own.unit() * room(width, like.width);
            let y = own.unit() * room(height, like.height);
            let class = classes[own.below(classes.len() as u64) as usize];
            let score = share(INVENTION_SCORE[0] + INVENTION_SCORE[1] * own.normal());
            found.push((PredictedBox { image, class, bbox: BBox { x, y, ..like }, score }, None));
            waited -= own.unit().max(f64::MIN_POSITIVE).ln();
        }
    }
    found.retain(|(row, _)| row.score >= LEAST_SCORE);
    let (boxes, of) = found.into_iter().unzip();
    Seen { predictions: Predictions { boxes, ..Predictions::default() }, of }
}

/// Tells the classes of the labelled boxes of a dataset.
pub(super) fn classify(dataset: &Dataset, seed: u64) -> Predictions {
    let mut random = SplitMix64::named("simulated classifier", seed);
    let classify = |at: u32| {
        let instance = &dataset.instances[at as usize];
        let truth = usize::from(instance.class?);
        let mut own = random.fork();
        let weights: Vec<f64> = (0..dataset.classes.len())
            .map(|class| {
                let mean = if class == truth { CLASSIFIER[0] } else { 0.0 };
                (CLASSIFIER[1] * (mean + own.normal())).exp()
            })
            .collect();
        let sum: f64 = weights.iter().sum();
        let probabilities = weights.into_iter().map(|weight| weight / sum).collect();
        Some(PredictedClass { image: instance.image, instance: Some(at), probabilities })
    };
    let classes = boxes(dataset).filter_map(classify).collect();
    Predictions { classes, ..Predictions::default() }
}

/// Returns the share that log-odds stand for.
fn share(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Returns a box with its centre moved and its sides scaled at random.
fn scattered(bbox: &BBox, sd: f64, random: &mut SplitMix64) -> BBox {
    // A Student distribution: normal over the root of a mean square.
    let mut draw = || {
        let square: f64 = (0..FREEDOM).map(|_| random.normal().powi(2)).sum();
        sd * random.normal() / (square / FREEDOM as f64).sqrt()
    };
    let [dx, dy] = [draw() * bbox.width, draw() * bbox.height];
    let [width, height] = [bbox.width * draw().exp(), bbox.height * draw().exp()];
    let centre = [bbox.x + bbox.width / 2.0 + dx, bbox.y + bbox.height / 2.0 + dy];
    BBox { x: centre[0] - width / 2.0, y: centre[1] - height / 2.0, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Class;
    use crate::dataset::testing::{animal, dataset};

    #[test]
    fn a_simulated_detector_is_good_but_not_perfect() {
        let animals: Vec<_> = (0..2000).map(|at| animal(at / 1000, &[[0.0, 0.0]])).collect();
        let mut dataset = dataset(&animals);
        dataset.classes = vec![Class::default(), Class::default()];
        for (at, instance) in (0..).zip(&mut dataset.instances) {
            instance.class = Some(at % 2);
            let x = 30.0 * f64::from(at);
            instance.bbox = Some(BBox { x, y: 5.0, width: 20.0, height: 10.0 });
        }
        let seen = detect(&dataset, &[Some([100, 100]); 2], 1);
        let of = |at: &u32| &dataset.instances[*at as usize];
        let mut found: Vec<u32> = seen.of.iter().flatten().copied().collect();
        found.dedup();
        assert!((1700..1950).contains(&found.len()), "{}", found.len());
        let right = (seen.predictions.boxes.iter().zip(&seen.of))
            .filter_map(|(row, at)| Some((row, of(at.as_ref()?))));
        let (mut near, mut class, mut all) = (0, 0, 0);
        for (row, truth) in right {
            all += 1;
            near += usize::from(row.bbox.iou(&truth.bbox.unwrap()) > 0.7);
            class += usize::from(Some(row.class) == truth.class);
        }
        assert!(near * 100 > all * 88 && near < all && class * 100 > all * 94 && class < all);
        assert_eq!(seen, detect(&dataset, &[Some([100, 100]); 2], 1));
        let classes = classify(&dataset, 1).classes;
        let right = classes.iter().filter(|row| {
            let truth = usize::from(of(&row.instance.unwrap()).class.unwrap());
            row.probabilities[truth] > 0.5
        });
        assert!((1900..2000).contains(&right.count()), "98 % of N(3, 2) above 0");
    }
}
