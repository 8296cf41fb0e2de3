//! What a run learns from and is judged by: a dataset with its split and settings, as batches
//! for training and as targets for prediction.
//!
//! Takes them and checks that they fit; gives loaders, batches and targets. Trains nothing.

use std::path::Path;
use std::sync::Arc;

use super::config::{DataConfig, RunSettings, TrainConfig};
use super::data::{
    Batch, Batches, CACHE_BYTES, DataError, DataSettings, Example, ExampleError, Framing,
    FramingError, LabelWeights, Loader, LoaderError, LoaderSettings, PoseExamples, Source,
    SourceSettings, Subject, TargetSettings, Task as Targets, Workspace, class_examples,
    input_size, pose_examples,
};
use super::error::TrainError;
use super::network::{Network, Task};
use super::predict::{Reader, Target};
use super::predictor::Predictor;
use super::runtime::Device;
use crate::augment::{Flip, Plan, PlanError, Step, Transform, flip_permutation};
use crate::dataset::{Dataset, Part, Split};
use crate::media;
use crate::stats::random::SplitMix64;
use crate::stats::robust::median;

/// Longer side of the network's input in pixels where nothing else is asked for, on the
/// processor: what two cores train in minutes.
const CPU_SIDE: f64 = 256.0;
/// The same on CUDA.
const CUDA_SIDE: f64 = 512.0;
/// Images whose size is looked at.
const SIZED: usize = 15;
/// Batches that wait for the device.
const DEPTH: usize = 4;

/// What a dataset asks a network for.
#[derive(Debug, Clone, PartialEq)]
pub struct Subjects {
    /// The task.
    pub task: Task,
    /// Names of keypoints or classes, in the order of the network's outputs.
    pub names: Vec<String>,
    /// Index into [`Dataset::skeletons`], for a pose.
    pub skeleton: u16,
    /// Part of each image.
    parts: Vec<Option<Part>>,
}

/// A dataset, ready to be learnt from.
#[derive(Debug)]
pub struct Material {
    /// What is asked for.
    pub subjects: Subjects,
    batches: Arc<Batches>,
    /// Paths of the dataset's images.
    paths: Vec<String>,
    /// What is predicted for, with its part.
    judged: Vec<(Part, Example)>,
    /// Where pictures come from for predictions.
    source: Source,
    /// Examples that the probe set is made of.
    probe: Vec<u32>,
    framing: Framing,
    subject: Subject,
    batch: usize,
    accumulate: u64,
    threads: usize,
}

