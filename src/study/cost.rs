//! What a study costs, and what is given up so that it fits a budget.
//!
//! Takes a design and how long steps take; gives hours, and a smaller design. What is given up
//! first is what a verdict needs least; shuffles below eight are the last.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::design::{Design, VERDICT_SHUFFLES};
use super::jobs::{COMMON, Job};
use crate::train::config::ConfigError;

/// How long the work of one optimiser takes, measured with as many at once as the study runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// Name of the optimiser, or `common`.
    pub optimiser: String,
    /// Width and height of the input that it was measured at.
    pub size: [usize; 2],
    /// Seconds of a step.
    pub step: f64,
    /// Seconds that a run takes beside its steps: to begin, to evaluate.
    pub rest: f64,
}

/// A design that fits, and what was given up for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The design.
    pub design: Design,
    /// What differs from the one that was asked for, in words.
    pub given_up: Vec<String>,
    /// How long it is expected to take.
    pub duration: Duration,
    /// Whether that is within the budget.
    pub fits: bool,
}

/// Share of a ramp's steps that is made before training diverges, as far as is known beforehand.
const RAMP_SHARE: f64 = 0.85;
/// Time of a look at one batch of the probe set by that of a step: a forward pass alone.
const LOOK_SHARE: f64 = 0.35;
/// Images of the probe set.
const PROBE_IMAGES: usize = 16;
/// Fewest images that a run may see, and smallest longer side of the input in pixels, to fit a
/// budget: below, models are far from what their labels allow.
const LEAST_IMAGES: u64 = 1200;
const LEAST_SIDE: usize = 96;

impl Design {
    /// Returns how long all runs and ramps take together, by steps whose time grows with the
    /// number of pixels.
    ///
    /// # Errors
    /// [`ConfigError`] where the design's changes make no sense.
    pub fn duration(&self, speeds: &[Speed]) -> Result<Duration, ConfigError> {
        let mut seconds = 0.0;
        for job in self.jobs() {
            seconds += self.seconds(&job, speeds)?;
        }
        Ok(Duration::from_secs_f64(seconds / self.parallel.max(1) as f64))
    }

    fn seconds(&self, job: &Job, speeds: &[Speed]) -> Result<f64, ConfigError> {
        let found = |name: &str| speeds.iter().find(|speed| speed.optimiser == name);
        let Some(speed) = found(&job.optimiser).or_else(|| found(COMMON)) else { return Ok(0.0) };
        let config = self.config(job)?;
        let area = |[width, height]: [usize; 2]| (width * height) as f64;
        let step = speed.step * area(self.size) / area(speed.size).max(1.0);
        let share = if job.ramp.is_some() { RAMP_SHARE } else { 1.0 };
        let steps = config.run.steps as f64 * share;
        let looks = steps / config.run.probe_every as f64;
        let look = PROBE_IMAGES.div_ceil(config.data.batch) as f64 * LOOK_SHARE * step;
        Ok(steps * step * config.data.accumulate as f64 + looks * look + speed.rest)
    }
}

/// Returns the design that is nearest to the one asked for and fits a budget, or the smallest
/// one. `fixed` holds back what the user chose: nothing of it is given up.
///
/// # Errors
/// [`ConfigError`] where the design's changes make no sense.
pub fn fit(
    asked: &Design,
    speeds: &[Speed],
    budget: Duration,
    fixed: Fixed,
) -> Result<Fit, ConfigError> {
    let mut fit = Fit {
        design: asked.clone(),
        given_up: Vec::new(),
        duration: asked.duration(speeds)?,
        fits: false,
    };
    for step in STEPS {
        if fit.duration <= budget {
            break;
        }
        let mut design = fit.design.clone();
        let Some(words) = step.down(&mut design, fixed) else { continue };
        fit.duration = design.duration(speeds)?;
        fit.design = design;
        fit.given_up.push(words);
    }
    // The last that is given up is the verdict.
    while fit.duration > budget && fit.design.shuffles > 2 && !fixed.shuffles {
        fit.design.shuffles -= 1;
        fit.duration = fit.design.duration(speeds)?;
    }
    if fit.design.shuffles < VERDICT_SHUFFLES && asked.shuffles >= VERDICT_SHUFFLES {
        fit.given_up.push(format!(
            "{} shuffles of {}: the budget cannot carry a verdict, which takes {VERDICT_SHUFFLES}; \
             the result will be descriptive",
            fit.design.shuffles, asked.shuffles
        ));
    }
    fit.fits = fit.duration <= budget;
    Ok(fit)
}

/// What the user chose and a budget leaves alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The number of shuffles.
    pub shuffles: bool,
    /// The number of images.
    pub images: bool,
    /// The size of the input.
    pub size: bool,
}

