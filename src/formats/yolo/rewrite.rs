//! Writes changes of labels into YOLO's text files, and takes images that are left out from
//! the lists that a `data.yaml` names.
//!
//! Only numbers that an edit concerns change; the line of an instance that goes is taken out.
//! Other lines, their order and what is no label in them stay.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::super::rewrite::{self, Changes, Source, below};
use super::super::{FormatError, Rewrite, files, size};
use super::{config, labels};
use crate::dataset::{Dataset, Edit, Instance, Keypoint, Visibility};

/// Returns what changes do to the files of a YOLO dataset.
pub(super) fn rewrite(dataset: &Dataset, edits: &[Edit]) -> Result<Rewrite, FormatError> {
    let changes = Changes::of(dataset, edits);
    let mut rewrite = changes.begin(dataset);
    // `a.jpg` and `a.png` have one label file.
    let mut users: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (at, image) in (0..).zip(&dataset.images) {
        if let Some(location) = image.location {
            users.entry(&dataset.label_files[location.file as usize]).or_default().push(at);
        }
    }
    for (name, images) in &users {
        if images.iter().all(|image| changes.images.contains(image)) {
            rewrite.left_out.extend(below(&dataset.root, &dataset.root.join(name)));
        }
    }
    let ones = !changes.points.is_empty() && knows_ones_only(dataset)?;
    for (file, instances) in changes.by_file(dataset) {
        let mut text = Text::open(dataset, file, ones)?;
        for at in instances {
            let instance = &dataset.instances[at as usize];
            let others = &users[text.source.name.as_str()];
            if let Some(&other) = others.iter().find(|&&other| other != instance.image) {
                let message =
                    format!("its labels are those of {}, too", dataset.images[other as usize].path);
                return Err(text.source.cannot_hold(text.row(instance), message));
            }
            text.check(instance)?;
            if changes.instances.contains(&at) {
                text.drop_line(instance);
            } else if let Some(points) = changes.points.get(&at) {
                for (&kind, &new) in points {
                    text.write(instance, kind, new)?;
                }
            }
        }
        text.check_repeats(&changes)?;
        text.source.put(&mut rewrite);
    }
    if let Some(instance) = rewrite::hidden_alone(dataset, &changes, None)
        && let Some(location) = instance.location
    {
        return Err(FormatError::CannotHold {
            path: dataset.root.join(&dataset.label_files[location.file as usize]),
            row: Some(location.row as usize),
            message: "no keypoint that is seen would be left beside hidden ones, which would \
                      then be taken for seen"
                .into(),
        });
    }
    if !changes.images.is_empty() {
        unlist(dataset, &changes.images, &mut rewrite)?;
    }
    Ok(rewrite::finish(rewrite))
}

/// Returns whether a labelled keypoint has the visibility 1 and is seen, since no label of
/// the dataset has a 2.
fn knows_ones_only(dataset: &Dataset) -> Result<bool, FormatError> {
    if dataset.keypoints.iter().any(|point| point.visibility == Visibility::Occluded) {
        return Ok(false);
    }
    let labelled = dataset.instances.iter().find(|instance| instance.len > 0);
    let Some((instance, location)) = labelled.and_then(|i| Some((i, i.location?))) else {
        return Ok(false);
    };
    let text = Text::open(dataset, location.file, false)?;
    text.check(instance)?;
    let point = dataset.keypoints_of(instance)[0];
    let words = text.words(instance);
    let has_visibility = text.shape(instance).is_some_and(|[_, values]| values == 3);
    let v = words.get(usize::from(point.column) + 1).map(|word| text.at(word));
    Ok(has_visibility && v.and_then(|v| v.parse().ok()) == Some(1.0))
}

