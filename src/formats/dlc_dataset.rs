//! Builds a [`Dataset`] from label files of the DeepLabCut family ([`Sheet`]s) and the
//! image files beside them. What differs between the formats, which files to read and
//! which skeleton a body part belongs to, is decided by their readers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

use super::dlc_csv::{Part, Point, Sheet, show};
use super::dlc_left_out::LeftOutOf;
use super::files::{self, ImageFile, Listing, Names};
use crate::dataset::{
    Dataset, Image, Instance, InstanceName, Keypoint, Location, Problem, ProblemKind, Project,
    Skeleton, WhyLeftOut,
};

/// Folder of a project that holds the labelled images.
pub(super) const LABELED_DATA: &str = "labeled-data";

/// Where the images that rows name may lie.
#[derive(Debug)]
pub(super) struct Places {
    /// Folder of the project.
    pub(super) root: PathBuf,
    /// Folder that the user named instead (`--images`).
    pub(super) images: Option<PathBuf>,
    /// Whether an image that is not where its row says may lie beside the label file,
    /// as in a folder that was taken out of its project.
    pub(super) beside: Beside,
    /// Video of the images that lie in the root itself, where it is the folder of one.
    pub(super) video: Option<String>,
}

/// Whether an image may lie beside its label file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Allowed,
    No,
}

/// A dataset in the making.
#[derive(Debug)]
pub(super) struct Builder {
    dataset: Dataset,
    places: Places,
    /// Image files of the listing, by path.
    files: FxHashMap<String, PathBuf>,
    /// The same files, and those of them that a row has named.
    listed: FxHashSet<PathBuf>,
    named: FxHashSet<PathBuf>,
    /// Whether a folder below the root exists.
    folders: FxHashMap<String, bool>,
    /// Index of images by path.
    images: FxHashMap<String, u32>,
    videos: Names,
    individuals: Names,
    skeletons: Vec<Names>,
    /// Number of images that a label file and an earlier one both label.
    twice: BTreeMap<[u32; 2], u32>,
}

impl Builder {
    /// Begins a dataset with the image files of a listing.
    pub(super) fn new(places: Places, listing: Listing) -> Builder {
        let dataset = Dataset {
            root: places.root.clone(),
            // Labelling tools of this family give the centre of a pixel whole numbers.
            pixel_offset: 0.5,
            problems: listing.problems,
            ..Dataset::default()
        };
        Builder {
            dataset,
            places,
            listed: listing.images.iter().map(|image| image.file.clone()).collect(),
            files: listing.images.into_iter().map(|image| (image.path, image.file)).collect(),
            named: FxHashSet::default(),
            folders: FxHashMap::default(),
            images: FxHashMap::default(),
            videos: Names::default(),
            individuals: Names::default(),
            skeletons: Vec::new(),
            twice: BTreeMap::new(),
        }
    }

    /// Adds a skeleton and returns its index.
    pub(super) fn skeleton(&mut self, name: &str, keypoints: &[String]) -> u16 {
        let mut names = Names::default();
        for keypoint in keypoints {
            names.add(keypoint);
        }
        self.skeletons.push(names);
        self.dataset.skeletons.push(Skeleton { name: name.into(), ..Skeleton::default() });
        self.skeletons.len() as u16 - 1
    }

    /// Adds the bones of which a skeleton has both ends.
    pub(super) fn edges(&mut self, edges: &[[String; 2]]) {
        for (names, skeleton) in self.skeletons.iter().zip(&mut self.dataset.skeletons) {
            let ends = |[a, b]: &[String; 2]| Some([names.get(a)? as u16, names.get(b)? as u16]);
            skeleton.edges = edges.iter().filter_map(ends).collect();
        }
    }

    /// Adds what was noticed.
    pub(super) fn note(&mut self, problem: Problem) {
        self.dataset.problems.push(problem);
    }