/// Why a dataset cannot be learnt from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// Nothing is labelled that a network could learn.
    #[error(
        "the dataset has neither keypoints nor classes of images; boxes alone are not trained on"
    )]
    Nothing,
    /// Examples cannot be made.
    #[error(transparent)]
    Examples(#[from] ExampleError),
    /// Batches cannot be made.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Batches cannot be loaded.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The size of the network's input makes no sense.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A plan of augmentation cannot be read.
    #[error("failed to read the plan {path}: {source}")]
    PlanFile {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A plan of augmentation makes no sense.
    #[error("the plan {path}: {source}")]
    Plan {
        /// The file.
        path: String,
        /// What is wrong.
        source: PlanError,
    },
    /// No image of the training part can be opened.
    #[error("none of the training images can be opened; the first says: {reason}")]
    Unreadable {
        /// What the first said.
        reason: String,
    },
}

impl Subjects {
    /// Returns what a dataset asks for: the keypoints of the skeleton that most instances have,
    /// or else the classes of images.
    ///
    /// # Errors
    /// [`MaterialError::Nothing`].
    pub fn new(dataset: &Dataset, split: &Split) -> Result<Subjects, MaterialError> {
        let mut counts = vec![0_usize; dataset.skeletons.len()];
        for instance in dataset.instances.iter().filter(|instance| instance.len > 0) {
            if let Some(count) = instance.skeleton.and_then(|at| counts.get_mut(usize::from(at))) {
                *count += 1;
            }
        }
        // Of equals the first.
        let most =
            (0..counts.len()).rev().max_by_key(|&at| counts[at]).filter(|&at| counts[at] > 0);
        let parts = split.parts.clone();
        if let Some(skeleton) = most {
            let names = dataset.skeletons[skeleton].keypoints.clone();
            let task = Task::Pose(names.len());
            return Ok(Subjects { task, names, skeleton: skeleton as u16, parts });
        }
        if dataset.images.iter().any(|image| image.class.is_some()) {
            let names: Vec<String> =
                dataset.classes.iter().map(|class| class.name.clone()).collect();
            return Ok(Subjects { task: Task::Class(names.len()), names, skeleton: 0, parts });
        }
        Err(MaterialError::Nothing)
    }

    /// Returns the images of which a part holds.
    fn images(&self, wanted: impl Fn(Part) -> bool) -> Vec<u32> {
        let holds = |&at: &u32| self.parts[at as usize].is_some_and(&wanted);
        (0..self.parts.len() as u32).filter(holds).collect()
    }

    /// Returns width and height of an input that suits the images: that of the median training
    /// image, scaled so that the longer side is 256 pixels on the processor, 512 on CUDA, but
    /// never enlarged; multiples of 16. Classes are shown in squares of 224.
    ///
    /// # Errors
    /// [`MaterialError::Unreadable`] where no training image can be opened.
    pub fn suitable_size(
        &self,
        dataset: &Dataset,
        device: Device,
    ) -> Result<[usize; 2], MaterialError> {
        if matches!(self.task, Task::Class(_)) {
            return Ok([224, 224]);
        }
        let train = self.images(|part| part == Part::Train);
        let step = train.len().div_ceil(SIZED).max(1);
        let mut reason = "no such file".to_owned();
        let mut sides = [Vec::new(), Vec::new()];
        for &image in train.iter().step_by(step) {
            let Some(file) = &dataset.images[image as usize].file else { continue };
            match media::open(file) {
                Ok(picture) => {
                    sides[0].push(f64::from(picture.width));
                    sides[1].push(f64::from(picture.height));
                }
                Err(error) => reason = error.to_string(),
            }
        }
        let [Some(width), Some(height)] = sides.each_mut().map(|sides| median(sides)) else {
            return Err(MaterialError::Unreadable { reason });
        };
        let longer = if device == Device::Cuda { CUDA_SIDE } else { CPU_SIDE };
        let scale = (longer / width.max(height)).min(1.0);
        Ok(input_size([width as u32, height as u32], scale).map(|side| side as usize))
    }
}

impl Material {
    /// Makes a dataset ready to be learnt from. The probe set is drawn from the training images
    /// that `probe` holds, or from all.
    ///
    /// # Errors
    /// [`MaterialError`] where settings and dataset do not fit together.
    pub fn new(
        dataset: &Dataset,
        subjects: Subjects,
        config: &TrainConfig,
        network: &Network,
        probe: Option<&[u32]>,
    ) -> Result<Material, MaterialError> {
        let data = &config.data;
        let weights = LabelWeights::default();
        let poses = PoseExamples {
            skeleton: subjects.skeleton,
            subject: Subject::Auto,
            occluded_weight: data.occluded_weight,
            weights: &weights,
            ..PoseExamples::default()
        };
        let (train, all) = (subjects.images(|part| part == Part::Train), subjects.images(|_| true));
        let (examples, all, task, subject) = match subjects.task {
            Task::Pose(_) => {
                // Whether images have several animals is asked of all parts together.
                let all = pose_examples(dataset, &all, &poses)?;
                let subject = match all.iter().any(|example| example.region.is_some()) {
                    true => Subject::Instance,
                    false => Subject::Image,
                };
                let train = pose_examples(dataset, &train, &PoseExamples { subject, ..poses })?;
                let settings = TargetSettings {
                    radius_px: data.target_radius_px.into(),
                    shape: data.target,
                    unlabelled: data.unlabelled,
                };
                (train, all, Targets::Pose(settings), subject)
            }
            Task::Class(classes) => {
                let all = class_examples(dataset, &all, &weights)?;
                let train = class_examples(dataset, &train, &weights)?;
                (train, all, Targets::Classes(classes), Subject::Image)
            }
        };
        let margin = if subject == Subject::Instance { data.box_margin.into() } else { 0.0 };
        let framing = Framing::new(data.size.map(|side| side as u32), margin)?;
        let skeleton = dataset.skeletons.get(usize::from(subjects.skeleton));
        let settings = DataSettings {
            plan: plan(data)?,
            flip: skeleton.and_then(flip_permutation),
            normalisation: network.normalisation(),
            sampling: data.sampling,
            sampling_weights: examples.iter().map(|example| example.weight.into()).collect(),
            batch: data.batch,
            seed: config.run.seed,
            ..DataSettings::new(framing, task)
        };
        let probe = probe_examples(&examples, probe, &config.run);
        let batches = Arc::new(Batches::new(dataset, examples, settings)?);
        let regions = all.iter().filter_map(|example| Some((example.image, example.region?)));
        let source = SourceSettings { framing, magnification: 1.0, cache_bytes: CACHE_BYTES };
        let source = Source::new(dataset, regions, source);
        let judged = |example: Example| {
            let part = subjects.parts[example.image as usize]?;
            Some((part, example))
        };
        Ok(Material {
            batches,
            paths: dataset.images.iter().map(|image| image.path.clone()).collect(),
            judged: all.into_iter().filter_map(judged).collect(),
            source,
            probe,
            framing,
            subject,
            batch: data.batch,
            accumulate: data.accumulate as u64,
            threads: config.run.loader_threads,
            subjects,
        })
    }

    /// Returns height and width of the network's input.
    pub fn size(&self) -> [usize; 2] {
        let [width, height] = self.framing.size();
        [height as usize, width as usize]
    }

    /// Returns how images get into the input.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns what an example shows, in a word: `image` or `instance`.
    pub fn subject(&self) -> &'static str {
        if self.subject == Subject::Instance { "instance" } else { "image" }
    }

    /// Returns the maker of batches.
    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    /// Starts to make batches from a number on.
    ///
    /// # Errors
    /// [`MaterialError::Loader`] where no thread can be started.
    pub fn loader(&self, first: u64) -> Result<Loader, MaterialError> {
        let settings = LoaderSettings {
            threads: self.threads,
            depth: DEPTH.max(self.threads),
            first_step: first,
        };
        Ok(Loader::start(self.batches.clone(), settings)?)
    }

    /// Makes the batch of a number.
    pub fn batch(&self, number: u64) -> Batch {
        self.batches.batch(number, &mut Workspace::default())
    }

    /// Makes the batches of the probe set, without augmentation; their size is that of training.
    pub fn probe(&self) -> Vec<Batch> {
        let mut workspace = Workspace::default();
        let whole = self.probe.chunks(self.batch);
        whole
            .map(|examples| {
                // The network takes whole batches: the first fill up the last.
                let filled = examples.iter().chain(self.probe.iter().cycle());
                let filled: Vec<u32> = filled.take(self.batch).copied().collect();
                self.batches.plain(&filled, &mut workspace)
            })
            .collect()
    }

    /// Returns how many times the training images were gone through before a batch.
    pub fn epoch_of(&self, number: u64) -> u64 {
        self.batches.sampler().epoch_of(number)
    }

    /// Returns the batches that an epoch has, 1 or more.
    pub fn batches_per_epoch(&self) -> u64 {
        (self.batches.examples().len() as u64).div_ceil(self.batch as u64).max(self.accumulate)
    }

    /// Returns the path of an example's image.
    pub fn image_path(&self, example: u32) -> &str {
        let image = self.batches.examples()[example as usize].image;
        &self.paths[image as usize]
    }

    /// Returns the names of the columns of losses: keypoints, or `class`.
    pub fn loss_names(&self) -> Vec<String> {
        match self.subjects.task {
            Task::Pose(_) => self.subjects.names.clone(),
            Task::Class(_) => vec!["class".to_owned()],
        }
    }

    /// Returns what is predicted for in a part of the split, with its labels.
    pub fn judged(&self, part: Part) -> Vec<&Example> {
        self.judged.iter().filter(|(of, _)| *of == part).map(|(_, example)| example).collect()
    }

    /// Returns a model with what brings this dataset's images to it.
    pub fn reader<'a>(&'a self, predictor: &'a mut Predictor) -> Reader<'a> {
        Reader { predictor, source: &self.source, framing: self.framing }
    }

    /// Returns how far predictions are from the labels of a part: the median error in pixels,
    /// or the share of wrong classes; `None` where nothing can be compared.
    ///
    /// # Errors
    /// [`TrainError`] where ONNX Runtime fails.
    pub fn error(&self, part: Part, predictor: &mut Predictor) -> Result<Option<f64>, TrainError> {
        let examples = self.judged(part);
        let targets: Vec<Target> = examples.iter().map(|example| Target::of(example)).collect();
        let mut reader = self.reader(predictor);
        if let Task::Class(_) = self.subjects.task {
            let found = reader.classes(&targets, &|| ())?.found;
            let pairs = examples.iter().zip(&found);
            let right = pairs.clone().filter_map(|(example, found)| {
                Some(best(found.as_ref()?) == example.class.map(usize::from))
            });
            let right: Vec<bool> = right.collect();
            let wrong = right.iter().filter(|right| !**right).count();
            return Ok((!right.is_empty()).then(|| wrong as f64 / right.len() as f64));
        }
        let found = reader.poses(&targets, self.subjects.skeleton, &|| ())?.found;
        let mut errors: Vec<f64> = examples
            .iter()
            .zip(&found)
            .filter_map(|(example, found)| Some((example, found.as_ref()?)))
            .flat_map(|(example, found)| example.labels.iter().zip(&found.points))
            .filter_map(|(label, point)| {
                let label = label.as_ref()?;
                Some((label.x - point.x).hypot(label.y - point.y))
            })
            .collect();
        Ok(median(&mut errors))
    }
}

