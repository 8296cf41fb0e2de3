//! A labelled pose with what is needed to judge it.

use std::ops::Range;

use super::hints::{Hint, Hints};
use super::piece::{Piece, View};
use super::time::Neighbours;
use crate::audit::models::poses::{Pose, Poses, REFERENCES, pose};
use crate::dataset::{Dataset, PredictedPose};
use crate::facts::Facts;
use crate::pixels::Preview;

/// Where cases come from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    facts: &'a Facts,
    /// Instances of each image.
    by_image: Vec<Range<usize>>,
    neighbours: Neighbours,
}

/// A labelled pose.
#[derive(Debug, Clone)]
pub(super) struct Case<'a> {
    /// Index into the dataset's instances.
    pub(super) instance: u32,
    /// Its points.
    pub(super) pose: Pose,
    /// The part of the data that must not be asked about it.
    pub(super) fold: usize,
    /// Its image, small.
    pub(super) preview: Option<&'a Preview>,
    /// What a model predicts.
    pub(super) predicted: Option<Hints>,
    /// Where the frames before and after have it.
    pub(super) beside: Option<Hints>,
    /// The other individuals of the image.
    pub(super) fellows: Vec<Fellow>,
}

/// Another individual of an image, of the same skeleton.
#[derive(Debug, Clone)]
pub(super) struct Fellow {
    /// Index into the dataset's instances.
    pub(super) instance: u32,
    /// Its points.
    pub(super) pose: Pose,
}

impl<'a> Source<'a> {
    /// Gathers what cases are made of.
    pub(super) fn new(facts: &'a Facts) -> Source<'a> {
        Source {
            facts,
            by_image: facts.dataset.instances_by_image(),
            neighbours: Neighbours::of(&facts.dataset),
        }
    }

    /// Returns an instance as a case.
    pub(super) fn case(&self, instance: u32, fold: usize) -> Case<'a> {
        let dataset = &self.facts.dataset;
        let pose = pose(dataset, &dataset.instances[instance as usize]);
        Case {
            instance,
            fold,
            preview: self.preview(instance),
            predicted: self.predicted(instance).map(|found| predicted(found, pose.len())),
            beside: self.neighbours.hints(dataset, instance),
            fellows: self.fellows(instance),
            pose,
        }
    }

    /// Returns which pieces of evidence there are of an instance.
    pub(super) fn view(&self, instance: u32) -> View {
        View(Piece::ALL.map(|piece| match piece {
            Piece::Pose => true,
            Piece::Picture => self.preview(instance).is_some(),
            Piece::Prediction => self.predicted(instance).is_some(),
            Piece::Time => self.neighbours.has(instance),
        }))
    }

    fn preview(&self, instance: u32) -> Option<&'a Preview> {
        let image = self.facts.dataset.instances[instance as usize].image;
        self.facts.images[image as usize].preview.as_ref()
    }

    fn fellows(&self, instance: u32) -> Vec<Fellow> {
        let dataset = &self.facts.dataset;
        let own = &dataset.instances[instance as usize];
        let alike = |&at: &usize| {
            let other = &dataset.instances[at];
            at != instance as usize && other.skeleton == own.skeleton && !other.crowd
        };
        (self.by_image[own.image as usize].clone().filter(alike))
            .map(|at| Fellow { instance: at as u32, pose: pose(dataset, &dataset.instances[at]) })
            .collect()
    }

    fn predicted(&self, instance: u32) -> Option<&'a PredictedPose> {
        self.facts.predictions.as_ref()?.pose(instance as usize)
    }
}

/// Returns the points of a prediction as hints. A likelihood that is no number counts as none.
fn predicted(pose: &PredictedPose, kinds: usize) -> Hints {
    let hint = |kind: usize| {
        let point = pose.point(kind as u16)?;
        let sure = if point.likelihood.is_finite() { point.likelihood } else { 0.0 };
        Some(Hint { at: point.place()?, sure })
    };
    (0..kinds).map(hint).collect()
}

impl Case<'_> {
    /// Returns the keypoints that are labelled.
    pub(super) fn labelled(&self) -> Vec<usize> {
        (0..self.pose.len()).filter(|&kind| self.pose[kind].is_some()).collect()
    }

    /// Returns whether there is a piece of evidence.
    pub(super) fn has(&self, piece: Piece) -> bool {
        match piece {
            Piece::Pose => true,
            Piece::Picture => self.preview.is_some(),
            Piece::Prediction => self.predicted.is_some(),
            Piece::Time => self.beside.is_some(),
        }
    }
}

/// Returns which of the instances models are fitted to, ascending indices into `poses.instances`:
/// at most [`REFERENCES`], of images with a preview first.
pub(super) fn references(facts: &Facts, poses: &Poses) -> Vec<usize> {
    let shown = |dataset: &Dataset, at: u32| {
        facts.images[dataset.instances[at as usize].image as usize].preview.is_some()
    };
    let all = &poses.instances;
    let of = |wanted: bool| -> Vec<u32> {
        all.iter().copied().filter(|&at| shown(&facts.dataset, at) == wanted).collect()
    };
    let part = |instances: Vec<u32>, most: usize| {
        Poses { skeleton: poses.skeleton, instances, body_length_px: poses.body_length_px }
            .sample(most)
    };
    let mut chosen = part(of(true), REFERENCES);
    chosen.extend(part(of(false), REFERENCES - chosen.len()));
    chosen.sort_unstable();
    // Both are ascending.
    let mut chosen = chosen.into_iter().peekable();
    (all.iter().enumerate())
        .filter(|(_, at)| chosen.next_if_eq(*at).is_some())
        .map(|(place, _)| place)
        .collect()
}

/// Returns at most `most` of `count` places, evenly spread.
pub(super) fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |at| at * count / taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::models::samples::{dataset, preview, walk};
    use crate::facts::ImageFacts;

    #[test]
    fn places_are_spread_over_all() {
        assert_eq!(spread(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(3, 4).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(0, 4).count(), 0);
    }

    #[test]
    fn of_many_poses_those_with_a_picture_come_first() {
        let poses = walk(REFERENCES + 100);
        let shown = |at: usize| at % 10 == 3;
        let images = (poses.iter().enumerate())
            .map(|(at, pose)| ImageFacts {
                preview: shown(at).then(|| preview(pose)),
                ..ImageFacts::default()
            })
            .collect();
        let facts = Facts { dataset: dataset(&poses), images, ..Facts::default() };
        let groups = Poses::by_skeleton(&facts.dataset);
        let chosen = references(&facts, &groups[0]);
        assert_eq!(chosen.len(), REFERENCES);
        assert!(chosen.is_sorted());
        assert_eq!(chosen.iter().filter(|&&at| shown(at)).count(), (REFERENCES + 100) / 10);
    }
}
