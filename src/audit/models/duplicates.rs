//! Images with the same content, and images that look nearly alike.
//!
//! Near duplicates are first guessed by their perceptual hashes, and then confirmed on
//! their thumbnails: every cell must agree, so that two frames of a fixed camera are
//! alike only when nothing moved. Where the images differ in size, one may be a crop
//! of the other, and the thumbnails are laid over each other at several scales and
//! offsets.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::audit::Settings;
use crate::facts::{Facts, Status};
use crate::pixels::{THUMBNAIL, thumbnail_detail};

/// Two images that look nearly alike, by index; the first is the smaller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Pair {
    /// The images.
    pub(in crate::audit) images: [usize; 2],
    /// Bits of the perceptual hash that differ.
    pub(in crate::audit) bits: u32,
    /// How alike they are: 1 where the thumbnails agree, one half where they differ as
    /// much as a pair may.
    pub(in crate::audit) likeness: f64,
}

/// Returns the groups of two or more images with the same file or the same pixels,
/// each in ascending order.
pub(in crate::audit) fn exact(facts: &Facts) -> Vec<Vec<usize>> {
    let mut joined = Groups::new(facts.images.len());
    let mut files: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    let mut pictures: BTreeMap<(u64, [u32; 2]), usize> = BTreeMap::new();
    for (image, known) in facts.images.iter().enumerate() {
        // Empty and broken files are alike, too, and have a rule of their own.
        if !matches!(known.status, Status::Decoded | Status::LfsPointer) {
            continue;
        }
        if let Some(sha256) = known.sha256 {
            joined.join(*files.entry(sha256).or_insert(image), image);
        }
        if let (Some(pixels), Some(size)) = (&known.pixels, known.size_px) {
            let key = (pixels.pixel_hash, size);
            joined.join(*pictures.entry(key).or_insert(image), image);
        }
    }
    joined.of_two_or_more()
}

/// Returns the pairs of images that look nearly alike but are not [`exact`]ly the
/// same, sorted. Of images that are, only the first is compared.
pub(in crate::audit) fn near(facts: &Facts, settings: &Settings) -> Vec<Pair> {
    let limits = Limits::of(settings);
    let mut copy = vec![false; facts.images.len()];
    for group in exact(facts) {
        for &image in &group[1..] {
            copy[image] = true;
        }
    }
    let views: Vec<View<'_>> = (facts.images.par_iter().enumerate())
        .filter_map(|(image, known)| {
            let (pixels, size) = (known.pixels.as_ref()?, known.size_px?);
            // The hash of an image without detail is that of its noise.
            let telling = f64::from(thumbnail_detail(&pixels.thumbnail)) >= limits.min_detail;
            (telling && pixels.blur_px.is_some() && !copy[image]).then_some(View {
                image,
                hash: pixels.perceptual_hash,
                size,
                thumbnail: &pixels.thumbnail,
            })
        })
        .collect();
    let mut pairs: Vec<Pair> = (0..views.len())
        .into_par_iter()
        .flat_map_iter(|at| {
            let (views, limits) = (&views, &limits);
            (at + 1..views.len()).filter_map(move |other| views[at].pair(&views[other], limits))
        })
        .collect();
    pairs.sort_by_key(|pair| pair.images);
    pairs
}

/// Joins pairs into groups of images, each in ascending order.
pub(in crate::audit) fn groups(facts: &Facts, pairs: &[Pair]) -> Vec<Vec<usize>> {
    let mut joined = Groups::new(facts.images.len());
    for pair in pairs {
        joined.join(pair.images[0], pair.images[1]);
    }
    joined.of_two_or_more()
}

/// Returns the groups of images that are the same or nearly so, each in ascending order.
pub(in crate::audit) fn alike(facts: &Facts, settings: &Settings) -> Vec<Vec<usize>> {
    let mut joined = Groups::new(facts.images.len());
    for group in exact(facts) {
        for &image in &group[1..] {
            joined.join(group[0], image);
        }
    }
    for pair in near(facts, settings) {
        joined.join(pair.images[0], pair.images[1]);
    }
    joined.of_two_or_more()
}

/// What makes a pair.
struct Limits {
    /// Bits of the perceptual hash that may differ.
    max_bits: u32,
    /// Difference between any two cells of images of one size, grey levels.
    max_difference: f64,
    /// Root mean square difference between cells of images of different sizes.
    max_rms: f64,
    /// Share of a side that a crop may have cut off.
    max_crop: f64,
    /// Contrast that a thumbnail needs, grey levels.
    min_detail: f64,
}

impl Limits {
    fn of(settings: &Settings) -> Limits {
        Limits {
            max_bits: settings.get("max_bits") as u32,
            max_difference: settings.get("max_difference"),
            max_rms: settings.get("max_rms"),
            max_crop: settings.get("max_crop"),
            min_detail: settings.get("min_detail"),
        }
    }
}

