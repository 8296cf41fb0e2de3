//! `labelvet eval`: measures how well predictions agree with labels.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::cli::dataset::DatasetOptions;
use crate::cli::output::{OutDir, Replace, print, safe, say, say_problems};
use crate::cli::{Common, pass, progress, settings};
use crate::dataset::{Dataset, fingerprint};
use crate::eval::{self, Evaluation, Plane, Settings, Subset};
use crate::facts::{self, Facts, MeasureOptions, Pixels};
use crate::media;
use crate::pixels::Luma;
use crate::predictions::{self, Reading};
use crate::report::{self, EvalReport, RunInfo};
use crate::train::folder::{self, RunFile};
use crate::train::model::TrainedModel;

/// Name of the part that models learn from.
const TRAIN: &str = "train";
/// Files of a RUN folder.
const RUN_MARK: &str = "run.json";
const RUN_PREDICTIONS: &str = "predictions.parquet";
const RUN_SPLIT: &str = "split.parquet";

/// Measure how well predictions agree with labels; write numbers and a report
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// RUN folder, or with --predictions the dataset: its folder, or the file that users of
    /// its format pass
    source: PathBuf,
    /// Dataset that a RUN is judged by; its model is run where it is not the one that it was
    /// trained on, which is the default
    dataset: Option<PathBuf>,
    /// Predictions: .parquet of labelvet, .csv of DeepLabCut or Lightning Pose, .json of
    /// COCO results, a folder of YOLO's .txt
    #[arg(long, value_name = "FILE", conflicts_with = "dataset")]
    predictions: Option<PathBuf>,
    /// Folder to write; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long)]
    force: bool,
    /// Parts of the dataset, as .parquet or .csv with the columns image and part [default:
    /// the RUN's, or the dataset's own]
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,
    /// Likelihood from which on a prediction is trusted, 0 to 1
    #[arg(long, value_name = "P", default_value_t = Settings::PCUTOFF, value_parser = likelihood)]
    pcutoff: f64,
    /// Scatter of labels for OKS, as a share of the animal's size; COCO's persons keep theirs
    #[arg(long, value_name = "SIGMA", default_value_t = eval::DEFAULT_SIGMA, value_parser = positive)]
    sigma: f64,
    #[command(flatten)]
    read: DatasetOptions,
    #[command(flatten)]
    device: pass::DeviceOptions,
}

fn likelihood(word: &str) -> Result<f64, String> {
    let value = word.parse::<f64>().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "expected a number from 0 to 1".into())
}

fn positive(word: &str) -> Result<f64, String> {
    let value = word.parse::<f64>().ok().filter(|value| *value > 0.0 && value.is_finite());
    value.ok_or_else(|| "expected a number above 0".into())
}

/// Where everything that is judged lies.
struct Inputs {
    dataset: PathBuf,
    predictions: PathBuf,
    split: Option<PathBuf>,
    /// The RUN folder, where one is judged.
    run: Option<PathBuf>,
}

