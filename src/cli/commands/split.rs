//! `labelvet split`: divides a dataset into train and test, several times.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde_json::json;

use crate::audit;
use crate::cli::dataset::{DatasetOptions, measured};
use crate::cli::output::{OutDir, Replace, say};
use crate::cli::{Common, mark, settings};
use crate::dataset::{
    By, CURVE_FRAMES, Dataset, Nearest, Part, Split, SplitSettings, keep_together,
    nearest_training_frames, share_within, shuffles,
};
use crate::facts::Pixels;
use crate::formats;
use crate::train::split_file;

/// Divide into train and test, neighbours in time and look-alikes never on both sides
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Folder of a dataset, or the file that users of its format pass
    dataset: PathBuf,
    /// Folder to write; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long)]
    force: bool,
    /// Number of divisions; their test parts cover the dataset as evenly as may be
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    shuffles: u16,
    /// Hold out whole videos, or a block of time of each [default: video where there are 3 or
    /// more]
    #[arg(long, value_enum, value_name = "WAY")]
    by: Option<Way>,
    /// Labelled images that are left out on each side of a block
    #[arg(long, value_name = "K", default_value_t = SplitSettings::GAP)]
    gap: usize,
    /// Frames of the video, labelled or not, within which images are left out on each side of a
    /// block, too
    #[arg(long, value_name = "K", default_value_t = 0)]
    gap_frames: u64,
    /// Share of the labelled images that is held out
    #[arg(long, value_name = "SHARE", default_value_t = SplitSettings::TEST_SHARE)]
    test_share: f64,
    /// Open no image, and do not look for near duplicates
    #[arg(long)]
    labels_only: bool,
    #[command(flatten)]
    read: DatasetOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    Block,
    Video,
}

impl Options {
    fn settings(&self, dataset: &Dataset, seed: u64) -> SplitSettings {
        let by = match self.by {
            Some(Way::Video) => By::Video,
            Some(Way::Block) => By::Block,
            // The dataset's own division is one; several are asked for.
            None => By::suitable_of_time(dataset),
        };
        let (test_share, gap, gap_frames) = (self.test_share, self.gap, self.gap_frames);
        SplitSettings { by, test_share, gap, gap_frames, seed }
    }
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    let rules = settings::rules(None)?;
    let config = settings::load(common.config.as_deref(), &options.dataset, &rules)?;
    let out = OutDir::new(&options.out, if options.force { Replace::Own } else { Replace::Never })?;
    let dataset = options.read.read(&options.dataset, &config.skeleton.pairs)?;
    let settings = options.settings(&dataset, common.seed);
    let mut splits = shuffles(&dataset, &settings, usize::from(options.shuffles))?;
    let pixels = if options.labels_only { Pixels::Skip } else { Pixels::Measure };
    let facts = measured(dataset, pixels, common);
    let groups = match options.labels_only {
        true => None,
        false => Some(audit::alike(&facts, &rules, &config)?),
    };
    let mut moved = Vec::new();
    for (at, split) in splits.iter_mut().enumerate() {
        let groups = groups.as_deref().unwrap_or_default();
        let named = || format!("shuffle {}", at + 1);
        moved.push(keep_together(split, groups).with_context(named)?);
    }
    let dataset = &facts.dataset;
    for (at, split) in splits.iter().enumerate() {
        let table = split_file::to_csv(dataset, split)?;
        write(&out.path().join(file_name(at)), &table)?;
    }
    let trainer = formats::write_splits(dataset, &splits, out.path())?;
    let near = splits.iter().map(|split| {
        let [train, test] = [Part::Train, Part::Test].map(|part| split.images(part));
        nearest_training_frames(dataset, &train, &test)
    });
    let near: Vec<Vec<Nearest>> = near.collect();
    let groups = groups.as_deref();
    let found = Found { splits: &splits, moved: &moved, groups, near: &near, trainer: &trainer };
    let summary = found.summary(dataset, &settings);
    write(&out.path().join("summary.json"), format!("{summary:#}\n").as_bytes())?;
    let used = summary["settings"].clone();
    mark::write(out.path(), words, dataset, &options.dataset, used)?;
    out.finish()?;
    if !common.quiet {
        found.tell(&settings, &options.out);
    }
    Ok(())
}

fn file_name(at: usize) -> String {
    format!("split-{}.csv", at + 1)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("failed to write {}", path.display()))
}

