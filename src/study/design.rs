//! The design of a study: which labels are trained on, with which optimisers, how often, how
//! long. Plain settings, without I/O; what is written as `design` to `study.json`, and what a
//! study that goes on must agree with.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::train::config::{ConfigError, TrainConfig};

/// Fewest shuffles for a verdict: an exact sign-flip test of 8 pairs can reach p = 2/256, which
/// Holm's first step of four tests (.05/4) needs.
pub const VERDICT_SHUFFLES: u32 = 8;

/// Everything that a study does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// What is trained on.
    pub arms: Vec<Arm>,
    /// How it is trained.
    pub optimisers: Vec<Optimiser>,
    /// Divisions of the dataset, 1 or more.
    pub shuffles: u32,
    /// Further seeds, in the first two shuffles, of arms `dirty` and `clean`: they separate the
    /// luck of the seed from that of the split.
    pub further_seeds: u32,
    /// Images that each run sees, repeats counted.
    pub images: u64,
    /// Width and height of the network's input in pixels.
    pub size: [usize; 2],
    /// The ramps.
    pub ramp: RampDesign,
    /// Changes of settings for all runs and ramps, as `train --set` takes them.
    pub changes: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Runs at once; each has one thread where there are several.
    pub parallel: usize,
}

/// Labels that a model is trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Name, also of folders.
    pub name: String,
    /// Where the labels come from.
    pub labels: Labels,
    /// Share of the training images that is used, above 0 to 1.
    pub fraction: f64,
    /// How many of the keypoints, the first ones, are learnt; `None` for all.
    pub keypoints: Option<u16>,
}

/// Where the labels of an arm come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// As labelled.
    Dirty,
    /// Labels that the audit flags are left out.
    Clean,
    /// As many labels are left out that it does not flag: what any removal does.
    Random,
    /// The whole patch, pairs swapped back included.
    Fixed,
    /// Planted errors are taken back: what perfect cleaning would do.
    Truth,
    /// Another version of the dataset, by its name on the command line.
    Other(String),
}

/// A way to train.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// Name, also of folders.
    pub name: String,
    /// Preset that it begins as.
    pub preset: String,
    /// Changes of the preset, as `train --set` takes them.
    pub changes: Vec<String>,
}

/// Ramps of the learning rate: short runs that end where training diverges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RampDesign {
    /// Ramps of each arm and shuffle, of which the mean counts; 0 for none.
    pub repeats: u32,
    /// Images at the safe rate.
    pub safe_images: u64,
    /// Images over which the rate rises.
    pub rise_images: u64,
    /// Safe rate of ramps that compare labels, with which the rise begins, too.
    pub labels_from: f64,
    /// Safe rate of ramps that compare optimisers, the same for all.
    pub optimisers_from: f64,
    /// Rate with which the rise ends.
    pub to: f64,
    /// Images between two looks at the probe set.
    pub probe_images: u64,
    /// How many times its least value so far the probe loss exceeds where training diverges.
    pub ratio: f64,
}

impl Default for RampDesign {
    /// Returns what `docs/methods.md` fixes.
    fn default() -> RampDesign {
        RampDesign {
            repeats: 2,
            safe_images: 800,
            rise_images: 2080,
            labels_from: 2e-3,
            optimisers_from: 5e-4,
            to: 1.0,
            probe_images: 40,
            ratio: 4.0,
        }
    }
}

/// Why a design makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DesignError {
    /// No such arm.
    #[error(
        "no arm is called `{name}`; there are dirty, clean, random, fixed and truth, and \
         NAME=ARM[,fraction=0.25][,keypoints=4] makes one of them anew"
    )]
    NoSuchArm {
        /// The name.
        name: String,
    },
    /// Text that is no optimiser.
    #[error(
        "`{text}` is no optimiser; there are default and stable, and NAME=PRESET[,KEY=VALUE]… \
         makes a new one"
    )]
    Optimiser {
        /// The text.
        text: String,
    },
    /// A number out of its range.
    #[error("{what} is {found}; it {needs}")]
    Range {
        /// What the number is.
        what: &'static str,
        /// The number.
        found: String,
        /// What it has to be.
        needs: &'static str,
    },
    /// Two arms or optimisers of one name.
    #[error("the name `{name}` is taken twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// Settings of training that make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Returns whether a name can be part of a folder's: runs are named `arm-optimiser-s0-r1`.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

impl Labels {
    fn of(name: &str) -> Option<Labels> {
        Some(match name {
            "dirty" => Labels::Dirty,
            "clean" => Labels::Clean,
            "random" => Labels::Random,
            "fixed" => Labels::Fixed,
            "truth" => Labels::Truth,
            _ => return None,
        })
    }
}

impl FromStr for Arm {
    type Err = DesignError;

    /// Reads `dirty`, or `NAME=dirty,fraction=0.25,keypoints=4`.
    fn from_str(text: &str) -> Result<Arm, DesignError> {
        let none = || DesignError::NoSuchArm { name: text.to_owned() };
        let (name, rest) = text.split_once('=').unwrap_or((text, text));
        let mut parts = rest.split(',');
        let labels = parts.next().and_then(Labels::of).ok_or_else(none)?;
        let mut arm = Arm { name: name.to_owned(), labels, fraction: 1.0, keypoints: None };
        for part in parts {
            match part.split_once('=') {
                Some(("fraction", number)) => {
                    arm.fraction = number.parse().map_err(|_| none())?;
                }
                Some(("keypoints", number)) => {
                    arm.keypoints = Some(number.parse().map_err(|_| none())?);
                }
                _ => return Err(none()),
            }
        }
        let wrong = |what, found: String, needs| Err(DesignError::Range { what, found, needs });
        if !(arm.fraction > 0.0 && arm.fraction <= 1.0) {
            let found = arm.fraction.to_string();
            return wrong("a fraction of the images", found, "has to be above 0 and at most 1");
        }
        if arm.keypoints == Some(0) {
            return wrong("a number of keypoints", "0".to_owned(), "has to be 1 or more");
        }
        if is_name(name) { Ok(arm) } else { Err(none()) }
    }
}

