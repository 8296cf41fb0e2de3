//! Bars for long work that a person watches.

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::packages::Wheel;
use crate::train::record::{ProbeRow, StepRow};

/// Work shorter than this shows no bar.
const DELAY: Duration = Duration::from_millis(250);

const COUNT: &str = "{msg} {wide_bar} {pos}/{len} ({per_sec}, {eta} left)";
const STEPS: &str = "{wide_bar} {pos}/{len} {msg} ({eta} left)";
const JOBS: &str = "{wide_bar} {msg} ({eta} left)";
const BYTES: &str = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} \
    ({decimal_bytes_per_sec}, {eta} left)";

/// Returns a bar that counts things, which stays hidden with `--quiet`, outside a
/// terminal, and for short work.
pub(super) fn bar(title: &'static str, length: usize, quiet: bool) -> ProgressBar {
    delayed(title.into(), length as u64, COUNT, quiet)
}

/// Bars for wheels that arrive one after another, hidden like [`bar`].
#[derive(Debug)]
pub(super) struct Downloads {
    quiet: bool,
    /// The wheel's file, and its bar.
    current: RefCell<Option<(&'static str, ProgressBar)>>,
}

impl Downloads {
    pub(super) fn new(quiet: bool) -> Downloads {
        Downloads { quiet, current: RefCell::new(None) }
    }

    /// Shows how much of a wheel has arrived.
    pub(super) fn show(&self, wheel: &Wheel, bytes: u64) {
        let mut current = self.current.borrow_mut();
        if current.as_ref().is_none_or(|(file, _)| *file != wheel.file) {
            if let Some((_, bar)) = current.take() {
                bar.finish_and_clear();
            }
            let bar = delayed(wheel.package(), wheel.bytes, BYTES, self.quiet);
            *current = Some((wheel.file, bar));
        }
        if let Some((_, bar)) = current.as_ref() {
            bar.set_position(bytes);
        }
    }

    /// Removes the last bar.
    pub(super) fn finish(self) {
        if let Some((_, bar)) = self.current.into_inner() {
            bar.finish_and_clear();
        }
    }
}

/// The bar of a training: steps, loss, learning rate, norm of gradients, images per second.
#[derive(Debug)]
pub(super) struct Steps {
    bar: ProgressBar,
    quiet: bool,
    /// Running means, so that numbers can be read: loss and images per second.
    smooth: [f64; 2],
    test_error: Option<f64>,
}

/// What a running mean keeps of its past.
const KEEP: f64 = 0.9;

impl Steps {
    /// Returns a bar of `steps` of which some are `done`, hidden like [`bar`].
    pub(super) fn new(steps: u64, done: u64, quiet: bool) -> Steps {
        let bar = delayed(String::new(), steps, STEPS, quiet);
        bar.set_position(done);
        bar.reset_eta();
        Steps { bar, quiet, smooth: [f64::NAN; 2], test_error: None }
    }

    /// Shows a step of so many images.
    pub(super) fn step(&mut self, row: &StepRow, images: usize) {
        let speed = images as f64 / f64::from(row.step_ms).max(1e-3) * 1e3;
        for (smooth, new) in self.smooth.iter_mut().zip([row.loss.into(), speed]) {
            *smooth = if smooth.is_finite() { KEEP * *smooth + (1.0 - KEEP) * new } else { new };
        }
        let [loss, speed] = self.smooth;
        let error = self.test_error.map_or(String::new(), |error| format!(" test {error:.3}"));
        let (lr, norm) = (row.lr, row.grad_norm);
        self.bar.set_message(format!(
            "loss {loss:.5} lr {lr:.1e} gradient {norm:.3} {speed:.0} images/s{error}"
        ));
        self.bar.set_position(row.step + 1);
    }

    /// Shows the error on test images.
    pub(super) fn probe(&mut self, row: &ProbeRow) {
        self.test_error = row.test_error;
    }

    /// Says something beside the bar, which stays.
    pub(super) fn tell(&self, words: &str) {
        if !self.quiet {
            self.bar.suspend(|| super::output::say(words));
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Returns a sign of life for work whose length is not known, hidden like [`bar`].
pub(super) fn spinner(title: &'static str, quiet: bool) -> ProgressBar {
    let bar = delayed(title.into(), 1, "{spinner} {msg} ({elapsed})", quiet);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The bar of a study: jobs that are over, what runs now, time left by images learnt from.
#[derive(Debug)]
pub(super) struct Jobs {
    bar: ProgressBar,
    quiet: bool,
    jobs: usize,
    over: AtomicUsize,
}

impl Jobs {
    /// Returns a bar of jobs which learn from so many images together, hidden like [`bar`].
    pub(super) fn new(jobs: usize, images: u64, quiet: bool) -> Jobs {
        let bar = delayed(format!("0 of {jobs} runs"), images, JOBS, quiet);
        Jobs { bar, quiet, jobs, over: AtomicUsize::new(0) }
    }

    /// Shows which job began last.
    pub(super) fn begins(&self, job: &str) {
        let over = self.over.load(Ordering::Relaxed);
        self.bar.set_message(format!("{over} of {} runs, now {job}", self.jobs));
    }

    /// Counts images.
    pub(super) fn images(&self, count: u64) {
        self.bar.inc(count);
    }

    /// Counts a job that is over.
    pub(super) fn over(&self) {
        let over = self.over.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_message(format!("{over} of {} runs", self.jobs));
    }

    /// Says something beside the bar, which stays.
    pub(super) fn tell(&self, words: &str) {
        if !self.quiet {
            self.bar.suspend(|| super::output::say(words));
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Returns a number of bytes for people, such as `27.78 MB`.
pub(super) fn size(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

fn delayed(title: String, length: u64, template: &str, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() || length == 0 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
    bar.set_style(style);
    bar.set_message(title);
    let delayed = bar.clone();
    std::thread::spawn(move || {
        std::thread::sleep(DELAY);
        if !delayed.is_finished() {
            delayed.set_draw_target(target);
        }
    });
    bar
}