/// Something that is given up.
#[derive(Debug, Clone, Copy)]
enum Step {
    Shuffles,
    FurtherSeeds(u32),
    RampRepeats,
    Images(u64),
    Size(f64),
}

/// In the order in which it is given up.
const STEPS: [Step; 9] = [
    Step::Shuffles,
    Step::FurtherSeeds(1),
    Step::Images(2000),
    Step::FurtherSeeds(0),
    Step::RampRepeats,
    Step::Size(0.8),
    Step::Images(1600),
    Step::Size(0.8),
    Step::Images(LEAST_IMAGES),
];

impl Step {
    /// Makes a design smaller and says how; `None` where there is nothing to give up.
    fn down(self, design: &mut Design, fixed: Fixed) -> Option<String> {
        match self {
            Step::Shuffles if design.shuffles > VERDICT_SHUFFLES && !fixed.shuffles => {
                let old = std::mem::replace(&mut design.shuffles, VERDICT_SHUFFLES);
                Some(format!("{VERDICT_SHUFFLES} shuffles of {old}"))
            }
            Step::FurtherSeeds(left) if design.further_seeds > left => {
                design.further_seeds = left;
                Some(match left {
                    0 => "no further seeds".to_owned(),
                    left => format!("{left} further seed in place of two"),
                })
            }
            Step::RampRepeats if design.ramp.repeats > 1 => {
                design.ramp.repeats = 1;
                Some("one ramp of each kind".to_owned())
            }
            Step::Images(images) if design.images > images && !fixed.images => {
                design.images = images;
                Some(format!("runs of {images} images"))
            }
            Step::Size(scale) if !fixed.size => {
                let side =
                    |side: usize| ((side as f64 * scale / 16.0).round() as usize).max(1) * 16;
                let size = design.size.map(side);
                if size[0].max(size[1]) < LEAST_SIDE || size == design.size {
                    return None;
                }
                design.size = size;
                Some(format!("images of {}x{} pixels", size[0], size[1]))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::design::testing;

    fn design() -> Design {
        Design { shuffles: 10, ..testing::design() }
    }

    fn speeds() -> Vec<Speed> {
        let speed = |optimiser: &str, step| Speed {
            optimiser: optimiser.to_owned(),
            size: [160, 128],
            step,
            rest: 2.0,
        };
        vec![speed("default", 0.03), speed("stable", 0.15), speed(COMMON, 0.15)]
    }

    #[test]
    fn the_cost_grows_with_what_is_done() {
        let hours = |design: &Design| design.duration(&speeds()).expect("settings").as_secs_f64();
        let all = hours(&design());
        // 30 runs of 2400 × 30 ms and 30 of 300 × 150 ms alone, two at once.
        assert!(all > (30.0 * 72.0 + 30.0 * 45.0) / 2.0, "{all}");
        assert!((hours(&Design { parallel: 1, ..design() }) / all - 2.0).abs() < 1e-9);
        assert!(hours(&Design { size: [80, 64], ..design() }) < 0.5 * all);
        assert!(hours(&Design { shuffles: 5, ..design() }) < 0.7 * all);
    }

    #[test]
    fn a_budget_gives_up_the_verdict_last() {
        let fit = |minutes: u64| {
            let budget = Duration::from_secs(60 * minutes);
            fit(&design(), &speeds(), budget, Fixed::default()).expect("settings")
        };
        let whole = fit(1000);
        assert_eq!((whole.design, whole.given_up.len(), whole.fits), (design(), 0, true));
        let mut last = u32::MAX;
        for minutes in [100, 60, 45, 30, 20, 10] {
            let fit = fit(minutes);
            assert!(fit.design.shuffles <= last);
            last = fit.design.shuffles;
            assert!(fit.design.images >= LEAST_IMAGES);
            let smallest = fit.design.images == LEAST_IMAGES && fit.design.ramp.repeats == 1;
            assert!(fit.design.shuffles >= VERDICT_SHUFFLES || smallest, "{minutes}: {fit:?}");
            assert_eq!(fit.fits, fit.duration <= Duration::from_secs(60 * minutes));
        }
        let tiny = fit(1);
        assert!(!tiny.fits && tiny.design.shuffles == 2);
        assert!(tiny.given_up.iter().any(|words| words.contains("cannot carry a verdict")));
        let fixed = Fixed { shuffles: true, images: true, size: true };
        let kept =
            super::fit(&design(), &speeds(), Duration::from_secs(60), fixed).expect("settings");
        assert_eq!(
            (kept.design.shuffles, kept.design.images, kept.design.size),
            (10, 2400, [160, 128])
        );
    }
}