/// Takes images out of the lists of images that a `data.yaml` in the root names.
fn unlist(
    dataset: &Dataset,
    images: &BTreeSet<u32>,
    rewrite: &mut Rewrite,
) -> Result<(), FormatError> {
    let root = &dataset.root;
    let gone: BTreeSet<&str> =
        images.iter().map(|&at| dataset.images[at as usize].path.as_str()).collect();
    let mut lists = BTreeSet::new();
    for yaml in files::entries(root).into_iter().filter(|file| config::is_config(file)) {
        let Ok(read) = config::read(&yaml) else { continue };
        let bases = config::bases(&yaml, read.path.as_deref());
        let entries = read.splits.iter().flat_map(|(_, entries)| entries);
        let places = entries.filter_map(|entry| config::resolve(&bases, entry));
        lists.extend(places.filter(|place| place.is_file()));
    }
    for list in lists {
        let Some(name) = below(root, &list) else { continue };
        let mut source = Source::open(dataset, &name)?;
        let bases = [list.parent().unwrap_or(root).to_path_buf(), root.clone()];
        for span in rewrite::lines(&source.bytes, 0) {
            let line = String::from_utf8_lossy(&source.bytes[span.clone()]);
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let file = config::resolve(&bases, line)
                .unwrap_or_else(|| config::plain(&bases[0].join(files::slashes(line))));
            if gone.contains(files::relative(root, &file).as_str()) {
                source.cut(span);
            }
        }
        source.put(rewrite);
    }
    Ok(())
}

/// A label file whose numbers can be replaced.
struct Text<'d> {
    dataset: &'d Dataset,
    file: u32,
    source: Source,
    /// Lines with their ends.
    lines: Vec<Range<usize>>,
    /// Lines, from 0, by the bits of their numbers: the first counts, the others repeat it.
    same: FxHashMap<Vec<u64>, Vec<usize>>,
    ones: bool,
}

