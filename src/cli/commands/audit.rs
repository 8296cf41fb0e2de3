//! `labelvet audit`: measures a dataset, finds what is wrong, writes a report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use crate::audit::{self, Audit, Severity};
use crate::cli::dataset::{DatasetOptions, PredictionsOptions, measured};
use crate::cli::output::{OutDir, Replace, say};
use crate::cli::{Common, settings};
use crate::facts::{Facts, Pixels};
use crate::relabel::Decisions;
use crate::report::{self, AuditReport, RunInfo};

/// Find wrong labels, bad images, duplicates and leakage; write a report
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Folder of a dataset, or the file that users of its format pass: config.yaml,
    /// data.yaml, a COCO .json, CollectedData.csv
    dataset: PathBuf,
    /// Folder to write; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    read: DatasetOptions,
    /// Folder with more rules in SQL
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    predictions: PredictionsOptions,
    /// Judge labels without opening any image
    #[arg(long)]
    labels_only: bool,
    /// Decisions of people (JSON Lines): findings that they judged to be no defect stay silent
    /// while the judged label is unchanged; may be given several times, later files count
    #[arg(long, value_name = "FILE")]
    decisions: Vec<PathBuf>,
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    let start = Instant::now();
    let rules = settings::rules(options.rules.as_deref())?;
    let config = settings::load(common.config.as_deref(), &options.dataset, &rules)?;
    let decisions = Decisions::read(&options.decisions)?;
    let out = OutDir::new(&options.out, if options.force { Replace::Own } else { Replace::Never })?;
    let dataset = options.read.read(&options.dataset, &config.skeleton.pairs)?;
    // What is wrong with the predictions shows before any image is opened.
    let predictions = options.predictions.read(&dataset, common)?;
    let pixels = if options.labels_only { Pixels::Skip } else { Pixels::Measure };
    let facts = Facts { predictions, ..measured(dataset, pixels, common) };
    let mut audit = audit::run(&facts, &rules, &config);
    let outdated = decisions.silence(&mut audit, &facts.dataset, &rules);
    let run = RunInfo {
        command: words.to_vec(),
        dataset: options.dataset.display().to_string(),
        seed: common.seed,
        seconds: start.elapsed().as_secs_f64(),
    };
    let report =
        AuditReport { facts: &facts, audit: &audit, rules: &rules, config: &config, run: &run };
    report::write_audit(out.path(), &report)?;
    out.finish()?;
    if !common.quiet {
        summarise(&facts, &audit, outdated, &options.out);
    }
    Ok(())
}

/// Says in a few lines what was found and where to look.
fn summarise(facts: &Facts, audit: &Audit, outdated: usize, out: &Path) {
    let number = |count: usize, one: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {one}{plural}")
    };
    let found = |severity, one| {
        number(audit.findings.iter().filter(|f| f.severity == severity).count(), one)
    };
    let keypoints = facts.dataset.instances.iter().map(|i| usize::from(i.len)).sum();
    say(&format!(
        "{}: {}, {}, {}",
        facts.dataset.format,
        number(facts.dataset.images.len(), "image"),
        number(facts.dataset.instances.len(), "instance"),
        number(keypoints, "keypoint"),
    ));
    if let Some(ledger) = &audit.ledger {
        say(&format!("training: {}", ledger.summary));
    }
    if let Some(trouble) = &facts.cache_trouble {
        say(&format!("measures could not be kept for the next audit: {trouble}"));
    }
    let mut idle: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for skipped in audit.skipped.iter().filter(|skipped| skipped.reason != "turned off") {
        idle.entry(&skipped.reason).or_default().push(&skipped.rule);
    }
    for (reason, rules) in idle {
        let plural = if rules.len() == 1 { "" } else { "s" };
        say(&format!("rule{plural} {} did not run: {reason}", rules.join(", ")));
    }
    say(&format!(
        "{}, {}, {}",
        found(Severity::Error, "error"),
        found(Severity::Warning, "warning"),
        found(Severity::Info, "note"),
    ));
    if !audit.silenced.is_empty() {
        say(&format!("{} silent: judged to be right", number(audit.silenced.len(), "finding")));
    }
    if outdated > 0 {
        say(&format!(
            "{} judged to be right appear again, since their labels changed",
            number(outdated, "finding")
        ));
    }
    say(&format!("open {}", out.join("report.html").display()));
}
