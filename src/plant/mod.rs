//! Known errors put into a dataset, for positive controls: what is found of errors whose
//! places are known. No I/O.
//!
//! Takes a [`Dataset`], a [`Recipe`] and a seed; gives [`Edit`]s and the list of the errors.
//! Nothing is changed here: [`Dataset::edited`] makes the edits in memory,
//! [`crate::formats::rewrite`](../formats/fn.rewrite.html) on disk. A frame has one planted
//! error at most. What each kind is, with formulas and sources: `docs/planting.md`.

mod boxes;
mod ground;
mod hit;
mod list;
mod recipe;

use std::collections::BTreeSet;

pub use boxes::{BoxError, PlantedBoxes, boxes, plant_boxes};
pub use list::list;
pub use recipe::{Between, ErrorKind, ErrorPlan, Points, Recipe, RecipeError};

use crate::dataset::{Dataset, Edit};
use crate::stats::random::SplitMix64;
use ground::Ground;
use hit::Move;

/// Errors that were planted, and the changes that plant them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Planted {
    /// The changes, in the order of the errors.
    pub edits: Vec<Edit>,
    /// The errors, by image and instance.
    pub errors: Vec<PlantedError>,
    /// Entries of the recipe for which too few frames were found.
    pub short: Vec<Short>,
}

/// An error planted into one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedError {
    /// Its kind.
    pub kind: ErrorKind,
    /// Which `[[error]]` of the recipe it is of, counted from 1.
    pub row: usize,
    /// Number of the run of frames among those of its row, counted from 1. Errors of several
    /// frames or instances that belong together share it.
    pub run: usize,
    /// Index into [`Dataset::images`].
    pub image: u32,
    /// Path of the image.
    pub path: String,
    /// Index into [`Dataset::instances`].
    pub instance: u32,
    /// Name of the instance.
    pub name: String,
    /// The keypoints that it changes, in ascending kind.
    pub points: Vec<PlantedPoint>,
}

/// A keypoint that a planted error changes. Places are in pixels, by the pixel convention of
/// [`crate::dataset`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedPoint {
    /// Index into the keypoints of the skeleton.
    pub kind: u16,
    /// Its name.
    pub keypoint: String,
    /// What it was exchanged with or put on: the other keypoint, or the other instance of a
    /// swap between individuals; the frame that labels were carried over from.
    pub with: Option<String>,
    /// Where it was labelled; `None` where it was not.
    pub before: Option<[f64; 2]>,
    /// Where the error puts it; `None` where it takes the label away.
    pub after: Option<[f64; 2]>,
    /// How far it was moved, pixels; `None` where one of the places is.
    pub distance_px: Option<f64>,
    /// The same in body lengths of the dataset before planting.
    pub distance_bl: Option<f64>,
}

/// An entry of a recipe that hit fewer frames than it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// Which `[[error]]`, counted from 1.
    pub row: usize,
    /// Its kind.
    pub kind: ErrorKind,
    /// Frames that it asked for.
    pub wanted: usize,
    /// Frames that it hit.
    pub planted: usize,
}

/// Where errors may be planted, and what is known of the images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// The images, by index; `None` for all. Rates are shares of the labelled ones of these.
    pub images: Option<&'a BTreeSet<u32>>,
    /// Width and height of each image in pixels, or nothing. Where a size is neither here nor
    /// declared, the labels of the same video tell how far the image reaches at least.
    pub sizes_px: &'a [Option<[u32; 2]>],
    /// Places on strong edges of each image, pixels, which [`ErrorKind::EdgeMiss`] needs: this
    /// module opens no image. Empty where they are not known.
    pub edges: &'a [Vec<[f32; 2]>],
}

