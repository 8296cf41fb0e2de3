//! `labelvet relabel`: sends frames to people, worst first, and takes back what they decided.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::audit;
use crate::cli::Common;
use crate::cli::dataset::DatasetOptions;
use crate::cli::findings::FindingsOptions;
use crate::cli::output::{OutDir, Replace, mark, say};
use crate::relabel::{
    self, Choice, Existing, Form, ImportOptions, Queue, Trouble, Unchanged, Verdict,
};

/// Troubles that are said one by one; the rest is counted.
const MOST_SAID: usize = 10;

/// Send the worst frames to people for correction, and take back what they decided
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Export(Export),
    Import(Import),
}

/// Write the frames with likely label errors, worst first, for a labelling tool
#[derive(Debug, clap::Args)]
struct Export {
    /// Folder of a dataset, or the file that users of its format pass
    dataset: PathBuf,
    /// Tool that opens it
    #[arg(long, value_name = "FORM", value_parser = ["napari", "label-studio", "cvat", "csv"])]
    to: String,
    /// Folder to write; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long)]
    force: bool,
    /// The most frames
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Rule whose findings count; may be given several times [default: those about labels,
    /// without notes]
    #[arg(long, value_name = "RULE")]
    only: Vec<String>,
    #[command(flatten)]
    findings: FindingsOptions,
    #[command(flatten)]
    read: DatasetOptions,
}

/// Read an export that people worked in, and write their decisions
#[derive(Debug, clap::Args)]
struct Import {
    /// Folder that `relabel export` wrote
    folder: PathBuf,
    /// File of decisions to write (JSON Lines)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Add to the file, if it exists
    #[arg(long)]
    append: bool,
    /// Who decided
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// When, as RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// What the tool wrote, where it lies elsewhere
    #[arg(long, value_name = "PATH")]
    returned: Option<PathBuf>,
    /// What a finding means whose label came back unchanged and that nobody judged: leave
    /// makes no decision, correct takes it as confirmed
    #[arg(long, value_name = "VERDICT", default_value = "leave", value_parser = ["leave", "unsure", "correct"])]
    unchanged: String,
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    match &options.action {
        Action::Export(options) => export(options, common, words),
        Action::Import(options) => import(options, common),
    }
}

fn export(options: &Export, common: &Common, words: &[String]) -> Result<()> {
    let form: Form = options.to.parse().map_err(anyhow::Error::msg)?;
    if options.force {
        keep_work(&options.out)?;
    }
    let out = OutDir::new(&options.out, if options.force { Replace::Own } else { Replace::Never })?;
    let found = options.findings.find(&options.dataset, &options.read, common)?;
    for rule in &options.only {
        audit::by_slug(&found.rules, rule)?;
    }
    let choice = Choice { rules: options.only.clone(), top: options.top };
    let dataset = &found.facts.dataset;
    let queue = Queue::new(dataset, &found.audit.findings, &found.rules, &choice, form);
    let export = relabel::export(dataset, queue, &options.out)?;
    relabel::write_export(out.path(), &export)?;
    mark(out.path(), words)?;
    out.finish()?;
    if !common.quiet {
        tell(&export.troubles);
        let header = &export.queue.header;
        say(&format!(
            "{} with {} in {}",
            counted(header.frames, "frame"),
            counted(header.findings, "finding"),
            options.out.display()
        ));
        if header.frames == 0 {
            say("there is nothing to look at");
            return Ok(());
        }
        for (at, step) in export.next.iter().enumerate() {
            say(&format!("{}. {step}", at + 1));
        }
    }
    Ok(())
}

/// Refuses to replace an export that people have worked in since.
fn keep_work(out: &Path) -> Result<()> {
    let changed = relabel::changed_since(out)?;
    if let Some(first) = changed.first() {
        bail!(
            "{} holds work that was done after it was exported ({first}{}); import it and name another folder",
            out.display(),
            if changed.len() > 1 { " and more" } else { "" }
        );
    }
    Ok(())
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn import(options: &Import, common: &Common) -> Result<()> {
    let unchanged = match options.unchanged.as_str() {
        "correct" => Unchanged::Correct,
        "unsure" => Unchanged::Unsure,
        _ => Unchanged::Leave,
    };
    let import = relabel::import(
        &options.folder,
        &ImportOptions {
            returned: options.returned.clone(),
            by: options.by.clone(),
            at: options.at.clone().or_else(now),
            unchanged,
        },
    )?;
    let existing = if options.append { Existing::Append } else { Existing::Refuse };
    let written = relabel::write_decisions(&options.out, &import.decisions, existing)?;
    if !common.quiet {
        tell(&import.troubles);
        let count = |verdict: Verdict| {
            import.decisions.iter().filter(|decision| decision.verdict == verdict).count()
        };
        let counts = Verdict::ALL.map(|verdict| format!("{} {}", count(verdict), verdict.word()));
        say(&format!(
            "{} ({} changed without a finding); {} not judged; {written} written to {}",
            counts.join(", "),
            import.unasked,
            import.not_judged,
            options.out.display()
        ));
    }
    Ok(())
}

fn tell(troubles: &[Trouble]) {
    for trouble in troubles.iter().take(MOST_SAID) {
        say(&format!("{}: {}", trouble.place, trouble.message));
    }
    if troubles.len() > MOST_SAID {
        say(&format!("and {} more", troubles.len() - MOST_SAID));
    }
}

/// Returns the time of the clock, as RFC 3339 in UTC.
fn now() -> Option<String> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(rfc3339(seconds))
}

/// Returns seconds since 1970 as RFC 3339 in UTC. Days to dates: Howard Hinnant,
/// "chrono-compatible low-level date algorithms", `civil_from_days`.
fn rfc3339(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn seconds_are_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
