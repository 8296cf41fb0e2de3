//! `labelvet bench boxes`: how well errors of boxes and classes are found by predictions.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::check_rates;
use crate::bench::{BoxBench, BoxScores};
use crate::cli::dataset::{DatasetOptions, sizes_px};
use crate::cli::output::{OutDir, Replace, print, safe, say};
use crate::cli::{Common, mark, progress, settings};
use crate::plant::boxes;
use crate::report::{self, RunInfo};

/// Plant errors into copies of a dataset's boxes, in memory, simulate a detector and a classifier,
/// and compare what the audit says with what was planted; see docs/boxes.md
#[derive(Debug, clap::Args)]
pub(super) struct Boxes {
    /// Folder of a dataset with boxes, or the file that users of its format pass
    dataset: PathBuf,
    /// Shares of the labelled boxes that are hit
    #[arg(long, value_name = "R,R", value_delimiter = ',', default_value = "0.01,0.05,0.1")]
    rates: Vec<f64>,
    /// Copies for each kind and rate; their seeds are --seed and those that follow
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: u32,
    /// Scores of another program (CSV: set, number, score, and flagged where it calls boxes
    /// wrong); may be given several times
    #[arg(long, value_name = "NAME=FILE")]
    scores: Vec<String>,
    /// Folder to write boxes.json into; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// File to write all copies with their predictions into, for other programs
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Replace the folder, if labelvet wrote it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    read: DatasetOptions,
}

pub(super) fn run(options: &Boxes, common: &Common, words: &[String]) -> Result<()> {
    let start = Instant::now();
    check_rates(&options.rates)?;
    let others = options.scores.iter().map(|words| scores(words)).collect::<Result<Vec<_>>>()?;
    let rules = settings::rules(None)?;
    let config = settings::load(common.config.as_deref(), &options.dataset, &rules)?;
    let replace = if options.force { Replace::Own } else { Replace::Never };
    let out = options.out.as_ref().map(|path| OutDir::new(path, replace)).transpose()?;
    let dataset = options.read.read(&options.dataset, &config.skeleton.pairs)?;
    if boxes(&dataset).next().is_none() {
        bail!("{} has no labelled boxes", options.dataset.display());
    }
    let sizes = sizes_px(&dataset);
    let bench = BoxBench {
        dataset: &dataset,
        sizes_px: &sizes,
        rules: &rules,
        config: &config,
        rates: &options.rates,
        seed: common.seed,
        seeds: options.seeds,
        others: &others,
    };
    if let Some(path) = &options.export {
        export(path, &bench)?;
    }
    let bar = progress::bar("auditing copies", bench.sets(), common.quiet);
    let cells = bench.run(&|| bar.inc(1));
    bar.finish_and_clear();
    print(&safe(&report::boxes_text(&cells)))?;
    if let Some(out) = out {
        let run = RunInfo {
            command: words.to_vec(),
            dataset: options.dataset.display().to_string(),
            seed: common.seed,
            seconds: start.elapsed().as_secs_f64(),
        };
        let (seeds, rates) = (options.seeds, &options.rates);
        report::write_boxes(out.path(), &dataset, &run, seeds, rates, &cells)?;
        let settings = serde_json::json!({ "seed": common.seed, "seeds": seeds, "rates": rates });
        mark::write(out.path(), words, &dataset, &options.dataset, settings)?;
        out.finish()?;
    }
    if !common.quiet {
        say(&format!("{} copies in {:.0} s", bench.sets(), start.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// Reads scores of another program as an option names them.
fn scores(words: &str) -> Result<BoxScores> {
    let (name, file) = (words.split_once('=').filter(|(name, _)| !name.is_empty()))
        .with_context(|| format!("--scores is NAME=FILE, not {words}"))?;
    let named = || format!("failed to read {file}");
    let text = fs::read_to_string(file).with_context(named)?;
    BoxScores::parse(name.to_owned(), &text).with_context(named)
}

/// Writes all copies, one per line.
fn export(path: &Path, bench: &BoxBench<'_>) -> Result<()> {
    let named = || format!("failed to write {}", path.display());
    let file = fs::File::create_new(path).with_context(named)?;
    let mut file = std::io::BufWriter::new(file);
    for number in 0..bench.sets() {
        writeln!(file, "{}", bench.set(number).to_json()).with_context(named)?;
    }
    file.flush().with_context(named)
}
