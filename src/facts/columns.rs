//! Every column of the frames, declared once: name, unit, range, meaning, and how
//! it is got from a row. Frames, Parquet files, SQL and `docs/facts.md` follow.
//!
//! Takes [`Facts`], gives rows' values; never measures anything.

use std::borrow::Cow;
use std::ops::Range;

use super::{Facts, ImageFacts, Status};
use crate::dataset::{Image, Instance, Keypoint, Visibility};
use crate::pixels::{LocalFacts, PixelFacts};

/// One of the three tables that facts are given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row per image.
    Images,
    /// One row per labelled instance.
    Instances,
    /// One row per labelled keypoint.
    Keypoints,
}

impl Table {
    /// Every table, in the order of the documentation.
    pub const ALL: [Table; 3] = [Table::Images, Table::Instances, Table::Keypoints];

    /// Returns the name that SQL and files use.
    pub fn name(self) -> &'static str {
        match self {
            Table::Images => "images",
            Table::Instances => "instances",
            Table::Keypoints => "keypoints",
        }
    }

    /// Returns the columns of the table, in their order.
    pub fn columns(self) -> &'static [&'static Column] {
        match self {
            Table::Images => IMAGES,
            Table::Instances => INSTANCES,
            Table::Keypoints => KEYPOINTS,
        }
    }
}

/// A column: what it means, and how a row's value is got.
#[derive(Debug)]
pub struct Column {
    /// Name, with the unit as its suffix where it has one.
    pub name: &'static str,
    /// Unit; empty for a name or a plain number.
    pub unit: &'static str,
    /// Range of its values, or what they look like.
    pub range: &'static str,
    /// What it says, one line.
    pub meaning: &'static str,
    /// How its value is got.
    pub(super) value: Value,
}

impl Column {
    /// Returns the type of its values as SQL sees it.
    pub fn sql_type(&self) -> &'static str {
        match self.value {
            Value::Name { .. } | Value::Text(_) => "VARCHAR",
            Value::Flag(_) => "BOOLEAN",
            Value::Count(_) => "UINT64",
            Value::Small(_) => "UINT32",
            Value::Measure(_) => "FLOAT",
            Value::Coordinate(_) => "DOUBLE",
        }
    }
}

/// How a column's value is got from a row; `None` is null.
#[derive(Debug)]
pub(super) enum Value {
    /// One of few names that many rows share: all names, and the row's place among them.
    Name {
        names: for<'a> fn(&Source<'a>) -> Vec<Cow<'a, str>>,
        place: fn(&Source, Row) -> Option<u32>,
    },
    /// A text of its own.
    Text(fn(&Source, Row) -> Option<String>),
    /// Yes or no.
    Flag(fn(&Source, Row) -> Option<bool>),
    /// A count that may be large.
    Count(fn(&Source, Row) -> Option<u64>),
    /// A count below 2³².
    Small(fn(&Source, Row) -> Option<u32>),
    /// A measured quantity.
    Measure(fn(&Source, Row) -> Option<f32>),
    /// A coordinate of the label file.
    Coordinate(fn(&Source, Row) -> Option<f64>),
}

/// A row of any table, as indices into the dataset; what a table has not is 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) image: usize,
    pub(super) instance: usize,
    pub(super) keypoint: usize,
}

