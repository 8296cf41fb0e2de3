//! The labels of each arm, shuffle by shuffle.
//!
//! Takes facts, a division into parts and the findings of an audit of the training images
//! alone; gives the changes of labels that make each arm. No decision looks at a test image, and
//! no label of one is changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::control::{Control, Pool, control};
use super::design::{Arm, Design, Labels};
use crate::audit::{self, Finding, Level, Rule, Severity};
use crate::clean::{self, Patch, Policy};
use crate::dataset::{Dataset, Edit, Part, Rows, Split};
use crate::facts::Facts;
use crate::stats::random::SplitMix64;

/// What all shuffles have in common.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The dataset as labelled, and its images.
    pub facts: &'a Facts,
    /// Rules of the audit.
    pub rules: &'a [Rule],
    /// Settings of the audit.
    pub config: &'a audit::Config,
    /// What is done about findings.
    pub policy: &'a Policy,
    /// Changes that take planted errors back; empty where none were planted.
    pub truth: &'a [Edit],
    /// Changes that make other versions of the dataset, by their names.
    pub others: &'a BTreeMap<String, Vec<Edit>>,
}

/// A division of the dataset, with the labels of all arms.
#[derive(Debug, Clone)]
pub struct Shuffle {
    /// Its number, from 0.
    pub number: u32,
    /// The parts.
    pub split: Split,
    /// What the audit of the training images found.
    pub findings: Vec<Finding>,
    /// Labels by arm.
    pub arms: BTreeMap<String, ArmLabels>,
    /// Training images that no arm changes: those of the probe set.
    pub probe: Vec<u32>,
}

/// Labels of an arm.
#[derive(Debug, Clone)]
pub struct ArmLabels {
    /// Changes of the dataset as labelled.
    pub edits: Vec<Edit>,
    /// The parts; of an arm with fewer images, some are in none.
    pub split: Split,
    /// The patch, where the arm was made by one.
    pub patch: Option<Patch>,
    /// What was changed.
    pub summary: ArmSummary,
}

/// What an arm changes in the labels of a shuffle's training images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmSummary {
    /// Name of the arm.
    pub arm: String,
    /// Number of the shuffle.
    pub shuffle: u32,
    /// Training images.
    pub images: usize,
    /// Labelled keypoints of them, before.
    pub keypoints: usize,
    /// Labelled keypoints that are gone.
    pub dropped: usize,
    /// Keypoints that are labelled elsewhere than before, or anew.
    pub moved: usize,
    /// Images of which a label is changed.
    pub touched: usize,
    /// Changes that limits against over-cleaning held back.
    pub held_back: usize,
    /// For `random`: removals whose partner is of the same video, keypoint and sharpness, of
    /// which some differ, and that have none.
    pub matched: Option<[usize; 3]>,
    /// Where errors were planted: wrong keypoints of the training images, how many of them were
    /// changed, and how many right ones were.
    pub planted: Option<[usize; 3]>,
    /// Where none were: right labels that were probably changed, by the scores of the findings.
    pub good_expected: Option<f64>,
}

/// Why the labels of an arm cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArmError {
    /// A patch does not fit the dataset that it was made of.
    #[error("shuffle {shuffle}: {source}")]
    Clean {
        /// Number of the shuffle.
        shuffle: u32,
        /// What is wrong.
        source: clean::CleanError,
    },
    /// A version of the dataset that was not read.
    #[error("there is no other version of the dataset called `{name}`")]
    NoSuchVersion {
        /// Its name.
        name: String,
    },
}

