//! Sizes of a model's layers, and the padding and batch normalisation that they share.

use crate::onnx::ops::{Activation, Conv};

/// How a model pads its convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// `⌊(s − 1 + l·(k − 1))/2⌋` on each side: PyTorch's habit.
    Symmetric,
    /// As much as gives `⌈H/s⌉` outputs, the odd one behind: TensorFlow's `SAME`.
    Same,
}

impl Padding {
    /// Returns a layer's convolution over an input of `size` `[H, W]`.
    pub fn conv(self, size: [usize; 2], layer: ConvLayer) -> Conv {
        let ConvLayer { kernel, stride, dilation, groups, .. } = layer;
        let reach = dilation * (kernel - 1);
        let along = |extent: usize| match self {
            Padding::Symmetric => [(stride - 1 + reach) / 2; 2],
            Padding::Same => {
                let covered = (extent.div_ceil(stride) - 1) * stride + reach + 1;
                let total = covered.saturating_sub(extent);
                [total / 2, total - total / 2]
            }
        };
        let [[top, bottom], [left, right]] = size.map(along);
        Conv {
            strides: [stride; 2],
            pads: [top, left, bottom, right],
            dilations: [dilation; 2],
            groups,
        }
    }
}

/// What the layers of a model have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conventions {
    /// How convolutions are padded.
    pub padding: Padding,
    /// `ε` of batch normalisations.
    pub epsilon: f32,
}

/// A convolution's sizes, without its input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// Number of output channels.
    pub channels: usize,
    /// Extent of the square kernel.
    pub kernel: usize,
    /// Distance of neighbouring outputs in the input.
    pub stride: usize,
    /// Distance of neighbouring kernel taps in the input.
    pub dilation: usize,
    /// Number of groups.
    pub groups: usize,
}

impl ConvLayer {
    /// Returns a dense convolution of stride 1.
    pub fn dense(channels: usize, kernel: usize) -> Self {
        ConvLayer { channels, kernel, stride: 1, dilation: 1, groups: 1 }
    }
}

/// A batch normalisation and what follows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm<'a> {
    /// timm's name of the layer.
    pub name: &'a str,
    /// Function that is applied to the normalised values.
    pub activation: Activation,
    /// `γ` before training: 1, or 0 where a block begins as the identity.
    pub first_scale: f32,
}

impl<'a> Norm<'a> {
    /// Returns a batch normalisation that begins with `γ = 1`.
    pub fn new(name: &'a str, activation: Activation) -> Self {
        Norm { name, activation, first_scale: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_gives_an_output_for_each_started_stride() {
        for (extent, kernel, stride, dilation, pads) in [
            (8, 3, 2, 1, [0, 1]),
            (9, 3, 2, 1, [1, 1]),
            (8, 5, 2, 1, [1, 2]),
            (7, 3, 1, 2, [2, 2]),
            (8, 1, 2, 1, [0, 0]),
        ] {
            let layer = ConvLayer { stride, dilation, ..ConvLayer::dense(1, kernel) };
            let conv = Padding::Same.conv([extent, 7], layer);
            assert_eq!([conv.pads[0], conv.pads[2]], pads);
            let size = conv.output_size([extent, 7], [kernel; 2]).expect("a size");
            assert_eq!(size, [extent.div_ceil(stride), 7_usize.div_ceil(stride)]);
        }
    }

    #[test]
    fn symmetric_padding_is_the_same_on_all_sides() {
        let layer = ConvLayer { stride: 2, ..ConvLayer::dense(1, 7) };
        assert_eq!(Padding::Symmetric.conv([8, 9], layer).pads, [3; 4]);
        let layer = ConvLayer { dilation: 2, ..ConvLayer::dense(1, 3) };
        assert_eq!(Padding::Symmetric.conv([8, 9], layer).pads, [2; 4]);
    }
}
