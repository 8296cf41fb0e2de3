//! Labels of COCO files that stand in no table, and what annotations tell a trainer beside
//! their labels.

use super::build::Builder;
use super::row::{AnnotationRow, Numbers};
use crate::dataset::{LeftOut, Location, WhyLeftOut};

impl Builder {
    /// Notes labels that stand in no table, with the name of their instance and what is wrong.
    pub(super) fn leave_out(
        &mut self,
        why: WhyLeftOut,
        location: Location,
        image: Option<u32>,
        [instance, message]: [String; 2],
        points: u32,
    ) {
        let file = self.dataset.label_files[location.file as usize].clone();
        self.dataset.training.left_out.push(LeftOut {
            why,
            instance: if image.is_some() { instance } else { format!("{instance} of {file}") },
            file,
            row: Some(location.row),
            column: None,
            image: image.map(|at| self.dataset.images[at as usize].path.clone()),
            keypoint: None,
            at: None,
            points,
            message,
        });
    }
}

/// What an annotation tells a trainer beside its labels.
pub(super) struct Told {
    /// `num_keypoints` is 0.
    pub(super) no_points: bool,
    /// It has `ignore`.
    pub(super) ignored: bool,
}

impl Told {
    pub(super) fn of(row: &AnnotationRow) -> Told {
        let truth = |value: &serde_json::Value| {
            value.as_bool().unwrap_or_else(|| value.as_f64().is_some_and(|number| number != 0.0))
        };
        Told {
            no_points: row.num_keypoints.as_ref().and_then(serde_json::Value::as_f64) == Some(0.0),
            ignored: row.ignore.as_ref().is_some_and(truth),
        }
    }
}

/// Returns the number of keypoints whose visibility is not 0.
pub(super) fn labelled_points(Numbers(numbers): &Numbers) -> u32 {
    numbers.as_chunks::<3>().0.iter().filter(|point| point[2] != 0.0).count() as u32
}
