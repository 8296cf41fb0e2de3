//! `labelvet study`: audits, cleans, trains and evaluates the arms of an experiment, and says
//! whether the labels, the optimiser or luck are to blame.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::dataset::DatasetOptions;
use crate::cli::{Common, pass, study};

/// Measure how cleaning the labels changes training: audit, clean, train and compare
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Folder of a dataset, or the file that users of its format pass
    pub(in crate::cli) dataset: PathBuf,
    /// Folder of the study; must not exist or be empty, but with --resume
    #[arg(long, value_name = "DIR", required_unless_present = "plan")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Replace the output folder, if labelvet wrote it
    #[arg(long, conflicts_with = "resume")]
    pub(in crate::cli) force: bool,
    /// Go on with the study in the output folder: what is done is not done again
    #[arg(long)]
    pub(in crate::cli) resume: bool,
    /// Print the arms, the runs and what they cost, after a short speed probe, and stop
    #[arg(long, conflicts_with_all = ["resume", "force"])]
    pub(in crate::cli) plan: bool,
    /// Longest time that the study may take, such as 55m or 2h; makes it smaller
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) budget: Option<Duration>,
    /// Divisions into training and test images; 8 or more for a verdict [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(in crate::cli) shuffles: Option<u32>,
    /// Arms: dirty, clean, random, fixed, truth, or NAME=ARM[,fraction=0.25][,keypoints=4];
    /// separated by commas or repeated [default: dirty, clean and random, and truth with --errors]
    #[arg(long = "arms", value_name = "ARMS")]
    pub(in crate::cli) arms: Vec<String>,
    /// Optimisers: default, stable, or NAME=PRESET[,KEY=VALUE]…; may be repeated [default: both]
    #[arg(long = "optimiser", value_name = "OPTIMISER")]
    pub(in crate::cli) optimisers: Vec<String>,
    /// Another version of the dataset as an arm, such as one that was labelled anew
    #[arg(long = "with", value_name = "NAME=DATASET")]
    pub(in crate::cli) with: Vec<String>,
    /// Plant known errors first, as the file says, for a positive control: arm truth
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) errors: Option<PathBuf>,
    /// Images that each run sees [default: 2400]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(8..))]
    pub(in crate::cli) images: Option<u64>,
    /// Width and height of the network's input, multiples of 16 [default: the images scaled to a
    /// longer side of 160 on the processor, 256 on CUDA]
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(in crate::cli) size: Option<[usize; 2]>,
    /// Ramps of the learning rate for each arm and shuffle; 0 for none [default: 2]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) ramps: Option<u32>,
    /// Further seeds of dirty and clean in the first two shuffles [default: 2]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seeds: Option<u32>,
    /// How images are divided [default: by video where there are three or more, else by block]
    #[arg(long, value_name = "HOW", value_parser = ["block", "video"])]
    pub(in crate::cli) by: Option<String>,
    /// Labelled images that are left out on each side of a block of time
    #[arg(long, value_name = "K", default_value_t = 2)]
    pub(in crate::cli) gap: usize,
    /// Runs at once [default: one per core on the processor, one on CUDA]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) parallel: Option<u16>,
    /// Cleaning policy, as `labelvet clean plan` takes it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) policy: Option<PathBuf>,
    /// A setting of every run, such as model.architecture=efficientnet_b0; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(in crate::cli) set: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) read: DatasetOptions,
    #[command(flatten)]
    pub(in crate::cli) device: pass::DeviceOptions,
}

impl Options {
    /// Returns what was asked for, in a form that two calls can be compared by: everything but
    /// where it is written and whether it goes on.
    pub(in crate::cli) fn asked(&self, common: &Common) -> serde_json::Value {
        serde_json::json!({
            "budget_seconds": self.budget.map(|budget| budget.as_secs()),
            "shuffles": self.shuffles,
            "arms": self.arms,
            "optimisers": self.optimisers,
            "with": self.with,
            "errors": self.errors,
            "images": self.images,
            "size": self.size,
            "ramps": self.ramps,
            "seeds": self.seeds,
            "by": self.by,
            "gap": self.gap,
            "parallel": self.parallel,
            "policy": self.policy,
            "set": self.set,
            "seed": common.seed,
        })
    }
}

pub(in crate::cli) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    study::run(options, common, words)
}

/// Reads a time: a number and s, m or h; several may follow each other.
fn duration(text: &str) -> Result<Duration> {
    let mut seconds = 0.0;
    let mut number = String::new();
    for c in text.trim().chars() {
        let unit = match c {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            _ => {
                number.push(c);
                continue;
            }
        };
        match number.trim().parse::<f64>() {
            Ok(count) if count >= 0.0 && count.is_finite() => seconds += unit * count,
            _ => bail!("expected a time such as 55m, 2h or 1h30m"),
        }
        number.clear();
    }
    if !number.is_empty() || seconds <= 0.0 || seconds > 1e8 {
        bail!("expected a time such as 55m, 2h or 1h30m");
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn size(text: &str) -> Result<[usize; 2]> {
    let sides = text.split_once('x').map(|(w, h)| (w.trim().parse(), h.trim().parse()));
    match sides {
        Some((Ok(width), Ok(height)))
            if [width, height].iter().all(|side: &usize| *side > 0 && side.is_multiple_of(16)) =>
        {
            Ok([width, height])
        }
        _ => bail!("expected WIDTHxHEIGHT in multiples of 16, such as 160x128"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read() {
        let seconds = |text| duration(text).map(|time| time.as_secs()).ok();
        assert_eq!(
            ["55m", "2h", "1h30m", "90s"].map(seconds).map(Option::unwrap),
            [3300, 7200, 5400, 90]
        );
        for wrong in ["55", "m", "-1h", "1d", "", "0s", "1e99h"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(size("160x128").expect("a size"), [160, 128]);
        for wrong in ["160", "160x100", "0x16", "ax16"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
