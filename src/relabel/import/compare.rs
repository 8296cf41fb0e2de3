//! Compares what came back with what was exported, and makes decisions.
//!
//! A label that moved, appeared or went is a correction: `fixed`, or `drop` where it was taken
//! away, with what it became in `after`. A label that stayed says nothing by itself; a verdict
//! on its finding or its frame does.

use std::collections::{BTreeMap, BTreeSet};

use super::super::decisions::{After, Decision, DropWhat};
use super::super::label::digest;
use super::super::queue::{Asked, Frame, Queue};
use super::table::{Row, Table};
use super::{Back, Form, FrameBack, Import, ImportOptions, Trouble, Unchanged};
use crate::relabel::{Judged, Label, Verdict};

/// Distance in pixels from which on a label counts as moved. CVAT writes two digits after the
/// point, so that a label that nobody touched comes back up to 0.007 px away; nobody places a
/// label that finely.
const MOVED_PX: f64 = 0.02;

/// Returns whether two places are not the same.
pub(super) fn apart(a: [f64; 2], b: [f64; 2]) -> bool {
    (a[0] - b[0]).hypot(a[1] - b[1]) > MOVED_PX
}

/// What changed in the label of an instance.
#[derive(Debug, Clone, Default, PartialEq)]
struct Change {
    /// New places; `None` where the label was taken away.
    keypoints: BTreeMap<String, Option<[f64; 2]>>,
    bbox: Option<[f64; 4]>,
    /// Whether the whole instance was taken away.
    removed: bool,
}

impl Change {
    fn is_none(&self) -> bool {
        self.keypoints.is_empty() && self.bbox.is_none() && !self.removed
    }
}

/// Makes decisions of all that came back.
pub(super) fn decide(queue: &Queue, back: Back, table: Table, options: &ImportOptions) -> Import {
    let Back { frames, keypoints, boxes, troubles } = back;
    let mut import = Import { troubles, ..Import::default() };
    import.troubles.extend(table.troubles);
    for (at, frame) in queue.frames.iter().enumerate() {
        let came = frames.get(&at);
        let mut changes = match came {
            Some(came) => {
                let mut changes = changes(frame, came, [keypoints, boxes], &mut import.troubles);
                keep_known(frame, &queue.header.skeletons, &mut changes, &mut import.troubles);
                changes
            }
            None => BTreeMap::new(),
        };
        let rows: BTreeMap<usize, &Row> = (0..frame.findings.len())
            .filter_map(|finding| Some((finding, table.rows.get(&(at, finding))?)))
            .collect();
        add_places(frame, &rows, &mut changes, &mut import.troubles);
        let judged = FrameJudgement {
            frame,
            changes,
            verdict: came.and_then(|came| came.verdict),
            seen: came.is_some() || queue.header.form == Form::Csv,
            options,
        };
        judged.decide(&rows, &mut import);
    }
    import.troubles.sort();
    import.troubles.dedup();
    import
}

/// Returns what changed, by instance.
fn changes(
    frame: &Frame,
    came: &FrameBack,
    [keypoints, boxes]: [bool; 2],
    troubles: &mut Vec<Trouble>,
) -> BTreeMap<String, Change> {
    let mut changes = BTreeMap::new();
    let empty = Label::default();
    for label in &frame.labels {
        let has_points = keypoints && !label.keypoints.is_empty();
        let has_box = boxes && label.bbox.is_some();
        let now = came.labels.iter().find(|now| now.instance == label.instance);
        let gone = now.is_none_or(|now| now.keypoints.is_empty() && now.bbox.is_none());
        let now = now.unwrap_or(&empty);
        let mut change = Change::default();
        if gone && (has_points || has_box) {
            // An instance whose box could not come back is not gone with its keypoints.
            change.removed = boxes || label.bbox.is_none();
        }
        if keypoints && !change.removed {
            let names: BTreeSet<&String> =
                label.keypoints.keys().chain(now.keypoints.keys()).collect();
            for name in names {
                let place = |of: &Label| of.keypoints.get(name).map(|place| [place.x, place.y]);
                match (place(label), place(now)) {
                    (Some(old), Some(new)) if !apart(old, new) => {}
                    (_, new) => drop(change.keypoints.insert(name.clone(), new)),
                }
            }
        }
        if boxes && !change.removed {
            match (label.bbox, now.bbox) {
                (Some(old), Some(new)) => {
                    let corners = |b: [f64; 4]| [[b[0], b[1]], [b[0] + b[2], b[1] + b[3]]];
                    let moved =
                        corners(old).into_iter().zip(corners(new)).any(|(a, b)| apart(a, b));
                    change.bbox = moved.then_some(new);
                }
                (Some(_), None) => {
                    let message = format!(
                        "the box of instance {} was taken away and its keypoints were not; the box stays",
                        label.instance
                    );
                    troubles.push(Trouble::new(&frame.image, message));
                }
                (None, Some(_)) => {
                    let message = format!(
                        "instance {} has a box now, which it had not; it is not carried over",
                        label.instance
                    );
                    troubles.push(Trouble::new(&frame.image, message));
                }
                (None, None) => {}
            }
        }
        if !change.is_none() {
            changes.insert(label.instance.clone(), change);
        }
    }
    for now in &came.labels {
        if frame.label(&now.instance).is_none() && !(now.keypoints.is_empty() && now.bbox.is_none())
        {
            let message = format!(
                "instance {} is new; add it to the dataset itself, it is not carried over",
                now.instance
            );
            troubles.push(Trouble::new(&frame.image, message));
        }
    }
    changes
}

