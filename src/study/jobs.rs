//! The runs and ramps of a design, and the settings of each.

use serde::{Deserialize, Serialize};

use super::design::{Arm, Design, Labels, Optimiser};
use crate::stats::random::SplitMix64;
use crate::train::config::{ClipBy, ConfigError, TrainConfig};
use crate::train::guard::Policy;
use crate::train::schedule::Schedule;

/// A run or a ramp of a study.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Name of the arm.
    pub arm: String,
    /// Name of the optimiser; `common` for a ramp that compares labels.
    pub optimiser: String,
    /// Number of the shuffle, from 0.
    pub shuffle: u32,
    /// Number of the seed, from 0.
    pub repeat: u32,
    /// Set for a ramp.
    pub ramp: Option<RampKind>,
}

/// What a ramp compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RampKind {
    /// Labels: batches of 8 without clipping for every arm.
    Common,
    /// Optimisers: the preset's own batches and clipping.
    Own,
}

/// Optimiser of ramps that compare labels, in their names.
pub const COMMON: &str = "common";

impl Job {
    /// Returns the folder within a study's, such as `runs/clean-stable-s3` or
    /// `ramps/dirty-common-s0-r1`.
    pub fn folder(&self) -> String {
        let kind = if self.ramp.is_some() { "ramps" } else { "runs" };
        let Job { arm, optimiser, shuffle, repeat, .. } = self;
        match repeat {
            0 => format!("{kind}/{arm}-{optimiser}-s{shuffle}"),
            repeat => format!("{kind}/{arm}-{optimiser}-s{shuffle}-r{repeat}"),
        }
    }
}

impl Design {
    /// Returns all runs and ramps, those of a shuffle together, so that a study that is
    /// interrupted has whole shuffles.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for shuffle in 0..self.shuffles {
            let job = |arm: &Arm, optimiser: &str, repeat, ramp| Job {
                arm: arm.name.clone(),
                optimiser: optimiser.to_owned(),
                shuffle,
                repeat,
                ramp,
            };
            for optimiser in &self.optimisers {
                for arm in &self.arms {
                    let seeded = matches!(arm.labels, Labels::Dirty | Labels::Clean)
                        && arm.fraction == 1.0
                        && arm.keypoints.is_none()
                        && shuffle < 2;
                    let repeats = if seeded { self.further_seeds } else { 0 };
                    jobs.extend((0..=repeats).map(|r| job(arm, &optimiser.name, r, None)));
                }
            }
            for repeat in 0..self.ramp.repeats {
                let ramp = |arm, optimiser, kind| job(arm, optimiser, repeat, Some(kind));
                // One arm alone is compared with nothing.
                if self.arms.len() > 1 {
                    jobs.extend(self.arms.iter().map(|arm| ramp(arm, COMMON, RampKind::Common)));
                }
                let dirty = self.arms.iter().find(|arm| arm.labels == Labels::Dirty);
                if let (Some(dirty), true) = (dirty, self.optimisers.len() > 1) {
                    let own = self.optimisers.iter();
                    jobs.extend(own.map(|own| ramp(dirty, &own.name, RampKind::Own)));
                }
            }
        }
        jobs
    }

    /// Returns the settings of a run or ramp.
    ///
    /// # Errors
    /// [`ConfigError`] where the design's changes make no sense.
    pub fn config(&self, job: &Job) -> Result<TrainConfig, ConfigError> {
        let stable = Optimiser::stable();
        let optimiser = self.optimiser(&job.optimiser).unwrap_or(&stable);
        let [width, height] = self.size;
        let mut changes = vec![
            format!("data.size=[{width}, {height}]"),
            // A label that was left out is not known; that the keypoint is nowhere is not.
            "data.unlabelled=ignored".to_owned(),
            "run.probe_test=false".to_owned(),
            "run.keep=2".to_owned(),
        ];
        if self.parallel > 1 {
            changes.push("run.runtime_threads=1".to_owned());
            changes.push("run.loader_threads=1".to_owned());
        }
        changes.extend(optimiser.changes.iter().cloned());
        changes.extend(self.changes.iter().cloned());
        let mut config = TrainConfig::new(&optimiser.preset, &changes)?;
        config.run.seed = self.seed_of(job.shuffle, job.repeat);
        let batch = (config.data.batch * config.data.accumulate) as u64;
        let steps = |images: u64| (images / batch).max(1);
        match job.ramp {
            None => {
                config.run.steps = steps(self.images);
                config.run.probe_every = steps(LOOK_IMAGES);
                config.run.checkpoint_every = config.run.steps.div_ceil(4).max(1);
            }
            Some(kind) => self.ramp_config(&mut config, kind),
        }
        Ok(config)
    }

    /// Makes settings of a run those of a ramp.
    fn ramp_config(&self, config: &mut TrainConfig, kind: RampKind) {
        let ramp = &self.ramp;
        if kind == RampKind::Common {
            config.clip.by = ClipBy::None;
            config.data.batch = COMMON_BATCH;
            config.data.accumulate = 1;
        }
        let batch = (config.data.batch * config.data.accumulate) as u64;
        let steps = |images: u64| (images / batch).max(1);
        let from = match kind {
            RampKind::Common => ramp.labels_from,
            RampKind::Own => ramp.optimisers_from,
        };
        config.optimiser.learning_rate = ramp.to as f32;
        config.schedule = Schedule::Ramp {
            safe_steps: steps(ramp.safe_images),
            safe: from / ramp.to,
            first: from / ramp.to,
        };
        config.run.steps = steps(ramp.safe_images) + steps(ramp.rise_images);
        config.run.probe_every = steps(ramp.probe_images);
        config.run.diverged_at = ramp.ratio as f32;
        config.run.checkpoint_every = config.run.steps;
        config.guard.policy = Policy::Record;
        config.guard.replays = 0;
    }

    /// Returns the seed of a shuffle's runs: the same for all arms and optimisers.
    pub fn seed_of(&self, shuffle: u32, repeat: u32) -> u64 {
        let key = [shuffle.into(), repeat.into()];
        // Settings hold it as a number of TOML, which has 63 bits.
        SplitMix64::keyed("study", self.seed, &key).word() >> 32
    }
}

