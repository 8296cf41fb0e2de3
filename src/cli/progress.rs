//! A bar for long work that a person watches.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows no bar.
const DELAY: Duration = Duration::from_millis(250);

/// Returns a bar that counts things, which stays hidden with `--quiet`, outside a
/// terminal, and for short work.
pub(super) fn bar(title: &'static str, length: usize, quiet: bool) -> ProgressBar {
    styled("{msg} {wide_bar} {pos}/{len} ({per_sec}, {eta} left)", title, length, quiet)
}

/// Returns a bar that counts bytes, hidden in the same cases.
pub(super) fn bytes(title: &'static str, length: usize, quiet: bool) -> ProgressBar {
    let template = "{msg} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)";
    styled(template, title, length, quiet)
}

fn styled(template: &str, title: &'static str, length: usize, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() || length == 0 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::hidden());
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