/// The divisions that were made.
struct Found<'a> {
    splits: &'a [Split],
    /// Training images of each that went to the gap, since they look like a test image.
    moved: &'a [usize],
    /// Images that look alike; `None` where no image was opened.
    groups: Option<&'a [Vec<u32>]>,
    /// How near the test frames of each are to training frames.
    near: &'a [Vec<Nearest>],
    /// Files that the format's trainer reads.
    trainer: &'a [String],
}

impl Found<'_> {
    /// Returns how many divisions differ in their test parts.
    fn distinct(&self) -> usize {
        let tests = self.splits.iter().map(|split| split.images(Part::Test));
        tests.collect::<BTreeSet<_>>().len()
    }

    /// Returns how often the image that is tested least, and that which is tested most, is.
    fn tested(&self) -> [usize; 2] {
        let images = self.splits.first().map_or(0, |split| split.parts.len());
        let times = |image: usize| {
            let of = |part| self.splits.iter().filter(|s| s.parts[image] == part).count();
            // An image that is in no part of any has no labels.
            (of(None) < self.splits.len()).then(|| of(Some(Part::Test)))
        };
        let times: Vec<usize> = (0..images).filter_map(times).collect();
        [times.iter().min(), times.iter().max()].map(|times| times.copied().unwrap_or_default())
    }

    fn summary(&self, dataset: &Dataset, settings: &SplitSettings) -> serde_json::Value {
        let rows = self.splits.iter().zip(self.moved).enumerate().map(|(at, (split, moved))| {
            let [train, test, gap] = Part::ALL.map(|part| split.count(part));
            let share =
                |frames: u64| (frames.to_string(), json!(share_within(&self.near[at], frames)));
            let within: serde_json::Map<_, _> = CURVE_FRAMES.map(share).into_iter().collect();
            json!({
                "file": file_name(at),
                "train": train,
                "test": test,
                "gap": gap,
                "near_duplicates_to_gap": self.groups.map(|_| moved),
                "share_within_frames": within,
            })
        });
        let [least, most] = self.tested();
        let labelled = self.splits.first().map_or(0, |s| s.parts.iter().flatten().count());
        json!({
            "schema": 1,
            "format": dataset.format,
            "labelled_images": labelled,
            "settings": {
                "shuffles": self.splits.len(),
                "by": settings.by.name(),
                "gap": settings.gap,
                "gap_frames": settings.gap_frames,
                "test_share": settings.test_share,
                "seed": settings.seed,
                "labels_only": self.groups.is_none(),
            },
            "distinct": self.distinct(),
            "times_tested": { "least": least, "most": most },
            "groups_of_near_duplicates": self.groups.map(<[_]>::len),
            "trainer_files": self.trainer,
            "splits": rows.collect::<Vec<_>>(),
        })
    }

    fn tell(&self, settings: &SplitSettings, out: &Path) {
        let [least, most] = self.tested();
        say(&format!(
            "{} divisions by {}; an image is tested {least} to {most} times",
            self.splits.len(),
            settings.by.name(),
        ));
        if self.distinct() < self.splits.len() {
            say(&format!(
                "only {} of them differ: the dataset has no more blocks or videos to hold out",
                self.distinct()
            ));
        }
        for part in Part::ALL {
            let counts = self.splits.iter().map(|split| split.count(part));
            let (least, most) = (counts.clone().min(), counts.max());
            let [least, most] = [least, most].map(Option::unwrap_or_default);
            say(&format!("  {part}: {least} to {most} images"));
        }
        match self.groups {
            None => say("near duplicates were not looked for"),
            Some(groups) => say(&format!(
                "{} groups of images that look alike; {} training images went to the gap for that",
                groups.len(),
                self.moved.iter().sum::<usize>(),
            )),
        }
        let greatest = CURVE_FRAMES.last().copied().unwrap_or_default();
        let shares = self.near.iter().filter_map(|near| share_within(near, greatest));
        if let Some(most) = shares.max_by(f64::total_cmp) {
            let most = 100.0 * most;
            say(&format!(
                "test frames with a training frame within {greatest} frames: at most {most:.0} %"
            ));
        }
        if let [first, .., last] = self.trainer {
            let count = self.trainer.len();
            say(&format!("{count} files for the format's own trainer: {first} to {last}"));
        }
        say(&format!("labelvet train DATASET --split {}", out.join(file_name(0)).display()));
    }
}
