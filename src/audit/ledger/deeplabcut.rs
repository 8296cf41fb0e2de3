//! What DeepLabCut trains on: `create_training_dataset` merges the HDF5 files of the videos that
//! `config.yaml` lists, keeps its body parts, cuts coordinates to integers and drops what is not
//! within the image; the loader of images then asks for their sizes.
//!
//! # Source
//! DeepLabCut 3.0.1: `trainingsetmanipulation.py` (`merge_annotateddatasets`,
//! `format_training_data`), `multiple_individuals_trainingsetmanipulation.py`
//! (`format_multianimal_training_data`), `conversioncode.py`, `pose_imgaug.py`. The order of
//! the reasons is that of this code.

mod notes;
mod sizes;

use rustc_hash::{FxHashMap, FxHashSet};

use super::book::{Book, Fate, Owner, place_of};
use super::{Effect, Ledger, Lost, Reason, Unopened, unopened};
use crate::dataset::{Dataset, DeepLabCut, Engine, LabelFile, LeftOut, Project, WhyLeftOut};
use crate::facts::Facts;

use notes::Cut;
use sizes::Sizes;

const UNLISTED_VIDEO: usize = 0;
const OTHER_SCORER: usize = 1;
const NO_HDF5: usize = 2;
const MIXED_PATH: usize = 3;
const UNKNOWN_BODYPART: usize = 4;
const MISSING_IMAGE: usize = 5;
const UNREADABLE_IMAGE: usize = 6;
const UNREADABLE_LABEL: usize = 7;
const ZERO_COORDINATES: usize = 8;
const OUTSIDE_IMAGE: usize = 9;
const IMAGE_SIZE: usize = 10;
const NO_POINTS: usize = 11;
const NOT_LABELLED: usize = 12;

#[rustfmt::skip]
const REASONS: &[Reason] = &[
    Reason { slug: "unlisted_video", title: "of videos that config.yaml does not list", effect: Effect::Dropped,
        fix: "add the video to `video_sets` (deeplabcut.add_new_videos)" },
    Reason { slug: "other_scorer", title: "of another scorer", effect: Effect::Dropped,
        fix: "rename the scorer in file name and header, or set `scorer` in config.yaml" },
    Reason { slug: "no_hdf5", title: "in a CSV without the HDF5 that is read in its place", effect: Effect::Dropped,
        fix: "make it with deeplabcut.convertcsv2h5" },
    Reason { slug: "mixed_path", title: "in rows whose path has other separators than the first", effect: Effect::Stops,
        fix: "write all paths of the file with `/`" },
    Reason { slug: "unknown_bodypart", title: "of body parts that config.yaml does not name", effect: Effect::Dropped,
        fix: "add the body part to config.yaml, or correct its spelling" },
    Reason { slug: "missing_image", title: "of images that are not there", effect: Effect::Stops,
        fix: "put the image back, or remove its row (deeplabcut.dropannotationfileentriesduetodeletedimages)" },
    Reason { slug: "unreadable_image", title: "of images that cannot be opened", effect: Effect::Stops,
        fix: "extract the frame again" },
    Reason { slug: "unreadable_label", title: "without two readable coordinates", effect: Effect::Dropped,
        fix: "correct the cells" },
    Reason { slug: "zero_coordinates", title: "at 0, 0, which is taken for not visible", effect: Effect::Dropped,
        fix: "empty the cells where the part is not visible" },
    Reason { slug: "outside_image", title: "outside the image", effect: Effect::Dropped,
        fix: "move or remove the point" },
    Reason { slug: "image_size", title: "of images of which none has a size that the loader takes", effect: Effect::Stops,
        fix: "change `global_scale`, `min_input_size` or `max_input_size` in pose_cfg.yaml" },
    Reason { slug: "no_points", title: "of frames without points", effect: Effect::Dropped,
        fix: "nothing, if the animal is not in the picture" },
    Reason { slug: "not_labelled", title: "of frames that no label file names", effect: Effect::Dropped,
        fix: "label the frame, or remove it" },
];

