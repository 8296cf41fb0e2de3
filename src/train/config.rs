//! Settings of a training: presets, what the user changes, `config.toml`.
//!
//! Takes the name of a preset and changes as keys and values; gives a [`TrainConfig`], checked.
//! What is written to `config.toml` of a run is the whole of it, so that it can be repeated.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::models::{Architecture, Depth, ModelError};
use crate::onnx::Checkpointing;

use super::data::{Sampling, Shape, Unlabelled};
use super::forward::NormStatistics;
use super::guard::GuardSettings;
use super::loss::ScoreLoss;
use super::schedule::Schedule;

/// Presets by name; the first is the default.
pub const PRESETS: [(&str, &str); 3] = [
    ("stable", include_str!("presets/stable.toml")),
    ("deeplabcut-tf", include_str!("presets/deeplabcut-tf.toml")),
    ("resnet", include_str!("presets/resnet.toml")),
];

/// Settings of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of the preset that the rest began as.
    pub preset: String,
    /// The network and its first weights.
    pub model: ModelSettings,
    /// What the network sees and is asked for.
    pub data: DataConfig,
    /// How long, and how often what is written.
    pub run: RunSettings,
    /// How parameters follow their gradients.
    pub optimiser: OptimiserSettings,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// How gradients are limited.
    pub clip: ClipSettings,
    /// What is done about spikes.
    pub guard: GuardSettings,
}

/// The network and its first weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// timm's name; `efficientnet_lite0` is short for `tf_efficientnet_lite0`.
    pub architecture: String,
    /// Where the trunk ends: `all` or `stageN`.
    pub trunk: String,
    /// Ratio beyond which strides become dilations: 16 or 32.
    pub output_stride: usize,
    /// `embedded`, `fetch`, `random`, or a file.
    pub weights: String,
    /// Whose statistics batch normalisation takes in training.
    pub statistics: NormStatistics,
    /// Share of a new batch in running statistics.
    pub statistics_momentum: f32,
    /// Whether blocks are computed again in the backward pass, which saves memory and costs
    /// time.
    pub recompute: Checkpointing,
    /// Whether convolutions are computed in half precision; CUDA only.
    pub half_precision: bool,
    /// Greatest rate at which a block's branch is left out, 0 to below 1.
    pub stochastic_depth: f32,
    /// Rate of dropout before a classifier, 0 to below 1.
    pub dropout: f32,
}

/// What the network sees and is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Width and height of the network's input in pixels, multiples of 16; `[0, 0]` chooses by
    /// the images.
    pub size: [usize; 2],
    /// Images of a batch.
    pub batch: usize,
    /// Batches whose gradients are summed for one step.
    pub accumulate: usize,
    /// Augmentation: `none`, `light`, `deeplabcut`, or a plan's file.
    pub augment: String,
    /// Whether images are mirrored at random, left and right keypoints exchanged.
    pub flip: bool,
    /// How images are drawn.
    pub sampling: Sampling,
    /// Shape of the target on a score map.
    pub target: Shape,
    /// Radius of the target in pixels of the network's input.
    pub target_radius_px: f32,
    /// What a keypoint without a label teaches.
    pub unlabelled: Unlabelled,
    /// Weight of keypoints that are labelled as hidden, 0 to 1.
    pub occluded_weight: f32,
    /// Weight of the offsets' loss beside the score maps'.
    pub offset_weight: f32,
    /// How score maps are compared with their targets.
    pub score_loss: ScoreLoss,
    /// Smoothing of the targets of classes, 0 to below 1.
    pub label_smoothing: f32,
    /// Room around an instance's box, as a share of its longer side.
    pub box_margin: f32,
}

