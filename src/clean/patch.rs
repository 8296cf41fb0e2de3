//! A patch: one readable file of JSON Lines. The first line says for which labels it was made
//! and by which policy; each further line is one change, one change held back, one label for
//! a person to look at, or one weight.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Action, Change, CleanError, HeldBack, Labels, Policy, Relabel, Weight, When};
use crate::dataset::{Dataset, fingerprint};

/// Version of the layout of a patch.
const SCHEMA: u32 = 1;

/// What is to be changed in a dataset's labels, and what is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Version of the layout.
    pub schema: u32,
    /// Fingerprint of the labels that it was made for ([`labels_fingerprint`]).
    pub dataset: String,
    /// Slug of the format that they were read from.
    pub format: String,
    /// How much they are.
    pub labels: Extent,
    /// What it was made by.
    pub policy: Policy,
    /// Changes, in the order of their images, instances and keypoints.
    pub changes: Vec<Change>,
    /// Changes that a limit forbids, the most certain first.
    pub held_back: Vec<HeldBack>,
    /// What a person should look at, the most certain first.
    pub relabel: Vec<Relabel>,
    /// What should count less in training, in the order of images.
    pub weights: Vec<Weight>,
}

/// Numbers of a dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Images.
    pub images: usize,
    /// Instances.
    pub instances: usize,
    /// Labelled keypoints.
    pub keypoints: usize,
}

impl Extent {
    /// Counts a dataset.
    pub(super) fn of(dataset: &Dataset) -> Extent {
        Extent {
            images: dataset.images.len(),
            instances: dataset.instances.len(),
            keypoints: dataset.instances.iter().map(|i| usize::from(i.len)).sum(),
        }
    }
}

/// How often a patch does what, for its first line and for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Images that are left out.
    pub drop_image: usize,
    /// Instances that are left out.
    pub drop_instance: usize,
    /// Keypoints that are marked as not labelled.
    pub drop_keypoint: usize,
    /// Pairs of keypoints that are exchanged.
    pub swap: usize,
    /// Keypoints that are moved.
    #[serde(rename = "move")]
    pub moved: usize,
    /// Changes that a limit forbids.
    pub held_back: usize,
    /// Findings for a person to look at.
    pub relabel: usize,
    /// Labels that should count less in training.
    pub down_weight: usize,
    /// Frames that a change touches.
    pub frames: usize,
}

/// Returns the fingerprint of a dataset's labels: [`fingerprint`] without the content of
/// images, so that none has to be opened.
pub fn labels_fingerprint(dataset: &Dataset) -> String {
    fingerprint(dataset, |_| None)
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    schema: u32,
    tool: String,
    dataset: String,
    format: String,
    labels: Extent,
    counts: Counts,
    policy: Policy,
}

/// A further line; `action` tells which.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Aside {
    HeldBack(Box<HeldBack>),
    Relabel(Relabel),
    DownWeight(Weight),
}

/// A change, or what is left to others.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Change(Box<Change>),
    Aside(Aside),
}

impl Patch {
    /// Counts what it does.
    pub fn counts(&self) -> Counts {
        let of = |action| self.changes.iter().filter(|change| change.action == action).count();
        let frames: BTreeSet<&str> = self.changes.iter().map(|c| c.image.as_str()).collect();
        Counts {
            drop_image: of(Action::DropImage),
            drop_instance: of(Action::DropInstance),
            drop_keypoint: of(Action::DropKeypoint),
            swap: of(Action::Swap),
            moved: of(Action::Move),
            held_back: self.held_back.iter().filter(|held| held.when == When::Always).count(),
            relabel: self.relabel.len(),
            down_weight: self.weights.len(),
            frames: frames.len(),
        }
    }

    /// Returns the patch with drops alone: in place of a swap or a move, the keypoints that it
    /// concerns are marked as not labelled. The limits hold for it, too: what they forbid is
    /// held back and then stays as it is labelled.
    #[must_use]
    pub fn drop_only(&self) -> Patch {
        let forbidden: BTreeSet<&str> = (self.held_back.iter())
            .filter(|held| held.when == When::DropOnly)
            .map(|held| held.change.fingerprint.as_str())
            .collect();
        let kept = self.changes.iter().filter(|c| !forbidden.contains(c.fingerprint.as_str()));
        let mut held_back = self.held_back.clone();
        for held in &mut held_back {
            held.when = When::Always;
        }
        Patch { changes: kept.flat_map(drops).collect(), held_back, ..self.clone() }
    }

    /// Checks that a dataset holds the labels that the patch was made for.
    ///
    /// # Errors
    /// [`CleanError::OtherLabels`] says what differs.
    pub fn check(&self, dataset: &Dataset) -> Result<(), CleanError> {
        if labels_fingerprint(dataset) == self.dataset {
            return Ok(());
        }
        Err(CleanError::OtherLabels { difference: self.difference(dataset) })
    }

