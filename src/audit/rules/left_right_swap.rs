//! Left and right exchanged: both points fit the rest of the pose and the picture better the
//! other way.

use crate::audit::evidence::{Because, Cause, Explained};
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(
    facts: &Facts,
    explained: &Explained,
    settings: &Settings,
) -> Vec<Hit> {
    let mut hits = Vec::new();
    for why in explained.above(settings.get("min_score")) {
        let Cause::Exchange(pairs) = &why.cause else { continue };
        let instance = &facts.dataset.instances[why.instance as usize];
        let Some(skeleton) = facts.dataset.skeleton_of(instance) else { continue };
        let sided = |&&[a, b]: &&[usize; 2]| skeleton.partner(a as u16) == Some(b as u16);
        for &[left, right] in pairs.iter().filter(sided) {
            let names = [left, right].map(|kind| skeleton.keypoints[kind].clone());
            let fits = match why.because {
                Because::Pose => "fit the rest of the pose better exchanged",
                Because::Picture => "look more like each other than like themselves",
                Because::Both => {
                    "fit the rest of the pose better exchanged, and look more like each other \
                     than like themselves"
                }
            };
            let message = format!("{} and {} {fits}{}", names[0], names[1], why.few());
            let [_, other] = names;
            let proposal = Proposal { with: Some(other.clone()), ..Proposal::new(Action::Swap) };
            hits.push(
                Hit::new(Subject::Keypoint(why.instance, left as u16), why.score, message)
                    .kind(Kind::Swap)
                    .related(vec![other])
                    .proposal(proposal),
            );
        }
    }
    hits
}