/// What rows are got from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) facts: &'a Facts,
    /// Instances of each image, as [`crate::dataset::Dataset::instances_by_image`].
    by_image: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(facts: &'a Facts) -> Source<'a> {
        Source { facts, by_image: facts.dataset.instances_by_image() }
    }

    /// Returns the rows of a table, in the order of the dataset.
    pub(super) fn rows(&self, table: Table) -> Box<dyn Iterator<Item = Row> + '_> {
        let images = 0..self.facts.dataset.images.len();
        let instances = self.facts.dataset.instances.iter().enumerate();
        match table {
            Table::Images => Box::new(images.map(|image| Row { image, ..Row::default() })),
            Table::Instances => Box::new(instances.map(|(instance, labelled)| Row {
                image: labelled.image as usize,
                instance,
                keypoint: 0,
            })),
            Table::Keypoints => Box::new(instances.flat_map(|(instance, labelled)| {
                let first = labelled.first as usize;
                (first..first + usize::from(labelled.len)).map(move |keypoint| Row {
                    image: labelled.image as usize,
                    instance,
                    keypoint,
                })
            })),
        }
    }

    fn image(&self, row: Row) -> &'a Image {
        &self.facts.dataset.images[row.image]
    }

    fn known(&self, row: Row) -> &'a ImageFacts {
        &self.facts.images[row.image]
    }

    fn pixels(&self, row: Row) -> Option<&'a PixelFacts> {
        self.known(row).pixels.as_ref()
    }

    fn instance(&self, row: Row) -> &'a Instance {
        &self.facts.dataset.instances[row.instance]
    }

    fn instances(&self, row: Row) -> &'a [Instance] {
        &self.facts.dataset.instances[self.by_image[row.image].clone()]
    }

    fn keypoint(&self, row: Row) -> &'a Keypoint {
        &self.facts.dataset.keypoints[row.keypoint]
    }

    fn in_box(&self, row: Row) -> Option<LocalFacts> {
        *self.facts.instances.get(row.instance)?
    }

    fn at_keypoint(&self, row: Row) -> Option<LocalFacts> {
        *self.facts.keypoints.get(row.keypoint)?
    }
}

/// Returns names as a column takes them.
fn borrowed<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<Cow<'a, str>> {
    names.into_iter().map(|name| Cow::Borrowed(name.as_str())).collect()
}

/// Returns bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Declares columns as constants: `NAME: "name", "unit", "range", "meaning", value;`.
macro_rules! columns {
    ($($id:ident: $name:literal, $unit:literal, $range:literal, $meaning:literal, $value:expr;)*) => {
        $(const $id: &Column = &Column {
            name: $name, unit: $unit, range: $range, meaning: $meaning, value: $value,
        };)*
    };
}

// Of every table.
columns! {
    IMAGE: "image", "", "path with `/`",
        "image file, relative to the dataset", Value::Name {
            names: |s| borrowed(s.facts.dataset.images.iter().map(|image| &image.path)),
            place: |_, row| u32::try_from(row.image).ok(),
        };
    VIDEO: "video", "", "name",
        "video, camera or folder that the image was taken from", Value::Name {
            names: |s| borrowed(&s.facts.dataset.videos),
            place: |s, row| s.image(row).video,
        };
    FRAME: "frame", "frames", "0 and up",
        "frame number within the video, where the file's name tells it",
        Value::Count(|s, row| s.image(row).frame);
    SPLIT: "split", "", "name",
        "split that the dataset puts the image into", Value::Name {
            names: |s| borrowed(&s.facts.dataset.splits),
            place: |s, row| s.image(row).split.map(u32::from),
        };
}

