//! What a labelled dataset is, whatever format it came from. No I/O.
//!
//! # The pixel convention
//! Positions are continuous, in pixels of the stored (not EXIF-rotated) image:
//! the origin is the top left *corner* of the top left pixel, x grows to the
//! right, y grows down. Pixel `(i, j)` covers `[i, i + 1) × [j, j + 1)` and its
//! centre is `(i + 0.5, j + 0.5)`; an image covers `[0, width] × [0, height]`.
//! Readers convert to this; [`Dataset::pixel_offset`] leads back, and everything
//! that labelvet writes for people or scripts is in the label file's own numbers
//! ([`Dataset::to_label`]).

mod assign;
mod difference;
mod edit;
mod fingerprint;
mod pairs;
mod part;
mod predictions;
mod problem;
mod skeleton;
mod split;
#[cfg(test)]
pub(crate) mod testing;
mod training;

pub use assign::assign;
pub use edit::Edit;
pub(crate) use edit::Outcome;
pub use fingerprint::fingerprint;
pub use pairs::{infer_pairs, pair_up};
pub use part::Rows;
pub use predictions::{PredictedBox, PredictedClass, PredictedPoint, PredictedPose, Predictions};
pub use problem::{Problem, ProblemKind};
pub use skeleton::{PairSource, Skeleton};
pub use split::{
    By, CURVE_FRAMES, Nearest, Part, Split, SplitError, SplitSettings, folds, keep_together,
    nearest_training_frames, share_within, shuffles, split,
};
pub use training::{
    Coco, DeadKey, DeepLabCut, Engine, LabelFile, LeftOut, Length, OddRow, Oddity, Plan, Project,
    Training, WhyLeftOut, Yolo,
};

use std::path::PathBuf;

/// Holds everything that was read of a labelled dataset.
///
/// Tables refer to each other by index. After [`Dataset::sort`], images are in
/// the order of their paths and instances in the order of their images, so that
/// no result depends on the order of rows or files.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Folder that image paths and label files are relative to.
    pub root: PathBuf,
    /// Slug of the format that it was read from, such as `deeplabcut`.
    pub format: &'static str,
    /// Label files, relative to the root, with `/`; [`Location::file`] points here.
    pub label_files: Vec<String>,
    /// Names of the videos (or cameras, or folders) that images were taken from.
    pub videos: Vec<String>,
    /// Names of the splits as the dataset has them, such as `train`.
    pub splits: Vec<String>,
    /// Names of the ways in which the dataset is divided for training that are no splits, since
    /// there may be many of them: DeepLabCut's shuffles. [`Image::parts`] points here.
    pub divisions: Vec<String>,
    /// Classes of boxes or of whole images, in the order of the label file's ids.
    pub classes: Vec<Class>,
    /// Keypoint layouts.
    pub skeletons: Vec<Skeleton>,
    /// Names of individuals; [`InstanceName::Individual`] points here.
    pub individuals: Vec<String>,
    /// Images that were found on disk or named by a label file.
    pub images: Vec<Image>,
    /// Labelled instances (animals, persons, objects).
    pub instances: Vec<Instance>,
    /// Labelled keypoints of all instances; an unlabelled keypoint has no entry.
    pub keypoints: Vec<Keypoint>,
    /// What is added to a keypoint coordinate of the label file to reach the pixel
    /// convention above: 0.5 where integers mean pixel centres, else 0.
    pub pixel_offset: f64,
    /// What could not be read, or was noticed while reading.
    pub problems: Vec<Problem>,
    /// What a trainer will find beyond the tables.
    pub training: Training,
}

/// An image of a dataset, and what the dataset says about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Image {
    /// Path relative to the dataset, with `/`. Unique.
    pub path: String,
    /// The label file's own id of the image (COCO's `id`), where it has one. Unique within
    /// a label file.
    pub id: Option<i64>,
    /// Where the file lies, or `None` when no such file was found.
    pub file: Option<PathBuf>,
    /// Index into [`Dataset::videos`].
    pub video: Option<u32>,
    /// Frame number within the video, where the name tells it.
    pub frame: Option<u64>,
    /// Index into [`Dataset::splits`].
    pub split: Option<u16>,
    /// What it is for in each division that names it, index into [`Dataset::divisions`];
    /// ascending. An image that a division both trains on and tests stands there twice.
    pub parts: Vec<(u16, Part)>,
    /// Class of the whole image (classification), index into [`Dataset::classes`].
    pub class: Option<u16>,
    /// Width and height that the label file declares, in pixels.
    pub declared_px: Option<[u32; 2]>,
    /// Where a label file names this image; `None` for an image without labels.
    pub location: Option<Location>,
}