/// Makes the labels of all arms of a shuffle: audits its training images, plans their cleaning,
/// draws its control.
///
/// # Errors
/// [`ArmError`].
pub fn shuffle(
    ground: &Ground<'_>,
    design: &Design,
    number: u32,
    split: Split,
) -> Result<Shuffle, ArmError> {
    let whole = &ground.facts.dataset;
    let train: BTreeSet<u32> = split.images(Part::Train).into_iter().collect();
    let facts = ground.facts.only(|image| train.contains(&image));
    let (_, rows) = whole.only(|image| train.contains(&image));
    let findings = audit::run(&facts, ground.rules, ground.config).findings;
    let patch = clean::plan(&facts.dataset, &findings, ground.policy);
    let drops = patch.drop_only();
    let wrong = |source| ArmError::Clean { shuffle: number, source };
    let on_whole = |patch: &Patch| -> Result<Vec<Edit>, ArmError> {
        let edits = patch.edits(&facts.dataset).map_err(wrong)?;
        Ok(edits.into_iter().map(|edit| raised(edit, &rows)).collect())
    };
    let (fixed, clean) = (on_whole(&patch)?, on_whole(&drops)?);
    let flagged = flagged(&facts.dataset, &findings, &rows);
    let pool = Pool { facts: ground.facts, train: &train, flagged: &flagged };
    let random = control(&pool, &clean, design.seed_of(number, 0));
    let on_train = |edits: &[Edit]| -> Vec<Edit> {
        edits.iter().copied().filter(|edit| train.contains(&image_of(whole, edit))).collect()
    };
    let truth = on_train(ground.truth);
    let maker = Maker { whole, train: &train, truth: &truth, number };
    let mut arms = BTreeMap::new();
    for arm in &design.arms {
        let (edits, of_patch) = match &arm.labels {
            Labels::Dirty => (Vec::new(), None),
            Labels::Clean => (clean.clone(), Some(&drops)),
            Labels::Fixed => (fixed.clone(), Some(&patch)),
            Labels::Random => (random.edits.clone(), None),
            Labels::Truth => (truth.clone(), None),
            Labels::Other(name) => {
                let none = || ArmError::NoSuchVersion { name: name.clone() };
                (on_train(ground.others.get(name).ok_or_else(none)?), None)
            }
        };
        let mut summary = maker.summary(arm, &edits, of_patch);
        if arm.labels == Labels::Random {
            let Control { exact, relaxed, unmatched, .. } = random;
            summary.matched = Some([exact, relaxed, unmatched]);
        }
        let split = fraction(whole, &split, arm, design.seed_of(number, 0));
        let labels = ArmLabels { edits, split, patch: of_patch.cloned(), summary };
        arms.insert(arm.name.clone(), labels);
    }
    let probe = probe(whole, &train, &arms, &truth);
    Ok(Shuffle { number, split, findings, arms, probe })
}

impl Shuffle {
    /// Returns the first arm of the design that has the same labels as one of this name.
    pub fn twin(&self, design: &Design, name: &str) -> String {
        let Some((arm, labels)) = design.arm(name).zip(self.arms.get(name)) else {
            return name.to_owned();
        };
        let same = |other: &&Arm| {
            let of_other = self.arms.get(&other.name);
            let alike = |of_other: &ArmLabels| {
                of_other.edits == labels.edits && of_other.split == labels.split
            };
            other.keypoints == arm.keypoints && of_other.is_some_and(alike)
        };
        design.arms.iter().find(same).map_or(name, |arm| &arm.name).to_owned()
    }

    /// Returns the patch that makes an arm's labels; none for labels as they are, for a share of
    /// images, and where labels were taken from elsewhere.
    pub fn patch(&self, arm: &Arm, whole: &Dataset, policy: &Policy) -> Option<Patch> {
        let labels = self.arms.get(&arm.name)?;
        if arm.labels == Labels::Random {
            let reason = "not flagged; left out as a control";
            return Some(Patch::of_removals(whole, &labels.edits, reason, policy));
        }
        labels.patch.clone()
    }
}

impl ArmLabels {
    /// Returns the dataset of the arm.
    pub fn dataset(&self, whole: &Dataset, arm: &Arm) -> Dataset {
        let edited = whole.edited(&self.edits);
        match arm.keypoints {
            Some(count) => first_keypoints(&edited, count),
            None => edited,
        }
    }
}

