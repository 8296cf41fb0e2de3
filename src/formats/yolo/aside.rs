//! Labels of a YOLO dataset that stand in no table: rows that were left out, and label files
//! that belong to no image.

use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::super::files;
use super::config::Config;
use super::{Builder, Place, labels, swap};
use crate::dataset::{LeftOut, ProblemKind, WhyLeftOut};

impl Builder {
    /// Notes a row that stands in no table.
    pub(super) fn leave_out(
        &mut self,
        file: &str,
        row: u32,
        image: Option<String>,
        points: u32,
        message: String,
    ) {
        self.dataset.training.left_out.push(LeftOut {
            why: match image {
                Some(_) => WhyLeftOut::Unreadable,
                None => WhyLeftOut::NoImage,
            },
            file: file.into(),
            row: Some(row),
            column: None,
            image,
            instance: format!("row {row} of {file}"),
            keypoint: None,
            at: None,
            points,
            message,
        });
    }

    /// Reports label files that belong to no image.
    pub(super) fn look_for_orphans(&mut self, places: &[Place], config: &Config) {
        let mut orphans = Vec::new();
        for place in places.iter().filter(|place| place.found.is_dir()) {
            let folder = swap(&place.nominal);
            // Beside images lie lists and notes, too.
            let apart = folder != place.nominal;
            let texts = WalkDir::new(&folder).follow_links(true).into_iter().flatten();
            orphans.extend(
                texts
                    .map(|entry| entry.into_path())
                    .filter(|path| files::has_suffix(path, "txt") && path.is_file())
                    .filter(|path| !files::name(path).starts_with('.'))
                    .filter(|path| !self.used.contains(path))
                    .filter(|path| apart || holds_labels(path))
                    .filter(|path| files::name(path) != "classes.txt"),
            );
        }
        orphans.sort();
        orphans.dedup();
        for path in orphans {
            let file = files::relative(&self.dataset.root, &path);
            let text = fs::read_to_string(&path).unwrap_or_default();
            let labels = labels::parse(&text, config.kpt_shape);
            let rows = labels.rows.iter().map(|row| (row.row, row.points.len() as u32));
            let left_out = labels.left_out.iter().map(|&(row, points, _)| (row, points));
            for (row, points) in rows.chain(left_out) {
                self.leave_out(&file, row, None, points, "no image has this name".into());
            }
            let message = "no image has this name".into();
            self.note(&file, None, ProblemKind::LabelWithoutImage, message);
        }
    }
}

/// Returns whether a text file begins like a label file.
fn holds_labels(path: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else { return false };
    let words = line.split_whitespace();
    words.clone().count() >= 5 && words.into_iter().all(|word| word.parse::<f64>().is_ok())
}
