//! Networks as graphs: EfficientNet b0–b7 and Lite0–4, ResNet-50; heads for poses and classes.
//!
//! A [`Model`] is one definition. Building it in a [`Mode`] gives the forward pass of training,
//! of training with frozen statistics, or of inference with batch normalisation folded into the
//! convolutions; [`Model::inventory`] lists its parameters, under timm's names.
//!
//! ```
//! use labelvet::models::{Depth, Mode, Model, PoseModel, Regularisation, Trunk};
//! use labelvet::onnx::{Graph, TensorType};
//!
//! let trunk = Trunk::new("tf_efficientnet_lite0".parse()?, Depth::Stage(4));
//! let model = PoseModel { trunk, keypoints: 12 };
//! let mut graph = Graph::new();
//! let images = graph.input("images", TensorType::f32(&[8, 3, 192, 256]));
//! let built = model.build(&mut graph, images, Mode::Train(Regularisation::NONE))?;
//! assert_eq!(graph.shape(built.outputs.score_maps), [8, 12, 24, 32]);
//! # Ok::<(), labelvet::models::ModelError>(())
//! ```
//!
//! Nothing here reads a file, or runs a graph.

mod builder;
mod efficientnet;
mod fold;
mod heads;
mod interface;
mod layer;
mod parameter;
mod resnet;
mod trunk;
pub mod weights;

use crate::onnx::{Graph, GraphError, Shape, TensorType, Value};

pub use builder::Builder;
pub use efficientnet::EfficientNet;
pub use fold::{BatchNorm, Folded, fold};
pub use heads::{ClassOutputs, Classifier, POSE_STRIDE, PoseModel, PoseOutputs};
pub use interface::{BatchStatistics, Interface, Mode, ParameterInput, Weights};
pub use layer::{ConvLayer, Conventions, Norm, Padding};
pub use parameter::{Initialiser, Kind, Parameter, RunningStatistics};
pub use trunk::{Architecture, Depth, Features, MAX_STRIDE, Trunk};

/// A network that maps images to outputs.
pub trait Model {
    /// What it gives.
    type Outputs;

    /// Returns what its layers have in common.
    fn conventions(&self) -> Conventions;

    /// Adds the network.
    ///
    /// # Shapes
    /// `images: [N, 3, H, W]`.
    ///
    /// # Errors
    /// Where the definition does not fit together, or weights do not fit it.
    fn add(&self, builder: &mut Builder, images: Value) -> Result<Self::Outputs, ModelError>;

    /// Adds the network in a mode, and returns with its outputs what the graph is fed with.
    ///
    /// # Shapes
    /// `images: [N, 3, H, W]`.
    ///
    /// # Errors
    /// Where the definition does not fit together, or weights do not fit it.
    fn build(
        &self,
        graph: &mut Graph,
        images: Value,
        mode: Mode,
    ) -> Result<Built<Self::Outputs>, ModelError> {
        let mut builder = Builder::new(graph, mode, self.conventions());
        let outputs = self.add(&mut builder, images)?;
        Ok(Built { outputs, interface: builder.finish() })
    }

    /// Lists parameters and running statistics, which depend on no image's size.
    ///
    /// # Errors
    /// Where the definition does not fit together.
    fn inventory(&self) -> Result<Inventory, ModelError> {
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32(&[1, 3, MAX_STRIDE, MAX_STRIDE]));
        let mode = Mode::FrozenStatistics(Regularisation::NONE);
        let interface = self.build(&mut graph, images, mode)?.interface;
        let parameters = interface.parameters.into_iter().map(|input| input.parameter).collect();
        Ok(Inventory { parameters, running: interface.running })
    }
}

/// A network in a graph.
#[derive(Clone, Debug)]
pub struct Built<O> {
    /// What the network gives.
    pub outputs: O,
    /// What the graph is fed with besides images, and what it gives beside its outputs.
    pub interface: Interface,
}

/// What a model's weights are made of, in the order of the forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    /// What training changes.
    pub parameters: Vec<Parameter>,
    /// Running statistics of batch normalisations.
    pub running: Vec<RunningStatistics>,
}

impl Inventory {
    /// Returns names and shapes of all tensors: parameters, then running statistics.
    pub fn tensors(&self) -> Vec<(String, Shape)> {
        let parameters = self.parameters.iter().map(|p| (p.name.clone(), p.shape.clone()));
        let running = self.running.iter().flat_map(|running| {
            [running.mean(), running.variance()].map(|name| (name, vec![running.channels]))
        });
        parameters.chain(running).collect()
    }
}

/// Rates of what is left out at random in training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regularisation {
    /// Probability that an element before the classifier is 0; 0 to below 1.
    pub dropout: f32,
    /// Probability that the branch of a block behind the last is left out for an image; it
    /// grows from 0 at the first block. 0 to below 1.
    pub stochastic_depth: f32,
}

impl Regularisation {
    /// Nothing is left out.
    pub const NONE: Regularisation = Regularisation { dropout: 0.0, stochastic_depth: 0.0 };
}

