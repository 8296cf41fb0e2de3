//! Planted copies as text, so that other programs can judge the very same labels.

use std::fmt::Write as _;

use super::{Bench, Set};
use crate::dataset::Dataset;
use crate::plant::{PlantError, Planted};

/// Returns the heads of the labels of [`Bench::exported`].
pub fn labels_head() -> &'static str {
    "seed,image,video,frame,instance,keypoint,x,y\n"
}

/// Returns the heads of the errors of [`Bench::exported`].
pub fn planted_head() -> &'static str {
    "seed,rate,kind,strength,image,instance,keypoint\n"
}

impl Bench<'_> {
    /// Returns the labels of a planted copy as rows of CSV, in the label file's own numbers, with
    /// its errors as rows of another: those of frames that count.
    ///
    /// # Errors
    /// Fails where the dataset cannot have such errors.
    pub fn exported(&self, set: &Set<'_>) -> Result<[String; 2], PlantError> {
        let planted = self.planted(set)?;
        let edited = self.facts.dataset.edited(&planted.edits);
        Ok([labels(&edited, set), errors(&planted, set)])
    }
}

fn labels(dataset: &Dataset, set: &Set<'_>) -> String {
    let mut out = String::new();
    for instance in &dataset.instances {
        let Some(skeleton) = dataset.skeleton_of(instance) else { continue };
        let image = &dataset.images[instance.image as usize];
        let video = dataset.video_of(image).unwrap_or_default();
        let frame = image.frame.map(|frame| frame.to_string()).unwrap_or_default();
        let name = dataset.instance_name(instance);
        for point in dataset.keypoints_of(instance) {
            let keypoint = skeleton.keypoints.get(usize::from(point.kind));
            let [x, y] = [point.x, point.y].map(|at| dataset.to_label(at));
            // Writing into a string cannot fail.
            let _ = writeln!(
                out,
                "{},{},{},{frame},{},{},{x},{y}",
                set.seed,
                quoted(&image.path),
                quoted(video),
                quoted(&name),
                quoted(keypoint.map_or("", String::as_str)),
            );
        }
    }
    out
}

fn errors(planted: &Planted, set: &Set<'_>) -> String {
    let mut out = String::new();
    for error in &planted.errors {
        for point in &error.points {
            let _ = writeln!(
                out,
                "{},{},{},{},{},{},{}",
                set.seed,
                set.rate,
                set.cell.kind,
                quoted(&set.cell.strength),
                quoted(&error.path),
                quoted(&error.name),
                quoted(&point.keypoint),
            );
        }
    }
    out
}

/// Returns a cell of CSV, in quotation marks where it needs them (RFC 4180).
fn quoted(cell: &str) -> String {
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}