/// Returns a dataset of which only the first keypoints of each skeleton are known.
pub fn first_keypoints(dataset: &Dataset, count: u16) -> Dataset {
    let mut drops = Vec::new();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let points = dataset.keypoints_of(instance).iter();
        drops.extend(
            points
                .filter(|point| point.kind >= count)
                .map(|point| Edit::DropKeypoint { instance: at as u32, kind: point.kind }),
        );
    }
    let mut few = dataset.edited(&drops);
    for skeleton in &mut few.skeletons {
        skeleton.keypoints.truncate(count.into());
        skeleton.edges.retain(|edge| edge.iter().all(|end| *end < count));
        skeleton.pairs.retain(|pair| pair.iter().all(|side| *side < count));
    }
    few
}

/// Returns a change of a part as one of the whole.
fn raised(edit: Edit, rows: &Rows) -> Edit {
    let at = |rows: &[u32], part: u32| rows.get(part as usize).copied().unwrap_or(u32::MAX);
    match edit {
        Edit::DropImage { image } => Edit::DropImage { image: at(&rows.images, image) },
        Edit::DropInstance { instance } => {
            Edit::DropInstance { instance: at(&rows.instances, instance) }
        }
        Edit::DropKeypoint { instance, kind } => {
            Edit::DropKeypoint { instance: at(&rows.instances, instance), kind }
        }
        Edit::SetKeypoint { instance, kind, x, y } => {
            Edit::SetKeypoint { instance: at(&rows.instances, instance), kind, x, y }
        }
        Edit::SetVisibility { instance, kind, visibility } => {
            Edit::SetVisibility { instance: at(&rows.instances, instance), kind, visibility }
        }
    }
}

/// Returns the image that a change is about; none that exists where it names none.
pub fn image_of(dataset: &Dataset, edit: &Edit) -> u32 {
    let of = |instance: u32| dataset.instances.get(instance as usize).map_or(u32::MAX, |i| i.image);
    match *edit {
        Edit::DropImage { image } => image,
        Edit::DropInstance { instance }
        | Edit::DropKeypoint { instance, .. }
        | Edit::SetKeypoint { instance, .. }
        | Edit::SetVisibility { instance, .. } => of(instance),
    }
}

/// Returns the labels of the whole dataset that findings are about, notes left aside.
fn flagged(part: &Dataset, findings: &[Finding], rows: &Rows) -> BTreeSet<(u32, u16)> {
    let images: BTreeMap<&str, usize> =
        part.images.iter().enumerate().map(|(at, image)| (image.path.as_str(), at)).collect();
    let ranges = part.instances_by_image();
    let mut flagged = BTreeSet::new();
    for finding in findings {
        let about = matches!(finding.level, Level::Keypoint | Level::Instance);
        let image = finding.image.as_deref().and_then(|path| images.get(path));
        let (Some(&image), true) = (image, about && finding.severity > Severity::Info) else {
            continue;
        };
        for at in ranges[image].clone() {
            let instance = &part.instances[at];
            if finding.instance.as_ref().is_some_and(|name| *name != part.instance_name(instance)) {
                continue;
            }
            let names = part.skeleton_of(instance).map_or(&[][..], |skeleton| &skeleton.keypoints);
            let meant = |kind: u16| {
                let name = names.get(usize::from(kind));
                finding.keypoint.is_none()
                    || finding.keypoint.as_ref() == name
                    || name.is_some_and(|name| finding.related.contains(name))
            };
            let kinds = part.keypoints_of(instance).iter().map(|point| point.kind);
            flagged
                .extend(kinds.filter(|&kind| meant(kind)).map(|kind| (rows.instances[at], kind)));
        }
    }
    flagged
}

