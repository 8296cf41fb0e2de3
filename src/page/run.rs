//! The page of a training run: how it stands, in words, curves and settings. Takes plain
//! numbers and words; while a run goes on, the browser reads the page again by itself.

use maud::{Markup, html};

use super::plot::{Axis, Role, Scale, Series, Stroke, Tag, figure, lines};
use super::text::{count, counted, shortened, visible};
use super::{Head, document};

/// Steps over which the smooth curve of the loss looks back.
const SMOOTH_STEPS: f64 = 50.0;
/// Events that are listed; the rest is counted.
const MOST_EVENTS: usize = 200;

/// Everything that the page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunPage<'a> {
    /// What people call the run.
    pub(crate) title: &'a str,
    /// How it stands, in a sentence or two.
    pub(crate) status: &'a str,
    /// Settings and facts, each a name and a value.
    pub(crate) facts: &'a [(String, String)],
    /// Every step so far, ascending.
    pub(crate) steps: &'a [RunStep],
    /// Loss on the fixed probe set.
    pub(crate) probe: &'a [RunValue],
    /// Median error on the test images, pixels.
    pub(crate) test_px: &'a [RunValue],
    /// What happened on the way, ascending.
    pub(crate) events: &'a [RunEvent],
    /// Seconds until the browser reads the page again; `None` once the run has ended.
    pub(crate) refresh: Option<u32>,
}

/// One step of the optimiser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RunStep {
    /// Counted from 0.
    pub(crate) step: u64,
    /// Loss of the batch.
    pub(crate) loss: f64,
    /// Learning rate.
    pub(crate) lr: f64,
    /// Norm of the whole gradient, before clipping.
    pub(crate) grad_norm: f64,
}

/// A number that is measured now and then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RunValue {
    /// Steps done before it was measured.
    pub(crate) step: u64,
    /// The number.
    pub(crate) value: f64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunEvent {
    /// At which step.
    pub(crate) step: u64,
    /// What kind of event.
    pub(crate) kind: RunEventKind,
    /// What happened, in words.
    pub(crate) words: String,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEventKind {
    /// A loss or gradient far above those before it.
    Spike,
    /// A number that is not finite.
    NonFinite,
    /// Return to an earlier checkpoint.
    Rollback,
    /// A checkpoint was written.
    Checkpoint,
    /// Anything else.
    Note,
}

impl RunEventKind {
    /// Returns the word that outputs use.
    fn name(self) -> &'static str {
        match self {
            RunEventKind::Spike => "spike",
            RunEventKind::NonFinite => "non-finite",
            RunEventKind::Rollback => "rollback",
            RunEventKind::Checkpoint => "checkpoint",
            RunEventKind::Note => "note",
        }
    }

    fn role(self) -> Role {
        match self {
            RunEventKind::Spike | RunEventKind::NonFinite => Role::Bad,
            RunEventKind::Rollback => Role::Third,
            RunEventKind::Checkpoint | RunEventKind::Note => Role::Note,
        }
    }
}

/// Returns the page of a run.
pub(crate) fn run_page(page: &RunPage<'_>) -> Markup {
    let title = shortened(page.title, 60);
    let body = html! {
        header .top {
            p .brand { "labelvet train" }
            h1 { (title) }
            p .verdict { (visible(page.status)) @if let Some(seconds) = page.refresh { " This page reads itself again every " (counted(seconds as usize, "second")) "." } }
        }
        main {
            section #curves {
                h2 { "Curves" }
                @if page.steps.is_empty() { p { "No step is done yet." } }
                @else { div .plots { (curves(page)) } }
            }
            @if !page.events.is_empty() { section #events { h2 { "What happened" } (events(page.events)) } }
            section #settings {
                h2 { "Settings" }
                div .scroll { table .settings { tbody { @for (name, value) in page.facts { tr {
                    th scope="row" { (visible(name)) } td { (visible(value)) }
                } } } } }
            }
        }
        footer .bottom { "Made by labelvet " (env!("CARGO_PKG_VERSION")) ". This file is whole: it needs no network, and nothing in it leaves this machine." }
    };
    let title = format!("labelvet train: {title}");
    document(&Head { title: &title, main: "curves", refresh: page.refresh }, &body)
}

fn curves(page: &RunPage<'_>) -> Markup {
    let tags: Vec<Tag<'_>> = (page.events.iter())
        .filter(|event| event.kind != RunEventKind::Note)
        .map(|event| Tag {
            at: event.step as f64,
            name: event.kind.name(),
            role: event.kind.role(),
        })
        .collect();
    let step = Axis { name: "step", scale: Scale::Linear, include: &[0.0] };
    let log = |name| Axis { name, scale: Scale::Log, include: &[] };
    let of_steps = |value: fn(&RunStep) -> f64| -> Vec<[f64; 2]> {
        page.steps.iter().map(|at| [at.step as f64, value(at)]).collect()
    };
    let measured = |values: &[RunValue]| -> Vec<[f64; 2]> {
        values.iter().map(|at| [at.step as f64, at.value]).collect()
    };
    let strong = |points, role| Series { name: "", points, role, stroke: Stroke::Strong };
    let dotted = |points| Series { name: "", points, role: Role::Main, stroke: Stroke::Dotted };
    let raw = of_steps(|step| step.loss);
    let smooth = smoothed(&raw, SMOOTH_STEPS);
    let loss = [
        Series { name: "each batch", points: raw, role: Role::Second, stroke: Stroke::Thin },
        Series { name: "smoothed", points: smooth, role: Role::Main, stroke: Stroke::Strong },
    ];
    html! {
        (figure("Loss", "logarithmic", &lines("loss of each step", &step, &log("loss"), &loss, &tags)))
        (figure("Gradient norm", "logarithmic, before clipping", &lines("norm of the gradient", &step, &log("norm"), &[strong(of_steps(|step| step.grad_norm), Role::Main)], &tags)))
        (figure("Learning rate", "", &lines("learning rate", &step, &Axis { name: "rate", scale: Scale::Linear, include: &[0.0] }, &[strong(of_steps(|step| step.lr), Role::Main)], &[])))
        @if !page.probe.is_empty() {
            (figure("Loss on the probe set", "always the same images, without augmentation", &lines("loss on the probe set", &step, &log("loss"), &[dotted(measured(page.probe))], &[])))
        }
        @if !page.test_px.is_empty() {
            (figure("Error on test images", "median distance to the label", &lines("median error on test images", &step, &log("pixels"), &[dotted(measured(page.test_px))], &[])))
        }
    }
}

