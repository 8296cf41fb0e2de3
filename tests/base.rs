//! The base project of the rule tests: two drawn videos of one mouse, clean by
//! construction, and the edits that fixtures make to it.
//!
//! Everything is drawn by seed. Fixtures hold one JSON object per line, see
//! `fixtures/README.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use image::{GrayImage, RgbImage, imageops};
use labelvet::dataset::{
    BBox, Class, Dataset, Image, Instance, InstanceName, Keypoint, Location, Part, PredictedBox,
    PredictedClass, PredictedPoint, PredictedPose, Predictions, Problem, ProblemKind, Skeleton,
    Visibility, infer_pairs,
};
use serde::Deserialize;

/// Width and height of a drawn image, pixels.
pub(crate) const SIZE: (u32, u32) = (320, 240);
/// Frames per video.
pub(crate) const FRAMES: u32 = 20;

const KEYPOINTS: [&str; 6] = ["nose", "left_ear", "right_ear", "centre", "tail_base", "tail_tip"];
/// Places of the keypoints on a mouse that looks along the x axis, pixels.
const BODY: [[f64; 2]; 6] =
    [[40.0, 0.0], [28.0, -12.0], [28.0, 12.0], [0.0, 0.0], [-35.0, 0.0], [-65.0, 0.0]];

/// CRC-32 of the header of [`FileEdit::Bomb`].
const BOMB_CRC: u32 = 0x0FB0_E215;

/// One change to the base project.
#[derive(Debug, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Edit {
    /// Moves a keypoint by pixels or to a place.
    MoveKeypoint {
        image: String,
        #[serde(default)]
        instance: usize,
        keypoint: String,
        by: Option<[f64; 2]>,
        to: Option<[f64; 2]>,
    },
    /// Removes a keypoint; `image` may end in `*`.
    RemoveKeypoint {
        image: String,
        #[serde(default)]
        instance: usize,
        keypoint: String,
    },
    /// Exchanges the places of two keypoints; `image` may end in `*`.
    SwapKeypoints {
        image: String,
        #[serde(default)]
        instance: usize,
        keypoints: [String; 2],
    },
    /// Replaces the labels of an image by those of another.
    CopyLabels { from: String, to: String },
    /// Moves all keypoints and the box of an instance.
    MoveInstance {
        image: String,
        #[serde(default)]
        instance: usize,
        by: [f64; 2],
    },
    /// Adds a copy of an instance; `image` may end in `*`.
    AddInstance {
        image: String,
        #[serde(default)]
        instance: usize,
        by: [f64; 2],
        class: Option<String>,
    },
    /// Removes the instances of an image; `unlisted` also its row in the label file.
    RemoveLabels {
        image: String,
        #[serde(default)]
        unlisted: bool,
    },
    /// Replaces the box of an instance.
    SetBox {
        image: String,
        #[serde(default)]
        instance: usize,
        bbox: [f64; 4],
    },
    /// Changes the class of an instance, adding it where it is new.
    SetClass {
        image: String,
        #[serde(default)]
        instance: usize,
        class: String,
    },
    /// Adds a class that the dataset defines, or merely uses.
    AddClass {
        name: String,
        #[serde(default = "yes")]
        defined: bool,
    },
    /// Puts images into a split; `image` may end in `*`.
    SetSplit { image: String, split: String },
    /// Says what images are for in a division, adding it where it is new; `image` may end in `*`.
    SetPart { image: String, division: String, part: String },
    /// Changes the frame number.
    SetFrame { image: String, frame: u64 },
    /// Replaces the skeleton's flip permutation or its pairs.
    SetFlip { flip_idx: Option<Vec<u16>>, pairs: Option<Vec<[u16; 2]>> },
    /// Changes the drawn picture; `image` may end in `*`.
    Draw {
        image: String,
        how: How,
        #[serde(default)]
        amount: f32,
    },
    /// Copies the file of an image over that of another.
    CopyFile { from: String, to: String },
    /// Changes the file of an image.
    File {
        image: String,
        how: FileEdit,
        #[serde(default)]
        bytes: usize,
    },
    /// Sets the size that the label file declares, pixels; `image` may end in `*`.
    DeclareSize { image: String, size: [u32; 2] },
    /// Adds an image without labels, a copy of the picture of another.
    AddImage { image: String, from: String },
    /// Predicts the box of the mouse in images (`image` may end in `*`) as it is before all
    /// edits, with a scatter in pixels and scores that differ by up to 0.02.
    PredictMouse { image: String, scatter: f64, score: f64 },
    /// Predicts a box.
    PredictBox { image: String, class: String, bbox: [f64; 4], score: f64 },
    /// Predicts the pose of the mouse as it is before all edits, moved by pixels; `image` may end
    /// in `*`.
    PredictPose {
        image: String,
        #[serde(default)]
        by: [f64; 2],
        score: f64,
    },
    /// Predicts probabilities of classes of images, or of their instances; `image` may end in `*`.
    PredictClass { image: String, instance: Option<usize>, classes: BTreeMap<String, f64> },
    /// Changes the class of an image, adding it where it is new; `image` may end in `*`.
    SetImageClass { image: String, class: String },
    /// Adds something that a reader would have noticed.
    Problem { kind: String, file: String, row: Option<u32>, image: Option<String>, message: String },
}

