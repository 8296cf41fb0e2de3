//! The design that the command line asks for, what it costs here, and what of it fits a budget.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::super::commands::study::Options;
use super::super::{Common, progress};
use super::material;
use super::subject::Subject;
use crate::dataset::{By, Part};
use crate::study::arms::Shuffle;
use crate::study::cost::{Fit, Fixed, Speed, fit};
use crate::study::design::{Arm, Design, Labels, Optimiser, RampDesign, VERDICT_SHUFFLES};
use crate::study::speed::speeds;
use crate::train::data::input_size;
use crate::train::runtime::{Device, Runtime};

/// Longer side of the network's input in pixels where nothing else is asked for.
const CPU_SIDE: f64 = 160.0;
const CUDA_SIDE: f64 = 256.0;

/// Returns the design that was asked for.
pub(super) fn design(
    options: &Options,
    common: &Common,
    subject: &Subject,
    device: Device,
) -> Result<Design> {
    let mut arms: Vec<Arm> = Vec::new();
    // Commas part arms, and the settings of one arm, which have no name of an arm.
    for text in &options.arms {
        let mut whole: Vec<String> = Vec::new();
        for part in text.split(',') {
            match whole.last_mut() {
                Some(last) if part.starts_with("fraction=") || part.starts_with("keypoints=") => {
                    *last = format!("{last},{part}");
                }
                _ => whole.push(part.to_owned()),
            }
        }
        for arm in whole {
            arms.push(arm.parse()?);
        }
    }
    if options.arms.is_empty() {
        for name in ["dirty", "clean", "random"] {
            arms.push(name.parse()?);
        }
        if subject.planted.is_some() {
            arms.push("truth".parse()?);
        }
    }
    if subject.planted.is_none() && arms.iter().any(|arm| arm.labels == Labels::Truth) {
        bail!("arm truth needs known errors: plant some with --errors FILE");
    }
    for name in subject.others.keys() {
        let labels = Labels::Other(name.clone());
        arms.push(Arm { name: name.clone(), labels, fraction: 1.0, keypoints: None });
    }
    let mut optimisers: Vec<Optimiser> = Vec::new();
    for text in &options.optimisers {
        optimisers.push(text.parse()?);
    }
    if optimisers.is_empty() {
        optimisers = vec![Optimiser::default_preset(), Optimiser::stable()];
    }
    let cores = common
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let parallel = if device == Device::Cuda { 1 } else { cores };
    let design = Design {
        arms,
        optimisers,
        shuffles: options.shuffles.unwrap_or(Design::SHUFFLES),
        further_seeds: options.seeds.unwrap_or(Design::FURTHER_SEEDS),
        images: options.images.unwrap_or(Design::IMAGES),
        size: match options.size {
            Some(size) => size,
            None => suitable_size(subject, device)?,
        },
        ramp: RampDesign {
            repeats: options.ramps.unwrap_or(RampDesign::default().repeats),
            ..RampDesign::default()
        },
        changes: options.set.clone(),
        seed: common.seed,
        parallel: options.parallel.map_or(parallel, usize::from),
    };
    design.check()?;
    Ok(design)
}

/// Returns width and height of an input that suits the images.
fn suitable_size(subject: &Subject, device: Device) -> Result<[usize; 2]> {
    let mut sizes: Vec<[u32; 2]> =
        (0..subject.facts.images.len()).filter_map(|image| subject.facts.size_px(image)).collect();
    if sizes.is_empty() {
        bail!("no image can be opened, so that there is nothing to train on");
    }
    sizes.sort_unstable();
    let [width, height] = sizes[sizes.len() / 2];
    let longer = if device == Device::Cuda { CUDA_SIDE } else { CPU_SIDE };
    let scale = (longer / f64::from(width.max(height))).min(1.0);
    Ok(input_size([width, height], scale).map(|side| side as usize))
}

/// A design with what it costs.
pub(super) struct Planned {
    pub(super) fit: Fit,
    pub(super) speeds: Vec<Speed>,
    budget: Option<Duration>,
    splits: [usize; 3],
    by: By,
}

/// Measures how long steps take here, and makes the design fit the budget.
pub(super) fn plan(
    options: &Options,
    common: &Common,
    subject: &Subject,
    runtime: &Runtime,
    shuffles: &[Shuffle],
    asked: Design,
    by: By,
) -> Result<Planned> {
    let first = shuffles.first().context("a study has one shuffle or more")?;
    let job = asked.jobs().into_iter().next().context("a study has one run or more")?;
    let material = material(subject, shuffles, &asked, by, &job);
    let scratch = tempfile::tempdir().context("failed to create a temporary folder")?;
    let bar = progress::spinner("measuring how long steps take", common.quiet);
    let speeds = speeds(&asked, &material, runtime, common.cache_folder(), scratch.path());
    bar.finish_and_clear();
    let speeds = speeds?;
    let fixed = Fixed {
        shuffles: options.shuffles.is_some(),
        images: options.images.is_some(),
        size: options.size.is_some(),
    };
    let whole = Duration::MAX;
    let fit = fit(&asked, &speeds, options.budget.unwrap_or(whole), fixed)?;
    let splits = Part::ALL.map(|part| first.split.count(part));
    Ok(Planned { fit, speeds, budget: options.budget, splits, by })
}

impl Planned {
    /// Returns what will be done and what it costs, in lines for people.
    pub(super) fn words(&self) -> String {
        let design = &self.fit.design;
        let names = |names: Vec<&str>| names.join(", ");
        let arms = names(design.arms.iter().map(|arm| arm.name.as_str()).collect());
        let optimisers = names(design.optimisers.iter().map(|o| o.name.as_str()).collect());
        let jobs = design.jobs();
        let ramps = jobs.iter().filter(|job| job.ramp.is_some()).count();
        let [width, height] = design.size;
        let [train, test, gap] = self.splits;
        let mut lines = vec![
            format!("arms: {arms}; optimisers: {optimisers}; {} shuffles", design.shuffles),
            format!(
                "{} runs of {} images and {ramps} ramps, at {width}x{height} pixels, {} at once",
                jobs.len() - ramps,
                design.images,
                design.parallel
            ),
            format!(
                "in the first shuffle {train} images to train, {test} to test, {gap} in between \
                 (by {})",
                self.by.name()
            ),
        ];
        for speed in &self.speeds {
            lines.push(format!(
                "a step of {} takes {:.0} ms, a run {:.1} s beside its steps",
                speed.optimiser,
                1e3 * speed.step,
                speed.rest
            ));
        }
        if !self.fit.given_up.is_empty() {
            lines.push(format!("for the budget: {}", self.fit.given_up.join("; ")));
        }
        let long = time(self.fit.duration);
        lines.push(match self.budget {
            Some(budget) if !self.fit.fits => {
                format!("about {long}, which is more than the budget of {}", time(budget))
            }
            _ => format!("about {long}"),
        });
        if design.shuffles < VERDICT_SHUFFLES {
            lines.push(format!(
                "{} shuffles are too few for a verdict: the result will be descriptive",
                design.shuffles
            ));
        }
        lines.join("\n")
    }
}

/// Returns a time for people.
fn time(duration: Duration) -> String {
    let minutes = (duration.as_secs_f64() / 60.0).ceil() as u64;
    match minutes {
        0..=90 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}
