//! Streams one COCO file: first images and categories, which annotations refer to and
//! which may stand behind them, then the annotations.

use std::fs::File;
use std::path::Path;

use rayon::prelude::*;

use super::super::FormatError;
use super::super::json::{Elements, JsonError};
use super::row::{AnnotationRow, CategoryRow, ImageRow, parse};

/// Bytes of annotations that are parsed at once, on all cores.
const BATCH: usize = 8 * 1024 * 1024;

/// Images and categories of a file, with their ordinals.
#[derive(Default)]
pub(super) struct Head {
    pub(super) images: Vec<(u32, ImageRow)>,
    pub(super) categories: Vec<(u32, CategoryRow)>,
    /// Ordinals and messages of entries that could not be read.
    pub(super) unread: Vec<(u32, String)>,
}

/// Reads images and categories; passes over the annotations.
pub(super) fn head(json: &Path) -> Result<Head, FormatError> {
    let arrays = ["images", "categories"];
    let mut elements = Elements::new(open(json)?, &arrays);
    let mut head = Head::default();
    let mut text = Vec::new();
    while let Some(place) = elements.next(&mut text).map_err(|error| failed(json, error))? {
        let read = match place.array {
            0 => parse(&text).map(|row| head.images.push((place.ordinal, row))),
            _ => parse(&text).map(|row| head.categories.push((place.ordinal, row))),
        };
        if let Err(message) = read {
            let message =
                format!("entry {} of `{}`: {message}", place.ordinal, arrays[place.array]);
            head.unread.push((place.ordinal, message));
        }
        text.clear();
    }
    Ok(head)
}

/// Hands over each annotation of a file, in its order, parsed on all cores.
pub(super) fn each_annotation(
    json: &Path,
    mut each: impl FnMut(u32, Result<AnnotationRow, String>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut elements = Elements::new(open(json)?, &["annotations"]);
    let mut text = Vec::with_capacity(BATCH + BATCH / 8);
    let mut ends: Vec<(usize, u32)> = Vec::new();
    loop {
        let next = elements.next(&mut text).map_err(|error| failed(json, error))?;
        if let Some(place) = next {
            ends.push((text.len(), place.ordinal));
        }
        if next.is_some() && text.len() < BATCH {
            continue;
        }
        let rows: Vec<_> = (0..ends.len())
            .into_par_iter()
            .with_min_len(256)
            .map(|at| {
                let start = if at > 0 { ends[at - 1].0 } else { 0 };
                parse(&text[start..ends[at].0])
            })
            .collect();
        for (&(_, ordinal), row) in ends.iter().zip(rows) {
            each(ordinal, row)?;
        }
        if next.is_none() {
            return Ok(());
        }
        ends.clear();
        text.clear();
    }
}

fn open(json: &Path) -> Result<File, FormatError> {
    File::open(json).map_err(|source| FormatError::Io { path: json.into(), source })
}

pub(super) fn failed(json: &Path, error: JsonError) -> FormatError {
    let path = json.into();
    match error {
        JsonError::Io(source) => FormatError::Io { path, source },
        JsonError::Syntax { line, message } => {
            FormatError::Malformed { path, row: Some(line), message }
        }
    }
}