/// How long, and how often what is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Seed of first weights, order, augmentation and masks.
    pub seed: u64,
    /// Updates of the parameters.
    pub steps: u64,
    /// Steps from one checkpoint to the next.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept beside the best.
    pub keep: usize,
    /// Steps from one look at the probe set and the test images to the next.
    pub probe_every: u64,
    /// Training images of the probe set.
    pub probe_images: usize,
    /// Whether the test images are looked at beside the probe set.
    pub probe_test: bool,
    /// How many times its least value so far the loss on the probe set may reach, in looks that
    /// follow each other ([`super::run::CONFIRMED`]), before the run ends as one that diverged;
    /// 0 for no limit.
    pub diverged_at: f32,
    /// Likelihood from which on a prediction counts, 0 to 1.
    pub pcutoff: f64,
    /// Threads of ONNX Runtime; 0 takes one per core.
    pub runtime_threads: usize,
    /// Threads that make batches; 0 takes one per core.
    pub loader_threads: usize,
    /// Most memory of the GPU in MiB; 0 for no limit.
    pub gpu_memory_mib: usize,
}

/// How parameters follow their gradients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimiserSettings {
    /// The optimiser.
    pub name: OptimiserName,
    /// Learning rate at its highest.
    pub learning_rate: f32,
    /// Momentum of gradient descent, or `β₁` of Adam.
    pub momentum: f32,
    /// `β₂` of Adam.
    pub beta2: f32,
    /// `ε` of Adam.
    pub epsilon: f32,
    /// Weight decay of the weights of convolutions and dense layers.
    pub weight_decay: f32,
    /// Factor of the trunk's learning rate.
    pub trunk_rate: f32,
    /// Factor of the head's learning rate.
    pub head_rate: f32,
    /// Epoch from which on the trunk is trained; before, only the head is.
    pub unfreeze_epoch: u64,
    /// What a moving average of the parameters keeps of its past at each step; 0 for none.
    pub average_keep: f32,
}

/// An optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserName {
    /// Adam; weight decay adds to the gradient.
    Adam,
    /// Adam; weight decay acts by itself.
    AdamW,
    /// Gradient descent with momentum.
    Sgd,
    /// Gradient descent with Nesterov's momentum.
    Nesterov,
}

/// How gradients are limited.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipSettings {
    /// By what.
    pub by: ClipBy,
    /// Greatest norm or size, or share of the weights; for `zclip` the z-score.
    pub limit: f32,
}

/// By what gradients are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClipBy {
    /// They are not.
    None,
    /// The norm of all together.
    Norm,
    /// The size of each element.
    Value,
    /// Each unit's norm, by that of its weights (AGC).
    Adaptive,
    /// The norm of all together, by how far it leaves its own running mean (ZClip).
    ZClip,
}

/// Why settings make no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No such preset.
    #[error("no preset is called `{name}`; there are {}", PRESETS.map(|(name, _)| name).join(", "))]
    NoSuchPreset {
        /// The name.
        name: String,
    },
    /// A change that is none.
    #[error("expected KEY=VALUE such as optimiser.weight_decay=0.01, found `{text}`")]
    Change {
        /// The text.
        text: String,
    },
    /// A key that does not exist.
    #[error("there is no setting `{key}`; {}", listed(.known))]
    NoSuchKey {
        /// The key.
        key: String,
        /// Keys beside it.
        known: Vec<String>,
    },
    /// The settings as a whole cannot be read.
    #[error("failed to read settings: {message}")]
    Malformed {
        /// What was expected and found.
        message: String,
    },
    /// A value out of its range.
    #[error("`{key}` is {found}; it {needs}")]
    Range {
        /// The key.
        key: &'static str,
        /// The value.
        found: String,
        /// What it has to be.
        needs: &'static str,
    },
    /// The network makes no sense.
    #[error(transparent)]
    Model(#[from] ModelError),
}

fn listed(known: &[String]) -> String {
    format!("known are {}", known.join(", "))
}

impl TrainConfig {
    /// Returns the settings of a preset with changes, in the order given: each `key=value`,
    /// with the key's table before a point (`optimiser.learning_rate=0.001`).
    ///
    /// # Errors
    /// [`ConfigError`] where a name, a key or a value is none.
    pub fn new(preset: &str, changes: &[String]) -> Result<TrainConfig, ConfigError> {
        let base = PRESETS[0].1;
        let found = PRESETS.iter().find(|(name, _)| *name == preset);
        let (_, own) = found.ok_or_else(|| ConfigError::NoSuchPreset { name: preset.into() })?;
        let mut table = table(base)?;
        merge(&mut table, self::table(own)?);
        table.insert("preset".into(), Value::String(preset.into()));
        // Once there and back, so that settings which presets leave open have their keys, too.
        let whole = Self::changed(table, &[])?;
        Self::changed(Table::try_from(&whole).expect("tables with text keys"), changes)
    }

