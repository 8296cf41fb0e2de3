//! Writes changes of labels into COCO files.
//!
//! A keypoint that is not labelled any more becomes `0, 0, 0`, and `num_keypoints` follows
//! where it stands; annotations that go, and the entry and annotations of an image that is
//! left out, are taken from their arrays. All other bytes stay: further fields and their
//! order, indentation, the text of numbers.

use std::collections::BTreeSet;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::super::json::Elements;
use super::super::json_spans::{self, Member};
use super::super::rewrite::{self, Changes, Source};
use super::super::{FormatError, Rewrite, files};
use super::row::{AnnotationRow, Id, ImageOfRow, ImageRow, Numbers, parse};
use super::stream::failed;
use crate::dataset::{
    BBox, Dataset, Edit, Instance, InstanceName, Keypoint, ProblemKind, Visibility,
};

/// Returns what changes do to the files of a COCO dataset.
pub(super) fn rewrite(dataset: &Dataset, edits: &[Edit]) -> Result<Rewrite, FormatError> {
    let changes = Changes::of(dataset, edits);
    let mut rewrite = changes.begin(dataset);
    let mut by_file = changes.by_file(dataset);
    if !changes.images.is_empty() {
        for file in 0..dataset.label_files.len() as u32 {
            by_file.entry(file).or_default();
        }
    }
    for (file, instances) in by_file {
        let mut json = Json::open(dataset, file)?;
        let mut gone: BTreeSet<usize> = BTreeSet::new();
        if !changes.images.is_empty() {
            gone = json.drop_images(&changes.images)?;
        }
        for at in instances {
            let instance = &dataset.instances[at as usize];
            let annotation = json.annotation(instance)?;
            if changes.instances.contains(&at) {
                gone.insert(annotation);
            } else if let Some(points) = changes.points.get(&at) {
                let changed = points.iter().map(|(&kind, &new)| (kind, new)).collect::<Vec<_>>();
                json.write(instance, annotation, &changed)?;
            }
        }
        if let Some(instance) = rewrite::hidden_alone(dataset, &changes, Some(file)) {
            let row = instance.location.map_or(1, |location| location.row);
            let message = "no keypoint that is seen would be left beside hidden ones, which \
                           would then be taken for seen";
            return Err(json.source.cannot_hold(row, message.into()));
        }
        cut(&mut json.source, &json.annotations, &gone);
        json.source.put(&mut rewrite);
    }
    Ok(rewrite::finish(rewrite))
}

/// Takes elements out of their array, each with one comma.
fn cut(source: &mut Source, elements: &[Range<usize>], gone: &BTreeSet<usize>) {
    // A file may have several arrays of one name.
    let joined = |source: &Source, left: usize| {
        let gap = elements.get(left + 1).map(|next| elements[left].end..next.start);
        gap.is_some_and(|gap| source.bytes[gap].trim_ascii() == b",")
    };
    let mut at = 0;
    while at < elements.len() {
        if !gone.contains(&at) {
            at += 1;
            continue;
        }
        let first = at;
        while joined(source, at) && gone.contains(&(at + 1)) {
            at += 1;
        }
        let span = if joined(source, at) {
            elements[first].start..elements[at + 1].start
        } else if first > 0 && joined(source, first - 1) {
            elements[first - 1].end..elements[at].end
        } else {
            elements[first].start..elements[at].end
        };
        source.cut(span);
        at += 1;
    }
}

/// A COCO file whose values can be replaced.
pub(super) struct Json<'d> {
    dataset: &'d Dataset,
    file: u32,
    source: Source,
    /// Where the entries of `images` and `annotations` stand.
    images: Vec<Range<usize>>,
    annotations: Vec<Range<usize>>,
    /// Whether a labelled keypoint has COCO's 1 and is seen, since the file knows no 2.
    ones: bool,
}

