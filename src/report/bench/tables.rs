//! Tables of a bench, as terminal, Markdown and page share them.

use super::BenchReport;
use crate::bench::{CellOutcome, Figure};
use crate::page::text::{count, number};
use crate::report::study::Table;

/// Returns all tables with their titles.
pub(super) fn all(report: &BenchReport<'_>) -> Vec<(&'static str, Table)> {
    vec![
        ("All kinds together", overall(report)),
        ("Each kind", each_kind(report)),
        ("What findings name and propose (labelvet)", named(report)),
        ("Reliability: share of errors by score, all kinds together", reliability(report)),
        ("Not planted", not_planted(report)),
    ]
}

/// Heads of a table of detectors.
const DETECTORS: [&str; 10] = [
    "Kind",
    "Strength",
    "#Rate",
    "#Errors",
    "Detector",
    "#Precision",
    "#Recall",
    "#Average precision",
    "#Recall at precision 0.9",
    "#Clean above 0.9",
];

/// Returns the figures of all kinds together at each rate.
pub(in crate::report) fn overall(report: &BenchReport<'_>) -> Table {
    detectors(&report.outcome.together)
}

/// Returns the figures of each kind, strength and rate.
pub(in crate::report) fn each_kind(report: &BenchReport<'_>) -> Table {
    detectors(&report.outcome.cells)
}

fn detectors(cells: &[CellOutcome]) -> Table {
    let mut table = Table::new(&DETECTORS);
    for cell in cells {
        for found in &cell.detectors {
            table.push([
                kind(cell),
                cell.strength.clone(),
                number(cell.rate),
                count(cell.planted),
                found.name.clone(),
                figure(&found.precision),
                figure(&found.recall),
                figure(&found.average_precision),
                figure(&found.recall_at_precision_90),
                figure(&found.clean_above_90),
            ]);
        }
    }
    table
}

/// Returns how often findings name the right kind and mend the label.
pub(in crate::report) fn named(report: &BenchReport<'_>) -> Table {
    let mut table = Table::new(&[
        "Kind",
        "Strength",
        "#Rate",
        "#Kind named",
        "#Kind right",
        "#Keypoints: precision",
        "#Keypoints: recall",
        "#Mended",
        "#Mended of proposed",
    ]);
    let outcome = report.outcome;
    for cell in outcome.together.iter().chain(&outcome.cells) {
        let named = &cell.named;
        table.push([
            kind(cell),
            cell.strength.clone(),
            number(cell.rate),
            figure(&named.named),
            figure(&named.kind_right),
            figure(&named.points_precision),
            figure(&named.points_recall),
            figure(&named.mended),
            figure(&named.mended_of_proposed),
        ]);
    }
    table
}

/// Returns the share of errors in each tenth of scores, all kinds together.
pub(in crate::report) fn reliability(report: &BenchReport<'_>) -> Table {
    let mut table =
        Table::new(&["#Rate", "Detector", "Score", "#Instances", "#Mean score", "#With an error"]);
    for cell in &report.outcome.together {
        for found in &cell.detectors {
            for bin in found.reliability.iter().filter(|bin| bin.instances > 0) {
                table.push([
                    number(cell.rate),
                    found.name.clone(),
                    format!("{} to {}", number(bin.from), number(bin.from + 0.1)),
                    count(bin.instances),
                    bin.mean_score.map_or("–".into(), share),
                    figure(&bin.planted),
                ]);
            }
        }
    }
    table
}

/// Returns what could not be planted, and why.
fn not_planted(report: &BenchReport<'_>) -> Table {
    let mut table = Table::new(&["Kind", "Strength", "#Rate", "#Copies", "Why"]);
    for none in &report.outcome.not_planted {
        table.push([
            none.kind.to_string(),
            none.strength.clone(),
            number(none.rate),
            count(none.sets),
            none.reason.clone(),
        ]);
    }
    table
}

/// Returns the name of the kind of a cell.
fn kind(cell: &CellOutcome) -> String {
    cell.kind.map_or_else(|| "all".to_owned(), |kind| kind.to_string())
}

/// Writes a share with two digits.
fn share(value: f64) -> String {
    format!("{value:.2}")
}

/// Writes a figure with its interval.
pub(super) fn figure(figure: &Figure) -> String {
    match (figure.value, figure.low.zip(figure.high)) {
        (None, _) => "–".into(),
        (Some(value), None) => share(value),
        (Some(value), Some((low, high))) => {
            format!("{} ({}–{})", share(value), share(low), share(high))
        }
    }
}

/// Writes a table with columns of equal width, numbers at the right.
pub(super) fn text(table: &Table) -> String {
    let length = |cell: &str| cell.chars().count();
    let widths: Vec<usize> = (table.columns.iter().enumerate())
        .map(|(at, column)| {
            let cells = table.rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| length(cell)).chain([length(&column.name)]).max().unwrap_or_default()
        })
        .collect();
    let heads: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let mut out = String::new();
    for row in std::iter::once(&heads).chain(&table.rows) {
        let mut line = String::new();
        for ((cell, width), column) in row.iter().zip(&widths).zip(&table.columns) {
            let space = " ".repeat(width - length(cell).min(*width));
            line += &match column.is_number {
                true => format!("{space}{cell}  "),
                false => format!("{cell}{space}  "),
            };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_columns_of_equal_width() {
        let mut table = Table::new(&["Kind", "#Recall"]);
        table.push(["miss".into(), "0.42 (0.31–0.55)".into()]);
        table.push(["carry_over".into(), "–".into()]);
        let lines: Vec<String> = text(&table).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "Kind                  Recall");
        assert_eq!(lines[1], "miss        0.42 (0.31–0.55)");
        assert_eq!(lines[2], "carry_over                 –");
    }

    #[test]
    fn figures_are_written_with_their_intervals() {
        let of = |value, low, high| figure(&Figure { value, low, high });
        assert_eq!(of(Some(0.5), Some(0.25), Some(0.75)), "0.50 (0.25–0.75)");
        assert_eq!(of(Some(1.0), None, None), "1.00");
        assert_eq!(of(None, None, None), "–");
    }
}