// Of images.
columns! {
    IMAGE_CLASS: "class", "", "name",
        "class of the whole image", Value::Name {
            names: |s| borrowed(s.facts.dataset.classes.iter().map(|class| &class.name)),
            place: |s, row| s.image(row).class.map(u32::from),
        };
    LABELLED: "labelled", "", "true, false",
        "whether a label file names the image or it has a class",
        Value::Flag(|s, row| {
            let image = s.image(row);
            Some(image.location.is_some() || image.class.is_some() || !s.instances(row).is_empty())
        });
    STATUS: "status", "", "`decoded`, `missing`, `empty`, `truncated`, `corrupt`, `unsupported`, `bomb`, `lfs_pointer`, `dvc_pointer`, `unreadable`, `not_opened`",
        "whether the file could be read, and if not, why", Value::Name {
            names: |_| Status::ALL.iter().map(|status| status.label().into()).collect(),
            place: |s, row| {
                Status::ALL.iter().position(|&status| status == s.known(row).status)
                    .and_then(|place| u32::try_from(place).ok())
            },
        };
    REASON: "reason", "", "words",
        "what the decoder said, where it failed",
        Value::Text(|s, row| s.known(row).reason.clone());
    BYTES: "bytes", "bytes", "0 and up",
        "size of the file", Value::Count(|s, row| opened(s.known(row)).map(|known| known.bytes));
    SHA256: "sha256", "", "64 hexadecimal digits",
        "SHA-256 of the file; of a Git LFS pointer, that of the file it stands for",
        Value::Text(|s, row| s.known(row).sha256.map(|hash| hex(&hash)));
    WIDTH: "width_px", "pixels", "1 and up",
        "width as stored", Value::Small(|s, row| Some(s.known(row).size_px?[0]));
    HEIGHT: "height_px", "pixels", "1 and up",
        "height as stored", Value::Small(|s, row| Some(s.known(row).size_px?[1]));
    DECLARED_WIDTH: "declared_width_px", "pixels", "0 and up",
        "width that the label file declares", Value::Small(|s, row| Some(s.image(row).declared_px?[0]));
    DECLARED_HEIGHT: "declared_height_px", "pixels", "0 and up",
        "height that the label file declares", Value::Small(|s, row| Some(s.image(row).declared_px?[1]));
    ORIENTATION: "orientation", "", "1 to 8",
        "EXIF orientation; 1 where there is none",
        Value::Small(|s, row| Some(u32::from(s.known(row).orientation)).filter(|&code| code > 0));
    CONTENT: "content", "", "such as `png`",
        "format of the content, by its first bytes",
        Value::Text(|s, row| s.known(row).content.map(String::from));
    PIXEL_HASH: "pixel_hash", "", "16 hexadecimal digits",
        "hash of size and samples; equal for images that are equal pixel by pixel and stored \
         alike (not for a JPEG and its copy as PNG)",
        Value::Text(|s, row| Some(format!("{:016x}", s.pixels(row)?.pixel_hash)));
    PERCEPTUAL_HASH: "perceptual_hash", "", "16 hexadecimal digits",
        "perceptual hash; near duplicates differ in few bits",
        Value::Text(|s, row| Some(format!("{:016x}", s.pixels(row)?.perceptual_hash)));
    GREY: "grey", "", "true, false",
        "whether all channels are equal", Value::Flag(|s, row| Some(s.pixels(row)?.grey));
    BRIGHTNESS_P1: "brightness_p1", "", "0 (black) to 1 (white)",
        "1st percentile of brightness", Value::Measure(|s, row| Some(s.pixels(row)?.brightness[0]));
    BRIGHTNESS_P5: "brightness_p5", "", "0 to 1",
        "5th percentile of brightness", Value::Measure(|s, row| Some(s.pixels(row)?.brightness[1]));
    BRIGHTNESS_P50: "brightness_p50", "", "0 to 1",
        "median of brightness", Value::Measure(|s, row| Some(s.pixels(row)?.brightness[2]));
    BRIGHTNESS_P95: "brightness_p95", "", "0 to 1",
        "95th percentile of brightness", Value::Measure(|s, row| Some(s.pixels(row)?.brightness[3]));
    BRIGHTNESS_P99: "brightness_p99", "", "0 to 1",
        "99th percentile of brightness", Value::Measure(|s, row| Some(s.pixels(row)?.brightness[4]));
    BRIGHTNESS_MEAN: "brightness_mean", "", "0 to 1",
        "mean brightness", Value::Measure(|s, row| Some(s.pixels(row)?.brightness_mean));
    CLIPPED: "clipped_frac", "", "0 to 1",
        "share of pixels at the white end of the scale (252 to 255 of 255)",
        Value::Measure(|s, row| Some(s.pixels(row)?.clipped_frac));
    CONTRAST: "contrast", "", "0 to 0.5",
        "standard deviation of brightness", Value::Measure(|s, row| Some(s.pixels(row)?.contrast));
    ENTROPY: "entropy_bits", "bits", "0 to 8",
        "Shannon entropy of the brightness histogram",
        Value::Measure(|s, row| Some(s.pixels(row)?.entropy_bits));
    NOISE: "noise", "", "0 and up",
        "standard deviation of the sensor noise, in units of brightness",
        Value::Measure(|s, row| Some(s.pixels(row)?.noise));
    DETAIL: "detail_frac", "", "0 to 1",
        "share of the image's blocks that hold an edge above the noise",
        Value::Measure(|s, row| Some(s.pixels(row)?.detail_frac));
    BLUR: "blur_px", "pixels", "0 and up",
        "softness of the sharpest edges, as the standard deviation of a Gaussian, as if the image were at most 640 px wide and high",
        Value::Measure(|s, row| s.pixels(row)?.blur_px);
    SHARPNESS: "sharpness", "", "0 (no detail) to 1",
        "sharpness of the image's sharpest parts, net of noise",
        Value::Measure(|s, row| Some(s.pixels(row)?.sharpness));
    LAPLACIAN_VAR: "laplacian_var", "grey levels squared", "0 and up",
        "variance of the Laplacian, as OpenCV scripts measure it",
        Value::Measure(|s, row| Some(s.pixels(row)?.laplacian_var));
    MOTION_BLUR: "motion_blur", "", "0 (none) to 1",
        "strength of directional blur", Value::Measure(|s, row| Some(s.pixels(row)?.motion_blur));
    MOTION_ANGLE: "motion_angle_deg", "degrees", "0 to 180",
        "direction of that blur, counter-clockwise from the x axis",
        Value::Measure(|s, row| Some(s.pixels(row)?.motion_angle_deg));
    N_INSTANCES: "n_instances", "", "0 and up",
        "labelled instances", Value::Small(|s, row| u32::try_from(s.instances(row).len()).ok());
    IMAGE_KEYPOINTS: "n_keypoints", "", "0 and up",
        "labelled keypoints",
        Value::Small(|s, row| Some(s.instances(row).iter().map(|i| u32::from(i.len)).sum()));
}

