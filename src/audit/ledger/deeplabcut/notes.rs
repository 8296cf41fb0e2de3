//! What reaches DeepLabCut otherwise than it stands in the label files, and how often.

use super::Precision;
use crate::audit::ledger::words::counted;
use crate::audit::ledger::{Note, Visits, size_unknown};
use crate::dataset::{DeepLabCut, Engine, Length, Plan};
use crate::facts::Facts;

pub(super) fn notes(facts: &Facts, project: &DeepLabCut, cut: &Cut, repeated: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut add = |note, count: usize, message: String| {
        if count > 0 {
            notes.push(Note { note, message, count });
        }
    };
    if cut.points > 0 {
        let mean = cut.total_px / cut.points as f64;
        let message = format!(
            "{} lose their decimals: coordinates are cut to integers, towards the top left, by \
             {mean:.2} px on average",
            counted(cut.points, "used point")
        );
        add("cut_to_integers", cut.points, message);
    }
    let message = format!(
        "{} stand in rows that name an image again; DeepLabCut trains on both rows",
        counted(repeated, "point")
    );
    add("repeated_rows", repeated, message);
    let backslashes: usize = project.files.iter().map(|file| file.backslashes as usize).sum();
    let message = format!(
        "{} an image with backslashes, as Windows does; DeepLabCut reads them since 2.2.0.4",
        if backslashes == 1 { "1 row names".into() } else { counted(backslashes, "row") + " name" }
    );
    add("windows_paths", backslashes, message);
    let alone = project.hdf5_alone.len();
    let message = format!(
        "{} without a CSV beside it: its labels are trained on, and labelvet cannot count them ({})",
        counted(alone, "HDF5 file"),
        project.hdf5_alone.join(", ")
    );
    add("hdf5_alone", alone, message);
    let both = project.files.iter().filter(|file| file.hdf5).count();
    let message = format!(
        "{} beside a CSV: DeepLabCut reads the HDF5, which labelvet takes to hold the same",
        counted(both, "HDF5 file")
    );
    add("hdf5_not_compared", both, message);
    let dead: Vec<String> = (project.dead_keys.iter())
        .map(|key| format!("`{}` in {} ({})", key.key, key.file, key.message))
        .collect();
    let message = format!("{} without effect: {}", counted(dead.len(), "setting"), dead.join("; "));
    add("dead_keys", dead.len(), message);
    notes.extend(size_unknown(facts));
    notes
}

/// Returns how often an image is seen, by each plan, or by DeepLabCut's own.
pub(super) fn visits(project: &DeepLabCut, used: usize) -> Vec<Visits> {
    let usual: Vec<Plan> = match project.engine {
        Some(engine) => vec![Plan::usual(engine)],
        None => [Engine::TensorFlow, Engine::PyTorch].map(Plan::usual).to_vec(),
    };
    let plans = if project.plans.is_empty() { &usual } else { &project.plans };
    // DeepLabCut's own default where config.yaml says nothing.
    let share = project.train_fraction.unwrap_or(0.95);
    let train_images = (used as f64 * share) as usize;
    let visits = plans.iter().filter(|_| train_images > 0).map(|plan| {
        let (iterations, epochs) = match plan.length {
            Length::Iterations(steps) => (Some(steps), None),
            Length::Epochs(epochs) => (None, Some(epochs)),
        };
        let per_image = match plan.length {
            Length::Iterations(steps) => steps as f64 * plan.batch as f64 / train_images as f64,
            Length::Epochs(epochs) => epochs as f64,
        };
        Visits {
            plan: plan.file.clone(),
            engine: plan.engine.label(),
            iterations,
            epochs,
            batch: plan.batch,
            train_images,
            per_image: (per_image * 10.0).round() / 10.0,
        }
    });
    visits.collect()
}

/// What cutting coordinates to integers changes.
#[derive(Default)]
pub(super) struct Cut {
    points: usize,
    total_px: f64,
}

impl Cut {
    pub(super) fn add(&mut self, project: &DeepLabCut, at: Option<[f64; 2]>) {
        let cut = Precision::of(project) == Precision::Integers;
        let Some([x, y]) = at.filter(|_| cut) else { return };
        let shift = (x - x.trunc()).hypot(y - y.trunc());
        if shift > 0.0 {
            self.points += 1;
            self.total_px += shift;
        }
    }
}