/// How a picture is changed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// Gaussian blur, sigma in pixels.
    Blur,
    /// Blur along x, length in pixels.
    MotionBlur,
    /// Multiplies brightness.
    Gain,
    /// One colour, brightness 0 to 255.
    Flat,
    /// Equal channels.
    Grey,
    /// Keeps the left part, share of the width.
    CropWidth,
    /// Scales both sides.
    Resize,
    /// Adds uniform noise, grey levels.
    Noise,
    /// Blurs only a disc around the nose, sigma in pixels.
    BlurNose,
}

/// How a file is changed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileEdit {
    /// Keeps the first `bytes`.
    Truncate,
    /// Removes it.
    Remove,
    /// Replaces it by a Git LFS pointer.
    LfsPointer,
    /// Rewrites it as JPEG under the same name.
    AsJpeg,
    /// Replaces it by a PNG file that declares 60,000 × 60,000 pixels.
    Bomb,
    /// Adds EXIF orientation 6 (as JPEG; also changes the name's suffix to `.jpg`).
    Rotate,
}

fn yes() -> bool {
    true
}

/// The pictures before any edit; drawn once, since every rule starts from them.
static PICTURES: LazyLock<Vec<RgbImage>> = LazyLock::new(|| (0..2 * FRAMES).map(picture).collect());

/// Draws the base project, makes the edits, writes the pictures below `root`.
pub(crate) fn build(root: &Path, edits: &[Edit]) -> Dataset {
    let mut project = Project { dataset: base(root), pictures: Vec::new() };
    project.pictures = PICTURES.clone();
    let (file_edits, edits): (Vec<_>, Vec<_>) =
        edits.iter().partition(|edit| matches!(edit, Edit::CopyFile { .. } | Edit::File { .. }));
    for edit in edits {
        project.apply(edit);
    }
    project.save();
    for edit in file_edits {
        project.apply_to_file(edit);
    }
    project.dataset.sort();
    project.dataset
}

