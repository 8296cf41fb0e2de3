//! Whether two pictures look alike, cell by cell, and how they differ.

use std::borrow::Cow;

use super::align::{Crop, Levels, align, refine};
use super::curve::{CLOSE, Curve, STEADY};
use super::relation::Relation;
use crate::audit::Settings;
use crate::pixels::{Cells, HALF, THUMBNAIL, Thumbnail, halved};

/// Crop, as a share of a side, below which a fit finds noise.
const MIN_CROP: f64 = 0.003;
/// Share of what differs between two pictures that a crop or a change of brightness may leave:
/// one that leaves more is not what tells them apart.
const LEFT: f32 = 0.5;

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

/// What is compared of a picture.
pub(super) struct Seen<'a> {
    pub(super) thumbnail: Cow<'a, Thumbnail>,
    levels: Levels,
    /// The level below which each sixteenth of its thumbnail lies.
    quantiles: [u8; QUANTILES],
    /// Contrast of its large waves, grey levels.
    detail: f32,
}

/// Number of quantiles by which a change of brightness shows.
const QUANTILES: usize = 15;

impl<'a> Seen<'a> {
    pub(super) fn of(thumbnail: Cow<'a, Thumbnail>, detail: f32) -> Self {
        let levels = Levels::of(halved(&thumbnail));
        let mut counts = [0_usize; 256];
        thumbnail.iter().for_each(|&level| counts[usize::from(level)] += 1);
        let mut quantiles = [0; QUANTILES];
        let (mut at, mut below) = (0, 0);
        for (level, count) in (0..=u8::MAX).zip(counts) {
            below += count;
            while at < QUANTILES && below * (QUANTILES + 1) > (at + 1) * thumbnail.len() {
                quantiles[at] = level;
                at += 1;
            }
        }
        Seen { thumbnail, levels, quantiles, detail }
    }

    /// Returns its cells.
    pub(super) fn cells(&self) -> &Cells {
        &self.levels.fine
    }
}

/// What comparing two pictures under a change tells.
pub(super) enum Compared {
    /// They are alike.
    Alike(Likeness),
    /// They are not, but the change brings most of them together: another moment of one scene.
    Scene(Change),
    /// They have nothing to do with each other.
    Different,
}

/// How one of two pictures was made of the other.
pub(super) enum Change {
    /// By cropping it, the first of the other or the other way round.
    Crop { crop: Crop, first_is_part: bool },
    /// By changing its brightness; the curve takes the first to the other.
    Brightness(Curve),
}

impl Limits {
    /// Returns how alike two pictures are of which none was cropped or graded. The difference
    /// of their means does not count: an encoder or an automatic exposure may have moved it.
    pub(super) fn unchanged(&self, a: &Seen<'_>, b: &Thumbnail, b_detail: f32) -> Option<Likeness> {
        let limit = self.limit(a.detail.min(b_detail));
        let cells = halved(b);
        let mean =
            a.cells().iter().zip(&cells).map(|(a, b)| a - b).sum::<f32>() / cells.len() as f32;
        let mut difference = 0.0_f32;
        for (a, b) in a.cells().chunks_exact(HALF).zip(cells.chunks_exact(HALF)) {
            let of_row = a.iter().zip(b).map(|(a, b)| (a - b - mean).abs());
            difference = of_row.fold(difference, f32::max);
            if difference > limit {
                return None;
            }
        }
        let relation = Relation { brightness: mean.abs() > limit, ..Relation::default() };
        Some(Likeness { relation, difference, limit })
    }

    /// Compares two pictures of which one may be the other in another brightness.
    pub(super) fn graded(&self, a: &Seen<'_>, b: &Seen<'_>) -> Compared {
        let limit = self.limit(a.detail.min(b.detail));
        let moved = a.quantiles.iter().zip(b.quantiles).map(|(a, b)| a.abs_diff(b));
        // What has the same brightness throughout was not graded.
        if moved.max().map_or(0.0, f32::from) <= limit {
            return Compared::Different;
        }
        let Some(curve) = Curve::fit(a.cells(), b.cells(), &STEADY) else {
            return Compared::Different;
        };
        if apart(&a.cells().map(|level| curve.at(level)), b.cells(), 0.0)
            > LEFT * apart(a.cells(), b.cells(), 0.0)
        {
            return Compared::Different;
        }
        // Detail that one of the two lost in black or white can only be taken from the other.
        let found = (self.explained(a.cells(), a.cells(), b, limit))
            .or_else(|| self.explained(b.cells(), b.cells(), a, limit));
        found.map_or(Compared::Scene(Change::Brightness(curve)), Compared::Alike)
    }

