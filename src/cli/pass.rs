//! A whole pass from a dataset to an evaluated model, as `train` runs it: folder, progress,
//! words. What it does is in [`crate::train`] and [`crate::eval`].

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::output::{Replace, RunDir, say};
use super::progress::{self, Steps};
use super::{Common, settings};
use crate::dataset::{Dataset, Split, SplitSettings, split};
use crate::train::config::TrainConfig;
use crate::train::folder::{self, RunFile, Status};
use crate::train::ladder::{self, RungResult};
use crate::train::pass::{Finished, Prepared, Wanted};
use crate::train::run::{Ending, Moment, Outcome};
use crate::train::runtime::{Choice, Device, Runtime};
use crate::train::{pass, split_file};

/// Where graphs are computed.
#[derive(Debug, clap::Args)]
pub(super) struct DeviceOptions {
    /// Device: auto takes CUDA where all it needs is there, else the processor; cuda is an
    /// error where something is missing
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = ["auto", "cpu", "cuda"])]
    device: String,
    /// Get ONNX Runtime into the cache first, if there is none that will do
    #[arg(long)]
    install: bool,
}

impl DeviceOptions {
    /// Finds and loads ONNX Runtime.
    pub(super) fn load(&self, common: &Common) -> Result<Runtime> {
        let device: Device = self.device.parse().map_err(anyhow::Error::msg)?;
        let choice = Choice { device, cache: common.cache_folder() };
        let runtime = if self.install {
            let downloads = progress::Downloads::new(common.quiet);
            let loaded =
                Runtime::load_or_install(&choice, &|wheel, bytes| downloads.show(wheel, bytes));
            downloads.finish();
            loaded?
        } else {
            Runtime::load(&choice).context("this needs ONNX Runtime; --install gets it")?
        };
        Ok(runtime)
    }
}

/// Returns the left-right pairs of the user's settings.
pub(super) fn pairs(common: &Common, dataset: &Path) -> Result<Vec<[String; 2]>> {
    let rules = settings::rules(None)?;
    Ok(settings::load(common.config.as_deref(), dataset, &rules)?.skeleton.pairs)
}

/// What a pass is asked to work on.
pub(super) struct Asked<'a> {
    pub(super) dataset: &'a Dataset,
    /// The dataset as the user named it.
    pub(super) path: &'a Path,
    /// A file that divides it.
    pub(super) split: Option<&'a Path>,
    pub(super) words: &'a [String],
    pub(super) runtime: &'a Runtime,
    pub(super) common: &'a Common,
}

/// Whether a run begins or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// In a folder that is absent or empty.
    New,
    /// In the place of a folder that labelvet wrote.
    Replace,
    /// From the last checkpoint.
    Resume,
}

impl Start {
    /// Returns what the options ask for.
    pub(super) fn new(resume: bool, force: bool) -> Start {
        match (resume, force) {
            (true, _) => Start::Resume,
            (false, true) => Start::Replace,
            (false, false) => Start::New,
        }
    }
}

/// Trains from few images and the smallest network to all of both, each in a RUN folder of its
/// own, and says where it ceased to be stable.
pub(super) fn climb(
    asked: &Asked<'_>,
    config: &TrainConfig,
    out: &Path,
    force: bool,
) -> Result<()> {
    let (split, by) = divide(asked)?;
    let replace = if force { Replace::Own } else { Replace::Never };
    let rungs = ladder::rungs(&split, config);
    let mut results = Vec::new();
    for (at, rung) in rungs.iter().enumerate() {
        if !asked.common.quiet {
            say(&format!("rung {} of {}: {}", at + 1, rungs.len(), rung.words()));
        }
        let name = format!("rung-{}", at + 1);
        let prepared = prepare(asked, rung.config.clone(), &rung.split, &by)?;
        if at == 0 {
            // Only now is it known that there is something to write.
            RunDir::begin(out, replace, asked.words)?;
        }
        let folder = out.join(&name);
        RunDir::begin(&folder, Replace::Never, asked.words)?;
        prepared.begin(&folder)?;
        let (outcome, found) = follow(asked, &prepared, &folder, None)?;
        let judged = ladder::judge(&outcome);
        results.push(RungResult {
            run: name,
            images: rung.images,
            model: rung.config.model.architecture.clone(),
            trunk: rung.config.model.trunk.clone(),
            stable: judged.is_ok(),
            reason: judged.err(),
            alarms: outcome.alarms,
            test_error: found.test_error(),
        });
        let file = serde_json::json!({ "schema": 1, "rungs": results });
        folder::write(&out.join("ladder.json"), format!("{file:#}\n").as_bytes())?;
        if let Some(reason) = results.last().and_then(|result| result.reason.as_ref()) {
            say(&format!("stability breaks at rung {} ({}): {reason}", at + 1, rung.words()));
            return Ok(());
        }
    }
    say(&format!("all {} rungs were stable", rungs.len()));
    Ok(())
}

