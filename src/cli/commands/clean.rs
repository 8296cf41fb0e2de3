//! `labelvet clean`: findings become a patch, a patch a cleaned copy, and back.

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::clean::{self, Applied, Counts, HeldBack, Limit, Patch, Policy, When};
use crate::cli::dataset::{DatasetOptions, read_copy};
use crate::cli::findings::{FindingsOptions, Found};
use crate::cli::output::{OutDir, Replace, say};
use crate::cli::{Common, mark};
use crate::dataset::Dataset;
use crate::formats::FORMATS;

/// Turn findings into a patch, apply it to a copy, take it back
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Plan(Plan),
    Apply(Apply),
    Revert(Revert),
}

/// Write what a policy makes of the findings as a patch: one readable file, and nothing is
/// changed
#[derive(Debug, clap::Args)]
struct Plan {
    /// Folder of a dataset, or the file that users of its format pass
    dataset: PathBuf,
    /// Patch to write (JSON Lines); must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Policy (TOML) whose keys replace the defaults, see docs/cleaning.md
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Replace a patch that was not applied yet
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    findings: FindingsOptions,
    #[command(flatten)]
    read: DatasetOptions,
}

/// Write a cleaned copy of a dataset; what takes it back is kept beside the patch
#[derive(Debug, clap::Args)]
struct Apply {
    /// The patch
    patch: PathBuf,
    /// The dataset that it was made for
    dataset: PathBuf,
    /// Folder to write; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    read: DatasetOptions,
}

/// Write a copy as it was before the patch was applied, label files byte by byte
#[derive(Debug, clap::Args)]
struct Revert {
    /// The patch
    patch: PathBuf,
    /// The cleaned copy
    dataset: PathBuf,
    /// Folder to write; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    match &options.action {
        Action::Plan(options) => plan(options, common),
        Action::Apply(options) => apply(options, common, words),
        Action::Revert(options) => revert(options, common),
    }
}

fn plan(options: &Plan, common: &Common) -> Result<()> {
    may_write(&options.out, options.force)?;
    let policy_text = match &options.policy {
        None => String::new(),
        Some(path) => fs::read_to_string(path)
            .with_context(|| format!("failed to read {}", path.display()))?,
    };
    let rules = options.findings.rules()?;
    let policy = Policy::parse(&policy_text, &rules).with_context(|| match &options.policy {
        Some(path) => format!("failed to read {}", path.display()),
        None => "failed to read the default policy".to_owned(),
    })?;
    let Found { facts, audit, decisions, .. } =
        options.findings.find(&options.dataset, &options.read, common)?;
    let dataset = facts.dataset;
    let decided = decisions.edits(&dataset);
    let patch = clean::plan(&dataset, &audit.findings, &policy).decided(&dataset, &decided.edits);
    for stale in &decided.stale {
        say(&format!("not in the patch: {stale}"));
    }
    write_patch(&patch, &options.out)?;
    if !common.quiet {
        summarise(&patch, &dataset, &options.out);
    }
    Ok(())
}

/// Refuses to write over what is no patch, or a patch that a copy needs to be taken back.
fn may_write(out: &Path, force: bool) -> Result<()> {
    let kept = clean::kept_beside(out);
    if kept.symlink_metadata().is_ok() {
        bail!(
            "{} was applied already, and {} takes it back; name another file",
            out.display(),
            kept.display()
        );
    }
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    if !force {
        bail!("{} exists; name another file, or replace it with --force", out.display());
    }
    let mut first = String::new();
    if let Ok(file) = fs::File::open(out) {
        // What cannot be read is no patch.
        let _ = std::io::BufReader::new(file).read_line(&mut first);
    }
    let header: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
    if header["tool"] != "labelvet" || header["counts"].is_null() {
        bail!("{} is no patch of labelvet, so --force leaves it alone", out.display());
    }
    Ok(())
}

/// Writes the patch beside its place first, so that it appears whole or not at all.
fn write_patch(patch: &Patch, out: &Path) -> Result<()> {
    let named = || format!("failed to write {}", out.display());
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).with_context(named)?;
    let folder = tempfile::Builder::new().prefix(".labelvet-").tempdir_in(parent);
    let folder = folder.with_context(named)?;
    let staged = folder.path().join("patch.jsonl");
    let mut file = std::io::BufWriter::new(fs::File::create(&staged).with_context(named)?);
    patch.write(&mut file).and_then(|()| file.flush()).with_context(named)?;
    drop(file);
    fs::rename(&staged, out).with_context(named)
}

/// Says in a few lines what the patch does and what it leaves.
fn summarise(patch: &Patch, dataset: &Dataset, out: &Path) {
    let counts = patch.counts();
    let frames = dataset.images.iter().filter(|image| image.location.is_some()).count();
    say(&format!("{} of {frames} labelled frames change:", counts.frames));
    for line in done(&counts) {
        say(&format!("  {line}"));
    }
    if counts.relabel > 0 {
        say(&format!("{} for a person to look at", number(counts.relabel, "finding")));
    }
    let held: Vec<&HeldBack> =
        patch.held_back.iter().filter(|held| held.when == When::Always).collect();
    if !held.is_empty() {
        say(&format!("{} held back by the limits of the policy:", number(held.len(), "change")));
        let limits = [
            (Limit::MaxFrameShare, "max_frame_share"),
            (Limit::MinPerKeypoint, "min_per_keypoint"),
            (Limit::MinPerVideo, "min_per_video"),
            (Limit::MinPerClass, "min_per_class"),
        ];
        for (limit, name) in limits {
            let count = held.iter().filter(|held| held.limit == limit).count();
            if count > 0 {
                say(&format!("  {count} by {name}"));
            }
        }
    }
    let written = FORMATS.iter().find(|format| format.slug == dataset.format);
    if written.is_none_or(|format| format.rewrite.is_none()) {
        say(&format!(
            "labels of the format {} are not written, so that the patch cannot be applied",
            dataset.format
        ));
        return;
    }
    say(&format!(
        "nothing is changed yet: labelvet clean apply {} DATASET --out DIR",
        out.display()
    ));
}

