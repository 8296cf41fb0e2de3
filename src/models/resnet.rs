//! ResNet-50, with timm's names of layers.
//!
//! # Source
//! He et al. (2016), "Deep Residual Learning for Image Recognition", arXiv:1512.03385, table 1;
//! the stride stands in the 3×3 convolution, as in every implementation since.

use super::ModelError;
use super::builder::Builder;
use super::layer::{ConvLayer, Conventions, Norm, Padding};
use super::trunk::{Features, Stride};
use crate::onnx::Value;
use crate::onnx::ops::Activation;

/// A stage of blocks.
struct Stage {
    blocks: usize,
    /// Stride of the first block.
    stride: usize,
    /// Channels of the 3×3 convolutions.
    channels: usize,
}

const STAGES: [Stage; 4] = [
    Stage { blocks: 3, stride: 1, channels: 64 },
    Stage { blocks: 4, stride: 2, channels: 128 },
    Stage { blocks: 6, stride: 2, channels: 256 },
    Stage { blocks: 3, stride: 2, channels: 512 },
];
/// Channels of the stem.
const STEM: usize = 64;
/// Channels of a block's output over those of its 3×3 convolution.
const EXPANSION: usize = 4;
/// Number of the last stage, `layer4`.
pub(super) const LAST_STAGE: usize = STAGES.len();
/// Name of the dense layer that gives classes.
pub(super) const CLASSIFIER: &str = "fc";
/// timm's name.
pub(super) const NAME: &str = "resnet50";
/// Padding and `ε`.
pub(super) const CONVENTIONS: Conventions =
    Conventions { padding: Padding::Symmetric, epsilon: 1e-5 };

/// Adds the stem and the stages `layer1` to `layer{last}`.
///
/// # Shapes
/// `images: [N, 3, H, W]` → `[N, C, H/stride, W/stride]`.
pub(super) fn trunk(
    builder: &mut Builder,
    images: Value,
    last: usize,
    mut stride: Stride,
) -> Result<Features, ModelError> {
    let stem = ConvLayer { stride: stride.first(2).0, ..ConvLayer::dense(STEM, 7) };
    let x = builder.conv_norm(images, "conv1", stem, Norm::new("bn1", Activation::Relu))?;
    let mut x = builder.max_pool(x, "maxpool", 3, stride.first(2).0)?;
    let blocks: usize = STAGES.iter().map(|stage| stage.blocks).sum();
    let mut number = 0;
    for (index, stage) in STAGES.iter().enumerate().take(last) {
        for block in 0..stage.blocks {
            let (block_stride, dilation) = match block {
                0 => stride.first(stage.stride),
                _ => stride.later(),
            };
            let block = Block {
                name: format!("layer{}.{block}", index + 1),
                channels: stage.channels,
                stride: block_stride,
                dilation,
                projects: block == 0,
                drop_share: number as f32 / (blocks - 1) as f32,
            };
            x = block.add(builder, x)?;
            number += 1;
        }
    }
    Ok(Features { value: x, stride: stride.reached() })
}

/// A bottleneck block: 1×1 to fewer channels, 3×3, 1×1 to more, and the sum with its input.
struct Block {
    name: String,
    channels: usize,
    stride: usize,
    dilation: usize,
    /// Whether the input is brought to the output's channels by a convolution.
    projects: bool,
    /// Rate of stochastic depth over that of the last block.
    drop_share: f32,
}

impl Block {
    /// # Shapes
    /// `x: [N, C, H, W]` → `[N, EXPANSION·channels, H/stride, W/stride]`.
    fn add(&self, builder: &mut Builder, x: Value) -> Result<Value, ModelError> {
        let part = |leaf: &str| format!("{}.{leaf}", self.name);
        let wide = ConvLayer::dense(EXPANSION * self.channels, 1);
        let middle = ConvLayer {
            stride: self.stride,
            dilation: self.dilation,
            ..ConvLayer::dense(self.channels, 3)
        };
        let layers = [
            ("conv1", "bn1", ConvLayer::dense(self.channels, 1), Activation::Relu),
            ("conv2", "bn2", middle, Activation::Relu),
        ];
        let mut y = x;
        for (conv, norm, layer, activation) in layers {
            y = builder.conv_norm(y, &part(conv), layer, Norm::new(&part(norm), activation))?;
        }
        // A block begins as the identity, so that a deep network trains like a shallow one.
        let last = Norm { name: &part("bn3"), activation: Activation::Identity, first_scale: 0.0 };
        y = builder.conv_norm(y, &part("conv3"), wide, last)?;
        let mut shortcut = x;
        if self.projects {
            let layer = ConvLayer { stride: self.stride, ..wide };
            let norm = part("downsample.1");
            let norm = Norm::new(&norm, Activation::Identity);
            shortcut = builder.conv_norm(x, &part("downsample.0"), layer, norm)?;
        }
        let sum = builder.residual(y, shortcut, &self.name, self.drop_share)?;
        builder.activate(sum, &self.name, Activation::Relu)
    }
}
