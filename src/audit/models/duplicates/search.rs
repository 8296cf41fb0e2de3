//! Finds pictures that look alike among many, without comparing all with all.
//!
//! Each picture is compared with those few whose places are nearest, as it is and mirrored.
//! Where all frames look alike, as those of a fixed camera do, the nearest few are still the
//! most alike; and where many are the same, as of an animal that rests, one is kept for them and
//! the search is repeated among those that are kept. So time and memory grow with the number of
//! pictures, not with that of pairs.

use rayon::prelude::*;

use super::likeness::{Compared, Likeness, Limits, Seen};
use super::place::{Place, View, WAVES_OF_PLACE, mirrored, place};
use super::relation::Relation;
use crate::stats::nearest::{Nearest, Search};

/// Pictures that each is compared with at most, as it is, and mirrored.
const NEAREST: usize = 16;
/// Ranks of those of them that are compared under crops and changes of brightness, which takes
/// longer. The nearest may have been changed in the same way as the picture; those further off
/// show the scene as it was.
const CHANGED: [usize; 5] = [0, 1, 3, 7, 14];
/// Leaves of the tree, of up to 32 places, that are looked into for a picture.
const LEAVES: usize = 32;

/// Two pictures that are alike, by index; the first is the smaller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Link {
    pub(super) views: [u32; 2],
    pub(super) likeness: Likeness,
}

/// Returns pairs of pictures that are alike: enough of them to join all that are found. Places
/// of pictures that are compared differ by `radius` at most.
pub(super) fn links(views: &[View<'_>], limits: &Limits, radius: f32) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    let mut kept: Vec<u32> = (0..views.len() as u32).collect();
    let mut asked = kept.clone();
    let mut covered = vec![false; views.len()];
    loop {
        let places: Vec<Place> = kept.iter().map(|&at| views[at as usize].place).collect();
        let round = Round { views, limits, radius, kept: &kept, tree: Nearest::of(&places) };
        let found: Vec<Found> = asked.par_iter().map(|&at| round.find(at)).collect();
        let mut new: Vec<Link> = found.iter().flat_map(|found| &found.links).copied().collect();
        new.sort_by_key(|link| ([link.views[1], link.views[0]], link.likeness.relation));
        new.dedup_by_key(|link| link.views);
        let before = kept.len();
        cover(&new, &mut covered);
        links.append(&mut new);
        kept.retain(|&at| !covered[at as usize]);
        let crowded =
            asked.iter().zip(&found).filter(|(at, found)| found.crowded && !covered[**at as usize]);
        asked = crowded.map(|(&at, _)| at).collect();
        if asked.is_empty() || kept.len() == before {
            return links;
        }
    }
}

/// Marks every picture that is the same as an earlier one that is not marked, which stands for
/// it from now on. Links must be sorted by their second picture.
fn cover(links: &[Link], covered: &mut [bool]) {
    for link in links {
        let Relation { mirrored, cropped, brightness, resized: _ } = link.likeness.relation;
        let [first, second] = link.views.map(|at| at as usize);
        if !(mirrored || cropped || brightness || covered[first]) {
            covered[second] = true;
        }
    }
}

/// Pictures that are searched, and where.
struct Round<'a> {
    views: &'a [View<'a>],
    limits: &'a Limits,
    radius: f32,
    /// The pictures in the tree.
    kept: &'a [u32],
    tree: Nearest<WAVES_OF_PLACE>,
}

/// What is found for a picture.
#[derive(Default)]
struct Found {
    links: Vec<Link>,
    /// Whether there may be more.
    crowded: bool,
}

impl Round<'_> {
    fn find(&self, at: u32) -> Found {
        let view = &self.views[at as usize];
        let mut found = Found::default();
        self.compare(at, view, false, &mut found);
        self.compare(at, &view.mirrored(&mirrored(view.thumbnail)), true, &mut found);
        found
    }

    /// Compares a picture, as it is or mirrored, with those near its place.
    fn compare(&self, at: u32, view: &View<'_>, mirrored: bool, found: &mut Found) {
        let mut add = |other: u32, likeness: Likeness| {
            let resized =
                !likeness.relation.cropped && view.size != self.views[other as usize].size;
            let relation = Relation { mirrored, resized, ..likeness.relation };
            let views = [at.min(other), at.max(other)];
            found.links.push(Link { views, likeness: Likeness { relation, ..likeness } });
        };
        let seen = Seen::of(view);
        let near = self.near(&view.place);
        let full = near.len() == NEAREST;
        let mut others = Vec::new();
        for other in near.into_iter().filter(|&other| other != at) {
            match self.limits.same(&seen, &self.views[other as usize]) {
                Some(likeness) => add(other, likeness),
                None => others.push(other),
            }
        }
        let mut scenes = Vec::new();
        for &other in CHANGED.iter().filter_map(|&rank| others.get(rank)) {
            let frame = Seen::of(&self.views[other as usize]);
            match self.limits.changed(&seen, &frame) {
                Some(Compared { likeness: Some(likeness), .. }) => add(other, likeness),
                Some(Compared { crop, likeness: None }) => scenes.push((frame, crop)),
                None => {}
            }
        }
        // Another frame of the scene tells how this one was changed, and so where to look for
        // the frame that it was made of.
        for (frame, crop) in scenes {
            let near = self.near(&place(&seen.as_framed(&frame, crop)));
            let alike = near.into_iter().filter(|&other| other != at).find_map(|other| {
                let compared = Seen::of(&self.views[other as usize]);
                Some((other, self.limits.under(&seen, &compared, crop)?.likeness?))
            });
            if let Some((other, likeness)) = alike {
                add(other, likeness);
                break;
            }
        }
        // Pictures that are the same have taken the places of others.
        found.crowded |= full && others.len() < CHANGED.len();
    }

    /// Returns the pictures near a place, the nearest first.
    fn near(&self, place: &Place) -> Vec<u32> {
        let search = Search { radius: self.radius, count: NEAREST, leaves: LEAVES };
        let found = self.tree.near(place, search);
        found.iter().map(|near| self.kept[near.point as usize]).collect()
    }
}
