//! `training_ledger.json` and `training_ledger.csv`: what training will use, and every place at
//! which something is lost.

use std::path::Path;

use serde::Serialize;

use super::{ReportError, SCHEMA, write, write_object};
use crate::audit::{Ledger, Lost};

/// Places of each reason that the JSON holds; the CSV holds all.
const MOST_PLACES: usize = 20;

/// The columns of the CSV.
const COLUMNS: [&str; 11] = [
    "reason", "image", "instance", "keypoint", "file", "row", "column", "x", "y", "points",
    "message",
];

#[derive(Serialize)]
struct File<'a> {
    schema: u32,
    #[serde(flatten)]
    ledger: &'a Ledger,
    /// The first places of each reason.
    places: Vec<&'a Lost>,
}

/// Writes both files into an AUDIT folder.
///
/// # Errors
/// Fails when a file cannot be written.
pub(super) fn write_ledger(folder: &Path, ledger: &Ledger) -> Result<(), ReportError> {
    let places: Vec<&Lost> = (ledger.places.chunk_by(|a, b| a.reason == b.reason))
        .flat_map(|of_reason| of_reason.iter().take(MOST_PLACES))
        .collect();
    let file = File { schema: SCHEMA, ledger, places };
    write_object(&folder.join("training_ledger.json"), &file)?;
    write(&folder.join("training_ledger.csv"), |out| {
        let mut table = csv::Writer::from_writer(out);
        table.write_record(COLUMNS)?;
        for place in &ledger.places {
            let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
            let coordinate = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            table.write_record([
                place.reason.to_string(),
                text(&place.image),
                text(&place.instance),
                text(&place.keypoint),
                text(&place.file),
                number(place.row),
                number(place.column),
                coordinate(place.x),
                coordinate(place.y),
                place.points.to_string(),
                place.message.clone(),
            ])?;
        }
        table.flush()
    })
}
