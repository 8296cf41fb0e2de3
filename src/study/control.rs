//! The control of a cleaning: as many labels are left out, but ones that the audit did not flag.
//!
//! What cleaning does to a training is in part what any removal does: fewer labels. So for each
//! label that the cleaning leaves out, one that was not flagged is drawn which is as like it as
//! may be: of the same video and keypoint, and as sharp an image.

use std::collections::{BTreeMap, BTreeSet};

use crate::dataset::{Dataset, Edit};
use crate::facts::Facts;
use crate::stats::random::SplitMix64;

/// A control, and how well it matches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Control {
    /// What is left out.
    pub edits: Vec<Edit>,
    /// Removals that have a partner of the same video, keypoint and sharpness.
    pub exact: usize,
    /// Removals whose partner differs in some of them.
    pub relaxed: usize,
    /// Removals without a partner: so many fewer labels are left out than by the cleaning.
    pub unmatched: usize,
}

/// What labels may be drawn from.
#[derive(Debug)]
pub struct Pool<'a> {
    /// The dataset and its images; sharpness may be unknown.
    pub facts: &'a Facts,
    /// Images that are trained on.
    pub train: &'a BTreeSet<u32>,
    /// Labels that the audit flags, by index into [`Dataset::instances`] and keypoint.
    pub flagged: &'a BTreeSet<(u32, u16)>,
}

/// Kinds of removal, of which each has partners of its own kind only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Removed {
    Keypoint(u32, u16),
    Instance(u32),
    Image(u32),
}

/// What a partner should have in common: video, keypoint (or number of keypoints), and tercile
/// of sharpness.
type Likeness = [Option<u32>; 3];

/// Steps by which the likeness is given up where nobody is left: everything, then sharpness,
/// then the video too, then even the keypoint.
const RELAXED: [[bool; 3]; 4] =
    [[true; 3], [true, true, false], [false, true, false], [false, false, false]];

/// Draws the control of a cleaning that leaves labels out; other changes are passed over.
pub fn control(pool: &Pool<'_>, cleaning: &[Edit], seed: u64) -> Control {
    let dataset = &pool.facts.dataset;
    let removed: BTreeSet<Removed> = cleaning
        .iter()
        .filter_map(|edit| match *edit {
            Edit::DropKeypoint { instance, kind } => Some(Removed::Keypoint(instance, kind)),
            Edit::DropInstance { instance } => Some(Removed::Instance(instance)),
            Edit::DropImage { image } => Some(Removed::Image(image)),
            _ => None,
        })
        .collect();
    let terciles = terciles(pool);
    let likeness = |removed: Removed| -> Likeness {
        let (image, points) = match removed {
            Removed::Keypoint(instance, kind) => {
                (dataset.instances[instance as usize].image, u32::from(kind))
            }
            Removed::Instance(instance) => {
                let instance = &dataset.instances[instance as usize];
                (instance.image, u32::from(instance.len))
            }
            Removed::Image(image) => (image, 0),
        };
        let video = dataset.images[image as usize].video;
        [video, Some(points), terciles.get(&image).copied()]
    };
    let mut random = SplitMix64::named("control", seed);
    let mut candidates = candidates(pool, &removed);
    random.shuffle(&mut candidates);
    let mut candidates: Vec<(Removed, Likeness)> =
        candidates.into_iter().map(|of| (of, likeness(of))).collect();
    let mut wanted: Vec<(Removed, Likeness)> =
        removed.iter().map(|&of| (of, likeness(of))).collect();
    let mut control = Control::default();
    // All exact partners are found before any is spent on a poorer match.
    for (step, keep) in RELAXED.iter().enumerate() {
        wanted.retain(|(of, like)| {
            let same_kind =
                |other: &Removed| std::mem::discriminant(other) == std::mem::discriminant(of);
            let alike = |other: &Likeness| {
                keep.iter().zip(like.iter().zip(other)).all(|(keep, (a, b))| !keep || a == b)
            };
            let found = candidates.iter().position(|(o, other)| same_kind(o) && alike(other));
            let Some(found) = found else { return true };
            let (partner, _) = candidates.swap_remove(found);
            control.edits.push(match partner {
                Removed::Keypoint(instance, kind) => Edit::DropKeypoint { instance, kind },
                Removed::Instance(instance) => Edit::DropInstance { instance },
                Removed::Image(image) => Edit::DropImage { image },
            });
            *(if step == 0 { &mut control.exact } else { &mut control.relaxed }) += 1;
            false
        });
    }
    control.unmatched = wanted.len();
    control.edits.sort_by_key(|edit| match *edit {
        Edit::DropImage { image } => (0, image, 0),
        Edit::DropInstance { instance } => (1, instance, 0),
        Edit::DropKeypoint { instance, kind } => (2, instance, kind),
        _ => (3, 0, 0),
    });
    control
}

