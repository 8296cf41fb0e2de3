//! Trunks: an architecture, cut after a stage, with an output stride.
//!
//! Gives features for a head. Where the output stride is reached, later strides become
//! dilations, so that the same weights see the same surroundings at more places.

use std::fmt;
use std::str::FromStr;

use super::builder::Builder;
use super::efficientnet::EfficientNet;
use super::layer::Conventions;
use super::{Model, ModelError, Regularisation, resnet};
use crate::onnx::Value;

/// Greatest ratio of the extents of images and features.
pub const MAX_STRIDE: usize = 32;
/// Ratios at which strides may become dilations.
const OUTPUT_STRIDES: [usize; 4] = [4, 8, 16, MAX_STRIDE];

/// A network whose features a head can use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Architecture {
    /// EfficientNet or EfficientNet-Lite.
    EfficientNet(EfficientNet),
    /// ResNet-50.
    ResNet50,
}

impl Architecture {
    /// Returns every network, in the order of families and sizes.
    pub fn all() -> impl Iterator<Item = Architecture> {
        EfficientNet::all()
            .map(Architecture::EfficientNet)
            .chain(std::iter::once(Architecture::ResNet50))
    }

    /// Returns timm's name.
    pub fn name(&self) -> String {
        match self {
            Architecture::EfficientNet(network) => network.name(),
            Architecture::ResNet50 => resnet::NAME.to_owned(),
        }
    }

    /// Returns the rates that the authors trained with for classification.
    pub fn regularisation(&self) -> Regularisation {
        match self {
            Architecture::EfficientNet(network) => {
                Regularisation { dropout: network.dropout(), stochastic_depth: 0.2 }
            }
            Architecture::ResNet50 => Regularisation::NONE,
        }
    }

    /// Returns the number of the last stage in timm's names: 6 of `blocks.6`, 4 of `layer4`.
    pub fn last_stage(&self) -> usize {
        match self {
            Architecture::EfficientNet(_) => EfficientNet::LAST_STAGE,
            Architecture::ResNet50 => resnet::LAST_STAGE,
        }
    }

    /// Returns timm's name of the dense layer that gives classes.
    pub fn classifier(&self) -> &'static str {
        match self {
            Architecture::EfficientNet(_) => EfficientNet::CLASSIFIER,
            Architecture::ResNet50 => resnet::CLASSIFIER,
        }
    }

    /// Adds what stands between the last stage and the mean over places.
    pub(super) fn top(&self, builder: &mut Builder, x: Value) -> Result<Value, ModelError> {
        match self {
            Architecture::EfficientNet(network) => network.top(builder, x),
            Architecture::ResNet50 => Ok(x),
        }
    }

    fn first_stage(self) -> usize {
        match self {
            Architecture::EfficientNet(_) => 0,
            Architecture::ResNet50 => 1,
        }
    }
}

impl FromStr for Architecture {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Architecture::all().find(|network| network.name() == name).ok_or_else(|| {
            let known = Architecture::all().map(|network| network.name()).collect();
            ModelError::UnknownArchitecture { name: name.to_owned(), known }
        })
    }
}

/// Where a trunk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// After the stage with this number in timm's names: `blocks.N` of EfficientNet (from 0),
    /// `layerN` of ResNet (from 1). EfficientNet's stage 4 and ResNet's stage 3 are the last
    /// ones at stride 16.
    Stage(usize),
    /// After the last stage.
    All,
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Depth::Stage(number) => write!(f, "stage{number}"),
            Depth::All => write!(f, "all"),
        }
    }
}

impl FromStr for Depth {
    type Err = ModelError;

    /// Reads `all` or `stageN`.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        if text == "all" {
            return Ok(Depth::All);
        }
        let number = text.strip_prefix("stage").and_then(|number| number.parse().ok());
        number.map(Depth::Stage).ok_or_else(|| ModelError::UnknownDepth { text: text.to_owned() })
    }
}

/// A network without head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trunk {
    /// The network.
    pub architecture: Architecture,
    /// Where it is cut.
    pub depth: Depth,
    /// Ratio of the extents of images and features beyond which strides become dilations: 4,
    /// 8, 16 or 32. A trunk that is cut before it is reached has a smaller one.
    pub output_stride: usize,
}

/// What a trunk gives.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Features `[N, C, ⌈H/stride⌉, ⌈W/stride⌉]`.
    pub value: Value,
    /// Ratio of the extents of images and features.
    pub stride: usize,
}