/// Images between two looks at the probe set in a run.
const LOOK_IMAGES: u64 = 80;
/// Images of a batch in ramps that compare labels.
const COMMON_BATCH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::design::testing::design;

    #[test]
    fn every_arm_sees_the_same_number_of_images_from_the_same_seed() {
        let design = design();
        design.check().expect("a design");
        let jobs = design.jobs();
        let runs: Vec<&Job> = jobs.iter().filter(|job| job.ramp.is_none()).collect();
        assert_eq!(runs.len(), 3 * 2 * 3 + 2 * 2 * 2 * 2, "and two seeds more in two shuffles");
        for job in &runs {
            let config = design.config(job).expect("settings");
            assert_eq!(config.run.steps * config.data.batch as u64, 2400, "{job:?}");
            assert_eq!(config.run.seed, design.seed_of(job.shuffle, job.repeat));
        }
        let names: std::collections::BTreeSet<String> = jobs.iter().map(Job::folder).collect();
        assert_eq!(names.len(), jobs.len());
        assert!(
            names.contains("runs/clean-stable-s1-r2") && names.contains("runs/random-default-s2")
        );
    }

    #[test]
    fn ramps_rise_by_images_seen() {
        let design = design();
        let jobs = design.jobs();
        let ramps: Vec<&Job> = jobs.iter().filter(|job| job.ramp.is_some()).collect();
        assert_eq!(ramps.len(), 3 * 2 * (3 + 2));
        for job in ramps {
            let config = design.config(job).expect("settings");
            let batch = config.data.batch as u64;
            assert_eq!(config.run.steps * batch, 2880, "{job:?}");
            let rate = |step| {
                f64::from(config.optimiser.learning_rate)
                    * config.schedule.share(step, config.run.steps)
            };
            let from = if job.ramp == Some(RampKind::Common) { 2e-3 } else { 5e-4 };
            assert!((rate(0) - from).abs() < 1e-9 && (rate(800 / batch) - from).abs() < 1e-9);
            assert!((rate(config.run.steps - 1) - 1.0).abs() < 1e-9);
        }
    }
}