/// Returns what the edits predict for the dataset that [`build`] made of them; `None` where they
/// predict nothing.
pub(crate) fn predictions(dataset: &Dataset, edits: &[Edit]) -> Option<Predictions> {
    let images = |path: &str| -> Vec<u32> {
        let fits = |image: &Image| match path.strip_suffix('*') {
            None => image.path == path,
            Some(start) => image.path.starts_with(start),
        };
        (0..).zip(&dataset.images).filter(|(_, image)| fits(image)).map(|(at, _)| at).collect()
    };
    let class = |name: &str| {
        let at = dataset.classes.iter().position(|class| class.name == name);
        at.unwrap_or_else(|| panic!("the dataset has no class {name}"))
    };
    // The base images are in the order of their paths.
    let truth = |image: u32| pose(image);
    let mut found = Predictions::default();
    for edit in edits {
        match edit {
            Edit::PredictMouse { image, scatter, score } => {
                for image in images(image) {
                    let off = |axis| scatter * (2.0 * noise(9, u64::from(image), axis) - 1.0);
                    let mouse = around(&truth(image));
                    let bbox = BBox {
                        x: mouse.x + off(0),
                        y: mouse.y + off(1),
                        width: mouse.width + off(2),
                        height: mouse.height + off(3),
                    };
                    let score = score + 0.02 * (2.0 * noise(9, u64::from(image), 4) - 1.0);
                    found.boxes.push(PredictedBox { image, class: 0, bbox, score });
                }
            }
            Edit::PredictBox { image, class: name, bbox: [x, y, width, height], score } => {
                let bbox = BBox { x: *x, y: *y, width: *width, height: *height };
                let (class, score) = (class(name) as u16, *score);
                let boxes = images(image).into_iter();
                found.boxes.extend(boxes.map(|image| PredictedBox { image, class, bbox, score }));
            }
            Edit::PredictPose { image, by: [dx, dy], score } => {
                for image in images(image) {
                    let point = |[x, y]: [f64; 2]| PredictedPoint {
                        x: x + dx,
                        y: y + dy,
                        likelihood: *score,
                    };
                    let points = truth(image).into_iter().map(point).collect();
                    let (instance, skeleton, score) = (None, 0, *score);
                    found.poses.push(PredictedPose { image, instance, skeleton, score, points });
                }
            }
            Edit::PredictClass { image, instance, classes } => {
                let mut probabilities = vec![0.0; dataset.classes.len()];
                for (name, probability) in classes {
                    probabilities[class(name)] = *probability;
                }
                let ranges = dataset.instances_by_image();
                for image in images(image) {
                    let range = &ranges[image as usize];
                    let instance = instance.map(|at| (range.start + at) as u32);
                    let probabilities = probabilities.clone();
                    found.classes.push(PredictedClass { image, instance, probabilities });
                }
            }
            _ => {}
        }
    }
    (!found.is_empty()).then_some(found)
}

struct Project {
    dataset: Dataset,
    /// Pictures by index of image.
    pictures: Vec<RgbImage>,
}

