//! `flip`: mirrors the picture, left to right.
//!
//! A mirrored left ear looks like a right one: whoever applies a flip to labels exchanges left
//! and right by a permutation ([`flip_permutation`]).

use serde::{Deserialize, Serialize};

use super::affine::Affine;
use super::warp::View;
use crate::dataset::Skeleton;

/// Mirrors left to right, whenever the step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {}

impl Flip {
    pub(super) fn map(view: &View) -> Affine {
        Affine::scale(-1.0, 1.0).about(view.centre())
    }
}

/// Returns for each keypoint the one that takes its place in a mirrored picture: its partner,
/// or itself. `None` where the skeleton knows no pairs: a flip might then exchange sides
/// without anyone knowing.
pub fn flip_permutation(skeleton: &Skeleton) -> Option<Vec<u16>> {
    if skeleton.pairs.is_empty() {
        return None;
    }
    let kinds = 0..skeleton.keypoints.len() as u16;
    Some(kinds.map(|kind| skeleton.partner(kind).unwrap_or(kind)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_change_places() {
        let keypoints = ["nose", "left", "right"].map(str::to_owned).to_vec();
        let pairs = vec![[1, 2]];
        let skeleton = Skeleton { keypoints, pairs, ..Skeleton::default() };
        assert_eq!(flip_permutation(&skeleton), Some(vec![0, 2, 1]));
        assert_eq!(flip_permutation(&Skeleton::default()), None);
    }
}
