//! A DeepLabCut project of the queued frames alone: `config.yaml`, and for each video
//! `labeled-data/<video>/` with its pictures and `CollectedData_<scorer>.csv`.
//!
//! # What napari-deeplabcut reads
//! Read in its source (`_reader.py`, `core/io.py`, `core/discovery.py`): a folder of
//! `labeled-data` with pictures in `.png`, `.jpg` or `.jpeg` of one size, which it stacks, and
//! the labels of `CollectedData*.h5` beside them; from `config.yaml` the keys `scorer`,
//! `bodyparts` (with several animals `multianimalbodyparts`, `uniquebodyparts` and
//! `individuals`), `dotsize`, `pcutoff` and `colormap`. It saves both an `.h5` and a `.csv`.
//! So a CSV alone shows no labels: `deeplabcut.convertcsv2h5` makes the `.h5` of it. That
//! reads `scorer` and the keys of `video_sets`, whose stems name the folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::{Trouble, keypoint_names, safe, unique};
use crate::dataset::{Dataset, InstanceName};
use crate::relabel::queue::{Frame, Queue};
use crate::relabel::{Label, RelabelError};

/// Folder of the labelled pictures.
const LABELED_DATA: &str = "labeled-data";
/// Offset of DeepLabCut's numbers: the centre of a pixel has whole numbers, px.
const OFFSET: f64 = 0.5;
/// Scorer of labels whose file names none.
const SCORER: &str = "labelvet";
/// Individual of body parts that exist once, see `docs/formats.md`.
const UNIQUE: &str = "single";

/// Columns of the label files.
struct Layout {
    scorer: String,
    /// Keypoints of a single animal, or of each of several.
    keypoints: Vec<String>,
    /// Keypoints that exist once.
    unique: Vec<String>,
    /// Names of the animals; empty for a single one.
    individuals: Vec<String>,
}

/// Adds the files, names the frames' places, and returns what to do next.
pub(super) fn export(
    dataset: &Dataset,
    queue: &mut Queue,
    out: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
    troubles: &mut Vec<Trouble>,
) -> Result<Vec<String>, RelabelError> {
    if keypoint_names(dataset).is_empty() {
        return Err(RelabelError::Unfit {
            message: "napari-deeplabcut labels keypoints, and this dataset has none; \
                export to label-studio or cvat"
                .into(),
        });
    }
    place(&mut queue.frames, troubles);
    let layout = Layout::new(dataset, &mut queue.frames);
    let mut folders: BTreeMap<&str, Vec<&Frame>> = BTreeMap::new();
    for frame in &queue.frames {
        let folder = frame.exported.rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().push(frame);
    }
    let offset = queue.header.pixel_offset - OFFSET;
    for (folder, frames) in &mut folders {
        frames.sort_by(|a, b| a.exported.cmp(&b.exported));
        let name = format!("{folder}/CollectedData_{}.csv", layout.scorer);
        let content = layout.csv(frames, offset).map_err(|error| RelabelError::Write {
            file: "CollectedData.csv",
            message: error.to_string(),
        })?;
        files.push((name, content));
    }
    files.push(("config.yaml".into(), layout.config(dataset, &folders, out).into_bytes()));
    let config = out.join("config.yaml");
    Ok(vec![
        format!(
            "make the .h5 files that napari-deeplabcut reads: python -c \"import deeplabcut; deeplabcut.convertcsv2h5({}, userfeedback=False, scorer={})\"",
            python(&config.display().to_string()),
            python(&layout.scorer)
        ),
        format!(
            "open a folder of {} in napari with the plugin napari-deeplabcut, correct, save (Ctrl+S)",
            out.join(LABELED_DATA).display()
        ),
    ])
}

/// Returns a text as Python writes it between single quotes, within a shell's double quotes.
fn python(text: &str) -> String {
    format!("'{}'", text.replace('\\', "/").replace('\'', "\\'"))
}

