//! YOLO as Ultralytics trains on: `data.yaml`, folders of images per split, and a text
//! file of labels per image in the folder that has `labels` for `images`.
//!
//! Takes the `data.yaml` or its folder. Coordinates are shares of the image's width and
//! height, so that the header of each labelled image is read, too.

mod aside;
mod config;
mod labels;
mod rewrite;
mod split;

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use self::config::Config;
use self::labels::{Labels, Unread};
use super::{Evidence, Format, FormatError, ReadOptions, files, size, splits};
use crate::dataset::{
    BBox, Class, Dataset, Image, Instance, InstanceName, Keypoint, Location, OddRow, Oddity,
    Problem, ProblemKind, Project, Skeleton, Visibility, Yolo,
};

/// YOLO detection and pose.
pub(super) const FORMAT: Format = Format {
    slug: "yolo",
    looks_for: "a YOLO data.yaml with `train` or `val` and `names`",
    evidence: Evidence::Labels,
    detect,
    read,
    rewrite: Some(rewrite::rewrite),
    write_splits: Some(split::write),
};

fn detect(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return config::is_config(path).then(|| path.into());
    }
    let mut found: Vec<_> =
        files::entries(path).into_iter().filter(|file| config::is_config(file)).collect();
    let usual = found.iter().position(|file| files::name(file) == "data.yaml");
    match (found.len(), usual) {
        (0, _) => None,
        (_, Some(at)) => Some(found.swap_remove(at)),
        (1, None) => found.pop(),
        (_, None) => Some(path.into()),
    }
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    if path.is_dir() {
        let yamls = files::entries(path).into_iter().filter(|file| config::is_config(file));
        let found = yamls.map(|file| files::name(&file)).collect();
        return Err(FormatError::Several { path: path.into(), found });
    }
    // `..` in entries needs folders above to have names.
    let yaml = std::path::absolute(path)
        .map_err(|source| FormatError::Io { path: path.into(), source })?;
    let config = config::read(&yaml)?;
    let places = places(&yaml, &config, options);
    if places.found.is_empty() {
        let entries: Vec<_> =
            config.splits.iter().flat_map(|(_, entries)| entries.clone()).collect();
        let message = format!("none of the folders of images exists: {}", entries.join(", "));
        return Err(FormatError::Malformed { path: path.into(), row: None, message });
    }
    let mut builder = Builder::new(&yaml, &config, &places);
    for entry in places.missing {
        let message = format!("{entry} does not exist");
        builder.note(&builder.yaml.clone(), None, ProblemKind::UnreadableLabel, message);
    }
    for message in &config.unread {
        let message = message.clone();
        builder.note(&builder.yaml.clone(), None, ProblemKind::UnreadableLabel, message);
    }
    for place in &places.found {
        builder.add_place(place);
    }
    builder.read_labels(&config);
    builder.look_for_orphans(&places.found, &config);
    builder.project.config = builder.yaml.clone();
    builder.project.classes = config.names.len() as u64;
    builder.project.kpt_shape = config.kpt_shape.map(|shape| shape.map(|side| side as u16));
    builder.project.flip_idx = config.flip_idx.as_ref().map(|flip| flip.len() as u32);
    builder.dataset.training.project = Project::Yolo(builder.project);
    builder.dataset.videos = builder.videos.into_vec();
    Ok(builder.dataset)
}

/// A folder or list of images that exists.
struct Place {
    split: &'static str,
    /// Where the images are.
    found: PathBuf,
    /// Where they would be beside the label files; another folder with `--images`.
    nominal: PathBuf,
}

struct Places {
    found: Vec<Place>,
    /// Splits and entries that lead nowhere.
    missing: Vec<String>,
}

fn places(yaml: &Path, config: &Config, options: &ReadOptions) -> Places {
    let bases = config::bases(yaml, config.path.as_deref());
    let mut places = Places { found: Vec::new(), missing: Vec::new() };
    for (split, entries) in &config.splits {
        for entry in entries {
            let nominal = config::resolve(&bases, entry);
            let found = match &options.images {
                Some(images) => elsewhere(images, entry, split),
                None => nominal.clone(),
            };
            match found {
                Some(found) => {
                    // Labels may exist where the images do not.
                    let nominal = nominal.unwrap_or_else(|| {
                        let base = bases.first().cloned().unwrap_or_default();
                        config::plain(&base.join(files::slashes(entry).trim_start_matches("../")))
                    });
                    places.found.push(Place { split, found, nominal });
                }
                None => places.missing.push(format!("`{split}`: {entry}")),
            }
        }
    }
    places
}

