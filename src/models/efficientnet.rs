//! EfficientNet b0–b7 and EfficientNet-Lite0–4.
//!
//! All are one table of stages, scaled in width and depth; the families differ in
//! squeeze-and-excitation, activation and in what is scaled. Names of layers are timm's.
//!
//! # Source
//! Tan and Le (2019), "EfficientNet", arXiv:1905.11946, tables 1 and 8; the Lite variants as
//! published with TensorFlow's reference implementation (`efficientnet/lite`).

use super::ModelError;
use super::builder::Builder;
use super::layer::{ConvLayer, Conventions, Norm, Padding};
use super::trunk::{Features, Stride};
use crate::onnx::Value;
use crate::onnx::ops::Activation;

/// A stage of blocks before scaling.
struct Stage {
    blocks: usize,
    kernel: usize,
    /// Stride of the first block.
    stride: usize,
    /// Channels within a block over channels of its input.
    expansion: usize,
    channels: usize,
}

const fn stage(
    blocks: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
) -> Stage {
    Stage { blocks, kernel, stride, expansion, channels }
}

/// The stages of every EfficientNet, before scaling.
const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];
/// Channels of the stem before scaling.
const STEM: usize = 32;
/// Channels of the last convolution before scaling.
const TOP: usize = 1280;
/// Channels of a block's input over channels of its squeeze-and-excitation.
const SQUEEZE: usize = 4;
/// Channels are scaled to multiples of this.
const CHANNEL_STEP: usize = 8;
/// Rounding may not take away more than a tenth of the scaled channels.
const ROUND_LIMIT: f64 = 0.9;

/// What the members of a family have in common.
#[derive(Debug, PartialEq)]
struct Family {
    activation: Activation,
    squeeze_excite: bool,
    /// Whether stem and last convolution are scaled in width, first and last stage in depth.
    scales_ends: bool,
}

const B: Family = Family { activation: Activation::Silu, squeeze_excite: true, scales_ends: true };
const LITE: Family =
    Family { activation: Activation::Relu6, squeeze_excite: false, scales_ends: false };

#[derive(Debug, PartialEq)]
struct Scale {
    name: &'static str,
    family: &'static Family,
    width: f64,
    depth: f64,
    dropout: f32,
}

const fn scale(
    name: &'static str,
    family: &'static Family,
    width: f64,
    depth: f64,
    dropout: f32,
) -> Scale {
    Scale { name, family, width, depth, dropout }
}

/// Width, depth and dropout of each network, as in the authors' own implementation.
const SCALES: [Scale; 13] = [
    scale("b0", &B, 1.0, 1.0, 0.2),
    scale("b1", &B, 1.0, 1.1, 0.2),
    scale("b2", &B, 1.1, 1.2, 0.3),
    scale("b3", &B, 1.2, 1.4, 0.3),
    scale("b4", &B, 1.4, 1.8, 0.4),
    scale("b5", &B, 1.6, 2.2, 0.4),
    scale("b6", &B, 1.8, 2.6, 0.5),
    scale("b7", &B, 2.0, 3.1, 0.5),
    scale("lite0", &LITE, 1.0, 1.0, 0.2),
    scale("lite1", &LITE, 1.0, 1.1, 0.2),
    scale("lite2", &LITE, 1.1, 1.2, 0.3),
    scale("lite3", &LITE, 1.2, 1.4, 0.3),
    scale("lite4", &LITE, 1.4, 1.8, 0.3),
];

/// timm's two variants of each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Variant {
    /// `efficientnet_…`: symmetric padding, `ε = 1e-5`.
    Plain,
    /// `tf_efficientnet_…`, weights of TensorFlow: `SAME` padding, `ε = 1e-3`.
    Tf,
}

impl Variant {
    const ALL: [Variant; 2] = [Variant::Plain, Variant::Tf];

    fn prefix(self) -> &'static str {
        match self {
            Variant::Plain => "efficientnet",
            Variant::Tf => "tf_efficientnet",
        }
    }
}

/// An EfficientNet or EfficientNet-Lite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EfficientNet {
    scale: &'static Scale,
    variant: Variant,
}

impl EfficientNet {
    /// Index of the last stage, `blocks.6`.
    pub(super) const LAST_STAGE: usize = STAGES.len() - 1;
    /// Name of the dense layer that gives classes.
    pub(super) const CLASSIFIER: &'static str = "classifier";

    /// Returns every network.
    pub fn all() -> impl Iterator<Item = EfficientNet> {
        Variant::ALL
            .into_iter()
            .flat_map(|variant| SCALES.iter().map(move |scale| EfficientNet { scale, variant }))
    }

    /// Returns timm's name, such as `tf_efficientnet_lite0`.
    pub fn name(&self) -> String {
        format!("{}_{}", self.variant.prefix(), self.scale.name)
    }

    /// Returns the rate of dropout before the classifier that its authors trained with.
    pub fn dropout(&self) -> f32 {
        self.scale.dropout
    }

    /// Says whether another network is of the same family and variant, so that only their
    /// sizes differ.
    pub fn same_family(&self, other: &EfficientNet) -> bool {
        self.scale.family == other.scale.family && self.variant == other.variant
    }

    pub(super) fn conventions(&self) -> Conventions {
        match self.variant {
            Variant::Plain => Conventions { padding: Padding::Symmetric, epsilon: 1e-5 },
            Variant::Tf => Conventions { padding: Padding::Same, epsilon: 1e-3 },
        }
    }

