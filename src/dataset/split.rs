//! Which images a model learns from, and which it is judged by.
//!
//! Takes a dataset and a way to divide it; gives the part of each labelled image. Frames that
//! are neighbours in time look alike, so that a random division would judge a model by what
//! it has nearly seen: whole videos are held out, or a block of time with a gap around it.

mod folds;
mod neighbours;
mod shuffles;
mod together;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

pub use folds::folds;
pub use neighbours::{CURVE_FRAMES, Nearest, nearest_training_frames, share_within};
pub use shuffles::shuffles;
pub use together::keep_together;

use super::Dataset;
use crate::stats::random::SplitMix64;

/// Videos from which on whole ones are held out.
const MIN_VIDEOS: usize = 3;

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A model learns from it.
    Train,
    /// A model is judged by it.
    Test,
    /// Neither: it lies too close in time to images of the other part.
    Gap,
}

impl Part {
    /// Every part.
    pub const ALL: [Part; 3] = [Part::Train, Part::Test, Part::Gap];

    /// Returns the word that files use.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Test => "test",
            Part::Gap => "gap",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(word: &str) -> Result<Part, String> {
        let found = Part::ALL.into_iter().find(|part| part.name() == word);
        found.ok_or_else(|| format!("expected train, test or gap, found `{word}`"))
    }
}

/// How images are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// As the dataset says itself.
    Dataset,
    /// Whole videos are held out.
    Video,
    /// A block of time of each video is held out.
    Block,
}

impl By {
    /// Returns the way that suits a dataset: its own division where it has one, whole videos
    /// where there are three or more, else a block of time.
    pub fn suitable(dataset: &Dataset) -> By {
        if own(dataset).is_some() { By::Dataset } else { By::suitable_of_time(dataset) }
    }

    /// Returns the way that suits a dataset, whatever division it has itself.
    pub fn suitable_of_time(dataset: &Dataset) -> By {
        if by_video(dataset).len() >= MIN_VIDEOS { By::Video } else { By::Block }
    }

    /// Returns the word that files and options use.
    pub fn name(self) -> &'static str {
        match self {
            By::Dataset => "dataset",
            By::Video => "video",
            By::Block => "block",
        }
    }
}

/// Settings of a division.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitSettings {
    /// The way.
    pub by: By,
    /// Share of the labelled images that is held out, above 0 and below 1.
    pub test_share: f64,
    /// Labelled images that are left out on each side of a block. They are counted in the
    /// order of time, however many frames of the video lie between two of them.
    pub gap: usize,
    /// Frames of the video, labelled or not: images that lie within so many of a block are left
    /// out, too. Images without a frame number are not.
    pub gap_frames: u64,
    /// Seed that chooses videos, or where a block begins.
    pub seed: u64,
}

impl SplitSettings {
    /// Share that is held out where nothing else is asked for.
    pub const TEST_SHARE: f64 = 0.2;
    /// Gap where nothing else is asked for.
    pub const GAP: usize = 2;

    /// Returns the settings that suit a dataset.
    pub fn suitable(dataset: &Dataset, seed: u64) -> SplitSettings {
        let by = By::suitable(dataset);
        SplitSettings { by, test_share: Self::TEST_SHARE, gap: Self::GAP, gap_frames: 0, seed }
    }
}

/// The parts of a dataset's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// One entry per [`Dataset::images`]; `None` for an image that is in no part, as one
    /// without labels.
    pub parts: Vec<Option<Part>>,
}

impl Split {
    /// Returns the images of a part, in the dataset's order.
    pub fn images(&self, part: Part) -> Vec<u32> {
        let of_part = |&(_, found): &(usize, &Option<Part>)| *found == Some(part);
        self.parts.iter().enumerate().filter(of_part).map(|(image, _)| image as u32).collect()
    }

    /// Returns the number of images of a part.
    pub fn count(&self, part: Part) -> usize {
        self.parts.iter().filter(|&&found| found == Some(part)).count()
    }
}