    /// Reads `config.toml` of a run, and applies changes to it.
    ///
    /// # Errors
    /// [`ConfigError`] where a name, a key or a value is none.
    pub fn parse(text: &str, changes: &[String]) -> Result<TrainConfig, ConfigError> {
        Self::changed(table(text)?, changes)
    }

    /// Returns the text of `config.toml`.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("tables with text keys")
    }

    fn changed(mut table: Table, changes: &[String]) -> Result<TrainConfig, ConfigError> {
        for change in changes {
            apply(&mut table, change)?;
        }
        let config: TrainConfig = Value::Table(table)
            .try_into()
            .map_err(|error| ConfigError::Malformed { message: error.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// Returns the network.
    ///
    /// # Errors
    /// [`ModelError`] where there is none of the name.
    pub fn architecture(&self) -> Result<Architecture, ModelError> {
        let name = &self.model.architecture;
        // Lite weights are TensorFlow's, everywhere; of the others timm has both variants.
        if name.starts_with("efficientnet_lite") {
            return format!("tf_{name}").parse();
        }
        name.parse()
    }

    /// Returns where the trunk ends.
    ///
    /// # Errors
    /// [`ModelError`] where the text says none.
    pub fn depth(&self) -> Result<Depth, ModelError> {
        self.model.trunk.parse()
    }

    /// Checks what types do not: ranges.
    fn check(&self) -> Result<(), ConfigError> {
        self.architecture()?;
        self.depth()?;
        let (data, run, optimiser) = (&self.data, &self.run, &self.optimiser);
        let above = |key, value: f64, least: f64, needs| {
            if value.is_finite() && value >= least {
                return Ok(());
            }
            Err(ConfigError::Range { key, found: value.to_string(), needs })
        };
        let share = |key, value: f32, needs| {
            if (0.0..=1.0).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::Range { key, found: value.to_string(), needs })
        };
        const COUNT: &str = "has to be 1 or more";
        const POSITIVE: &str = "has to be 0 or more";
        const SHARE: &str = "has to lie between 0 and 1";
        if data.size.iter().any(|side| !side.is_multiple_of(16))
            || (data.size[0] == 0) != (data.size[1] == 0)
        {
            let found = format!("{}x{}", data.size[0], data.size[1]);
            let needs = "has to be two multiples of 16";
            return Err(ConfigError::Range { key: "data.size", found, needs });
        }
        above("data.batch", data.batch as f64, 1.0, COUNT)?;
        above("data.accumulate", data.accumulate as f64, 1.0, COUNT)?;
        above(
            "data.target_radius_px",
            data.target_radius_px.into(),
            4.0,
            "has to be 4 or more: half a cell of the score map",
        )?;
        share("data.occluded_weight", data.occluded_weight, SHARE)?;
        share("data.label_smoothing", data.label_smoothing, SHARE)?;
        above("data.offset_weight", data.offset_weight.into(), 0.0, POSITIVE)?;
        above("data.box_margin", data.box_margin.into(), 0.0, POSITIVE)?;
        above("run.steps", run.steps as f64, 1.0, COUNT)?;
        above("run.checkpoint_every", run.checkpoint_every as f64, 1.0, COUNT)?;
        above(
            "run.keep",
            run.keep as f64,
            2.0,
            "has to be 2 or more: a rollback may need the one before the last",
        )?;
        above("run.probe_every", run.probe_every as f64, 1.0, COUNT)?;
        above("run.probe_images", run.probe_images as f64, 1.0, COUNT)?;
        above("run.diverged_at", run.diverged_at.into(), 0.0, POSITIVE)?;
        share("run.pcutoff", run.pcutoff as f32, SHARE)?;
        above("optimiser.learning_rate", optimiser.learning_rate.into(), 0.0, POSITIVE)?;
        share("optimiser.momentum", optimiser.momentum, SHARE)?;
        share("optimiser.beta2", optimiser.beta2, SHARE)?;
        above("optimiser.epsilon", optimiser.epsilon.into(), 0.0, POSITIVE)?;
        above("optimiser.weight_decay", optimiser.weight_decay.into(), 0.0, POSITIVE)?;
        above("optimiser.trunk_rate", optimiser.trunk_rate.into(), 0.0, POSITIVE)?;
        above("optimiser.head_rate", optimiser.head_rate.into(), 0.0, POSITIVE)?;
        share("optimiser.average_keep", optimiser.average_keep, SHARE)?;
        share("model.statistics_momentum", self.model.statistics_momentum, SHARE)?;
        if self.clip.by != ClipBy::None && self.clip.limit <= 0.0 {
            let found = self.clip.limit.to_string();
            return Err(ConfigError::Range {
                key: "clip.limit",
                found,
                needs: "has to be above 0",
            });
        }
        self.schedule.check()?;
        Ok(())
    }
}

fn table(text: &str) -> Result<Table, ConfigError> {
    text.parse()
        .map_err(|error: toml::de::Error| ConfigError::Malformed { message: error.to_string() })
}

/// Lays one table over another. A schedule is replaced whole: its kinds have different keys.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) if key != "schedule" => {
                merge(base, over)
            }
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

