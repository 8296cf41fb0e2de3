//! What a patch leaves to trainers and people, as tables in the cleaned copy: `weights.csv` and
//! `relabel.csv`. A table that the dataset has already, from an earlier cleaning, is continued.

use std::collections::BTreeSet;
use std::path::Path;

use super::{CleanError, Patch, Relabel};

/// Table of weights: read by trainers.
pub const WEIGHTS: &str = "weights.csv";
/// Table of what a person should look at.
pub const RELABEL: &str = "relabel.csv";

const WEIGHTS_HEADER: [&str; 4] = ["image", "instance", "keypoint", "weight"];
const RELABEL_HEADER: [&str; 6] = ["image", "instance", "keypoint", "rule", "score", "reason"];

/// A table with a name.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) content: Vec<u8>,
}

/// Returns the tables of a patch for a dataset in a folder; none where there is nothing to
/// say.
///
/// # Errors
/// Fails where a file of that name is no such table.
pub(super) fn tables(root: &Path, patch: &Patch) -> Result<Vec<Table>, CleanError> {
    let place = |about: &Relabel| {
        let text = |name: &Option<String>| name.clone().unwrap_or_default();
        [about.image.clone(), text(&about.instance), text(&about.keypoint)].to_vec()
    };
    let weights = (patch.weights.iter())
        .map(|weight| [place(&weight.about), vec![weight.weight.to_string()]].concat());
    let relabel = patch.relabel.iter().map(|about| {
        let rest = vec![about.rule.clone(), about.score.to_string(), about.reason.clone()];
        [place(about), rest].concat()
    });
    // A weight is replaced by a later one of the same label, a doubt by the same rule's.
    let tables = [
        table(root, WEIGHTS, &WEIGHTS_HEADER, 3, weights.collect())?,
        table(root, RELABEL, &RELABEL_HEADER, 4, relabel.collect())?,
    ];
    Ok(tables.into_iter().flatten().collect())
}

/// Returns a table with the rows that a file of the same name has already, but those whose
/// first `key` cells are those of a new one.
fn table(
    root: &Path,
    name: &'static str,
    header: &[&str],
    key: usize,
    rows: Vec<Vec<String>>,
) -> Result<Option<Table>, CleanError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let path = root.join(name);
    let new: BTreeSet<&[String]> = rows.iter().map(|row| &row[..key]).collect();
    let mut all: Vec<Vec<String>> = match path.symlink_metadata() {
        Ok(_) => present(&path, header)?,
        Err(_) => Vec::new(),
    };
    all.retain(|row| !new.contains(&row[..key]));
    all.extend(rows.iter().cloned());
    let write = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(header)?;
        all.iter().try_for_each(|row| out.write_record(row))?;
        Ok(out.into_inner()?)
    };
    match write() {
        Ok(content) => Ok(Some(Table { name, content })),
        Err(error) => {
            let source = std::io::Error::other(error.to_string());
            Err(CleanError::Io { verb: "write", path, source })
        }
    }
}

/// Returns the rows of a table that is there already.
fn present(path: &Path, header: &[&str]) -> Result<Vec<Vec<String>>, CleanError> {
    let foreign = |_| CleanError::InTheWay {
        path: path.into(),
        message: "it is no table of labelvet's, and the cleaned copy needs this name; rename it",
    };
    let mut reader = csv::Reader::from_path(path).map_err(foreign)?;
    if reader.headers().map_err(foreign)?.iter().ne(header.iter().copied()) {
        let position = csv::Error::from(std::io::Error::other("another header"));
        return Err(foreign(position));
    }
    let rows = reader.records().map(|row| Ok(row?.iter().map(String::from).collect()));
    rows.collect::<Result<_, _>>().map_err(foreign)
}