/// Returns the most probable class.
pub fn best(probabilities: &[f32]) -> Option<usize> {
    (0..probabilities.len()).rev().max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]))
}

/// Returns the plan that settings name.
fn plan(data: &DataConfig) -> Result<Plan, MaterialError> {
    let mut plan = match data.augment.as_str() {
        "none" => Plan::none(),
        "light" => Plan::light(),
        "deeplabcut" => Plan::deeplabcut(),
        path => {
            let named = |source| MaterialError::PlanFile { path: path.into(), source };
            let text = std::fs::read_to_string(Path::new(path)).map_err(named)?;
            Plan::from_toml(&text)
                .map_err(|source| MaterialError::Plan { path: path.into(), source })?
        }
    };
    if data.flip && !plan.flips() {
        plan.steps.push(Step { transform: Transform::Flip(Flip {}), probability: 0.5 });
    }
    Ok(plan)
}

/// Draws the probe set: so many examples, spread by the seed, of those images.
fn probe_examples(examples: &[Example], images: Option<&[u32]>, run: &RunSettings) -> Vec<u32> {
    let may = |at: &u32| images.is_none_or(|of| of.contains(&examples[*at as usize].image));
    let mut chosen: Vec<u32> = (0..examples.len() as u32).filter(may).collect();
    SplitMix64::named("probe", run.seed).shuffle(&mut chosen);
    chosen.truncate(run.probe_images);
    chosen.sort_unstable();
    chosen
}