impl<'d> Json<'d> {
    /// Reads a file.
    ///
    /// # Errors
    /// Fails when it can no longer be read or is not what it was.
    pub(super) fn open(dataset: &'d Dataset, file: u32) -> Result<Json<'d>, FormatError> {
        let source = Source::open(dataset, &dataset.label_files[file as usize])?;
        let mut spans = [Vec::new(), Vec::new()];
        let mut elements = Elements::new(&source.bytes[..], &["images", "annotations"]);
        let mut text = Vec::new();
        while let Some(place) =
            elements.next(&mut text).map_err(|error| failed(&source.path, error))?
        {
            spans[place.array].push(place.start..place.start + text.len());
            text.clear();
        }
        let [images, annotations] = spans;
        let mut json = Json { dataset, file, source, images, annotations, ones: false };
        let own = |i: &&Instance| i.location.is_some_and(|location| location.file == file);
        let points = |i| dataset.keypoints_of(i).iter().map(move |point| (i, point));
        let mut points = dataset.instances.iter().filter(own).flat_map(points);
        if let Some((instance, point)) = points.next()
            && point.visibility == Visibility::Visible
            && points.all(|(_, point)| point.visibility == Visibility::Visible)
        {
            let annotation = json.annotation(instance)?;
            let v = json.number_text(annotation, point.kind, 2).and_then(|v| v.parse().ok());
            json.ones = v == Some(1.0);
        }
        Ok(json)
    }

    /// Returns the file with some images and their annotations alone; all else is as it was. The
    /// file itself stays whole.
    ///
    /// # Errors
    /// Fails when it is not what it was.
    pub(super) fn only(&mut self, images: &BTreeSet<u32>) -> Result<Vec<u8>, FormatError> {
        let others = (0..self.dataset.images.len() as u32).filter(|image| !images.contains(image));
        let gone = self.drop_images(&others.collect())?;
        cut(&mut self.source, &self.annotations, &gone);
        let bytes = self.source.spliced();
        self.source.restore();
        Ok(bytes)
    }

    /// Takes the entries of images out and returns the annotations that go with them.
    fn drop_images(&mut self, dropped: &BTreeSet<u32>) -> Result<BTreeSet<usize>, FormatError> {
        let dataset = self.dataset;
        let mut located = FxHashMap::default();
        for (at, image) in (0..).zip(&dataset.images) {
            if let Some(location) = image.location.filter(|l| l.file == self.file) {
                located.insert(location.row as usize - 1, at);
            }
        }
        let names = self.names();
        let mut ids: FxHashMap<Id, u32> = FxHashMap::default();
        let mut gone = BTreeSet::new();
        for (entry, span) in self.images.iter().enumerate() {
            let row = parse::<ImageRow>(&self.source.bytes[span.clone()]).ok();
            let name = row.as_ref().map(|row| file_name(&row.file_name));
            let at = match located.remove(&entry) {
                Some(at) => {
                    let path = &dataset.images[at as usize].path;
                    if name.as_deref() != Some(files::file_name(path)) {
                        let what = format!("expected {path} as entry {} of `images`", entry + 1);
                        return Err(self.source.changed(entry as u32 + 1, &what));
                    }
                    Some(at)
                }
                None => name.and_then(|name| self.named_again(entry, &name, &names)),
            };
            let (Some(at), Some(row)) = (at, row) else { continue };
            // Of two images with one id, the first has the annotations.
            if ids.get(&row.id).is_none_or(|&other| other == at) {
                ids.insert(row.id, at);
            }
            if dropped.contains(&at) {
                gone.insert(entry);
            }
        }
        if let Some((&entry, &at)) = located.iter().min() {
            let path = &dataset.images[at as usize].path;
            let what = format!("expected {path} as entry {} of `images`", entry + 1);
            return Err(self.source.changed(entry as u32 + 1, &what));
        }
        cut(&mut self.source, &self.images, &gone);
        let mut gone = BTreeSet::new();
        let mut known = BTreeSet::new();
        for instance in &dataset.instances {
            let Some(location) = instance.location.filter(|l| l.file == self.file) else {
                continue;
            };
            known.insert(location.row as usize - 1);
            if dropped.contains(&instance.image) {
                gone.insert(self.annotation(instance)?);
            }
        }
        // Annotations that could not be read go with their image, too.
        for (at, span) in self.annotations.iter().enumerate().filter(|(at, _)| !known.contains(at))
        {
            let row = parse::<ImageOfRow>(&self.source.bytes[span.clone()]).ok();
            let image = row.and_then(|row| ids.get(&row.image_id).copied());
            if image.is_some_and(|image| dropped.contains(&image)) {
                gone.insert(at);
            }
        }
        Ok(gone)
    }

    /// Returns the images of each file name.
    fn names(&self) -> FxHashMap<&'d str, Vec<u32>> {
        let mut names: FxHashMap<&str, Vec<u32>> = FxHashMap::default();
        for (at, image) in (0..).zip(&self.dataset.images) {
            names.entry(files::file_name(&image.path)).or_default().push(at);
        }
        names
    }

