//! Images and boxes whose class a cross-validated classifier contradicts.

use crate::audit::models::confident::{Example, opinions};
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::PredictedClass;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let Some(predicted) = &facts.predictions else { return Vec::new() };
    let (boxes, images): (Vec<_>, Vec<_>) =
        predicted.predictions().classes.iter().partition(|row| row.instance.is_some());
    let mut hits = judge(facts, &images, settings);
    hits.extend(judge(facts, &boxes, settings));
    hits
}

/// Judges images, or boxes, among themselves.
fn judge(facts: &Facts, rows: &[&PredictedClass], settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let label = |row: &PredictedClass| match row.instance {
        Some(at) => dataset.instances[at as usize].class,
        None => dataset.images[row.image as usize].class,
    };
    let known: Vec<(&PredictedClass, usize)> =
        rows.iter().filter_map(|row| Some((*row, usize::from(label(row)?)))).collect();
    if (known.len() as f64) < settings.get("min_labels") {
        return Vec::new();
    }
    let examples: Vec<Example<'_>> = (known.iter())
        .map(|(row, label)| Example { label: *label, probabilities: &row.probabilities })
        .collect();
    let min_score = settings.get("min_score");
    let name = |class: usize| dataset.classes[class].name.as_str();
    (known.iter().zip(opinions(&examples, dataset.classes.len())))
        .filter_map(|((row, label), opinion)| {
            let opinion = opinion.filter(|opinion| opinion.wrong >= min_score)?;
            let instead = name(opinion.instead);
            let message = format!(
                "labelled {}, to which the predictions give {:.3}, and {:.3} to {instead}",
                name(*label),
                row.probabilities[*label],
                row.probabilities[opinion.instead],
            );
            let subject = row.instance.map_or(Subject::Image(row.image), Subject::Instance);
            Some(
                Hit::new(subject, opinion.wrong, message)
                    .measured(row.probabilities[*label], min_score)
                    .proposal(Proposal {
                        with: Some(instead.to_owned()),
                        ..Proposal::new(Action::Relabel)
                    }),
            )
        })
        .collect()
}
