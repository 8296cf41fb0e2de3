//! Puts a dataset together from the entries of COCO files.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::super::{FormatError, ReadOptions, files, splits};
use super::aside::{Told, labelled_points};
use super::row::{AnnotationRow, CategoryRow, Id, ImageRow, Numbers};
use super::stream::{each_annotation, head};
use super::{FORMAT, Part, images};
use crate::dataset::{
    BBox, Class, Coco, Dataset, Image, Instance, InstanceName, Keypoint, Location, Problem,
    ProblemKind, Project, Skeleton, Visibility, WhyLeftOut,
};

/// Puts a dataset together.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) dataset: Dataset,
    /// Index of each image by its path.
    paths: FxHashMap<String, u32>,
    /// Index of each defined class by its name.
    classes: FxHashMap<String, u16>,
    /// Index of each class that is used and not defined.
    undefined: FxHashMap<Id, u16>,
    /// Number of instances read of each image.
    instances_of: Vec<u32>,
    videos: files::Names,
    /// What annotations tell a trainer beside the tables.
    told: Coco,
}

/// What the annotations of one file refer to.
#[derive(Default)]
struct Ids {
    file: u32,
    images: FxHashMap<Id, u32>,
    classes: FxHashMap<Id, u16>,
    /// Ordinal of the annotation that used an id first.
    annotations: FxHashMap<i64, u32>,
    /// Whether a keypoint has COCO's 2.
    some_seen: bool,
}

impl Builder {
    /// Reads the parts of a dataset. Images on disk that no part names are added only
    /// where the parts are `complete`, so that they can belong to no other label file.
    pub(super) fn build(
        mut self,
        parts: &[Part],
        complete: bool,
        options: &ReadOptions,
    ) -> Result<Dataset, FormatError> {
        self.dataset.format = FORMAT.slug;
        let heads = parts.iter().map(|part| head(&part.json)).collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<&[(u32, ImageRow)]> = heads.iter().map(|head| &head.images[..]).collect();
        let placed = images::place(parts, &rows, options);
        let labels = parts.iter().map(|part| files::relative(&placed.root, &part.json));
        self.dataset.label_files = labels.collect();
        self.dataset.root = placed.root;
        let mut ids = Vec::new();
        for (at, (head, files)) in heads.into_iter().zip(placed.parts).enumerate() {
            let mut own = Ids { file: at as u32, ..Ids::default() };
            for (row, message) in head.unread {
                let location = Location { file: own.file, row };
                self.note(location, ProblemKind::UnreadableLabel, None, message);
            }
            let split = parts[at].split.as_deref().map(|split| self.split(split));
            for ((ordinal, row), (path, file)) in head.images.iter().zip(files) {
                let image = Image { path, file, split, ..Image::default() };
                self.add_image(&mut own, *ordinal, row, image);
            }
            for (ordinal, row) in head.categories {
                self.add_category(&mut own, ordinal, row)?;
            }
            ids.push(own);
        }
        self.instances_of = vec![0; self.dataset.images.len()];
        for (part, mut ids) in parts.iter().zip(ids) {
            let first = self.dataset.keypoints.len();
            each_annotation(&part.json, |ordinal, row| {
                self.add_annotation(&mut ids, ordinal, row)
            })?;
            if !ids.some_seen {
                // Without any 2 the file tells only labelled (1) from unlabelled (0).
                for point in &mut self.dataset.keypoints[first..] {
                    point.visibility = Visibility::Visible;
                }
            }
        }
        if complete {
            self.add_unnamed(options);
        }
        self.dataset.videos = self.videos.into_vec();
        self.told.zero_counts.sort();
        self.told.ignored.sort();
        self.dataset.training.project = Project::Coco(self.told);
        Ok(self.dataset)
    }

    fn note(&mut self, location: Location, kind: ProblemKind, image: Option<u32>, message: String) {
        self.dataset.problems.push(Problem {
            file: self.dataset.label_files[location.file as usize].clone(),
            row: Some(location.row),
            column: None,
            kind,
            image: image.map(|at| self.dataset.images[at as usize].path.clone()),
            message,
        });
    }

    fn split(&mut self, name: &str) -> u16 {
        let splits = &mut self.dataset.splits;
        let at = splits.iter().position(|split| split == name).unwrap_or_else(|| {
            splits.push(name.into());
            splits.len() - 1
        });
        at as u16
    }