impl<'d> Text<'d> {
    fn open(dataset: &'d Dataset, file: u32, ones: bool) -> Result<Text<'d>, FormatError> {
        let source = Source::open(dataset, &dataset.label_files[file as usize])?;
        let Ok(text) = std::str::from_utf8(&source.bytes) else {
            return Err(source.changed(1, "expected text, found other bytes"));
        };
        let from = text.len() - text.trim_start_matches('\u{feff}').len();
        let lines = rewrite::lines(&source.bytes, from);
        let mut same: FxHashMap<Vec<u64>, Vec<usize>> = FxHashMap::default();
        for (at, line) in lines.iter().enumerate() {
            if let Ok(numbers) = labels::numbers(&text[line.clone()]) {
                same.entry(bits(&numbers)).or_default().push(at);
            }
        }
        Ok(Text { dataset, file, source, lines, same, ones })
    }

    /// Returns the line of an instance, counted from 1.
    fn row(&self, instance: &Instance) -> u32 {
        instance.location.map_or(1, |location| location.row)
    }

    fn at(&self, span: &Range<usize>) -> &str {
        std::str::from_utf8(&self.source.bytes[span.clone()]).unwrap_or_default()
    }

    /// Returns the numbers of the line of an instance.
    fn numbers(&self, instance: &Instance) -> Vec<f64> {
        let line = self.lines.get(self.row(instance) as usize - 1);
        line.and_then(|line| labels::numbers(self.at(line)).ok()).unwrap_or_default()
    }

    /// Returns the lines of an instance, from 0: its own and those that repeat it.
    fn own_lines(&self, instance: &Instance) -> Vec<usize> {
        self.same.get(&bits(&self.numbers(instance))).cloned().unwrap_or_default()
    }

    /// Returns where the words of the line of an instance stand.
    fn words(&self, instance: &Instance) -> Vec<Range<usize>> {
        let line = self.lines.get(self.row(instance) as usize - 1);
        line.map(|line| words(self.at(line), line.start)).unwrap_or_default()
    }

    /// Returns the number of keypoints and of values of each in the line of an instance;
    /// `None` for a dataset without keypoints.
    fn shape(&self, instance: &Instance) -> Option<[usize; 2]> {
        let count = self.dataset.skeletons.first()?.keypoints.len();
        let rest = self.numbers(instance).len().saturating_sub(5);
        let by_count = [2, 3].into_iter().find(|values| rest == count * values);
        // Names may be more or fewer than the keypoints of a line.
        let by_column = (self.dataset.keypoints_of(instance).iter())
            .find(|point| point.kind > 0)
            .map(|point| (usize::from(point.column) - 6) / usize::from(point.kind));
        let values = by_count.or(by_column).filter(|values| [2, 3].contains(values))?;
        rest.is_multiple_of(values).then_some([rest / values, values])
    }

    /// Returns width and height of the image of an instance.
    fn size_px(&self, instance: &Instance) -> Option<[f64; 2]> {
        let file = self.dataset.images[instance.image as usize].file.as_deref()?;
        Some(size::size_px(file)?.map(f64::from))
    }

    /// Compares the line of an instance with what was read of it.
    fn check(&self, instance: &Instance) -> Result<(), FormatError> {
        let row = self.row(instance);
        let numbers = self.numbers(instance);
        let shape = self.shape(instance);
        let (Some([width, height]), false) = (self.size_px(instance), numbers.is_empty()) else {
            return Err(self.source.changed(row, "expected an instance of an image that exists"));
        };
        let holds = labels::read(row, &numbers, shape).is_ok_and(|read| {
            let own = self.dataset.keypoints_of(instance);
            let same_box = instance.bbox.is_some_and(|own| {
                [own.x, own.width] == [read.bbox.x * width, read.bbox.width * width]
                    && [own.y, own.height] == [read.bbox.y * height, read.bbox.height * height]
            });
            let same_points = own.len() == read.points.len()
                && own.iter().zip(&read.points).all(|(own, &(kind, column, [x, y], seen))| {
                    (own.kind, own.column) == (kind, column)
                        && [own.x, own.y] == [x * width, y * height]
                        && (own.visibility == seen || own.visibility == Visibility::Visible)
                });
            same_box && same_points
        });
        if holds {
            return Ok(());
        }
        Err(self.source.changed(row, "expected the numbers that were read of this line"))
    }

    fn drop_line(&mut self, instance: &Instance) {
        for line in self.own_lines(instance) {
            self.source.cut(self.lines[line].clone());
        }
    }

    /// Writes what becomes of a keypoint, also into lines that repeat the instance's: they
    /// would count otherwise.
    fn write(
        &mut self,
        instance: &Instance,
        kind: u16,
        new: Option<Keypoint>,
    ) -> Result<(), FormatError> {
        let row = self.row(instance);
        let shape = self.shape(instance).filter(|&[count, _]| usize::from(kind) < count);
        let (Some([_, values]), Some(size_px)) = (shape, self.size_px(instance)) else {
            let message = format!("the line has no columns for keypoint {kind}");
            return Err(self.source.cannot_hold(row, message));
        };
        let texts = self.texts(instance, kind, new, values, size_px)?;
        for line in self.own_lines(instance) {
            let span = self.lines[line].clone();
            let words = words(self.at(&span), span.start);
            let words = words.into_iter().skip(5 + usize::from(kind) * values).take(values);
            for (word, text) in words.zip(&texts) {
                if let Some(text) = text {
                    self.source.replace(word, text.as_str());
                }
            }
        }
        Ok(())
    }

    /// Returns the texts of a keypoint's x, y and visibility that change.
    fn texts(
        &self,
        instance: &Instance,
        kind: u16,
        new: Option<Keypoint>,
        values: usize,
        size_px: [f64; 2],
    ) -> Result<[Option<String>; 3], FormatError> {
        let row = self.row(instance);
        let Some(new) = new else { return Ok([(); 3].map(|()| Some("0".into()))) };
        let old = self.dataset.keypoint(instance, kind);
        let mut texts = [None, None, None];
        for (axis, coordinate) in [new.x, new.y].into_iter().enumerate() {
            let old = old.map(|old| [old.x, old.y][axis]);
            if old.is_some_and(|old| rewrite::same(self.dataset, old, coordinate)) {
                continue;
            }
            let text = self.copied(instance, axis, coordinate);
            let text = text.or_else(|| share(self.dataset, coordinate, size_px[axis]));
            texts[axis] = Some(text.ok_or_else(|| {
                self.source.cannot_hold(row, format!("{coordinate} is no place in an image"))
            })?);
        }
        let zero = [new.x, new.y].iter().all(|&at| self.dataset.to_label(at) == 0.0);
        let message = match (values, new.visibility) {
            (2, Visibility::Visible) if !zero => return Ok(texts),
            (2, Visibility::Visible) => "without a visibility, 0 0 means not labelled",
            (2, Visibility::Occluded) => "the line has no visibility to say that one is hidden",
            (_, Visibility::Occluded) if self.ones => {
                "the dataset has no visibility 2, so that its 1 means seen"
            }
            (_, visibility) => {
                let hidden = visibility == Visibility::Occluded;
                let changes = old.is_none_or(|old| old.visibility != visibility);
                let seen = if hidden || self.ones { "1" } else { "2" };
                texts[2] = changes.then(|| seen.into());
                return Ok(texts);
            }
        };
        Err(self.source.cannot_hold(row, message.into()))
    }

    /// Returns the text of a coordinate that a keypoint of the same image has.
    fn copied(&self, instance: &Instance, axis: usize, coordinate: f64) -> Option<String> {
        let (at, kind) = rewrite::same_point(self.dataset, instance, axis, coordinate)?;
        let other = &self.dataset.instances[at as usize];
        if other.location?.file != self.file {
            return None;
        }
        self.check(other).ok()?;
        let column = usize::from(self.dataset.keypoint(other, kind)?.column) - 1 + axis;
        Some(self.at(self.words(other).get(column)?).to_string())
    }

    /// Refuses changes by which a line would repeat another: readers leave such a line out.
    fn check_repeats(&self, changes: &Changes) -> Result<(), FormatError> {
        let new = self.source.spliced();
        let text = String::from_utf8_lossy(&new);
        let own = |i: &Instance| i.location.is_some_and(|location| location.file == self.file);
        let own = (0..).zip(&self.dataset.instances).filter(|(_, instance)| own(instance));
        let first = own.clone().next().map(|(_, instance)| instance);
        let stay = own.filter(|(at, _)| !changes.instances.contains(at)).count();
        let shape = first.and_then(|instance| self.shape(instance));
        if labels::parse(&text, shape).rows.len() == stay {
            return Ok(());
        }
        let message = "two instances would have the same numbers, of which readers take one";
        Err(self.source.cannot_hold(first.map_or(1, |instance| self.row(instance)), message.into()))
    }
}

/// Returns the bits of numbers, by which lines are compared.
fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Returns where the words of a line stand, which begins at a byte.
fn words(line: &str, start: usize) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in line.split_whitespace() {
        // The search finds the word itself: between two words there is white space alone.
        at += line[at..].find(word).unwrap_or(0);
        words.push(start + at..start + at + word.len());
        at += word.len();
    }
    words
}

