//! `labelvet plant`: a copy of a dataset with known errors, and their list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cli::dataset::{DatasetOptions, edges, read_copy, sizes_px};
use crate::cli::output::{OutDir, Replace, say};
use crate::cli::{Common, mark, pass};
use crate::dataset::Dataset;
use crate::formats;
use crate::plant::{self, ErrorKind, Planted, Recipe, Scope};

/// Name of the list of errors in the copy.
const LIST: &str = "planted.jsonl";

/// By how much a place that was written may differ from one that was planted, pixels: formats
/// that store shares of the image's size round.
const WRITTEN_PX: f64 = 0.05;

/// Copy a dataset with known errors in its labels, and list them
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Folder of a dataset, or the file that users of its format pass
    dataset: PathBuf,
    /// Folder to write; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Kinds, rates and strengths of errors (TOML), see docs/planting.md [default: swaps and
    /// misses in 5 % of the labelled frames each]
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    read: DatasetOptions,
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    let recipe = recipe(options.errors.as_deref())?;
    let out = OutDir::new(&options.out, if options.force { Replace::Own } else { Replace::Never })?;
    let pairs = pass::pairs(common, &options.dataset)?;
    let dataset = options.read.read(&options.dataset, &pairs)?;
    let (sizes, edges) = (sizes_px(&dataset), edges(&dataset, &recipe));
    let scope = Scope { images: None, sizes_px: &sizes, edges: &edges };
    let planted = plant::plant_in(&dataset, &recipe, common.seed, &scope)?;
    let rewrite = formats::rewrite(&dataset, &planted.edits)?;
    let copied = formats::copy_dataset(&dataset, &rewrite, out.path())?;
    hold(&dataset, &planted, &options.dataset, out.path())?;
    let list = plant::list(&dataset, &recipe, common.seed, &planted)?;
    let path = out.path().join(LIST);
    fs::write(&path, list).with_context(|| format!("failed to write {}", path.display()))?;
    let settings = serde_json::json!({ "seed": common.seed, "recipe": recipe });
    mark::write(out.path(), words, &dataset, &options.dataset, settings)?;
    out.finish()?;
    if common.quiet {
        return Ok(());
    }
    tell(&planted);
    for skipped in &copied.skipped {
        say(&format!("not in the copy: {} ({})", skipped.path, skipped.reason));
    }
    for stale in &rewrite.stale {
        say(&format!("not in the copy: {stale} (its labels would be those without errors)"));
    }
    say(&format!("{} has the errors, {LIST} in it their list", options.out.display()));
    Ok(())
}

fn recipe(file: Option<&Path>) -> Result<Recipe> {
    let Some(path) = file else { return Ok(Recipe::parse(Recipe::default_text())?) };
    let named = || format!("failed to read {}", path.display());
    let text = fs::read_to_string(path).with_context(named)?;
    Recipe::parse(&text).with_context(named)
}

/// Holds that the errors are in the copy as its users will read it.
fn hold(dataset: &Dataset, planted: &Planted, original: &Path, copy: &Path) -> Result<()> {
    let copied = read_copy(dataset, original, copy)?;
    let instances: BTreeMap<(&str, String), usize> = (copied.instances.iter().enumerate())
        .map(|(at, instance)| {
            let path = copied.images[instance.image as usize].path.as_str();
            ((path, copied.instance_name(instance)), at)
        })
        .collect();
    for error in &planted.errors {
        let instance = instances.get(&(error.path.as_str(), error.name.clone()));
        for point in &error.points {
            let found = instance.and_then(|&at| {
                let point = copied.keypoint(&copied.instances[at], point.kind)?;
                Some([point.x, point.y])
            });
            let same = match (point.after, found) {
                (Some(a), Some(b)) => (a[0] - b[0]).hypot(a[1] - b[1]) <= WRITTEN_PX,
                (None, None) => true,
                _ => false,
            };
            if !same {
                bail!(
                    "the copy does not have the errors when it is read: {} of {} in {} is at \
                     {found:?}, not at {:?}; does a configuration name the folder of the original?",
                    point.keypoint,
                    error.name,
                    error.path,
                    point.after
                );
            }
        }
    }
    Ok(())
}

/// Says what was planted.
fn tell(planted: &Planted) {
    let mut counts: BTreeMap<(usize, ErrorKind), [usize; 2]> = BTreeMap::new();
    for error in &planted.errors {
        let [instances, points] = counts.entry((error.row, error.kind)).or_default();
        *instances += 1;
        *points += error.points.len();
    }
    for ((_, kind), [instances, points]) in counts {
        say(&format!("{kind}: {points} keypoints of {instances} instances"));
    }
    for short in &planted.short {
        say(&format!(
            "error {} ({}) hit {} of {} frames: no more fit",
            short.row, short.kind, short.planted, short.wanted
        ));
    }
}
