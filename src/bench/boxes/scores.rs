//! Scores of other programs for the same copies, from a CSV file with the columns `set`, `number`,
//! `score` and, where the program calls something wrong, `flagged` (0 or 1, or empty where it gives
//! an order alone).

use std::collections::HashMap;

use crate::bench::ScoresError;
use crate::bench::set::Judgement;

/// Another program, with its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxScores {
    /// What it is called.
    pub name: String,
    sets: HashMap<usize, Said>,
}

/// Scores by number, with whether that is called wrong; `None` where only an order is given.
type Said = HashMap<u32, (f64, Option<bool>)>;

impl BoxScores {
    /// Parses the content of such a file. Greater scores are likelier errors.
    ///
    /// # Errors
    /// Fails where a column lacks, and on a row that is not as its columns say; the error names
    /// the row.
    pub fn parse(name: String, text: &str) -> Result<BoxScores, ScoresError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let wrong = |row: usize, message: String| ScoresError { row, message };
        let header = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
        let place = |name: &str| header.iter().position(|cell| cell.trim() == name);
        let needed =
            |name: &str| place(name).ok_or_else(|| wrong(1, format!("expected a column `{name}`")));
        let columns = [needed("set")?, needed("number")?, needed("score")?];
        let flagged = place("flagged");
        let mut sets: HashMap<usize, Said> = HashMap::new();
        for (at, record) in reader.records().enumerate() {
            let row = at + 2;
            let record = record.map_err(|error| wrong(row, error.to_string()))?;
            let number = |column: usize| {
                let cell = record.get(column).unwrap_or_default().trim();
                let value = cell.parse::<f64>().ok().filter(|value| value.is_finite());
                value.ok_or_else(|| wrong(row, format!("expected a number, found {cell:?}")))
            };
            let [set, item, score] =
                [number(columns[0])?, number(columns[1])?, number(columns[2])?];
            let cell = flagged.and_then(|column| record.get(column)).map(str::trim);
            let flag = cell.filter(|cell| !cell.is_empty()).map(|cell| cell != "0");
            sets.entry(set as usize).or_default().insert(item as u32, (score, flag));
        }
        Ok(BoxScores { name, sets })
    }

    /// Returns whether it calls things of a copy wrong, or gives an order alone.
    pub(super) fn flags(&self, set: usize) -> bool {
        self.of(set).is_some_and(|of| of.values().any(|(_, flag)| flag.is_some()))
    }

    /// Returns the scores of a copy; `None` where it has none.
    pub(super) fn of(&self, set: usize) -> Option<&Said> {
        self.sets.get(&set)
    }

    /// Returns what it says of an item, the most of what it says of its numbers.
    pub(super) fn judgement(&self, of: &Said, numbers: &[u32]) -> Judgement {
        let said = || numbers.iter().filter_map(|number| of.get(number));
        Judgement {
            score: said().map(|(score, _)| *score).reduce(f64::max).unwrap_or(0.0),
            is_flagged: said().any(|(_, flag)| *flag == Some(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_found_by_set_and_number() {
        let scores =
            BoxScores::parse("other".into(), "set,number,score,flagged\n3,7,0.25,0\n3,8,0.5,1\n")
                .expect("scores");
        let of = scores.of(3).expect("a set");
        assert_eq!(scores.judgement(of, &[7, 8]), Judgement { score: 0.5, is_flagged: true });
        assert_eq!(scores.judgement(of, &[]).score, 0.0);
        assert!(scores.flags(3) && !scores.flags(4) && scores.of(4).is_none());
        let error = BoxScores::parse("other".into(), "set,number,score\n3,7,high\n");
        assert!(error.expect_err("a bad row").to_string().starts_with("row 2"));
    }
}