    /// Adds the labels of one scorer in a label file; the columns of others are
    /// reported and left out. `skeleton_of` tells the skeleton of a body part.
    ///
    /// Images get the split, where one is given.
    pub(super) fn add(
        &mut self,
        sheet: Sheet,
        scorer: Option<&str>,
        split: Option<u16>,
        skeleton_of: &dyn Fn(&Part) -> u16,
    ) {
        let slots = self.slots(&sheet, scorer, skeleton_of);
        let mut aside = LeftOutOf::new(&sheet);
        let file = self.dataset.label_files.len() as u32;
        let folder = self.places.root.join(files::parent(&sheet.file));
        let mut points: Vec<(Slot, Point)> = Vec::new();
        for row in sheet.rows {
            let location = Location { file, row: row.line };
            let (path, found) = self.find(&row.image, &folder);
            let image = self.image(path, found);
            let entry = &mut self.dataset.images[image as usize];
            aside.names(row.line, &entry.path);
            let of_row = &sheet.points[row.points];
            if let Some(earlier) = entry.location {
                let path = entry.path.clone();
                for point in of_row {
                    let other = slots[point.part as usize].is_none();
                    let why = if other { WhyLeftOut::OtherScorer } else { WhyLeftOut::Repeated };
                    aside.point(why, &path, row.line, point);
                }
                self.named_again(&sheet.file, location, earlier, path);
                continue;
            }
            entry.location = Some(location);
            entry.split = split;
            for point in of_row.iter().filter(|point| slots[point.part as usize].is_none()) {
                aside.point(WhyLeftOut::OtherScorer, &entry.path, row.line, point);
            }
            points.clear();
            points.extend(of_row.iter().filter_map(|p| Some((slots[p.part as usize]?, *p))));
            points.sort_by_key(|(slot, _)| (slot.group, slot.kind));
            for instance in points.chunk_by(|(a, _), (b, _)| a.group == b.group) {
                self.instance(image, location, instance);
            }
        }
        self.dataset.training.left_out.extend(aside.finish());
        self.dataset.problems.extend(sheet.problems);
        self.dataset.label_files.push(sheet.file);
    }

    /// Notes the labels of a file that is left out, since it is another scorer's.
    pub(super) fn leave_out(&mut self, sheet: &Sheet) {
        let mut aside = LeftOutOf::new(sheet);
        let folder = self.places.root.join(files::parent(&sheet.file));
        for row in &sheet.rows {
            let (path, _) = self.find(&row.image, &folder);
            aside.names(row.line, &path);
            for point in &sheet.points[row.points.clone()] {
                aside.point(WhyLeftOut::OtherScorer, &path, row.line, point);
            }
        }
        self.dataset.training.left_out.extend(aside.finish());
    }

    /// Sets what the project's files tell its trainer.
    pub(super) fn project(&mut self, project: Project) {
        self.dataset.training.project = project;
    }

    /// Adds the images that no row named and returns the dataset.
    pub(super) fn finish(mut self) -> Dataset {
        let mut rest: Vec<ImageFile> = std::mem::take(&mut self.files)
            .into_iter()
            .filter(|(_, file)| !self.named.contains(file))
            .map(|(path, file)| ImageFile { path, file })
            .collect();
        rest.sort();
        for ImageFile { path, file } in rest {
            self.image(path, Some(file));
        }
        for ([file, earlier], images) in self.twice {
            let earlier = &self.dataset.label_files[earlier as usize];
            self.dataset.problems.push(Problem {
                file: self.dataset.label_files[file as usize].clone(),
                row: None,
                column: None,
                kind: ProblemKind::DuplicateRow,
                image: None,
                message: format!(
                    "{images} of its images are labelled in {} too, whose labels are used",
                    show(earlier)
                ),
            });
        }
        for (names, skeleton) in self.skeletons.into_iter().zip(&mut self.dataset.skeletons) {
            skeleton.keypoints = names.into_vec();
        }
        self.dataset.videos = self.videos.into_vec();
        self.dataset.individuals = self.individuals.into_vec();
        self.dataset
    }

    /// Returns where the points of each part of a sheet go.
    fn slots(
        &mut self,
        sheet: &Sheet,
        scorer: Option<&str>,
        skeleton_of: &dyn Fn(&Part) -> u16,
    ) -> Vec<Option<Slot>> {
        let scorer = (scorer.filter(|own| sheet.parts.iter().any(|p| p.scorer == **own)))
            .or_else(|| sheet.parts.first().map(|part| part.scorer.as_str()));
        let mut groups: Vec<Option<&str>> = Vec::new();
        let mut others = FxHashSet::default();
        let mut slots = Vec::with_capacity(sheet.parts.len());
        for part in &sheet.parts {
            if Some(part.scorer.as_str()) != scorer {
                if others.insert(&part.scorer) {
                    self.dataset.problems.push(Problem {
                        file: sheet.file.clone(),
                        row: Some(1),
                        column: Some(part.column()),
                        kind: ProblemKind::OtherScorer,
                        image: None,
                        message: format!(
                            "labels of {} beside those of {} are left out",
                            show(&part.scorer),
                            show(scorer.unwrap_or_default())
                        ),
                    });
                }
                slots.push(None);
                continue;
            }
            let individual = part.individual.as_deref();
            let group = groups.iter().position(|g| *g == individual).unwrap_or_else(|| {
                groups.push(individual);
                groups.len() - 1
            });
            let skeleton = skeleton_of(part);
            let kind = self.skeletons[usize::from(skeleton)].add(&part.bodypart);
            slots.push(u16::try_from(kind).ok().map(|kind| Slot {
                group: group as u32,
                individual: individual.map(|name| self.individuals.add(name)),
                skeleton,
                kind,
                column: u16::try_from(part.column()).unwrap_or(0),
            }));
        }
        slots
    }