/// Returns the folder of a split below `--images`.
fn elsewhere(images: &Path, entry: &str, split: &str) -> Option<PathBuf> {
    let images = std::path::absolute(images).ok()?;
    let named = [format!("images/{split}"), format!("{split}/images"), split.into()];
    config::resolve(std::slice::from_ref(&images), entry)
        .or_else(|| named.iter().map(|name| images.join(name)).find(|folder| folder.is_dir()))
        .or(Some(images))
}

struct Builder {
    dataset: Dataset,
    /// Path of the `data.yaml` in problems.
    yaml: String,
    /// Index of each image by its path.
    paths: FxHashMap<String, u32>,
    /// Per image, the label files that it may have.
    labels: Vec<Vec<PathBuf>>,
    /// Label files that belong to an image.
    used: FxHashSet<PathBuf>,
    videos: files::Names,
    project: Yolo,
}

impl Builder {
    fn new(yaml: &Path, config: &Config, places: &Places) -> Builder {
        let root = root(yaml, config, &places.found);
        let mut dataset = Dataset { format: FORMAT.slug, root, ..Dataset::default() };
        if let Some([count, _]) = config.kpt_shape {
            let unnamed = || (0..count).map(|at| format!("keypoint_{at}")).collect();
            let mut names: Vec<Vec<String>> =
                config.kpt_names.iter().map(|(_, names)| names.clone()).collect();
            names.dedup();
            if names.is_empty() {
                names.push(unnamed());
            }
            dataset.skeletons.extend(names.into_iter().map(|keypoints| Skeleton {
                keypoints,
                flip_idx: config.flip_idx.clone(),
                ..Skeleton::default()
            }));
        }
        for (id, name) in config.names.iter().take(usize::from(u16::MAX)) {
            let own = config.kpt_names.iter().find(|(class, _)| *class == Some(*id));
            let skeleton = (dataset.skeletons.iter())
                .position(|skeleton| own.is_none_or(|(_, names)| *names == skeleton.keypoints))
                .map(|at| at as u16);
            dataset.classes.push(Class { name: name.clone(), id: None, skeleton, defined: true });
        }
        let yaml = files::relative(&dataset.root, yaml);
        Builder {
            dataset,
            yaml,
            paths: FxHashMap::default(),
            labels: Vec::new(),
            used: FxHashSet::default(),
            videos: files::Names::default(),
            project: Yolo::default(),
        }
    }

    fn note(&mut self, file: &str, row: Option<u32>, kind: ProblemKind, message: String) {
        let file = file.into();
        self.dataset.problems.push(Problem { file, row, column: None, kind, image: None, message });
    }

