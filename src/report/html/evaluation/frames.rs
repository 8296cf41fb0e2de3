//! Pictures of the animals on which predictions are worst, with labels and predictions.

use maud::{Markup, html};

use super::rounded;
use crate::dataset::Instance;
use crate::dataset::PredictedPose;
use crate::eval::{PartEvaluation, Sample};
use crate::page::text::{count, number, visible};
use crate::report::EvalReport;
use crate::report::html::figure::{Figure, Painter};
use crate::report::html::overlay::{Mark, Pen, Role, px};
use crate::report::html::pictures::Pictures;
use crate::report::html::subject::{Index, Subject};
use crate::report::html::view::View;

/// Animals that are pictured.
const MOST_FRAMES: usize = 12;
/// A prediction further off than this many body lengths is drawn as wrong.
const WRONG_BODIES: f64 = 0.1;

/// An animal and how far its predictions are off.
struct Frame<'a> {
    samples: &'a [Sample],
    /// The point that is furthest off; of an animal without predictions there is none.
    worst: Option<(&'a Sample, f64)>,
}

/// Shows the animals whose worst point is furthest off, after those for which nothing was
/// predicted.
pub(super) fn worst(report: &EvalReport<'_>, index: &Index<'_>, part: &PartEvaluation) -> Markup {
    let facts = report.facts;
    let mut frames: Vec<Frame<'_>> = (part.samples.labelled)
        .chunk_by(|a, b| a.instance == b.instance)
        .map(|samples| Frame { samples, worst: furthest(samples) })
        .collect();
    let error = |frame: &Frame<'_>| frame.worst.map_or(f64::INFINITY, |(_, error)| error);
    frames.sort_by(|a, b| error(b).total_cmp(&error(a)));
    let all = frames.len();
    frames.truncate(MOST_FRAMES);
    let body = part.metrics.body_length_px;
    let figures: Vec<Figure> =
        frames.iter().map(|frame| figure(report, index, frame, body)).collect();
    let pictures = Pictures::make(&facts.dataset, figures.iter().flat_map(Figure::shots));
    let mut painter = Painter::new(facts, index, &pictures);
    html! {
        section #frames {
            h2 { "Worst frames first" }
            @if frames.is_empty() { p { "There are no labelled animals to compare." } }
            @else {
                ul .legend aria-label="Marks on the pictures" {
                    li { span .dot.left {} "label, left" } li { span .dot.right {} "label, right" } li { span .dot.mid {} "label, neither" }
                    li { span .mark.proposed {} "prediction near its label" }
                    li { span .mark.wrong {} "prediction over " (WRONG_BODIES) " body lengths off" }
                }
                @if all > frames.len() { p .note { (count(frames.len())) " of " (count(all)) " labelled animals of part " (visible(&part.name)) "." } }
                div .cards {
                    @for (frame, figure) in frames.iter().zip(&figures) {
                        (card(report, index, frame, figure, body, &mut painter))
                    }
                }
            }
        }
    }
}

/// Returns the point that is furthest off.
fn furthest(samples: &[Sample]) -> Option<(&Sample, f64)> {
    let known = samples.iter().filter_map(|sample| Some((sample, sample.error()?)));
    known.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn figure(
    report: &EvalReport<'_>,
    index: &Index<'_>,
    frame: &Frame<'_>,
    body: Option<f64>,
) -> Figure {
    let first = &frame.samples[0];
    let (image, instance) = (first.image as usize, first.instance as usize);
    let subject = Subject { image, instance: Some(instance), keypoint: None };
    let predicted: Vec<[f64; 2]> = prediction(report, instance)
        .iter()
        .flat_map(|row| row.points.iter().filter_map(|point| point.place()))
        .collect();
    let size = report.facts.size_px(image).map(|[w, h]| [f64::from(w), f64::from(h)]);
    Figure::new(report.facts, subject, View::of(index, subject, &predicted, size, body))
}

fn prediction<'a>(report: &EvalReport<'a>, instance: usize) -> Option<&'a PredictedPose> {
    report.evaluation.assigned[instance].map(|row| &report.predictions.poses[row])
}

