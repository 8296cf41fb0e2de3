//! `labelvet train`: trains a model on a dataset, evaluates it, and leaves a RUN folder.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::cli::dataset::DatasetOptions;
use crate::cli::{Common, cross, pass};
use crate::train::config::TrainConfig;
use crate::train::folder;

/// Train a model, evaluate it, and keep a record of every step
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Folder of a dataset, or the file that users of its format pass
    dataset: PathBuf,
    /// Folder of the run; must not exist or be empty, but with --resume
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Go on from the last checkpoint of the run
    #[arg(long)]
    resume: bool,
    /// Start with few images and the smallest network, and grow both until stability breaks
    #[arg(long, conflicts_with = "resume")]
    ladder: bool,
    /// Train so many times, each time without another part of the dataset, and predict each part by
    /// the model that did not see it: for `audit --predictions`
    #[arg(long, value_name = "K", conflicts_with_all = ["resume", "ladder", "split"])]
    folds: Option<usize>,
    /// Settings to begin with: stable, deeplabcut-tf or resnet [default: stable]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Network: efficientnet_lite0 to 4, efficientnet_b0 to b7, resnet50
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Where the trunk ends: all, or stageN
    #[arg(long, value_name = "WHERE")]
    trunk: Option<String>,
    /// First weights: embedded, fetch, random, or a file of timm's
    #[arg(long, value_name = "WEIGHTS")]
    weights: Option<String>,
    /// Width and height of the network's input, multiples of 16 [default: by the images]
    #[arg(long, value_name = "WxH")]
    size: Option<String>,
    /// Images of a batch
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Highest learning rate
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Steps of training
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Augmentation: none, light, deeplabcut, or a plan's file
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// Table of images and parts (train, test, gap): CSV or Parquet
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,
    /// Any setting of config.toml, such as optimiser.weight_decay=0.01; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    read: DatasetOptions,
    #[command(flatten)]
    device: pass::DeviceOptions,
}

impl Options {
    /// Returns what was asked for beside the preset, as changes of settings.
    fn changes(&self, common: &Common) -> Result<Vec<String>> {
        let quoted = |key: &str, text: &str| format!("{key}={}", toml::Value::from(text));
        let mut changes = Vec::new();
        changes.extend(self.model.as_deref().map(|text| quoted("model.architecture", text)));
        changes.extend(self.trunk.as_deref().map(|text| quoted("model.trunk", text)));
        changes.extend(self.weights.as_deref().map(|text| quoted("model.weights", text)));
        changes.extend(self.plan.as_deref().map(|text| quoted("data.augment", text)));
        changes.extend(self.batch.map(|batch| format!("data.batch={batch}")));
        changes.extend(self.lr.map(|lr| format!("optimiser.learning_rate={lr:?}")));
        changes.extend(self.steps.map(|steps| format!("run.steps={steps}")));
        if let Some(size) = &self.size {
            let sides = size.split_once('x').map(|(w, h)| (w.trim().parse(), h.trim().parse()));
            let Some((Ok::<usize, _>(width), Ok::<usize, _>(height))) = sides else {
                bail!("--size is WIDTHxHEIGHT such as 256x192, not {size}");
            };
            changes.push(format!("data.size=[{width}, {height}]"));
        }
        if common.seed != 0 {
            changes.push(format!("run.seed={}", common.seed));
        }
        changes.extend(self.set.iter().cloned());
        Ok(changes)
    }

    /// Returns the settings of the run: new ones, or those of a run that is resumed.
    fn config(&self, common: &Common) -> Result<TrainConfig> {
        let changes = self.changes(common)?;
        if !self.resume {
            return Ok(TrainConfig::new(self.preset.as_deref().unwrap_or("stable"), &changes)?);
        }
        let path = self.out.join(folder::CONFIG);
        let text = fs::read_to_string(&path).with_context(|| {
            format!("failed to read {}; there is no run to resume", path.display())
        })?;
        let own = TrainConfig::parse(&text, &[])?;
        let asked = TrainConfig::parse(&text, &changes)?;
        if asked != own || self.preset.as_deref().is_some_and(|preset| preset != own.preset) {
            bail!(
                "a run is resumed with the settings that it began with, which {} holds; leave out \
                 options that differ",
                path.display()
            );
        }
        Ok(own)
    }
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    let config = options.config(common)?;
    let pairs = pass::pairs(common, &options.dataset)?;
    let dataset = options.read.read(&options.dataset, &pairs)?;
    let runtime = options.device.load(common)?;
    let asked = pass::Asked {
        dataset: &dataset,
        path: &options.dataset,
        split: options.split.as_deref(),
        words,
        runtime: &runtime,
        common,
    };
    if options.ladder {
        return pass::climb(&asked, &config, &options.out, options.force);
    }
    if let Some(count) = options.folds {
        return cross::train(&asked, &config, count, &options.out, options.force);
    }
    pass::train(&asked, config, &options.out, pass::Start::new(options.resume, options.force))
}