/// A class of boxes or images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Class {
    /// Name as the dataset has it.
    pub name: String,
    /// The label file's own id of the class (COCO's `id`), where it has one.
    pub id: Option<i64>,
    /// Index into [`Dataset::skeletons`] where its instances carry keypoints.
    pub skeleton: Option<u16>,
    /// Whether the dataset defines this class, or merely uses its id.
    pub defined: bool,
}

/// One labelled animal, person or object in one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Index into [`Dataset::images`].
    pub image: u32,
    /// What tells this instance from the others of its image.
    pub name: InstanceName,
    /// Index into [`Dataset::classes`].
    pub class: Option<u16>,
    /// Index into [`Dataset::skeletons`].
    pub skeleton: Option<u16>,
    /// Labelled bounding box.
    pub bbox: Option<BBox>,
    /// Area of its outline in square pixels, where the label file states it (COCO's `area`).
    pub area: Option<f64>,
    /// First entry in [`Dataset::keypoints`].
    pub first: u32,
    /// Number of entries in [`Dataset::keypoints`], in ascending [`Keypoint::kind`].
    pub len: u16,
    /// Where the label file holds it.
    pub location: Option<Location>,
    /// Whether it stands for a group of objects (COCO's `iscrowd`).
    pub crowd: bool,
}

/// Tells the instances of one image apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstanceName {
    /// A named individual, index into [`Dataset::individuals`].
    Individual(u32),
    /// The label file's own id of the annotation.
    Id(i64),
    /// Place among the instances of the image, counted from 0.
    Ordinal(u32),
}

/// An axis-parallel box in pixels; width and height are negative or zero where
/// the label says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BBox {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl BBox {
    /// Returns the area in square pixels, 0 where a side is not positive.
    pub fn area(&self) -> f64 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// Returns the intersection over union with another box, 0 to 1.
    pub fn iou(&self, other: &BBox) -> f64 {
        let overlap = |a: f64, a_len: f64, b: f64, b_len: f64| {
            ((a + a_len).min(b + b_len) - a.max(b)).max(0.0)
        };
        let both = overlap(self.x, self.width, other.x, other.width)
            * overlap(self.y, self.height, other.y, other.height);
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }
}

/// One labelled keypoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keypoint {
    /// Index into [`Skeleton::keypoints`].
    pub kind: u16,
    /// Column of its x in the label file, counted from 1; 0 where there is none.
    pub column: u16,
    /// Whether the annotator saw it.
    pub visibility: Visibility,
    /// Pixels from the left edge of the image.
    pub x: f64,
    /// Pixels from the top edge of the image.
    pub y: f64,
}

/// Whether a labelled keypoint was visible to the annotator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Labelled at a place that was hidden (COCO's 1).
    Occluded,
    /// Labelled and seen (COCO's 2), or the format does not say.
    Visible,
}

/// A place in a label file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Index into [`Dataset::label_files`].
    pub file: u32,
    /// Line of a text file, or ordinal of an annotation in JSON, counted from 1.
    pub row: u32,
}

impl Dataset {
    /// Returns the labelled keypoints of an instance, in ascending kind.
    pub fn keypoints_of(&self, instance: &Instance) -> &[Keypoint] {
        let first = instance.first as usize;
        &self.keypoints[first..first + usize::from(instance.len)]
    }

    /// Returns the keypoint of a kind, if it is labelled.
    pub fn keypoint(&self, instance: &Instance, kind: u16) -> Option<&Keypoint> {
        let points = self.keypoints_of(instance);
        let at = points.binary_search_by_key(&kind, |point| point.kind).ok()?;
        Some(&points[at])
    }

    /// Returns the skeleton of an instance.
    pub fn skeleton_of(&self, instance: &Instance) -> Option<&Skeleton> {
        self.skeletons.get(usize::from(instance.skeleton?))
    }

    /// Returns the name that outputs give an instance.
    pub fn instance_name(&self, instance: &Instance) -> String {
        match instance.name {
            InstanceName::Individual(at) => self.individuals[at as usize].clone(),
            InstanceName::Id(id) => id.to_string(),
            InstanceName::Ordinal(ordinal) => ordinal.to_string(),
        }
    }

    /// Returns the name of an image's video.
    pub fn video_of(&self, image: &Image) -> Option<&str> {
        Some(&self.videos[image.video? as usize])
    }