/// Says why errors cannot be planted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlantError {
    /// No image has labelled keypoints.
    #[error("there is no labelled keypoint to plant errors at")]
    NoFrames,
    /// The dataset has no body length, in which strengths are.
    #[error("strengths are in body lengths, and no instance has two keypoints at different places")]
    NoBodyLength,
    /// The recipe names a keypoint that no skeleton has.
    #[error("error {row}: there is no keypoint `{name}`; known are {}", .known.join(", "))]
    NoSuchKeypoint {
        /// Which `[[error]]`, counted from 1.
        row: usize,
        /// The name as it was given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// Sides are to be swapped, and no skeleton has left-right pairs.
    #[error(
        "error {row}: the skeleton has no left-right pairs to swap, neither declared nor by its names ({}); give some as `pairs` under [skeleton] in labelvet.toml",
        .known.join(", ")
    )]
    NoPairs {
        /// Which `[[error]]`, counted from 1.
        row: usize,
        /// The keypoints that exist.
        known: Vec<String>,
    },
    /// Points are to be put on edges of images, and none are known.
    #[error(
        "error {row}: an edge_miss needs the edges of the images, and no image was opened here"
    )]
    NoEdges {
        /// Which `[[error]]`, counted from 1.
        row: usize,
    },
    /// No frame can have an error as it was asked for.
    #[error("error {row} ({kind}): no free labelled frame fits; needed is {needs}")]
    Nothing {
        /// Which `[[error]]`, counted from 1.
        row: usize,
        /// Its kind.
        kind: ErrorKind,
        /// What an instance needs, in words.
        needs: String,
    },
}

/// Plants errors into a whole dataset. Needs [`Dataset::sort`]. The same dataset, recipe and
/// seed give the same errors.
///
/// # Errors
/// [`PlantError`] where an entry of the recipe cannot be planted at all; [`Planted::short`]
/// tells of those that could be in part.
pub fn plant(dataset: &Dataset, recipe: &Recipe, seed: u64) -> Result<Planted, PlantError> {
    plant_in(dataset, recipe, seed, &Scope::default())
}

/// Plants errors into some images of a dataset; otherwise like [`plant`].
///
/// # Errors
/// As [`plant`].
pub fn plant_in(
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    scope: &Scope<'_>,
) -> Result<Planted, PlantError> {
    let ground = Ground::new(dataset, scope)?;
    let mut planted = Planted::default();
    let mut taken = BTreeSet::new();
    for (at, plan) in recipe.errors.iter().enumerate() {
        let row = at + 1;
        check(dataset, row, plan, scope)?;
        let random = SplitMix64::keyed("plant", seed, &[row as u64]);
        let (wanted, found) = sow(&ground, plan, random, &mut taken);
        if found.is_empty() {
            let needs = hit::needs(plan);
            return Err(PlantError::Nothing { row, kind: plan.kind, needs });
        }
        let frames: usize = found.iter().map(|run| run.frames).sum();
        if frames < wanted {
            planted.short.push(Short { row, kind: plan.kind, wanted, planted: frames });
        }
        for (run, sown) in found.into_iter().enumerate() {
            let kind = plan.kind;
            planted.errors.extend(errors(&ground, sown.moves, |image, instance| PlantedError {
                kind,
                row,
                run: run + 1,
                image,
                path: dataset.images[image as usize].path.clone(),
                instance,
                name: dataset.instance_name(&dataset.instances[instance as usize]),
                points: Vec::new(),
            }));
        }
    }
    planted.errors.sort_by_key(|error| (error.image, error.instance));
    planted.edits = planted.errors.iter().flat_map(edits).collect();
    Ok(planted)
}