    /// Returns path and file of the image that a row names.
    ///
    /// The system is asked for no file that the listing could have, and for none in a
    /// folder that does not exist: it takes longer to answer than a row takes to read.
    fn find(&mut self, named: &str, beside: &Path) -> (String, Option<PathBuf>) {
        let path = below_labeled_data(named);
        if let Some(file) = self.files.get(path) {
            return (path.into(), Some(file.clone()));
        }
        let name = files::file_name(path);
        if let Some(images) = &self.places.images {
            let short = path.strip_prefix(LABELED_DATA).map_or(path, |p| p.trim_start_matches('/'));
            let mut files = [path, short, name].into_iter().map(|path| images.join(path));
            return (path.into(), files.find(|file| self.listed.contains(file)));
        }
        let root = &self.places.root;
        let folder = files::parent(path);
        let folder_exists = self.folders.get(folder).copied().unwrap_or_else(|| {
            let exists = root.join(folder).is_dir();
            self.folders.insert(folder.into(), exists);
            exists
        });
        if folder_exists {
            let file = root.join(path);
            if file.is_file() {
                return (files::relative(root, &file), Some(file));
            }
        }
        if self.places.beside == Beside::Allowed {
            let file = beside.join(name);
            if self.listed.contains(&file) {
                return (files::relative(root, &file), Some(file));
            }
        }
        (path.into(), None)
    }

    /// Returns the index of an image, a new one where it was not seen before.
    fn image(&mut self, path: String, file: Option<PathBuf>) -> u32 {
        if let Some(&at) = self.images.get(&path) {
            return at;
        }
        let at = self.dataset.images.len() as u32;
        if let Some(file) = &file {
            self.named.insert(file.clone());
        }
        let video = video(&path).or(self.places.video.as_deref());
        let video = video.map(|name| self.videos.add(name));
        self.dataset.images.push(Image {
            // Without a video, numbers of neighbouring files say nothing about time.
            frame: video.and_then(|_| files::frame_number(&path)),
            path: path.clone(),
            file,
            video,
            ..Image::default()
        });
        self.images.insert(path, at);
        at
    }

    fn instance(&mut self, image: u32, location: Location, points: &[(Slot, Point)]) {
        let Some((slot, _)) = points.first() else { return };
        let first = self.dataset.keypoints.len() as u32;
        let offset = self.dataset.pixel_offset;
        self.dataset.keypoints.extend(points.iter().map(|(slot, point)| Keypoint {
            kind: slot.kind,
            column: slot.column,
            visibility: point.visibility,
            x: point.x + offset,
            y: point.y + offset,
        }));
        self.dataset.instances.push(Instance {
            image,
            name: slot.individual.map_or(InstanceName::Ordinal(0), InstanceName::Individual),
            class: None,
            skeleton: Some(slot.skeleton),
            bbox: None,
            first,
            len: points.len() as u16,
            location: Some(location),
            crowd: false,
            area: None,
        });
    }

    /// Notes that a row names an image that another row named before.
    fn named_again(&mut self, file: &str, again: Location, earlier: Location, path: String) {
        if again.file != earlier.file {
            *self.twice.entry([again.file, earlier.file]).or_default() += 1;
            return;
        }
        self.dataset.problems.push(Problem {
            file: file.into(),
            row: Some(again.row),
            column: None,
            kind: ProblemKind::DuplicateRow,
            image: Some(path),
            message: format!("names the image of row {} again, whose labels are used", earlier.row),
        });
    }
}

/// Where a point goes.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Individual within the label file.
    group: u32,
    individual: Option<u32>,
    skeleton: u16,
    kind: u16,
    /// Column of its x, counted from 1.
    column: u16,
}

/// Returns a path from its folder `labeled-data` on: label files that were written on
/// another machine may name more.
pub(super) fn below_labeled_data(path: &str) -> &str {
    let mut at = 0;
    let mut start = 0;
    for part in path.split('/') {
        if part == LABELED_DATA {
            start = at;
        }
        at += part.len() + 1;
    }
    &path[start..]
}

/// Returns the video of an image: its folder below `labeled-data`.
fn video(path: &str) -> Option<&str> {
    let folder = files::parent(path);
    let folder = match folder.strip_prefix(LABELED_DATA) {
        Some("") => "",
        Some(rest) => rest.strip_prefix('/').unwrap_or(folder),
        None => folder,
    };
    (!folder.is_empty()).then_some(folder)
}