type Thumbnail = [u8; THUMBNAIL * THUMBNAIL];

/// What is compared of an image.
struct View<'a> {
    image: usize,
    hash: u64,
    size: [u32; 2],
    thumbnail: &'a Thumbnail,
}

impl View<'_> {
    fn pair(&self, other: &View<'_>, limits: &Limits) -> Option<Pair> {
        let bits = (self.hash ^ other.hash).count_ones();
        if bits > limits.max_bits {
            return None;
        }
        let (difference, limit) = if self.size == other.size {
            (greatest(self.thumbnail, other.thumbnail), limits.max_difference)
        } else {
            // Which of the two is the crop is not known: a crop may be enlarged.
            let (a, b) = (self.thumbnail, other.thumbnail);
            (crop(a, b, limits.max_crop).min(crop(b, a, limits.max_crop)), limits.max_rms)
        };
        (difference <= limit).then_some(Pair {
            images: [self.image, other.image],
            bits,
            likeness: 1.0 - 0.5 * difference / limit,
        })
    }
}

/// Returns the greatest difference between cells, less that of the means, which an
/// automatic exposure or another encoder may have moved.
fn greatest(a: &Thumbnail, b: &Thumbnail) -> f64 {
    let differences = || a.iter().zip(b).map(|(&a, &b)| i32::from(a) - i32::from(b));
    let mean = f64::from(differences().sum::<i32>()) / a.len() as f64;
    differences().map(|difference| (f64::from(difference) - mean).abs()).fold(0.0, f64::max)
}

/// Steps in which the share that a crop cut off is tried.
const CROP_STEP: f64 = 0.005;

/// Returns the root mean square difference between the cells of `part` and those of
/// `whole` under it, where `part` fits best as a crop of `whole`.
///
/// Where the sides were cut is found for columns and rows apart, on their means.
fn crop(whole: &Thumbnail, part: &Thumbnail, max_crop: f64) -> f64 {
    let side = |at: usize, across: bool, image: &Thumbnail| {
        let cell = |i: usize| image[if across { i * THUMBNAIL + at } else { at * THUMBNAIL + i }];
        (0..THUMBNAIL).map(|i| f64::from(cell(i))).sum::<f64>() / THUMBNAIL as f64
    };
    let cut = |across: bool| {
        let means = |image| std::array::from_fn(|at| side(at, across, image));
        best_cut(&means(whole), &means(part), max_crop)
    };
    let (columns, rows) = (cut(true), cut(false));
    // Resample along the rows, then down the columns.
    let mut square = 0.0;
    let lines: Vec<[f64; THUMBNAIL]> = (whole.chunks_exact(THUMBNAIL))
        .map(|line| {
            let line = std::array::from_fn(|x| f64::from(line[x]));
            columns.resample(&line)
        })
        .collect();
    for x in 0..THUMBNAIL {
        let column = rows.resample(&std::array::from_fn(|y| lines[y][x]));
        for (y, value) in column.iter().enumerate() {
            square += (value - f64::from(part[y * THUMBNAIL + x])).powi(2);
        }
    }
    (square / part.len() as f64).sqrt()
}

/// Where a side was cut, as shares of its length from its start.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    from: f64,
    to: f64,
}

impl Cut {
    /// Returns the cells of the part between the cuts, linear between the centres of
    /// the cells of the whole.
    fn resample(self, whole: &[f64; THUMBNAIL]) -> [f64; THUMBNAIL] {
        std::array::from_fn(|at| {
            let share = (at as f64 + 0.5) / THUMBNAIL as f64;
            let place = (self.from + (self.to - self.from) * share) * THUMBNAIL as f64 - 0.5;
            let place = place.clamp(0.0, (THUMBNAIL - 1) as f64);
            let cell = (place as usize).min(THUMBNAIL - 2);
            let next = place - cell as f64;
            whole[cell] * (1.0 - next) + whole[cell + 1] * next
        })
    }
}

/// Returns the cuts after which the whole is most like the part.
fn best_cut(whole: &[f64; THUMBNAIL], part: &[f64; THUMBNAIL], max_crop: f64) -> Cut {
    let steps = (max_crop / CROP_STEP) as usize;
    let mut best = (f64::MAX, Cut { from: 0.0, to: 1.0 });
    for start in 0..=steps {
        for end in 0..=steps - start {
            let cut = Cut { from: start as f64 * CROP_STEP, to: 1.0 - end as f64 * CROP_STEP };
            let resampled = cut.resample(whole);
            let square: f64 = resampled.iter().zip(part).map(|(a, b)| (a - b).powi(2)).sum();
            if square < best.0 {
                best = (square, cut);
            }
        }
    }
    best.1
}

/// Sets of images that are joined step by step.
struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Groups {
        Groups { parent: (0..count).collect() }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    fn of_two_or_more(mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.parent.len() {
            let root = self.root(at);
            groups.entry(root).or_default().push(at);
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }
}