/// Gives each frame the place `labeled-data/<video>/<file>`: its own where it has that form,
/// else a folder named by the path. Pictures of one folder have one size, since the plugin
/// stacks them.
fn place(frames: &mut [Frame], troubles: &mut Vec<Trouble>) {
    let split = |path: &str| -> (String, String) {
        let path = safe(path);
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let folder = folder.strip_prefix(LABELED_DATA).unwrap_or(folder).trim_matches('/');
        let folder = if folder.is_empty() { "images".into() } else { folder.replace('/', "__") };
        (folder, file.to_string())
    };
    let mut sizes: BTreeMap<String, BTreeSet<Option<[u32; 2]>>> = BTreeMap::new();
    for frame in frames.iter() {
        sizes.entry(split(&frame.image).0).or_default().insert(frame.size_px);
    }
    let mut taken = BTreeSet::new();
    for frame in frames {
        let (mut folder, file) = split(&frame.image);
        if let (true, Some([width, height])) = (sizes[&folder].len() > 1, frame.size_px) {
            folder = format!("{folder}__{width}x{height}");
        }
        // DeepLabCut takes a folder of this ending for pictures that it drew.
        if folder.ends_with("_labeled") {
            folder.push('_');
        }
        let suffix = file.rsplit_once('.').map(|(_, suffix)| suffix.to_lowercase());
        if !suffix.is_some_and(|suffix| ["png", "jpg", "jpeg"].contains(&suffix.as_str())) {
            let message = "napari-deeplabcut opens .png, .jpg and .jpeg only";
            troubles.push(Trouble::new(&frame.image, message));
        }
        frame.exported = unique(&format!("{LABELED_DATA}/{folder}/{file}"), &mut taken);
    }
}

impl Layout {
    /// Decides on columns, and names the instances of frames as the columns do.
    fn new(dataset: &Dataset, frames: &mut [Frame]) -> Layout {
        let named = !dataset.individuals.is_empty()
            && dataset.instances.iter().any(|i| matches!(i.name, InstanceName::Individual(_)));
        let most = frames.iter().map(|frame| posed(frame).count()).max().unwrap_or(0);
        let mut layout = Layout {
            scorer: scorer(dataset),
            keypoints: keypoint_names(dataset),
            unique: Vec::new(),
            individuals: Vec::new(),
        };
        if named {
            layout.individuals = dataset.individuals.clone();
            if let Some(at) = layout.individuals.iter().position(|name| name == UNIQUE) {
                layout.individuals.remove(at);
                layout.unique = own_keypoints(dataset, UNIQUE);
                layout.keypoints.retain(|name| !layout.unique.contains(name));
            }
        } else if most > 1 {
            layout.individuals = (1..=most).map(|at| format!("animal{at}")).collect();
            for frame in frames {
                let own: Vec<String> = posed(frame).map(|label| label.instance.clone()).collect();
                frame.names = layout.individuals.iter().cloned().zip(own).collect();
            }
        } else {
            for frame in frames {
                let own = posed(frame).map(|label| label.instance.clone()).next();
                frame.names = own.map(|own| ("0".to_string(), own)).into_iter().collect();
            }
        }
        layout
    }

    /// Returns the columns as (individual, keypoint).
    fn columns(&self) -> Vec<(&str, &str)> {
        if self.individuals.is_empty() {
            return self.keypoints.iter().map(|name| ("", name.as_str())).collect();
        }
        let mut columns = Vec::new();
        for individual in &self.individuals {
            columns.extend(self.keypoints.iter().map(|name| (individual.as_str(), name.as_str())));
        }
        columns.extend(self.unique.iter().map(|name| (UNIQUE, name.as_str())));
        columns
    }

    fn csv(&self, frames: &[&Frame], offset: f64) -> Result<Vec<u8>, csv::Error> {
        let columns = self.columns();
        let mut out = csv::Writer::from_writer(Vec::new());
        let mut header = |name: &str, cell: &dyn Fn(usize) -> String| {
            let cells = (0..2 * columns.len()).map(cell);
            out.write_record(std::iter::once(name.to_string()).chain(cells))
        };
        header("scorer", &|_| self.scorer.clone())?;
        if !self.individuals.is_empty() {
            header("individuals", &|at| columns[at / 2].0.into())?;
        }
        header("bodyparts", &|at| columns[at / 2].1.into())?;
        header("coords", &|at| if at % 2 == 0 { "x".into() } else { "y".into() })?;
        for frame in frames {
            let mut record = vec![frame.exported.clone()];
            for (individual, keypoint) in &columns {
                let label = self.label(frame, individual);
                let place = label.and_then(|label| label.keypoints.get(*keypoint));
                for value in [place.map(|place| place.x), place.map(|place| place.y)] {
                    let value = value.map(|value| super::super::label::rounded(value + offset));
                    record.push(value.map_or(String::new(), |value| value.to_string()));
                }
            }
            out.write_record(record)?;
        }
        out.flush()?;
        out.into_inner().map_err(|error| error.into_error().into())
    }

