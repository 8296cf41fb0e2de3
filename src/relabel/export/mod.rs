//! An export: the queue, in a form that a labelling tool opens, with its pictures. Each form
//! has a file of its own; what all share is here. Gives contents and says where pictures go;
//! [`write_export`] alone touches files.

mod cvat;
mod label_studio;
mod napari;
mod written;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::queue::{self, QUEUE_FILE, Queue};
use super::{Frame, RelabelError};
use crate::dataset::Dataset;

pub use written::changed_since;

pub(super) use cvat::{INSTANCE, TAG, VERDICT};
pub(super) use label_studio::{IMAGE_KEY, region_id};

/// File with the table of findings, in every export.
pub(super) const TABLE_FILE: &str = "queue.csv";
/// Folder of an export's pictures, where the form does not say otherwise.
const IMAGES: &str = "images";

/// What a queue is exported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A folder that napari-deeplabcut opens.
    Napari,
    /// Tasks of Label Studio.
    LabelStudio,
    /// `CVAT for images 1.1`.
    Cvat,
    /// A table for a spreadsheet.
    Csv,
}

impl Form {
    /// Every form.
    pub const ALL: [Form; 4] = [Form::Napari, Form::LabelStudio, Form::Cvat, Form::Csv];

    /// Returns its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Form::Napari => "napari",
            Form::LabelStudio => "label-studio",
            Form::Cvat => "cvat",
            Form::Csv => "csv",
        }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Form, String> {
        Form::ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Form::ALL.iter().map(|form| form.name()).collect();
            format!("unknown form `{name}`; known are {}", known.join(", "))
        })
    }
}

/// Something that was left out, or that people should know, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// Image or file.
    pub place: String,
    /// What it is, a lower-case fragment.
    pub message: String,
}

impl Trouble {
    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Trouble {
        Trouble { place: place.into(), message: message.into() }
    }
}

/// The content of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The queue as it is exported: frames that cannot be shown are gone.
    pub queue: Queue,
    /// Files by path relative to the export, with their content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Image files and where they go, relative to the export.
    pub pictures: Vec<(PathBuf, String)>,
    /// What to do next, one line each.
    pub next: Vec<String>,
    /// What was left out.
    pub troubles: Vec<Trouble>,
}

/// Makes the export of a queue, in the form that its header names. `out` is where the export
/// will lie in the end.
///
/// # Errors
/// Fails when the form cannot show what the dataset holds.
pub fn export(dataset: &Dataset, mut queue: Queue, out: &Path) -> Result<Export, RelabelError> {
    let form = queue.header.form;
    let mut troubles = Vec::new();
    if form != Form::Csv {
        keep_what_can_be_shown(&mut queue, &mut troubles);
    }
    let mut files = Vec::new();
    let mut next = match form {
        Form::Csv => vec![format!(
            "fill in the column `verdict` of {}: fixed, correct, drop or unsure; a corrected place goes into x and y",
            out.join(TABLE_FILE).display()
        )],
        Form::Napari => napari::export(dataset, &mut queue, out, &mut files, &mut troubles)?,
        Form::LabelStudio => {
            place_pictures(&mut queue);
            label_studio::export(dataset, &queue, out, &mut files)?
        }
        Form::Cvat => {
            place_pictures(&mut queue);
            cvat::export(dataset, &queue, out, &mut files)?
        }
    };
    if form != Form::Csv {
        next.push(format!(
            "in any form, the column `verdict` of {TABLE_FILE} takes fixed, correct, drop or unsure for a single finding"
        ));
    }
    next.push(format!("labelvet relabel import {} --out decisions.jsonl", out.display()));
    let written = |file: &'static str| {
        move |error: &dyn std::error::Error| RelabelError::Write {
            file,
            message: error.to_string(),
        }
    };
    let table = queue::table(&queue).map_err(|error| written(TABLE_FILE)(&error))?;
    let lines = queue.to_json_lines().map_err(|error| written(QUEUE_FILE)(&error))?;
    files.push((TABLE_FILE.into(), table));
    files.push((QUEUE_FILE.into(), lines));
    files.push(("README.txt".into(), format!("{}\n", next.join("\n")).into_bytes()));
    files.sort();
    let pictures: Vec<(PathBuf, String)> = (queue.frames.iter())
        .filter_map(|frame| Some((frame.file.clone()?, frame.exported.clone())))
        .filter(|(_, exported)| !exported.is_empty())
        .collect();
    files.push(written::list(&files, &pictures));
    troubles.sort();
    Ok(Export { queue, files, pictures, next, troubles })
}

/// Writes an export into an existing, empty folder. Pictures are hard-linked where the system
/// allows it, else copied.
///
/// # Errors
/// Fails when a file cannot be written or a picture cannot be read.
pub fn write_export(folder: &Path, export: &Export) -> Result<(), RelabelError> {
    let io = |verb: &'static str, path: &Path| {
        let path = path.to_path_buf();
        move |source| RelabelError::Io { verb, path, source }
    };
    let place = |relative: &str| -> Result<PathBuf, RelabelError> {
        let path = folder.join(relative);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io("create", parent))?;
        }
        Ok(path)
    };
    for (relative, content) in &export.files {
        let path = place(relative)?;
        fs::write(&path, content).map_err(io("write", &path))?;
    }
    for (source, relative) in &export.pictures {
        let path = place(relative)?;
        // A link to a link would lead nowhere once it lies elsewhere.
        let source = source.canonicalize().map_err(io("read", source))?;
        if fs::hard_link(&source, &path).is_err() {
            fs::copy(&source, &path).map_err(io("copy", &source))?;
        }
    }
    Ok(())
}