/// Applies `key=value`; the value is TOML, or text where it is none.
fn apply(table: &mut Table, change: &str) -> Result<(), ConfigError> {
    let none = || ConfigError::Change { text: change.into() };
    let (key, text) = change.split_once('=').ok_or_else(none)?;
    let (key, text) = (key.trim(), text.trim());
    let parsed: Result<Table, _> = format!("value = {text}").parse();
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| Value::String(text.into()));
    let mut place = table;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let known: Vec<String> = place.keys().cloned().collect();
        let missing = || ConfigError::NoSuchKey { key: key.into(), known };
        if parts.peek().is_none() {
            let old = place.get_mut(part).ok_or_else(missing)?;
            // 1 is a number with a point where one is expected.
            *old = match (&*old, value) {
                (Value::Float(_), Value::Integer(number)) => Value::Float(number as f64),
                (Value::String(_), Value::Integer(number)) => Value::String(number.to_string()),
                (_, value) => value,
            };
            return Ok(());
        }
        place = match place.get_mut(part) {
            Some(Value::Table(inner)) => inner,
            _ => return Err(missing()),
        };
    }
    Err(none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_whole_and_is_read_back() {
        for (name, _) in PRESETS {
            let config = TrainConfig::new(name, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(config.preset, name);
            assert_eq!(TrainConfig::parse(&config.to_toml(), &[]).expect("its own text"), config);
        }
    }

    #[test]
    fn changes_are_checked() {
        let new = |change: &str| TrainConfig::new("stable", &[change.to_owned()]);
        assert_eq!(
            new("optimiser.learning_rate=1").expect("a number").optimiser.learning_rate,
            1.0
        );
        assert_eq!(
            new("model.architecture = efficientnet_b3").expect("a name").model.architecture,
            "efficientnet_b3"
        );
        assert_eq!(new("data.size=[320, 256]").expect("a size").data.size, [320, 256]);
        let message = |change: &str| new(change).expect_err("an error").to_string();
        assert!(
            message("optimiser.rate=1").contains("known are"),
            "{}",
            message("optimiser.rate=1")
        );
        assert!(message("data.size=[100, 100]").contains("multiples of 16"));
        assert!(message("data.batch=-1").contains("batch"));
        assert!(message("optimiser.name=adagrad").contains("adagrad"));
        assert!(message("steps").contains("KEY=VALUE"));
        assert!(message("model.architecture=vgg16").contains("vgg16"));
        assert!(
            TrainConfig::new("fast", &[]).expect_err("none").to_string().contains("deeplabcut-tf")
        );
    }
}
