//! Batches: what a training step is fed with.

use crate::augment::Affine;

/// Pictures and targets of one step.
///
/// # Shapes
/// For `N` examples of inputs `H × W`: `images: [N, 3, H, W]`, red, green and blue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Number of the step that it belongs to; `None` for a plain batch.
    pub step: Option<u64>,
    /// Indices of its examples.
    pub examples: Vec<u32>,
    /// For each example the map from its stored image to the input before augmentation; its
    /// inverse leads predictions of a plain batch back. The identity where there is no picture.
    pub frames: Vec<Affine>,
    /// Normalised pictures.
    pub images: Vec<f32>,
    /// What the network should give.
    pub targets: Targets,
    /// Examples whose picture cannot be read: black, with weights of 0.
    pub unreadable: Vec<Unreadable>,
}

/// What the network should give, and what each element weighs.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Targets of [`crate::train::loss::PoseTargets`].
    ///
    /// # Shapes
    /// `scores, score_weights: [N, K, h, w]`; `offsets, offset_weights: [N, 2K, h, w]`.
    Pose {
        /// Target of each score, 0 to 1.
        scores: Vec<f32>,
        /// Weight of each score.
        score_weights: Vec<f32>,
        /// Target of each offset, in deviations of location refinement.
        offsets: Vec<f32>,
        /// Weight of each offset.
        offset_weights: Vec<f32>,
    },
    /// Targets of [`crate::train::loss::class_loss`].
    ///
    /// # Shapes
    /// `classes: [N, C]`, `weights: [N, 1]`.
    Classes {
        /// 1 for the class of each image, else 0.
        classes: Vec<f32>,
        /// Weight of each image.
        weights: Vec<f32>,
    },
}

/// An example whose picture cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Index of the example.
    pub example: u32,
    /// Why, a lower-case fragment.
    pub reason: String,
}

impl Default for Targets {
    fn default() -> Self {
        Targets::Classes { classes: Vec::new(), weights: Vec::new() }
    }
}

impl Batch {
    /// Returns all tensors with the names of the graph's inputs: `images`, then `scores`,
    /// `score_weights`, `offsets` and `offset_weights`, or `classes` and `weights`.
    pub fn inputs(&self) -> Vec<(&'static str, &[f32])> {
        let mut inputs: Vec<(&'static str, &[f32])> = vec![("images", &self.images)];
        match &self.targets {
            Targets::Pose { scores, score_weights, offsets, offset_weights } => {
                inputs.push(("scores", scores));
                inputs.push(("score_weights", score_weights));
                inputs.push(("offsets", offsets));
                inputs.push(("offset_weights", offset_weights));
            }
            Targets::Classes { classes, weights } => {
                inputs.push(("classes", classes));
                inputs.push(("weights", weights));
            }
        }
        inputs
    }
}