    /// Adds the images of a folder or list.
    fn add_place(&mut self, place: &Place) {
        let split = self.split(place.split);
        let mut again = 0;
        if place.found.is_dir() {
            let listing = files::images_below(&self.dataset.root, &place.found);
            self.dataset.problems.extend(listing.problems);
            let to = swap(&place.nominal);
            for image in listing.images {
                let inside = image.file.strip_prefix(&place.found).unwrap_or(&image.file);
                let labels =
                    vec![to.join(inside).with_extension("txt"), image.file.with_extension("txt")];
                again += usize::from(!self.add_image(image.path, Some(image.file), split, labels));
            }
        } else {
            let list = files::relative(&self.dataset.root, &place.found);
            let text = match fs::read(&place.found) {
                Ok(text) => String::from_utf8_lossy(&text).into_owned(),
                Err(error) => {
                    let message = format!("failed to read the list: {error}");
                    self.note(&list, None, ProblemKind::UnreadableLabel, message);
                    return;
                }
            };
            let folder = place.found.parent().unwrap_or(Path::new("")).to_path_buf();
            let bases = [folder, self.dataset.root.clone()];
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let file = config::resolve(&bases, line);
                let nominal = || config::plain(&bases[0].join(files::slashes(line)));
                let at = file.clone().unwrap_or_else(nominal);
                let path = files::relative(&self.dataset.root, &at);
                let labels = vec![swap(&at).with_extension("txt"), at.with_extension("txt")];
                again += usize::from(!self.add_image(path, file, split, labels));
            }
        }
        if again > 0 {
            let message = format!("`{}` names images again: {again}", place.split);
            self.note(&self.yaml.clone(), None, ProblemKind::DuplicateRow, message);
        }
    }

    /// Adds an image; false where it is known already.
    fn add_image(
        &mut self,
        path: String,
        file: Option<PathBuf>,
        split: u16,
        labels: Vec<PathBuf>,
    ) -> bool {
        if self.paths.contains_key(&path) {
            return false;
        }
        let (video, frame) = splits::video_frame(&path).unzip();
        self.paths.insert(path.clone(), self.dataset.images.len() as u32);
        self.dataset.images.push(Image {
            path,
            file,
            video: video.map(|video| self.videos.add(&video)),
            frame,
            split: Some(split),
            ..Image::default()
        });
        self.labels.push(labels);
        true
    }

    fn split(&mut self, name: &str) -> u16 {
        let splits = &mut self.dataset.splits;
        let at = splits.iter().position(|split| split == name).unwrap_or_else(|| {
            splits.push(name.into());
            splits.len() - 1
        });
        at as u16
    }

    /// Reads the label files of all images.
    fn read_labels(&mut self, config: &Config) {
        let read: Vec<_> = (self.dataset.images.par_iter().zip(&self.labels))
            .map(|(image, labels)| own_labels(image, labels, config))
            .collect();
        let mut classes: FxHashMap<u64, u16> =
            (0..).zip(&config.names).map(|(at, &(id, _))| (id, at)).collect();
        let mut some_seen = false;
        for (at, own) in read.into_iter().enumerate() {
            let Some(own) = own else { continue };
            let file = files::relative(&self.dataset.root, &own.file);
            let index = self.dataset.label_files.len() as u32;
            self.dataset.label_files.push(file.clone());
            self.dataset.images[at].location = Some(Location { file: index, row: 1 });
            let path = Some(self.dataset.images[at].path.clone());
            for Unread { row, column, repeats, message } in own.labels.unread {
                let kind = match repeats {
                    Some(_) => ProblemKind::DuplicateRow,
                    None => ProblemKind::UnreadableLabel,
                };
                let (file, image) = (file.clone(), path.clone());
                let row = (row > 0).then_some(row);
                self.dataset.problems.push(Problem { file, row, column, kind, image, message });
            }
            self.project.corner_points += own.labels.corner_points;
            let odd = own.labels.odd.into_iter();
            self.project.odd.extend(odd.map(|(row, what)| OddRow {
                file: file.clone(),
                row,
                what,
            }));
            for (row, points, message) in own.labels.left_out {
                self.leave_out(&file, row, path.clone(), points, message);
            }
            self.used.insert(own.file);
            let [width, height] = own.size_px.map(f64::from);
            for (ordinal, row) in own.labels.rows.into_iter().enumerate() {
                let class = match classes.get(&row.class) {
                    Some(&class) if self.dataset.classes[usize::from(class)].defined => class,
                    known => {
                        let message = format!("class {} is not in `names`", row.class);
                        self.project.odd.push(OddRow {
                            file: file.clone(),
                            row: row.row,
                            what: Oddity::Class(row.class as f64),
                        });
                        self.dataset.problems.push(Problem {
                            file: file.clone(),
                            row: Some(row.row),
                            column: Some(1),
                            kind: ProblemKind::UndefinedClass,
                            image: path.clone(),
                            message,
                        });
                        match known {
                            Some(&class) => class,
                            None => {
                                let class = self.undefined(row.class);
                                classes.insert(row.class, class);
                                class
                            }
                        }
                    }
                };
                let first = self.dataset.keypoints.len() as u32;
                self.dataset.keypoints.extend(row.points.iter().map(
                    |&(kind, column, at, seen)| {
                        some_seen |= seen == Visibility::Visible;
                        let [x, y] = [at[0] * width, at[1] * height];
                        Keypoint { kind, column, visibility: seen, x, y }
                    },
                ));
                let BBox { x, y, width: w, height: h } = row.bbox;
                self.dataset.instances.push(Instance {
                    image: at as u32,
                    name: InstanceName::Ordinal(ordinal as u32),
                    class: Some(class),
                    skeleton: self.dataset.classes[usize::from(class)].skeleton,
                    bbox: Some(BBox {
                        x: x * width,
                        y: y * height,
                        width: w * width,
                        height: h * height,
                    }),
                    first,
                    len: row.points.len() as u16,
                    location: Some(Location { file: index, row: row.row }),
                    crowd: false,
                    area: None,
                });
            }
        }
        if !some_seen {
            // Without any 2 the files tell only labelled (1) from unlabelled (0).
            for point in &mut self.dataset.keypoints {
                point.visibility = Visibility::Visible;
            }
        }
    }

    /// Adds a class that is used and not defined. Past the 65,535th, all share the last.
    fn undefined(&mut self, id: u64) -> u16 {
        let at = self.dataset.classes.len();
        if at >= usize::from(u16::MAX) {
            return u16::MAX - 1;
        }
        let skeleton = (!self.dataset.skeletons.is_empty()).then_some(0);
        self.dataset.classes.push(Class {
            name: id.to_string(),
            id: None,
            skeleton,
            defined: false,
        });
        at as u16
    }
}