pub(super) fn ledger(facts: &Facts) -> Ledger {
    let dataset = &facts.dataset;
    let plain = DeepLabCut::default();
    let project = match &dataset.training.project {
        Project::DeepLabCut(project) => project,
        _ => &plain,
    };
    let mut book = Book::new(dataset, REASONS);
    let trainer = Trainer::new(facts, project);
    let mut entries = Vec::new();
    let mut cut = Cut::default();
    for (at, instance) in dataset.instances.iter().enumerate() {
        let owner = Owner { image: Some(instance.image), instance: at as u32 };
        let place = place_of(dataset, instance, String::new());
        let skeleton = dataset.skeleton_of(instance);
        for point in dataset.keypoints_of(instance) {
            let name = skeleton.and_then(|s| s.keypoints.get(usize::from(point.kind)));
            let seen = Seen {
                image: Some(instance.image),
                file: place.file.as_deref().unwrap_or_default(),
                row: place.row.unwrap_or(0),
                keypoint: name.map(String::as_str),
                at: Some([dataset.to_label(point.x), dataset.to_label(point.y)]),
                why: None,
            };
            let column = (point.column > 0).then_some(u32::from(point.column));
            let judged = trainer.judge(&seen);
            if judged.is_none() {
                cut.add(project, seen.at);
            }
            let lost = judged.map(|(reason, message)| {
                let [x, y] = seen.at.unwrap_or_default();
                let keypoint = name.cloned();
                let (x, y) = (Some(x), Some(y));
                (reason, Lost { keypoint, column, x, y, points: 1, message, ..place.clone() })
            });
            entries.push(Entry { owner, points: 1, lost });
        }
    }
    let mut repeated = 0;
    for left_out in &dataset.training.left_out {
        repeated += usize::from(left_out.why == WhyLeftOut::Repeated);
        let owner = book.owner(left_out.image.as_deref(), &left_out.instance);
        let lost = trainer
            .judge(&Seen::of(left_out, owner))
            .map(|(reason, message)| (reason, Lost { message, ..Lost::of(left_out) }));
        entries.push(Entry { owner, points: left_out.points, lost });
    }
    let mut notes = notes::notes(facts, project, &cut, repeated);
    let sizes = Sizes::of(facts, project, &entries);
    notes.extend(sizes.note.clone());
    for mut entry in entries {
        if entry.lost.is_none() && sizes.none_fits {
            let image = entry.owner.image.and_then(|at| dataset.images.get(at as usize));
            let place = Lost {
                image: image.map(|image| image.path.clone()),
                points: entry.points,
                message: "no image has a size that the loader takes".into(),
                ..Lost::default()
            };
            entry.lost = Some((IMAGE_SIZE, place));
        }
        let fate = entry.lost.as_ref().map_or(Fate::Used, |(reason, _)| Fate::Lost(*reason));
        book.points(entry.owner, entry.points, fate);
        if let Some((reason, place)) = entry.lost {
            book.place(reason, place);
        }
    }
    without_points(dataset, &mut book);
    let name = match engine(project) {
        Engine::TensorFlow => "DeepLabCut with TensorFlow",
        Engine::PyTorch => "DeepLabCut with PyTorch",
    };
    let mut ledger = book.close(["deeplabcut", name], notes);
    ledger.visits = notes::visits(project, ledger.used.images);
    ledger
}

/// Enters the images none of whose points was ever labelled.
fn without_points(dataset: &Dataset, book: &mut Book<'_>) {
    for (at, image) in (0..).zip(&dataset.images) {
        if book.fate(at).is_some() {
            continue;
        }
        let (reason, message) = match image.location {
            Some(_) => (NO_POINTS, "its row holds no point"),
            None => (NOT_LABELLED, "no label file names it"),
        };
        book.image(at, Fate::Lost(reason));
        book.place(reason, Lost::of_image(dataset, image, message));
    }
}

/// Points of one owner and fate.
struct Entry {
    owner: Owner,
    points: u32,
    lost: Option<(usize, Lost)>,
}

/// A labelled point as the trainer meets it.
struct Seen<'a> {
    image: Option<u32>,
    file: &'a str,
    row: u32,
    keypoint: Option<&'a str>,
    at: Option<[f64; 2]>,
    why: Option<WhyLeftOut>,
}