    /// Returns the name of an image's split.
    pub fn split_of(&self, image: &Image) -> Option<&str> {
        Some(&self.splits[usize::from(image.split?)])
    }

    /// Returns a keypoint coordinate in the label file's own numbers, rounded to
    /// 1e-6 px so that adding and taking away the offset leaves no trace.
    pub fn to_label(&self, coordinate: f64) -> f64 {
        ((coordinate - self.pixel_offset) * 1e6).round() / 1e6
    }

    /// Returns the body length in pixels: the median over labelled instances of the
    /// greatest distance between two of their keypoints; `None` without such.
    pub fn body_length(&self) -> Option<f64> {
        let mut spans: Vec<f64> = (self.instances.iter())
            .filter_map(|instance| span(self.keypoints_of(instance)))
            .collect();
        if spans.is_empty() {
            return None;
        }
        let middle = spans.len() / 2;
        Some(*spans.select_nth_unstable_by(middle, f64::total_cmp).1)
    }

    /// Returns the range of [`Dataset::instances`] of each image; needs [`Dataset::sort`].
    pub fn instances_by_image(&self) -> Vec<std::ops::Range<usize>> {
        let mut ranges = Vec::with_capacity(self.images.len());
        let mut at = 0;
        for image in 0..self.images.len() {
            let start = at;
            while at < self.instances.len() && self.instances[at].image as usize == image {
                at += 1;
            }
            ranges.push(start..at);
        }
        ranges
    }

    /// Puts images in the order of their paths, instances in the order of their
    /// images and names, and problems in the order of their places.
    ///
    /// Readers call it last; the order of rows and files then has no effect.
    pub fn sort(&mut self) {
        let mut order: Vec<u32> = (0..self.images.len() as u32).collect();
        order.sort_by(|&a, &b| self.images[a as usize].path.cmp(&self.images[b as usize].path));
        let mut place = vec![0_u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        let mut images: Vec<Image> = Vec::with_capacity(order.len());
        for &old in &order {
            images.push(std::mem::take(&mut self.images[old as usize]));
        }
        self.images = images;
        for instance in &mut self.instances {
            instance.image = place[instance.image as usize];
        }
        let individuals = std::mem::take(&mut self.individuals);
        let name = |at: u32| individuals.get(at as usize);
        self.instances.sort_by(|a, b| {
            let names = match (a.name, b.name) {
                (InstanceName::Individual(a), InstanceName::Individual(b)) => name(a).cmp(&name(b)),
                (a, b) => a.cmp(&b),
            };
            a.image.cmp(&b.image).then(names).then(a.location.cmp(&b.location))
        });
        self.individuals = individuals;
        self.problems.sort();
    }
}

/// Returns the greatest distance between two keypoints; `None` for fewer than two.
fn span(points: &[Keypoint]) -> Option<f64> {
    let mut widest: Option<f64> = None;
    for (at, a) in points.iter().enumerate() {
        for b in &points[at + 1..] {
            let distance = (a.x - b.x).hypot(a.y - b.y);
            widest = Some(widest.map_or(distance, |w| w.max(distance)));
        }
    }
    widest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(image: u32, ordinal: u32) -> Instance {
        Instance {
            image,
            name: InstanceName::Ordinal(ordinal),
            class: None,
            skeleton: None,
            bbox: None,
            area: None,
            first: 0,
            len: 0,
            location: None,
            crowd: false,
        }
    }

    #[test]
    fn sort_makes_row_order_irrelevant() {
        let image = |path: &str| Image { path: path.into(), ..Image::default() };
        let mut dataset = Dataset {
            images: vec![image("b.png"), image("a.png")],
            instances: vec![instance(0, 1), instance(1, 0), instance(0, 0)],
            ..Dataset::default()
        };
        dataset.sort();
        assert_eq!(dataset.images[0].path, "a.png");
        let order: Vec<_> = dataset.instances.iter().map(|i| (i.image, i.name)).collect();
        let ordinal = InstanceName::Ordinal;
        assert_eq!(order, [(0, ordinal(0)), (1, ordinal(0)), (1, ordinal(1))]);
        assert_eq!(dataset.instances_by_image(), [0..1, 1..3]);
    }

    #[test]
    fn iou_of_half_overlapping_boxes_is_a_third() {
        let a = BBox { x: 0.0, y: 0.0, width: 2.0, height: 2.0 };
        let b = BBox { x: 1.0, y: 0.0, width: 2.0, height: 2.0 };
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(a.iou(&BBox { width: -1.0, ..a }), 0.0);
    }
}
