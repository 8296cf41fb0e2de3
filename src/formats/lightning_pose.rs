//! Lightning Pose: a folder with `CollectedData.csv`, or one CSV per view, and the
//! images below `labeled-data`; or one of these CSV files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

use super::deeplabcut::absolute;
use super::dlc_csv::{self, Peek};
use super::dlc_dataset::{Beside, Builder, LABELED_DATA, Places};
use super::files::ImageFile;
use super::rewrite::{below, finish};
use super::{Evidence, Format, FormatError, ReadOptions, Rewrite};
use super::{deeplabcut, dlc_config, dlc_rewrite, files, lightning_pose_split};
use crate::dataset::{Dataset, Edit, Image, Problem, ProblemKind};

/// Lightning Pose.
pub(super) const FORMAT: Format = Format {
    slug: "lightning_pose",
    looks_for: "a Lightning Pose CollectedData*.csv (or one CSV per view) beside labeled-data",
    evidence: Evidence::Labels,
    detect,
    read,
    rewrite: Some(rewrite),
    write_splits: Some(lightning_pose_split::write),
};

fn detect(path: &Path) -> Option<PathBuf> {
    let fits = if path.is_file() {
        files::has_suffix(path, "csv") && is_label_file(path)
    } else {
        !label_files(path).is_empty()
    };
    fits.then(|| path.into())
}

/// Returns the label files in a folder, `CollectedData.csv` first.
fn label_files(folder: &Path) -> Vec<PathBuf> {
    let mut tables = files::entries(folder);
    tables.retain(|path| files::has_suffix(path, "csv") && path.is_file() && is_label_file(path));
    tables.sort_by_key(|path| files::name(path) != "CollectedData.csv");
    tables
}

/// Returns whether a CSV has the header of labels and lies at the top of its project,
/// which is no DeepLabCut project.
fn is_label_file(path: &Path) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let Some(folder) = path.parent() else { return false };
    let top = |image: &str| {
        folder.join(LABELED_DATA).is_dir() || (image.contains('/') && folder.join(image).is_file())
    };
    match deeplabcut::peek(&path) {
        Peek::Labels(image) => {
            top(&image.unwrap_or_default()) && !dlc_config::is_config(&folder.join("config.yaml"))
        }
        Peek::Predictions | Peek::Other => false,
    }
}

fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, FormatError> {
    let path = absolute(path)?;
    let one = path.is_file();
    let (root, tables) = if one {
        (path.parent().unwrap_or(&path).to_path_buf(), vec![path.clone()])
    } else {
        (path.clone(), label_files(&path))
    };
    let images = options.images.as_deref().map(absolute).transpose()?;
    let listing = match &images {
        Some(images) => deeplabcut::listing_of(&root, images),
        None => files::images_below(&root, &root.join(LABELED_DATA)),
    };
    let places = Places { root: root.clone(), images, beside: Beside::No, video: None };
    let mut builder = Builder::new(places, listing);
    let names: Vec<Name> = tables.iter().map(|table| Name::of(table)).collect();
    let splits = names.iter().any(|name| name.test);
    let mut skeletons: FxHashMap<&str, u16> = FxHashMap::default();
    let single = names.iter().all(|name| name.view == names[0].view);
    for (table, name) in tables.iter().zip(&names) {
        let file = files::relative(&root, table);
        match dlc_csv::parse(&file, &files::read(table)?) {
            Ok(sheet) => {
                // Each view has a geometry of its own, so it has a skeleton of its own.
                let label = if single { "" } else { &name.view };
                let skeleton =
                    *(skeletons.entry(&name.view)).or_insert_with(|| builder.skeleton(label, &[]));
                let split = splits.then_some(u16::from(name.test));
                builder.add(sheet, None, split, &|_| skeleton);
            }
            Err(error) if one => {
                let (path, row) = (table.clone(), Some(error.row as usize));
                return Err(FormatError::Malformed { path, row, message: error.message });
            }
            Err(error) => builder.note(Problem {
                file,
                row: Some(error.row),
                column: None,
                kind: ProblemKind::UnreadableLabel,
                image: None,
                message: error.message,
            }),
        }
    }
    let mut dataset = builder.finish();
    leave_out_context(&mut dataset);
    if splits {
        dataset.splits = vec!["train".into(), "test".into()];
    }
    Ok(dataset)
}

/// Number of frames before and after a labelled one that Lightning Pose's context
/// models look at, and that its app saves beside it.
const CONTEXT: u64 = 2;