impl<'a> Seen<'a> {
    fn of(left_out: &'a LeftOut, owner: Owner) -> Seen<'a> {
        Seen {
            image: owner.image,
            file: &left_out.file,
            row: left_out.row.unwrap_or(0),
            keypoint: left_out.keypoint.as_deref(),
            at: left_out.at,
            why: Some(left_out.why),
        }
    }
}

/// What decides about points, looked up once.
struct Trainer<'a> {
    facts: &'a Facts,
    project: &'a DeepLabCut,
    /// Why no row of a label file is read, by file.
    files: FxHashMap<&'a str, (usize, String)>,
    broken: FxHashSet<(&'a str, u32)>,
    bodyparts: FxHashSet<&'a str>,
}

impl<'a> Trainer<'a> {
    fn new(facts: &'a Facts, project: &'a DeepLabCut) -> Trainer<'a> {
        // Where no listed video has labels, all folders are taken.
        let listed = |file: &LabelFile| project.videos.iter().any(|v| v == folder(&file.file));
        let some =
            project.files.iter().any(|file| listed(file) && refused(project, file).is_none());
        let mut files = FxHashMap::default();
        let mut broken = FxHashSet::default();
        for file in &project.files {
            let unlisted = || {
                let message = format!("`video_sets` has no video `{}`", folder(&file.file));
                (some && !listed(file)).then_some((UNLISTED_VIDEO, message))
            };
            if let Some(why) = unlisted().or_else(|| refused(project, file)) {
                files.insert(file.file.as_str(), why);
            }
            broken.extend(file.broken.iter().map(|&row| (file.file.as_str(), row)));
        }
        let mut bodyparts: FxHashSet<&str> = project.bodyparts.iter().map(String::as_str).collect();
        if !bodyparts.is_empty() {
            bodyparts.extend(project.unique.iter().map(String::as_str));
        }
        Trainer { facts, project, files, broken, bodyparts }
    }

    /// Returns the first reason for which a point is lost, and what was found.
    fn judge(&self, seen: &Seen<'_>) -> Option<(usize, String)> {
        if let Some((reason, message)) = self.files.get(seen.file) {
            return Some((*reason, message.clone()));
        }
        if seen.why == Some(WhyLeftOut::OtherScorer) {
            return Some((OTHER_SCORER, "columns of another scorer".into()));
        }
        if self.broken.contains(&(seen.file, seen.row)) {
            return Some((MIXED_PATH, "the first row separates its path otherwise".into()));
        }
        if let Some(name) = seen.keypoint
            && !self.bodyparts.is_empty()
            && !self.bodyparts.contains(name)
        {
            return Some((UNKNOWN_BODYPART, format!("config.yaml names no body part `{name}`")));
        }
        let images = self.facts.dataset.images.len();
        let image = seen.image.map(|image| image as usize);
        // What no table holds is no file of the dataset either.
        let known = image.filter(|image| *image < images);
        match known.map(|image| unopened(self.facts, image)) {
            Some(Some((Unopened::Missing, why))) => return Some((MISSING_IMAGE, why.into())),
            Some(Some((Unopened::Unreadable, why))) => return Some((UNREADABLE_IMAGE, why.into())),
            None if image.is_some() => {
                return Some((MISSING_IMAGE, "there is no such file".into()));
            }
            Some(None) | None => {}
        }
        let Some(at) = seen.at else {
            return Some((UNREADABLE_LABEL, "x or y is missing or no number".into()));
        };
        let size_px = known.and_then(|image| self.facts.size_px(image));
        outside(at, size_px, Precision::of(self.project))
    }
}

/// Returns who trains: as `config.yaml` says, as the first plan does, else TensorFlow, which was
/// the only one before DeepLabCut 3.
fn engine(project: &DeepLabCut) -> Engine {
    let planned = || project.plans.first().map(|plan| plan.engine);
    project.engine.or_else(planned).unwrap_or(Engine::TensorFlow)
}

/// How much of a coordinate is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    /// Cut to integers: TensorFlow, one animal.
    Integers,
    /// Rounded to two decimals: TensorFlow, several animals.
    TwoDecimals,
    /// As it stands: PyTorch (`dlcloader.py`, `to_coco`).
    Full,
}

impl Precision {
    fn of(project: &DeepLabCut) -> Precision {
        match (engine(project), project.multi_animal) {
            (Engine::PyTorch, _) => Precision::Full,
            (Engine::TensorFlow, false) => Precision::Integers,
            (Engine::TensorFlow, true) => Precision::TwoDecimals,
        }
    }