    /// Adds the stem and the stages up to `last`.
    ///
    /// # Shapes
    /// `images: [N, 3, H, W]` → `[N, C, H/stride, W/stride]`.
    pub(super) fn trunk(
        &self,
        builder: &mut Builder,
        images: Value,
        last: usize,
        mut stride: Stride,
    ) -> Result<Features, ModelError> {
        let family = self.scale.family;
        let stem = ConvLayer { stride: stride.first(2).0, ..ConvLayer::dense(self.end(STEM), 3) };
        let mut x =
            builder.conv_norm(images, "conv_stem", stem, Norm::new("bn1", family.activation))?;
        let counts = self.blocks();
        let total: usize = counts.iter().sum();
        let mut number = 0;
        for (index, stage) in STAGES.iter().enumerate().take(last + 1) {
            for block in 0..counts[index] {
                let (block_stride, dilation) = match block {
                    0 => stride.first(stage.stride),
                    _ => stride.later(),
                };
                let depthwise = ConvLayer {
                    kernel: stage.kernel,
                    stride: block_stride,
                    dilation,
                    ..ConvLayer::dense(0, 0)
                };
                let block = Block {
                    name: format!("blocks.{index}.{block}"),
                    expansion: stage.expansion,
                    depthwise,
                    channels: self.channels(stage.channels),
                    drop_share: number as f32 / total as f32,
                };
                x = block.add(builder, x, family)?;
                number += 1;
            }
        }
        Ok(Features { value: x, stride: stride.reached() })
    }

    /// Adds what stands between the last stage and the mean over places: a convolution to more
    /// channels.
    pub(super) fn top(&self, builder: &mut Builder, x: Value) -> Result<Value, ModelError> {
        let layer = ConvLayer::dense(self.end(TOP), 1);
        builder.conv_norm(x, "conv_head", layer, Norm::new("bn2", self.scale.family.activation))
    }

    /// Returns the number of blocks of each stage, scaled in depth.
    pub(super) fn blocks(&self) -> [usize; STAGES.len()] {
        let Scale { family, depth, .. } = self.scale;
        std::array::from_fn(|stage| {
            let is_end = stage == 0 || stage == Self::LAST_STAGE;
            let depth = if is_end && !family.scales_ends { 1.0 } else { *depth };
            (STAGES[stage].blocks as f64 * depth).ceil() as usize
        })
    }

    /// Returns the channels of stem or last convolution.
    fn end(&self, channels: usize) -> usize {
        if self.scale.family.scales_ends { self.channels(channels) } else { channels }
    }

    /// Returns channels scaled in width, rounded to a multiple of [`CHANNEL_STEP`].
    fn channels(&self, channels: usize) -> usize {
        let scaled = channels as f64 * self.scale.width;
        let steps = (scaled / CHANNEL_STEP as f64 + 0.5).floor().max(1.0) as usize;
        let rounded = steps * CHANNEL_STEP;
        if (rounded as f64) < ROUND_LIMIT * scaled { rounded + CHANNEL_STEP } else { rounded }
    }
}

/// An inverted residual block: expansion, depthwise convolution, squeeze-and-excitation,
/// projection; without expansion where that would keep the channels.
struct Block {
    name: String,
    expansion: usize,
    /// Kernel, stride and dilation of the depthwise convolution.
    depthwise: ConvLayer,
    channels: usize,
    /// Rate of stochastic depth over that of a block behind the last.
    drop_share: f32,
}

impl Block {
    /// # Shapes
    /// `x: [N, C, H, W]` → `[N, channels, H/stride, W/stride]`.
    fn add(&self, builder: &mut Builder, x: Value, family: &Family) -> Result<Value, ModelError> {
        let inputs = builder.images(x)?[1];
        let expanded = inputs * self.expansion;
        let part = |leaf: &str| format!("{}.{leaf}", self.name);
        // timm numbers the batch normalisations and calls the projection by whether there is
        // an expansion before it.
        let (depthwise_norm, projection, projection_norm) = match self.expansion {
            1 => ("bn1", "conv_pw", "bn2"),
            _ => ("bn2", "conv_pwl", "bn3"),
        };
        let mut y = x;
        if self.expansion != 1 {
            let layer = ConvLayer::dense(expanded, 1);
            let norm = part("bn1");
            y = builder.conv_norm(
                y,
                &part("conv_pw"),
                layer,
                Norm::new(&norm, family.activation),
            )?;
        }
        let layer = ConvLayer { channels: expanded, groups: expanded, ..self.depthwise };
        let norm = part(depthwise_norm);
        y = builder.conv_norm(y, &part("conv_dw"), layer, Norm::new(&norm, family.activation))?;
        if family.squeeze_excite {
            y = builder.squeeze_excite(y, &part("se"), inputs / SQUEEZE, family.activation)?;
        }
        let layer = ConvLayer::dense(self.channels, 1);
        let norm = part(projection_norm);
        let norm = Norm::new(&norm, Activation::Identity);
        y = builder.conv_norm(y, &part(projection), layer, norm)?;
        if self.depthwise.stride == 1 && inputs == self.channels {
            y = builder.residual(y, x, &self.name, self.drop_share)?;
        }
        Ok(y)
    }
}
