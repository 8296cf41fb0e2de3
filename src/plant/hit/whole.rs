//! Errors of whole instances: all sides exchanged, two poses mixed.

use std::collections::BTreeSet;

use super::{Hit, Move, follow, is_strong};
use crate::plant::distance;

/// Shares of the labelled keypoints of which a chimera has at least and at most so many from
/// elsewhere, as divisors: a third to two thirds.
const THIRDS: usize = 3;

impl Hit<'_, '_> {
    /// A ↔ B for all left-right pairs; where one side alone is labelled, the other is after.
    pub(super) fn side_swap(&mut self) -> Option<Vec<Move>> {
        let mut used = BTreeSet::new();
        let mut pairs = self.skeleton.pairs.clone();
        // A keypoint of two pairs can be exchanged once.
        pairs.retain(|[a, b]| {
            let free = !used.contains(a) && !used.contains(b);
            if free {
                used.extend([*a, *b]);
            }
            free
        });
        let mut moves = Vec::new();
        for &member in &self.members {
            let (mut whole, mut furthest) = (0, 0.0_f64);
            for &[a, b] in &pairs {
                let places = [a, b].map(|kind| self.ground.place(member, kind));
                if let [Some(a), Some(b)] = places {
                    whole += 1;
                    furthest = furthest.max(distance(a, b));
                }
                for (kind, other, [before, after]) in
                    [(a, b, places), (b, a, [places[1], places[0]])]
                {
                    if before != after {
                        let with = self.skeleton.keypoints.get(usize::from(other)).cloned();
                        moves.push(Move { instance: member, kind, after, with });
                    }
                }
            }
            // One pair alone is a swap.
            if whole < 2 || !is_strong(self.ground, self.plan, furthest) {
                return None;
            }
        }
        Some(moves)
    }

    /// A third to two thirds of the keypoints have the places of another individual of the
    /// image, or, where there is none, those of the same individual in another labelled frame of
    /// the video.
    pub(super) fn chimera(&mut self, frames: &[u32]) -> Option<Vec<Move>> {
        let mut kinds = self.kinds();
        let least = kinds.len().div_ceil(THIRDS).max(1);
        let most = kinds.len() - kinds.len().div_ceil(THIRDS);
        if kinds.len() < THIRDS || most < least {
            return None;
        }
        self.random.shuffle(&mut kinds);
        kinds.truncate(least + self.random.below((most - least + 1) as u64) as usize);
        let (donors, name) = self.donors(frames, &kinds)?;
        let mut moves = Vec::new();
        for (&instance, &donor) in self.members.iter().zip(&donors) {
            for &kind in &kinds {
                let after = self.ground.place(donor, kind);
                if after != self.ground.place(instance, kind) {
                    moves.push(Move { instance, kind, after, with: Some(name.clone()) });
                }
            }
        }
        Some(moves)
    }

    /// Returns whose places a chimera has in each frame, and the name of that individual or
    /// frame.
    fn donors(&mut self, frames: &[u32], kinds: &[u16]) -> Option<(Vec<u32>, String)> {
        let ground = self.ground;
        let own = self.members[0];
        let skeleton = ground.instance(own).skeleton;
        let mut others: Vec<u32> = (ground.poses(frames[0]))
            .filter(|&other| other != own && ground.instance(other).skeleton == skeleton)
            .collect();
        self.random.shuffle(&mut others);
        for other in others {
            if let Some(donors) = follow(ground, other, frames)
                && self.mixes(&donors, kinds)
            {
                return Some((donors, ground.dataset.instance_name(ground.instance(other))));
            }
        }
        let mut elsewhere: Vec<u32> = (ground.siblings(frames[0]).iter().copied())
            .filter(|frame| !frames.contains(frame))
            .collect();
        self.random.shuffle(&mut elsewhere);
        elsewhere.into_iter().find_map(|frame| {
            let donor = |&member: &u32| ground.counterpart(member, frame);
            let donors = self.members.iter().map(donor).collect::<Option<Vec<u32>>>()?;
            let name = ground.dataset.images[frame as usize].path.clone();
            self.mixes(&donors, kinds).then_some((donors, name))
        })
    }

    /// Returns whether donors have the keypoints, and one as far away as the strength asks.
    fn mixes(&self, donors: &[u32], kinds: &[u16]) -> bool {
        self.members.iter().zip(donors).all(|(&member, &donor)| {
            let mut furthest = 0.0_f64;
            for &kind in kinds {
                let places = self.ground.place(member, kind).zip(self.ground.place(donor, kind));
                let Some((a, b)) = places else { return false };
                furthest = furthest.max(distance(a, b));
            }
            is_strong(self.ground, self.plan, furthest)
        })
    }
}
