//! `labelvet bench`: how well detectors find errors that are known.

mod boxes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::audit::{self, Config, Rule};
use crate::bench::{Bench, Cell, Imported, Plan, labels_head, planted_head};
use crate::cli::dataset::{DatasetOptions, PredictionsOptions, measured};
use crate::cli::output::{OutDir, Replace, print, safe, say};
use crate::cli::{Common, mark, progress, settings};
use crate::facts::{Facts, Pixels, Planes};
use crate::relabel::{Decisions, Verdict};
use crate::report::{self, BenchReport, RunInfo};

/// Measure how well detectors of label errors find errors that are known
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Detectors(Box<Detectors>),
    Boxes(boxes::Boxes),
}

/// Plant errors of every kind into copies of a dataset's labels, in memory, and compare what the
/// audit says of them with what was planted; see docs/bench.md
#[derive(Debug, clap::Args)]
struct Detectors {
    /// Folder of a pose dataset, or the file that users of its format pass
    dataset: PathBuf,
    /// Shares of the labelled frames that are hit
    #[arg(long, value_name = "R,R", value_delimiter = ',', default_value = "0.01,0.05,0.1")]
    rates: Vec<f64>,
    /// Copies for each kind, strength and rate; their seeds are --seed and those that follow
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: u32,
    /// Kinds and strengths (TOML) in place of the built-in ones
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,
    /// Kinds that are planted, by name [default: all]
    #[arg(long, value_name = "KIND,KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Decisions of people (JSON Lines): frames with a label that they found wrong, or could not
    /// judge, are left out; may be given several times
    #[arg(long, value_name = "FILE")]
    decisions: Vec<PathBuf>,
    /// Scores of another detector (CSV: seed, rate, kind, strength, image, instance, score); from
    /// THRESHOLD on it calls an instance wrong; may be given several times
    #[arg(long, value_name = "NAME=FILE[@THRESHOLD]")]
    scores: Vec<String>,
    /// Folder to write bench.json, bench.md and bench.html into; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder to write the labels of all copies into, for other detectors; must not exist or be
    /// empty
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Replace these folders, if labelvet wrote them
    #[arg(long)]
    force: bool,
    /// Judge labels without opening any image; errors on edges of images cannot be planted then
    #[arg(long)]
    labels_only: bool,
    #[command(flatten)]
    predictions: PredictionsOptions,
    #[command(flatten)]
    read: DatasetOptions,
    /// Folder with more rules in SQL
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    let options = match &options.what {
        What::Boxes(options) => return boxes::run(options, common, words),
        What::Detectors(options) => options,
    };
    let start = Instant::now();
    let cells = cells(options)?;
    check_rates(&options.rates)?;
    let imported =
        options.scores.iter().map(|words| imported(words)).collect::<Result<Vec<_>>>()?;
    let rules = settings::rules(options.rules.as_deref())?;
    let config = settings::load(common.config.as_deref(), &options.dataset, &rules)?;
    let decisions = Decisions::read(&options.decisions)?;
    let folder = |path: &Option<PathBuf>| {
        let replace = if options.force { Replace::Own } else { Replace::Never };
        path.as_ref().map(|path| OutDir::new(path, replace)).transpose()
    };
    let (out, export) = (folder(&options.out)?, folder(&options.export)?);
    let dataset = options.read.read(&options.dataset, &config.skeleton.pairs)?;
    let pixels = if options.labels_only { Pixels::Skip } else { Pixels::Measure };
    let predictions = options.predictions.read(&dataset, common)?;
    let facts = Facts { predictions, ..measured(dataset, pixels, common) };
    if !facts.dataset.instances.iter().any(|instance| instance.len > 0) {
        bail!("{} has no labelled keypoints", options.dataset.display());
    }
    let left_out = left_out(&facts, &rules, &config, &decisions);
    let planes = Planes::open(&facts);
    let plan = Plan {
        cells: &cells,
        rates: &options.rates,
        seed: common.seed,
        seeds: options.seeds,
        left_out: &left_out,
        imported: &imported,
    };
    let bench = Bench::new(&facts, &planes, &rules, &config, plan);
    let settings = serde_json::json!({
        "seed": common.seed,
        "seeds": options.seeds,
        "rates": options.rates,
        "cells": cells.iter().map(|c| [c.kind.name(), c.strength.as_str()]).collect::<Vec<_>>(),
    });
    let mark = |folder: &Path| {
        mark::write(folder, words, &facts.dataset, &options.dataset, settings.clone())
    };
    if let Some(export) = export {
        write_copies(export.path(), &bench, &facts)?;
        mark(export.path())?;
        export.finish()?;
    }
    let bar = progress::bar("auditing copies", bench.sets(), common.quiet);
    let outcome = bench.run(&|| bar.inc(1));
    bar.finish_and_clear();
    let run = RunInfo {
        command: words.to_vec(),
        dataset: options.dataset.display().to_string(),
        seed: common.seed,
        seconds: start.elapsed().as_secs_f64(),
    };
    let report = BenchReport {
        outcome: &outcome,
        dataset: &facts.dataset,
        run: &run,
        seeds: options.seeds,
        rates: &options.rates,
    };
    print(&safe(&report::bench_text(&report)))?;
    if let (Some(out), Some(path)) = (out, &options.out) {
        report::write_bench(out.path(), &report)?;
        mark(out.path())?;
        out.finish()?;
        if !common.quiet {
            say(&format!("open {}", path.join("bench.html").display()));
        }
    }
    if !common.quiet {
        say(&format!("{} copies in {:.0} s", bench.sets(), run.seconds));
    }
    Ok(())
}