    /// Says how a dataset differs from what the patch was made for.
    fn difference(&self, dataset: &Dataset) -> String {
        if dataset.format != self.format {
            return format!("they are read as `{}`, not as `{}`", dataset.format, self.format);
        }
        let (then, now) = (self.labels, Extent::of(dataset));
        let counted = [
            ("images", then.images, now.images),
            ("instances", then.instances, now.instances),
            ("labelled keypoints", then.keypoints, now.keypoints),
        ];
        if let Some((what, then, now)) = counted.into_iter().find(|(_, then, now)| then != now) {
            return format!("they had {then} {what} and have {now} now");
        }
        match self.edits(dataset) {
            Err(error) => error.to_string(),
            Ok(_) => "a label that the patch does not change is another, or the name of an image, \
                      instance, class or split"
                .into(),
        }
    }

    /// Writes the patch as JSON Lines.
    ///
    /// # Errors
    /// Fails when the writer does.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let header = Header {
            schema: self.schema,
            tool: "labelvet".into(),
            dataset: self.dataset.clone(),
            format: self.format.clone(),
            labels: self.labels,
            counts: self.counts(),
            policy: self.policy.clone(),
        };
        line(out, &header)?;
        self.changes.iter().try_for_each(|change| line(out, change))?;
        let held_back = self.held_back.iter().cloned().map(|held| Aside::HeldBack(Box::new(held)));
        let weights = self.weights.iter().cloned().map(Aside::DownWeight);
        let relabel = self.relabel.iter().cloned().map(Aside::Relabel);
        held_back.chain(weights).chain(relabel).try_for_each(|aside| line(out, &aside))
    }

    /// Reads a patch.
    ///
    /// # Errors
    /// Fails when the file cannot be read, is no patch, or one of a later version, and names
    /// the row.
    pub fn read(path: &Path) -> Result<Patch, CleanError> {
        let file = std::fs::File::open(path).map_err(CleanError::io("read", path))?;
        let malformed = |row: usize, message: String| CleanError::Malformed {
            path: path.into(),
            row: row + 1,
            message,
        };
        let mut lines = io::BufReader::new(file).lines().enumerate();
        let (_, first) = lines
            .next()
            .ok_or_else(|| malformed(0, "expected a patch, found an empty file".into()))?;
        let first = first.map_err(CleanError::io("read", path))?;
        let header: Header = serde_json::from_str(&first).map_err(|error| {
            malformed(0, format!("expected the first line of a patch of labelvet: {error}"))
        })?;
        if header.schema != SCHEMA {
            let found = header.schema;
            return Err(malformed(0, format!("expected schema {SCHEMA}, found {found}")));
        }
        let mut patch = Patch {
            schema: header.schema,
            dataset: header.dataset,
            format: header.format,
            labels: header.labels,
            policy: header.policy,
            changes: Vec::new(),
            held_back: Vec::new(),
            relabel: Vec::new(),
            weights: Vec::new(),
        };
        for (row, text) in lines {
            let text = text.map_err(CleanError::io("read", path))?;
            if text.trim().is_empty() {
                continue;
            }
            match serde_json::from_str(&text) {
                Ok(Line::Change(change)) => patch.changes.push(*change),
                Ok(Line::Aside(Aside::HeldBack(held))) => patch.held_back.push(*held),
                Ok(Line::Aside(Aside::Relabel(relabel))) => patch.relabel.push(relabel),
                Ok(Line::Aside(Aside::DownWeight(weight))) => patch.weights.push(weight),
                Err(_) => return Err(malformed(row, complaint(&text))),
            }
        }
        Ok(patch)
    }
}

/// Returns a new, empty patch for a dataset.
pub(super) fn empty(dataset: &Dataset, policy: &Policy) -> Patch {
    Patch {
        schema: SCHEMA,
        dataset: labels_fingerprint(dataset),
        format: dataset.format.into(),
        labels: Extent::of(dataset),
        policy: policy.clone(),
        changes: Vec::new(),
        held_back: Vec::new(),
        relabel: Vec::new(),
        weights: Vec::new(),
    }
}

/// Returns the drops that stand for a change.
fn drops(change: &Change) -> Vec<Change> {
    if change.action.is_drop() {
        return vec![change.clone()];
    }
    let labelled = change.before.keypoints.iter().filter(|(_, point)| point.is_some());
    let drop = |(name, point): (&String, &Option<super::Point>)| {
        let keypoints = |point| Labels {
            keypoints: [(name.clone(), point)].into_iter().collect(),
            ..Labels::default()
        };
        Change {
            action: Action::DropKeypoint,
            keypoint: Some(name.clone()),
            before: keypoints(*point),
            after: None,
            ..change.clone()
        }
    };
    labelled.map(drop).collect()
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Says what is wrong with a line that is neither a change nor anything else: as what its
/// `action` says it is.
fn complaint(text: &str) -> String {
    #[derive(Deserialize)]
    struct Action {
        action: String,
    }
    let action = match serde_json::from_str::<Action>(text) {
        Ok(line) => line.action,
        Err(error) => return error.to_string(),
    };
    let aside = ["held_back", "relabel", "down_weight"].contains(&action.as_str());
    let error = if aside {
        serde_json::from_str::<Aside>(text).err()
    } else {
        serde_json::from_str::<Change>(text).err()
    };
    error.map_or_else(|| "not a line of a patch".into(), |error| error.to_string())
}