/// Returns a value from 0 to 1 that depends on all arguments.
fn noise(seed: u64, x: u64, y: u64) -> f64 {
    // SplitMix64's mixing function (Steele et al., OOPSLA 2014, figure 16).
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (x << 32) ^ y;
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Returns the places of the keypoints in a frame (0 to 39).
fn pose(at: u32) -> Vec<[f64; 2]> {
    let time = f64::from(at % FRAMES);
    let phase = f64::from(at / FRAMES) * 2.0;
    let centre =
        [160.0 + 55.0 * (time / 7.0 + phase).sin(), 120.0 + 25.0 * (time / 9.0 + phase).cos()];
    let heading = 0.12 * time + phase;
    let (sin, cos) = heading.sin_cos();
    (BODY.iter().enumerate())
        .map(|(k, [x, y])| {
            // The tail swings, and an annotator's hand is not perfectly still.
            let swing = if k == 5 { 10.0 * (time / 3.0).sin() } else { 0.0 };
            let jitter = |axis| 2.0 * noise(5, u64::from(at) * 8 + k as u64, axis) - 1.0;
            let (x, y) = (*x, *y + swing);
            [centre[0] + cos * x - sin * y + jitter(0), centre[1] + sin * x + cos * y + jitter(1)]
        })
        .collect()
}

fn base(root: &Path) -> Dataset {
    let mut skeleton = Skeleton {
        keypoints: KEYPOINTS.map(String::from).to_vec(),
        edges: vec![[0, 1], [0, 2], [1, 3], [2, 3], [3, 4], [4, 5]],
        ..Skeleton::default()
    };
    skeleton.pairs = infer_pairs(&skeleton);
    let mut dataset = Dataset {
        root: root.into(),
        format: "base",
        label_files: vec!["labels.csv".into()],
        videos: vec!["cage_a".into(), "cage_b".into()],
        classes: vec![Class { name: "mouse".into(), id: None, skeleton: Some(0), defined: true }],
        skeletons: vec![skeleton],
        ..Dataset::default()
    };
    for at in 0..2 * FRAMES {
        let video = at / FRAMES;
        // The first video was labelled frame by frame, the second sparsely.
        let frame = u64::from(at % FRAMES) * if video == 0 { 1 } else { 50 };
        let path = format!("{}/img{frame:04}.png", dataset.videos[video as usize]);
        dataset.images.push(Image {
            file: Some(root.join(&path)),
            path,
            video: Some(video),
            frame: Some(frame),
            location: Some(Location { file: 0, row: at + 4 }),
            ..Image::default()
        });
        let points = pose(at);
        let first = dataset.keypoints.len() as u32;
        dataset.keypoints.extend(points.iter().enumerate().map(|(k, &[x, y])| Keypoint {
            kind: k as u16,
            column: 2 + 2 * k as u16,
            visibility: Visibility::Visible,
            x,
            y,
        }));
        dataset.instances.push(Instance {
            image: at,
            name: InstanceName::Ordinal(0),
            class: Some(0),
            skeleton: Some(0),
            bbox: Some(around(&points)),
            first,
            len: points.len() as u16,
            location: Some(Location { file: 0, row: at + 4 }),
            crowd: false,
            area: None,
        });
    }
    dataset
}

/// Returns the box around points with a margin of 8 px.
fn around(points: &[[f64; 2]]) -> BBox {
    let least = |axis: usize| points.iter().map(|p| p[axis]).fold(f64::MAX, f64::min) - 8.0;
    let greatest = |axis: usize| points.iter().map(|p| p[axis]).fold(f64::MIN, f64::max) + 8.0;
    let (x, y) = (least(0), least(1));
    BBox { x, y, width: greatest(0) - x, height: greatest(1) - y }
}

/// Draws a frame: tiles of its own, grain, and the mouse with marked parts.
fn picture(at: u32) -> RgbImage {
    let seed = u64::from(at) + 100;
    let points = pose(at);
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let (fx, fy) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        // Overlapping bricks of random brightness give edges at every scale.
        let brick =
            |size: u32| noise(seed + u64::from(size), u64::from(x / size), u64::from(y / size));
        let mut level = 60.0 + 70.0 * brick(40) + 50.0 * brick(13) + 40.0 * brick(5);
        let along = |a: [f64; 2], b: [f64; 2]| {
            let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
            let t = (((fx - a[0]) * dx + (fy - a[1]) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            (fx - a[0] - t * dx).hypot(fy - a[1] - t * dy)
        };
        if along(points[0], points[4]) < 14.0 || along(points[4], points[5]) < 4.0 {
            level = 30.0 + 25.0 * brick(3);
        }
        for (k, point) in points.iter().enumerate() {
            if (fx - point[0]).hypot(fy - point[1]) < 4.0 {
                level = 150.0 + 15.0 * k as f64;
            }
        }
        let grain = 6.0 * (noise(seed, 7 + u64::from(x), 9 + u64::from(y)) - 0.5);
        let tint = [1.0, 0.95 + 0.1 * brick(40), 0.85];
        image::Rgb(tint.map(|t: f64| ((level + grain) * t).clamp(0.0, 255.0) as u8))
    })
}

impl Project {
    fn find(&self, path: &str) -> usize {
        (self.dataset.images.iter().position(|image| image.path == path))
            .unwrap_or_else(|| panic!("the base project has no image {path}"))
    }

    /// Returns the images that a path, or a beginning that ends in `*`, names.
    fn all(&self, path: &str) -> Vec<usize> {
        match path.strip_suffix('*') {
            None => vec![self.find(path)],
            Some(start) => (0..self.dataset.images.len())
                .filter(|&at| self.dataset.images[at].path.starts_with(start))
                .collect(),
        }
    }

    /// Returns the index of the n-th instance of an image.
    fn instance(&self, image: usize, n: usize) -> usize {
        (self.dataset.instances.iter().enumerate())
            .filter(|(_, instance)| instance.image as usize == image)
            .nth(n)
            .unwrap_or_else(|| panic!("image {image} has no instance {n}"))
            .0
    }

    fn kind(&self, name: &str) -> u16 {
        self.dataset.skeletons[0].index(name).unwrap_or_else(|| panic!("no keypoint {name}"))
    }

    fn point(&mut self, image: usize, n: usize, name: &str) -> &mut Keypoint {
        let kind = self.kind(name);
        let instance = self.dataset.instances[self.instance(image, n)].clone();
        let range = instance.first as usize..instance.first as usize + usize::from(instance.len);
        (self.dataset.keypoints[range].iter_mut().find(|point| point.kind == kind))
            .unwrap_or_else(|| panic!("{name} is not labelled"))
    }

    /// Replaces the keypoints of an instance.
    fn set_points(&mut self, instance: usize, points: Vec<Keypoint>) {
        let entry = &mut self.dataset.instances[instance];
        entry.first = self.dataset.keypoints.len() as u32;
        entry.len = points.len() as u16;
        self.dataset.keypoints.extend(points);
    }

    fn class(&mut self, name: &str, defined: bool) -> u16 {
        let classes = &mut self.dataset.classes;
        let at = classes.iter().position(|class| class.name == name).unwrap_or_else(|| {
            classes.push(Class { name: name.into(), id: None, skeleton: Some(0), defined });
            classes.len() - 1
        });
        at as u16
    }

    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::MoveKeypoint { image, instance, keypoint, by, to } => {
                for image in self.all(image) {
                    let point = self.point(image, *instance, keypoint);
                    let [dx, dy] = by.unwrap_or_default();
                    (point.x, point.y) = to.map_or((point.x + dx, point.y + dy), |[x, y]| (x, y));
                }
            }
            Edit::RemoveKeypoint { image, instance, keypoint } => {
                let kind = self.kind(keypoint);
                for image in self.all(image) {
                    let at = self.instance(image, *instance);
                    let points = self.dataset.keypoints_of(&self.dataset.instances[at]);
                    let points = points.iter().filter(|p| p.kind != kind).copied().collect();
                    self.set_points(at, points);
                }
            }
            Edit::SwapKeypoints { image, instance, keypoints: [a, b] } => {
                for image in self.all(image) {
                    let (pa, pb) =
                        (*self.point(image, *instance, a), *self.point(image, *instance, b));
                    let point = self.point(image, *instance, a);
                    (point.x, point.y) = (pb.x, pb.y);
                    let point = self.point(image, *instance, b);
                    (point.x, point.y) = (pa.x, pa.y);
                }
            }
            Edit::CopyLabels { from, to } => {
                let source = self.instance(self.find(from), 0);
                let source = self.dataset.instances[source].clone();
                let target = self.instance(self.find(to), 0);
                let points = self.dataset.keypoints_of(&source).to_vec();
                self.set_points(target, points);
                self.dataset.instances[target].bbox = source.bbox;
            }
            Edit::MoveInstance { image, instance, by: [dx, dy] } => {
                for image in self.all(image) {
                    let at = self.instance(image, *instance);
                    self.shift(at, *dx, *dy);
                }
            }
            Edit::AddInstance { image, instance, by: [dx, dy], class } => {
                for image in self.all(image) {
                    let mut copy = self.dataset.instances[self.instance(image, *instance)].clone();
                    let points = self.dataset.keypoints_of(&copy).to_vec();
                    let count =
                        self.dataset.instances.iter().filter(|i| i.image as usize == image).count();
                    copy.name = InstanceName::Ordinal(count as u32);
                    if let Some(class) = class {
                        copy.class = Some(self.class(class, true));
                    }
                    self.dataset.instances.push(copy);
                    let at = self.dataset.instances.len() - 1;
                    self.set_points(at, points);
                    self.shift(at, *dx, *dy);
                }
            }
            Edit::RemoveLabels { image, unlisted } => {
                for image in self.all(image) {
                    self.dataset.instances.retain(|instance| instance.image as usize != image);
                    if *unlisted {
                        self.dataset.images[image].location = None;
                    }
                }
            }
            Edit::SetBox { image, instance, bbox: [x, y, width, height] } => {
                let at = self.instance(self.find(image), *instance);
                let bbox = BBox { x: *x, y: *y, width: *width, height: *height };
                self.dataset.instances[at].bbox = Some(bbox);
            }
            Edit::SetClass { image, instance, class } => {
                let class = self.class(class, true);
                for image in self.all(image) {
                    let at = self.instance(image, *instance);
                    self.dataset.instances[at].class = Some(class);
                }
            }
            Edit::AddClass { name, defined } => {
                self.class(name, *defined);
            }
            Edit::SetImageClass { image, class } => {
                let class = self.class(class, true);
                for image in self.all(image) {
                    self.dataset.images[image].class = Some(class);
                }
            }
            Edit::PredictMouse { .. }
            | Edit::PredictBox { .. }
            | Edit::PredictPose { .. }
            | Edit::PredictClass { .. } => {}
            Edit::SetSplit { image, split } => {
                let splits = &mut self.dataset.splits;
                let at = splits.iter().position(|name| name == split).unwrap_or_else(|| {
                    splits.push(split.clone());
                    splits.len() - 1
                });
                for image in self.all(image) {
                    self.dataset.images[image].split = Some(at as u16);
                }
            }
            Edit::SetPart { image, division, part } => {
                let divisions = &mut self.dataset.divisions;
                let at = divisions.iter().position(|name| name == division).unwrap_or_else(|| {
                    divisions.push(division.clone());
                    divisions.len() - 1
                }) as u16;
                let part: Part = part.parse().unwrap_or_else(|error| panic!("{error}"));
                for image in self.all(image) {
                    let parts = &mut self.dataset.images[image].parts;
                    parts.retain(|&(division, _)| division != at);
                    parts.push((at, part));
                }
            }
            Edit::SetFrame { image, frame } => {
                let image = self.find(image);
                self.dataset.images[image].frame = Some(*frame);
            }
            Edit::SetFlip { flip_idx, pairs } => {
                self.dataset.skeletons[0].flip_idx.clone_from(flip_idx);
                if let Some(pairs) = pairs {
                    self.dataset.skeletons[0].pairs.clone_from(pairs);
                }
            }
            Edit::Draw { image, how, amount } => {
                for image in self.all(image) {
                    self.pictures[image] =
                        redraw(&self.pictures[image], *how, *amount, image as u32);
                }
            }
            Edit::DeclareSize { image, size } => {
                for image in self.all(image) {
                    self.dataset.images[image].declared_px = Some(*size);
                }
            }
            Edit::AddImage { image, from } => {
                let from = self.find(from);
                let picture = self.pictures[from].clone();
                self.pictures.push(picture);
                let video = self.dataset.images[from].video;
                self.dataset.images.push(Image {
                    path: image.clone(),
                    file: Some(self.dataset.root.join(image)),
                    video,
                    ..Image::default()
                });
            }
            Edit::Problem { kind, file, row, image, message } => {
                self.dataset.problems.push(Problem {
                    file: file.clone(),
                    row: *row,
                    column: None,
                    kind: problem_kind(kind),
                    image: image.clone(),
                    message: message.clone(),
                });
            }
            Edit::CopyFile { .. } | Edit::File { .. } => {
                unreachable!("made after the files are written")
            }
        }
    }

    fn shift(&mut self, instance: usize, dx: f64, dy: f64) {
        let points = self.dataset.keypoints_of(&self.dataset.instances[instance]).to_vec();
        let points =
            points.into_iter().map(|p| Keypoint { x: p.x + dx, y: p.y + dy, ..p }).collect();
        self.set_points(instance, points);
        if let Some(bbox) = &mut self.dataset.instances[instance].bbox {
            bbox.x += dx;
            bbox.y += dy;
        }
    }

    fn save(&self) {
        for (image, picture) in self.dataset.images.iter().zip(&self.pictures) {
            let path = self.dataset.root.join(&image.path);
            std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folder");
            picture.save(&path).expect("the picture is written");
        }
    }

    fn apply_to_file(&mut self, edit: &Edit) {
        let path = |project: &Project, image: &str| project.dataset.root.join(image);
        match edit {
            Edit::CopyFile { from, to } => {
                std::fs::copy(path(self, from), path(self, to)).expect("the file is copied");
            }
            Edit::File { image, how, bytes } => {
                let file = path(self, image);
                match how {
                    FileEdit::Truncate => {
                        let content = std::fs::read(&file).expect("the file is read");
                        std::fs::write(&file, &content[..*bytes]).expect("the file is written");
                    }
                    FileEdit::Remove => {
                        std::fs::remove_file(&file).expect("the file is removed");
                        let at = self.find(image);
                        self.dataset.images[at].file = None;
                    }
                    FileEdit::LfsPointer => {
                        let pointer = format!(
                            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n",
                            "ab".repeat(32)
                        );
                        std::fs::write(&file, pointer).expect("the file is written");
                    }
                    FileEdit::Bomb => {
                        // Signature and IHDR: width, height, 8 bits, RGB, and its CRC.
                        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
                        png.extend(60_000_u32.to_be_bytes());
                        png.extend(60_000_u32.to_be_bytes());
                        png.extend([8, 2, 0, 0, 0]);
                        png.extend(BOMB_CRC.to_be_bytes());
                        png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
                        std::fs::write(&file, png).expect("the file is written");
                    }
                    FileEdit::AsJpeg => {
                        let picture = image::open(&file).expect("the picture is read");
                        picture.save_with_format(&file, image::ImageFormat::Jpeg).expect("written");
                    }
                    FileEdit::Rotate => {
                        let picture = image::open(&file).expect("the picture is read");
                        let mut jpeg = Vec::new();
                        let format = image::ImageFormat::Jpeg;
                        picture
                            .write_to(&mut std::io::Cursor::new(&mut jpeg), format)
                            .expect("encoded");
                        // An APP1 segment with one IFD entry: orientation (0x0112) = 6.
                        let tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
                        let mut out = jpeg[..2].to_vec();
                        out.extend([0xFF, 0xE1]);
                        out.extend((tiff.len() as u16 + 2).to_be_bytes());
                        out.extend(tiff);
                        out.extend(&jpeg[2..]);
                        let at = self.find(image);
                        let renamed = image.replace(".png", ".jpg");
                        std::fs::remove_file(&file).expect("the file is removed");
                        std::fs::write(self.dataset.root.join(&renamed), out).expect("written");
                        self.dataset.images[at].file = Some(self.dataset.root.join(&renamed));
                        self.dataset.images[at].path = renamed;
                    }
                }
            }
            _ => unreachable!("made before the files are written"),
        }
    }
}