impl Optimiser {
    /// Returns what trainers do by themselves: DeepLabCut's settings for EfficientNet.
    pub fn default_preset() -> Optimiser {
        let preset = "deeplabcut-tf".to_owned();
        Optimiser { name: "default".to_owned(), preset, changes: Vec::new() }
    }

    /// Returns the remedies that are usually advised.
    pub fn stable() -> Optimiser {
        Optimiser { name: "stable".into(), preset: "stable".into(), changes: Vec::new() }
    }
}

impl FromStr for Optimiser {
    type Err = DesignError;

    /// Reads `default`, `stable`, or `NAME=PRESET,KEY=VALUE,…`, where `default` is a preset, too.
    /// A part without `=` belongs to the value before it, so that lists may be given.
    fn from_str(text: &str) -> Result<Optimiser, DesignError> {
        let none = || DesignError::Optimiser { text: text.to_owned() };
        match text {
            "default" => return Ok(Optimiser::default_preset()),
            "stable" => return Ok(Optimiser::stable()),
            _ => {}
        }
        let (name, rest) = text.split_once('=').ok_or_else(none)?;
        let mut parts = rest.split(',');
        let preset = match parts.next() {
            Some("default") => "deeplabcut-tf".to_owned(),
            Some(preset) => preset.to_owned(),
            None => return Err(none()),
        };
        let mut changes: Vec<String> = Vec::new();
        for part in parts {
            match changes.last_mut() {
                Some(last) if !part.contains('=') => *last = format!("{last},{part}"),
                _ => changes.push(part.to_owned()),
            }
        }
        if !is_name(name) {
            return Err(none());
        }
        TrainConfig::new(&preset, &changes)?;
        Ok(Optimiser { name: name.to_owned(), preset, changes })
    }
}

impl Design {
    /// Images that a run sees where nothing else is asked for.
    pub const IMAGES: u64 = 2400;
    /// Shuffles where nothing else is asked for.
    pub const SHUFFLES: u32 = 10;
    /// Further seeds where nothing else is asked for.
    pub const FURTHER_SEEDS: u32 = 2;

    /// Checks what types do not.
    ///
    /// # Errors
    /// [`DesignError`].
    pub fn check(&self) -> Result<(), DesignError> {
        let least = |what, found: u64, least: u64, needs| {
            let error = DesignError::Range { what, found: found.to_string(), needs };
            if found < least { Err(error) } else { Ok(()) }
        };
        least("the number of shuffles", self.shuffles.into(), 1, "has to be 1 or more")?;
        least("the number of images of a run", self.images, 8, "has to be 8 or more")?;
        least("the number of arms", self.arms.len() as u64, 1, "has to be 1 or more")?;
        least("the number of optimisers", self.optimisers.len() as u64, 1, "has to be 1 or more")?;
        let arms = self.arms.iter().map(|arm| &arm.name);
        let optimisers = self.optimisers.iter().map(|optimiser| &optimiser.name);
        for names in [arms.collect::<Vec<_>>(), optimisers.collect()] {
            let mut sorted = names;
            sorted.sort();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(DesignError::Twice { name: pair[0].clone() });
            }
        }
        for job in self.jobs() {
            self.config(&job)?;
        }
        Ok(())
    }

    /// Returns the arm of a name.
    pub fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.name == name)
    }

    /// Returns the optimiser of a name.
    pub fn optimiser(&self, name: &str) -> Option<&Optimiser> {
        self.optimisers.iter().find(|optimiser| optimiser.name == name)
    }

    /// Says whether there are shuffles enough for a verdict.
    pub fn carries_verdict(&self) -> bool {
        self.shuffles >= VERDICT_SHUFFLES
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Three arms, both optimisers.
    pub(in crate::study) fn design() -> Design {
        Design {
            arms: ["dirty", "clean", "random"].map(|name| name.parse().expect("an arm")).to_vec(),
            optimisers: vec![Optimiser::default_preset(), Optimiser::stable()],
            shuffles: 3,
            further_seeds: 2,
            images: 2400,
            size: [160, 128],
            ramp: RampDesign::default(),
            changes: Vec::new(),
            seed: 0,
            parallel: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::design;
    use super::*;

    #[test]
    fn arms_and_optimisers_are_read() {
        let arm: Arm = "small=dirty,fraction=0.25,keypoints=3".parse().expect("an arm");
        assert_eq!((arm.fraction, arm.keypoints, arm.labels), (0.25, Some(3), Labels::Dirty));
        for wrong in ["dirt", "a b=dirty", "x=dirty,fraction=2", "x=dirty,keypoints=0", "x=dirty,y"]
        {
            assert!(wrong.parse::<Arm>().is_err(), "{wrong}");
        }
        let text = "warm=default,schedule.warm_up=100,optimiser.learning_rate=1e-3";
        let own: Optimiser = text.parse().expect("an optimiser");
        assert_eq!((own.preset.as_str(), own.changes.len()), ("deeplabcut-tf", 2));
        for wrong in ["fast", "x=nothing", "x=stable,no.key=1"] {
            assert!(wrong.parse::<Optimiser>().is_err(), "{wrong}");
        }
        let twice = Design { arms: vec!["dirty".parse().expect("an arm"); 2], ..design() };
        assert!(matches!(twice.check(), Err(DesignError::Twice { .. })));
    }
}