/// Returns the shortest share of a side in pixels that reads back to a coordinate; `None`
/// where there is none.
fn share(dataset: &Dataset, coordinate: f64, side_px: f64) -> Option<String> {
    // Adding 0 takes the sign from a zero.
    let label = dataset.to_label(coordinate) + 0.0;
    let share = label / side_px;
    if !share.is_finite() {
        return None;
    }
    let fits = |text: &String| {
        text.parse::<f64>().is_ok_and(|share| rewrite::same(dataset, share * side_px, coordinate))
    };
    // 17 decimals say every share of 0 to 1; beyond, the shortest text of the number does.
    (0..=17).map(|digits| format!("{share:.digits$}")).find(fits).or(Some(share.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_short_as_they_can_be() {
        let dataset = Dataset::default();
        let text = |coordinate, side| share(&dataset, coordinate, side);
        assert_eq!(text(320.5, 640.0).as_deref(), Some("0.50078125"));
        assert_eq!(text(0.0, 640.0).as_deref(), Some("0"));
        assert_eq!(text(-1e-9, 640.0).as_deref(), Some("0"));
        assert_eq!(text(640.0, 640.0).as_deref(), Some("1"));
        assert_eq!(text(f64::NAN, 640.0), None);
        assert_eq!(text(f64::MAX, 640.0), None);
        let third = text(100.0 / 3.0, 333.0).expect("a share");
        assert_eq!(dataset.to_label(third.parse::<f64>().expect("a number") * 333.0), 33.333333);
        assert!(third.len() <= 12, "{third}");
    }

    #[test]
    fn words_are_found_where_they_stand() {
        let line = " 0  0.5\t0.5 0\u{a0}0.5 \r\n";
        let found: Vec<&str> =
            words(line, 10).iter().map(|w| &line[w.start - 10..w.end - 10]).collect();
        assert_eq!(found, ["0", "0.5", "0.5", "0", "0.5"]);
        assert_eq!(words(line, 0)[3], 12..13);
    }
}
