//! Left and right exchanged: both points fit the rest of the pose better the other way.

use crate::audit::models::belief::posterior;
use crate::audit::models::pose::PoseModel;
use crate::audit::models::poses::{Poses, pose};
use crate::audit::models::sides::Sides;
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let prior = settings.get("prior");
    let min_score = settings.get("min_score");
    let max_after = settings.get("max_distance_after");
    let mut hits = Vec::new();
    for poses in Poses::by_skeleton(dataset) {
        let names = &dataset.skeletons[poses.skeleton].keypoints;
        if dataset.skeletons[poses.skeleton].pairs.is_empty() {
            continue;
        }
        let Some(model) = PoseModel::fit(dataset, &poses) else { continue };
        let sides = Sides::learn(dataset, &poses, &model, settings.get("min_agreement"));
        for &at in &poses.instances {
            let pose = pose(dataset, &dataset.instances[at as usize]);
            for ([left, right], exchange) in sides.exchanged(&model, &pose) {
                let score = posterior(prior, exchange.gain);
                let [a, b] = exchange.after;
                if score < min_score || a.max(b) > max_after {
                    continue;
                }
                let [was_a, was_b] = exchange.before;
                let message = format!(
                    "{} and {} fit the rest of the pose better exchanged: {was_a:.1} and \
                     {was_b:.1} standard deviations away as labelled, {a:.1} and {b:.1} after",
                    names[left], names[right]
                );
                let proposal =
                    Proposal { with: Some(names[right].clone()), ..Proposal::new(Action::Swap) };
                hits.push(
                    Hit::new(Subject::Keypoint(at, left as u16), score, message)
                        .kind(Kind::Swap)
                        .measured(exchange.gain, 0.0)
                        .related(vec![names[right].clone()])
                        .proposal(proposal),
                );
            }
        }
    }
    hits
}