    /// Returns the image of an entry that names one which an earlier entry has named.
    fn named_again(
        &self,
        entry: usize,
        name: &str,
        names: &FxHashMap<&str, Vec<u32>>,
    ) -> Option<u32> {
        let images = names.get(name)?;
        if let [only] = images[..] {
            return Some(only);
        }
        // Of several with this name, the reader said which it is.
        let file = &self.dataset.label_files[self.file as usize];
        let said = |image: &&u32| {
            self.dataset.problems.iter().any(|problem| {
                problem.kind == ProblemKind::DuplicateRow
                    && problem.row == Some(entry as u32 + 1)
                    && problem.file == *file
                    && problem.image.as_ref() == Some(&self.dataset.images[**image as usize].path)
            })
        };
        images.iter().find(said).copied()
    }

    /// Returns which annotation holds an instance, if it holds what was read.
    fn annotation(&self, instance: &Instance) -> Result<usize, FormatError> {
        let row = instance.location.map_or(1, |location| location.row);
        let at = row as usize - 1;
        let span = self.annotations.get(at);
        let read = span.and_then(|span| parse(&self.source.bytes[span.clone()]).ok());
        if read.is_some_and(|read| self.holds(instance, &read)) {
            return Ok(at);
        }
        Err(self.source.changed(row, &format!("expected what was read of annotation {row}")))
    }

    fn holds(&self, instance: &Instance, row: &AnnotationRow) -> bool {
        let name = match instance.name {
            InstanceName::Id(id) => row.id == Some(Id::Number(id)),
            InstanceName::Individual(_) | InstanceName::Ordinal(_) => true,
        };
        let bbox = match row.bbox.as_ref().map(|Numbers(numbers)| &numbers[..]) {
            Some(&[x, y, width, height]) => Some(BBox { x, y, width, height }),
            _ => None,
        };
        let finite = |b: &BBox| [b.x, b.y, b.width, b.height].iter().all(|n| n.is_finite());
        let count = self.count(instance);
        let numbers = row.keypoints.as_ref().map(|Numbers(numbers)| &numbers[..]);
        let triples = match numbers {
            Some(numbers) if numbers.len() == 3 * count => numbers.as_chunks::<3>().0,
            _ => &[],
        };
        let mut points = self.dataset.keypoints_of(instance).iter();
        let same = triples.iter().enumerate().all(|(kind, &[x, y, v])| {
            if !([1.0, 2.0].contains(&v) && x.is_finite() && y.is_finite()) {
                return true;
            }
            let seen = if v == 1.0 { Visibility::Occluded } else { Visibility::Visible };
            points.next().is_some_and(|point| {
                let visibility =
                    point.visibility == seen || point.visibility == Visibility::Visible;
                usize::from(point.kind) == kind && visibility && [point.x, point.y] == [x, y]
            })
        });
        name && bbox.filter(finite) == instance.bbox && same && points.next().is_none()
    }

    /// Returns the number of keypoints of an instance's skeleton.
    fn count(&self, instance: &Instance) -> usize {
        self.dataset.skeleton_of(instance).map_or(0, |skeleton| skeleton.keypoints.len())
    }

    /// Returns the members of an annotation, with their places in the file.
    fn members(&self, annotation: usize) -> Vec<Member> {
        let span = self.annotations[annotation].clone();
        let mut members = json_spans::members(&self.source.bytes[span.clone()]);
        for range in members.iter_mut().flat_map(|m| [&mut m.key, &mut m.value]) {
            *range = range.start + span.start..range.end + span.start;
        }
        members
    }

    /// Returns the text of a number of an annotation's `keypoints`: of a kind its x, y or v.
    fn number_text(&self, annotation: usize, kind: u16, axis: usize) -> Option<&str> {
        let members = self.members(annotation);
        let keypoints = members.iter().find(|member| member.name == "keypoints")?;
        let numbers = json_spans::elements(&self.source.bytes, &keypoints.value);
        let number = numbers.get(3 * usize::from(kind) + axis)?;
        std::str::from_utf8(&self.source.bytes[number.clone()]).ok()
    }

