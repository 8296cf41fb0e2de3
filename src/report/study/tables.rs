//! A table as the page and the Markdown share it.

use crate::page::text::visible;

/// A table of words.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Table {
    /// Its columns.
    pub(in crate::report) columns: Vec<Column>,
    /// Its rows, each as long as the columns.
    pub(in crate::report) rows: Vec<Vec<String>>,
}

/// A column.
#[derive(Debug, Clone)]
pub(in crate::report) struct Column {
    /// Its head, with the unit.
    pub(in crate::report) name: String,
    /// Whether it holds numbers, which stand at the right.
    pub(in crate::report) is_number: bool,
}

impl Table {
    /// Makes a table without rows; heads that begin with `#` are those of numbers.
    pub(in crate::report) fn new(heads: &[&str]) -> Table {
        let column = |head: &&str| match head.strip_prefix('#') {
            Some(name) => Column { name: name.to_owned(), is_number: true },
            None => Column { name: (*head).to_owned(), is_number: false },
        };
        Table { columns: heads.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(in crate::report) fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.to_vec());
    }

    /// Leaves out columns in which no row says anything.
    pub(super) fn without_empty(mut self) -> Table {
        let says = |at: usize| {
            self.rows
                .iter()
                .any(|row| row.get(at).is_some_and(|cell| cell != "–" && !cell.is_empty()))
        };
        let kept: Vec<usize> = (0..self.columns.len()).filter(|&at| at == 0 || says(at)).collect();
        self.columns = kept.iter().map(|&at| self.columns[at].clone()).collect();
        for row in &mut self.rows {
            *row = kept.iter().filter_map(|&at| row.get(at).cloned()).collect();
        }
        self
    }

    /// Writes it as Markdown (GitHub's tables).
    pub(in crate::report) fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let mut out = line(&mut self.columns.iter().map(|column| escaped(&column.name)));
        let rule = |column: &Column| if column.is_number { "---:" } else { "---" }.to_owned();
        out += &line(&mut self.columns.iter().map(rule));
        for row in &self.rows {
            out += &line(&mut row.iter().map(|cell| escaped(cell)));
        }
        out
    }
}

/// Returns words that Markdown shows as they are.
pub(in crate::report) fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in visible(words).chars() {
        if matches!(c, '\\' | '|' | '*' | '_' | '`' | '<' | '[' | ']' | '#' | '~' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_a_table() {
        let mut table = Table::new(&["Name", "#Value", "Never"]);
        table.push(["a|b\n<i>".into(), "3".into(), "–".into()]);
        let text = table.without_empty().markdown();
        assert_eq!(text, "| Name | Value |\n| --- | ---: |\n| a\\|b\\\\u{a}\\<i> | 3 |\n");
    }
}
