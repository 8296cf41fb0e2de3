//! Settings of the data pipeline, and what is wrong with them.

use super::example::Example;
use super::framing::Framing;
use super::normalisation::Normalisation;
use super::sampler::{SamplerError, Sampling};
use super::source::CACHE_BYTES;
use super::targets::TargetSettings;
use crate::augment::{Plan, PlanError};

/// How batches are made.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSettings {
    /// How images get into the input.
    pub framing: Framing,
    /// What examples undergo.
    pub plan: Plan,
    /// For each keypoint the one that takes its place in a mirrored picture
    /// ([`crate::augment::flip_permutation`]); a plan that flips needs it.
    pub flip: Option<Vec<u16>>,
    /// What the weights were trained on.
    pub normalisation: Normalisation,
    /// What is learnt.
    pub task: Task,
    /// How examples are drawn.
    pub sampling: Sampling,
    /// Weights of examples under [`Sampling::Weighted`], else empty.
    pub sampling_weights: Vec<f64>,
    /// Examples to a batch, 1 or more.
    pub batch: usize,
    /// Decides the order of examples and all that augmentation draws.
    pub seed: u64,
    /// Memory in bytes that decoded pictures are kept in.
    pub cache_bytes: usize,
}

/// What is learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Task {
    /// Where keypoints are.
    Pose(TargetSettings),
    /// Which of a number of classes an image has.
    Classes(usize),
}

impl DataSettings {
    /// Returns settings for a pose or for classes: batches of 8 in epochs, without augmentation,
    /// seed 0, [`Normalisation::LITE`].
    pub fn new(framing: Framing, task: Task) -> DataSettings {
        DataSettings {
            framing,
            plan: Plan::none(),
            flip: None,
            normalisation: Normalisation::LITE,
            task,
            sampling: Sampling::Epochs,
            sampling_weights: Vec::new(),
            batch: 8,
            seed: 0,
            cache_bytes: CACHE_BYTES,
        }
    }

    /// Checks that they fit together, and the examples.
    pub(super) fn check(&self, examples: &[Example]) -> Result<(), DataError> {
        self.plan.check()?;
        let expected = examples.first().map_or(0, |example| example.labels.len());
        for (at, example) in examples.iter().enumerate() {
            let found = example.labels.len();
            if found != expected {
                return Err(DataError::Keypoints { example: at, found, expected });
            }
            if let Task::Classes(classes) = self.task
                && example.class.is_none_or(|class| usize::from(class) >= classes)
            {
                return Err(DataError::Class { example: at, classes });
            }
        }
        let Task::Pose(targets) = self.task else { return Ok(()) };
        if !(targets.radius_px > 0.0 && targets.radius_px.is_finite()) {
            return Err(DataError::Radius(targets.radius_px));
        }
        match &self.flip {
            None if self.plan.flips() => Err(DataError::FlipWithoutPairs),
            Some(flip) => {
                let undone = |(at, to): (usize, &u16)| {
                    flip.get(usize::from(*to)).is_some_and(|back| usize::from(*back) == at)
                };
                if flip.len() == expected && flip.iter().enumerate().all(undone) {
                    return Ok(());
                }
                Err(DataError::Permutation { keypoints: expected })
            }
            None => Ok(()),
        }
    }
}

/// Says why batches cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Examples cannot be drawn.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// The plan mirrors pictures, and nobody knows left from right.
    #[error(
        "the plan has a `flip` step, but no left-right pairs of keypoints are known; name them, \
         or take the step out"
    )]
    FlipWithoutPairs,
    /// The permutation of a flip is none of the keypoints.
    #[error("the flip's permutation is not one of {keypoints} keypoints that undoes itself")]
    Permutation {
        /// How many keypoints there are.
        keypoints: usize,
    },
    /// Examples have different numbers of keypoints.
    #[error("example {example} has {found} keypoints, the first has {expected}")]
    Keypoints {
        /// Index of the example.
        example: usize,
        /// How many it has.
        found: usize,
        /// How many the first has.
        expected: usize,
    },
    /// An example's class is not among those that are learnt.
    #[error("example {example} has no class below {classes}")]
    Class {
        /// Index of the example.
        example: usize,
        /// How many classes are learnt.
        classes: usize,
    },
    /// Targets need a radius.
    #[error("the radius of keypoints must be above 0 pixels, not {0}")]
    Radius(f64),
}
