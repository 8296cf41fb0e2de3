//! Left and right exchanged: both points fit the rest of the pose and the picture better the
//! other way.

use crate::audit::evidence::{Cause, Explained, Piece};
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
            let fits = why.told(|piece| match piece {
                Piece::Pose => "fit the rest of the pose better exchanged",
                Piece::Picture => "look more like each other than like themselves",
                Piece::Prediction => "are nearer to where each other is predicted",
                Piece::Time => "are nearer to each other's place in the frames beside it",
            });
            let fits = fits.unwrap_or_else(|| "fit better exchanged".to_owned());
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
