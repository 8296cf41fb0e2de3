//! DeepLabCut: a project (`config.yaml`, `labeled-data/<video>/CollectedData_*.csv`),
//! or one of its label files, or a folder of them that was taken out of its project.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::dlc_config::{self, Config, UNIQUE};
use super::dlc_csv::{self, Part, Peek, Sheet, show};
use super::dlc_dataset::{Beside, Builder, LABELED_DATA, Places, below_labeled_data};
use super::files::{self, Listing};
use super::{Evidence, Format, FormatError, ReadOptions};
use super::{dlc_rewrite, dlc_shuffles, dlc_split, dlc_training};
use crate::dataset::{Dataset, Problem, ProblemKind};

/// DeepLabCut.
pub(super) const FORMAT: Format = Format {
    slug: "deeplabcut",
    looks_for: "a DeepLabCut config.yaml, or labeled-data/*/CollectedData*.csv",
    evidence: Evidence::Labels,
    detect,
    read,
    rewrite: Some(dlc_rewrite::rewrite),
    write_splits: Some(dlc_split::write),
};

/// Name of the configuration in the folder of a project.
const CONFIG: &str = "config.yaml";

fn detect(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        let labels = || matches!(peek(path), Peek::Labels(_) | Peek::Predictions);
        let fits = dlc_config::is_config(path)
            || is_collected_data(path)
            || (files::has_suffix(path, "csv") && labels());
        return fits.then(|| path.into());
    }
    if dlc_config::is_config(&path.join(CONFIG)) || has_labels(&path.join(LABELED_DATA)) {
        return Some(path.into());
    }
    if files::name(path) == LABELED_DATA && has_labels(path) {
        return path.parent().map(Into::into);
    }
    (!label_files(path).is_empty()).then(|| path.into())
}

/// Returns whether a folder of videos holds labels.
fn has_labels(folder: &Path) -> bool {
    files::entries(folder)
        .iter()
        .any(|video| files::entries(video).iter().any(|file| is_collected_data(file)))
}

/// Returns whether a file is named as labels are: `CollectedData_<scorer>`.
fn is_collected_data(path: &Path) -> bool {
    let labels = files::has_suffix(path, "csv") || files::has_suffix(path, "h5");
    labels && files::name(path).starts_with("CollectedData")
}

/// Returns the CSV label files in a folder: those named as labels are, else all with
/// the header of labels.
fn label_files(folder: &Path) -> Vec<PathBuf> {
    let mut tables = files::entries(folder);
    tables.retain(|path| files::has_suffix(path, "csv") && path.is_file());
    if tables.iter().any(|path| is_collected_data(path)) {
        tables.retain(|path| is_collected_data(path));
    } else {
        tables.retain(|path| matches!(peek(path), Peek::Labels(_)));
    }
    tables
}

/// Looks at the beginning of a file.
pub(super) fn peek(path: &Path) -> Peek {
    use std::io::Read as _;
    /// Enough for the header of a file with some hundred body parts.
    const BEGINNING: u64 = 1 << 18;
    let mut beginning = Vec::new();
    let file = std::fs::File::open(path);
    match file.and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning)) {
        Ok(_) => dlc_csv::peek(&beginning),
        Err(_) => Peek::Other,
    }
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    let path = absolute(path)?;
    let project = Project::of(&path)?;
    let config = project.config.as_deref().map(dlc_config::read).transpose()?;
    let whole = project.extent == Extent::Whole;
    let mut notes = Vec::new();
    let mut sheets = sheets(&project, &mut notes)?;
    let images = options.images.as_deref().map(absolute).transpose()?;
    let listing = match &images {
        Some(images) => listing_of(&project.root, images),
        None => list(&project.root, &project.folders),
    };
    let lone = project.folders.len() == 1 && project.folders[0] == project.root;
    let places = Places {
        images,
        beside: if config.is_some() { Beside::No } else { Beside::Allowed },
        video: lone.then(|| files::name(&project.root)),
        root: project.root,
    };
    let training = dlc_training::read(&places.root, project.config.as_deref(), &config, &sheets);
    let config = config.unwrap_or_default();
    let (others, other_notes) = other_scorers(&mut sheets, config.scorer.as_deref());
    notes.extend(other_notes);
    let mut builder = Builder::new(places, listing);
    notes.into_iter().for_each(|note| builder.note(note));
    builder.project(training);
    others.iter().for_each(|sheet| builder.leave_out(sheet));
    add(&mut builder, sheets, &config);
    let mut dataset = builder.finish();
    if whole {
        dlc_shuffles::read(&mut dataset, config.scorer.as_deref());
    }
    Ok(dataset)
}

/// Returns the absolute form of a path, whose folders above can then be looked at.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, FormatError> {
    std::path::absolute(path).map_err(|source| FormatError::Io { path: path.into(), source })
}

/// The files of a project, or of the part of it that the user named.
struct Project {
    /// Folder that paths are relative to.
    root: PathBuf,
    /// Configuration, where there is one.
    config: Option<PathBuf>,
    /// Label files.
    labels: Vec<PathBuf>,
    /// How much of it the user named.
    extent: Extent,
    /// Folders whose images belong to the project, labelled or not.
    folders: Vec<PathBuf>,
}

