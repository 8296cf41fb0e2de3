//! What findings say beyond a score: which keypoints, which kind of error, what would mend it;
//! and whether that is what was planted.

use std::collections::BTreeSet;

use crate::audit::{Action, Finding, Kind};
use crate::dataset::Dataset;
use crate::plant::{ErrorKind, PlantedError};

/// Distance from its true place within which a label counts as mended, body lengths: about twice
/// as far as two people who label the same keypoint lie apart.
const MENDED_BL: f64 = 0.1;

/// Counts over instances of one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// Instances with a planted error that are flagged.
    pub(super) flagged: u32,
    /// Of these, those in which a finding names a kind of error.
    pub(super) named: u32,
    /// Of these, those in which the likeliest such finding names the right one.
    pub(super) named_right: u32,
    /// Keypoints that a planted error changed.
    pub(super) points: u32,
    /// Of these, those that a finding names.
    pub(super) points_found: u32,
    /// Keypoints that a finding names, in all instances.
    pub(super) points_flagged: u32,
    /// Planted keypoints for which a finding proposes a label.
    pub(super) proposed: u32,
    /// Of these, those that the proposal mends.
    pub(super) mended: u32,
}

impl Matches {
    /// Adds the counts of another instance or copy.
    pub(super) fn add(&mut self, other: &Matches) {
        self.flagged += other.flagged;
        self.named += other.named;
        self.named_right += other.named_right;
        self.points += other.points;
        self.points_found += other.points_found;
        self.points_flagged += other.points_flagged;
        self.proposed += other.proposed;
        self.mended += other.mended;
    }
}

/// Compares the findings about an instance, the likeliest first, with the error that was planted
/// in it, if one was. `dataset` is the one after planting.
pub(super) fn matches(
    dataset: &Dataset,
    instance: usize,
    error: Option<&PlantedError>,
    findings: &[&Finding],
    body_px: f64,
) -> Matches {
    let skeleton = dataset.skeleton_of(&dataset.instances[instance]);
    let index = |name: &str| skeleton.and_then(|skeleton| skeleton.index(name));
    let named: BTreeSet<u16> =
        findings.iter().flat_map(|f| keypoints(f)).filter_map(index).collect();
    let mut matches = Matches { points_flagged: named.len() as u32, ..Matches::default() };
    let Some(error) = error else { return matches };
    if !findings.is_empty() {
        matches.flagged = 1;
        if let Some(kind) = findings.iter().find_map(|finding| kind(finding)) {
            matches.named = 1;
            matches.named_right = u32::from(is_right(error.kind, kind));
        }
    }
    for point in &error.points {
        matches.points += 1;
        matches.points_found += u32::from(named.contains(&point.kind));
        let proposed = findings
            .iter()
            .find_map(|finding| proposed(dataset, instance, finding, &point.keypoint));
        if let Some(to) = proposed {
            matches.proposed += 1;
            matches.mended += u32::from(match (to, point.before) {
                (Some(to), Some(before)) => {
                    let far = (to[0] - before[0]).hypot(to[1] - before[1]);
                    far <= MENDED_BL * body_px
                }
                (None, None) => true,
                _ => false,
            });
        }
    }
    matches
}

/// Returns the keypoints that a finding calls wrong: its own, and what that is to be exchanged
/// with.
fn keypoints(finding: &Finding) -> impl Iterator<Item = &str> {
    let exchanged = (finding.proposal.iter())
        .filter(|proposal| proposal.action == Action::Swap)
        .filter_map(|proposal| proposal.with.as_deref());
    finding.keypoint.as_deref().into_iter().chain(exchanged)
}

/// A kind of error that a finding names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamedKind {
    /// By its own word.
    Word(Kind),
    /// A label that lacks, which has a rule and no word.
    Missing,
}

fn kind(finding: &Finding) -> Option<NamedKind> {
    match finding.rule.as_str() {
        "missing_keypoint" => Some(NamedKind::Missing),
        _ => finding.kind.map(NamedKind::Word),
    }
}

/// Returns whether a finding's kind is that of a planted error. Kinds of errors that audits do
/// not tell apart share a word.
fn is_right(planted: ErrorKind, named: NamedKind) -> bool {
    let word = match planted {
        ErrorKind::Missing => return named == NamedKind::Missing,
        ErrorKind::Swap | ErrorKind::SideSwap => Kind::Swap,
        ErrorKind::Miss | ErrorKind::EdgeMiss | ErrorKind::Parked => Kind::Miss,
        ErrorKind::Jitter | ErrorKind::LimbJitter => Kind::Jitter,
        ErrorKind::Inversion | ErrorKind::Neighbour => Kind::Inversion,
        ErrorKind::CarryOver | ErrorKind::OffByOne => Kind::CarryOver,
        ErrorKind::Chimera => Kind::Chimera,
        ErrorKind::Shift
        | ErrorKind::AnnotatorOffset
        | ErrorKind::Transposed
        | ErrorKind::Scaled => Kind::Shift,
    };
    named == NamedKind::Word(word)
}

/// Returns where a finding would have a keypoint labelled, `Some(None)` for nowhere; `None` where
/// it proposes nothing for it.
fn proposed(
    dataset: &Dataset,
    instance: usize,
    finding: &Finding,
    keypoint: &str,
) -> Option<Option<[f64; 2]>> {
    let proposal = finding.proposal.as_ref()?;
    let own = finding.keypoint.as_deref()?;
    let labelled = &dataset.instances[instance];
    let place = |at: usize, name: &str| {
        let instance = &dataset.instances[at];
        let kind = dataset.skeleton_of(instance)?.index(name)?;
        dataset.keypoint(instance, kind).map(|point| [point.x, point.y])
    };
    match proposal.action {
        Action::Move if own == keypoint => {
            let [x, y] = [proposal.x?, proposal.y?].map(|at| at + dataset.pixel_offset);
            Some(Some([x, y]))
        }
        Action::DropKeypoint if own == keypoint => Some(None),
        Action::Swap => {
            let with = proposal.with.as_deref()?;
            if dataset.skeleton_of(labelled)?.index(with).is_some() {
                return match keypoint {
                    name if name == own => Some(place(instance, with)),
                    name if name == with => Some(place(instance, own)),
                    _ => None,
                };
            }
            // Exchanged with the same keypoint of another individual.
            let mut others = dataset.instances.iter().enumerate();
            let (other, _) = others.find(|(_, other)| {
                other.image == labelled.image && dataset.instance_name(other) == with
            })?;
            (own == keypoint).then(|| place(other, own))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_audits_do_not_tell_apart_share_a_word() {
        let word = NamedKind::Word;
        assert!(is_right(ErrorKind::SideSwap, word(Kind::Swap)));
        assert!(is_right(ErrorKind::Neighbour, word(Kind::Inversion)));
        assert!(!is_right(ErrorKind::Miss, word(Kind::Swap)));
        assert!(is_right(ErrorKind::Missing, NamedKind::Missing));
        assert!(!is_right(ErrorKind::Missing, word(Kind::Miss)));
    }
}