    fn add_image(&mut self, ids: &mut Ids, ordinal: u32, row: &ImageRow, mut image: Image) {
        let location = Location { file: ids.file, row: ordinal };
        let known = self.paths.get(&image.path).copied();
        let at = known.unwrap_or_else(|| {
            // A side below 1 is no size; above 2^32 it is no image's.
            let side =
                |side: Option<f64>| side.filter(|s| (1.0..4e9).contains(s)).map(|s| s as u32);
            image.declared_px = side(row.width).zip(side(row.height)).map(|(w, h)| [w, h]);
            image.location = Some(location);
            image.id = row.id.number();
            self.push_image(image)
        });
        if known.is_some() {
            let first = self.dataset.images[at as usize].location.unwrap_or(location);
            let file = &self.dataset.label_files[first.file as usize];
            let message = format!(
                "entry {ordinal} of `images` names an image that entry {} of {file} names",
                first.row
            );
            self.note(location, ProblemKind::DuplicateRow, Some(at), message);
        }
        match ids.images.get(&row.id) {
            Some(&other) if other != at => {
                let other = &self.dataset.images[other as usize].path;
                let message = format!("image id {} is already that of {other}", row.id);
                self.note(location, ProblemKind::DuplicateRow, Some(at), message);
            }
            _ => _ = ids.images.insert(row.id.clone(), at),
        }
    }

    fn push_image(&mut self, mut image: Image) -> u32 {
        if let Some((video, frame)) = splits::video_frame(&image.path) {
            image.video = Some(self.videos.add(&video));
            image.frame = Some(frame);
        }
        let at = self.dataset.images.len() as u32;
        self.paths.insert(image.path.clone(), at);
        self.dataset.images.push(image);
        at
    }

    fn add_category(
        &mut self,
        ids: &mut Ids,
        ordinal: u32,
        row: CategoryRow,
    ) -> Result<(), FormatError> {
        let location = Location { file: ids.file, row: ordinal };
        if ids.classes.contains_key(&row.id) {
            let message = format!("category id {} is used twice", row.id);
            self.note(location, ProblemKind::DuplicateRow, None, message);
            return Ok(());
        }
        let known = self.classes.get(&row.name).copied();
        if known.is_some_and(|at| ids.classes.values().any(|&other| other == at)) {
            let message = format!("category `{}` stands twice, here as id {}", row.name, row.id);
            self.note(location, ProblemKind::DuplicateRow, None, message);
        }
        let class = match known {
            Some(at) => at,
            None => {
                let at = self.push_class(row.name.clone(), true)?;
                self.dataset.classes[usize::from(at)].id = row.id.number();
                self.classes.insert(row.name.clone(), at);
                at
            }
        };
        ids.classes.insert(row.id, class);
        let keypoints = row.keypoints.unwrap_or_default();
        if keypoints.is_empty() {
            return Ok(());
        }
        if let Some(at) = self.dataset.classes[usize::from(class)].skeleton {
            if self.dataset.skeletons[usize::from(at)].keypoints != keypoints {
                let message = format!("category `{}` has two lists of keypoints", row.name);
                self.note(location, ProblemKind::KeypointMismatch, None, message);
            }
            return Ok(());
        }
        let count = keypoints.len();
        let mut edges = Vec::new();
        let declared = row.skeleton.unwrap_or_default();
        // COCO counts keypoints from 1; an edge from 0 tells that this file does not.
        let least = if declared.iter().flatten().any(|&end| end == 0.0) { 0.0 } else { 1.0 };
        for edge in declared {
            let end = |end: f64| {
                let end = end - least;
                (end >= 0.0 && end < count as f64 && end.fract() == 0.0).then_some(end as u16)
            };
            if let &[from, to] = &edge[..]
                && let (Some(from), Some(to)) = (end(from), end(to))
            {
                edges.push([from, to]);
            } else {
                let message = format!(
                    "edge {} of category `{}` does not join two of its {count} keypoints",
                    brief(&edge),
                    row.name
                );
                self.note(location, ProblemKind::KeypointMismatch, None, message);
            }
        }
        self.push_skeleton(class, keypoints, edges);
        Ok(())
    }

