//! Whether two pictures look alike, cell by cell, and how they differ.

use super::align::{Crop, Levels, align, refine};
use super::curve::{CLOSE, Curve, STEADY};
use super::place::View;
use super::relation::Relation;
use crate::audit::Settings;
use crate::pixels::{Cells, HALF, THUMBNAIL, Thumbnail, halved, halved_rows};

/// Crop, as a share of a side, below which a fit finds noise.
const MIN_CROP: f64 = 0.003;
/// Share of what differs between two pictures that a crop or a change of brightness may leave:
/// one that leaves more is not what tells them apart.
const LEFT: f32 = 0.5;

/// The same where the sizes of the two tell of the crop that was found, too: one of a hundredth
/// explains little more than fine detail hides.
const LEFT_AS_TOLD: f32 = 0.7;
/// How many times the share of the contrast around it a cell may differ by then.
const EDGE_AS_TOLD: f32 = 1.75;

/// What makes two pictures alike.
pub(super) struct Limits {
    /// Difference that a cell may have, grey levels.
    max_difference: f32,
    /// The same as a share of the picture's detail, for pictures of little contrast.
    max_detail_share: f32,
    /// What a cell may differ by besides, as a share of the contrast around it, where a crop or
    /// a change of brightness was undone.
    max_edge_share: f32,
    /// Share of a side that a crop may have cut off.
    max_crop: f64,
}

impl Limits {
    pub(super) fn of(settings: &Settings) -> Limits {
        Limits {
            max_difference: settings.get("max_difference") as f32,
            max_detail_share: settings.get("max_detail_share") as f32,
            max_edge_share: settings.get("max_edge_share") as f32,
            max_crop: settings.get("max_crop"),
        }
    }
}

/// How alike two pictures are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Likeness {
    pub(super) relation: Relation,
    /// The greatest difference of a cell, grey levels.
    pub(super) difference: f32,
    /// What it may be.
    pub(super) limit: f32,
}

/// A picture that is being compared.
pub(super) struct Seen<'a> {
    view: &'a View<'a>,
    levels: Levels,
}

impl<'a> Seen<'a> {
    pub(super) fn of(view: &'a View<'a>) -> Self {
        Seen { view, levels: Levels::of(halved(view.thumbnail)) }
    }

    fn cells(&self) -> &Cells {
        &self.levels.fine
    }

    /// Returns its cells as they would be if it had been changed as another frame of its scene
    /// was, of which `crop` tells how that was cropped of it.
    pub(super) fn as_framed(&self, frame: &Seen<'_>, crop: Crop) -> Cells {
        let cells = if crop.sum() < 0.0 {
            crop.reversed().undone(self.cells(), frame.cells())
        } else {
            crop.of(self.view.thumbnail)
        };
        Curve::fit(&cells, frame.cells(), &STEADY).map_or(cells, |curve| curve.over(&cells))
    }
}

/// What comparing two pictures of one scene tells.
pub(super) struct Compared {
    /// How the second was cropped of the first; with its sign changed, how the first was of the
    /// second.
    pub(super) crop: Crop,
    /// How alike they are once crop and brightness are undone; `None` where that brings most of
    /// them together, but not all: another moment of the scene.
    pub(super) likeness: Option<Likeness>,
}

impl Limits {
    /// Returns how alike two pictures are of which none was cropped or graded. The difference
    /// of their means does not count: an encoder or an automatic exposure may have moved it.
    pub(super) fn same(&self, a: &Seen<'_>, b: &View<'_>) -> Option<Likeness> {
        let limit = self.limit(a.view, b);
        let moved = a.view.mean - b.mean;
        let mut difference = 0.0_f32;
        for (a, b) in a.cells().chunks_exact(HALF).zip(halved_rows(b.thumbnail)) {
            let of_row = a.iter().zip(&b).map(|(a, b)| (a - b - moved).abs());
            difference = of_row.fold(difference, f32::max);
            if difference > limit {
                return None;
            }
        }
        let relation = Relation { brightness: moved.abs() > limit, ..Relation::default() };
        Some(Likeness { relation, difference, limit })
    }

    /// Compares two pictures of which one may be a crop of the other or in another brightness;
    /// `None` where neither brings them together.
    pub(super) fn changed(&self, a: &Seen<'_>, b: &Seen<'_>) -> Option<Compared> {
        let uncropped = self.under(a, b, Crop::default());
        if let Some(Compared { likeness: Some(_), .. }) = uncropped {
            return uncropped;
        }
        // A crop is found more surely where the change of brightness is undone before.
        let curve = uncropped.as_ref().and_then(|_| Curve::fit(a.cells(), b.cells(), &STEADY));
        let graded = curve.map(|curve| Levels::of(curve.over(a.cells())));
        let crop = align(graded.as_ref().unwrap_or(&a.levels), &b.levels)
            .or_else(|| Crop::of_sizes(a.view.size, b.view.size, self.max_crop));
        crop.and_then(|crop| self.under(a, b, crop)).or(uncropped)
    }

