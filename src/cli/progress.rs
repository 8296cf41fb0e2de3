//! Bars for long work that a person watches.

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::packages::Wheel;

/// Work shorter than this shows no bar.
const DELAY: Duration = Duration::from_millis(250);

const COUNT: &str = "{msg} {wide_bar} {pos}/{len} ({per_sec}, {eta} left)";
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