impl Inputs {
    fn of(options: &Options) -> Result<Inputs> {
        let Options { source, dataset, predictions, split, .. } = options;
        if let Some(predictions) = predictions {
            if source.join(RUN_MARK).is_file() {
                bail!(
                    "{} is a RUN folder; name the dataset, or leave out --predictions",
                    source.display()
                );
            }
            let (dataset, predictions) = (source.clone(), predictions.clone());
            return Ok(Inputs { dataset, predictions, split: split.clone(), run: None });
        }
        if !source.join(RUN_MARK).is_file() {
            bail!(
                "{} is no RUN folder (it has no {RUN_MARK}); to judge a file of predictions on this dataset, name it with --predictions",
                source.display()
            );
        }
        let dataset = match dataset {
            Some(dataset) => dataset.clone(),
            None => RunFile::read(source)?.dataset.path.into(),
        };
        let predictions = source.join(RUN_PREDICTIONS);
        let own = source.join(RUN_SPLIT);
        let split = split.clone().or_else(|| own.is_file().then_some(own));
        Ok(Inputs { dataset, predictions, split, run: Some(source.clone()) })
    }
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    let start = Instant::now();
    let inputs = Inputs::of(options)?;
    let config =
        settings::load(common.config.as_deref(), &inputs.dataset, &settings::rules(None)?)?;
    let out = OutDir::new(&options.out, if options.force { Replace::Own } else { Replace::Never })?;
    let dataset = options.read.read(&inputs.dataset, &config.skeleton.pairs)?;
    // What is wrong with the predictions shows before any image is opened.
    let elsewhere = match &inputs.run {
        Some(run) => fingerprint(&dataset, |_| None) != RunFile::read(run)?.dataset.labels_sha256,
        None => false,
    };
    let Reading { predictions, problems } = match (&inputs.run, elsewhere) {
        (Some(run), true) => predict(run, &dataset, options, common)?,
        _ => predictions::read(&inputs.predictions, &dataset)?,
    };
    if predictions.poses.is_empty() {
        bail!("{} predicts no poses, which are what is evaluated", inputs.predictions.display());
    }
    let subsets = match &inputs.split {
        // The parts of the run are those of the dataset that it was trained on.
        Some(path) if !elsewhere || options.split.is_some() => eval::read_subsets(path, &dataset)?,
        _ => eval::own_subsets(&dataset),
    };
    let bar = progress::bar("looking at images", dataset.images.len(), common.quiet);
    let facts = facts::measure(
        dataset,
        &MeasureOptions {
            pixels: Pixels::Measure,
            cache: common.cache_folder(),
            progress: Some(&|| bar.inc(1)),
        },
    );
    bar.finish_and_clear();
    let settings = Settings { pcutoff: options.pcutoff, sigma: options.sigma };
    let baselines = baselines(&facts, &subsets);
    let evaluation = eval::evaluate(&facts.dataset, &predictions, &subsets, &baselines, &settings);
    let run = RunInfo {
        command: words.to_vec(),
        dataset: inputs.dataset.display().to_string(),
        seed: common.seed,
        seconds: start.elapsed().as_secs_f64(),
    };
    let source = inputs.predictions.display().to_string();
    let report = EvalReport {
        facts: &facts,
        predictions: &predictions,
        problems: &problems,
        evaluation: &evaluation,
        settings: &settings,
        source: &source,
        run: &run,
    };
    report::write_eval(out.path(), &report)?;
    out.finish()?;
    if !common.quiet {
        say_problems(&problems);
    }
    print(&safe(&summary(&evaluation)))?;
    if !common.quiet {
        say(&format!("open {}", Path::new(&options.out).join("report.html").display()));
    }
    Ok(())
}

/// Runs the model of a run on a dataset that it has not been evaluated on.
fn predict(run: &Path, dataset: &Dataset, options: &Options, common: &Common) -> Result<Reading> {
    let path = run.join(folder::MODEL);
    let bytes = std::fs::read(&path).with_context(|| {
        format!("failed to read {}; a run has a model when it has ended", path.display())
    })?;
    let runtime = options.device.load(common)?;
    let threads = common.threads.map_or(0, usize::from);
    let mut model = TrainedModel::new(&runtime, &path, &bytes, threads)?;
    let bar = progress::bar("predicting", dataset.images.len(), common.quiet);
    let found = model.poses(dataset, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let rows: Vec<_> = found.found.into_iter().flatten().collect();
    Ok(Reading { predictions: rows.into(), problems: Vec::new() })
}

/// Returns what needs no model, where the dataset has a part to learn it from.
fn baselines(facts: &Facts, subsets: &[Subset]) -> Vec<eval::Baseline> {
    let Some(train) = subsets.iter().find(|subset| subset.name == TRAIN) else { return vec![] };
    let others: Vec<Subset> = subsets.iter().filter(|s| s.name != TRAIN).cloned().collect();
    let picture = |image: u32| {
        let file = facts.dataset.images[image as usize].file.as_deref()?;
        let picture = media::open(file).ok()?;
        let Luma { width, height, samples, .. } = Luma::of(&picture);
        Some(Plane { width, height, samples: samples.into_owned() })
    };
    eval::baselines(&facts.dataset, train, &others, &picture)
}

/// Returns one line of numbers per part.
fn summary(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    for part in &evaluation.parts {
        let m = &part.metrics;
        let number = |value: Option<f64>, digits: usize| {
            value.map_or("-".into(), |value| format!("{value:.digits$}"))
        };
        let share = |value: Option<f64>| {
            value.map_or("-".into(), |value| format!("{:.1} %", 100.0 * value))
        };
        text += &format!(
            "{}: {} points, {} missing, median {} px ({} body lengths), mean {} px, within 0.1 body lengths {}, oks_map {}, likelihood below {} {}\n",
            part.name,
            m.all.n_points,
            m.all.n_missing,
            number(m.all.error_px_median, 2),
            number(m.all.error_bl_median, 4),
            number(m.all.error_px_mean, 2),
            share(m.all.pck.get("0.1").copied()),
            number(m.oks.map, 4),
            m.pcutoff,
            share(m.all.likelihood_below_pcutoff),
        );
    }
    text
}
