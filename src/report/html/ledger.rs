//! What training will use: the ledger as a section of the report.

use maud::{Markup, html};

use crate::audit::{Effect, Ledger, Loss, Lost, Unit, Visits};
use crate::page::text::{count, counted, number, visible};

/// Places that are listed per reason; `training_ledger.csv` has all.
const MOST_PLACES: usize = 10;

/// Writes the ledger.
pub(super) fn section(ledger: &Ledger) -> Markup {
    let lost: Vec<&Loss> = (ledger.lost.iter())
        .filter(|loss| loss.count.points + loss.count.instances + loss.count.images > 0)
        .collect();
    let points = ledger.unit == Unit::Points;
    let row = |name: Markup, of: &crate::audit::Count, class: &str| {
        html! { tr class=(class) {
            th scope="row" { (name) }
            @if points { td .n { (count(of.points)) } }
            td .n { (count(of.instances)) } td .n { (count(of.images)) }
        } }
    };
    html! {
        section #ledger {
            h2 { "What training will use" }
            p { (visible(&sentence(&ledger.summary))) }
            div .scroll { table {
                thead { tr {
                    th { "" }
                    @if points { th .n { "Points" } }
                    th .n { "Instances" } th .n { "Images" }
                } }
                tbody {
                    (row(html! { "In the dataset" }, &ledger.found, ""))
                    @for loss in &lost { (row(html! {
                        "lost: " (loss.title)
                        @if loss.effect == Effect::Stops { " " b { "(training stops)" } }
                    }, &loss.count, "")) }
                    (row(html! { b { "Used by " (ledger.trainer_name) } }, &ledger.used, ""))
                    @if ledger.background > 0 { tr {
                        th scope="row" { "of these images, background without labels" }
                        @if points { td .n {} }
                        td .n {} td .n { (count(ledger.background)) }
                    } }
                }
            } }
            @for loss in lost.iter().filter(|loss| loss.places > 0) { (places(ledger, loss)) }
            @if !ledger.notes.is_empty() {
                h3 { "Used otherwise than it stands" }
                ul { @for note in &ledger.notes { li { (visible(&sentence(&note.message))) } } }
            }
            @if !ledger.visits.is_empty() {
                h3 { "How often an image is seen" }
                ul { @for visits in &ledger.visits { li { (visible(&seen(visits))) } } }
            }
        }
    }
}

fn places(ledger: &Ledger, loss: &Loss) -> Markup {
    let all: Vec<&Lost> = ledger.places.iter().filter(|p| p.reason == loss.reason).collect();
    html! {
        details {
            summary { (counted(all.len(), "place")) " " (loss.title) }
            p .note { "To do: " (loss.fix) "." }
            div .scroll { table {
                thead { tr { th { "Image" } th { "Instance" } th { "Keypoint" } th { "File" } th .n { "Row" } th { "What was found" } } }
                tbody { @for place in all.iter().take(MOST_PLACES) { tr {
                    td { (visible(place.image.as_deref().unwrap_or(""))) }
                    td { (visible(place.instance.as_deref().unwrap_or(""))) }
                    td { (visible(place.keypoint.as_deref().unwrap_or(""))) }
                    td { (visible(place.file.as_deref().unwrap_or(""))) }
                    td .n { @if let Some(row) = place.row { (row) } }
                    td { (visible(&place.message)) }
                } } }
            } }
            @if all.len() > MOST_PLACES {
                p .note { (count(all.len() - MOST_PLACES)) " more stand in " code { "training_ledger.csv" } "." }
            }
        }
    }
}

/// Says how often a plan visits an image.
fn seen(visits: &Visits) -> String {
    let length = match (visits.iterations, visits.epochs) {
        (Some(steps), _) => format!(
            "{} of {}",
            counted(steps as usize, "step"),
            counted(visits.batch as usize, "image")
        ),
        (None, epochs) => counted(epochs.unwrap_or(0) as usize, "epoch"),
    };
    let plan = visits.plan.as_deref().unwrap_or("DeepLabCut's defaults");
    format!(
        "{plan} ({}): {length} over {}, so that each is seen {} times.",
        visits.engine,
        counted(visits.train_images, "training image"),
        number(visits.per_image)
    )
}

/// Returns a sentence of a lower-case fragment.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
