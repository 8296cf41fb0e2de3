//! The DeepLabCut project of an export, as napari-deeplabcut saved it. Its CSV files are read
//! by the reader of that format, so that whatever DeepLabCut may write is understood.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::label::{Labels, rounded};
use super::{Back, FrameBack, Trouble, UNCLEAR};
use crate::formats::{self, ReadOptions};
use crate::relabel::RelabelError;
use crate::relabel::queue::Queue;

/// Reads the labels of every frame whose row is still there.
pub(super) fn read(queue: &Queue, folder: &Path) -> Result<Back, RelabelError> {
    let mut back = Back { keypoints: true, ..Back::default() };
    if queue.frames.is_empty() {
        return Ok(back);
    }
    let options = ReadOptions { format: Some("deeplabcut".into()), ..ReadOptions::default() };
    let dataset = formats::read(folder, &options)?;
    // What cannot be read would look like a label that was taken away.
    let mut unclear = BTreeSet::new();
    for problem in &dataset.problems {
        // The `.h5` files are there by design.
        if problem.kind != crate::dataset::ProblemKind::NotCompared {
            unclear.extend(problem.image.as_deref());
            let row = problem.row.map(|row| format!(" row {row}")).unwrap_or_default();
            back.troubles.push(Trouble::new(format!("{}{row}", problem.file), &*problem.message));
        }
    }
    let labels = Labels::new(&dataset);
    let offset = dataset.pixel_offset - queue.header.pixel_offset;
    for (at, frame) in queue.frames.iter().enumerate() {
        let image = labels.image(&frame.exported);
        let image = image.filter(|&image| dataset.images[image].location.is_some());
        let Some(image) = image else {
            let message = "its row is not in the label file that came back";
            back.troubles.push(Trouble::new(&frame.exported, message));
            continue;
        };
        if unclear.contains(frame.exported.as_str()) {
            back.troubles.push(Trouble::new(&frame.exported, UNCLEAR));
            continue;
        }
        let mut of_image = labels.of(image);
        for label in &mut of_image {
            if let Some(own) = frame.names.get(&label.instance) {
                label.instance.clone_from(own);
            }
            for place in label.keypoints.values_mut() {
                place.x = rounded(place.x + offset);
                place.y = rounded(place.y + offset);
            }
        }
        back.frames.insert(at, FrameBack { labels: of_image, verdict: None });
    }
    Ok(back)
}
