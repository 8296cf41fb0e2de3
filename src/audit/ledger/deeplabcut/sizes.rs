//! Which images have a size that DeepLabCut's loader takes, and what becomes of the others.
//!
//! # Source
//! DeepLabCut 3.0.1, `pose_imgaug.py`, `get_batch` and `is_valid_size`.

use rustc_hash::FxHashSet;

use super::{Entry, engine};
use crate::audit::ledger::Note;
use crate::audit::ledger::words::{counted, grouped};
use crate::dataset::{DeepLabCut, Engine, Length, Plan};
use crate::facts::Facts;

/// Times that the loader draws an image to find one of a fitting size.
const TRIES: i32 = 9;

/// Sizes of images as the loader of the TensorFlow engine asks for them.
#[derive(Default)]
pub(super) struct Sizes {
    /// Whether no image fits, so that training stops.
    pub(super) none_fits: bool,
    pub(super) note: Option<Note>,
}

impl Sizes {
    /// Looks at the images that would be used. The loader takes the size of a batch from an
    /// image that fits; others are drawn as well, and resized to it.
    pub(super) fn of(facts: &Facts, project: &DeepLabCut, entries: &[Entry]) -> Sizes {
        if engine(project) != Engine::TensorFlow {
            return Sizes::default();
        }
        let plan = project.plans.iter().find(|plan| plan.engine == Engine::TensorFlow).cloned();
        let plan = plan.unwrap_or_else(|| Plan::usual(Engine::TensorFlow));
        // Other loaders do not look at sizes.
        if !["imgaug", "default"].contains(&plan.loader.as_str()) || project.multi_animal {
            return Sizes::default();
        }
        let used: FxHashSet<usize> = (entries.iter().filter(|entry| entry.lost.is_none()))
            .filter_map(|entry| Some(entry.owner.image? as usize))
            .collect();
        let [least, most] = plan.input_px.map(|side| side * side);
        let scaled = |side: u32| (f64::from(side) * plan.global_scale).ceil();
        let unfit = |image: &&usize| {
            facts.size_px(**image).is_some_and(|[width, height]| {
                let area = scaled(width) * scaled(height);
                area > most || area < least
            })
        };
        let count = used.iter().filter(unfit).count();
        if count == 0 {
            return Sizes::default();
        }
        // Every batch makes nine draws with replacement.
        let fails = (count as f64 / used.len() as f64).powi(TRIES);
        let Length::Iterations(steps) = plan.length else { return Sizes::default() };
        let stops = -(steps as f64 * (-fails).ln_1p()).exp_m1();
        let message = format!(
            "{} of {} have a size that the TensorFlow loader does not take after scaling by {} \
             (area below {least} or above {most} square pixels): they are resized to the size of \
             another image, and training over {} steps stops with an error with probability {:.3}",
            counted(count, "image"),
            counted(used.len(), "used image"),
            plan.global_scale,
            grouped(steps as usize),
            stops,
        );
        let note = Some(Note { note: "image_size", message, count });
        Sizes { none_fits: count == used.len(), note }
    }
}