// Of instances, and of keypoints through their instance.
columns! {
    INSTANCE: "instance", "", "name",
        "individual, id of the annotation, or its place among those of the image", Value::Name {
            names: |s| {
                let dataset = &s.facts.dataset;
                dataset.instances.iter().map(|i| dataset.instance_name(i).into()).collect()
            },
            place: |_, row| u32::try_from(row.instance).ok(),
        };
    CLASS: "class", "", "name",
        "class of the instance", Value::Name {
            names: |s| borrowed(s.facts.dataset.classes.iter().map(|class| &class.name)),
            place: |s, row| s.instance(row).class.map(u32::from),
        };
    BOX_X: "x_px", "pixels", "any",
        "left edge of the labelled box", Value::Coordinate(|s, row| Some(s.instance(row).bbox?.x));
    BOX_Y: "y_px", "pixels", "any",
        "top edge of the labelled box", Value::Coordinate(|s, row| Some(s.instance(row).bbox?.y));
    BOX_WIDTH: "width_px", "pixels", "any",
        "width of the labelled box", Value::Coordinate(|s, row| Some(s.instance(row).bbox?.width));
    BOX_HEIGHT: "height_px", "pixels", "any",
        "height of the labelled box", Value::Coordinate(|s, row| Some(s.instance(row).bbox?.height));
    CROWD: "crowd", "", "true, false",
        "whether it stands for a group (COCO's `iscrowd`)",
        Value::Flag(|s, row| Some(s.instance(row).crowd));
    N_KEYPOINTS: "n_keypoints", "", "0 and up",
        "labelled keypoints", Value::Small(|s, row| Some(u32::from(s.instance(row).len)));
    BOX_BLUR: "blur_px", "pixels", "0 and up",
        "softness of the edges inside the box",
        Value::Measure(|s, row| s.in_box(row)?.blur_px);
    BOX_SHARPNESS: "sharpness", "", "0 (no detail) to 1",
        "sharpness inside the box, net of noise",
        Value::Measure(|s, row| Some(s.in_box(row)?.sharpness));
    BOX_BRIGHTNESS: "brightness", "", "0 to 1",
        "mean brightness inside the box", Value::Measure(|s, row| Some(s.in_box(row)?.brightness));
    BOX_CONTRAST: "contrast", "", "0 to 0.5",
        "standard deviation of brightness inside the box",
        Value::Measure(|s, row| Some(s.in_box(row)?.contrast));
    LOCATION_FILE: "location_file", "", "path with `/`",
        "label file that holds the instance", Value::Name {
            names: |s| borrowed(&s.facts.dataset.label_files),
            place: |s, row| Some(s.instance(row).location?.file),
        };
    LOCATION_ROW: "row", "", "1 and up",
        "line of that file, or ordinal of the annotation",
        Value::Small(|s, row| Some(s.instance(row).location?.row));
}

