//! Which predicted box speaks of which labelled one.
//!
//! In each image, pairs of one class go first, the most similar and surest pair at once; then
//! predicted boxes that are left over and lie on the place of a label of another class. What then
//! lies on no label stands alone.

use super::lapse::Trial;
use crate::dataset::{BBox, Dataset, PredictedBox};

/// Share of overlap in the similarity; the rest is nearness.
///
/// # Source
/// Tkachenko, Thyagarajan & Mueller, "ObjectLab", arXiv:2309.00832, 2023, section 3, who mix
/// both so that boxes that do not touch are still more or less similar.
const OVERLAP_SHARE: f64 = 0.9;
/// Overlap from which two boxes are about one place: what the PASCAL VOC challenge counts as found.
pub(in crate::audit) const SAME_PLACE: f64 = 0.5;
/// Nearness from which boxes of one class that do not overlap may be about one object: two boxes
/// of one size side by side have 0.5 to 0.55.
const NEAR: f64 = 0.5;

/// What becomes of the boxes.
#[derive(Debug, Default, PartialEq)]
pub(in crate::audit) struct Matching {
    /// For each of the dataset's instances, the predicted box of its class, by index.
    pub(in crate::audit) own: Vec<Option<usize>>,
    /// For each instance, the predicted box on its place that is most similar and sure, whatever
    /// its class; none that speaks of another label.
    pub(in crate::audit) surest: Vec<Option<usize>>,
    /// For each predicted box, what it speaks of.
    pub(in crate::audit) found: Vec<Found>,
}

/// What a predicted box speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::audit) enum Found {
    /// Of a label.
    Label,
    /// Of a label of which a better one speaks, of a group, or of an image that nobody labelled.
    Nothing,
    /// Of a place without a label.
    #[default]
    Alone,
}

/// Returns the similarity of two boxes, 0 to 1: overlap, and nearness 1 − d / c, where d is the
/// distance of the centres and c the diagonal of the box around both.
///
/// # Source
/// d / c is the normalised distance of Zheng et al., "Distance-IoU Loss", AAAI 2020, equation 6,
/// without its square. ObjectLab's distance is in pixels, which depends on the size of the image.
pub(in crate::audit) fn similarity(a: &BBox, b: &BBox) -> f64 {
    OVERLAP_SHARE * a.iou(b) + (1.0 - OVERLAP_SHARE) * nearness(a, b)
}

fn nearness(a: &BBox, b: &BBox) -> f64 {
    let centre = |b: &BBox| [b.x + b.width / 2.0, b.y + b.height / 2.0];
    let ([ax, ay], [bx, by]) = (centre(a), centre(b));
    let width = (a.x + a.width).max(b.x + b.width) - a.x.min(b.x);
    let height = (a.y + a.height).max(b.y + b.height) - a.y.min(b.y);
    let diagonal = width.hypot(height);
    if diagonal > 0.0 { 1.0 - (ax - bx).hypot(ay - by) / diagonal } else { 1.0 }
}

/// Matches predicted boxes to labelled ones. Needs [`Dataset::sort`].
pub(in crate::audit) fn matching(dataset: &Dataset, predicted: &[PredictedBox]) -> Matching {
    let mut all = Matching {
        own: vec![None; dataset.instances.len()],
        surest: vec![None; dataset.instances.len()],
        found: vec![Found::default(); predicted.len()],
    };
    let mut by_image: Vec<Vec<usize>> = vec![Vec::new(); dataset.images.len()];
    for (at, found) in predicted.iter().enumerate() {
        by_image[found.image as usize].push(at);
    }
    let ranges = dataset.instances_by_image();
    for ((image, range), boxes) in dataset.images.iter().zip(ranges).zip(by_image) {
        if range.is_empty() && image.location.is_none() {
            boxes.iter().for_each(|&at| all.found[at] = Found::Nothing);
            continue;
        }
        let mut scene = Scene::new(dataset, range, predicted, boxes);
        scene.pair(&mut all, |label, found, label_class| {
            let together = label.iou(&found.bbox) > 0.0 || nearness(label, &found.bbox) >= NEAR;
            (label_class == found.class && together).then(|| similarity(label, &found.bbox))
        });
        for &[label, found] in &scene.pairs {
            all.own[label] = Some(found);
        }
        scene.pair(&mut all, |label, found, _| {
            Some(label.iou(&found.bbox)).filter(|iou| *iou >= SAME_PLACE)
        });
        scene.rest(&mut all);
    }
    all
}

