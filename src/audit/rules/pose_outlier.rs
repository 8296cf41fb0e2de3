//! Poses all of whose points are in the wrong place together.

use crate::audit::evidence::{Because, Cause, Explained, Whole};
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(_: &Facts, explained: &Explained, settings: &Settings) -> Vec<Hit> {
    (explained.above(settings.get("min_score")))
        .filter_map(|why| {
            let Cause::Whole(whole) = &why.cause else { return None };
            let against = match why.because {
                Because::Pose => "they do not fit each other",
                Because::Picture => "none looks like itself in this image",
                Because::Both => "they do not fit each other, nor the image",
            };
            let (kind, what) = match whole {
                // Points that fit each other were not scaled, whatever is likeliest.
                Whole::Misshapen if why.because == Because::Picture => (Kind::Shift, BESIDE),
                Whole::Moved => (Kind::Shift, BESIDE),
                Whole::Misshapen => (Kind::Shift, "scaled, or have x and y exchanged"),
                Whole::CarriedOver => (Kind::CarryOver, "those of another frame"),
            };
            let message = format!("the points are likely {what}: {against}{}", why.few());
            Some(
                Hit::new(Subject::Instance(why.instance), why.score, message)
                    .kind(kind)
                    .proposal(Proposal::new(Action::Relabel)),
            )
        })
        .collect()
}

const BESIDE: &str = "moved beside the animal together";
