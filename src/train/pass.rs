//! A whole pass: from a dataset, a split and settings to a trained, exported and evaluated
//! model in a RUN folder. What `train` runs once, and a study many times.
//!
//! [`prepare`] chooses what settings leave open and checks the rest; a [`Prepared`] pass then
//! begins or goes on, trains ([`super::run`]), and is finished. Prints nothing.

use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::config::TrainConfig;
use super::data::LOCREF_DEVIATION;
use super::error::TrainError;
use super::export::{ModelCard, export};
use super::folder::{self, Machine, RunFile, Source, SplitSource, Status, WeightsSource};
use super::material::{Material, Subjects};
use super::network::{FirstWeights, FirstWeightsError, Network, Task};
use super::page;
use super::predict::Target;
use super::predictor::Predictor;
use super::run::{self, Ending, Job, Moment, Outcome};
use super::runtime::{Device, Runtime, SessionSettings};
use super::session::Sessions;
use super::split_file;
use crate::dataset::Predictions;
use crate::dataset::{Dataset, Part, Split, fingerprint};
use crate::eval::{self, Errors, Evaluation, Subset};
use crate::models::POSE_STRIDE;
use crate::models::weights::to_safetensors;
use crate::packages::{Progress, hex};
use crate::predictions;

/// What a pass is to be made of.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The dataset.
    pub dataset: &'a Dataset,
    /// The dataset as the user named it.
    pub path: String,
    /// Its parts.
    pub split: &'a Split,
    /// How they were made, in a word.
    pub by: &'a str,
    /// Settings.
    pub config: TrainConfig,
    /// Where graphs are computed.
    pub runtime: &'a Runtime,
    /// The command line, as words.
    pub words: &'a [String],
    /// labelvet's cache, for weights that are fetched.
    pub cache: Option<PathBuf>,
    /// Threads; `None` takes one per core.
    pub threads: Option<usize>,
    /// Images that the probe set is drawn from; `None` for all training images.
    pub probe: Option<Vec<u32>>,
}

/// A pass that can begin or go on.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// What it is made of.
    pub wanted: Wanted<'a>,
    /// Images, labels and how they become batches.
    pub data: Material,
    /// The network.
    pub network: Network,
    /// What it begins with.
    pub first: FirstWeights,
    /// The content of `run.json` at its beginning.
    pub file: RunFile,
}

/// A trained model, and how well it does.
#[derive(Debug)]
pub struct Finished {
    /// Predictions for all labelled images of the parts.
    pub predictions: Predictions,
    /// How they agree with the labels, by part; `None` for classes.
    pub evaluation: Option<Evaluation>,
    /// Share of right classes by part, for classes; else empty.
    pub accuracy: Vec<(Part, f64)>,
}

/// Chooses what settings leave open (the size of images, threads, the harmless loss of classes), checks the rest, and gets
/// the first weights.
///
/// # Errors
/// [`TrainError`] where settings and dataset do not fit together.
pub fn prepare<'a>(
    mut wanted: Wanted<'a>,
    progress: Progress<'_>,
) -> Result<Prepared<'a>, TrainError> {
    let device = wanted.runtime.device();
    let config = &mut wanted.config;
    if config.model.half_precision && device != Device::Cuda {
        return Err(TrainError::HalfOnCpu);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = wanted.threads.unwrap_or(cores);
    for setting in [&mut config.run.runtime_threads, &mut config.run.loader_threads] {
        if *setting == 0 {
            *setting = threads;
        }
    }
    let subjects = Subjects::new(wanted.dataset, wanted.split)?;
    if config.data.size == [0, 0] {
        config.data.size = subjects.suitable_size(wanted.dataset, device)?;
    }
    if let Task::Class(classes) = subjects.task
        && config.guard.harmless_loss == 0.0
    {
        config.guard.harmless_loss = (classes as f64).ln();
    }
    let network = Network::new(config, subjects.task).map_err(FirstWeightsError::from)?;
    let probe = wanted.probe.as_deref();
    let data = Material::new(wanted.dataset, subjects, config, &network, probe)?;
    let seed = config.run.seed;
    let first = network.first_weights(&config.model, seed, wanted.cache.as_deref(), progress)?;
    let file = run_file(&wanted, &data, &first);
    Ok(Prepared { data, network, first, file, wanted })
}

