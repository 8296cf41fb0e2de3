//! Findings for commands that work on them: of an AUDIT folder, or of an audit made now.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::dataset::{DatasetOptions, measured};
use super::{Common, settings};
use crate::audit::{self, Audit, Finding, Rule};
use crate::dataset::fingerprint;
use crate::facts::{Facts, Pixels};
use crate::relabel::Decisions;

/// Where findings come from.
#[derive(Debug, clap::Args)]
pub(super) struct FindingsOptions {
    /// AUDIT folder whose findings are used [default: an audit is made now]
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// Folder with more rules in SQL
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Judge labels without opening any image
    #[arg(long)]
    labels_only: bool,
    /// Decisions: findings confirmed as right are left out while their label is unchanged
    #[arg(long, value_name = "FILE")]
    decisions: Vec<PathBuf>,
}

/// A dataset with its findings.
pub(super) struct Found {
    pub(super) facts: Facts,
    pub(super) audit: Audit,
    pub(super) rules: Vec<Rule>,
    /// What people decided.
    pub(super) decisions: Decisions,
}

impl FindingsOptions {
    /// Returns the rules that findings may be of.
    pub(super) fn rules(&self) -> Result<Vec<Rule>> {
        settings::rules(self.rules.as_deref())
    }

    /// Reads a dataset and its findings.
    ///
    /// # Errors
    /// Fails when the dataset or the AUDIT folder cannot be read, and when the audit is one of
    /// another state of the dataset.
    pub(super) fn find(
        &self,
        dataset: &Path,
        read: &DatasetOptions,
        common: &Common,
    ) -> Result<Found> {
        let rules = self.rules()?;
        let config = settings::load(common.config.as_deref(), dataset, &rules)?;
        let decisions = Decisions::read(&self.decisions)?;
        let known = self.audit.as_deref().map(Known::read).transpose()?;
        let pixels = known.as_ref().map_or(!self.labels_only, |known| known.pixels);
        let dataset = read.read(dataset, &config.skeleton.pairs)?;
        let pixels = if pixels { Pixels::Measure } else { Pixels::Skip };
        let facts = measured(dataset, pixels, common);
        let mut audit = match known {
            None => audit::run(&facts, &rules, &config),
            Some(known) => {
                let now = fingerprint(&facts.dataset, |at| facts.images[at].sha256);
                if now != known.fingerprint {
                    bail!(
                        "the audit in {} was made of another state of the dataset; run labelvet audit again",
                        self.audit.as_deref().unwrap_or(Path::new("")).display()
                    );
                }
                Audit { findings: known.findings, ..Audit::default() }
            }
        };
        decisions.silence(&mut audit, &facts.dataset, &rules);
        Ok(Found { facts, audit, rules, decisions })
    }
}

/// What an AUDIT folder holds.
struct Known {
    fingerprint: String,
    pixels: bool,
    findings: Vec<Finding>,
}

impl Known {
    fn read(folder: &Path) -> Result<Known> {
        let mark = folder.join("labelvet.json");
        let text = fs::read(&mark).with_context(|| {
            format!("{} is no AUDIT folder: failed to read {}", folder.display(), mark.display())
        })?;
        let value: serde_json::Value = serde_json::from_slice(&text)
            .with_context(|| format!("failed to read {}", mark.display()))?;
        let fingerprint = value.pointer("/dataset/fingerprint").and_then(|text| text.as_str());
        let pixels = value.pointer("/settings/pixels").and_then(serde_json::Value::as_bool);
        let (Some(fingerprint), Some(pixels)) = (fingerprint, pixels) else {
            bail!("{} was not written by labelvet audit", mark.display());
        };
        let path = folder.join("findings.json");
        let named = || format!("failed to read {}", path.display());
        let findings =
            serde_json::from_slice(&fs::read(&path).with_context(named)?).with_context(named)?;
        Ok(Known { fingerprint: fingerprint.into(), pixels, findings })
    }
}
