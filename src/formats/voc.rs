//! Pascal VOC: one XML file of boxes per image, in `Annotations/` beside `JPEGImages/`
//! or beside the images, and lists of the splits in `ImageSets/Main/`.
//!
//! Takes the folder. VOC counts pixels from 1 and includes the last one; `xmin`, `ymin`
//! and `xmax - xmin`, `ymax - ymin` are taken as they stand, since most tools that write
//! VOC do not count so. The difference is at most one pixel.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use roxmltree::{Document, Node};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Evidence, Format, FormatError, ReadOptions, files, splits, voc_rewrite, voc_split};
use crate::dataset::{
    BBox, Class, Dataset, Image, Instance, InstanceName, LeftOut, Location, Problem, ProblemKind,
    Project, WhyLeftOut,
};

/// Pascal VOC.
pub(super) const FORMAT: Format = Format {
    slug: "voc",
    looks_for: "a Pascal VOC folder with Annotations/*.xml, or .xml files beside images",
    evidence: Evidence::Labels,
    detect,
    read,
    rewrite: Some(voc_rewrite::rewrite),
    write_splits: Some(voc_split::write),
};

/// Number of .xml files of a folder by which it is known.
const LOOKED_INTO: usize = 8;
/// Bytes at the beginning of a file by which it is known.
const HEAD: u64 = 4096;
/// Nodes of one file, beyond which it is no list of boxes but an attack.
const MOST_NODES: u32 = 1_000_000;

fn detect(path: &Path) -> Option<PathBuf> {
    let known = |folder: &Path| {
        let names = files::entries(folder).into_iter();
        let mut xml = names.filter(|path| files::has_suffix(path, "xml")).take(LOOKED_INTO);
        xml.any(|path| is_record(&path))
    };
    let found = known(&path.join("Annotations"))
        || known(path)
        || splits::split_folders(path).iter().any(|(path, _)| known(path));
    found.then(|| path.into())
}

/// Returns whether a file begins like the labels of one image. CVAT's files hold those
/// of many in `<annotations>`.
fn is_record(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let head = String::from_utf8_lossy(&head);
    // labelImg writes `<annotation verified="yes">` once someone has looked at it.
    read.is_ok() && ["<annotation>", "<annotation "].iter().any(|tag| head.contains(tag))
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    let mut reader = Reader::default();
    reader.dataset.root = path.into();
    reader.add_images(path, options);
    let xml = reader.label_files(path);
    let lists = reader.lists(path);
    let parsed: Vec<_> = xml.par_iter().map(|file| (file, parse(file))).collect();
    let mut records = Vec::new();
    for (file, parsed) in parsed {
        let name = files::relative(path, file);
        match parsed {
            Ok(record) => records.push((name, record)),
            Err((row, message)) => {
                reader.note(&name, row, ProblemKind::UnreadableLabel, None, message);
            }
        }
    }
    // Classes have no ids: their order is that of their names, not of the files.
    let mut classes: Vec<String> = (records.iter())
        .flat_map(|(_, record)| record.objects.iter().map(|object| object.class.clone()))
        .collect();
    classes.sort();
    classes.dedup();
    if classes.len() > usize::from(u16::MAX) {
        let message = format!("more than {} classes", u16::MAX);
        return Err(FormatError::Malformed { path: path.into(), row: None, message });
    }
    reader.dataset.classes = (classes.into_iter())
        .map(|name| Class { name, id: None, skeleton: None, defined: true })
        .collect();
    for (name, record) in records {
        reader.add_record(name, record);
    }
    reader.set_splits(&lists);
    reader.dataset.videos = reader.videos.into_vec();
    reader.difficult.sort();
    reader.dataset.training.project = Project::Voc { difficult: reader.difficult };
    Ok(reader.dataset)
}

/// What one XML file says.
struct Record {
    filename: Option<String>,
    declared_px: Option<[u32; 2]>,
    objects: Vec<Object>,
    /// Lines and messages of objects that could not be read.
    unread: Vec<(usize, String)>,
}