/// Checks what an entry names against the skeletons.
fn check(
    dataset: &Dataset,
    row: usize,
    plan: &ErrorPlan,
    scope: &Scope<'_>,
) -> Result<(), PlantError> {
    let known = || {
        let names = dataset.skeletons.iter().flat_map(|skeleton| skeleton.keypoints.clone());
        names.collect::<Vec<String>>()
    };
    for name in plan.keypoints.iter().flatten() {
        if !dataset.skeletons.iter().any(|skeleton| skeleton.index(name).is_some()) {
            return Err(PlantError::NoSuchKeypoint { row, name: name.clone(), known: known() });
        }
    }
    let sides = plan.kind.needs_pairs(plan.between);
    if sides && dataset.skeletons.iter().all(|skeleton| skeleton.pairs.is_empty()) {
        return Err(PlantError::NoPairs { row, known: known() });
    }
    if plan.kind == ErrorKind::EdgeMiss && scope.edges.iter().all(Vec::is_empty) {
        return Err(PlantError::NoEdges { row });
    }
    Ok(())
}

/// A run of frames with one error.
struct Sown {
    frames: usize,
    moves: Vec<Move>,
}

/// Draws frames for one entry of a recipe and plants in those that fit. Returns how many
/// frames were wanted, and the runs that were planted.
fn sow(
    ground: &Ground<'_>,
    plan: &ErrorPlan,
    mut random: SplitMix64,
    taken: &mut BTreeSet<u32>,
) -> (usize, Vec<Sown>) {
    // Who asks for errors gets one at least.
    let runs =
        (plan.rate * ground.frames.len() as f64 / plan.runs as f64).round().max(1.0) as usize;
    let wanted = runs * plan.runs;
    let mut windows = match plan.kind {
        ErrorKind::AnnotatorOffset => ground.whole_videos(),
        _ => ground.windows(plan.runs),
    };
    random.shuffle(&mut windows);
    let mut found: Vec<Sown> = Vec::new();
    let mut frames = 0;
    for window in windows {
        if frames >= wanted {
            break;
        }
        // The frame whose labels are copied keeps its own.
        let source = match plan.kind.copies_before() {
            true => ground.before(window[0]),
            false => None,
        };
        let mut stream = random.fork();
        if window.iter().chain(&source).any(|frame| taken.contains(frame)) {
            continue;
        }
        if let Some(moves) = hit::hit(ground, plan, &window, &mut stream) {
            taken.extend(window.iter().chain(&source));
            frames += window.len();
            found.push(Sown { frames: window.len(), moves });
        }
    }
    (wanted, found)
}

/// Gathers moves by instance.
fn errors(
    ground: &Ground<'_>,
    mut moves: Vec<Move>,
    new: impl Fn(u32, u32) -> PlantedError,
) -> Vec<PlantedError> {
    moves.sort_by_key(|to| (to.instance, to.kind));
    let mut errors: Vec<PlantedError> = Vec::new();
    for to in moves {
        let instance = &ground.dataset.instances[to.instance as usize];
        let before = ground.place(to.instance, to.kind);
        let distance = before.zip(to.after).map(|(a, b)| distance(a, b));
        let skeleton = ground.dataset.skeleton_of(instance);
        let name = skeleton.and_then(|skeleton| skeleton.keypoints.get(usize::from(to.kind)));
        let point = PlantedPoint {
            kind: to.kind,
            keypoint: name.cloned().unwrap_or_default(),
            with: to.with,
            before,
            after: to.after,
            distance_px: distance,
            distance_bl: distance.map(|distance| distance / ground.body_px),
        };
        match errors.last_mut().filter(|error| error.instance == to.instance) {
            Some(error) => error.points.push(point),
            None => {
                let mut error = new(instance.image, to.instance);
                error.points.push(point);
                errors.push(error);
            }
        }
    }
    errors
}

/// Returns the changes that plant an error.
fn edits(error: &PlantedError) -> impl Iterator<Item = Edit> {
    let instance = error.instance;
    error.points.iter().map(move |point| match point.after {
        Some([x, y]) => Edit::SetKeypoint { instance, kind: point.kind, x, y },
        None => Edit::DropKeypoint { instance, kind: point.kind },
    })
}

/// Returns the distance between two places.
fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod realistic_tests;
#[cfg(test)]
mod tests;