fn card(
    report: &EvalReport<'_>,
    index: &Index<'_>,
    frame: &Frame<'_>,
    figure: &Figure,
    body: Option<f64>,
    painter: &mut Painter<'_>,
) -> Markup {
    let dataset = &report.facts.dataset;
    let first = &frame.samples[0];
    let instance = &dataset.instances[first.instance as usize];
    let image = &dataset.images[first.image as usize];
    let marks = overlay(report, index, frame, figure.view(), body);
    let label = format!("{} with labels and predictions", visible(&image.path));
    let known: Vec<f64> = frame.samples.iter().filter_map(Sample::error).collect();
    let missing = frame.samples.len() - known.len();
    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
    html! {
        article .card.error[frame.worst.is_none_or(|(_, error)| is_wrong(error, body))] {
            div .frames { (painter.frame(figure, &label, &marks)) }
            p .message {
                @match frame.worst {
                    Some((sample, error)) => {
                        b { (visible(name(index, instance, sample.kind))) } " is " (rounded(error)) " px"
                        @if let Some(body) = body { " (" (rounded(error / body)) " body lengths)" }
                        " off, likelihood " (number(sample.likelihood)) "; the animal's mean is " (rounded(mean)) " px."
                    }
                    None => { "Nothing was predicted for this animal." }
                }
                @if missing > 0 && !known.is_empty() { " Without a prediction: " (count(missing)) " of " (count(frame.samples.len())) " points." }
            }
            div .detail { dl {
                div { dt { "image" } dd { (visible(&image.path)) } }
                @if index.instances(first.image as usize).len() > 1 { div { dt { "instance" } dd { (visible(&dataset.instance_name(instance))) } } }
            } }
            footer {}
        }
    }
}

/// Returns whether a prediction is drawn as wrong.
fn is_wrong(error: f64, body: Option<f64>) -> bool {
    body.is_some_and(|body| error > WRONG_BODIES * body)
}

fn name<'a>(index: &Index<'a>, instance: &Instance, kind: u16) -> &'a str {
    let skeleton = index.dataset().skeleton_of(instance);
    skeleton.and_then(|s| s.keypoints.get(usize::from(kind))).map_or("", String::as_str)
}

/// Draws labels, predictions, and a line from each label to its prediction.
fn overlay(
    report: &EvalReport<'_>,
    index: &Index<'_>,
    frame: &Frame<'_>,
    view: View,
    body: Option<f64>,
) -> Markup {
    let pen = Pen::new(view);
    let first = &frame.samples[0];
    let dataset = index.dataset();
    let instance = &dataset.instances[first.instance as usize];
    // A model also says where it sees what nobody labelled.
    let unlabelled: Vec<[f64; 2]> = prediction(report, first.instance as usize)
        .iter()
        .flat_map(|row| {
            (0..row.points.len() as u16).filter_map(|kind| Some((kind, row.point(kind)?)))
        })
        .filter(|(kind, point)| {
            dataset.keypoint(instance, *kind).is_none()
                && point.likelihood >= report.settings.pcutoff
        })
        .map(|(_, point)| [point.x, point.y])
        .collect();
    let marks: Vec<Mark<'_>> = (frame.worst.iter())
        .filter_map(|(sample, _)| {
            let label = dataset.keypoint(instance, sample.kind)?;
            let name = name(index, instance, sample.kind);
            Some(Mark { place: [label.x, label.y], name, role: Role::Wrong })
        })
        .collect();
    html! {
        (pen.instance(index, instance, Role::Other))
        @for place in unlabelled { (cross(pen, place, "other")) }
        @for sample in frame.samples {
            @if let (Some([dx, dy]), Some(label)) = (sample.offset, dataset.keypoint(instance, sample.kind)) {
                @let place = [label.x + dx, label.y + dy];
                @let class = if is_wrong(dx.hypot(dy), body) { "wrong" } else { "proposed" };
                @let d = format!("M{} {}L{} {}", px(label.x), px(label.y), px(place[0]), px(place[1]));
                path .halo d=(d) {}
                path class={ "arrow " (class) } d=(d) {}
                (cross(pen, place, class))
            }
        }
        (pen.marks(&marks))
    }
}

/// Draws a cross at a predicted place.
fn cross(pen: Pen, [x, y]: [f64; 2], class: &str) -> Markup {
    let arm = 4.0 * pen.unit;
    let d = format!(
        "M{} {}L{} {}M{} {}L{} {}",
        px(x - arm),
        px(y - arm),
        px(x + arm),
        px(y + arm),
        px(x - arm),
        px(y + arm),
        px(x + arm),
        px(y - arm),
    );
    html! {
        path .halo d=(d) {}
        path class={ "arrow " (class) } d=(d) {}
    }
}
