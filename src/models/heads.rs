//! Heads: what is made of a trunk's features.

use super::builder::Builder;
use super::layer::{ConvLayer, Conventions, Norm};
use super::parameter::{Initialiser, Kind, Parameter};
use super::trunk::{Depth, Features, MAX_STRIDE, Trunk};
use super::{Architecture, Model, ModelError};
use crate::onnx::Value;
use crate::onnx::ops::Activation;

/// Ratio of the extents of images and score maps.
pub const POSE_STRIDE: usize = 8;
/// Extent of the kernels of transposed convolutions.
const KERNEL: usize = 3;
/// Channels of the features between two transposed convolutions.
///
/// # Source
/// Xiao, Wu and Wei (2018), "Simple Baselines for Human Pose Estimation and Tracking",
/// arXiv:1804.06208, section 2.
const BETWEEN: usize = 256;

/// A network that gives for each keypoint a map of where it is, and how far from each cell's
/// centre.
///
/// As in DeepLabCut, each of the two is a transposed convolution (3×3, stride 2) of features at
/// stride 16. Features at stride 32 (a trunk that is neither cut nor dilated) are brought to
/// stride 16 by a further one of 256 channels with batch normalisation and ReLU.
///
/// # Source
/// Insafutdinov et al. (2016), "DeeperCut", arXiv:1605.03170, sections 3 and 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseModel {
    /// The trunk; its features have stride 16 or 32.
    pub trunk: Trunk,
    /// Number of keypoints `K`.
    pub keypoints: usize,
}

/// What a pose model gives.
#[derive(Clone, Copy, Debug)]
pub struct PoseOutputs {
    /// Score maps `[N, K, h, w]` at stride [`POSE_STRIDE`]: logits, or in inference the
    /// probabilities that they stand for.
    pub score_maps: Value,
    /// Location refinement `[N, 2K, h, w]`: channel `2k` is the way from the cell's centre to
    /// keypoint `k` along x, channel `2k + 1` along y, in units that the training chooses.
    pub locref: Value,
}

impl Model for PoseModel {
    type Outputs = PoseOutputs;

    fn conventions(&self) -> Conventions {
        self.trunk.conventions()
    }

    fn add(&self, builder: &mut Builder, images: Value) -> Result<PoseOutputs, ModelError> {
        let Features { mut value, mut stride } = self.trunk.add(builder, images)?;
        if ![2 * POSE_STRIDE, MAX_STRIDE].contains(&stride) {
            return Err(ModelError::PoseStride { found: stride });
        }
        let layer = |channels| ConvLayer { stride: 2, ..ConvLayer::dense(channels, KERNEL) };
        while stride > 2 * POSE_STRIDE {
            let norm = Norm::new("head.upsample.norm", Activation::Relu);
            value = builder.deconv_norm(value, "head.upsample.deconv", layer(BETWEEN), norm)?;
            stride /= 2;
        }
        let scores = builder.deconv(value, "head.score_maps", layer(self.keypoints))?;
        let locref = builder.deconv(value, "head.locref", layer(2 * self.keypoints))?;
        let score_maps = if builder.is_inference() {
            builder.activate(scores, "head.score_maps", Activation::Sigmoid)?
        } else {
            scores
        };
        Ok(PoseOutputs { score_maps, locref })
    }
}

/// A network that gives logits of classes: the whole trunk, mean over places, dropout and a
/// dense layer. Names and layers are those of timm's classifiers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classifier {
    /// The network.
    pub architecture: Architecture,
    /// Number of classes.
    pub classes: usize,
}

/// What a classifier gives.
#[derive(Clone, Copy, Debug)]
pub struct ClassOutputs {
    /// Logits `[N, classes]`.
    pub logits: Value,
}

impl Model for Classifier {
    type Outputs = ClassOutputs;

    fn conventions(&self) -> Conventions {
        Trunk::new(self.architecture, Depth::All).conventions()
    }

    fn add(&self, builder: &mut Builder, images: Value) -> Result<ClassOutputs, ModelError> {
        let features = Trunk::new(self.architecture, Depth::All).add(builder, images)?;
        let x = self.architecture.top(builder, features.value)?;
        let pooled = builder.pool(x, "global_pool")?;
        let name = self.architecture.classifier();
        let pooled = builder.dropout(pooled, name)?;
        let bound = (self.classes as f64).sqrt().recip() as f32;
        let weights = Parameter {
            name: format!("{name}.weight"),
            shape: vec![self.classes, builder.shape(pooled)[1]],
            kind: Kind::LinearWeight,
            initialiser: Initialiser::Uniform(bound),
        };
        Ok(ClassOutputs { logits: builder.linear(pooled, name, weights)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Mode, Regularisation};
    use crate::onnx::{Graph, TensorType};

    #[test]
    fn score_maps_have_stride_8_whatever_the_trunk() {
        let shapes = |depth, output_stride| {
            let architecture = "efficientnet_lite0".parse()?;
            let trunk = Trunk { architecture, depth, output_stride };
            let mut graph = Graph::new();
            let images = graph.input("images", TensorType::f32(&[1, 3, 64, 120]));
            let mode = Mode::Train(Regularisation::NONE);
            let model = PoseModel { trunk, keypoints: 5 };
            let outputs = model.build(&mut graph, images, mode)?.outputs;
            let shape = |value| graph.shape(value).to_vec();
            Ok::<_, ModelError>([shape(outputs.score_maps), shape(outputs.locref)])
        };
        let expected = [vec![1, 5, 8, 16], vec![1, 10, 8, 16]];
        for (depth, stride) in [(Depth::Stage(4), 32), (Depth::All, 16), (Depth::All, 32)] {
            assert_eq!(shapes(depth, stride).expect("a network"), expected);
        }
        let error = shapes(Depth::All, 8).expect_err("too fine");
        assert!(matches!(error, ModelError::PoseStride { found: 8 }));
    }
}
