//! Writes changes of labels into the CSV files of the DeepLabCut family: DeepLabCut's and
//! Lightning Pose's, of one or several animals, with an index of one or three columns.
//!
//! Only cells that an edit concerns change; rows of images that are left out go. Columns of
//! other scorers, line endings, quotes and the text of all other numbers stay.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::dlc_csv::{self, Row, Sheet, show};
use super::dlc_dataset::below_labeled_data;
use super::dlc_records::{self, RecordPlace};
use super::rewrite::{self, Changes, Source};
use super::{FormatError, Rewrite, dlc_cells, files};
use crate::dataset::{Dataset, Edit, Instance, InstanceName, Keypoint, Visibility};

/// Returns what changes do to the files of a dataset of this family.
pub(super) fn rewrite(dataset: &Dataset, edits: &[Edit]) -> Result<Rewrite, FormatError> {
    let changes = Changes::of(dataset, edits);
    let mut rewrite = changes.begin(dataset);
    let mut by_file = changes.by_file(dataset);
    if !changes.images.is_empty() {
        // Rows of other files may name the same images, and would count without the first.
        for file in 0..dataset.label_files.len() as u32 {
            by_file.entry(file).or_default();
        }
    }
    let paths = paths(dataset);
    for (file, instances) in by_file {
        let mut table = Table::open(dataset, file, &paths)?;
        table.drop_rows(&changes.images);
        table.write(&changes, &instances)?;
        let path = table.source.path.clone();
        if table.source.put(&mut rewrite) {
            rewrite.stale.extend(hdf5_beside(dataset, &path));
        }
    }
    Ok(rewrite::finish(rewrite))
}

/// Returns a label file with the rows of some images alone; header and columns are as they were.
///
/// # Errors
/// Fails when it can no longer be read or is not what it was.
pub(super) fn rows_of(
    dataset: &Dataset,
    file: u32,
    images: &BTreeSet<u32>,
) -> Result<Vec<u8>, FormatError> {
    let paths = paths(dataset);
    let mut table = Table::open(dataset, file, &paths)?;
    for (row, image) in table.sheet.rows.iter().zip(&table.images) {
        if image.is_none_or(|image| !images.contains(&image)) {
            table.source.cut(table.records[row.record].bytes.clone());
        }
    }
    Ok(table.source.spliced())
}

fn paths(dataset: &Dataset) -> FxHashMap<&str, u32> {
    (0..).zip(&dataset.images).map(|(at, image)| (image.path.as_str(), at)).collect()
}

/// Returns the HDF5 files that hold the labels of a CSV: DeepLabCut reads these, not the CSV.
fn hdf5_beside(dataset: &Dataset, csv: &Path) -> Vec<String> {
    let inside = csv.parent().map(files::entries).unwrap_or_default();
    let is_same =
        |file: &&PathBuf| files::has_suffix(file, "h5") && file.file_stem() == csv.file_stem();
    inside.iter().filter(is_same).filter_map(|file| rewrite::below(&dataset.root, file)).collect()
}

/// A label file whose cells can be replaced.
struct Table<'d> {
    dataset: &'d Dataset,
    source: Source,
    sheet: Sheet,
    records: Vec<RecordPlace>,
    /// Per row of the sheet, the image that it names.
    images: Vec<Option<u32>>,
    /// Row of the sheet whose labels of an image count.
    rows: BTreeMap<u32, usize>,
    /// Who made the labels that were read.
    scorer: String,
    /// Whether numbers have a comma where others have a point.
    comma: bool,
}