/// Returns what may be left out in place of something flagged: labels, animals and images of the
/// training part of which nothing is flagged or left out.
fn candidates(pool: &Pool<'_>, removed: &BTreeSet<Removed>) -> Vec<Removed> {
    let dataset: &Dataset = &pool.facts.dataset;
    let mut free = Vec::new();
    let mut clean_images = pool.train.clone();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let at = at as u32;
        if !pool.train.contains(&instance.image) || instance.len == 0 {
            continue;
        }
        let gone = removed.contains(&Removed::Image(instance.image))
            || removed.contains(&Removed::Instance(at));
        let flagged = |kind| {
            pool.flagged.contains(&(at, kind)) || removed.contains(&Removed::Keypoint(at, kind))
        };
        let kinds = || dataset.keypoints_of(instance).iter().map(|point| point.kind);
        if gone || kinds().any(flagged) {
            clean_images.remove(&instance.image);
        } else {
            free.push(Removed::Instance(at));
        }
        if !gone {
            free.extend(
                kinds().filter(|&kind| !flagged(kind)).map(|kind| Removed::Keypoint(at, kind)),
            );
        }
    }
    let labelled: BTreeSet<u32> = dataset.instances.iter().map(|instance| instance.image).collect();
    free.extend(clean_images.intersection(&labelled).map(|&image| Removed::Image(image)));
    // One label is not left out twice, as itself and with its animal or image.
    let wants = |of: fn(&Removed) -> bool| removed.iter().any(of);
    let (images, instances) = (
        wants(|of| matches!(of, Removed::Image(_))),
        wants(|of| matches!(of, Removed::Instance(_))),
    );
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    if images || instances {
        // Every other image keeps its labels for finer removals.
        taken = clean_images.into_iter().step_by(2).collect();
    }
    free.retain(|of| match *of {
        Removed::Image(image) => taken.contains(&image),
        Removed::Instance(at) => !images || !taken.contains(&dataset.instances[at as usize].image),
        Removed::Keypoint(at, _) => !taken.contains(&dataset.instances[at as usize].image),
    });
    free
}

