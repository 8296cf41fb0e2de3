//! Boxes on whose place a model is sure of another class.

use crate::audit::models::lapse::{Lapse, Trial};
use crate::audit::models::matching::matching;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let Some(predicted) = &facts.predictions else { return Vec::new() };
    let dataset = &facts.dataset;
    let all = &predicted.predictions().boxes;
    let places = matching(dataset, all).places(dataset, all);
    let trials: Vec<Trial> = places.iter().map(|(_, _, trial)| *trial).collect();
    if (trials.len() as f64) < settings.get("min_labels") {
        return Vec::new();
    }
    let lapse = Lapse::fit(&trials, settings.get("expected_share"));
    let min_score = settings.get("min_score");
    let class = |class: u16| dataset.classes[usize::from(class)].name.as_str();
    (places.iter().filter(|(_, _, trial)| !trial.confirmed))
        .filter_map(|&(label, found, trial)| {
            let score = lapse.at_fault(trial.score);
            if score < min_score {
                return None;
            }
            let instance = &dataset.instances[label];
            let (labelled, says) = (class(instance.class?), class(all[found].class));
            let message = format!(
                "labelled {labelled}, and {says} is predicted on its place with a score of {:.2}",
                all[found].score
            );
            Some(
                Hit::new(Subject::Instance(label as u32), score, message)
                    .measured(all[found].score, min_score)
                    .proposal(Proposal {
                        with: Some(says.to_owned()),
                        ..Proposal::new(Action::Relabel)
                    }),
            )
        })
        .collect()
}