impl<'d> Table<'d> {
    /// Reads a label file and holds it against the dataset.
    fn open(
        dataset: &'d Dataset,
        file: u32,
        paths: &FxHashMap<&str, u32>,
    ) -> Result<Table<'d>, FormatError> {
        let source = Source::open(dataset, &dataset.label_files[file as usize])?;
        let sheet = dlc_csv::parse(&source.name, &source.bytes)
            .map_err(|error| source.changed(error.row, &error.message))?;
        let text = dlc_records::decode(&source.bytes).map(|(text, _)| text).unwrap_or_default();
        let separator = dlc_records::separator(&text);
        let records = dlc_records::places(&source.bytes, separator);
        let mut located: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (at, image) in (0..).zip(&dataset.images) {
            if let Some(location) = image.location.filter(|location| location.file == file) {
                located.entry(location.row).or_default().push(at);
            }
        }
        let mut table = Table {
            dataset,
            source,
            sheet,
            records,
            images: Vec::new(),
            rows: BTreeMap::new(),
            scorer: String::new(),
            comma: false,
        };
        for (at, row) in table.sheet.rows.iter().enumerate() {
            let name = files::file_name(&row.image);
            let is_own = |image: &u32| {
                let path = &dataset.images[*image as usize].path;
                !table.rows.contains_key(image) && files::file_name(path) == name
            };
            let own = located.get(&row.line).and_then(|images| images.iter().copied().find(is_own));
            if let Some(image) = own {
                table.rows.insert(image, at);
            }
            table.images.push(own.or_else(|| table.named(row, paths)));
        }
        table.check(&located)?;
        table.comma = separator != b',' && table.has_comma();
        Ok(table)
    }

    /// Returns the image that a row names which does not count, as the reader finds it.
    fn named(&self, row: &Row, paths: &FxHashMap<&str, u32>) -> Option<u32> {
        let path = below_labeled_data(&row.image);
        let folder = files::parent(&self.source.name);
        let name = files::file_name(path);
        let beside = if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
        let found = [path, beside.as_str()].map(|path| paths.get(path).copied());
        let exists = |image: &u32| self.dataset.images[*image as usize].file.is_some();
        let mut existing = found.iter().copied().flatten().filter(exists);
        existing.next().or(found[0])
    }

    /// Finds the scorer, and compares every row that counts with the dataset.
    fn check(&mut self, located: &FxHashMap<u32, Vec<u32>>) -> Result<(), FormatError> {
        let dataset = self.dataset;
        let mut instances: FxHashMap<u32, Vec<&Instance>> = FxHashMap::default();
        for instance in &dataset.instances {
            if self.rows.contains_key(&instance.image) {
                instances.entry(instance.image).or_default().push(instance);
            }
        }
        let column = self.rows.keys().find_map(|image| {
            let points = dataset.keypoints_of(instances.get(image)?.first()?);
            points.iter().map(|point| u32::from(point.column)).find(|&column| column > 0)
        });
        let parts = &self.sheet.parts;
        let read = parts.iter().find(|part| Some(part.column()) == column);
        self.scorer = read.or(parts.first()).map(|part| part.scorer.clone()).unwrap_or_default();
        let mut images: Vec<(u32, u32)> = located
            .iter()
            .flat_map(|(&row, images)| images.iter().map(move |&at| (row, at)))
            .collect();
        images.sort_unstable();
        for (line, image) in images {
            let path = &dataset.images[image as usize].path;
            let Some(&row) = self.rows.get(&image) else {
                let what = format!("expected the row of {}, found another", show(path));
                return Err(self.source.changed(line, &what));
            };
            let own = instances.get(&image).map(Vec::as_slice).unwrap_or_default();
            if !self.holds(row, own) {
                let what = format!("expected the labels that were read of {}", show(path));
                return Err(self.source.changed(line, &what));
            }
        }
        Ok(())
    }

    /// Returns whether a row holds exactly the keypoints of its instances.
    fn holds(&self, row: usize, instances: &[&Instance]) -> bool {
        let row = &self.sheet.rows[row];
        let offset = self.dataset.pixel_offset;
        let points = &self.sheet.points[row.points.clone()];
        let mut found = BTreeMap::new();
        for point in points {
            if self.sheet.parts[point.part as usize].scorer == self.scorer {
                found.insert(point.part as usize, point);
            }
        }
        for instance in instances {
            for own in self.dataset.keypoints_of(instance) {
                let part = self.part(instance, own.kind);
                let point = part.and_then(|part| found.remove(&part));
                let is_same = point.is_some_and(|point| {
                    point.x + offset == own.x
                        && point.y + offset == own.y
                        && point.visibility == own.visibility
                });
                if !is_same {
                    return false;
                }
            }
        }
        found.is_empty() && self.records.get(row.record).is_some_and(|r| r.line == row.line)
    }

    /// Returns the body part of the sheet that holds a keypoint.
    fn part(&self, instance: &Instance, kind: u16) -> Option<usize> {
        let dataset = self.dataset;
        let bodypart = dataset.skeleton_of(instance)?.keypoints.get(usize::from(kind))?;
        let individual = match instance.name {
            InstanceName::Individual(at) => Some(dataset.individuals.get(at as usize)?),
            InstanceName::Id(_) | InstanceName::Ordinal(_) => None,
        };
        self.sheet.parts.iter().position(|part| {
            part.bodypart == *bodypart
                && part.individual.as_ref() == individual
                && part.scorer == self.scorer
        })
    }

    /// Returns whether a coordinate is written with a comma.
    fn has_comma(&self) -> bool {
        let mut cells = (0..self.sheet.rows.len()).flat_map(|row| {
            let columns = self.sheet.parts.iter().flat_map(|part| [part.x, part.y]);
            columns.filter_map(move |column| self.cell(row, column))
        });
        cells.any(|(_, text)| text.contains(','))
    }

    /// Takes out every row that names one of the images.
    fn drop_rows(&mut self, images: &BTreeSet<u32>) {
        for (row, image) in self.sheet.rows.iter().zip(&self.images) {
            if image.is_some_and(|image| images.contains(&image)) {
                self.source.cut(self.records[row.record].bytes.clone());
            }
        }
    }

    /// Writes the changes of instances of this file.
    fn write(&mut self, changes: &Changes, instances: &BTreeSet<u32>) -> Result<(), FormatError> {
        let dataset = self.dataset;
        for &at in instances {
            let instance = &dataset.instances[at as usize];
            let Some(&row) = self.rows.get(&instance.image) else { continue };
            if changes.instances.contains(&at) {
                for point in dataset.keypoints_of(instance) {
                    self.write_point(row, instance, point.kind, None)?;
                }
            } else {
                for (&kind, &new) in changes.points.get(&at).into_iter().flatten() {
                    self.write_point(row, instance, kind, new)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what becomes of a keypoint into the cells of a row.
    fn write_point(
        &mut self,
        row: usize,
        instance: &Instance,
        kind: u16,
        new: Option<Keypoint>,
    ) -> Result<(), FormatError> {
        let line = self.sheet.rows[row].line;
        let part = self.part(instance, kind).map(|part| &self.sheet.parts[part]);
        let Some(part) = part else {
            let skeleton = self.dataset.skeleton_of(instance);
            let name = skeleton.map_or("", |s| s.keypoints[usize::from(kind)].as_str());
            return Err(self.source.cannot_hold(line, format!("no columns for {}", show(name))));
        };
        let (columns, visible) = ([part.x, part.y], part.visible);
        let name = part.bodypart.clone();
        let place = |point: Keypoint| [point.x, point.y];
        let old = self.dataset.keypoint(instance, kind).copied();
        for (axis, column) in columns.into_iter().enumerate() {
            let [new, old] = [new, old].map(|point| point.map(|point| place(point)[axis]));
            let text = match (new, old) {
                (Some(new), Some(old)) if rewrite::same(self.dataset, new, old) => continue,
                (Some(new), _) => self.number(row, axis, new).ok_or_else(|| {
                    self.source.cannot_hold(line, format!("{new} is no place in an image"))
                })?,
                (None, _) => String::new(),
            };
            self.put(row, column, text);
        }
        let seen = |visibility| if visibility == Visibility::Visible { "2" } else { "1" };
        match (visible, new.map(|new| new.visibility)) {
            (Some(column), None) => self.put(row, column, "0".into()),
            (Some(column), Some(new)) if self.visibility(row, column) != Some(new) => {
                self.put(row, column, seen(new).into());
            }
            (None, Some(Visibility::Occluded)) => {
                let message = format!("no column `visible` to say that {} is hidden", show(&name));
                return Err(self.source.cannot_hold(line, message));
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the text of a coordinate: that of a point of the row where it has the same, so
    /// that points which change places keep every digit; else the shortest.
    fn number(&self, row: usize, axis: usize, coordinate: f64) -> Option<String> {
        let dataset = self.dataset;
        for point in &self.sheet.points[self.sheet.rows[row].points.clone()] {
            let part = &self.sheet.parts[point.part as usize];
            let (value, column) = [(point.x, part.x), (point.y, part.y)][axis];
            if rewrite::same(dataset, value + dataset.pixel_offset, coordinate) {
                return Some(unquoted(self.cell(row, column)?.1).trim().into());
            }
        }
        let text = rewrite::label_text(dataset, coordinate)?;
        Some(if self.comma { text.replace('.', ",") } else { text })
    }

    /// Returns the span of a cell and what stands there; what is no text counts as nothing.
    fn cell(&self, row: usize, column: usize) -> Option<(Range<usize>, &str)> {
        let span = self.records.get(self.sheet.rows[row].record)?.cells.get(column)?.clone();
        let text = std::str::from_utf8(&self.source.bytes[span.clone()]).unwrap_or_default();
        Some((span, text))
    }

    /// Replaces the value of a cell; its quotes stay. Missing is missing, however it is spelt.
    fn put(&mut self, row: usize, column: usize, text: String) {
        let Some((span, old)) = self.cell(row, column) else { return };
        let was = unquoted(old);
        if was.trim() == text || (text.is_empty() && dlc_cells::is_missing(was)) {
            return;
        }
        let text = if old.starts_with('"') { format!("\"{text}\"") } else { text };
        self.source.replace(span, text);
    }

    /// Returns what a column `visible` says of a keypoint that has a place.
    fn visibility(&self, row: usize, column: usize) -> Option<Visibility> {
        let cell = self.cell(row, column).map_or("", |(_, text)| unquoted(text));
        // What cannot be read is taken for seen.
        dlc_cells::visibility(cell).unwrap_or(Some(Visibility::Visible))
    }
}

/// Returns what stands between the quotes of a cell of numbers, or the cell without any.
fn unquoted(cell: &str) -> &str {
    let inner = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(cell)
}