// Of keypoints.
columns! {
    KEYPOINT: "keypoint", "", "name",
        "kind of keypoint", Value::Name {
            names: |s| borrowed(s.facts.dataset.skeletons.iter().flat_map(|k| &k.keypoints)),
            place: |s, row| {
                let skeleton = usize::from(s.instance(row).skeleton?);
                let before: usize =
                    s.facts.dataset.skeletons[..skeleton].iter().map(|k| k.keypoints.len()).sum();
                u32::try_from(before + usize::from(s.keypoint(row).kind)).ok()
            },
        };
    X: "x_px", "pixels", "any",
        "x in the label file's own pixel convention",
        Value::Coordinate(|s, row| Some(s.facts.dataset.to_label(s.keypoint(row).x)));
    Y: "y_px", "pixels", "any",
        "y in the label file's own pixel convention",
        Value::Coordinate(|s, row| Some(s.facts.dataset.to_label(s.keypoint(row).y)));
    VISIBILITY: "visibility", "", "`visible`, `occluded`",
        "whether the annotator saw the point", Value::Name {
            names: |_| vec!["occluded".into(), "visible".into()],
            place: |s, row| Some(u32::from(s.keypoint(row).visibility == Visibility::Visible)),
        };
    POINT_BLUR: "blur_px", "pixels", "0 and up",
        "softness of the edges around the point",
        Value::Measure(|s, row| s.at_keypoint(row)?.blur_px);
    POINT_SHARPNESS: "sharpness", "", "0 (no detail) to 1",
        "sharpness around the point, net of noise",
        Value::Measure(|s, row| Some(s.at_keypoint(row)?.sharpness));
    POINT_BRIGHTNESS: "brightness", "", "0 to 1",
        "mean brightness around the point",
        Value::Measure(|s, row| Some(s.at_keypoint(row)?.brightness));
    POINT_CONTRAST: "contrast", "", "0 to 0.5",
        "standard deviation of brightness around the point",
        Value::Measure(|s, row| Some(s.at_keypoint(row)?.contrast));
}

/// Returns what is known of a file that exists.
fn opened(known: &ImageFacts) -> Option<&ImageFacts> {
    let absent = [Status::NotOpened, Status::Missing, Status::DvcPointer, Status::Unreadable];
    Some(known).filter(|known| !absent.contains(&known.status))
}

#[rustfmt::skip]
const IMAGES: &[&Column] = &[
    IMAGE, VIDEO, FRAME, SPLIT, IMAGE_CLASS, LABELLED, STATUS, REASON, BYTES, SHA256, WIDTH, HEIGHT,
    DECLARED_WIDTH, DECLARED_HEIGHT, ORIENTATION, CONTENT, PIXEL_HASH, PERCEPTUAL_HASH, GREY,
    BRIGHTNESS_P1, BRIGHTNESS_P5, BRIGHTNESS_P50, BRIGHTNESS_P95, BRIGHTNESS_P99, BRIGHTNESS_MEAN,
    CLIPPED, CONTRAST, ENTROPY, NOISE, DETAIL, BLUR, SHARPNESS, LAPLACIAN_VAR, MOTION_BLUR, MOTION_ANGLE, N_INSTANCES,
    IMAGE_KEYPOINTS,
];

#[rustfmt::skip]
const INSTANCES: &[&Column] = &[
    IMAGE, VIDEO, FRAME, SPLIT, INSTANCE, CLASS, BOX_X, BOX_Y, BOX_WIDTH, BOX_HEIGHT, CROWD,
    N_KEYPOINTS, BOX_BLUR, BOX_SHARPNESS, BOX_BRIGHTNESS, BOX_CONTRAST, LOCATION_FILE, LOCATION_ROW,
];

#[rustfmt::skip]
const KEYPOINTS: &[&Column] = &[
    IMAGE, VIDEO, FRAME, SPLIT, INSTANCE, CLASS, KEYPOINT, X, Y, VISIBILITY, POINT_BLUR, POINT_SHARPNESS,
    POINT_BRIGHTNESS, POINT_CONTRAST,
];
