//! Poses all of whose points are in the wrong place together.

use crate::audit::evidence::{Cause, Explained, Piece, Whole};
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(_: &Facts, explained: &Explained, settings: &Settings) -> Vec<Hit> {
    (explained.above(settings.get("min_score")))
        .filter_map(|why| {
            let Cause::Whole(whole) = &why.cause else { return None };
            let fits_itself = !why.because.contains(&Piece::Pose);
            let (kind, what) = match whole {
                // Points that fit each other were not scaled, whatever is likeliest.
                Whole::Misshapen if fits_itself => (Kind::Shift, BESIDE),
                Whole::Moved => (Kind::Shift, BESIDE),
                Whole::Misshapen => (Kind::Shift, "scaled, or have x and y exchanged"),
                Whole::CarriedOver => (Kind::CarryOver, "those of another frame"),
                Whole::Scattered => (Kind::Jitter, "scattered about their places"),
            };
            let against = why.told(|piece| match piece {
                Piece::Pose => "they do not fit each other",
                Piece::Picture => "most do not look like themselves in this image",
                Piece::Prediction => "most are not where they are predicted",
                Piece::Time => "most are not where the frames beside it have them",
            });
            let against = against.unwrap_or_else(|| "together they fit nothing well".to_owned());
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