    fn push_class(&mut self, name: String, defined: bool) -> Result<u16, FormatError> {
        let Ok(at) = u16::try_from(self.dataset.classes.len()) else {
            return Err(FormatError::Malformed {
                path: self.dataset.root.join(&self.dataset.label_files[0]),
                row: None,
                message: format!("more than {} categories", u16::MAX),
            });
        };
        self.dataset.classes.push(Class { name, id: None, skeleton: None, defined });
        Ok(at)
    }

    fn push_skeleton(&mut self, class: u16, keypoints: Vec<String>, edges: Vec<[u16; 2]>) -> u16 {
        let at = self.dataset.skeletons.len() as u16;
        let class = &mut self.dataset.classes[usize::from(class)];
        class.skeleton = Some(at);
        let name = class.name.clone();
        self.dataset.skeletons.push(Skeleton { name, keypoints, edges, ..Skeleton::default() });
        at
    }

    fn add_annotation(
        &mut self,
        ids: &mut Ids,
        ordinal: u32,
        row: Result<AnnotationRow, String>,
    ) -> Result<(), FormatError> {
        let location = Location { file: ids.file, row: ordinal };
        let row = match row {
            Ok(row) => row,
            Err(message) => {
                let name = format!("annotation {ordinal}");
                self.leave_out(WhyLeftOut::Unreadable, location, None, [name, message.clone()], 0);
                self.note(location, ProblemKind::UnreadableLabel, None, message);
                return Ok(());
            }
        };
        let Some(&image) = ids.images.get(&row.image_id) else {
            let message = format!("image_id {} is not in `images`", row.image_id);
            let name = format!("annotation {ordinal}");
            let points = row.keypoints.as_ref().map_or(0, labelled_points);
            self.leave_out(WhyLeftOut::NoImage, location, None, [name, message.clone()], points);
            self.note(location, ProblemKind::LabelWithoutImage, None, message);
            return Ok(());
        };
        let told = Told::of(&row);
        let in_image = &mut self.instances_of[image as usize];
        let mut name = InstanceName::Ordinal(*in_image);
        *in_image += 1;
        if let Some(Id::Number(id)) = row.id {
            let first = *ids.annotations.entry(id).or_insert(ordinal);
            if first == ordinal {
                name = InstanceName::Id(id);
            } else {
                let message = format!("annotation id {id} is already that of annotation {first}");
                self.note(location, ProblemKind::DuplicateRow, Some(image), message);
            }
        }
        let class = match ids.classes.get(&row.category_id) {
            Some(&class) => class,
            None => {
                let message = format!("category_id {} is not in `categories`", row.category_id);
                self.note(location, ProblemKind::UndefinedClass, Some(image), message);
                match self.undefined.get(&row.category_id) {
                    Some(&class) => class,
                    None => {
                        let class = self.push_class(row.category_id.to_string(), false)?;
                        self.undefined.insert(row.category_id, class);
                        class
                    }
                }
            }
        };
        let bbox = match row.bbox.as_ref().map(|Numbers(numbers)| &numbers[..]) {
            None | Some([]) => None,
            Some(&[x, y, width, height]) if [x, y, width, height].iter().all(|n| n.is_finite()) => {
                Some(BBox { x, y, width, height })
            }
            Some(other) => {
                let message = format!("expected four numbers as bbox, found {}", brief(other));
                self.note(location, ProblemKind::UnreadableLabel, Some(image), message);
                None
            }
        };
        let first = self.dataset.keypoints.len();
        let labelled = row.keypoints.as_ref().map_or(0, labelled_points) as usize;
        let seen = self.dataset.problems.len();
        if let Some(Numbers(numbers)) = row.keypoints {
            self.add_keypoints(ids, location, image, class, &numbers);
        }
        let read = self.dataset.keypoints.len() - first;
        if told.no_points && read > 0 {
            self.told.zero_counts.push(location);
        }
        if told.ignored {
            self.told.ignored.push(location);
        }
        if labelled > read {
            let name = match name {
                InstanceName::Ordinal(ordinal) => ordinal.to_string(),
                InstanceName::Id(id) => id.to_string(),
                InstanceName::Individual(_) => String::new(),
            };
            let noted = self.dataset.problems.get(seen..).and_then(<[Problem]>::last);
            let message = noted.map(|noted| noted.message.clone()).unwrap_or_default();
            let points = (labelled - read) as u32;
            let why = WhyLeftOut::Unreadable;
            self.leave_out(why, location, Some(image), [name, message], points);
        }
        self.dataset.instances.push(Instance {
            image,
            name,
            class: Some(class),
            skeleton: self.dataset.classes[usize::from(class)].skeleton,
            bbox,
            area: (row.area.as_ref())
                .and_then(serde_json::Value::as_f64)
                .filter(|area| *area >= 0.0),
            first: first as u32,
            len: (self.dataset.keypoints.len() - first) as u16,
            location: Some(location),
            crowd: row.iscrowd.is_some_and(|flag| flag.0),
        });
        Ok(())
    }

