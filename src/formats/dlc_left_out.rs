//! The labels of a file of the DeepLabCut family that stand in no table, for the ledger of what
//! training will use.

use rustc_hash::FxHashMap;

use super::dlc_csv::{Part, Point, Sheet};
use crate::dataset::{LeftOut, WhyLeftOut};

/// Collects what is left out of one label file.
pub(super) struct LeftOutOf {
    file: String,
    /// Scorer, individual, body part and column of each part of the sheet.
    parts: Vec<Named>,
    left_out: Vec<LeftOut>,
    /// Points that could not be read, by their line.
    unread: FxHashMap<u32, Vec<LeftOut>>,
}

/// A part of the sheet, with names.
struct Named {
    instance: String,
    keypoint: String,
    scorer: String,
    column: u32,
}

impl LeftOutOf {
    /// Begins with the points of a sheet that could not be read.
    pub(super) fn new(sheet: &Sheet) -> LeftOutOf {
        let parts: Vec<Named> = sheet.parts.iter().map(Named::of).collect();
        let mut unread: FxHashMap<u32, Vec<LeftOut>> = FxHashMap::default();
        for points in &sheet.unread {
            let part = points.part.and_then(|part| parts.get(part as usize));
            unread.entry(points.line).or_default().push(LeftOut {
                why: WhyLeftOut::Unreadable,
                file: sheet.file.clone(),
                row: Some(points.line),
                column: points.column,
                image: None,
                instance: part
                    .map_or_else(|| format!("row {}", points.line), |part| part.instance.clone()),
                keypoint: part.map(|part| part.keypoint.clone()),
                at: None,
                points: points.points,
                message: points.message.clone(),
            });
        }
        LeftOutOf { file: sheet.file.clone(), parts, left_out: Vec::new(), unread }
    }

    /// Tells which image a line names.
    pub(super) fn names(&mut self, line: u32, path: &str) {
        for points in self.unread.get_mut(&line).into_iter().flatten() {
            points.image = Some(path.into());
        }
    }

    /// Adds a point that could be read.
    pub(super) fn point(&mut self, why: WhyLeftOut, path: &str, line: u32, point: &Point) {
        let part = &self.parts[point.part as usize];
        let (instance, message) = match why {
            WhyLeftOut::OtherScorer => (
                // The same animal as another scorer saw it is another instance.
                format!("{} of {}", part.instance, part.scorer),
                format!("labelled by {}", part.scorer),
            ),
            _ => (
                format!("{} in row {line}", part.instance),
                "an earlier row names the same image".into(),
            ),
        };
        self.left_out.push(LeftOut {
            why,
            file: self.file.clone(),
            row: Some(line),
            column: Some(part.column),
            image: Some(path.into()),
            instance,
            keypoint: Some(part.keypoint.clone()),
            at: Some([point.x, point.y]),
            points: 1,
            message,
        });
    }

    /// Returns everything, in the order of lines and columns.
    pub(super) fn finish(mut self) -> Vec<LeftOut> {
        self.left_out.extend(self.unread.into_values().flatten());
        self.left_out.sort_by_key(|left_out| (left_out.row, left_out.column));
        self.left_out
    }
}

impl Named {
    fn of(part: &Part) -> Named {
        Named {
            // The only animal of an image has the number 0 for a name.
            instance: part.individual.clone().unwrap_or_else(|| "0".into()),
            keypoint: part.bodypart.clone(),
            scorer: part.scorer.clone(),
            column: part.column(),
        }
    }
}
