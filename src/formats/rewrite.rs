//! What the writers of all formats share: what edits come to, label files as bytes, and
//! replacing some of these while all others stay.
//!
//! Writers never make a label file anew. They find the bytes of what an edit concerns,
//! hold them against the dataset that was read, and put other bytes in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use rustc_hash::FxHashMap;

use super::{FormatError, Rewrite, files};
use crate::dataset::{Dataset, Edit, Instance, Keypoint, Outcome, Visibility};

/// What a list of edits comes to, without those that change nothing.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// Images that are left out.
    pub(super) images: BTreeSet<u32>,
    /// Instances that go, of images that stay.
    pub(super) instances: BTreeSet<u32>,
    /// Keypoints that change, of instances that stay: by instance and kind what they become,
    /// `None` where they are labelled no more.
    pub(super) points: BTreeMap<u32, BTreeMap<u16, Option<Keypoint>>>,
}

impl Changes {
    /// Returns what edits come to, as [`Dataset::edited`] makes them.
    pub(super) fn of(dataset: &Dataset, edits: &[Edit]) -> Changes {
        let Outcome { images, mut instances, points } = dataset.outcome(edits);
        instances.retain(|&at| !images.contains(&dataset.instances[at as usize].image));
        let mut changed = BTreeMap::new();
        for (at, new) in points {
            let instance = &dataset.instances[at as usize];
            if images.contains(&instance.image) || instances.contains(&at) {
                continue;
            }
            let gone = dataset.keypoints_of(instance).iter().map(|old| (old.kind, None));
            let mut points: BTreeMap<u16, Option<Keypoint>> = gone.collect();
            points.extend(new.into_iter().map(|(kind, point)| (kind, Some(point))));
            points.retain(|&kind, new| {
                let (Some(new), Some(old)) = (*new, dataset.keypoint(instance, kind)) else {
                    return true;
                };
                !same(dataset, old.x, new.x)
                    || !same(dataset, old.y, new.y)
                    || old.visibility != new.visibility
            });
            if !points.is_empty() {
                changed.insert(at, points);
            }
        }
        Changes { images, instances, points: changed }
    }

    /// Returns the instances that change or go, of images that stay, by label file.
    pub(super) fn by_file(&self, dataset: &Dataset) -> BTreeMap<u32, BTreeSet<u32>> {
        let mut files: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for &at in self.instances.iter().chain(self.points.keys()) {
            if let Some(location) = dataset.instances[at as usize].location {
                files.entry(location.file).or_default().insert(at);
            }
        }
        files
    }

    /// Begins with the files of the images that are left out, except those that lie outside
    /// the dataset or are files of images that stay, too.
    pub(super) fn begin(&self, dataset: &Dataset) -> Rewrite {
        let mut uses: FxHashMap<&Path, [bool; 2]> = FxHashMap::default();
        for (at, image) in (0..).zip(&dataset.images) {
            if let Some(file) = &image.file {
                let stays = !self.images.contains(&at);
                uses.entry(file).or_default()[usize::from(stays)] = true;
            }
        }
        let gone = uses.iter().filter(|(_, uses)| **uses == [true, false]);
        let below = gone.filter_map(|(file, _)| below(&dataset.root, file));
        Rewrite { left_out: below.collect(), ..Rewrite::default() }
    }
}

/// Returns whether two coordinates are one in the label file's own numbers.
pub(super) fn same(dataset: &Dataset, a: f64, b: f64) -> bool {
    dataset.to_label(a) == dataset.to_label(b)
}

/// Returns instance and kind of a keypoint of the same image that has the same x (axis 0) or y
/// (axis 1), the instance's own first. Its text in the label file says the coordinate with
/// every digit, so that points which change places lose none.
pub(super) fn same_point(
    dataset: &Dataset,
    instance: &Instance,
    axis: usize,
    coordinate: f64,
) -> Option<(u32, u16)> {
    let first = dataset.instances.partition_point(|other| other.image < instance.image);
    let image = (first as u32..).zip(&dataset.instances[first..]);
    let image = image.take_while(|(_, other)| other.image == instance.image);
    let found = image.filter_map(|(at, other)| {
        let is_same = |point: &&Keypoint| same(dataset, [point.x, point.y][axis], coordinate);
        let point = dataset.keypoints_of(other).iter().find(is_same)?;
        Some((!std::ptr::eq(other, instance), at, point.kind))
    });
    found.min().map(|(_, at, kind)| (at, kind))
}