/// Why a dataset cannot be divided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Fewer labelled images than parts.
    #[error(
        "a dataset is divided into train and test where it has 2 labelled images or more; this one has {found}"
    )]
    TooFew {
        /// Labelled images that were found.
        found: usize,
    },
    /// It has no division of its own.
    #[error("the dataset names no split that is for training beside one that is not")]
    NoOwn,
    /// It has one video only.
    #[error("whole videos can be held out where there are 2 or more; this dataset has {found}")]
    TooFewVideos {
        /// Videos with labelled images.
        found: usize,
    },
    /// Every image of the training part looks like one of the test part.
    #[error(
        "nothing is left to train with: every training image looks like a test image; hold out whole videos, or do not look for near duplicates"
    )]
    AllAlike,
    /// Every image beside a block lies too near.
    #[error(
        "nothing is left to train with: all other images lie within {0} frames of a test image; take a smaller gap, or hold out whole videos"
    )]
    AllNear(u64),
    /// Fewer labelled images than parts, or too few to train with.
    #[error(
        "a dataset is divided into {asked} parts where that is 2 or more and each leaves images to train with; this one has {found} labelled images"
    )]
    Folds {
        /// Parts that were asked for.
        asked: usize,
        /// Labelled images that were found.
        found: usize,
    },
    /// The share is none.
    #[error("the share of test images is above 0 and below 1, not {0}")]
    Share(String),
}

/// Divides a dataset. Needs [`Dataset::sort`].
///
/// # Errors
/// [`SplitError`] where a part would stay empty.
pub fn split(dataset: &Dataset, settings: &SplitSettings) -> Result<Split, SplitError> {
    let divided = Divided::new(dataset, settings)?;
    let mut parts = vec![None; dataset.images.len()];
    match settings.by {
        By::Dataset => {
            let of_split = own(dataset).ok_or(SplitError::NoOwn)?;
            for &image in divided.videos.values().flatten() {
                let split = dataset.images[image as usize].split;
                parts[image as usize] = split.and_then(|split| of_split[usize::from(split)]);
            }
        }
        By::Video => {
            let mut order: Vec<&Vec<u32>> = divided.videos.values().collect();
            SplitMix64::named("split", settings.seed).shuffle(&mut order);
            hold_out_videos(&order, settings.test_share * divided.labelled as f64, &mut parts);
        }
        By::Block => hold_out_blocks(&divided, settings, &mut parts),
    }
    checked(Split { parts }, settings)
}

/// Returns a division, unless a gap in frames took all that could be trained on.
fn checked(split: Split, settings: &SplitSettings) -> Result<Split, SplitError> {
    match settings.gap_frames {
        frames if frames > 0 && split.count(Part::Train) == 0 => Err(SplitError::AllNear(frames)),
        _ => Ok(split),
    }
}

/// What is to be divided.
struct Divided<'d> {
    dataset: &'d Dataset,
    /// The labelled images of each video, see [`by_video`].
    videos: BTreeMap<Option<u32>, Vec<u32>>,
    /// Their number.
    labelled: usize,
}