    /// Writes what becomes of keypoints of an annotation.
    fn write(
        &mut self,
        instance: &Instance,
        annotation: usize,
        changed: &[(u16, Option<Keypoint>)],
    ) -> Result<(), FormatError> {
        let members = self.members(annotation);
        let keypoints = members.iter().find(|member| member.name == "keypoints");
        let count = self.count(instance);
        let spans = keypoints.map(|member| json_spans::elements(&self.source.bytes, &member.value));
        let spans = spans.filter(|spans| spans.len() == 3 * count);
        let mut texts = vec!["0".to_string(); 3 * count];
        for (text, span) in texts.iter_mut().zip(spans.iter().flatten()) {
            *text = String::from_utf8_lossy(&self.source.bytes[span.clone()]).into_owned();
        }
        for &(kind, new) in changed {
            let new = self.triple(instance, kind, new)?;
            let triple = texts.iter_mut().skip(3 * usize::from(kind));
            for (text, new) in triple.zip(new) {
                if let Some(new) = new {
                    *text = new;
                }
            }
        }
        match (&spans, keypoints) {
            (Some(spans), _) => {
                for (span, text) in spans.iter().zip(&texts) {
                    if self.source.bytes[span.clone()] != *text.as_bytes() {
                        self.source.replace(span.clone(), text.as_str());
                    }
                }
            }
            (None, Some(member)) => {
                self.source.replace(member.value.clone(), format!("[{}]", texts.join(", ")));
            }
            (None, None) => self.add_keypoints(&members, &texts),
        }
        let labelled = texts.iter().skip(2).step_by(3).filter(|v| v.parse() != Ok(0.0)).count();
        let fewer_or_more = changed
            .iter()
            .any(|(kind, new)| new.is_some() != self.dataset.keypoint(instance, *kind).is_some());
        for member in members.iter().filter(|m| fewer_or_more && m.name == "num_keypoints") {
            self.source.replace(member.value.clone(), labelled.to_string());
        }
        Ok(())
    }

    /// Returns the texts of a keypoint's x, y and v that change.
    fn triple(
        &self,
        instance: &Instance,
        kind: u16,
        new: Option<Keypoint>,
    ) -> Result<[Option<String>; 3], FormatError> {
        let Some(new) = new else { return Ok([(); 3].map(|()| Some("0".into()))) };
        let row = instance.location.map_or(1, |location| location.row);
        let old = self.dataset.keypoint(instance, kind);
        let mut texts = [None, None, None];
        for (axis, coordinate) in [new.x, new.y].into_iter().enumerate() {
            let old = old.map(|old| [old.x, old.y][axis]);
            if old.is_some_and(|old| rewrite::same(self.dataset, old, coordinate)) {
                continue;
            }
            let text = self.copied(instance, axis, coordinate);
            let text = text.or_else(|| rewrite::label_text(self.dataset, coordinate));
            texts[axis] = Some(text.ok_or_else(|| {
                self.source.cannot_hold(row, format!("{coordinate} is no place in an image"))
            })?);
        }
        if old.map(|old| old.visibility) != Some(new.visibility) {
            texts[2] = Some(match (new.visibility, self.ones) {
                (Visibility::Visible, false) => "2".into(),
                (Visibility::Visible, true) => "1".into(),
                (Visibility::Occluded, false) => "1".into(),
                (Visibility::Occluded, true) => {
                    let message = "the file has no visibility 2, so that its 1 means seen";
                    return Err(self.source.cannot_hold(row, message.into()));
                }
            });
        }
        Ok(texts)
    }

    /// Returns the text of a coordinate that a keypoint of the same image has.
    fn copied(&self, instance: &Instance, axis: usize, coordinate: f64) -> Option<String> {
        let (at, kind) = rewrite::same_point(self.dataset, instance, axis, coordinate)?;
        let other = &self.dataset.instances[at as usize];
        if other.location?.file != self.file {
            return None;
        }
        let annotation = self.annotation(other).ok()?;
        Some(self.number_text(annotation, kind, axis)?.to_string())
    }

    /// Adds `keypoints` to an annotation that has none, spaced like the member before.
    fn add_keypoints(&mut self, members: &[Member], texts: &[String]) {
        let Some(last) = members.last() else { return };
        let text =
            |span: Range<usize>| String::from_utf8_lossy(&self.source.bytes[span]).into_owned();
        let colon = text(last.key.end..last.value.start);
        let comma = match members {
            [.., before, _] => text(before.value.end..last.key.start),
            _ => ", ".into(),
        };
        let added = format!("{comma}\"keypoints\"{colon}[{}]", texts.join(", "));
        self.source.replace(last.value.end..last.value.end, added);
    }
}

/// Returns the last part of a path as a file may name it.
fn file_name(path: &str) -> String {
    files::file_name(&files::slashes(path)).into()
}
