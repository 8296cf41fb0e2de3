//! Distances between neighbouring body parts that are far from their usual length.

use crate::audit::models::belief::wrong_ratio;
use crate::audit::models::pose::PoseModel;
use crate::audit::models::poses::{Pose, Poses, REFERENCES, pose};
use crate::audit::models::skeleton;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for poses in Poses::by_skeleton(dataset) {
        let names = &dataset.skeletons[poses.skeleton].keypoints;
        let rows: Vec<Pose> = (poses.sample(REFERENCES).into_iter())
            .map(|at| pose(dataset, &dataset.instances[at as usize]))
            .collect();
        let bones = skeleton::bones(&dataset.skeletons[poses.skeleton], &rows);
        let Some(model) = PoseModel::fit(dataset, &poses) else { continue };
        for &at in &poses.instances {
            let pose = pose(dataset, &dataset.instances[at as usize]);
            for (bone, length) in skeleton::measure(&bones, &pose) {
                let score = wrong_ratio(length.z, bone.sd, settings.get("prior"));
                let factor = length.log_ratio.exp();
                let unlike = factor.max(1.0 / factor);
                if score < settings.get("min_score") || unlike < settings.get("min_factor") {
                    continue;
                }
                // The end that the rest of the pose contradicts more.
                let z = |kind: usize| model.fit_of(&pose, kind).map_or(0.0, |fit| fit.z);
                let [a, b] = bone.ends;
                let (end, other) = if z(a) > z(b) { (a, b) } else { (b, a) };
                let message = format!(
                    "{} to {} measures {:.0} px, {factor:.2} times its usual length in this pose",
                    names[a], names[b], length.px
                );
                hits.push(
                    Hit::new(Subject::Keypoint(at, end as u16), score, message)
                        .measured(factor, settings.get("min_factor"))
                        .related(vec![names[other].clone()])
                        .proposal(Proposal::new(Action::Relabel)),
                );
            }
        }
    }
    hits
}
