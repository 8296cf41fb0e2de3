//! Boxes that lie beside the object that a model finds there.

use crate::audit::models::matching::matching;
use crate::audit::models::residuals::{residual, wrong};
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::BBox;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let Some(predicted) = &facts.predictions else { return Vec::new() };
    let dataset = &facts.dataset;
    let all = &predicted.predictions().boxes;
    let min_confidence = settings.get("min_confidence");
    let pairs: Vec<(usize, BBox, usize)> = (matching(dataset, all).own.iter().enumerate())
        .filter_map(|(label, found)| Some((label, dataset.instances[label].bbox?, (*found)?)))
        .filter(|(_, _, found)| all[*found].score >= min_confidence)
        .collect();
    if (pairs.len() as f64) < settings.get("min_labels") {
        return Vec::new();
    }
    let residuals: Vec<_> = (pairs.iter())
        .map(|(_, label, found)| (residual(label, &all[*found].bbox), all[*found].score))
        .collect();
    let wrong = wrong(&residuals, settings.get("wrong_spread"), settings.get("expected_share"));
    let (min_score, max_overlap) = (settings.get("min_score"), settings.get("max_overlap"));
    (pairs.iter().zip(wrong))
        .filter_map(|(&(label, bbox, found), score)| {
            let predicted = &all[found];
            let overlap = bbox.iou(&predicted.bbox);
            if score < min_score || overlap > max_overlap {
                return None;
            }
            let BBox { x, y, width, height } = predicted.bbox;
            let message = format!(
                "overlaps by {overlap:.2} with what is predicted there with a score of {:.2}, at {:.0}, {:.0} ({width:.0} × {height:.0} px)",
                predicted.score,
                dataset.to_label(x),
                dataset.to_label(y),
            );
            Some(
                Hit::new(Subject::Instance(label as u32), score, message)
                    .measured(overlap, max_overlap)
                    .proposal(Proposal {
                        x: Some(x + width / 2.0),
                        y: Some(y + height / 2.0),
                        ..Proposal::new(Action::Relabel)
                    }),
            )
        })
        .collect()
}
