//! Changes that no finding asks for: those of an arm of an experiment, and those that people
//! decided.

use super::change::Labels;
use super::{Action, Change, Patch, Point, Policy, patch};
use crate::dataset::{Dataset, Edit, Instance, Visibility};

/// Rule of changes that people decided, in patches.
const DECISION: &str = "decision";

impl Patch {
    /// Returns the patch that makes removals, in their order, each for the same reason; changes of
    /// other kinds and indices that do not exist are passed over.
    pub fn of_removals(dataset: &Dataset, edits: &[Edit], reason: &str, policy: &Policy) -> Patch {
        let removals = edits.iter().enumerate().filter(|(_, edit)| {
            !matches!(edit, Edit::SetKeypoint { .. } | Edit::SetVisibility { .. })
        });
        let mut patch = patch::empty(dataset, policy);
        patch.changes = removals
            .filter_map(|(number, &edit)| {
                let change = change(dataset, edit)?;
                let fingerprint = format!("{number:016x}");
                Some(Change { fingerprint, reason: reason.to_owned(), ..change })
            })
            .collect();
        patch
    }

    /// Returns the patch with changes that people decided. What findings asked for of the same
    /// labels is gone from it, and no limit holds a decision back. Each edit has the fingerprint
    /// of its decision; edits of visibility alone and indices that do not exist are passed over.
    #[must_use]
    pub fn decided(mut self, dataset: &Dataset, edits: &[(String, Edit)]) -> Patch {
        let mut decided: Vec<Change> = Vec::new();
        for (fingerprint, edit) in edits {
            let Some(change) = change(dataset, *edit) else { continue };
            if decided.iter().any(|other| covers(other, &change)) {
                continue;
            }
            decided.retain(|other| !covers(&change, other));
            let reason = "a person decided so".to_owned();
            let rule = DECISION.to_owned();
            let fingerprint = fingerprint.clone();
            decided.push(Change { fingerprint, rule, score: 1.0, reason, ..change });
        }
        let open =
            |change: &Change| !decided.iter().any(|d| covers(d, change) || covers(change, d));
        self.changes.retain(open);
        self.held_back.retain(|held| open(&held.change));
        let asks =
            |fingerprint: &str, image: &str, instance: Option<&str>, keypoint: Option<&str>| {
                decided.iter().any(|change| {
                    change.fingerprint == fingerprint
                        || (change.image == image
                            && change.instance.as_deref().is_none_or(|name| Some(name) == instance)
                            && change.keypoint.as_deref().is_none_or(|name| Some(name) == keypoint))
                })
            };
        self.relabel.retain(|about| {
            let (instance, keypoint) = (about.instance.as_deref(), about.keypoint.as_deref());
            !asks(&about.fingerprint, &about.image, instance, keypoint)
        });
        self.weights.retain(|weight| {
            let about = &weight.about;
            let (instance, keypoint) = (about.instance.as_deref(), about.keypoint.as_deref());
            !asks(&about.fingerprint, &about.image, instance, keypoint)
        });
        self.changes.extend(decided);
        let order = |c: &Change| (c.image.clone(), c.instance.clone(), c.keypoint.clone());
        self.changes.sort_by_key(order);
        self
    }
}

/// Says whether a change leaves nothing for another one to do, or contradicts it.
fn covers(a: &Change, b: &Change) -> bool {
    let keypoints = |change: &Change| change.before.keypoints.keys().cloned().collect::<Vec<_>>();
    a.image == b.image
        && match (a.action, b.action) {
            (Action::DropImage, _) => true,
            (_, Action::DropImage) => false,
            (Action::DropInstance, _) => a.instance == b.instance,
            (_, Action::DropInstance) => false,
            _ => {
                a.instance == b.instance
                    && keypoints(b).iter().any(|name| a.before.keypoints.contains_key(name))
            }
        }
}

/// Returns an edit as a change without fingerprint, score or reason.
fn change(dataset: &Dataset, edit: Edit) -> Option<Change> {
    let instance = |at: u32| dataset.instances.get(at as usize);
    let (action, image, about, kind) = match edit {
        Edit::DropImage { image } => (Action::DropImage, image, None, None),
        Edit::DropInstance { instance: at } => {
            (Action::DropInstance, instance(at)?.image, instance(at), None)
        }
        Edit::DropKeypoint { instance: at, kind } => {
            (Action::DropKeypoint, instance(at)?.image, instance(at), Some(kind))
        }
        Edit::SetKeypoint { instance: at, kind, .. } => {
            (Action::Move, instance(at)?.image, instance(at), Some(kind))
        }
        Edit::SetVisibility { .. } => return None,
    };
    let path = dataset.images.get(image as usize)?.path.clone();
    let name = |at: &Instance, kind: u16| {
        Some(dataset.skeleton_of(at)?.keypoints.get(usize::from(kind))?.clone())
    };
    let before = match (about, kind) {
        (Some(at), Some(kind)) => Labels::of_keypoints(dataset, at, &[kind]),
        (Some(at), None) => Labels::of_instance(dataset, at),
        (None, _) => {
            let range = dataset.instances_by_image().get(image as usize)?.clone();
            Labels::of_image(dataset, &dataset.instances[range])
        }
    };
    let after = match (edit, about, kind) {
        (Edit::SetKeypoint { x, y, .. }, Some(at), Some(kind)) => {
            let seen = dataset.keypoint(at, kind).map(|point| point.visibility);
            let [x, y] = [x, y].map(|value| Some(value - dataset.pixel_offset));
            let point = Point { x, y, occluded: seen == Some(Visibility::Occluded) };
            let mut after = before.clone();
            after.keypoints.values_mut().for_each(|old| *old = Some(point));
            Some(after)
        }
        _ => None,
    };
    Some(Change {
        fingerprint: String::new(),
        action,
        rule: "removal".to_owned(),
        score: 0.0,
        image: path,
        instance: about.map(|at| dataset.instance_name(at)),
        keypoint: about.zip(kind).and_then(|(at, kind)| name(at, kind)),
        before,
        after,
        reason: String::new(),
    })
}
