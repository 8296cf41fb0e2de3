//! Scores of other detectors for the same planted sets, from a CSV file with the columns `seed`,
//! `rate`, `kind`, `strength`, `image`, `instance` and `score`, in any order.

use std::collections::HashMap;

use super::Set;

/// Columns that a file must have.
const COLUMNS: [&str; 7] = ["seed", "rate", "kind", "strength", "image", "instance", "score"];

/// Another detector, with its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// What it is called.
    pub name: String,
    /// Score from which it says that a label is wrong; `None` where it gives an order alone.
    pub threshold: Option<f64>,
    sets: HashMap<Key, HashMap<(String, String), f64>>,
}

/// Seed, bits of the rate, kind and strength.
type Key = (u64, u64, String, String);

/// Says why a file holds no scores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {message}")]
pub struct ScoresError {
    /// Line, counted from 1.
    pub row: usize,
    /// What was expected and found.
    pub message: String,
}

impl Imported {
    /// Parses the content of a file of scores. Greater scores are likelier errors.
    ///
    /// # Errors
    /// Fails where a column lacks, and on a row that is not as its columns say; the error names
    /// the row.
    pub fn parse(
        name: String,
        threshold: Option<f64>,
        text: &str,
    ) -> Result<Imported, ScoresError> {
        let mut rows = (1..).zip(text.trim_start_matches('\u{feff}').lines());
        let wrong = |row: usize, message: String| ScoresError { row, message };
        let (_, head) = rows.next().ok_or_else(|| wrong(1, "expected a row of heads".into()))?;
        let heads = cells(head).ok_or_else(|| wrong(1, "a quotation mark is not closed".into()))?;
        let mut columns = [0; COLUMNS.len()];
        for (at, column) in columns.iter_mut().zip(COLUMNS) {
            let found = heads.iter().position(|head| head.trim() == column);
            *at = found.ok_or_else(|| wrong(1, format!("expected a column `{column}`")))?;
        }
        let mut sets: HashMap<Key, HashMap<(String, String), f64>> = HashMap::new();
        for (row, line) in rows.filter(|(_, line)| !line.trim().is_empty()) {
            let cells =
                cells(line).ok_or_else(|| wrong(row, "a quotation mark is not closed".into()))?;
            if cells.len() != heads.len() {
                let message = format!("expected {} cells, found {}", heads.len(), cells.len());
                return Err(wrong(row, message));
            }
            let cell = columns.map(|at| cells[at].as_str());
            let number = |at: usize| {
                let value = cell[at].trim().parse::<f64>().ok().filter(|value| value.is_finite());
                let found = || format!("`{}` is a number, not {:?}", COLUMNS[at], cell[at]);
                value.ok_or_else(|| wrong(row, found()))
            };
            let seed = cell[0].trim().parse::<u64>();
            let seed =
                seed.map_err(|_| wrong(row, format!("`seed` is a number, not {:?}", cell[0])))?;
            let key = (seed, number(1)?.to_bits(), cell[2].into(), cell[3].into());
            let instance = (cell[4].to_owned(), cell[5].to_owned());
            if sets.entry(key).or_default().insert(instance, number(6)?).is_some() {
                return Err(wrong(row, format!("{} has a score already", cell[4])));
            }
        }
        Ok(Imported { name, threshold, sets })
    }

    /// Returns the scores of a set by image and instance; `None` where it has none.
    pub(super) fn of(&self, set: &Set<'_>) -> Option<&HashMap<(String, String), f64>> {
        let kind = set.cell.kind.name().to_owned();
        self.sets.get(&(set.seed, set.rate.to_bits(), kind, set.cell.strength.clone()))
    }
}

/// Splits a row of CSV (RFC 4180); `None` where a quotation mark is not closed.
fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let cell = cells.last_mut()?;
        match c {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    (!quoted).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::super::Cell;
    use super::*;

    const HEAD: &str = "seed,rate,kind,strength,image,instance,score";

    fn parse(rows: &str) -> Result<Imported, ScoresError> {
        Imported::parse("other".into(), None, &format!("{HEAD}\n{rows}"))
    }

    #[test]
    fn scores_are_found_by_their_set() {
        let rows = "3,0.05,miss,0.3-1,\"a,\"\"b\"\".png\",0,0.25\n3,0.05,miss,0.3-1,c.png,0,1e-3\n";
        let scores = parse(rows).expect("scores");
        let cells = Cell::parse(Cell::default_text()).expect("cells");
        let cell = cells.iter().find(|cell| cell.strength == "0.3-1").expect("a miss");
        let of = scores.of(&Set { cell, rate: 0.05, seed: 3 }).expect("a set");
        assert_eq!(of[&("a,\"b\".png".to_owned(), "0".to_owned())], 0.25);
        assert_eq!(of.len(), 2);
        assert!(scores.of(&Set { cell, rate: 0.05, seed: 4 }).is_none());
    }

    #[test]
    fn a_bad_row_is_named() {
        let message = |rows: &str| parse(rows).expect_err("a bad row").to_string();
        assert!(message("3,0.05,miss,0.3-1,a.png,0,high\n").starts_with("row 2: `score`"));
        assert!(message("\n-1,0.05,miss,a,a.png,0,1\n").starts_with("row 3: `seed`"));
        assert!(message("3,0.05,miss\n").contains("expected 7 cells, found 3"));
        assert!(message("3,0.05,\"miss,a,a.png,0,1\n").contains("not closed"));
        let twice = "3,0.05,miss,a,a.png,0,1\n";
        assert!(message(&twice.repeat(2)).contains("has a score already"));
        let none = Imported::parse("other".into(), None, "seed,rate\n").expect_err("no heads");
        assert!(none.to_string().contains("`kind`"));
    }
}