/// Returns an instance that would have a hidden keypoint where no keypoint that is seen would
/// be left, among those of a label file or of all. Readers of COCO's 1 and 2 would take the
/// hidden ones for seen.
pub(super) fn hidden_alone<'d>(
    dataset: &'d Dataset,
    changes: &Changes,
    file: Option<u32>,
) -> Option<&'d Instance> {
    let mut hidden = None;
    for (at, instance) in (0..).zip(&dataset.instances) {
        let own = file.is_none() || instance.location.map(|location| location.file) == file;
        if !own || changes.images.contains(&instance.image) || changes.instances.contains(&at) {
            continue;
        }
        let changed = changes.points.get(&at);
        let old = dataset.keypoints_of(instance).iter();
        let old = old.filter(|old| changed.is_none_or(|new| !new.contains_key(&old.kind)));
        let new = changed.into_iter().flat_map(|new| new.values().flatten());
        for point in old.chain(new) {
            match point.visibility {
                Visibility::Visible => return None,
                Visibility::Occluded => hidden = hidden.or(Some(instance)),
            }
        }
    }
    hidden
}

/// Returns the shortest text of a coordinate in the label file's own numbers; `None` where
/// it is no finite number.
pub(super) fn label_text(dataset: &Dataset, coordinate: f64) -> Option<String> {
    let label = dataset.to_label(coordinate);
    // Adding 0 takes the sign from a zero.
    label.is_finite().then(|| format!("{}", label + 0.0))
}

/// Returns the path of a file relative to a folder; `None` where it does not lie below.
pub(super) fn below(root: &Path, file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root).ok()?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| files::relative(root, file))
}

/// Returns the lines of a text, each with its end, which begin at a byte.
pub(super) fn lines(bytes: &[u8], from: usize) -> Vec<Range<usize>> {
    let mut start = from;
    (bytes[from..].split_inclusive(|&byte| byte == b'\n'))
        .map(|line| {
            let span = start..start + line.len();
            start = span.end;
            span
        })
        .collect()
}

/// Puts the lists of a finished result into their order.
pub(super) fn finish(mut rewrite: Rewrite) -> Rewrite {
    rewrite.files.sort();
    for list in [&mut rewrite.left_out, &mut rewrite.stale] {
        list.sort();
        list.dedup();
    }
    rewrite
}

/// A label file with its bytes, and the changes to it.
#[derive(Debug)]
pub(super) struct Source {
    /// Path relative to the dataset.
    pub(super) name: String,
    /// Where it lies.
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// Spans of the bytes and what comes in their place.
    splices: Vec<(Range<usize>, Vec<u8>)>,
}

impl Source {
    /// Reads a file of a dataset, named relative to its root.
    ///
    /// # Errors
    /// Fails when it cannot be read, or lies outside the dataset, of which a copy has no
    /// place for it.
    pub(super) fn open(dataset: &Dataset, name: &str) -> Result<Source, FormatError> {
        let path = dataset.root.join(name);
        if below(&dataset.root, &path).is_none() {
            let message =
                format!("it lies outside the dataset's folder {}", dataset.root.display());
            return Err(FormatError::CannotHold { path, row: None, message });
        }
        let bytes = files::read(&path)?;
        Ok(Source { name: name.into(), path, bytes, splices: Vec::new() })
    }

    /// Puts other bytes in the place of a span.
    pub(super) fn replace(&mut self, span: Range<usize>, bytes: impl Into<Vec<u8>>) {
        self.splices.push((span, bytes.into()));
    }

    /// Takes a span out.
    pub(super) fn cut(&mut self, span: Range<usize>) {
        self.replace(span, "");
    }

    /// Takes all changes back.
    pub(super) fn restore(&mut self) {
        self.splices.clear();
    }

    /// Returns the bytes after all changes. What lies within a span that is taken out goes
    /// with it.
    pub(super) fn spliced(&self) -> Vec<u8> {
        let mut splices: Vec<_> = self.splices.iter().collect();
        splices.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let mut new = Vec::with_capacity(self.bytes.len());
        let mut at = 0;
        for (span, bytes) in splices {
            if span.start >= at {
                new.extend_from_slice(&self.bytes[at..span.start]);
                new.extend_from_slice(bytes);
                at = span.end;
            }
        }
        new.extend_from_slice(&self.bytes[at..]);
        new
    }

    /// Adds the file to a result where its bytes have changed; returns whether they have.
    pub(super) fn put(self, rewrite: &mut Rewrite) -> bool {
        let new = self.spliced();
        let changed = new != self.bytes;
        if changed {
            rewrite.files.push((self.name, new));
        }
        changed
    }

    /// Returns the error that the file is not what was read.
    pub(super) fn changed(&self, row: u32, what: &str) -> FormatError {
        let message = format!("{what}; the file has changed since it was read");
        FormatError::Malformed { path: self.path.clone(), row: Some(row as usize), message }
    }