/// What goes wrong when a network is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// There is no network of this name.
    #[error("no network is called `{name}`; there are {}", known.join(", "))]
    UnknownArchitecture {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A text says no depth.
    #[error("a trunk ends at `all` or at a stage such as `stage4`, not at `{text}`")]
    UnknownDepth {
        /// The text.
        text: String,
    },
    /// The network has no stage of this number.
    #[error("{architecture} has stages {first} to {last}, not {stage}")]
    NoSuchStage {
        /// Name of the network.
        architecture: String,
        /// The stage asked for.
        stage: usize,
        /// Number of the first stage.
        first: usize,
        /// Number of the last stage.
        last: usize,
    },
    /// A trunk cannot have this output stride.
    #[error("the output stride of a trunk is 4, 8, 16 or 32, not {found}")]
    OutputStride {
        /// The stride asked for.
        found: usize,
    },
    /// A pose head cannot use features of this stride.
    #[error("a pose head needs features of stride 16 or 32, and the trunk ends at {found}")]
    PoseStride {
        /// The trunk's stride.
        found: usize,
    },
    /// A rate is no probability below 1.
    #[error(
        "{name} is to be left out with a probability of {rate}, which is not from 0 to below 1"
    )]
    Rate {
        /// Name of the mask.
        name: String,
        /// The rate asked for.
        rate: f32,
    },
    /// A network or a layer of images was given something else.
    #[error("images are [batch, channels, height, width], with 3 channels of colour, not {found}")]
    Images {
        /// What was given.
        found: TensorType,
    },
    /// The weights lack a tensor.
    #[error("the weights lack {name}")]
    Missing {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor of the weights has another number of elements.
    #[error("{name} has {found} elements in the weights, {expected} in the network")]
    Length {
        /// Name of the tensor.
        name: String,
        /// Number in the network.
        expected: usize,
        /// Number in the weights.
        found: usize,
    },
    /// A layer does not fit its input.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(network: &str, name: &str) -> Parameter {
        let architecture = network.parse().expect("a network");
        let inventory = Classifier { architecture, classes: 100 }.inventory().expect("a network");
        let found = inventory.parameters.into_iter().find(|parameter| parameter.name == name);
        found.expect("a parameter of this name")
    }

    #[test]
    fn parameters_have_kinds_and_first_values() {
        let normal = |variance: f64| Initialiser::Normal(variance.sqrt() as f32);
        for (network, name, kind, initialiser) in [
            ("efficientnet_b0", "conv_stem.weight", Kind::ConvWeight, normal(2.0 / (9.0 * 32.0))),
            // A depthwise convolution's fan-out is of its own group.
            ("efficientnet_b0", "blocks.0.0.conv_dw.weight", Kind::ConvWeight, normal(2.0 / 9.0)),
            (
                "efficientnet_b0",
                "blocks.1.1.se.conv_reduce.bias",
                Kind::Bias,
                Initialiser::Constant(0.0),
            ),
            (
                "efficientnet_b0",
                "blocks.1.1.bn2.weight",
                Kind::NormScale,
                Initialiser::Constant(1.0),
            ),
            ("efficientnet_b0", "classifier.weight", Kind::LinearWeight, Initialiser::Uniform(0.1)),
            ("resnet50", "layer1.0.bn3.weight", Kind::NormScale, Initialiser::Constant(0.0)),
            ("resnet50", "layer1.0.bn3.bias", Kind::NormOffset, Initialiser::Constant(0.0)),
        ] {
            let parameter = parameter(network, name);
            assert_eq!((parameter.kind, parameter.initialiser), (kind, initialiser), "{name}");
            assert_eq!(
                kind.decays(),
                name.contains("conv") && name.ends_with("weight") || name == "classifier.weight"
            );
        }
    }

    #[test]
    fn stochastic_depth_grows_to_its_rate_and_spares_what_has_no_shortcut() {
        let architecture: Architecture = "tf_efficientnet_lite0".parse().expect("a network");
        let model = Classifier { architecture, classes: 10 };
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32(&[2, 3, 32, 32]));
        let mode = Mode::Train(architecture.regularisation());
        let masks = model.build(&mut graph, images, mode).expect("a network").interface.masks;
        // Lite0 has 16 blocks, 9 of them with a shortcut; the first of these is the third.
        assert_eq!(masks.len(), 10);
        let mask = |index: usize| (masks[index].name.as_str(), masks[index].keep);
        assert_eq!(mask(0), ("blocks.1.1.drop_path", 1.0 - 0.2 * 2.0 / 16.0));
        assert_eq!(mask(8), ("blocks.5.3.drop_path", 1.0 - 0.2 * 14.0 / 16.0));
        assert_eq!(mask(9), ("classifier.dropout", 1.0 - 0.2));
        assert_eq!(masks[8].shape, [2, 1, 1, 1]);
        assert_eq!(masks[9].shape, [2, 1280]);
    }
}