/// Takes changes of keypoints away that the skeleton does not have.
fn keep_known(
    frame: &Frame,
    skeletons: &[Vec<String>],
    changes: &mut BTreeMap<String, Change>,
    troubles: &mut Vec<Trouble>,
) {
    for (instance, change) in changes.iter_mut() {
        let skeleton = frame.label(instance).and_then(|label| skeletons.get(label.skeleton?));
        change.keypoints.retain(|name, _| {
            let known = skeleton.is_some_and(|skeleton| skeleton.contains(name));
            if !known {
                let message =
                    format!("instance {instance} has no keypoint {name:?}; it is not carried over");
                troubles.push(Trouble::new(&frame.image, message));
            }
            known
        });
    }
    changes.retain(|_, change| !change.is_none());
}

/// Adds the places that people wrote into the table.
fn add_places(
    frame: &Frame,
    rows: &BTreeMap<usize, &Row>,
    changes: &mut BTreeMap<String, Change>,
    troubles: &mut Vec<Trouble>,
) {
    for (&finding, row) in rows {
        let asked = &frame.findings[finding];
        let (Some(place), Some(instance), Some(keypoint)) =
            (row.place, &asked.instance, &asked.keypoint)
        else {
            continue;
        };
        let points = &mut changes.entry(instance.clone()).or_default().keypoints;
        let other = points.get(keypoint).copied();
        match other {
            None => drop(points.insert(keypoint.clone(), Some(place))),
            Some(Some(known)) if !apart(known, place) => {}
            Some(_) => {
                let message = format!(
                    "{keypoint} of instance {instance} has two new places; the table's x and y are passed over"
                );
                troubles.push(Trouble::new(&frame.image, message));
            }
        }
    }
}

/// A frame and all that is said about it.
struct FrameJudgement<'a> {
    frame: &'a Frame,
    changes: BTreeMap<String, Change>,
    verdict: Option<Verdict>,
    /// Whether a person may have looked at it.
    seen: bool,
    options: &'a ImportOptions,
}

