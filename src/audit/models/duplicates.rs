//! Images with the same content, and images that look nearly alike.
//!
//! Near duplicates are pictures that were encoded again, resized, cropped, mirrored or changed
//! in brightness, and frames between which nothing moved. [`search`] proposes pairs,
//! [`likeness`] compares them cell by cell, so that two frames of a fixed camera are alike only
//! where nothing moved, and what is alike is joined to groups.

mod align;
mod curve;
mod likeness;
mod place;
mod relation;
mod search;
#[cfg(test)]
mod tests;
mod union;

use std::collections::BTreeMap;

use rayon::prelude::*;

use self::likeness::Limits;
use self::place::View;
pub(in crate::audit) use self::relation::Relation;
use self::search::{Link, links};
use self::union::Union;
use crate::audit::Settings;
use crate::facts::{Facts, Status};

/// Images that look nearly alike.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::audit) struct Group {
    /// Two or more, by index, ascending.
    pub(in crate::audit) images: Vec<usize>,
    /// How each differs from the first, over those that lie between.
    pub(in crate::audit) relations: Vec<Relation>,
    /// The greatest difference of a cell between images that were joined, grey levels.
    pub(in crate::audit) difference: f64,
    /// How alike they are: 1 where all cells agree, one half where some differ as much as they
    /// may.
    pub(in crate::audit) likeness: f64,
}

impl Group {
    /// Returns the images that are not mirrored against each other: two lists, of which each may
    /// have one image only.
    pub(in crate::audit) fn sides(&self) -> [Vec<usize>; 2] {
        [false, true].map(|mirrored| {
            let of_side = self.images.iter().zip(&self.relations);
            of_side.filter(|(_, is)| is.mirrored == mirrored).map(|(&image, _)| image).collect()
        })
    }
}

/// Returns the groups of two or more images with the same file or the same pixels,
/// each in ascending order.
pub(in crate::audit) fn exact(facts: &Facts) -> Vec<Vec<usize>> {
    let mut joined = Union::new(facts.images.len());
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

/// Returns the groups of images that look nearly alike but are not [`exact`]ly the same, in the
/// order of their first images. Of images that are, only the first is compared.
pub(in crate::audit) fn near(facts: &Facts, settings: &Settings) -> Vec<Group> {
    let mut copy = vec![false; facts.images.len()];
    for group in exact(facts) {
        for &image in &group[1..] {
            copy[image] = true;
        }
    }
    let min_detail = settings.get("min_detail") as f32;
    let (images, views): (Vec<usize>, Vec<View<'_>>) = (facts.images.par_iter().enumerate())
        .filter_map(|(image, known)| {
            let (pixels, size) = (known.pixels.as_ref()?, known.size_px?);
            if copy[image] || pixels.blur_px.is_none() {
                return None;
            }
            // The place of a picture without detail is that of its noise.
            let view = View::of(&pixels.thumbnail, size);
            (view.detail >= min_detail).then_some((image, view))
        })
        .unzip();
    let links = links(&views, &Limits::of(settings), settings.get("max_distance") as f32);
    let mut groups = groups(views.len(), links);
    for group in &mut groups {
        group.images.iter_mut().for_each(|at| *at = images[*at]);
    }
    groups
}

/// Returns the groups of images that are the same or nearly so, each in ascending order.
pub(in crate::audit) fn alike(facts: &Facts, settings: &Settings) -> Vec<Vec<usize>> {
    let mut joined = Union::new(facts.images.len());
    let near = near(facts, settings).into_iter().map(|group| group.images);
    for group in exact(facts).into_iter().chain(near) {
        for &image in &group[1..] {
            joined.join(group[0], image);
        }
    }
    joined.of_two_or_more()
}

/// Joins views to groups by as few links as that takes: those that change least.
fn groups(views: usize, mut links: Vec<Link>) -> Vec<Group> {
    links.sort_by(|a, b| {
        let [one, other] = [a, b].map(|link| link.likeness);
        (one.relation.cmp(&other.relation))
            .then(one.difference.total_cmp(&other.difference))
            .then(a.views.cmp(&b.views))
    });
    let mut joined = Union::new(views);
    links.retain(|link| joined.join(link.views[0] as usize, link.views[1] as usize));
    let mut by_view: BTreeMap<usize, Vec<&Link>> = BTreeMap::new();
    for link in &links {
        for view in link.views {
            by_view.entry(view as usize).or_default().push(link);
        }
    }
    (joined.of_two_or_more().into_iter()).map(|images| group(images, &by_view)).collect()
}

/// Makes a group of views that links join like the branches of a tree.
fn group(images: Vec<usize>, links: &BTreeMap<usize, Vec<&Link>>) -> Group {
    let mut known = BTreeMap::from([(images[0], Relation::default())]);
    let (mut difference, mut likeness) = (0.0_f64, 1.0_f64);
    let mut open = vec![images[0]];
    while let Some(view) = open.pop() {
        let relation = known[&view];
        for link in &links[&view] {
            let other = link.views.iter().sum::<u32>() as usize - view;
            if known.contains_key(&other) {
                continue;
            }
            let found = link.likeness;
            known.insert(other, relation.then(found.relation));
            difference = difference.max(f64::from(found.difference));
            likeness = likeness.min(1.0 - 0.5 * f64::from(found.difference / found.limit));
            open.push(other);
        }
    }
    Group { images, relations: known.into_values().collect(), difference, likeness }
}
