//! Training in folds: each part of a dataset is predicted by a model that did not see it.

use std::path::Path;

use anyhow::{Result, bail};

use super::output::{Replace, RunDir, say};
use super::pass::{self, Asked};
use crate::dataset::{By, Part, Predictions, SplitSettings, folds};
use crate::predictions;
use crate::train::config::TrainConfig;
use crate::train::run::Ending;

/// Predictions for all labelled images, in the folder of all runs.
const PREDICTIONS: &str = "predictions.parquet";

/// Trains `count` times, each in a RUN folder of its own, and writes what each model predicts for
/// the images that it did not see into one file, which grows run by run.
pub(super) fn train(
    asked: &Asked<'_>,
    config: &TrainConfig,
    count: usize,
    out: &Path,
    force: bool,
) -> Result<()> {
    let dataset = asked.dataset;
    let by = By::suitable_of_time(dataset);
    let by = if by == By::Video && dataset.videos.len() < count { By::Block } else { by };
    let settings = SplitSettings { by, ..SplitSettings::suitable(dataset, asked.common.seed) };
    let splits = folds(dataset, &settings, count)?;
    let replace = if force { Replace::Own } else { Replace::Never };
    let mut unseen = Predictions::default();
    for (at, split) in splits.iter().enumerate() {
        if !asked.common.quiet {
            let held = split.count(Part::Test);
            say(&format!("part {} of {count}: {held} images are held out", at + 1));
        }
        let prepared = pass::prepare(asked, config.clone(), split, by.name())?;
        if prepared.file.task != "pose" {
            bail!("--folds predicts keypoints, and this dataset has classes alone");
        }
        if at == 0 {
            // Only now is it known that there is something to write.
            RunDir::begin(out, replace, asked.words)?;
        }
        let folder = out.join(format!("fold-{}", at + 1));
        RunDir::begin(&folder, Replace::Never, asked.words)?;
        prepared.begin(&folder)?;
        let (outcome, found) = pass::follow(asked, &prepared, &folder, None)?;
        if let Ending::Stopped(reason) = &outcome.ending {
            say(&format!(
                "training of part {} stopped at step {}: {reason}",
                at + 1,
                outcome.steps
            ));
        }
        let held = |image: u32| split.parts[image as usize] == Some(Part::Test);
        let poses = found.predictions.poses.into_iter().filter(|pose| held(pose.image));
        unseen.poses.extend(poses);
        unseen.poses.sort_by_key(|pose| (pose.image, pose.instance));
        predictions::write_parquet(&out.join(PREDICTIONS), dataset, &unseen)?;
    }
    if !asked.common.quiet {
        say(&format!(
            "compare labels with them: labelvet audit {} --predictions {} --out DIR",
            asked.path.display(),
            out.join(PREDICTIONS).display()
        ));
    }
    Ok(())
}
