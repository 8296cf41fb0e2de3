//! `report.md`: the report without pictures, for logs, issues and notebooks.

use super::tables::{Table, escaped};
use super::{
    StudyReport, Texts, cleaning, effects, errors, figure, luck, margins, rates, rule_title,
    secondary, settings, splits, suspect_labels,
};
use crate::report::html::card::suggestion;
use crate::study::file::DesignFile;

/// Rows of further measures; the rest is in `study.json`.
const MOST_ROWS: usize = 12;
/// Rows of splits.
const MOST_SPLITS: usize = 6;

/// Returns the report as Markdown.
pub(super) fn page(report: &StudyReport<'_>, file: Option<&DesignFile>, texts: &Texts) -> String {
    let mut out = Lines::default();
    out.line(&format!("# Study of {}", escaped(&report.study.dataset.path)));
    let colon = if texts.figures.is_empty() { "" } else { ":" };
    out.line(&format!("**{}**{colon} {}", prose(&texts.verdict), prose(&texts.figures)));
    if !texts.warnings.is_empty() {
        out.line("**Heed before reading on:**");
        out.list(&texts.warnings);
    }
    out.line(&prose(&texts.what));
    let names: Vec<String> =
        texts.names.iter().map(|(name, words)| format!("{name}: {words}")).collect();
    out.list(&names);
    out.line("## What to do next");
    out.list(&texts.advice);
    let mut commands = String::from("```sh\n");
    for [what, command] in &texts.commands {
        commands += &format!("# {what}\n{command}\n");
    }
    out.line(&(commands + "```"));
    out.line("## Test error");
    out.table(&errors(report), usize::MAX);
    out.line(&prose(&texts.reading_errors));
    out.line("## Effects");
    out.table(&effects(report), usize::MAX);
    out.line(&prose(&texts.reading_effects));
    out.line("## The worst labels");
    out.table(&worst_labels(report), usize::MAX);
    if !texts.reading_worst.is_empty() {
        out.line(&prose(&texts.reading_worst));
    }
    out.line("## What cleaning changed");
    out.table(&cleaning(report), usize::MAX);
    out.line(&prose(&texts.reading_cleaning));
    out.line("## Alarms and ramps");
    out.table(&rates(report), usize::MAX);
    out.table(&margins(report), usize::MAX);
    out.line(&prose(&texts.reading_ramps));
    out.line("## Further measures, without tests");
    out.table(&secondary(report), MOST_ROWS);
    out.line(&prose(&texts.reading_secondary));
    if !texts.reading_luck.is_empty() {
        out.line("## Luck");
        out.table(&luck(report), usize::MAX);
        out.line(&prose(&texts.reading_luck));
    }
    out.line("## How this study was made");
    out.table(&splits(report), MOST_SPLITS);
    let mut table = Table::new(&["Setting", "Value"]);
    for (name, value) in settings(report, file) {
        table.push([name.to_owned(), value]);
    }
    out.table(&table, usize::MAX);
    out.line(
        "All numbers are in `study.json`. Pictures are in [report.html](report.html), the audit is \
         in [audit/report.html](audit/report.html), each run in its folder below `runs/` and \
         `ramps/`.",
    );
    out.text
}

fn worst_labels(report: &StudyReport<'_>) -> Table {
    let rules = crate::audit::builtin().unwrap_or_default();
    let mut table = Table::new(&["#Score", "Image", "Label", "What", "Proposed"]);
    for finding in suspect_labels(&report.audit.findings) {
        let label = [finding.instance.as_deref(), finding.keypoint.as_deref()];
        let proposed = finding.proposal.as_ref().map(|proposal| suggestion(proposal, finding));
        table.push([
            figure(finding.score),
            finding.image.clone().unwrap_or_default(),
            label.into_iter().flatten().collect::<Vec<_>>().join(", "),
            format!("{}: {}", rule_title(&rules, &finding.rule), finding.message),
            proposed.unwrap_or_else(|| "look at it again".into()),
        ]);
    }
    table
}

/// Returns prose with code kept as code.
fn prose(words: &str) -> String {
    let parts = words.split('`').enumerate();
    let shown =
        parts.map(|(at, part)| if at % 2 == 0 { escaped(part) } else { format!("`{part}`") });
    shown.collect()
}

/// Paragraphs, parted by empty lines.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn line(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text += text.trim_end();
        self.text.push('\n');
    }

    fn list(&mut self, items: &[String]) {
        let items: Vec<String> = items.iter().map(|item| format!("- {}", prose(item))).collect();
        self.line(&items.join("\n"));
    }

    fn table(&mut self, table: &Table, most: usize) {
        if table.rows.is_empty() {
            return self.line("None.");
        }
        let mut shown = table.clone();
        shown.rows.truncate(most);
        self.line(&shown.markdown());
        let rest = table.rows.len() - shown.rows.len();
        if rest > 0 {
            self.line(&format!("{rest} more rows are in `study.json`."));
        }
    }
}