/// Returns the parts of an arm that uses a share of the training images: always the same first
/// ones of an order that the seed gives, so that a smaller share is part of a greater.
fn fraction(dataset: &Dataset, split: &Split, arm: &Arm, seed: u64) -> Split {
    if arm.fraction >= 1.0 {
        return split.clone();
    }
    let mut train = split.images(Part::Train);
    let key = |image: u32| SplitMix64::named(&dataset.images[image as usize].path, seed).word();
    train.sort_by_cached_key(|&image| (key(image), image));
    let used = ((arm.fraction * train.len() as f64).ceil() as usize).max(1);
    let mut split = split.clone();
    for &image in train.iter().skip(used) {
        split.parts[image as usize] = None;
    }
    split
}

/// Returns the training images that no arm changes and every arm has; all of the latter where
/// there would be too few.
fn probe(
    dataset: &Dataset,
    train: &BTreeSet<u32>,
    arms: &BTreeMap<String, ArmLabels>,
    truth: &[Edit],
) -> Vec<u32> {
    let edits = arms.values().flat_map(|arm| &arm.edits).chain(truth);
    let touched: BTreeSet<u32> = edits.map(|edit| image_of(dataset, edit)).collect();
    let labelled: BTreeSet<u32> = dataset
        .instances
        .iter()
        .filter(|instance| instance.len > 0)
        .map(|instance| instance.image)
        .collect();
    let everywhere = |image: &u32| {
        arms.values().all(|arm| arm.split.parts[*image as usize] == Some(Part::Train))
    };
    let all: Vec<u32> =
        train.intersection(&labelled).copied().filter(|image| everywhere(image)).collect();
    let calm: Vec<u32> = all.iter().copied().filter(|image| !touched.contains(image)).collect();
    if calm.len() >= LEAST_PROBE { calm } else { all }
}

/// Fewest untouched images that a probe set is made of.
const LEAST_PROBE: usize = 4;

/// What summaries of arms are made of.
struct Maker<'a> {
    whole: &'a Dataset,
    train: &'a BTreeSet<u32>,
    truth: &'a [Edit],
    number: u32,
}

impl Maker<'_> {
    fn summary(&self, arm: &Arm, edits: &[Edit], patch: Option<&Patch>) -> ArmSummary {
        let edited = self.whole.edited(edits);
        let (before, after) = (self.places(self.whole), self.places(&edited));
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        let moved = after.iter().filter(|(key, place)| before.get(*key) != Some(*place));
        let changed: BTreeSet<(u32, String, u16)> =
            gone.clone().chain(moved.clone().map(|(key, _)| key)).cloned().collect();
        let wrong = self.whole.edited(self.truth);
        let right = self.places(&wrong);
        let planted: BTreeSet<&(u32, String, u16)> = (before.iter())
            .filter(|(key, place)| right.get(*key) != Some(*place))
            .map(|(key, _)| key)
            .collect();
        let hit = changed.iter().filter(|key| planted.contains(key)).count();
        let known = !self.truth.is_empty();
        ArmSummary {
            arm: arm.name.clone(),
            shuffle: self.number,
            images: self.train.len(),
            keypoints: before.len(),
            dropped: gone.count(),
            moved: moved.count(),
            touched: changed.iter().map(|(image, ..)| image).collect::<BTreeSet<_>>().len(),
            held_back: patch.map_or(0, |patch| patch.counts().held_back),
            matched: None,
            planted: known.then(|| [planted.len(), hit, changed.len() - hit]),
            good_expected: patch
                .filter(|_| !known)
                .map(|patch| patch.changes.iter().map(|change| 1.0 - change.score).sum()),
        }
    }

    /// Returns where the keypoints of the training images are labelled, by image, instance and
    /// kind.
    fn places(&self, dataset: &Dataset) -> BTreeMap<(u32, String, u16), [u64; 2]> {
        let mut places = BTreeMap::new();
        for instance in dataset.instances.iter().filter(|i| self.train.contains(&i.image)) {
            for point in dataset.keypoints_of(instance) {
                let key = (instance.image, dataset.instance_name(instance), point.kind);
                places.insert(key, [point.x.to_bits(), point.y.to_bits()]);
            }
        }
        places
    }
}
