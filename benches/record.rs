//! What the flight record of a run costs: rows of every step, written as a run writes them, in a
//! temporary folder.
//!
//! ```text
//! cargo bench --bench record [-- STEPS BATCH KEYPOINTS]
//! ```
//!
//! Prints the mean milliseconds of a step's share of the record, to be held against the time of
//! a step (`step_ms` in `steps.parquet`).
#![expect(clippy::print_stdout, reason = "the figure is what it is for")]

use std::error::Error;
use std::time::Instant;

use labelvet::train::record::{ProbeRow, Record, SampleRow, StepRow};

/// Steps between looks at the probe set and between checkpoints, as presets have them.
const PROBE_EVERY: u64 = 50;
const CHECKPOINT_EVERY: u64 = 100;
/// Groups of gradients of a network.
const GROUPS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [steps, batch, keypoints] =
        [0, 1, 2].map(|at| given.get(at).copied().unwrap_or([1000, 8, 4][at]));
    let folder = tempfile::tempdir()?;
    let groups = (0..GROUPS).map(|group| format!("blocks.{group}")).collect();
    let names = (0..keypoints).map(|keypoint| format!("keypoint{keypoint}")).collect();
    let mut record = Record::new(folder.path(), groups, names, 0)?;
    let start = Instant::now();
    for step in 0..steps {
        let samples = (0..batch).map(|image| SampleRow {
            step,
            batch: step,
            image: format!("labeled-data/video/img{:04}.png", (step * batch + image) % 997),
            loss: 0.01,
            losses: vec![0.01; keypoints as usize],
        });
        record.step(row(step), samples.collect());
        if (step + 1).is_multiple_of(PROBE_EVERY) {
            record.probe(ProbeRow { step, batch: step, loss: 0.01, test_error: Some(3.0) });
            record.flush_curves()?;
        }
        if (step + 1).is_multiple_of(CHECKPOINT_EVERY) {
            record.flush()?;
            record.event("checkpoint", step, step, serde_json::json!({}))?;
        }
    }
    let ms = start.elapsed().as_secs_f64() * 1e3 / steps as f64;
    println!("{ms:.3} ms a step: {steps} steps, batch {batch}, {keypoints} keypoints");
    Ok(())
}

fn row(step: u64) -> StepRow {
    // Numbers that differ from step to step, as real ones do, so that nothing compresses them away.
    let noise = (step as f32 * 0.618).fract();
    StepRow {
        step,
        batch: step,
        epoch: step / 12,
        lr: 1e-3,
        loss: 0.01 + noise,
        score_loss: 0.008 + noise,
        offset_loss: 0.002,
        grad_norm: 0.3 + noise,
        grad_norms: vec![0.1 + noise; GROUPS],
        clipped: false,
        skipped: false,
        step_ms: 200.0 + noise,
        wait_ms: 0.1,
    }
}
