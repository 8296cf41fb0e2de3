//! Content that a division of the dataset both trains on and tests, so that a score is no
//! measure of what was learnt.

use std::collections::BTreeSet;

use crate::audit::models::duplicates::{self, Group};
use crate::audit::{Hit, Kind, Settings, Severity, Subject};
use crate::dataset::{CURVE_FRAMES, Dataset, Image, Part, nearest_training_frames, share_within};
use crate::facts::Facts;

/// Images that a finding about a division names at most.
const NAMED: usize = 20;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    if dataset.splits.len() < 2 && dataset.divisions.is_empty() {
        return Vec::new();
    }
    let exact = duplicates::exact(facts);
    let near = duplicates::near(facts, settings);
    let sides = near.iter().map(Group::sides);
    let mirrored = sides.clone().filter(|sides| sides.iter().all(|side| !side.is_empty()));
    let mirrored: Vec<Vec<usize>> = mirrored.map(|sides| sides.concat()).collect();
    let near: Vec<Vec<usize>> = sides.flatten().filter(|side| side.len() > 1).collect();
    let shuffles = shuffles(dataset);
    let mut hits = Vec::new();
    for (groups, kind, what) in [
        (exact, Kind::SameContent, "the same content stands in"),
        (near, Kind::NearDuplicate, "nearly the same picture stands in"),
        (mirrored, Kind::MirroredCopy, "a picture and its mirrored copy stand in"),
    ] {
        hits.extend(same(facts, &groups, kind, what));
        hits.extend(shuffles.iter().filter_map(|shuffle| shuffle.alike(dataset, &groups, kind)));
    }
    let max_gap = settings.get("max_gap_frames") as u64;
    let all = pairs_of_splits(dataset).into_iter().chain(shuffles);
    hits.extend(all.filter_map(|division| division.neighbours(dataset, max_gap)));
    hits
}

/// Returns a hit for each group of images that reaches over several splits.
fn same(facts: &Facts, groups: &[Vec<usize>], kind: Kind, what: &str) -> Vec<Hit> {
    let dataset = &facts.dataset;
    (groups.iter())
        .filter_map(|group| {
            let split = |image: usize| dataset.split_of(&dataset.images[image]);
            let splits: BTreeSet<&str> = group.iter().filter_map(|&image| split(image)).collect();
            if splits.len() < 2 {
                return None;
            }
            let first = group.iter().copied().find(|&image| split(image).is_some())?;
            let related: Vec<String> = (group.iter())
                .filter(|&&image| image != first && split(image).is_some())
                .map(|&image| dataset.images[image].path.clone())
                .collect();
            let splits: Vec<&str> = splits.into_iter().collect();
            let message = format!("{what} {}", splits.join(" and "));
            let subject = Subject::Image(first as u32);
            Some(hit(subject, kind, message).related(related))
        })
        .collect()
}

/// Returns a hit about content on both sides.
fn hit(subject: Subject, kind: Kind, message: String) -> Hit {
    let score = match kind {
        Kind::NearDuplicate | Kind::MirroredCopy => 0.9,
        _ => 1.0,
    };
    let mut hit = Hit::new(subject, score, message).kind(kind);
    // Neighbours are common practice of whole fields, and no mistake of one image. A mirrored
    // copy is leakage where training mirrors images, which a dataset does not tell.
    if matches!(kind, Kind::Neighbour | Kind::MirroredCopy) {
        hit.severity = Some(Severity::Warning);
    }
    hit
}

/// Images that are trained on, and others that are tested: two splits, or a shuffle.
struct Division {
    /// What tells it from the others.
    name: String,
    /// What messages begin with.
    before: String,
    /// What messages call an image of each side, in the singular and in the plural.
    a_trained: String,
    tested: String,
    train: Vec<u32>,
    test: Vec<u32>,
}

/// Returns every pair of splits.
fn pairs_of_splits(dataset: &Dataset) -> Vec<Division> {
    let mut order: Vec<usize> = (0..dataset.splits.len()).collect();
    order.sort_by_key(|&split| (rank(&dataset.splits[split]), &dataset.splits[split]));
    let mut all = Vec::new();
    for (at, &train) in order.iter().enumerate() {
        for &test in &order[at + 1..] {
            let of = |split| images(dataset, |image| image.split.map(usize::from) == Some(split));
            let [learnt, judged] = [train, test].map(|split| &dataset.splits[split]);
            all.push(Division {
                name: format!("{learnt}\0{judged}"),
                before: String::new(),
                a_trained: format!("a frame in {learnt}"),
                tested: format!("frames in {judged}"),
                train: of(train),
                test: of(test),
            });
        }
    }
    all
}