fn run_file(wanted: &Wanted<'_>, data: &Material, first: &FirstWeights) -> RunFile {
    let config = &wanted.config;
    let bytes = to_safetensors(&first.tensors).unwrap_or_default();
    let mut parts = Sha256::new();
    for (image, part) in wanted.dataset.images.iter().zip(&wanted.split.parts) {
        if let Some(part) = part {
            parts.update(format!("{}\0{part}\n", image.path));
        }
    }
    RunFile {
        schema: super::record::SCHEMA,
        status: Status::Running,
        reason: None,
        arm: None,
        shuffle: None,
        seed: config.run.seed,
        steps: [0, config.run.steps],
        alarms: 0,
        command: wanted.words.to_vec(),
        dataset: Source {
            path: wanted.path.clone(),
            format: wanted.dataset.format.to_owned(),
            labels_sha256: fingerprint(wanted.dataset, |_| None),
        },
        names: data.subjects.names.clone(),
        task: task_name(data).to_owned(),
        size: config.data.size,
        subject: data.subject().to_owned(),
        split: SplitSource {
            by: wanted.by.to_owned(),
            sha256: hex(&parts.finalize()),
            images: Part::ALL.map(|part| wanted.split.count(part)),
        },
        patch: None,
        weights: WeightsSource {
            source: first.source.clone(),
            sha256: hex(&Sha256::digest(&bytes)),
        },
        machine: Machine {
            labelvet: env!("CARGO_PKG_VERSION").to_owned(),
            onnxruntime: wanted.runtime.version().to_owned(),
            device: wanted.runtime.device().name().to_owned(),
            runtime_threads: config.run.runtime_threads,
            platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        },
        seconds: 0.0,
    }
}

