//! What people read of a study: `report.html` and `report.md` in its folder.
//!
//! Words and tables are made once, here, for both; the page adds plots and pictures. Nothing is
//! computed that `study.json` does not hold, so that the three never disagree.

mod markdown;
mod parts;
mod tables;
mod text;
mod words;

use std::io::Write as _;
use std::path::Path;

use super::{ReportError, html, write_whole};
use crate::audit::{Audit, Finding, Level, Severity};
use crate::facts::Facts;
use crate::study::file::{DesignFile, StudyFile};
use crate::study::outcome::Outcome;

pub(super) use parts::{
    cleaning, effects, errors, luck, margins, rates, secondary, settings, splits,
};
pub(super) use tables::{Column, Table, escaped};
pub(super) use text::Texts;
pub(super) use words::{amount, contrast_words, figure, rule_title};

/// Labels that are shown as the worst.
const WORST: usize = 20;

/// Everything that the report of a study is made of.
#[derive(Debug, Clone, Copy)]
pub struct StudyReport<'a> {
    /// The content of `study.json`.
    pub study: &'a StudyFile<'a>,
    /// What the study says.
    pub outcome: &'a Outcome,
    /// The dataset as labelled, and its images.
    pub facts: &'a Facts,
    /// What the audit of the whole dataset found.
    pub audit: &'a Audit,
    /// The study's folder, where the curves of its runs lie.
    pub folder: &'a Path,
}

/// Writes the report of a study into its folder, each file whole.
///
/// # Errors
/// Fails when a file cannot be written.
pub fn write_study(folder: &Path, report: &StudyReport<'_>) -> Result<(), ReportError> {
    // How shuffles were made stands in the design's own file; without it, that is left unsaid.
    let design = DesignFile::read(report.folder).ok();
    let texts = Texts::new(report, design.as_ref());
    let page = html::study::page(report, design.as_ref(), &texts).into_string();
    write_whole(&folder.join("report.html"), |out| out.write_all(page.as_bytes()))?;
    let text = markdown::page(report, design.as_ref(), &texts);
    write_whole(&folder.join("report.md"), |out| out.write_all(text.as_bytes()))
}

/// Returns the findings about the labels that are likeliest to be wrong, one a label, the
/// likeliest first. Notes, and findings about whole images or the dataset, are none of them.
pub fn suspect_labels(findings: &[Finding]) -> Vec<&Finding> {
    let about_labels = |finding: &&Finding| {
        matches!(finding.level, Level::Keypoint | Level::Instance)
            && finding.severity > Severity::Info
    };
    let mut all: Vec<&Finding> = findings.iter().filter(about_labels).collect();
    // A proposal is worth more than none where two rules are as sure of one label.
    let order = |a: &&Finding, b: &&Finding| {
        b.score.total_cmp(&a.score).then(b.proposal.is_some().cmp(&a.proposal.is_some()))
    };
    all.sort_by(order);
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|finding| seen.insert((&finding.image, &finding.instance, &finding.keypoint)));
    all.truncate(WORST);
    all
}

#[cfg(test)]
mod tests;
