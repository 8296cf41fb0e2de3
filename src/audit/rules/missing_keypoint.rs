//! Keypoints that are missing in one frame while the frames before and after have them.

use std::collections::BTreeMap;

use crate::audit::models::pose::PoseModel;
use crate::audit::models::poses::{Poses, pose};
use crate::audit::models::tracks::{Track, tracks};
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::Instance;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let models: BTreeMap<usize, PoseModel> = (Poses::by_skeleton(dataset).iter())
        .filter_map(|poses| Some((poses.skeleton, PoseModel::fit(dataset, poses)?)))
        .collect();
    // A part that moves fast can pass behind something for a frame.
    let max_move_px = settings.get("max_move") * facts.body_length().unwrap_or(0.0);
    let mut gaps: BTreeMap<(usize, u16), Gaps> = BTreeMap::new();
    for track in tracks(dataset) {
        let kinds = dataset.skeletons[track.skeleton].keypoints.len() as u16;
        for at in 0..track.frames.len() {
            let Some(around) = Around::of(facts, &track, at, settings) else { continue };
            for kind in 0..kinds {
                if around.have(facts, kind) {
                    let gaps = gaps.entry((track.skeleton, kind)).or_default();
                    gaps.chances += 1;
                    let here = &dataset.instances[around.here as usize];
                    if dataset.keypoint(here, kind).is_some() {
                        continue;
                    }
                    gaps.gone += 1;
                    let model = models.get(&track.skeleton);
                    if around.move_px(facts, kind) <= max_move_px
                        && !leaves_image(facts, model, here, &around, kind)
                    {
                        gaps.missing.push(around.clone());
                    }
                }
            }
        }
    }
    let mut hits = Vec::new();
    for ((skeleton, kind), gaps) in gaps {
        if (gaps.chances as f64) < settings.get("min_chances") {
            continue;
        }
        // How often the keypoint disappears for a frame elsewhere: Jeffreys' estimate
        // of a rate, this frame left out. What exceeds the rate of slips is occlusion.
        let others = gaps.gone as f64 - 1.0;
        let rate = (others + 0.5) / gaps.chances as f64;
        let score = settings.get("max_score").min(settings.get("prior") / rate);
        if score < settings.get("min_score") {
            continue;
        }
        let name = &dataset.skeletons[skeleton].keypoints[usize::from(kind)];
        for around in gaps.missing {
            let message = format!(
                "{name} is not labelled, but is in the labelled frames before and after; it \
                 disappears like this in {} of {} frames",
                gaps.gone, gaps.chances
            );
            let related = around
                .neighbours
                .iter()
                .map(|&at| facts.image_of(&dataset.instances[at as usize]).path.clone());
            hits.push(
                Hit::new(Subject::Keypoint(around.here, kind), score, message)
                    .measured(rate, settings.get("prior"))
                    .related(related.collect())
                    .proposal(Proposal::new(Action::Relabel)),
            );
        }
    }
    hits
}

/// Where a keypoint could have been missing alone, and where it is.
#[derive(Default)]
struct Gaps {
    /// Instances whose neighbours have it.
    chances: usize,
    /// Those of them that do not.
    gone: usize,
    /// Those of them where it hardly moved and could not have left the image.
    missing: Vec<Around>,
}

/// An instance and the nearest labelled ones of its track.
#[derive(Clone)]
struct Around {
    here: u32,
    /// Up to two before, the nearest first, then up to two after likewise.
    neighbours: Vec<u32>,
    /// The nearest before and the nearest after.
    nearest: [u32; 2],
}

impl Around {
    /// Returns up to two neighbours on each side within reach, `None` where a side has
    /// none.
    fn of(facts: &Facts, track: &Track, at: usize, settings: &Settings) -> Option<Around> {
        let (frame, here) = track.frames[at];
        let near =
            |&&(other, _): &&(u64, u32)| other.abs_diff(frame) as f64 <= settings.get("max_gap");
        let before: Vec<u32> =
            track.frames[..at].iter().rev().take(2).filter(near).map(|f| f.1).collect();
        let after: Vec<u32> =
            track.frames[at + 1..].iter().take(2).filter(near).map(|f| f.1).collect();
        let labelled = facts.dataset.instances[here as usize].len > 0;
        let nearest = [*before.first()?, *after.first()?];
        labelled.then(|| Around { here, neighbours: [before, after].concat(), nearest })
    }

    fn instances<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = &'a Instance> {
        self.neighbours.iter().map(|&at| &facts.dataset.instances[at as usize])
    }

    /// Returns how far a keypoint moves from the nearest frame before to the nearest
    /// after, pixels.
    fn move_px(&self, facts: &Facts, kind: u16) -> f64 {
        let point = |at: u32| facts.dataset.keypoint(&facts.dataset.instances[at as usize], kind);
        match self.nearest.map(point) {
            [Some(a), Some(b)] => (a.x - b.x).hypot(a.y - b.y),
            _ => f64::INFINITY,
        }
    }

    /// Returns whether all neighbours have a keypoint.
    fn have(&self, facts: &Facts, kind: u16) -> bool {
        self.instances(facts).all(|instance| facts.dataset.keypoint(instance, kind).is_some())
    }
}

/// Returns whether a keypoint may be outside the image: where the neighbours or the
/// rest of the pose put it near the border.
fn leaves_image(
    facts: &Facts,
    model: Option<&PoseModel>,
    here: &Instance,
    around: &Around,
    kind: u16,
) -> bool {
    let dataset = &facts.dataset;
    let Some([width, height]) = facts.size_px(here.image as usize) else { return false };
    let placed = model.and_then(|model| model.place(&pose(dataset, here), usize::from(kind)));
    let seen = around.instances(facts).filter_map(|instance| {
        let point = dataset.keypoint(instance, kind)?;
        Some([point.x, point.y])
    });
    seen.chain(placed).any(|[x, y]| {
        let near = |value: f64, length: u32| {
            let margin = BORDER * f64::from(length);
            value < margin || value > f64::from(length) - margin
        };
        near(x, width) || near(y, height)
    })
}

/// Share of the image at its border from where a keypoint can leave it within a frame.
const BORDER: f64 = 0.03;
