//! The list of planted errors, as a file has it: JSON Lines.

use serde::Serialize;

use super::{ErrorKind, Planted, Recipe, Short};
use crate::dataset::{Dataset, fingerprint};

/// The first line.
#[derive(Serialize)]
struct Head<'a> {
    schema: u32,
    /// Fingerprint of the labels before planting.
    dataset: String,
    seed: u64,
    body_length_px: Option<f64>,
    recipe: &'a Recipe,
    short: Vec<ShortRow>,
}

#[derive(Serialize)]
struct ShortRow {
    row: usize,
    kind: ErrorKind,
    wanted: usize,
    planted: usize,
}

/// A line: an error in one instance.
#[derive(Serialize)]
struct Row<'a> {
    kind: ErrorKind,
    row: usize,
    run: usize,
    image: &'a str,
    video: Option<&'a str>,
    instance: &'a str,
    points: Vec<Point<'a>>,
}

#[derive(Serialize)]
struct Point<'a> {
    keypoint: &'a str,
    with: Option<&'a str>,
    before: Option<[f64; 2]>,
    after: Option<[f64; 2]>,
    distance_px: Option<f64>,
    distance_bl: Option<f64>,
}

/// Returns the content of `planted.jsonl`: a line that says how the errors were made, then one
/// line per error and instance. `dataset` is the one before planting; places are in its label
/// file's own numbers.
///
/// # Errors
/// Fails where a number cannot be written, which planted errors do not have.
pub fn list(
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    planted: &Planted,
) -> serde_json::Result<String> {
    let short = |short: &Short| ShortRow {
        row: short.row,
        kind: short.kind,
        wanted: short.wanted,
        planted: short.planted,
    };
    let head = Head {
        schema: 1,
        dataset: fingerprint(dataset, |_| None),
        seed,
        body_length_px: dataset.body_length(),
        recipe,
        short: planted.short.iter().map(short).collect(),
    };
    let mut text = serde_json::to_string(&head)? + "\n";
    for error in &planted.errors {
        let label = |place: Option<[f64; 2]>| place.map(|at| at.map(|x| dataset.to_label(x)));
        let points = error.points.iter().map(|point| Point {
            keypoint: &point.keypoint,
            with: point.with.as_deref(),
            before: label(point.before),
            after: label(point.after),
            distance_px: point.distance_px,
            distance_bl: point.distance_bl,
        });
        let row = Row {
            kind: error.kind,
            row: error.row,
            run: error.run,
            image: &error.path,
            video: dataset.video_of(&dataset.images[error.image as usize]),
            instance: &error.name,
            points: points.collect(),
        };
        text += &(serde_json::to_string(&row)? + "\n");
    }
    Ok(text)
}