    /// Returns the error that the file cannot hold a change.
    pub(super) fn cannot_hold(&self, row: u32, message: String) -> FormatError {
        FormatError::CannotHold { path: self.path.clone(), row: Some(row as usize), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Image, InstanceName, Skeleton};

    /// Two images; an instance with two of three keypoints, and one with the third.
    fn dataset() -> Dataset {
        let skeleton = Skeleton {
            keypoints: ["a", "b", "c"].map(String::from).to_vec(),
            ..Skeleton::default()
        };
        let point =
            |kind, x| Keypoint { kind, column: 0, visibility: Visibility::Visible, x, y: 2.0 };
        let instance = |image, first, len| Instance {
            image,
            name: InstanceName::Ordinal(0),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first,
            len,
            location: None,
            crowd: false,
        };
        let image = |path: &str| Image { path: path.into(), ..Image::default() };
        Dataset {
            skeletons: vec![skeleton],
            images: vec![image("a.png"), image("b.png")],
            instances: vec![instance(0, 0, 2), instance(1, 2, 1)],
            keypoints: vec![point(0, 1.0), point(1, 3.0), point(2, 5.0)],
            ..Dataset::default()
        }
    }

    fn drop_point(instance: u32, kind: u16) -> Edit {
        Edit::DropKeypoint { instance, kind }
    }

    #[test]
    fn what_changes_nothing_is_left_out() {
        let set = |instance, kind, x| Edit::SetKeypoint { instance, kind, x, y: 2.0 };
        let nothing = [
            drop_point(0, 2),
            drop_point(9, 0),
            drop_point(0, 9),
            set(0, 0, 1.0 + 1e-9),
            set(0, 3, 1.0),
            Edit::DropImage { image: 2 },
            Edit::DropInstance { instance: 2 },
            set(1, 0, 7.0),
            drop_point(1, 0),
        ];
        assert_eq!(Changes::of(&dataset(), &nothing), Changes::default());
        let changes =
            Changes::of(&dataset(), &[drop_point(0, 0), set(0, 0, 4.0), drop_point(0, 1)]);
        let points = changes.points[&0].iter().map(|(&kind, new)| (kind, new.map(|new| new.x)));
        assert_eq!(points.collect::<Vec<_>>(), [(0, Some(4.0)), (1, None)]);
    }

    #[test]
    fn an_instance_without_anything_goes_unless_its_image_does() {
        let edits = [drop_point(0, 0), drop_point(0, 1), drop_point(1, 2)];
        let changes = Changes::of(&dataset(), &edits);
        assert_eq!((changes.instances.len(), changes.points.len()), (2, 0));
        let edits = [&edits[..], &[Edit::DropImage { image: 1 }]].concat();
        let changes = Changes::of(&dataset(), &edits);
        assert_eq!(changes.instances, [0].into());
        assert_eq!(changes.images, [1].into());
    }

    #[test]
    fn a_file_of_an_image_that_stays_is_not_left_out() {
        let mut dataset = dataset();
        dataset.root = "/d".into();
        let changes = Changes::of(&dataset, &[Edit::DropImage { image: 0 }]);
        let mut left_out = |files: [&str; 2]| {
            for (image, file) in dataset.images.iter_mut().zip(files) {
                image.file = Some(file.into());
            }
            changes.begin(&dataset).left_out
        };
        assert_eq!(left_out(["/d/x/a.png", "/d/b.png"]), ["x/a.png"]);
        assert_eq!(left_out(["/d/a.png", "/d/a.png"]), [""; 0]);
        assert_eq!(left_out(["/elsewhere/a.png", "/d/b.png"]), [""; 0]);
        assert_eq!(left_out(["/d/../a.png", "/d/b.png"]), [""; 0]);
    }

    #[test]
    fn numbers_are_short_and_finite() {
        let dataset = Dataset { pixel_offset: 0.5, ..Dataset::default() };
        let text = |number| label_text(&dataset, number);
        assert_eq!(text(250.055_999_999_999_98 + 0.5).as_deref(), Some("250.056"));
        assert_eq!(text(0.5 - 1e-9).as_deref(), Some("0"));
        assert_eq!(text(13.0).as_deref(), Some("12.5"));
        for number in [f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(text(number), None);
        }
    }

    #[test]
    fn bytes_outside_of_spans_stay() {
        let mut source = Source {
            name: "f".into(),
            path: "f".into(),
            bytes: b"0123456789".to_vec(),
            splices: Vec::new(),
        };
        assert_eq!(source.spliced(), b"0123456789");
        source.replace(7..8, "seven");
        source.cut(1..4);
        source.replace(2..3, "lost with what it stands in");
        source.replace(10..10, "!");
        assert_eq!(source.spliced(), b"0456seven89!");
    }
}