impl Matching {
    /// Returns each label of whose place a predicted box speaks, as instance and predicted box,
    /// with whether it says the label's class; the score of a trial is that of the prediction
    /// times their similarity.
    pub(in crate::audit) fn places(
        &self,
        dataset: &Dataset,
        predicted: &[PredictedBox],
    ) -> Vec<(usize, usize, Trial)> {
        (self.surest.iter().enumerate())
            .filter_map(|(label, &found)| {
                let found = found?;
                let PredictedBox { class, score, bbox, .. } = predicted[found];
                let instance = &dataset.instances[label];
                // What lies half beside the label is less surely the same object.
                let score = score * similarity(&instance.bbox?, &bbox);
                let confirmed = instance.class == Some(class);
                Some((label, found, Trial { score, confirmed }))
            })
            .collect()
    }
}

/// One image.
struct Scene<'a> {
    dataset: &'a Dataset,
    /// Labelled boxes with their class that are taken apart from each other.
    labels: Vec<(usize, BBox, u16)>,
    /// Boxes of groups, and of instances without a class.
    groups: Vec<BBox>,
    predicted: &'a [PredictedBox],
    boxes: Vec<usize>,
    /// Labels and predicted boxes that belong together.
    pairs: Vec<[usize; 2]>,
}

impl<'a> Scene<'a> {
    fn new(
        dataset: &'a Dataset,
        range: std::ops::Range<usize>,
        predicted: &'a [PredictedBox],
        boxes: Vec<usize>,
    ) -> Scene<'a> {
        let (mut labels, mut groups) = (Vec::new(), Vec::new());
        for at in range {
            let instance = &dataset.instances[at];
            let Some(bbox) = instance.bbox.filter(|bbox| bbox.area() > 0.0) else { continue };
            match instance.class {
                Some(class) if !instance.crowd => labels.push((at, bbox, class)),
                _ => groups.push(bbox),
            }
        }
        Scene { dataset, labels, groups, predicted, boxes, pairs: Vec::new() }
    }

    /// Pairs free labels and free predicted boxes, the greatest product of likeness and score
    /// first; `likeness` is none where they cannot belong together.
    fn pair(
        &mut self,
        all: &mut Matching,
        likeness: impl Fn(&BBox, &PredictedBox, u16) -> Option<f64>,
    ) {
        let taken = |pairs: &[[usize; 2]], side: usize, at: usize| {
            pairs.iter().any(|pair| pair[side] == at)
        };
        let mut candidates: Vec<(f64, usize, usize)> = Vec::new();
        for &(label, bbox, class) in self.labels.iter().filter(|l| !taken(&self.pairs, 0, l.0)) {
            for &at in self.boxes.iter().filter(|&&at| !taken(&self.pairs, 1, at)) {
                let found = &self.predicted[at];
                let alike = likeness(&bbox, found, class);
                candidates.extend(alike.map(|alike| (alike * found.score, label, at)));
            }
        }
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for (_, label, at) in candidates {
            if !taken(&self.pairs, 0, label) && !taken(&self.pairs, 1, at) {
                self.pairs.push([label, at]);
                all.found[at] = Found::Label;
            }
        }
    }

    /// Says what the predicted boxes without a label speak of, and which is the surest on the
    /// place of each label.
    fn rest(&self, all: &mut Matching) {
        for &at in &self.boxes {
            let found = &self.predicted[at];
            let pair = self.pairs.iter().find(|pair| pair[1] == at);
            let mut on_label = false;
            for &(label, bbox, _) in &self.labels {
                let same = bbox.iou(&found.bbox) >= SAME_PLACE;
                on_label |= same;
                let speaks = same && pair.is_none_or(|pair| pair[0] == label);
                let weight = |found: &PredictedBox| found.score * similarity(&bbox, &found.bbox);
                let surest = all.surest[label].map_or(f64::MIN, |at| weight(&self.predicted[at]));
                if speaks && weight(found) > surest {
                    all.surest[label] = Some(at);
                }
            }
            let in_group = || self.groups.iter().any(|group| group.iou(&found.bbox) > 0.0);
            let unknown = usize::from(found.class) >= self.dataset.classes.len();
            if pair.is_none() && (on_label || unknown || in_group()) {
                all.found[at] = Found::Nothing;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::testing::{animal, dataset};
    use crate::dataset::{Class, Location};

    fn bbox(x: f64, width: f64) -> BBox {
        BBox { x, y: 0.0, width, height: 10.0 }
    }

    /// One image with labelled boxes of a class each, and predicted ones with their scores.
    fn matched(labels: &[(f64, u16)], predicted: &[(f64, u16, f64)]) -> Matching {
        let animals: Vec<_> = labels.iter().map(|_| animal(0, &[[0.0, 0.0]])).collect();
        let mut dataset = dataset(&animals);
        dataset.classes = vec![Class::default(), Class::default()];
        for (instance, &(x, class)) in dataset.instances.iter_mut().zip(labels) {
            (instance.bbox, instance.class) = (Some(bbox(x, 10.0)), Some(class));
        }
        let predicted: Vec<PredictedBox> = (predicted.iter())
            .map(|&(x, class, score)| PredictedBox { image: 0, class, bbox: bbox(x, 10.0), score })
            .collect();
        matching(&dataset, &predicted)
    }

    #[test]
    fn a_box_of_the_same_class_goes_before_one_of_another() {
        let found =
            matched(&[(0.0, 0), (30.0, 1)], &[(0.0, 1, 0.9), (1.0, 0, 0.8), (31.0, 0, 0.7)]);
        assert_eq!(found.own, [Some(1), None]);
        assert_eq!(found.surest, [Some(0), Some(2)]);
        assert_eq!(found.found, [Found::Nothing, Found::Label, Found::Label]);
    }

    #[test]
    fn a_box_beside_its_label_belongs_to_it_and_one_far_away_stands_alone() {
        let found = matched(&[(0.0, 0)], &[(11.0, 0, 0.9), (60.0, 0, 0.9)]);
        assert_eq!(found.own, [Some(0)]);
        assert_eq!(found.surest, [None], "it is on another place");
        assert_eq!(found.found, [Found::Label, Found::Alone]);
    }

    #[test]
    fn groups_and_images_without_labels_say_nothing() {
        let mut dataset = dataset(&[animal(0, &[[0.0, 0.0]])]);
        dataset.classes = vec![Class::default()];
        dataset.instances[0].bbox = Some(bbox(0.0, 100.0));
        dataset.instances[0].class = Some(0);
        dataset.instances[0].crowd = true;
        let found = |image| PredictedBox { image, class: 0, bbox: bbox(5.0, 10.0), score: 0.9 };
        let both = [found(0), found(1)];
        assert_eq!(matching(&dataset, &both).found, [Found::Nothing, Found::Nothing]);
        dataset.images[1].location = Some(Location { file: 0, row: 1 });
        assert_eq!(matching(&dataset, &both).found, [Found::Nothing, Found::Alone]);
    }

    #[test]
    fn similarity_is_one_of_a_box_with_itself_and_falls_with_distance() {
        let near = |x| similarity(&bbox(0.0, 10.0), &bbox(x, 10.0));
        assert!((near(0.0) - 1.0).abs() < 1e-12);
        assert!(near(5.0) > near(9.0) && near(9.0) > near(20.0) && near(20.0) > near(40.0));
    }
}