impl<'d> Divided<'d> {
    fn new(dataset: &'d Dataset, settings: &SplitSettings) -> Result<Divided<'d>, SplitError> {
        let share = settings.test_share;
        if !(share > 0.0 && share < 1.0) {
            return Err(SplitError::Share(share.to_string()));
        }
        let videos = by_video(dataset);
        let labelled: usize = videos.values().map(Vec::len).sum();
        if labelled < 2 {
            return Err(SplitError::TooFew { found: labelled });
        }
        if settings.by == By::Video && videos.len() < 2 {
            return Err(SplitError::TooFewVideos { found: videos.len() });
        }
        Ok(Divided { dataset, videos, labelled })
    }

    /// Holds out a block of a video's images in the order of time, with a gap on both sides.
    fn hold_out_block(
        &self,
        images: &[u32],
        block: Range<usize>,
        settings: &SplitSettings,
        parts: &mut [Option<Part>],
    ) {
        let gap = settings.gap;
        let near = block.start.saturating_sub(gap)..block.end.saturating_add(gap);
        let frame = |image: u32| self.dataset.images[image as usize].frame;
        let held = || images[block.clone()].iter().filter_map(|&image| frame(image));
        // An empty block is near nothing.
        let [first, last] = [held().min(), held().max()];
        let is_near = |image: u32| {
            let (Some(frame), Some(first), Some(last)) = (frame(image), first, last) else {
                return false;
            };
            let frames = first.saturating_sub(frame).max(frame.saturating_sub(last));
            settings.gap_frames > 0 && frames <= settings.gap_frames
        };
        for (at, &image) in images.iter().enumerate() {
            let part = match at {
                at if block.contains(&at) => Part::Test,
                at if !block.is_empty() && near.contains(&at) => Part::Gap,
                _ if is_near(image) => Part::Gap,
                _ => Part::Train,
            };
            parts[image as usize] = Some(part);
        }
    }
}

/// Returns the labelled images of each video in the order of time: of frame numbers, and of
/// paths where there are none. Images without a video are one by themselves.
fn by_video(dataset: &Dataset) -> BTreeMap<Option<u32>, Vec<u32>> {
    let ranges = dataset.instances_by_image();
    let mut videos: BTreeMap<Option<u32>, Vec<u32>> = BTreeMap::new();
    for (index, image) in dataset.images.iter().enumerate() {
        if image.file.is_some() && (image.class.is_some() || !ranges[index].is_empty()) {
            videos.entry(image.video).or_default().push(index as u32);
        }
    }
    for images in videos.values_mut() {
        images.sort_by_key(|&image| (dataset.images[image as usize].frame, image));
    }
    videos
}

/// Returns the part of each of the dataset's own splits: what is named for training, and what
/// is named for tests or validation; `None` unless both have images.
fn own(dataset: &Dataset) -> Option<Vec<Option<Part>>> {
    let of_name = |name: &String| match name.as_str() {
        "train" | "training" => Some(Part::Train),
        "test" | "testing" | "val" | "valid" | "validation" | "minival" | "dev" | "eval" => {
            Some(Part::Test)
        }
        _ => None,
    };
    let mut parts: Vec<Option<Part>> = dataset.splits.iter().map(of_name).collect();
    // A validation split beside a test split stays out of both.
    if dataset.splits.iter().any(|name| name == "test") {
        for (name, part) in dataset.splits.iter().zip(&mut parts) {
            if *part == Some(Part::Test) && name != "test" {
                *part = None;
            }
        }
    }
    let has = |wanted| {
        let splits = dataset.images.iter().filter_map(|image| image.split);
        splits.into_iter().any(|split| parts[usize::from(split)] == Some(wanted))
    };
    (has(Part::Train) && has(Part::Test)).then_some(parts)
}

/// Holds out the first videos with which the wanted number of images is reached as nearly as
/// may be; one at least, never all. Returns which, by their places.
fn hold_out_videos(videos: &[&Vec<u32>], wanted: f64, parts: &mut [Option<Part>]) -> Vec<usize> {
    let mut held = 0;
    let (mut test, mut train) = (Vec::new(), Vec::new());
    for (at, images) in videos.iter().enumerate() {
        let distance = |count: usize| (count as f64 - wanted).abs();
        if distance(held + images.len()) < distance(held) {
            held += images.len();
            test.push(at);
        } else {
            train.push(at);
        }
    }
    // Where all videos are longer than twice the share, the shortest is held out.
    if test.is_empty() {
        let shortest = (0..train.len()).min_by_key(|&at| videos[train[at]].len());
        test.extend(shortest.map(|at| train.remove(at)));
    }
    if train.is_empty() {
        let longest = (0..test.len()).max_by_key(|&at| videos[test[at]].len());
        train.extend(longest.map(|at| test.remove(at)));
    }
    for (part, of_part) in [(Part::Test, &test), (Part::Train, &train)] {
        for &image in of_part.iter().flat_map(|&at| videos[at]) {
            parts[image as usize] = Some(part);
        }
    }
    test
}

/// Holds out a block of each video's labelled images, in the order of time, with a gap on both
/// sides. A video of one image is learnt from.
fn hold_out_blocks(divided: &Divided<'_>, settings: &SplitSettings, parts: &mut [Option<Part>]) {
    for (video, images) in &divided.videos {
        let name = video.map_or_else(|| "split".to_owned(), |video| format!("split/{video}"));
        let mut random = SplitMix64::named(&name, settings.seed);
        let block = block(images.len(), settings, &mut random);
        divided.hold_out_block(images, block, settings, parts);
    }
}

/// Returns which of `count` images in the order of time are held out. Some stay to learn from
/// even where the gap would take them all.
fn block(count: usize, settings: &SplitSettings, random: &mut SplitMix64) -> Range<usize> {
    let Some(length) = block_length(count, settings.test_share) else { return 0..0 };
    let most = count - length;
    let start =
        if is_short(most, settings.gap) { 0 } else { random.below(most as u64 + 1) as usize };
    start..start + length
}

/// Returns how many of `count` images are held out, `None` where there are too few to divide.
fn block_length(count: usize, test_share: f64) -> Option<usize> {
    let length = (test_share * count as f64).round() as usize;
    (count >= 2).then(|| length.clamp(1, count - 1))
}

/// Returns whether a block in the middle might leave no image beside its gaps, of `most` that
/// are not in it.
fn is_short(most: usize, gap: usize) -> bool {
    most <= gap.saturating_mul(2)
}

#[cfg(test)]
mod tests;