/// An object that could be read.
pub(super) struct Object {
    /// Line at which it begins.
    pub(super) row: usize,
    pub(super) class: String,
    pub(super) bbox: BBox,
    /// Whether it is marked as hard to tell, so that trainers pass over it.
    pub(super) difficult: bool,
}

fn parse(file: &Path) -> Result<Record, (Option<usize>, String)> {
    let bytes = fs::read(file).map_err(|error| (None, format!("failed to read it: {error}")))?;
    let text = String::from_utf8_lossy(&bytes);
    let document = document(text.trim_start_matches('\u{feff}'))?;
    let root = document.root_element();
    let size = child(root, "size");
    let side = |name| {
        let side = number(size?, name).ok()?;
        (1.0..4e9).contains(&side).then_some(side as u32)
    };
    let mut record = Record {
        filename: text_of(root, "filename"),
        declared_px: side("width").zip(side("height")).map(|(w, h)| [w, h]),
        objects: Vec::new(),
        unread: Vec::new(),
    };
    for node in root.children().filter(|node| node.has_tag_name("object")) {
        let row = row(&document, node);
        match object(row, node) {
            Ok(object) => record.objects.push(object),
            Err(message) => record.unread.push((row, message)),
        }
    }
    Ok(record)
}

/// Reads the text of a label file.
pub(super) fn document(text: &str) -> Result<Document<'_>, (Option<usize>, String)> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: MOST_NODES,
        ..Default::default()
    };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| (Some(error.pos().row as usize), error.to_string()))?;
    let root = document.root_element();
    if !root.has_tag_name("annotation") {
        let message = format!("expected <annotation>, found <{}>", root.tag_name().name());
        return Err((Some(row(&document, root)), message));
    }
    Ok(document)
}

/// Reads an object that begins at a line.
pub(super) fn object(row: usize, node: Node<'_, '_>) -> Result<Object, String> {
    let class = text_of(node, "name").ok_or("expected <name> in <object>, found none")?;
    let corners = child(node, "bndbox").ok_or("expected <bndbox> in <object>, found none")?;
    let [x, y] = [number(corners, "xmin")?, number(corners, "ymin")?];
    let [right, bottom] = [number(corners, "xmax")?, number(corners, "ymax")?];
    let difficult = text_of(node, "difficult").as_deref() == Some("1");
    let bbox = BBox { x, y, width: right - x, height: bottom - y };
    Ok(Object { row, class, bbox, difficult })
}

/// Returns the line at which a node begins.
pub(super) fn row(document: &Document<'_>, node: Node<'_, '_>) -> usize {
    document.text_pos_at(node.range().start).row as usize
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    let text = child(node, name)?.text()?.trim();
    (!text.is_empty()).then(|| text.into())
}

fn number(node: Node<'_, '_>, name: &str) -> Result<f64, String> {
    let Some(text) = text_of(node, name) else {
        return Err(format!("expected a number in <{name}>, found nothing"));
    };
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => {
            let text: String = text.chars().take(40).collect();
            Err(format!("expected a number in <{name}>, found `{text}`"))
        }
    }
}

#[derive(Default)]
struct Reader {
    dataset: Dataset,
    /// Index of each image by its folder and stem.
    stems: FxHashMap<(String, String), u32>,
    /// Number of instances read of each image.
    instances_of: FxHashMap<u32, u32>,
    /// Index of the image of each stem; `None` where several have it.
    alone: FxHashMap<String, Option<u32>>,
    videos: files::Names,
    /// Objects that are marked as difficult.
    difficult: Vec<Location>,
}

impl Reader {
    fn note(
        &mut self,
        file: &str,
        row: Option<usize>,
        kind: ProblemKind,
        image: Option<u32>,
        message: String,
    ) {
        let row = row.map(|row| row as u32);
        let image = image.map(|at| self.dataset.images[at as usize].path.clone());
        let file = file.into();
        self.dataset.problems.push(Problem { file, row, column: None, kind, image, message });
    }