/// Returns the cells that are asked for.
fn cells(options: &Detectors) -> Result<Vec<Cell>> {
    let mut cells = match &options.cells {
        None => Cell::parse(Cell::default_text())?,
        Some(path) => {
            let named = || format!("failed to read {}", path.display());
            Cell::parse(&fs::read_to_string(path).with_context(named)?).with_context(named)?
        }
    };
    for kind in &options.kinds {
        if !cells.iter().any(|cell| cell.kind.name() == kind) {
            let known: BTreeSet<&str> = cells.iter().map(|cell| cell.kind.name()).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            bail!("there is no kind `{kind}`; known are {known}");
        }
    }
    if !options.kinds.is_empty() {
        cells.retain(|cell| options.kinds.iter().any(|kind| kind == cell.kind.name()));
    }
    Ok(cells)
}

fn check_rates(rates: &[f64]) -> Result<()> {
    for (at, rate) in rates.iter().enumerate() {
        if !(*rate > 0.0 && *rate <= 1.0) {
            bail!("a rate is above 0 and at most 1, not {rate}");
        }
        if rates[..at].contains(rate) {
            bail!("the rate {rate} is given twice");
        }
    }
    if rates.is_empty() { bail!("one rate at least is needed") } else { Ok(()) }
}

/// Reads scores of another detector as an option names them.
fn imported(words: &str) -> Result<Imported> {
    let (name, file) = (words.split_once('=').filter(|(name, _)| !name.is_empty()))
        .with_context(|| format!("--scores is NAME=FILE or NAME=FILE@THRESHOLD, not {words}"))?;
    let threshold = file
        .rsplit_once('@')
        .and_then(|(file, at)| Some((file, at.parse::<f64>().ok().filter(|at| at.is_finite())?)));
    let (file, threshold) = match threshold {
        Some((file, threshold)) => (file, Some(threshold)),
        None => (file, None),
    };
    let named = || format!("failed to read {file}");
    let text = fs::read_to_string(file).with_context(named)?;
    Imported::parse(name.to_owned(), threshold, &text).with_context(named)
}

/// Returns the images of which people found a label wrong, or could not judge it. Errors that
/// really are in the set would otherwise count as false alarms.
fn left_out(
    facts: &Facts,
    rules: &[Rule],
    config: &Config,
    decisions: &Decisions,
) -> BTreeSet<u32> {
    let doubtful: Vec<_> =
        decisions.iter().filter(|decision| decision.verdict != Verdict::Correct).collect();
    if doubtful.is_empty() {
        return BTreeSet::new();
    }
    let images: BTreeMap<&str, u32> =
        (0..).zip(&facts.dataset.images).map(|(at, image)| (image.path.as_str(), at)).collect();
    // A decision names its finding; the audit tells where that is.
    let findings = audit::run(facts, rules, config).findings;
    let by_fingerprint: BTreeMap<&str, &str> = (findings.iter())
        .filter_map(|found| Some((found.fingerprint.as_str(), found.image.as_deref()?)))
        .collect();
    let path = |decision: &&crate::relabel::Decision| {
        let changed = decision.after.as_ref().map(|after| after.image.as_str());
        let found = by_fingerprint.get(decision.fingerprint.as_str()).copied();
        images.get(changed.or(found)?).copied()
    };
    doubtful.iter().filter_map(path).collect()
}

/// Writes the labels of all copies: one CSV file for each cell and rate, the list of these, the
/// planted errors, and the skeleton.
fn write_copies(folder: &Path, bench: &Bench<'_>, facts: &Facts) -> Result<()> {
    let write = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("failed to write {}", path.display()))
    };
    let mut index = String::from("file,kind,strength,rate\n");
    let mut errors = planted_head().to_owned();
    let sets: Vec<_> = bench.every_set().collect();
    let alike = |a: &crate::bench::Set<'_>, b: &crate::bench::Set<'_>| {
        std::ptr::eq(a.cell, b.cell) && a.rate == b.rate
    };
    for (number, group) in sets.chunk_by(alike).enumerate() {
        let mut labels = labels_head().to_owned();
        for set in group {
            // What cannot be planted is told by the bench.
            if let Ok([rows, planted]) = bench.exported(set) {
                labels += &rows;
                errors += &planted;
            }
        }
        if let (true, Some(set)) = (labels.len() > labels_head().len(), group.first()) {
            let name = format!("labels-{:03}.csv", number + 1);
            write(&name, &labels)?;
            let strength = set.cell.strength.replace('"', "\"\"");
            index += &format!("{name},{},\"{strength}\",{}\n", set.cell.kind, set.rate);
        }
    }
    write("sets.csv", &index)?;
    write("planted.csv", &errors)?;
    let skeletons: Vec<serde_json::Value> = (facts.dataset.skeletons.iter())
        .map(|skeleton| {
            serde_json::json!({
                "keypoints": skeleton.keypoints,
                "edges": skeleton.edges,
                "pairs": skeleton.pairs,
            })
        })
        .collect();
    let text = serde_json::json!({ "schema": 1, "skeletons": skeletons });
    write("skeleton.json", &format!("{text:#}\n"))
}