impl FrameJudgement<'_> {
    fn decide(&self, rows: &BTreeMap<usize, &Row>, import: &mut Import) {
        for (at, asked) in self.frame.findings.iter().enumerate() {
            let row = rows.get(&at).copied();
            let change = self.after(asked);
            let touched = change.is_some() || self.touched(asked);
            let stated = row.and_then(|row| row.verdict);
            if stated == Some(Verdict::Correct) && touched {
                let message = format!(
                    "{} is marked correct, and its label was changed: taken as fixed",
                    asked.fingerprint
                );
                import.troubles.push(Trouble::new(&self.frame.image, message));
            }
            let (verdict, after) = match (stated, self.verdict) {
                (Some(Verdict::Drop), _) => (Verdict::Drop, Some(self.dropped(asked))),
                (None, Some(Verdict::Drop)) => (Verdict::Drop, Some(self.dropped_image(asked))),
                (Some(Verdict::Unsure), _) => (Verdict::Unsure, change),
                (_, _) if touched => (self.direction(asked), change),
                (Some(verdict), _) | (None, Some(verdict)) => (verdict, None),
                (None, None) => match self.options.unchanged {
                    Unchanged::Correct if self.seen => (Verdict::Correct, None),
                    Unchanged::Unsure if self.seen => (Verdict::Unsure, None),
                    _ => {
                        import.not_judged += 1;
                        continue;
                    }
                },
            };
            let note = row.and_then(|row| row.note.clone());
            let hash = asked.label_hash.clone();
            import.decisions.push(self.decision(
                asked.fingerprint.clone(),
                hash,
                verdict,
                note,
                after,
            ));
        }
        if self.verdict != Some(Verdict::Drop) {
            self.unasked(import);
        }
    }

    /// Returns the change of what a finding judges, where it is in one instance.
    fn after(&self, asked: &Asked) -> Option<After> {
        let instance = asked.judged.instance()?;
        let change = self.changes.get(instance)?;
        let mut change = change.clone();
        if let (Judged::Keypoints { keypoints, .. }, false) = (&asked.judged, change.removed) {
            change.keypoints.retain(|name, _| keypoints.contains(name));
            change.bbox = None;
        }
        (!change.is_none()).then(|| self.record(asked.judged.clone(), instance, change))
    }

    fn record(&self, judged: Judged, instance: &str, change: Change) -> After {
        After {
            image: self.frame.image.clone(),
            judged,
            instance: Some(instance.into()),
            keypoints: change.keypoints,
            bbox: change.bbox,
            drop: change.removed.then_some(DropWhat::Instance),
        }
    }

    /// Returns whether a finding about a whole frame saw a change.
    fn touched(&self, asked: &Asked) -> bool {
        asked.judged == Judged::Frame && !self.changes.is_empty()
    }

    /// Tells a label that was taken away from one that was corrected.
    fn direction(&self, asked: &Asked) -> Verdict {
        let change = asked.judged.instance().and_then(|instance| self.changes.get(instance));
        let gone = change.is_some_and(|change| {
            let place = asked.keypoint.as_ref().and_then(|name| change.keypoints.get(name));
            change.removed || place == Some(&None)
        });
        if gone { Verdict::Drop } else { Verdict::Fixed }
    }

    /// Returns what leaving out means for what a finding judges.
    fn dropped(&self, asked: &Asked) -> After {
        let mut after = self.dropped_image(asked);
        after.instance = asked.judged.instance().map(String::from);
        match &asked.judged {
            Judged::Picture | Judged::Frame => {}
            Judged::Instance { .. } => after.drop = Some(DropWhat::Instance),
            Judged::Keypoints { keypoints, .. } => {
                after.drop = None;
                let own = asked.keypoint.iter().filter(|name| keypoints.contains(*name));
                after.keypoints = own.map(|name| (name.clone(), None)).collect();
            }
        }
        after
    }

    fn dropped_image(&self, asked: &Asked) -> After {
        After {
            image: self.frame.image.clone(),
            judged: asked.judged.clone(),
            instance: None,
            keypoints: BTreeMap::new(),
            bbox: None,
            drop: Some(DropWhat::Image),
        }
    }

    /// Makes decisions of changes that no finding asked for: they must not be lost.
    fn unasked(&self, import: &mut Import) {
        for (instance, change) in &self.changes {
            let mut left = change.clone();
            let about = |asked: &&Asked| asked.judged.instance() == Some(instance);
            for asked in self.frame.findings.iter().filter(about) {
                match &asked.judged {
                    Judged::Keypoints { keypoints, .. } if !left.removed => {
                        left.keypoints.retain(|name, _| !keypoints.contains(name));
                    }
                    _ => left = Change::default(),
                }
            }
            if left.is_none() {
                continue;
            }
            let judged = if left.removed || left.bbox.is_some() {
                Judged::Instance { instance: instance.clone() }
            } else {
                let keypoints = left.keypoints.keys().cloned().collect();
                Judged::Keypoints { instance: instance.clone(), keypoints }
            };
            let hash = judged.hash(&self.frame.labels, self.frame.class.as_deref());
            // With the names, so that a later change of another keypoint does not count instead.
            let names: Vec<&str> = left.keypoints.keys().map(String::as_str).collect();
            let fingerprint =
                digest(&format!("relabel\0{}\0{instance}\0{}", self.frame.image, names.join("\0")));
            let verdict = if left.removed { Verdict::Drop } else { Verdict::Fixed };
            let after = self.record(judged, instance, left);
            let note = Some("changed without a finding".to_string());
            import.decisions.push(self.decision(fingerprint, hash, verdict, note, Some(after)));
            import.unasked += 1;
        }
    }

    fn decision(
        &self,
        fingerprint: String,
        label_hash: String,
        verdict: Verdict,
        note: Option<String>,
        after: Option<After>,
    ) -> Decision {
        Decision {
            fingerprint,
            label_hash: Some(label_hash),
            verdict,
            by: self.options.by.clone(),
            at: self.options.at.clone(),
            note,
            after,
        }
    }
}