/// Returns a curve smoothed by an exponential mean of the logarithms over so many points, 1 or
/// more, so that a spike does not lift what follows it. What is not above 0 interrupts it and is
/// passed over.
pub(crate) fn smoothed(points: &[[f64; 2]], span: f64) -> Vec<[f64; 2]> {
    let keep = (-1.0 / span).exp();
    let (mut sum, mut weight) = (0.0, 0.0);
    let mean = |&[x, y]: &[f64; 2]| {
        if y <= 0.0 || !y.is_finite() {
            return [x, f64::NAN];
        }
        // Dividing by the weight keeps the first steps from leaning towards zero.
        sum = keep * sum + (1.0 - keep) * y.ln();
        weight = keep * weight + (1.0 - keep);
        [x, (sum / weight).exp()]
    };
    points.iter().map(mean).collect()
}

fn events(events: &[RunEvent]) -> Markup {
    html! {
        div .scroll { table {
            thead { tr { th .n { "Step" } th { "What" } th { "Details" } } }
            tbody { @for event in events.iter().rev().take(MOST_EVENTS) { tr {
                td .n { (count(event.step as usize)) } td { (event.kind.name()) }
                // Some events have nothing to tell but their name.
                td { @if event.words != event.kind.name() { (visible(&event.words)) } }
            } } }
        } }
        @if events.len() > MOST_EVENTS { p .note { (count(events.len() - MOST_EVENTS)) " earlier ones are not listed here." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a run of so many steps with a spike that was rolled back.
    fn page(steps: &[RunStep], refresh: Option<u32>) -> String {
        let value = |step, value| RunValue { step, value };
        let event = |step, kind, words: &str| RunEvent { step, kind, words: words.into() };
        run_page(&RunPage {
            title: "mice <b>",
            status: "Running: step 2,000 of 4,000; the loss falls.",
            facts: &[("model".into(), "efficientnet_lite0".into()), ("batch".into(), "8".into())],
            steps,
            probe: &[value(0, 0.7), value(1000, 0.02), value(2000, 0.008)],
            test_px: &[value(0, 90.0), value(1000, 9.0), value(2000, 4.5)],
            events: &[
                event(500, RunEventKind::Checkpoint, "checkpoint"),
                event(900, RunEventKind::Spike, "loss 41 times the usual: data"),
                event(901, RunEventKind::Rollback, "to step 500, rate halved"),
            ],
            refresh,
        })
        .into_string()
    }

    fn steps(count: u64) -> Vec<RunStep> {
        let step = |step: u64| {
            let at = step as f64;
            let noise = 1.0 + 0.4 * (at * 12.9898).sin();
            let spike = if (900..904).contains(&step) { 40.0 } else { 1.0 };
            let loss = if step == 903 {
                f64::NAN
            } else {
                (0.6 * (-at / 300.0).exp() + 0.01) * noise * spike
            };
            RunStep { step, loss, lr: 5e-4 * (1.0 - at / count as f64), grad_norm: loss * 3.0 }
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn a_running_page_reads_itself_again_and_an_ended_one_does_not() {
        let steps = steps(2000);
        let running = page(&steps, Some(10));
        assert!(running.contains("<meta http-equiv=\"refresh\" content=\"10\">"), "{running}");
        assert!(running.contains("mice &lt;b&gt;"));
        for words in ["rollback", "Gradient norm", "efficientnet_lite0", "41 times the usual"] {
            assert!(running.contains(words), "{words}");
        }
        assert!(!page(&steps, None).contains("http-equiv=\"refresh\""));
        assert!(!running.contains("<td>checkpoint</td><td>checkpoint</td>"), "{running}");
        assert!(page(&[], None).contains("No step is done yet."));
        if let Some(path) = std::env::var_os("LABELVET_RUN_PAGE") {
            std::fs::write(path, running).unwrap();
        }
    }

    #[test]
    fn a_spike_does_not_lift_the_smooth_curve_for_long() {
        let flat = |at: u32| [f64::from(at), if at == 100 { 1000.0 } else { 1.0 }];
        let curve = smoothed(&(0..200).map(flat).collect::<Vec<_>>(), SMOOTH_STEPS);
        assert!((curve[99][1] - 1.0).abs() < 1e-9);
        assert!(curve[100][1] < 1.2 && curve[199][1] < 1.03);
    }
}