    /// Compares two pictures of which one may be a crop of the other, in another brightness
    /// where a curve is known that takes the first to the other.
    pub(super) fn uncropped(&self, a: &Seen<'_>, b: &Seen<'_>, curve: Option<&Curve>) -> Compared {
        let crop = match curve {
            Some(curve) => align(&Levels::of(a.cells().map(|level| curve.at(level))), &b.levels),
            None => align(&a.levels, &b.levels),
        };
        let Some(crop) = crop else { return Compared::Different };
        let first_is_part = crop.sum() < 0.0;
        let crop = if first_is_part { crop.reversed() } else { crop };
        self.cropped(a, b, crop, first_is_part)
    }

    /// Compares two pictures of which one is the crop of the other that is nearly known.
    pub(super) fn cropped(
        &self,
        a: &Seen<'_>,
        b: &Seen<'_>,
        crop: Crop,
        first_is_part: bool,
    ) -> Compared {
        let (whole, part) = if first_is_part { (b, a) } else { (a, b) };
        let Some(crop) = refine(&whole.levels, &part.levels, crop) else {
            return Compared::Different;
        };
        let greatest = crop.0.into_iter().fold(0.0, f64::max);
        if !(MIN_CROP..=self.max_crop).contains(&greatest) {
            return Compared::Different;
        }
        let limit = self.limit(whole.detail.min(part.detail));
        let cells = crop.of(&whole.thumbnail);
        if let Some(likeness) = self.explained(whole.cells(), &cells, part, limit) {
            let relation = Relation { cropped: true, ..likeness.relation };
            return Compared::Alike(Likeness { relation, ..likeness });
        }
        let steady = Curve::fit(&cells, part.cells(), &STEADY);
        let left = steady.map(|curve| deviation(&cells.map(|level| curve.at(level)), part.cells()));
        if left.is_some_and(|left| left <= LEFT * deviation(whole.cells(), part.cells())) {
            return Compared::Scene(Change::Crop { crop, first_is_part });
        }
        Compared::Different
    }

    /// Returns how alike two pictures are once a change is undone; `None` unless the change is
    /// what told them apart, and every cell agrees.
    fn explained(
        &self,
        before: &Cells,
        changed: &Cells,
        to: &Seen<'_>,
        limit: f32,
    ) -> Option<Likeness> {
        let curve = Curve::fit(changed, to.cells(), &CLOSE)?;
        let fitted: Cells = changed.map(|level| curve.at(level));
        if deviation(&fitted, to.cells()) > LEFT * deviation(before, to.cells()) {
            return None;
        }
        let around = contrast_around(&to.thumbnail);
        let difference = (fitted.iter().zip(to.cells()).zip(&around))
            .map(|((a, b), around)| (a - b).abs() - self.max_edge_share * around)
            .fold(0.0, f32::max);
        let relation = Relation { brightness: curve.change() > limit, ..Relation::default() };
        (difference <= limit).then_some(Likeness { relation, difference, limit })
    }

    fn limit(&self, detail: f32) -> f32 {
        self.max_difference.min(self.max_detail_share * detail)
    }
}

/// Returns the mean difference of cells, less that of their means. An animal that moved counts
/// little: it takes few cells.
fn deviation(a: &Cells, b: &Cells) -> f32 {
    apart(a, b, a.iter().zip(b).map(|(a, b)| a - b).sum::<f32>() / a.len() as f32)
}

/// Returns the mean difference of cells from a level.
fn apart(a: &Cells, b: &Cells, level: f32) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b - level).abs()).sum::<f32>() / a.len() as f32
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