/// Takes frames out that have no picture, and gives the others their size.
fn keep_what_can_be_shown(queue: &mut Queue, troubles: &mut Vec<Trouble>) {
    let needs_size = matches!(queue.header.form, Form::LabelStudio | Form::Cvat);
    queue.frames.retain_mut(|frame| {
        let Some(file) = frame.file.as_deref().filter(|file| file.is_file()) else {
            troubles.push(Trouble::new(&frame.image, "the image is missing, so it is left out"));
            return false;
        };
        frame.size_px = size_px(file).or(frame.size_px);
        if needs_size && frame.size_px.is_none() {
            let message = "its width and height cannot be read, so it is left out";
            troubles.push(Trouble::new(&frame.image, message));
            return false;
        }
        true
    });
    for (at, frame) in queue.frames.iter_mut().enumerate() {
        frame.rank = at + 1;
    }
    queue.header.frames = queue.frames.len();
    queue.header.findings = queue.frames.iter().map(|frame| frame.findings.len()).sum();
}

/// Returns width and height of an image file as stored, by its header.
fn size_px(file: &Path) -> Option<[u32; 2]> {
    let reader = image::ImageReader::open(file).ok()?.with_guessed_format().ok()?;
    let (width, height) = reader.into_dimensions().ok()?;
    (width > 0 && height > 0).then_some([width, height])
}

/// Gives each frame a place below `images`, with the path that it has in the dataset.
fn place_pictures(queue: &mut Queue) {
    let mut taken = BTreeSet::new();
    for frame in &mut queue.frames {
        frame.exported = unique(&format!("{IMAGES}/{}", safe(&frame.image)), &mut taken);
    }
}

/// Returns a relative path that stays below its folder and that every system can name.
fn safe(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    let clean = parts.map(|part| match part {
        ".." => "_up".to_string(),
        part => part
            .chars()
            .map(|c| if c.is_control() || r#":*?"<>|\"#.contains(c) { '_' } else { c })
            .collect(),
    });
    clean.collect::<Vec<_>>().join("/")
}

/// Returns a path, or that path with a number where it is taken; names that differ in case
/// alone are one on some systems.
fn unique(path: &str, taken: &mut BTreeSet<String>) -> String {
    let (stem, suffix) = match path.rsplit_once('.') {
        Some((stem, suffix)) if !suffix.contains('/') => (stem, format!(".{suffix}")),
        _ => (path, String::new()),
    };
    let mut candidate = path.to_string();
    let mut count = 1;
    while !taken.insert(candidate.to_lowercase()) {
        count += 1;
        candidate = format!("{stem}-{count}{suffix}");
    }
    candidate
}

/// Returns a text for XML, without characters that XML 1.0 (section 2.2) has no place for.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// Colours of keypoints and boxes, told apart by most people; Tol, "Colour schemes" (2021),
/// "bright" and "light".
const COLOURS: [&str; 12] = [
    "#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#BBCC33", "#EE8866",
    "#44BB99", "#EEDD88", "#99DDFF", "#FFAABB",
];

fn colour(at: usize) -> &'static str {
    COLOURS[at % COLOURS.len()]
}

/// Returns the names of all keypoints of the skeletons that have labels in a queue or belong
/// to the dataset, each once, in the order of the skeletons.
fn keypoint_names(dataset: &Dataset) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = dataset.skeletons.iter().flat_map(|skeleton| &skeleton.keypoints);
    names.filter(|name| seen.insert(name.as_str())).cloned().collect()
}

/// Returns the class of boxes of a frame's labels, sorted.
fn box_classes(frames: &[Frame]) -> BTreeSet<String> {
    let labels = frames.iter().flat_map(|frame| &frame.labels);
    labels
        .filter(|label| label.bbox.is_some())
        .map(|label| box_class(label.class.as_deref()))
        .collect()
}

/// Returns the name of a box's class; a box without class is called that.
fn box_class(class: Option<&str>) -> String {
    class.unwrap_or("box").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_folder_and_apart() {
        assert_eq!(safe("../../etc/pass:wd"), "_up/_up/etc/pass_wd");
        assert_eq!(safe("/a//./b\n.png"), "a/b_.png");
        let mut taken = BTreeSet::new();
        let names: Vec<String> =
            ["a/x.png", "a/X.png", "a/x.png"].iter().map(|name| unique(name, &mut taken)).collect();
        assert_eq!(names, ["a/x.png", "a/X-2.png", "a/x-3.png"]);
    }

    #[test]
    fn names_cannot_leave_their_attribute() {
        assert_eq!(xml("a\"><b>&'\u{1}"), "a&quot;&gt;&lt;b&gt;&amp;&apos;\u{FFFD}");
    }

    #[test]
    fn every_form_has_one_name() {
        for form in Form::ALL {
            assert_eq!(form.name().parse(), Ok(form));
            assert_eq!(serde_json::to_value(form).unwrap(), form.name());
        }
        assert!("excel".parse::<Form>().unwrap_err().contains("label-studio"));
    }
}
