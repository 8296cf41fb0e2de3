//! The header of such a CSV: which columns hold which body part of which individual.

use std::collections::BTreeMap;
use std::path::Path;

use csv::StringRecord;

use super::PredictionsError;
use crate::dataset::{Dataset, PredictedPoint};

/// The header rows above `coords`.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) individuals: Option<StringRecord>,
    pub(super) bodyparts: Option<StringRecord>,
}

/// The columns of one individual.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) individual: String,
    pub(super) parts: Vec<Part>,
}

/// The columns of one body part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// Columns of x, y and likelihood, counted from 0.
    pub(super) columns: [usize; 3],
}

impl Header {
    /// Returns the columns of each individual; `coords` is the last row of the header.
    pub(super) fn groups(
        &self,
        path: &Path,
        row: usize,
        coords: &StringRecord,
    ) -> Result<Vec<Group>, PredictionsError> {
        let wrong =
            |row, message: String| PredictionsError::malformed(path, Some(row), None, message);
        let Some(bodyparts) = &self.bodyparts else {
            return Err(wrong(row, "expected a header row `bodyparts` before `coords`".into()));
        };
        let mut found: BTreeMap<(usize, String), [Option<usize>; 3]> = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        let mut order: Vec<(usize, String)> = Vec::new();
        for (at, coord) in coords.iter().enumerate().skip(1) {
            // Other columns, such as Lightning Pose's `set`, are none of a point.
            let axes = ["x", "y", "likelihood"];
            let Some(axis) = axes.iter().position(|name| *name == coord.trim()) else { continue };
            let individual =
                (self.individuals.as_ref()).and_then(|i| i.get(at)).unwrap_or_default();
            let group = names.iter().position(|name| name == individual).unwrap_or_else(|| {
                names.push(individual.into());
                names.len() - 1
            });
            let key = (group, bodyparts.get(at).unwrap_or_default().trim().to_string());
            let columns = found.entry(key.clone()).or_insert_with(|| {
                order.push(key);
                [None; 3]
            });
            if columns[axis].replace(at).is_some() {
                let message = format!("expected one column `{coord}` of each body part, found two");
                return Err(PredictionsError::malformed(path, Some(row), Some(at + 1), message));
            }
        }
        let mut groups: Vec<Group> =
            names.into_iter().map(|individual| Group { individual, parts: vec![] }).collect();
        for (group, name) in order {
            match found[&(group, name.clone())] {
                [Some(x), Some(y), Some(likelihood)] => {
                    groups[group].parts.push(Part { name, columns: [x, y, likelihood] });
                }
                [Some(_), Some(_), None] => {
                    let message = format!(
                        "expected columns x, y and likelihood of `{name}`, found no likelihood: these are labels, not predictions"
                    );
                    return Err(wrong(row, message));
                }
                _ => {
                    let message = format!("expected columns x, y and likelihood of `{name}`");
                    return Err(wrong(row, message));
                }
            }
        }
        if groups.is_empty() {
            let message = "expected columns x, y and likelihood, found none".to_string();
            return Err(wrong(row, message));
        }
        Ok(groups)
    }
}

impl Part {
    /// Reads its point from a row.
    pub(super) fn point(
        &self,
        path: &Path,
        row: usize,
        record: &StringRecord,
        dataset: &Dataset,
    ) -> Result<PredictedPoint, PredictionsError> {
        let mut numbers = [f64::NAN; 3];
        for (number, &column) in numbers.iter_mut().zip(&self.columns) {
            let Some(cell) = record.get(column).map(str::trim) else {
                let message =
                    format!("expected a number in column {}, found the end of the row", column + 1);
                return Err(PredictionsError::malformed(path, Some(row), None, message));
            };
            if !cell.is_empty() {
                *number = cell.parse().map_err(|_| {
                    let message = format!("expected a number, found `{}`", cell.escape_default());
                    PredictionsError::malformed(path, Some(row), Some(column + 1), message)
                })?;
            }
        }
        let [x, y, likelihood] = numbers;
        let offset = dataset.pixel_offset;
        Ok(PredictedPoint { x: x + offset, y: y + offset, likelihood })
    }
}