impl Prepared<'_> {
    /// Writes what a RUN folder begins with: `config.toml`, `split.parquet`, `run.json`.
    ///
    /// # Errors
    /// [`TrainError`] where a file cannot be written.
    pub fn begin(&self, folder: &Path) -> Result<(), TrainError> {
        folder::write(&folder.join(folder::CONFIG), self.wanted.config.to_toml().as_bytes())?;
        split_file::write(&folder.join(folder::SPLIT), self.wanted.dataset, self.wanted.split)?;
        Ok(self.file.write(folder)?)
    }

    /// Checks that a run that is to go on is of the same labels and parts.
    ///
    /// # Errors
    /// [`TrainError::OtherRun`].
    pub fn same_as(&self, old: &RunFile) -> Result<(), TrainError> {
        let same = [
            ("labels", old.dataset.labels_sha256 == self.file.dataset.labels_sha256),
            ("split", old.split.sha256 == self.file.split.sha256),
            ("names of keypoints or classes", old.names == self.file.names),
        ];
        match same.iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(TrainError::OtherRun { what }),
            None => Ok(()),
        }
    }

    /// Trains, from the beginning or from where `old` was left.
    ///
    /// # Errors
    /// [`TrainError`] where a file cannot be written or the device fails.
    pub fn train(
        &self,
        folder: &Path,
        old: Option<&RunFile>,
        watch: &mut dyn FnMut(Moment<'_>),
    ) -> Result<Outcome, TrainError> {
        let start = Instant::now();
        let job = Job {
            data: &self.data,
            network: self.network,
            config: &self.wanted.config,
            runtime: self.wanted.runtime,
            folder,
            first: old.is_none().then_some(&self.first.tensors),
            plant: None,
        };
        let mut file = old.unwrap_or(&self.file).clone();
        file.status = Status::Running;
        let before = file.seconds;
        let outcome = run::train(&job, &mut |moment| {
            if let Moment::Probe(row) = &moment {
                file.steps[0] = row.step;
                file.seconds = before + start.elapsed().as_secs_f64();
                // What cannot be written now is written at the end, or fails there.
                let _ = file.write(folder);
                let _ = page::write(folder, &file, Some(REFRESH_SECONDS));
            }
            watch(moment);
        })?;
        file.steps[0] = outcome.steps;
        file.alarms += outcome.alarms;
        file.seconds = before + start.elapsed().as_secs_f64();
        file.write(folder)?;
        Ok(outcome)
    }

    /// Exports the model, predicts all labelled images, evaluates, and writes `model.onnx`,
    /// `predictions.parquet`, `metrics.json` and the last state of `run.json`.
    ///
    /// # Errors
    /// [`TrainError`] where a file cannot be written or the device fails.
    pub fn finish(&self, folder: &Path, outcome: &Outcome) -> Result<Finished, TrainError> {
        let model = export(&self.network, &outcome.weights, &self.card())?;
        folder::write(&folder.join(folder::MODEL), &model)?;
        let finished = self.judge(&model)?;
        if let Some(evaluation) = &finished.evaluation {
            predictions::write_parquet(
                &folder.join("predictions.parquet"),
                self.wanted.dataset,
                &finished.predictions,
            )?;
            folder::write(&folder.join("metrics.json"), evaluation.to_json()?.as_bytes())?;
        }
        self.close(folder, outcome)?;
        Ok(finished)
    }

    /// Writes the last state of `run.json` and of the page, and nothing of the model: for runs
    /// whose curves alone are asked for.
    ///
    /// # Errors
    /// [`TrainError`] where a file cannot be written.
    pub fn close(&self, folder: &Path, outcome: &Outcome) -> Result<(), TrainError> {
        let mut file = RunFile::read(folder)?;
        (file.status, file.reason) = match &outcome.ending {
            Ending::Done => (Status::Done, None),
            Ending::Diverged => (Status::Diverged, None),
            Ending::Stopped(reason) => (Status::Stopped, Some(reason.clone())),
        };
        file.write(folder)?;
        Ok(page::write(folder, &file, None)?)
    }
}

impl Finished {
    /// Returns the median error on the test images in pixels, or the share of wrong classes.
    pub fn test_error(&self) -> Option<f64> {
        let part = |name: &str| self.evaluation.as_ref()?.parts.iter().find(|p| p.name == name);
        let accuracy = self.accuracy.iter().find(|(part, _)| *part == Part::Test);
        match part("test") {
            Some(part) => part.metrics.all.error_px_median,
            None => accuracy.map(|(_, accuracy)| 1.0 - accuracy),
        }
    }

    /// Returns how well the model does, in lines for people.
    pub fn words(&self) -> Vec<String> {
        let of_pose = self.evaluation.iter().flat_map(|evaluation| &evaluation.parts);
        let of_pose = of_pose.filter_map(|part| {
            let Errors { n_points, error_px_mean, error_px_median, error_bl_median, .. } =
                &part.metrics.all;
            let [mean, px, bl] = [error_px_mean, error_px_median, error_bl_median];
            Some(format!(
                "{}: {n_points} points, median error {:.2} px ({:.3} body lengths), mean {:.2} px",
                part.name,
                (*px)?,
                (*bl)?,
                (*mean)?
            ))
        });
        let of_class = self.accuracy.iter().map(|(part, accuracy)| {
            format!("{part}: {:.1} % of images in the right class", 100.0 * accuracy)
        });
        of_pose.chain(of_class).collect()
    }
}