    /// Compares two pictures of which the second is nearly this crop of the first, or the first
    /// of the second where the sides are less than nothing, in any brightness.
    pub(super) fn under(&self, a: &Seen<'_>, b: &Seen<'_>, crop: Crop) -> Option<Compared> {
        let first_is_part = crop.sum() < 0.0;
        let (whole, part) = if first_is_part { (b, a) } else { (a, b) };
        let mut crop = if first_is_part { crop.reversed() } else { crop };
        let cropped = crop != Crop::default();
        let mut cells = *whole.cells();
        if cropped {
            crop = refine(&whole.levels, &part.levels, crop)?;
            if !(MIN_CROP..=self.max_crop).contains(&crop.greatest()) {
                return None;
            }
            cells = crop.of(whole.view.thumbnail);
        }
        let told = cropped && crop.is_told_by(whole.view.size, part.view.size);
        let (left, edge_share) = if told {
            (LEFT_AS_TOLD, EDGE_AS_TOLD * self.max_edge_share)
        } else {
            (LEFT, self.max_edge_share)
        };
        let apart = left * deviation(whole.cells(), part.cells());
        let brought = |from: &Cells, to: &Cells, points: &[usize]| {
            let curve = Curve::fit(from, to, points)?;
            let fitted = curve.over(from);
            (deviation(&fitted, to) <= apart).then_some((fitted, curve))
        };
        let of_scene = brought(&cells, part.cells(), &STEADY).is_some();
        if !of_scene && !cropped {
            return None;
        }
        let limit = self.limit(a.view, b.view);
        let explained = |from: &Cells, to: &Cells| {
            let (fitted, curve) = brought(from, to, &CLOSE)?;
            let around = contrast_around(part.view.thumbnail);
            let difference = (fitted.iter().zip(to).zip(&around))
                .map(|((a, b), around)| (a - b).abs() - edge_share * around)
                .fold(0.0, f32::max);
            let brightness = curve.change() > limit;
            let relation = Relation { cropped, brightness, ..Relation::default() };
            (difference <= limit).then_some(Likeness { relation, difference, limit })
        };
        let mut likeness = explained(&cells, part.cells());
        if likeness.is_none() && !cropped {
            // Detail that one of the two lost in black or white can only be taken from the other.
            likeness = explained(part.cells(), &cells);
        }
        let crop = if first_is_part { crop.reversed() } else { crop };
        (of_scene || likeness.is_some()).then_some(Compared { crop, likeness })
    }

    /// Returns the difference that a cell may have.
    fn limit(&self, a: &View<'_>, b: &View<'_>) -> f32 {
        self.max_difference.min(self.max_detail_share * a.detail.min(b.detail))
    }
}

/// Returns the mean difference of cells, less that of their means. An animal that moved counts
/// little: it takes few cells.
fn deviation(a: &Cells, b: &Cells) -> f32 {
    let count = a.len() as f32;
    let mean = a.iter().zip(b).map(|(a, b)| a - b).sum::<f32>() / count;
    a.iter().zip(b).map(|(a, b)| (a - b - mean).abs()).sum::<f32>() / count
}

/// Returns the difference between the lightest and the darkest cell within one cell of each of
/// the thumbnail, as the mean of four.
fn contrast_around(thumbnail: &Thumbnail) -> Cells {
    let near = |at: usize| at.saturating_sub(1)..=(at + 1).min(THUMBNAIL - 1);
    let mut out: Box<Thumbnail> = Box::new([0; THUMBNAIL * THUMBNAIL]);
    for y in 0..THUMBNAIL {
        let (mut low, mut high) = ([u8::MAX; THUMBNAIL], [0; THUMBNAIL]);
        for line in near(y) {
            let row = &thumbnail[line * THUMBNAIL..(line + 1) * THUMBNAIL];
            for ((low, high), &level) in low.iter_mut().zip(&mut high).zip(row) {
                *low = level.min(*low);
                *high = level.max(*high);
            }
        }
        for x in 0..THUMBNAIL {
            let low = low[near(x)].iter().min();
            let high = high[near(x)].iter().max();
            out[y * THUMBNAIL + x] = high.zip(low).map_or(0, |(high, low)| high - low);
        }
    }
    halved(&out)
}
