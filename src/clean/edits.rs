//! A patch as changes of a dataset by index: names are looked up, and what stands before each
//! change is held against what the dataset says.

use crate::dataset::{Dataset, Edit, Instance, Visibility};

use super::names::Names;
use super::{Action, Change, CleanError, Labels, Patch};

impl Patch {
    /// Returns the changes by index into a dataset's tables, in the order of the patch.
    ///
    /// # Errors
    /// Fails where the dataset lacks an image, instance or keypoint that the patch names, or
    /// says something else of it than the patch expects.
    pub fn edits(&self, dataset: &Dataset) -> Result<Vec<Edit>, CleanError> {
        let names = Names::new(dataset);
        let mut edits = Vec::new();
        for change in &self.changes {
            Resolver { dataset, names: &names, change }.edits(&mut edits)?;
        }
        Ok(edits)
    }
}

struct Resolver<'a> {
    dataset: &'a Dataset,
    names: &'a Names<'a>,
    change: &'a Change,
}

impl Resolver<'_> {
    fn edits(&self, edits: &mut Vec<Edit>) -> Result<(), CleanError> {
        let image = self.names.image(&self.change.image);
        let image = image.ok_or_else(|| self.no_such("image", &self.change.image))?;
        if self.change.action == Action::DropImage {
            let instances = &self.dataset.instances[self.names.instances_of(image)];
            self.compare(Labels::of_image(self.dataset, instances))?;
            edits.push(Edit::DropImage { image });
            return Ok(());
        }
        let name = self.change.instance.as_ref().ok_or_else(|| self.incomplete("no instance"))?;
        let at = self.names.instance(image, name);
        let at = at.ok_or_else(|| self.no_such("instance", name))?;
        let instance = &self.dataset.instances[at as usize];
        if self.change.action == Action::DropInstance {
            self.compare(Labels::of_instance(self.dataset, instance))?;
            edits.push(Edit::DropInstance { instance: at });
            return Ok(());
        }
        self.keypoints(at, instance, edits)
    }

    fn keypoints(
        &self,
        at: u32,
        instance: &Instance,
        edits: &mut Vec<Edit>,
    ) -> Result<(), CleanError> {
        let skeleton = self.dataset.skeleton_of(instance);
        let mut kinds = Vec::new();
        for name in self.change.before.keypoints.keys() {
            let kind = skeleton.and_then(|skeleton| skeleton.index(name));
            kinds.push(kind.ok_or_else(|| self.no_such("keypoint", name))?);
        }
        self.compare(Labels::of_keypoints(self.dataset, instance, &kinds))?;
        match (self.change.action, &kinds[..]) {
            (Action::DropKeypoint, &[kind]) => {
                edits.push(Edit::DropKeypoint { instance: at, kind });
            }
            (Action::Swap, &[a, b]) => {
                self.put(at, instance, a, b, edits);
                self.put(at, instance, b, a, edits);
            }
            (Action::Move, &[kind]) => {
                let after = self.change.after.as_ref();
                let point = after.and_then(|after| after.keypoints.values().next().copied()?);
                let place = point.and_then(|point| Some([point.x?, point.y?]));
                let [x, y] = place.ok_or_else(|| self.incomplete("no place to move to"))?;
                let offset = self.dataset.pixel_offset;
                let (x, y) = (x + offset, y + offset);
                edits.push(Edit::SetKeypoint { instance: at, kind, x, y });
            }
            (_, kinds) => {
                let message = format!("{} keypoints in `before`", kinds.len());
                return Err(self.incomplete(&message));
            }
        }
        Ok(())
    }

    /// Gives one keypoint what another has. The numbers are the dataset's own, so that a swap
    /// changes none of their digits.
    fn put(&self, at: u32, instance: &Instance, to: u16, from: u16, edits: &mut Vec<Edit>) {
        let seen = self.dataset.keypoint(instance, to).map(|point| point.visibility);
        match self.dataset.keypoint(instance, from) {
            None => edits.push(Edit::DropKeypoint { instance: at, kind: to }),
            Some(point) => {
                let (x, y, visibility) = (point.x, point.y, point.visibility);
                edits.push(Edit::SetKeypoint { instance: at, kind: to, x, y });
                if seen.unwrap_or(Visibility::Visible) != visibility {
                    edits.push(Edit::SetVisibility { instance: at, kind: to, visibility });
                }
            }
        }
    }

    fn compare(&self, found: Labels) -> Result<(), CleanError> {
        let expected = &self.change.before;
        if found == *expected {
            return Ok(());
        }
        let words = |labels| serde_json::to_string(labels).unwrap_or_default();
        let (expected, found) = (words(expected), words(&found));
        Err(CleanError::Changed { place: self.place(), expected, found })
    }

    fn no_such(&self, what: &str, name: &str) -> CleanError {
        let what = match what {
            "image" => what.into(),
            _ => format!("{what} in {}", self.place()),
        };
        CleanError::NoSuch { what, name: name.into() }
    }

    fn incomplete(&self, message: &str) -> CleanError {
        CleanError::Incomplete { place: self.place(), message: message.into() }
    }

    fn place(&self) -> String {
        let Change { image, instance, keypoint, .. } = self.change;
        let instance = instance.as_ref().map(|name| format!(" instance {name}"));
        let keypoint = keypoint.as_ref().map(|name| format!(" {name}"));
        format!("{image}{}{}", instance.unwrap_or_default(), keypoint.unwrap_or_default())
    }
}