/// Takes out the unlabelled neighbours of labelled frames, where a video has them as
/// context: they are not meant to be labelled.
///
/// A video has context when nearly all labelled frames have all their neighbours, and
/// most of these are unlabelled; a gap among labelled frames is none.
fn leave_out_context(dataset: &mut Dataset) {
    let mut videos: FxHashMap<u32, FxHashMap<u64, bool>> = FxHashMap::default();
    for image in &dataset.images {
        if let (Some(video), Some(frame)) = (image.video, image.frame) {
            *videos.entry(video).or_default().entry(frame).or_default() |= image.location.is_some();
        }
    }
    let around = |frame: u64| frame.saturating_sub(CONTEXT)..=frame.saturating_add(CONTEXT);
    videos.retain(|_, frames| {
        let labelled: Vec<u64> = frames.iter().filter(|(_, is)| **is).map(|(at, _)| *at).collect();
        let complete = labelled.iter().filter(|at| around(**at).all(|f| frames.contains_key(&f)));
        let is_near = |at: &u64| around(*at).any(|f| frames.get(&f) == Some(&true));
        let near = frames.iter().filter(|(at, is)| !**is && is_near(at)).count();
        10 * complete.count() >= 9 * labelled.len() && near > labelled.len()
    });
    // Instances point at labelled images, and the builder puts these first.
    dataset.images.retain(|image| {
        let (Some(video), Some(frame), None) = (image.video, image.frame, image.location) else {
            return true;
        };
        let frames = videos.get(&video);
        !frames.is_some_and(|frames| around(frame).any(|f| frames.get(&f) == Some(&true)))
    });
}

/// Writes like DeepLabCut's, and keeps the context of frames whole: a frame that is left out
/// takes its context with it, and stays, without its row, where it is context of another.
fn rewrite(dataset: &Dataset, edits: &[Edit]) -> Result<Rewrite, FormatError> {
    let mut rewrite = dlc_rewrite::rewrite(dataset, edits)?;
    let gone: FxHashSet<String> = rewrite.left_out.drain(..).collect();
    let known: FxHashSet<&Path> =
        dataset.images.iter().filter_map(|image| image.file.as_deref()).collect();
    let is_gone = |image: &Image| {
        let file = image.file.as_deref().and_then(|file| below(&dataset.root, file));
        file.is_some_and(|file| gone.contains(&file))
    };
    // Labelled frames by folder: those that go and those that stay.
    let mut folders: BTreeMap<&Path, [Vec<u64>; 2]> = BTreeMap::new();
    for image in dataset.images.iter().filter(|image| image.location.is_some()) {
        let folder = image.file.as_deref().and_then(Path::parent);
        if let (Some(folder), Some(frame), Some(_)) = (folder, image.frame, image.video) {
            folders.entry(folder).or_default()[usize::from(!is_gone(image))].push(frame);
        }
    }
    let mut kept: FxHashSet<String> = FxHashSet::default();
    for (folder, [gone, stay]) in folders.iter().filter(|(_, [gone, _])| !gone.is_empty()) {
        let near = |frames: &[u64], at: u64| frames.iter().any(|f| f.abs_diff(at) <= CONTEXT);
        let images = files::images_in(&dataset.root, folder).images;
        // What the reader left out of a folder is context.
        let (context, own): (Vec<_>, Vec<_>) =
            images.iter().partition(|image| !known.contains(image.file.as_path()));
        if context.is_empty() {
            continue;
        }
        let frame = |image: &ImageFile| files::frame_number(&image.path);
        let lone = context
            .into_iter()
            .filter(|image| frame(image).is_some_and(|at| near(gone, at) && !near(stay, at)));
        rewrite.left_out.extend(lone.filter_map(|image| below(&dataset.root, &image.file)));
        let shared = own.into_iter().filter(|image| frame(image).is_some_and(|at| near(stay, at)));
        kept.extend(shared.filter_map(|image| below(&dataset.root, &image.file)));
    }
    rewrite.left_out.extend(gone.into_iter().filter(|file| !kept.contains(file)));
    Ok(finish(rewrite))
}

/// What the name of a label file tells.
struct Name {
    /// View, empty where the name tells none.
    view: String,
    /// Whether it holds labels for a test on other sessions: `CollectedData_new.csv`
    /// beside `CollectedData.csv`, or `CollectedData_<view>_test.csv`.
    test: bool,
}

impl Name {
    fn of(path: &Path) -> Name {
        let name = files::name(path);
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let stem = stem.strip_prefix("CollectedData").unwrap_or(stem);
        let (view, test) = match stem.strip_suffix("_new").or(stem.strip_suffix("_test")) {
            Some(view) => (view, true),
            None => (stem, false),
        };
        Name { view: view.trim_matches(['_', ' ', '-']).into(), test }
    }
}