    /// Returns the label that stands in the columns of an individual.
    fn label<'f>(&self, frame: &'f Frame, individual: &str) -> Option<&'f Label> {
        if self.individuals.is_empty() {
            return posed(frame).next();
        }
        frame.label(frame.names.get(individual).map_or(individual, String::as_str))
    }

    fn config(
        &self,
        dataset: &Dataset,
        folders: &BTreeMap<&str, Vec<&Frame>>,
        out: &Path,
    ) -> String {
        // A JSON string is a YAML string, too.
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let list = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            format!("[{}]", names.join(", "))
        };
        let multi = !self.individuals.is_empty();
        let whole = std::path::absolute(out).unwrap_or_else(|_| out.into());
        let mut text = format!(
            "# Frames to look at, made by labelvet. Not for training.\nTask: relabel\nscorer: {}\ndate: relabel\nmultianimalproject: {multi}\nidentity: false\nproject_path: {}\n",
            quoted(&self.scorer),
            quoted(&whole.display().to_string()),
        );
        text += if folders.is_empty() { "video_sets: {}\n" } else { "video_sets:\n" };
        for (folder, frames) in folders {
            // A stem ends at the last point, so a video has a suffix, whatever its name.
            let name = folder.rsplit('/').next().unwrap_or_default();
            let [width, height] = frames[0].size_px.unwrap_or_default();
            let video = quoted(&format!("{name}.avi"));
            let _ = writeln!(text, "  {video}:\n    crop: 0, {width}, 0, {height}");
        }
        if multi {
            let _ = writeln!(text, "individuals: {}", list(&self.individuals));
            let _ = writeln!(text, "uniquebodyparts: {}", list(&self.unique));
            let _ = writeln!(text, "multianimalbodyparts: {}", list(&self.keypoints));
            text += "bodyparts: MULTI!\n";
        } else {
            let _ = writeln!(text, "bodyparts: {}", list(&self.keypoints));
        }
        let edges = dataset.skeletons.iter().flat_map(|skeleton| {
            let name = |at: u16| skeleton.keypoints.get(usize::from(at));
            let ends = move |[a, b]: &[u16; 2]| Some([name(*a)?.clone(), name(*b)?.clone()]);
            skeleton.edges.iter().filter_map(ends)
        });
        let edges: Vec<String> = edges.map(|ends| list(&ends)).collect();
        let _ = writeln!(text, "skeleton: [{}]", edges.join(", "));
        text += "skeleton_color: black\npcutoff: 0.6\ndotsize: 8\nalphavalue: 0.7\ncolormap: rainbow\niteration: 0\n";
        text
    }
}

/// Returns the labels of a frame that can have keypoints.
fn posed(frame: &Frame) -> impl Iterator<Item = &Label> {
    frame.labels.iter().filter(|label| label.skeleton.is_some())
}

/// Returns the keypoints of an individual's skeleton.
fn own_keypoints(dataset: &Dataset, individual: &str) -> Vec<String> {
    let skeleton = dataset.skeletons.iter().find(|skeleton| skeleton.name == individual);
    skeleton.map(|skeleton| skeleton.keypoints.clone()).unwrap_or_default()
}

/// Returns the scorer that all label files name (`CollectedData_<scorer>.csv`).
fn scorer(dataset: &Dataset) -> String {
    let of = |file: &String| {
        let name = file.rsplit('/').next()?;
        Some(name.strip_prefix("CollectedData_")?.strip_suffix(".csv")?.to_string())
    };
    let names: BTreeSet<Option<String>> = dataset.label_files.iter().map(of).collect();
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(name)] => name.clone(),
        _ => SCORER.into(),
    }
}