fn redraw(picture: &RgbImage, how: How, amount: f32, seed: u32) -> RgbImage {
    let level = |v: u8, by: f32| (f32::from(v) * by).clamp(0.0, 255.0) as u8;
    match how {
        How::Blur => imageops::blur(picture, amount),
        How::MotionBlur => {
            let reach = amount as i64 / 2;
            RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
                let mut sum = [0_u32; 3];
                for step in -reach..=reach {
                    let x = (i64::from(x) + step).clamp(0, i64::from(picture.width()) - 1) as u32;
                    for (total, sample) in sum.iter_mut().zip(picture.get_pixel(x, y).0) {
                        *total += u32::from(sample);
                    }
                }
                image::Rgb(sum.map(|total| (total / (2 * reach as u32 + 1)) as u8))
            })
        }
        How::Gain => RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
            image::Rgb(picture.get_pixel(x, y).0.map(|v| level(v, amount)))
        }),
        How::Flat => {
            RgbImage::from_pixel(picture.width(), picture.height(), image::Rgb([amount as u8; 3]))
        }
        How::Grey => {
            let grey: GrayImage = imageops::grayscale(picture);
            RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
                image::Rgb([grey.get_pixel(x, y).0[0]; 3])
            })
        }
        How::CropWidth => {
            let width = (picture.width() as f32 * amount) as u32;
            imageops::crop_imm(picture, 0, 0, width, picture.height()).to_image()
        }
        How::Resize => {
            let side = |v: u32| (v as f32 * amount) as u32;
            let filter = imageops::FilterType::CatmullRom;
            imageops::resize(picture, side(picture.width()), side(picture.height()), filter)
        }
        How::Noise => RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
            let grain = amount * (noise(77, u64::from(x), u64::from(y)) as f32 - 0.5);
            image::Rgb(
                picture.get_pixel(x, y).0.map(|v| (f32::from(v) + grain).clamp(0.0, 255.0) as u8),
            )
        }),
        How::BlurNose => {
            let soft = imageops::blur(picture, amount);
            let nose = pose(seed)[0];
            RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
                let near = (f64::from(x) - nose[0]).hypot(f64::from(y) - nose[1]) < 30.0;
                *if near { soft.get_pixel(x, y) } else { picture.get_pixel(x, y) }
            })
        }
    }
}

fn problem_kind(name: &str) -> ProblemKind {
    match name {
        "unreadable_label" => ProblemKind::UnreadableLabel,
        "duplicate_row" => ProblemKind::DuplicateRow,
        "undefined_class" => ProblemKind::UndefinedClass,
        "label_without_image" => ProblemKind::LabelWithoutImage,
        "keypoint_mismatch" => ProblemKind::KeypointMismatch,
        "other_scorer" => ProblemKind::OtherScorer,
        "litter" => ProblemKind::Litter,
        "not_compared" => ProblemKind::NotCompared,
        _ => panic!("unknown kind of problem {name}"),
    }
}

#[test]
fn the_base_mouse_stays_inside_the_image() {
    for at in 0..2 * FRAMES {
        for [x, y] in pose(at) {
            assert!(x > 12.0 && y > 12.0 && x < 308.0 && y < 228.0, "frame {at}: {x}, {y}");
        }
    }
}