impl Prepared<'_> {
    /// Returns what is about to be done, in lines for people.
    pub fn words(&self) -> Vec<String> {
        let config = &self.wanted.config;
        let [width, height] = config.data.size;
        let [train, test, gap] = self.file.split.images;
        let mut lines = vec![
            format!(
                "{} ({}) to {}, {width}x{height} pixels, batches of {}, {} steps on {}",
                config.model.architecture,
                self.first.source,
                config.model.trunk,
                config.data.batch * config.data.accumulate,
                config.run.steps,
                self.file.machine.device,
            ),
            format!(
                "{train} images to train, {test} to test, {gap} in between (by {})",
                self.file.split.by
            ),
        ];
        if config.model.weights == "random" {
            lines.push(
                "weights are random: expect several times the error of pretrained ones in short \
                 runs"
                    .to_owned(),
            );
        } else if !self.first.random.is_empty() {
            lines.push(format!(
                "no weights are known for {}: they begin at random",
                self.first.random.join(", ")
            ));
        }
        lines
    }

    /// Returns what the model file says of itself.
    fn card(&self) -> ModelCard {
        let data = &self.data;
        let skeleton = self.wanted.dataset.skeletons.get(usize::from(data.subjects.skeleton));
        let (pairs, edges) = match (data.subjects.task, skeleton) {
            (Task::Pose(_), Some(skeleton)) => (skeleton.pairs.clone(), skeleton.edges.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        ModelCard {
            schema: 1,
            task: task_name(data).to_owned(),
            names: data.subjects.names.clone(),
            pairs,
            edges,
            size: self.wanted.config.data.size,
            subject: data.subject().to_owned(),
            box_margin: self.wanted.config.data.box_margin.into(),
            stride: POSE_STRIDE,
            locref_stdev_px: LOCREF_DEVIATION,
            architecture: self.network.architecture().name(),
        }
    }

    /// Predicts for all labelled images of the parts, and compares.
    fn judge(&self, model: &[u8]) -> Result<Finished, TrainError> {
        let settings = SessionSettings {
            threads: self.wanted.config.run.runtime_threads,
            ..SessionSettings::default()
        };
        let sessions = Sessions::new(self.wanted.runtime, settings);
        let mut predictor = Predictor::new(&sessions, model, self.data.size())?;
        let dataset = self.wanted.dataset;
        if let Task::Class(_) = self.data.subjects.task {
            let mut accuracy = Vec::new();
            for part in Part::ALL {
                if let Some(wrong) = self.data.error(part, &mut predictor)? {
                    accuracy.push((part, 1.0 - wrong));
                }
            }
            return Ok(Finished {
                predictions: Predictions::default(),
                evaluation: None,
                accuracy,
            });
        }
        let mut predictions = Predictions::default();
        let mut subsets = Vec::new();
        for part in Part::ALL {
            let examples = self.data.judged(part);
            let targets: Vec<Target> = examples.iter().map(|example| Target::of(example)).collect();
            let skeleton = self.data.subjects.skeleton;
            let found = self.data.reader(&mut predictor).poses(&targets, skeleton, &|| ())?;
            predictions.poses.extend(found.found.into_iter().flatten());
            let images = self.wanted.split.images(part);
            if !images.is_empty() {
                subsets.push(Subset { name: part.name().to_owned(), images });
            }
        }
        predictions.poses.sort_by_key(|row| (row.image, row.instance));
        let settings =
            eval::Settings { pcutoff: self.wanted.config.run.pcutoff, ..eval::Settings::default() };
        let evaluation = eval::evaluate(dataset, &predictions, &subsets, &[], &settings);
        Ok(Finished { predictions, evaluation: Some(evaluation), accuracy: Vec::new() })
    }
}

fn task_name(data: &Material) -> &'static str {
    match data.subjects.task {
        Task::Pose(_) => "pose",
        Task::Class(_) => "class",
    }
}

/// Seconds after which the page of a run is read again while it goes.
const REFRESH_SECONDS: u32 = 10;