impl Trunk {
    /// Returns the trunk that is cut after `depth`, with the network's own strides.
    pub fn new(architecture: Architecture, depth: Depth) -> Self {
        Trunk { architecture, depth, output_stride: MAX_STRIDE }
    }
}

impl Model for Trunk {
    type Outputs = Features;

    fn conventions(&self) -> Conventions {
        match self.architecture {
            Architecture::EfficientNet(network) => network.conventions(),
            Architecture::ResNet50 => resnet::CONVENTIONS,
        }
    }

    fn add(&self, builder: &mut Builder, images: Value) -> Result<Features, ModelError> {
        if builder.images(images)?[1] != 3 {
            return Err(ModelError::Images { found: builder.tensor(images).clone() });
        }
        let (first, last) = (self.architecture.first_stage(), self.architecture.last_stage());
        let stage = match self.depth {
            Depth::All => last,
            Depth::Stage(stage) if (first..=last).contains(&stage) => stage,
            Depth::Stage(stage) => {
                let architecture = self.architecture.name();
                return Err(ModelError::NoSuchStage { architecture, stage, first, last });
            }
        };
        if !OUTPUT_STRIDES.contains(&self.output_stride) {
            return Err(ModelError::OutputStride { found: self.output_stride });
        }
        let stride = Stride { limit: self.output_stride, reached: 1, dilation: 1 };
        match self.architecture {
            Architecture::EfficientNet(network) => network.trunk(builder, images, stage, stride),
            Architecture::ResNet50 => resnet::trunk(builder, images, stage, stride),
        }
    }
}

/// Turns strides into dilations where the output stride is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stride {
    limit: usize,
    reached: usize,
    dilation: usize,
}

impl Stride {
    /// Returns stride and dilation of a stage's first layer or block, whose own stride is
    /// given. A stride that becomes dilation does so for what follows: the first block still
    /// sees its input at the distance that it was trained with.
    pub(super) fn first(&mut self, stride: usize) -> (usize, usize) {
        let dilation = self.dilation;
        if self.reached * stride > self.limit {
            self.dilation *= stride;
            return (1, dilation);
        }
        self.reached *= stride;
        (stride, dilation)
    }

    /// Returns stride and dilation of a stage's further blocks.
    pub(super) fn later(&self) -> (usize, usize) {
        (1, self.dilation)
    }

    /// Returns the ratio of the extents of images and features so far.
    pub(super) fn reached(&self) -> usize {
        self.reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Mode;
    use crate::onnx::{Graph, TensorType};

    #[test]
    fn a_stride_becomes_dilation_after_its_first_block() {
        let mut stride = Stride { limit: 8, reached: 4, dilation: 1 };
        assert_eq!((stride.first(2), stride.later()), ((2, 1), (1, 1)));
        assert_eq!((stride.first(2), stride.later()), ((1, 1), (1, 2)));
        assert_eq!((stride.first(2), stride.later()), ((1, 2), (1, 4)));
        assert_eq!(stride.reached(), 8);
    }

    #[test]
    fn names_are_read_back() {
        for network in Architecture::all() {
            assert_eq!(network.name().parse::<Architecture>().expect("its name"), network);
        }
        let message = "efficientnet_b9".parse::<Architecture>().expect_err("no network");
        assert!(message.to_string().contains("tf_efficientnet_lite4, resnet50"));
        for depth in [Depth::Stage(4), Depth::All] {
            assert_eq!(depth.to_string().parse::<Depth>().expect("a depth"), depth);
        }
        assert!("stage".parse::<Depth>().is_err());
    }

    #[test]
    fn impossible_trunks_are_errors() {
        let trunk = Trunk::new(Architecture::ResNet50, Depth::Stage(0));
        let message = trunk.inventory().expect_err("no such stage").to_string();
        assert_eq!(message, "resnet50 has stages 1 to 4, not 0");
        let trunk = Trunk { output_stride: 2, ..Trunk::new(Architecture::ResNet50, Depth::All) };
        assert!(matches!(trunk.inventory(), Err(ModelError::OutputStride { found: 2 })));

        let mut graph = Graph::new();
        let grey = graph.input("images", TensorType::f32(&[2, 1, 64, 64]));
        let mode = Mode::Train(Regularisation::NONE);
        let error = Trunk::new(Architecture::ResNet50, Depth::All).build(&mut graph, grey, mode);
        assert!(error.expect_err("grey images").to_string().ends_with("not float[2, 1, 64, 64]"));
    }
}
