//! What a run's record says, read back: curves and events, for pages and for studies.
//!
//! Takes a RUN folder, finished or not; gives what was last written. What is missing is empty.

use std::fs::{self, File};
use std::path::Path;

use polars::prelude::*;
use serde_json::Value;

use super::record::{EVENTS, PROBE, STEPS};

/// The curves and events of a run. Columns of one table have one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    /// Number of each step, which the learning rate follows.
    pub step: Vec<u64>,
    /// Learning rate of each step.
    pub lr: Vec<f64>,
    /// Loss of each step.
    pub loss: Vec<f64>,
    /// Norm of the gradients of each step, before clipping.
    pub grad_norm: Vec<f64>,
    /// Whether the step moved no weight.
    pub skipped: Vec<bool>,
    /// Looks at the probe set.
    pub probe: Vec<Look>,
    /// Lines of the log, the first of which says its schema.
    pub events: Vec<Value>,
}

/// A look at the probe set and at the test images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Steps done before.
    pub step: u64,
    /// Loss on the probe set; NaN where it is none.
    pub loss: f64,
    /// Median error on the test images in pixels, NaN where it was not asked for.
    pub test_error: f64,
}

impl Curves {
    /// Reads the curves of a RUN folder.
    pub fn read(folder: &Path) -> Curves {
        let steps = frame(&folder.join(STEPS));
        let probe = frame(&folder.join(PROBE));
        let text = fs::read_to_string(folder.join(EVENTS)).unwrap_or_default();
        let [step, loss, test_error] =
            ["step", "loss", "test_error"].map(|name| column(&probe, name));
        let looks = step.iter().enumerate().map(|(at, step)| Look {
            step: *step as u64,
            loss: loss[at],
            test_error: test_error[at],
        });
        Curves {
            step: column(&steps, "step").into_iter().map(|step| step as u64).collect(),
            lr: column(&steps, "lr"),
            loss: column(&steps, "loss"),
            grad_norm: column(&steps, "grad_norm"),
            skipped: column(&steps, "skipped").into_iter().map(|yes| yes == 1.0).collect(),
            probe: looks.collect(),
            events: text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
        }
    }
}

/// Reads a table; nothing where there is none yet.
fn frame(path: &Path) -> Option<DataFrame> {
    ParquetReader::new(File::open(path).ok()?).finish().ok()
}

/// Returns a column of numbers, NaN where it holds none.
fn column(frame: &Option<DataFrame>, name: &str) -> Vec<f64> {
    let Some(frame) = frame else { return Vec::new() };
    let column = frame.column(name).ok();
    let numbers = column.and_then(|column| column.cast(&DataType::Float64).ok());
    match numbers.as_ref().and_then(|column| column.f64().ok()) {
        Some(numbers) => numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect(),
        None => vec![f64::NAN; frame.height()],
    }
}