/// Returns what a patch does, a line each.
fn done(counts: &Counts) -> Vec<String> {
    let lines = [
        (counts.drop_image, "image", "left out"),
        (counts.drop_instance, "instance", "left out"),
        (counts.drop_keypoint, "keypoint", "marked as not labelled"),
        (counts.swap, "pair", "of keypoints exchanged"),
        (counts.moved, "keypoint", "moved"),
        (counts.down_weight, "label", "weighed down"),
    ];
    let said = lines.into_iter().filter(|(count, ..)| *count > 0);
    said.map(|(count, one, done)| format!("{} {done}", number(count, one))).collect()
}

fn number(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn apply(options: &Apply, common: &Common, words: &[String]) -> Result<()> {
    let patch = Patch::read(&options.patch)?;
    let pairs = Vec::new();
    let dataset = options.read.read(&options.dataset, &pairs)?;
    // Said before anything is copied.
    patch.check(&dataset)?;
    let kept = clean::kept_beside(&options.patch);
    let out = OutDir::new(&options.out, if options.force { Replace::Own } else { Replace::Never })?;
    let beside = match kept.symlink_metadata() {
        // Another copy made by this patch needs the same to be taken back, or something else.
        Ok(_) => OutDir::new(&kept.with_extension("d.new"), Replace::Never)?,
        Err(_) => OutDir::new(&kept, Replace::Never)?,
    };
    let applied = patch.apply(&dataset, out.path(), beside.path())?;
    read_copy(&dataset, &options.dataset, out.path())?;
    for folder in [out.path(), beside.path()] {
        let settings = serde_json::json!({ "policy": patch.policy, "counts": patch.counts() });
        mark::write(folder, words, &dataset, &options.dataset, settings)?;
    }
    if kept.symlink_metadata().is_err() {
        // First what takes it back: a copy is never there without it.
        beside.finish()?;
    } else if !clean::keeps_the_same(&kept, beside.path())? {
        bail!(
            "{} takes back what this patch made of other files; copy the patch to another name \
             and apply that",
            kept.display()
        );
    }
    out.finish()?;
    if !common.quiet {
        tell(&applied, &patch, &options.out, &kept);
    }
    Ok(())
}

/// Says what the copy is, and what is left to do.
fn tell(applied: &Applied, patch: &Patch, out: &Path, kept: &Path) {
    let copied = &applied.copied;
    say(&format!(
        "{}: {} changed, {} left out; {} images or videos linked, {} copied",
        out.display(),
        number(applied.changed.len(), "label file"),
        number(applied.left_out.len(), "file"),
        copied.linked,
        number(copied.copied, "file"),
    ));
    // A folder that this command is still making is no loss.
    let unfinished =
        |path: &str| path.rsplit('/').next().is_some_and(|n| n.starts_with(".labelvet-"));
    for skipped in copied.skipped.iter().filter(|skipped| !unfinished(&skipped.path)) {
        say(&format!("not copied: {}, {}", skipped.path, skipped.reason));
    }
    for table in &applied.tables {
        let what = if table == clean::WEIGHTS {
            format!("{} for trainers", number(patch.weights.len(), "weight"))
        } else {
            format!("{} for a person to look at", number(patch.relabel.len(), "finding"))
        };
        say(&format!("{}: {what}", out.join(table).display()));
    }
    if !applied.stale.is_empty() {
        say(&format!(
            "{} would disagree with the cleaned labels and {} not copied; this rebuilds {}:",
            applied.stale.join(", "),
            if applied.stale.len() == 1 { "is" } else { "are" },
            if applied.stale.len() == 1 { "it" } else { "them" },
        ));
        for scorer in scorers(&applied.stale) {
            let config = out.join("config.yaml");
            say(&format!(
                "  deeplabcut.convertcsv2h5('{}', userfeedback=False, scorer='{scorer}')",
                config.display()
            ));
        }
    }
    say(&format!("{} takes it back: labelvet clean revert", kept.display()));
}

/// Returns the scorers that files `CollectedData_<scorer>.h5` are named after.
fn scorers(files: &[String]) -> Vec<String> {
    let scorer = |path: &String| {
        let name = path.rsplit('/').next()?;
        Some(name.strip_prefix("CollectedData_")?.strip_suffix(".h5")?.to_string())
    };
    let mut scorers: Vec<String> = files.iter().filter_map(scorer).collect();
    scorers.sort();
    scorers.dedup();
    scorers
}

fn revert(options: &Revert, common: &Common) -> Result<()> {
    let patch = Patch::read(&options.patch)?;
    if !options.dataset.exists() {
        bail!("{} does not exist", options.dataset.display());
    }
    let copy = clean::copy_of(&options.dataset);
    let out = OutDir::new(&options.out, Replace::Never)?;
    let reverted = patch.revert(&copy, &clean::kept_beside(&options.patch), out.path())?;
    out.finish()?;
    if !common.quiet {
        say(&format!(
            "{}: {} as before the patch",
            options.out.display(),
            number(reverted.restored.len(), "file"),
        ));
    }
    Ok(())
}
