//! Columns of words from a small table, whatever file it is in.

use std::fs::File;
use std::path::Path;

use polars::prelude::{DataType, ParquetReader, PolarsResult, SerReader as _};

use super::PredictionsError;

/// Returns two columns of a Parquet or CSV file, row by row.
///
/// # Errors
/// Fails when the file cannot be read or lacks a column.
pub(crate) fn read_columns(
    path: &Path,
    names: [&str; 2],
) -> Result<Vec<(String, String)>, PredictionsError> {
    if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("parquet")) {
        let file = File::open(path).map_err(PredictionsError::read(path))?;
        return of_parquet(file, names).map_err(|source| PredictionsError::Table {
            verb: "read",
            path: path.into(),
            source: Box::new(source),
        });
    }
    let bytes = std::fs::read(path).map_err(PredictionsError::read(path))?;
    let mut reader = csv::ReaderBuilder::new().from_reader(&bytes[..]);
    let wrong = |row: usize, error: csv::Error| {
        PredictionsError::malformed(path, Some(row), None, error.to_string())
    };
    let header = reader.headers().map_err(|error| wrong(1, error))?.clone();
    let mut places = [0; 2];
    for (place, name) in places.iter_mut().zip(names) {
        *place = header.iter().position(|cell| cell.trim() == name).ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            let message = format!("expected columns {}, found {found}", names.join(" and "));
            PredictionsError::malformed(path, Some(1), None, message)
        })?;
    }
    let mut rows = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(at + 2, error))?;
        let [a, b] = places.map(|place| record[place].trim().to_string());
        rows.push((a, b));
    }
    Ok(rows)
}

fn of_parquet(file: File, names: [&str; 2]) -> PolarsResult<Vec<(String, String)>> {
    let frame = ParquetReader::new(file).finish()?;
    let [a, b] = names.map(|name| frame.column(name)?.cast(&DataType::String));
    let (a, b) = (a?, b?);
    let rows = a.str()?.iter().zip(b.str()?.iter());
    Ok(rows.filter_map(|(a, b)| Some((a?.to_string(), b?.to_string()))).collect())
}