    /// Adds the keypoints of an annotation: x, y, visibility for each of its class.
    fn add_keypoints(
        &mut self,
        ids: &mut Ids,
        location: Location,
        image: u32,
        class: u16,
        numbers: &[f64],
    ) {
        let (triples, rest) = numbers.as_chunks::<3>();
        let labelled = triples.iter().any(|triple| triple[2] != 0.0);
        let skeleton = match self.dataset.classes[usize::from(class)].skeleton {
            Some(skeleton) => skeleton,
            // Zeros alone are what exporters write for a box without keypoints.
            None if !labelled => return,
            None if rest.is_empty() && triples.len() <= usize::from(u16::MAX) => {
                let names = (0..triples.len()).map(|at| format!("keypoint_{at}"));
                self.push_skeleton(class, names.collect(), Vec::new())
            }
            None => {
                let message =
                    format!("expected three numbers per keypoint, found {}", numbers.len());
                self.note(location, ProblemKind::UnreadableLabel, Some(image), message);
                return;
            }
        };
        let count = self.dataset.skeletons[usize::from(skeleton)].keypoints.len();
        if numbers.len() != 3 * count {
            if !numbers.is_empty() {
                let message = format!(
                    "expected {} numbers for {count} keypoints, found {}",
                    3 * count,
                    numbers.len()
                );
                self.note(location, ProblemKind::UnreadableLabel, Some(image), message);
            }
            return;
        }
        for (kind, &[x, y, v]) in triples.iter().enumerate() {
            let visibility = match v {
                0.0 => continue,
                1.0 => Visibility::Occluded,
                2.0 => Visibility::Visible,
                _ => {
                    let name = &self.dataset.skeletons[usize::from(skeleton)].keypoints[kind];
                    let message =
                        format!("expected 0, 1 or 2 as visibility of `{name}`, found {v}");
                    self.note(location, ProblemKind::UnreadableLabel, Some(image), message);
                    continue;
                }
            };
            if !(x.is_finite() && y.is_finite()) {
                let name = &self.dataset.skeletons[usize::from(skeleton)].keypoints[kind];
                let message = format!("`{name}` is labelled without a place");
                self.note(location, ProblemKind::UnreadableLabel, Some(image), message);
                continue;
            }
            ids.some_seen |= visibility == Visibility::Visible;
            self.dataset.keypoints.push(Keypoint {
                kind: kind as u16,
                column: 0,
                visibility,
                x,
                y,
            });
        }
    }

    /// Adds the images that lie beside named ones, as images without labels.
    fn add_unnamed(&mut self, options: &ReadOptions) {
        // The split of a folder is that of its named images, if it is one.
        let mut folders: FxHashMap<PathBuf, Option<u16>> = FxHashMap::default();
        for image in &self.dataset.images {
            let Some(folder) = image.file.as_deref().and_then(Path::parent) else { continue };
            match folders.get_mut(folder) {
                None => _ = folders.insert(folder.into(), image.split),
                Some(split) if *split != image.split => *split = None,
                Some(_) => {}
            }
        }
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort();
        let root = self.dataset.root.clone();
        for (folder, split) in folders {
            let listing = files::images_in(&root, &folder);
            self.dataset.problems.extend(listing.problems);
            for found in listing.images {
                let path = images::below(&root, &found.file, options);
                if !self.paths.contains_key(&path) {
                    let file = Some(found.file);
                    self.push_image(Image { path, file, split, ..Image::default() });
                }
            }
        }
    }
}

/// Returns numbers as words that stay short.
fn brief(numbers: &[f64]) -> String {
    match numbers.len() {
        0..=4 => {
            let words: Vec<_> = numbers.iter().map(f64::to_string).collect();
            format!("[{}]", words.join(", "))
        }
        count => format!("{count} numbers"),
    }
}
