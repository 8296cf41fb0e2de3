//! `bench.md`: the tables, for logs, issues and notebooks.

use super::{BenchReport, tables, what};
use crate::report::study::escaped;

/// Returns the report as Markdown.
pub(super) fn page(report: &BenchReport<'_>) -> String {
    let mut out = format!("# Bench of detectors on {}\n\n", escaped(&report.run.dataset));
    out += &escaped(&what(report));
    out.push('\n');
    for (title, table) in tables::all(report) {
        if !table.rows.is_empty() {
            out += &format!("\n## {title}\n\n{}", table.markdown());
        }
    }
    out += &format!(
        "\nSeeds {} to {}. Every figure is explained in docs/bench.md; all numbers are in \
         `bench.json`, curves in [bench.html](bench.html).\n",
        report.run.seed,
        report.run.seed.wrapping_add(u64::from(report.seeds).saturating_sub(1)),
    );
    out
}
