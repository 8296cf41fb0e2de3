//! Finds pictures that look alike among many, without comparing all with all.
//!
//! A picture's place is its lowest waves, free of brightness and contrast. Each picture is
//! compared with the nearest few, as it is and mirrored. Where all frames look alike, as those
//! of a fixed camera do, the nearest few are still the most alike; and where many are the same,
//! as of an animal that rests, one is kept for them and the search is repeated among those that
//! are kept. So time and memory grow with the number of pictures, not with that of pairs.

use std::borrow::Cow;

use rayon::prelude::*;

use super::likeness::{Change, Compared, Likeness, Limits, Seen};
use super::relation::Relation;
use crate::pixels::{HALF, THUMBNAIL, Thumbnail, WAVES, Waves, halved, waves};
use crate::stats::nearest::{Nearest, Search};

/// Number of waves that make a place: those of orders 1 to [`ORDER`].
const WAVES_OF_PLACE: usize = 20;
/// Greatest number of half waves across and down together.
const ORDER: usize = 5;
/// Pictures that each is compared with at most, as it is, and mirrored.
const NEAREST: usize = 16;
/// Ranks of those of them that are compared under crops and changes of brightness, which takes
/// longer. The nearest may have been changed in the same way as the picture; those further off
/// show the scene as it was.
const CHANGED: [usize; 5] = [0, 1, 3, 7, 14];
/// Leaves of the tree, of up to 32 places, that are looked into for a picture.
const LEAVES: usize = 32;

type Place = [f32; WAVES_OF_PLACE];

/// A picture to be compared.
pub(super) struct View<'a> {
    thumbnail: &'a Thumbnail,
    size: [u32; 2],
    place: Place,
    /// Contrast of its large waves, grey levels.
    detail: f32,
}

/// Two pictures that are alike, by index; the first is the smaller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Link {
    pub(super) views: [u32; 2],
    pub(super) likeness: Likeness,
}

impl<'a> View<'a> {
    /// Returns a view, `None` for a picture with less detail than `min_detail`, grey levels: its
    /// place is that of its noise.
    pub(super) fn of(thumbnail: &'a Thumbnail, size: [u32; 2], min_detail: f32) -> Option<Self> {
        let waves = waves(&halved(thumbnail));
        let detail = waves[1..].iter().map(|wave| wave * wave).sum::<f32>().sqrt() / HALF as f32;
        (detail >= min_detail).then(|| View { thumbnail, size, place: place(&waves), detail })
    }

    fn seen(&self) -> Seen<'a> {
        Seen::of(Cow::Borrowed(self.thumbnail), self.detail)
    }

    fn mirrored(&self) -> Seen<'static> {
        let mut thumbnail = *self.thumbnail;
        thumbnail.chunks_exact_mut(THUMBNAIL).for_each(<[u8]>::reverse);
        Seen::of(Cow::Owned(thumbnail), self.detail)
    }
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
        self.compare(at, &view.seen(), view.place, false, &mut found);
        self.compare(at, &view.mirrored(), mirrored(view.place), true, &mut found);
        found
    }

    /// Compares a picture, as it is or mirrored, with those near a place.
    fn compare(&self, at: u32, seen: &Seen<'_>, place: Place, mirrored: bool, found: &mut Found) {
        let mut add = |other: u32, likeness: Likeness| {
            let resized = !likeness.relation.cropped
                && self.views[at as usize].size != self.views[other as usize].size;
            let relation = Relation { mirrored, resized, ..likeness.relation };
            let views = [at.min(other), at.max(other)];
            found.links.push(Link { views, likeness: Likeness { relation, ..likeness } });
        };
        let near = self.near(&place);
        let full = near.len() == NEAREST;
        let mut others = Vec::new();
        for other in near.into_iter().filter(|&other| other != at) {
            let view = &self.views[other as usize];
            match self.limits.unchanged(seen, view.thumbnail, view.detail) {
                Some(likeness) => add(other, likeness),
                None => others.push(other),
            }
        }
        // Pictures that are the same have taken the places of others.
        found.crowded |= full && others.len() < CHANGED.len();
        let mut scenes = Vec::new();
        for &other in CHANGED.iter().filter_map(|&rank| others.get(rank)) {
            let view = self.views[other as usize].seen();
            let mut compared = self.limits.graded(seen, &view);
            // A crop may have been graded, too.
            let curve = match &compared {
                Compared::Alike(_) => None,
                Compared::Scene(Change::Brightness(curve)) => Some(Some(curve)),
                Compared::Scene(_) | Compared::Different => Some(None),
            };
            let cropped = curve.map(|curve| self.limits.uncropped(seen, &view, curve));
            if let Some(cropped @ (Compared::Alike(_) | Compared::Scene(_))) = cropped {
                compared = cropped;
            }
            match compared {
                Compared::Alike(likeness) => add(other, likeness),
                Compared::Scene(change) => scenes.push((shifted(seen, &view, &change), change)),
                Compared::Different => {}
            }
        }
        // Another frame of the scene tells how this one was changed, and so where to look for
        // the frame that it was made of.
        for (place, change) in scenes {
            let mut alike = false;
            for other in self.near(&place).into_iter().filter(|&other| other != at) {
                let view = self.views[other as usize].seen();
                let compared = match change {
                    Change::Crop { crop, first_is_part } => {
                        self.limits.cropped(seen, &view, crop, first_is_part)
                    }
                    Change::Brightness(_) => self.limits.graded(seen, &view),
                };
                if let Compared::Alike(likeness) = compared {
                    add(other, likeness);
                    alike = true;
                }
            }
            if alike {
                break;
            }
        }
    }

    /// Returns the pictures near a place, the nearest first.
    fn near(&self, place: &Place) -> Vec<u32> {
        let search = Search { radius: self.radius, count: NEAREST, leaves: LEAVES };
        let found = self.tree.near(place, search);
        found.iter().map(|near| self.kept[near.point as usize]).collect()
    }
}

/// Returns the place at which to look for the picture that one was made of, or that was made of
/// it, given how it stands to another frame of the scene.
fn shifted(seen: &Seen<'_>, frame: &Seen<'_>, change: &Change) -> Place {
    let cells = match change {
        Change::Crop { crop, first_is_part: true } => crop.undone(seen.cells(), frame.cells()),
        Change::Crop { crop, first_is_part: false } => crop.of(&seen.thumbnail),
        Change::Brightness(curve) => seen.cells().map(|level| curve.at(level)),
    };
    place(&waves(&cells))
}

/// Returns the waves of a place, half waves across and down.
fn orders() -> impl Iterator<Item = (usize, usize)> {
    (0..=ORDER).flat_map(|down| (0..=ORDER - down).map(move |across| (across, down))).skip(1)
}

/// Returns the place of a picture with these waves: the waves of low order, each weighted by
/// the root of its frequency, since natural pictures have less of the high ones, scaled to
/// length one.
fn place(waves: &Waves) -> Place {
    let mut place = [0.0; WAVES_OF_PLACE];
    for (k, (across, down)) in place.iter_mut().zip(orders()) {
        let frequency = ((across * across + down * down) as f32).sqrt();
        *k = waves[down * WAVES + across] * frequency.sqrt();
    }
    let length = place.iter().map(|k| k * k).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    place.map(|k| k / length)
}

/// Returns the place of the mirrored picture: waves with an odd number of half waves across
/// change their sign.
fn mirrored(place: Place) -> Place {
    let mut place = place;
    for (k, (across, _)) in place.iter_mut().zip(orders()) {
        if across % 2 == 1 {
            *k = -*k;
        }
    }
    place
}