/// What was read for one image.
struct Own {
    file: PathBuf,
    labels: Labels,
    size_px: [u32; 2],
}

/// Returns the labels of an image; `None` where it has no label file.
fn own_labels(image: &Image, candidates: &[PathBuf], config: &Config) -> Option<Own> {
    let file = candidates.iter().find(|file| file.is_file())?.clone();
    let only = |message| Labels {
        unread: vec![Unread { row: 0, column: None, repeats: None, message }],
        odd: vec![(0, Oddity::NoText)],
        ..Labels::default()
    };
    let mut own = Own { file, labels: Labels::default(), size_px: [1, 1] };
    match fs::read(&own.file).map(String::from_utf8) {
        Err(error) => own.labels = only(format!("failed to read it: {error}")),
        Ok(Err(_)) => own.labels = only("expected text, found other bytes".into()),
        Ok(Ok(text)) => {
            own.labels = labels::parse(&text, config.kpt_shape);
            if !own.labels.rows.is_empty() {
                match image.file.as_deref().and_then(size::size_px) {
                    Some(size_px) => own.size_px = size_px,
                    None => {
                        let rows = std::mem::take(&mut own.labels.rows);
                        let message = format!(
                            "size of image unknown, which labels are shares of; {} left out",
                            rows.len()
                        );
                        own.labels.left_out.extend(rows.iter().map(|row| {
                            let message = "the size of the image is not known".into();
                            (row.row, row.points.len() as u32, message)
                        }));
                        own.labels.unread.extend(only(message).unread);
                    }
                }
            }
        }
    }
    Some(own)
}

/// Returns the folder or file with `labels` in place of its last `images`.
fn swap(path: &Path) -> PathBuf {
    let mut parts: Vec<_> = path.components().map(|part| part.as_os_str().to_owned()).collect();
    if let Some(part) = parts.iter_mut().rev().find(|part| *part == "images") {
        *part = "labels".into();
    }
    parts.iter().collect()
}

/// Returns the folder that paths are relative to: that of the file where all images lie
/// below it, else that of the dataset, else the deepest that holds them all.
fn root(yaml: &Path, config: &Config, places: &[Place]) -> PathBuf {
    let holds = |folder: &Path| places.iter().all(|place| place.nominal.starts_with(folder));
    let own = config::plain(yaml.parent().unwrap_or(Path::new("")));
    let mut bases = config::bases(yaml, config.path.as_deref());
    bases.insert(0, own.clone());
    if let Some(base) = bases.into_iter().find(|base| holds(base)) {
        return base;
    }
    let first = places.first().map_or(own.as_path(), |place| &place.nominal);
    first.ancestors().find(|folder| holds(folder)).unwrap_or(&own).into()
}
