//! What one cell of a label file of the DeepLabCut family says.

use crate::dataset::Visibility;

/// What a cell of coordinates holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Missing,
    Number(f64),
    Unreadable,
}

/// Words that pandas writes, or reads, for a missing number.
const MISSING: [&str; 8] = ["nan", "-nan", "na", "n/a", "<na>", "#n/a", "null", "none"];

/// Reads a cell of coordinates; fails where it is neither a number nor empty.
pub(super) fn number(cell: &str) -> Result<Cell, ()> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(Cell::Missing);
    }
    if let Ok(number) = cell.parse::<f64>() {
        return match number {
            n if n.is_finite() => Ok(Cell::Number(n)),
            n if n.is_nan() => Ok(Cell::Missing),
            _ => Err(()),
        };
    }
    if MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word)) {
        return Ok(Cell::Missing);
    }
    // Files that Excel separated by `;` have a comma in their numbers.
    match cell.replacen(',', ".", 1).parse::<f64>() {
        Ok(number) if number.is_finite() && cell.contains(',') => Ok(Cell::Number(number)),
        _ => Err(()),
    }
}

/// Returns what a cell of a column `visible` says, as in COCO; `None` is not labelled,
/// whatever stands in x and y.
pub(super) fn visibility(cell: &str) -> Result<Option<Visibility>, ()> {
    match number(cell)? {
        Cell::Missing | Cell::Number(2.0) => Ok(Some(Visibility::Visible)),
        Cell::Number(1.0) => Ok(Some(Visibility::Occluded)),
        Cell::Number(0.0) => Ok(None),
        Cell::Number(_) | Cell::Unreadable => Err(()),
    }
}

/// Returns whether a cell of coordinates holds none.
pub(super) fn is_missing(cell: &str) -> bool {
    number(cell) == Ok(Cell::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_have_many_spellings() {
        for word in ["", " ", "NaN", "nan", "-nan", "NA", "N/A", "<NA>", "null", "None"] {
            assert_eq!(number(word), Ok(Cell::Missing), "{word}");
        }
        for (word, value) in [("1", 1.0), (" -2.5 ", -2.5), ("1e2", 100.0), ("3,25", 3.25)] {
            assert_eq!(number(word), Ok(Cell::Number(value)), "{word}");
        }
        for word in ["inf", "-Infinity", "1 2", "1,2,3", "0x1", "--", ","] {
            assert_eq!(number(word), Err(()), "{word}");
        }
    }

    #[test]
    fn visibilities_are_those_of_coco() {
        assert_eq!(visibility("0"), Ok(None));
        assert_eq!(visibility("1.0"), Ok(Some(Visibility::Occluded)));
        assert_eq!(visibility(" 2 "), Ok(Some(Visibility::Visible)));
        assert_eq!(visibility(""), Ok(Some(Visibility::Visible)));
        assert_eq!([visibility("3"), visibility("x")], [Err(()); 2]);
        assert!(is_missing("NaN") && !is_missing("0") && !is_missing("x"));
    }
}