    fn keep(self, value: f64) -> f64 {
        match self {
            Precision::Integers => value.trunc(),
            Precision::TwoDecimals => (value * 100.0).round() / 100.0,
            Precision::Full => value,
        }
    }
}

/// Returns why a point is taken for none, and what was found.
fn outside(
    at: [f64; 2],
    size_px: Option<[u32; 2]>,
    precision: Precision,
) -> Option<(usize, String)> {
    if at == [0.0, 0.0] {
        return Some((ZERO_COORDINATES, "x and y are 0".into()));
    }
    for (axis, name, side) in [(0, "x", "width"), (1, "y", "height")] {
        let value = precision.keep(at[axis]);
        if value.is_nan() || value <= 0.0 {
            return Some((
                OUTSIDE_IMAGE,
                format!("{name} {} counts as {value}, not above 0", at[axis]),
            ));
        }
        if let Some(size_px) = size_px
            && value >= f64::from(size_px[axis])
        {
            let limit = size_px[axis];
            return Some((
                OUTSIDE_IMAGE,
                format!("{name} {} is not below the {side} {limit}", at[axis]),
            ));
        }
    }
    None
}

/// Returns why no row of a label file is read, beyond its video.
fn refused(project: &DeepLabCut, file: &LabelFile) -> Option<(usize, String)> {
    let name = file.file.rsplit('/').next().unwrap_or_default();
    let named = name.strip_prefix("CollectedData_").and_then(|rest| rest.rsplit_once('.'));
    if let (Some(scorer), Some((own, _))) = (&project.scorer, named)
        && own != scorer
    {
        return Some((OTHER_SCORER, format!("the file is named after `{own}`, not `{scorer}`")));
    }
    if !file.hdf5 {
        let scorer = project.scorer.as_ref().or(file.scorers.first());
        let expected =
            scorer.map_or("CollectedData.h5".into(), |s| format!("CollectedData_{s}.h5"));
        return Some((NO_HDF5, format!("there is no {expected} beside it")));
    }
    // The first scorer of the sorted header has to be the project's.
    match (&project.scorer, file.scorers.first()) {
        (Some(scorer), Some(first)) if first != scorer && !first.is_empty() => {
            Some((OTHER_SCORER, format!("its first scorer is `{first}`, not `{scorer}`")))
        }
        _ => None,
    }
}

/// Returns the folder of a label file, which is its video.
fn folder(file: &str) -> &str {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the slug of the reason for which a point is lost.
    fn why(x: f64, y: f64, precision: Precision) -> Option<&'static str> {
        let judged = outside([x, y], Some([640, 480]), precision);
        judged.map(|(reason, _)| REASONS[reason].slug)
    }

    #[test]
    fn tensorflow_cuts_before_it_compares() {
        let outside = Some("outside_image");
        assert_eq!(why(0.0, 0.0, Precision::Integers), Some("zero_coordinates"));
        assert_eq!(why(0.9, 100.0, Precision::Integers), outside, "it counts as 0");
        assert_eq!(why(-0.5, 100.0, Precision::Integers), outside);
        assert_eq!(why(1.0, 1.0, Precision::Integers), None);
        assert_eq!(why(639.9, 479.9, Precision::Integers), None);
        assert_eq!(why(640.0, 100.0, Precision::Integers), outside);
        assert_eq!(why(100.0, 480.0, Precision::Integers), outside);
        assert_eq!(why(f64::NAN, 1.0, Precision::Integers), outside);
    }

    #[test]
    fn several_animals_keep_two_decimals() {
        assert_eq!(why(0.9, 100.0, Precision::TwoDecimals), None);
        assert_eq!(why(0.004, 100.0, Precision::TwoDecimals), Some("outside_image"));
        assert_eq!(why(639.994, 479.0, Precision::TwoDecimals), None);
        assert_eq!(why(639.996, 479.0, Precision::TwoDecimals), Some("outside_image"));
    }

    #[test]
    fn pytorch_takes_what_stands_there() {
        assert_eq!(why(0.004, 100.0, Precision::Full), None);
        assert_eq!(why(639.999, 479.999, Precision::Full), None);
        assert_eq!(why(640.0, 100.0, Precision::Full), Some("outside_image"));
        assert_eq!(why(0.0, 100.0, Precision::Full), Some("outside_image"));
    }
}