/// How much of a project the user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// One label file; it is an error if it cannot be read.
    File,
    /// The folder of a video.
    Folder,
    /// All.
    Whole,
}

impl Project {
    fn of(path: &Path) -> Result<Project, FormatError> {
        let beside = || path.parent().unwrap_or(path).to_path_buf();
        if files::has_suffix(path, "h5") {
            let message = "labels in HDF5 cannot be read yet; name the CSV beside it";
            let (path, message) = (path.into(), message.into());
            return Err(FormatError::Malformed { path, row: None, message });
        }
        if files::has_suffix(path, "csv") {
            let folder = beside();
            let root = root_of(&folder, peek(path));
            return Ok(Project {
                config: config_in(&root),
                root,
                labels: vec![path.into()],
                extent: Extent::File,
                folders: vec![folder],
            });
        }
        if path.is_file() {
            return Ok(Project { config: Some(path.into()), ..Project::whole(beside()) });
        }
        let config = config_in(path);
        if config.is_some() || path.join(LABELED_DATA).is_dir() {
            return Ok(Project { config, ..Project::whole(path.into()) });
        }
        let labels = label_files(path);
        let root = root_of(path, labels.first().map_or(Peek::Other, |file| peek(file)));
        Ok(Project {
            config: config_in(&root),
            root,
            labels,
            extent: Extent::Folder,
            folders: vec![path.into()],
        })
    }

    /// Returns all that lies in the folder of a project.
    fn whole(root: PathBuf) -> Project {
        let mut folders = files::entries(&root.join(LABELED_DATA));
        folders.retain(|folder| folder.is_dir());
        // DeepLabCut's `check_labels` draws the labels into pictures beside the originals.
        let drawn = |folder: &PathBuf| {
            let name = files::name(folder);
            let original = name.strip_suffix("_labeled").map(|name| folder.with_file_name(name));
            original.is_some_and(|original| original.is_dir())
        };
        folders.retain(|folder| !drawn(folder));
        let mut labels = Vec::new();
        for folder in &folders {
            let named = files::entries(folder).into_iter();
            labels.extend(named.filter(|f| is_collected_data(f) && files::has_suffix(f, "csv")));
        }
        Project { root, config: None, labels, extent: Extent::Whole, folders }
    }
}

fn config_in(root: &Path) -> Option<PathBuf> {
    Some(root.join(CONFIG)).filter(|config| dlc_config::is_config(config))
}

/// Returns the folder that the rows of a label file in `folder` are relative to: the
/// nearest above that holds the first image, else the folder itself.
fn root_of(folder: &Path, first: Peek) -> PathBuf {
    /// A label file lies two folders below its project, a merged one three.
    const LEVELS: usize = 4;
    let Peek::Labels(Some(image)) = first else { return folder.into() };
    let image = below_labeled_data(&image);
    let above = || folder.ancestors().take(LEVELS);
    let holds_image = |root: &&Path| root.join(image).is_file();
    let holds_folder =
        |root: &&Path| image.starts_with(LABELED_DATA) && root.join(LABELED_DATA).is_dir();
    let root = above().find(holds_image).or_else(|| above().find(holds_folder));
    root.unwrap_or(folder).into()
}

/// Reads the label files; notes those that cannot be read, and the HDF5 files beside.
fn sheets(project: &Project, notes: &mut Vec<Problem>) -> Result<Vec<Sheet>, FormatError> {
    let read: Vec<_> = (project.labels.par_iter())
        .map(|path| {
            let file = files::relative(&project.root, path);
            files::read(path).map(|bytes| dlc_csv::parse(&file, &bytes))
        })
        .collect();
    let mut sheets = Vec::new();
    for (path, read) in project.labels.iter().zip(read) {
        let (row, message) = match read {
            Ok(Ok(sheet)) => {
                sheets.push(sheet);
                continue;
            }
            Ok(Err(error)) if project.extent == Extent::File => {
                let (path, row) = (path.clone(), Some(error.row as usize));
                return Err(FormatError::Malformed { path, row, message: error.message });
            }
            Err(error) if project.extent == Extent::File => return Err(error),
            Ok(Err(error)) => (Some(error.row), error.message),
            Err(error) => (None, error.to_string()),
        };
        let file = files::relative(&project.root, path);
        notes.push(problem(ProblemKind::UnreadableLabel, file, row, message));
    }
    let inside = project.folders.iter().flat_map(|folder| files::entries(folder));
    for path in inside.filter(|file| files::has_suffix(file, "h5") && is_collected_data(file)) {
        let file = files::relative(&project.root, &path);
        notes.push(if path.with_extension("csv").is_file() {
            let message = "labels in HDF5 beside the CSV, not compared with it";
            problem(ProblemKind::NotCompared, file, None, message.into())
        } else {
            let message = "expected a CSV beside the labels in HDF5, which cannot be read yet";
            problem(ProblemKind::UnreadableLabel, file, None, message.into())
        });
    }
    Ok(sheets)
}