/// Returns in which third of sharpness the training images of each video stand; images of unknown
/// sharpness stand in none.
fn terciles(pool: &Pool<'_>) -> BTreeMap<u32, u32> {
    let mut by_video: BTreeMap<Option<u32>, Vec<(f32, u32)>> = BTreeMap::new();
    for &image in pool.train {
        let known = pool.facts.images.get(image as usize);
        if let Some(pixels) = known.and_then(|known| known.pixels.as_ref()) {
            let video = pool.facts.dataset.images[image as usize].video;
            by_video.entry(video).or_default().push((pixels.sharpness, image));
        }
    }
    let mut terciles = BTreeMap::new();
    for mut images in by_video.into_values() {
        images.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let count = images.len();
        terciles.extend(
            images.iter().enumerate().map(|(at, (_, image))| (*image, (3 * at / count) as u32)),
        );
    }
    terciles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Image, Instance, InstanceName, Keypoint, Skeleton, Visibility};
    use crate::facts::{ImageFacts, PixelFacts};

    /// Two videos of 30 frames with one animal of three keypoints; sharpness rises.
    fn facts() -> Facts {
        let mut dataset = Dataset {
            videos: vec!["a".into(), "b".into()],
            skeletons: vec![Skeleton {
                keypoints: ["nose", "ear", "tail"].map(str::to_owned).into(),
                ..Skeleton::default()
            }],
            ..Dataset::default()
        };
        let mut facts = Facts::default();
        for at in 0..60 {
            dataset.images.push(Image {
                path: format!("{at:02}.png"),
                video: Some(at / 30),
                ..Image::default()
            });
            dataset.instances.push(Instance {
                image: at,
                name: InstanceName::Ordinal(0),
                class: None,
                skeleton: Some(0),
                bbox: None,
                area: None,
                first: 3 * at,
                len: 3,
                location: None,
                crowd: false,
            });
            dataset.keypoints.extend((0..3).map(|kind| Keypoint {
                kind,
                column: 0,
                visibility: Visibility::Visible,
                x: 1.0,
                y: 1.0,
            }));
            let pixels = PixelFacts { sharpness: at as f32 / 60.0, ..PixelFacts::default() };
            facts.images.push(ImageFacts { pixels: Some(pixels), ..ImageFacts::default() });
        }
        facts.dataset = dataset;
        facts
    }

    #[test]
    fn partners_are_alike_unflagged_and_of_the_training_part() {
        let facts = facts();
        let train: BTreeSet<u32> = (0..60).filter(|at| at % 5 != 0).collect();
        let cleaning: Vec<Edit> = [(1, 0), (2, 0), (7, 2), (41, 1), (58, 1), (59, 1)]
            .map(|(instance, kind)| Edit::DropKeypoint { instance, kind })
            .into();
        let flagged: BTreeSet<(u32, u16)> =
            [(1, 0), (2, 0), (7, 2), (41, 1), (58, 1), (59, 1), (3, 0), (4, 0)].into();
        let pool = Pool { facts: &facts, train: &train, flagged: &flagged };
        for seed in 0..20 {
            let found = control(&pool, &cleaning, seed);
            assert_eq!((found.exact, found.relaxed, found.unmatched), (6, 0, 0));
            let cell = |edit: &Edit| match *edit {
                Edit::DropKeypoint { instance, kind } => {
                    (instance / 30, kind, terciles(&pool)[&instance])
                }
                _ => panic!("only keypoints were left out"),
            };
            let sorted = |edits: &[Edit]| {
                let mut cells: Vec<_> = edits.iter().map(cell).collect();
                cells.sort_unstable();
                cells
            };
            assert_eq!(sorted(&found.edits), sorted(&cleaning));
            for edit in &found.edits {
                let Edit::DropKeypoint { instance, kind } = *edit else { continue };
                assert!(train.contains(&instance) && !flagged.contains(&(instance, kind)));
            }
        }
        assert_ne!(control(&pool, &cleaning, 0), control(&pool, &cleaning, 1));
        assert_eq!(control(&pool, &cleaning, 3), control(&pool, &cleaning, 3));
    }

    #[test]
    fn where_likes_run_out_others_step_in_and_are_counted() {
        let facts = facts();
        let train: BTreeSet<u32> = (0..12).collect();
        let cleaning: Vec<Edit> =
            (0..8).map(|instance| Edit::DropKeypoint { instance, kind: 0 }).collect();
        let pool = Pool { facts: &facts, train: &train, flagged: &BTreeSet::new() };
        let found = control(&pool, &cleaning, 0);
        assert_eq!(found.exact + found.relaxed, 8);
        assert!(found.relaxed >= 4, "only four frames are left with this keypoint");
        let all: Vec<Edit> = (0..12).map(|image| Edit::DropImage { image }).collect();
        let none = control(&pool, &all, 0);
        assert_eq!((none.edits.len(), none.unmatched), (0, 12));
        let images = [Edit::DropImage { image: 3 }, Edit::DropKeypoint { instance: 5, kind: 1 }];
        let found = control(&pool, &images, 1);
        assert_eq!(found.edits.len(), 2);
        let [Edit::DropImage { image }, Edit::DropKeypoint { instance, .. }] = found.edits[..]
        else {
            panic!("one of each kind: {:?}", found.edits);
        };
        assert_ne!(image, instance);
    }
}
