//! What comes back from people: reads an export in its form, compares it with the queue that
//! was exported, and makes decisions of the differences and of what people confirmed.

mod compare;
mod cvat;
mod label_studio;
mod napari;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::export::{Form, Trouble};
use super::queue::Queue;
use super::{Decision, Label, RelabelError, Verdict};

pub(super) use table::COLUMNS;

/// What findings mean whose label came back as it was and that nobody judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unchanged {
    /// Nothing: no decision is made, since opening a frame is no judgement of it.
    #[default]
    Leave,
    /// It could not be told.
    Unsure,
    /// The label is right. For people who looked at every frame of the queue.
    Correct,
}

/// Says how decisions are made.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// File that the tool wrote, where it does not lie in the export under a usual name.
    pub returned: Option<PathBuf>,
    /// Who decided.
    pub by: Option<String>,
    /// When, as RFC 3339.
    pub at: Option<String>,
    /// What an unchanged label means.
    pub unchanged: Unchanged,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Import {
    /// Decisions, in the order of the queue.
    pub decisions: Vec<Decision>,
    /// Findings that nobody judged.
    pub not_judged: usize,
    /// Changes that no finding asked for; each is a decision of its own.
    pub unasked: usize,
    /// What could not be understood or carried over.
    pub troubles: Vec<Trouble>,
}

/// A frame as it came back.
#[derive(Debug, Clone, Default)]
struct FrameBack {
    /// Its labels, by the instances' own names.
    labels: Vec<Label>,
    /// The verdict on the whole frame.
    verdict: Option<Verdict>,
}

/// Everything that came back.
#[derive(Debug, Default)]
struct Back {
    /// By index into the queue's frames; a frame that is not here was not looked at.
    frames: BTreeMap<usize, FrameBack>,
    /// Whether keypoints and boxes can have come back at all.
    keypoints: bool,
    boxes: bool,
    troubles: Vec<Trouble>,
}

/// Reads an export that people worked in.
///
/// # Errors
/// Fails when the folder is no export, or what came back is missing or as a whole makes no
/// sense. What is wrong with a single frame or label is listed in [`Import::troubles`].
pub fn import(folder: &Path, options: &ImportOptions) -> Result<Import, RelabelError> {
    let queue = Queue::read(folder)?;
    let given = options.returned.as_deref();
    let (back, table) = match queue.header.form {
        Form::Csv => (Back::default(), given),
        Form::Napari => (napari::read(&queue, given.unwrap_or(folder))?, None),
        Form::LabelStudio => (label_studio::read(&queue, folder, given)?, None),
        Form::Cvat => (cvat::read(&queue, folder, given)?, None),
    };
    let table = table::read(&queue, folder, table)?;
    Ok(compare::decide(&queue, back, table, options))
}

/// Finds frames by the paths that they have in the export.
struct Frames<'q> {
    by_path: BTreeMap<&'q str, usize>,
}

impl<'q> Frames<'q> {
    fn new(queue: &'q Queue) -> Frames<'q> {
        let frames = queue.frames.iter().enumerate();
        Frames { by_path: frames.map(|(at, frame)| (frame.exported.as_str(), at)).collect() }
    }

    /// Returns the frame of a path. A tool may have left folders away or put some before: then
    /// the only frame that ends alike is taken.
    fn find(&self, path: &str) -> Option<usize> {
        let path = path.replace('\\', "/");
        if let Some(&at) = self.by_path.get(path.as_str()) {
            return Some(at);
        }
        let ends = |long: &str, short: &str| {
            long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let bare = |known: &str| known.strip_prefix("images/").unwrap_or(known).to_string();
        let mut alike = self.by_path.iter().filter(|(known, _)| {
            !path.is_empty() && (ends(known, &path) || ends(&path, &bare(known)))
        });
        match (alike.next(), alike.next()) {
            (Some((_, &at)), None) => Some(at),
            _ => None,
        }
    }
}

/// Said of a frame of which something could not be read or told apart. Nothing is decided about
/// it, since what is missing would look like a label that a person took away.
const UNCLEAR: &str = "nothing was decided about this frame, since not all of it could be read";

/// Returns the error of a file that is not what it should be.
fn malformed(path: &Path, line: Option<usize>, message: impl Into<String>) -> RelabelError {
    RelabelError::Malformed { path: path.into(), line, message: message.into() }
}