/// Returns the images of the folders of a project.
fn list(root: &Path, folders: &[PathBuf]) -> Listing {
    let mut all = Listing::default();
    for folder in folders {
        let listing = files::images_in(root, folder);
        all.images.extend(listing.images);
        all.problems.extend(listing.problems);
    }
    all
}

/// Returns the images of a folder that stands for the project's own, with the paths
/// that they would have there.
pub(super) fn listing_of(root: &Path, images: &Path) -> Listing {
    if images.starts_with(root) {
        return files::images_below(root, images);
    }
    let mut listing = files::images_below(images, images);
    if images.join(LABELED_DATA).is_dir() {
        return listing;
    }
    for image in &mut listing.images {
        if image.path.contains('/') {
            image.path.insert_str(0, &format!("{LABELED_DATA}/"));
        }
    }
    listing
}

/// Takes out the label files of scorers that the project does not name, as DeepLabCut
/// does, and notes them. Where none is left, the project's scorer is wrong: all stay.
fn other_scorers(sheets: &mut Vec<Sheet>, scorer: Option<&str>) -> (Vec<Sheet>, Vec<Problem>) {
    let Some(scorer) = scorer else { return (Vec::new(), Vec::new()) };
    let name = format!("CollectedData_{scorer}.csv");
    // DeepLabCut asks for the scorer in the name of the file and in its header.
    let named = |sheet: &Sheet| {
        let own = files::file_name(&sheet.file);
        !own.starts_with("CollectedData_") || own == name
    };
    let signed = |sheet: &Sheet| {
        let own = |part: &Part| part.scorer == scorer || part.scorer.is_empty();
        sheet.parts.is_empty() || sheet.parts.iter().any(own)
    };
    let some = sheets.iter().any(|sheet| named(sheet) && signed(sheet));
    let left_out = if some { "left out" } else { "read, since there are no others" };
    let mut notes = Vec::new();
    for sheet in sheets.iter() {
        let message = if !signed(sheet) {
            let found = sheet.parts.first().map(|part| part.scorer.as_str()).unwrap_or_default();
            let (expected, found) = (show(scorer), show(found));
            format!(
                "expected labels of the project's scorer {expected}, found those of {found}; {left_out}"
            )
        } else if !named(sheet) {
            format!("expected labels in {}, as DeepLabCut does; {left_out}", show(&name))
        } else {
            continue;
        };
        notes.push(problem(ProblemKind::OtherScorer, sheet.file.clone(), Some(1), message));
    }
    if !some {
        return (Vec::new(), notes);
    }
    let (own, others) =
        std::mem::take(sheets).into_iter().partition(|sheet| named(sheet) && signed(sheet));
    *sheets = own;
    (others, notes)
}

/// Adds the labels, with the skeletons of the configuration.
fn add(builder: &mut Builder, sheets: Vec<Sheet>, config: &Config) {
    let is_unique = |part: &Part| part.individual.as_deref() == Some(UNIQUE);
    let mut parts = sheets.iter().flat_map(|sheet| &sheet.parts);
    let unique = !config.unique.is_empty() || parts.any(is_unique);
    let main = builder.skeleton(if unique { "individuals" } else { "" }, &config.bodyparts);
    let single = unique.then(|| builder.skeleton(UNIQUE, &config.unique));
    for sheet in sheets {
        if !config.bodyparts.is_empty() {
            let notes = mismatches(&sheet, config, &is_unique);
            notes.into_iter().for_each(|note| builder.note(note));
        }
        builder.add(sheet, config.scorer.as_deref(), None, &|part| match single {
            Some(single) if is_unique(part) => single,
            _ => main,
        });
    }
    builder.edges(&config.edges);
}

/// Notes body parts that only one of label file and configuration names.
fn mismatches(sheet: &Sheet, config: &Config, is_unique: &dyn Fn(&Part) -> bool) -> Vec<Problem> {
    let mut notes = Vec::new();
    let mut note = |column, message| {
        notes.push(Problem {
            column,
            ..problem(
                ProblemKind::KeypointMismatch,
                sheet.file.clone(),
                Some(sheet.bodyparts_row),
                message,
            )
        });
    };
    let mut seen = FxHashSet::default();
    for part in &sheet.parts {
        let known = if is_unique(part) { &config.unique } else { &config.bodyparts };
        if seen.insert((is_unique(part), &part.bodypart)) && !known.contains(&part.bodypart) {
            let message = format!(
                "{} is no body part in {CONFIG}; DeepLabCut does not train on it",
                show(&part.bodypart)
            );
            note(Some(part.column()), message);
        }
    }
    for (unique, names) in [(false, &config.bodyparts), (true, &config.unique)] {
        for name in names.iter().filter(|name| !seen.contains(&(unique, *name))) {
            note(None, format!("body part {} of {CONFIG} has no columns", show(name)));
        }
    }
    notes
}

fn problem(kind: ProblemKind, file: String, row: Option<u32>, message: String) -> Problem {
    Problem { file, row, column: None, kind, image: None, message }
}