/// Trains and evaluates, and leaves a RUN folder.
pub(super) fn train(
    asked: &Asked<'_>,
    config: TrainConfig,
    out: &Path,
    start: Start,
) -> Result<()> {
    let old = (start == Start::Resume).then(|| RunFile::read(out)).transpose()?;
    if old.as_ref().is_some_and(|old| old.status == Status::Done) {
        bail!("the run in {} is done; there is nothing to resume", out.display());
    }
    let (split, by) = match &old {
        Some(old) => {
            (split_file::read(&out.join(folder::SPLIT), asked.dataset)?, old.split.by.clone())
        }
        None => divide(asked)?,
    };
    let prepared = prepare(asked, config, &split, &by)?;
    if let Some(old) = &old {
        prepared.same_as(old)?;
    } else {
        let replace = if start == Start::Replace { Replace::Own } else { Replace::Never };
        RunDir::begin(out, replace, asked.words)?;
        prepared.begin(out)?;
    }
    if !asked.common.quiet {
        for line in prepared.words() {
            say(&line);
        }
    }
    let (outcome, _) = follow(asked, &prepared, out, old.as_ref())?;
    if !asked.common.quiet {
        say(&format!("open {}", out.join("report.html").display()));
        if prepared.file.task == "pose" {
            say(&format!("for the worst frames: labelvet eval {} --out DIR", out.display()));
        }
    }
    if let Ending::Stopped(reason) = &outcome.ending {
        bail!(
            "training stopped at step {}: {reason}; the model is that of the last good checkpoint",
            outcome.steps
        );
    }
    Ok(())
}

/// Chooses what settings leave open, checks the rest, and gets the first weights.
pub(super) fn prepare<'a>(
    asked: &Asked<'a>,
    config: TrainConfig,
    split: &'a Split,
    by: &'a str,
) -> Result<Prepared<'a>> {
    let wanted = Wanted {
        dataset: asked.dataset,
        path: asked.path.display().to_string(),
        split,
        by,
        config,
        runtime: asked.runtime,
        words: asked.words,
        cache: asked.common.cache_folder(),
        threads: asked.common.threads.map(usize::from),
        probe: None,
    };
    let downloads = progress::Downloads::new(asked.common.quiet);
    let prepared = pass::prepare(wanted, &|wheel, bytes| downloads.show(wheel, bytes));
    downloads.finish();
    Ok(prepared?)
}

/// Makes the steps under a progress bar, then evaluates.
pub(super) fn follow(
    asked: &Asked<'_>,
    prepared: &Prepared<'_>,
    out: &Path,
    old: Option<&RunFile>,
) -> Result<(Outcome, Finished)> {
    let quiet = asked.common.quiet;
    let done = old.map_or(0, |old| old.steps[0]);
    let mut bar = Steps::new(prepared.wanted.config.run.steps, done, quiet);
    let outcome = prepared.train(out, old, &mut |moment| match moment {
        Moment::Step { row, images } => bar.step(row, images),
        Moment::Probe(row) => bar.probe(row),
        Moment::Event(words) => bar.tell(words),
    });
    bar.finish();
    let outcome = outcome?;
    let found = prepared.finish(out, &outcome)?;
    if !quiet {
        for line in found.words() {
            say(&line);
        }
    }
    Ok((outcome, found))
}

/// Returns the parts of the dataset, and how they were made.
fn divide(asked: &Asked<'_>) -> Result<(Split, String)> {
    match asked.split {
        Some(path) => Ok((split_file::read(path, asked.dataset)?, path.display().to_string())),
        None => {
            let settings = SplitSettings::suitable(asked.dataset, asked.common.seed);
            Ok((split(asked.dataset, &settings)?, settings.by.name().to_owned()))
        }
    }
}