/// Returns every shuffle, of which several may divide the same images.
fn shuffles(dataset: &Dataset) -> Vec<Division> {
    (0..)
        .zip(&dataset.divisions)
        .map(|(at, name)| {
            let of = |part| images(dataset, |image| image.parts.contains(&(at, part)));
            Division {
                name: name.clone(),
                before: format!("{name}: "),
                a_trained: "a training frame".into(),
                tested: "test frames".into(),
                train: of(Part::Train),
                test: of(Part::Test),
            }
        })
        .collect()
}

fn images(dataset: &Dataset, is_one: impl Fn(&Image) -> bool) -> Vec<u32> {
    (0..).zip(&dataset.images).filter(|(_, image)| is_one(image)).map(|(at, _)| at).collect()
}

/// Returns how early a split is used: to train, to choose a model, to judge it.
fn rank(split: &str) -> u8 {
    match split {
        "train" | "training" | "trainval" => 0,
        "test" | "testing" | "testdev" => 2,
        _ => 1,
    }
}

impl Division {
    /// Returns one hit for all test images that are like a training image.
    fn alike(&self, dataset: &Dataset, groups: &[Vec<usize>], kind: Kind) -> Option<Hit> {
        let [train, test]: [BTreeSet<u32>; 2] =
            [&self.train, &self.test].map(|images| images.iter().copied().collect());
        let mut found: BTreeSet<u32> = BTreeSet::new();
        for group in groups {
            let group = || group.iter().map(|&image| image as u32);
            if group().any(|image| train.contains(&image)) {
                found.extend(group().filter(|image| test.contains(image)));
            }
        }
        if kind == Kind::SameContent {
            // A table that names an image twice may divide it from itself.
            found.extend(train.intersection(&test));
        }
        let what = match kind {
            Kind::SameContent => "have the same content as",
            Kind::MirroredCopy => "look like the picture or the mirror image of",
            _ => "look nearly the same as",
        };
        let message = format!(
            "{}{} of the {} {} {what} {}",
            self.before,
            found.len(),
            test.len(),
            self.tested,
            self.a_trained
        );
        let share = found.len() as f64 / test.len() as f64;
        let hit = self.hit(dataset, found.into_iter().collect(), kind, message)?;
        Some(hit.measured(share, 0.0))
    }

    /// Returns one hit for all test frames that have a training frame of their video near.
    fn neighbours(&self, dataset: &Dataset, max_gap: u64) -> Option<Hit> {
        let nearest = nearest_training_frames(dataset, &self.train, &self.test);
        let share = share_within(&nearest, max_gap)?;
        let near = nearest.iter().filter(|test| test.frames.is_some_and(|found| found <= max_gap));
        let near: Vec<u32> = near.map(|test| test.image).collect();
        let shares = CURVE_FRAMES.map(|frames| {
            format!("{:.0} %", 100.0 * share_within(&nearest, frames).unwrap_or_default())
        });
        let message = format!(
            "{}{} of the {} {} have {} of the same video within {max_gap} frames; within {} frames: {}",
            self.before,
            near.len(),
            nearest.len(),
            self.tested,
            self.a_trained,
            CURVE_FRAMES.map(|frames| frames.to_string()).join(", "),
            shares.join(", ")
        );
        Some(self.hit(dataset, near, Kind::Neighbour, message)?.measured(share, 0.0))
    }

    /// Returns a hit about some test images, where there are any.
    fn hit(&self, dataset: &Dataset, images: Vec<u32>, kind: Kind, message: String) -> Option<Hit> {
        let paths = images.iter().take(NAMED).map(|&at| dataset.images[at as usize].path.clone());
        let related = paths.collect();
        let subject = Subject::Dataset(format!("{kind:?}\0{}", self.name));
        (!images.is_empty()).then(|| hit(subject, kind, message).related(related))
    }
}