    /// Adds the image files that exist.
    fn add_images(&mut self, path: &Path, options: &ReadOptions) {
        let usual = ["JPEGImages", "images"].map(|name| path.join(name));
        let listing = match (&options.images, usual.iter().find(|folder| folder.is_dir())) {
            (Some(images), _) => {
                let base = if images.starts_with(path) { path } else { images.as_path() };
                files::images_below(base, images)
            }
            (None, Some(folder)) => files::images_below(path, folder),
            (None, None) => files::images_below(path, path),
        };
        self.dataset.problems.extend(listing.problems);
        for image in listing.images {
            self.push_image(Image { path: image.path, file: Some(image.file), ..Image::default() });
        }
    }

    fn push_image(&mut self, mut image: Image) -> u32 {
        if let Some((video, frame)) = splits::video_frame(&image.path) {
            image.video = Some(self.videos.add(&video));
            image.frame = Some(frame);
        }
        let at = self.dataset.images.len() as u32;
        let (folder, stem) = folder_and_stem(&image.path);
        let alone = self.alone.entry(stem.clone()).or_insert(Some(at));
        *alone = alone.filter(|&known| known == at);
        self.stems.entry((folder, stem)).or_insert(at);
        self.dataset.images.push(image);
        at
    }

    /// Returns the XML files that hold labels.
    fn label_files(&mut self, path: &Path) -> Vec<PathBuf> {
        let own = path.join("Annotations");
        let folder = if own.is_dir() { own.as_path() } else { path };
        let walk = walkdir::WalkDir::new(folder).follow_links(true).sort_by_file_name();
        let mut found = Vec::new();
        for entry in walk.into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
            let file = entry.into_path();
            let name = files::name(&file);
            if !files::has_suffix(&file, "xml") {
                continue;
            }
            if files::is_litter(&name) {
                let name = files::relative(path, &file);
                let message = "left behind by an operating system; safe to delete".into();
                self.note(&name, None, ProblemKind::Litter, None, message);
            } else if !name.starts_with('.') {
                found.push(file);
            }
        }
        found
    }

    fn add_record(&mut self, name: String, record: Record) {
        let index = self.dataset.label_files.len() as u32;
        self.dataset.label_files.push(name.clone());
        let at = match self.image_of(&name, &record) {
            Some(at) => at,
            None => self.push_image(Image { path: absent(&name, &record), ..Image::default() }),
        };
        let location = Location { file: index, row: 1 };
        if let Some(other) = self.dataset.images[at as usize].location {
            let other = &self.dataset.label_files[other.file as usize];
            let message = format!("{other} labels the same image");
            self.note(&name, None, ProblemKind::DuplicateRow, Some(at), message);
        } else {
            self.dataset.images[at as usize].location = Some(location);
            self.dataset.images[at as usize].declared_px = record.declared_px;
        }
        for (row, message) in record.unread {
            let image = self.dataset.images[at as usize].path.clone();
            self.dataset.training.left_out.push(LeftOut {
                why: WhyLeftOut::Unreadable,
                file: name.clone(),
                row: Some(row as u32),
                column: None,
                image: Some(image),
                instance: format!("line {row} of {name}"),
                keypoint: None,
                at: None,
                points: 0,
                message: message.clone(),
            });
            self.note(&name, Some(row), ProblemKind::UnreadableLabel, Some(at), message);
        }
        for object in record.objects {
            if object.difficult {
                let row = object.row as u32;
                self.difficult.push(Location { file: index, row });
            }
            let in_image = self.instances_of.entry(at).or_default();
            let name = InstanceName::Ordinal(*in_image);
            *in_image += 1;
            let classes = &self.dataset.classes;
            let class = classes.binary_search_by(|class| class.name.cmp(&object.class)).ok();
            self.dataset.instances.push(Instance {
                image: at,
                name,
                class: class.map(|class| class as u16),
                skeleton: None,
                bbox: Some(object.bbox),
                first: 0,
                len: 0,
                location: Some(Location { file: index, row: object.row as u32 }),
                crowd: false,
                area: None,
            });
        }
    }

    /// Returns the image that a label file stands for: of the same stem, else of the name
    /// that it holds.
    fn image_of(&self, xml: &str, record: &Record) -> Option<u32> {
        let (folder, stem) = folder_and_stem(xml);
        // `Annotations/a/b.xml` belongs to `JPEGImages/a/b.jpg`.
        let inside = folder.strip_prefix("Annotations").map(|rest| rest.trim_start_matches('/'));
        let beside = [
            Some(folder.clone()),
            inside.map(|rest| format!("JPEGImages/{rest}").trim_end_matches('/').to_string()),
            inside.map(|rest| rest.to_string()),
            inside.map(|rest| format!("images/{rest}").trim_end_matches('/').to_string()),
        ];
        let find = |stem: &str| {
            let places = beside.iter().flatten();
            let mut keys = places.map(|folder| (folder.clone(), stem.to_string()));
            keys.find_map(|key| self.stems.get(&key).copied())
                .or_else(|| self.alone.get(stem).copied().flatten())
        };
        find(&stem).or_else(|| {
            let filename = files::slashes(record.filename.as_ref()?);
            let name = files::file_name(&filename);
            // The suffix may be missing, and a dot may belong to the name.
            find(&folder_and_stem(name).1).or_else(|| find(name))
        })
    }

    /// Reads the lists of the splits: names of images without suffix.
    fn lists(&mut self, path: &Path) -> Vec<(String, FxHashSet<String>)> {
        let folder = path.join("ImageSets").join("Main");
        let mut lists = Vec::new();
        for file in files::entries(&folder) {
            let name = files::name(&file);
            let Some(split) = name.strip_suffix(".txt") else { continue };
            // `cat_train.txt` lists which images hold cats; only whole names are splits.
            if splits::split_named(split).is_none() {
                continue;
            }
            match fs::read(&file) {
                Ok(text) => {
                    let text = String::from_utf8_lossy(&text);
                    let first = |line: &str| line.split_whitespace().next().map(String::from);
                    lists.push((split.to_string(), text.lines().filter_map(first).collect()));
                }
                Err(error) => {
                    let name = files::relative(path, &file);
                    let message = format!("failed to read the list: {error}");
                    self.note(&name, None, ProblemKind::UnreadableLabel, None, message);
                }
            }
        }
        lists
    }

    /// Puts images into the splits that lists or folders name. An image of `train` and
    /// `trainval` is one of `train`.
    fn set_splits(&mut self, lists: &[(String, FxHashSet<String>)]) {
        let mut lists: Vec<_> = lists.iter().collect();
        lists.sort_by_key(|(split, _)| (split == "trainval", split.clone()));
        for image in &mut self.dataset.images {
            let (folder, stem) = folder_and_stem(&image.path);
            let listed = (lists.iter())
                .find(|(_, names)| {
                    names.contains(&stem) || names.contains(files::file_name(&image.path))
                })
                .map(|(split, _)| split.clone());
            let Some(split) = listed.or_else(|| splits::split_named(folder.split('/').next()?))
            else {
                continue;
            };
            let splits = &mut self.dataset.splits;
            let at = splits.iter().position(|known| *known == split).unwrap_or_else(|| {
                splits.push(split);
                splits.len() - 1
            });
            image.split = Some(at as u16);
        }
    }
}

/// Returns the path of an image that a label file stands for and that is nowhere.
fn absent(xml: &str, record: &Record) -> String {
    let (folder, stem) = folder_and_stem(xml);
    let folder = folder.replacen("Annotations", "JPEGImages", 1);
    let named = record.filename.as_deref().map(files::slashes);
    let name = match named.as_deref().map(files::file_name) {
        Some(name) if folder_and_stem(name).1 == stem => name.to_string(),
        _ => format!("{stem}.jpg"),
    };
    if folder.is_empty() { name } else { format!("{folder}/{name}") }
}

/// Returns the folder of a path, and its file name without suffix.
pub(super) fn folder_and_stem(path: &str) -> (String, String) {
    let name = files::file_name(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    (files::parent(path).into(), stem.into())
}
