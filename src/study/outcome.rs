//! From numbers of runs to what a study says: contrasts, summaries of arms, noise, a verdict.

use std::collections::BTreeMap;

use serde::Serialize;

use super::advice::{Suspects, advice};
use super::collect::{Collected, RampResult, RunResult};
use super::contrast::{
    CONFIDENCE, Contrast, ContrastError, ContrastResult, Endpoint, Pair, Paired, compare,
};
use super::design::{Arm, Design, Labels};
use super::jobs::COMMON;
use super::verdict::{Judgement, judge};
use crate::stats::interval::{bootstrap, mean};
use crate::stats::spread::{Spread, one_way};

/// What a study says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The primary contrasts, the positive control, and what else is compared at an endpoint.
    pub contrasts: Vec<ContrastResult>,
    /// Further measures: mean paired differences with bootstrap intervals, without tests.
    pub secondary: Vec<Secondary>,
    /// Each arm under each optimiser: the mean of each measure over shuffles.
    pub cells: Vec<Cell>,
    /// Each arm's stability margin, and each optimiser's.
    pub margins: Vec<Cell>,
    /// Spread of the log test error of `dirty` and `clean` between shuffles and between seeds of
    /// one shuffle, for each optimiser.
    pub luck: Vec<Luck>,
    /// Standard deviation of ramps that differ by the seed alone, in decimal logarithms of the
    /// rate, and the degrees of freedom that it rests on; `None` without repeats.
    pub ramp_noise: Option<Spread>,
    /// The verdict and its sentence.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// What to do next, in sentences.
    pub advice: Vec<String>,
}

/// A measure that is shown, and not tested.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Secondary {
    /// Name of the measure, as in `measures`.
    pub measure: &'static str,
    /// What is compared.
    pub contrast: String,
    /// Mean difference, first less second.
    pub estimate: f64,
    /// Bootstrap interval of 95 %; `None` of fewer than two pairs.
    pub ci_low: Option<f64>,
    /// Its upper limit.
    pub ci_high: Option<f64>,
    /// Pairs.
    pub n: usize,
}

/// Mean of a measure in one arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Name of the arm.
    pub arm: String,
    /// Name of the optimiser.
    pub optimiser: String,
    /// Name of the measure.
    pub measure: &'static str,
    /// Mean over shuffles.
    pub mean: f64,
    /// Bootstrap interval of 95 %; `None` of fewer than two shuffles.
    pub ci_low: Option<f64>,
    /// Its upper limit.
    pub ci_high: Option<f64>,
    /// Least and greatest.
    pub range: [f64; 2],
    /// Shuffles.
    pub n: usize,
}

/// Luck of the split and of the seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Luck {
    /// Name of the arm.
    pub arm: String,
    /// Name of the optimiser.
    pub optimiser: String,
    /// Standard deviations of the natural logarithm of the test error.
    #[serde(flatten)]
    pub spread: Spread,
}

/// A measure of a run.
struct Measure {
    name: &'static str,
    of: fn(&RunResult) -> Option<f64>,
    /// Whether it may be compared between batches of different size.
    any_batch: bool,
}

/// All measures, in the order of the report.
const MEASURES: [Measure; 16] = [
    Measure { name: "error_px", of: |run| run.error_px, any_batch: true },
    Measure { name: "error_px_median", of: |run| run.error_px_median, any_batch: true },
    Measure { name: "error_bl", of: |run| run.error_bl, any_batch: true },
    Measure { name: "error_px_as_labelled", of: |run| run.error_px_as_labelled, any_batch: true },
    Measure { name: "pck_0_1", of: |run| run.pck_0_1, any_batch: true },
    Measure { name: "oks_map", of: |run| run.oks_map, any_batch: true },
    Measure {
        name: "likelihood_below_0_001",
        of: |run| run.likelihood_below_0_001,
        any_batch: true,
    },
    Measure { name: "excursion", of: |run| run.curves.excursion, any_batch: true },
    Measure { name: "spikes_2x", of: |run| run.curves.spikes_2x, any_batch: false },
    Measure { name: "spikes_5x", of: |run| run.curves.spikes_5x, any_batch: false },
    Measure { name: "steps_lost", of: |run| Some(run.curves.steps_lost as f64), any_batch: false },
    Measure { name: "non_finite", of: |run| Some(run.curves.non_finite as f64), any_batch: false },
    Measure { name: "rollbacks", of: |run| Some(run.rollbacks as f64), any_batch: false },
    Measure { name: "failed", of: |run| Some(f64::from(u8::from(run.failed))), any_batch: true },
    Measure { name: "grad_norm_p99_p50", of: |run| run.curves.grad_norm_p99_p50, any_batch: false },
    Measure {
        name: "log_loss_roughness",
        of: |run| run.curves.log_loss_roughness,
        any_batch: false,
    },
];

/// Returns what a study says.
///
/// # Errors
/// [`ContrastError`] where a run is there twice.
pub fn outcome(
    design: &Design,
    collected: &Collected,
    suspects: Suspects,
) -> Result<Outcome, ContrastError> {
    let view = View { design, collected };
    let contrasts = compare(&view.paired(), design.seed)?;
    let judgement = judge(&contrasts);
    let mut outcome = Outcome {
        secondary: view.secondary(),
        cells: view.cells(),
        margins: view.margins(),
        luck: view.luck(),
        ramp_noise: view.ramp_noise(),
        advice: Vec::new(),
        contrasts,
        judgement,
    };
    outcome.advice = advice(design, &outcome, suspects);
    Ok(outcome)
}

struct View<'a> {
    design: &'a Design,
    collected: &'a Collected,
}

impl View<'_> {
    /// Returns the first arm that trains on all images and keypoints with such labels.
    fn arm(&self, labels: &Labels) -> Option<&Arm> {
        let whole = |arm: &&Arm| arm.fraction >= 1.0 && arm.keypoints.is_none();
        self.design.arms.iter().filter(whole).find(|arm| arm.labels == *labels)
    }

    /// Returns the optimiser under which labels are compared: `stable`, else the last.
    fn for_labels(&self) -> Option<&str> {
        let stable = self.design.optimiser("stable").or(self.design.optimisers.last());
        stable.map(|optimiser| optimiser.name.as_str())
    }

    /// Returns the run of an arm, optimiser and shuffle, of the first seed.
    fn run(&self, arm: &str, optimiser: &str, shuffle: u32) -> Option<&RunResult> {
        self.collected.runs.iter().find(|run| {
            run.repeat == 0
                && run.arm == arm
                && run.optimiser == optimiser
                && run.shuffle == shuffle
        })
    }

    /// Returns the mean margin of the ramps of an arm, optimiser and shuffle, and whether one of
    /// them only bounds it.
    fn margin(&self, arm: &str, optimiser: &str, shuffle: u32) -> Option<(f64, bool)> {
        let ramps: Vec<&RampResult> = self
            .collected
            .ramps
            .iter()
            .filter(|ramp| {
                ramp.arm == arm && ramp.optimiser == optimiser && ramp.shuffle == shuffle
            })
            .collect();
        let margins: Vec<f64> = ramps.iter().filter_map(|ramp| ramp.margin_log10).collect();
        let censored = ramps.iter().any(|ramp| ramp.censored);
        // A mean of fewer ramps than the others' would be noisier: the pair is left out.
        (margins.len() == self.design.ramp.repeats as usize && !margins.is_empty())
            .then(|| (mean(&margins), censored))
    }

    /// Returns the pairs of all contrasts that the design has arms for.
    fn paired(&self) -> Vec<Paired> {
        let mut all = Vec::new();
        let labels = [
            (Contrast::CleanMinusRandom, Labels::Clean, Labels::Random),
            (Contrast::TruthMinusDirty, Labels::Truth, Labels::Dirty),
            (Contrast::CleanMinusDirty, Labels::Clean, Labels::Dirty),
            (Contrast::FixedMinusDirty, Labels::Fixed, Labels::Dirty),
        ];
        for (contrast, treated, control) in labels {
            let (Some(treated), Some(control)) = (self.arm(&treated), self.arm(&control)) else {
                continue;
            };
            let Some(optimiser) = self.for_labels() else { continue };
            let [a, b] = [&treated.name, &control.name];
            all.push(self.errors(contrast, [a, optimiser], [b, optimiser]));
            all.extend(self.spikes(contrast, a, b));
            all.extend(self.ramps(contrast, [a, COMMON], [b, COMMON]));
        }
        let two = |name| self.design.optimiser(name).map(|optimiser| optimiser.name.as_str());
        if let (Some(dirty), Some(stable), Some(default)) =
            (self.arm(&Labels::Dirty), two("stable"), two("default"))
        {
            let contrast = Contrast::StableMinusDefault;
            all.push(self.errors(contrast, [&dirty.name, stable], [&dirty.name, default]));
            all.extend(self.ramps(contrast, [&dirty.name, stable], [&dirty.name, default]));
        }
        all
    }

    fn errors(&self, contrast: Contrast, treated: [&str; 2], control: [&str; 2]) -> Paired {
        self.runs(Endpoint::TestError, contrast, treated, control, |run| run.error_px)
    }

    /// Returns the pairs of spike rates under the default optimiser: the stable one, whose rate
    /// rises slowly, hardly has any.
    fn spikes(&self, contrast: Contrast, treated: &str, control: &str) -> Option<Paired> {
        let optimiser = self.design.optimiser("default")?.name.as_str();
        let spikes = |run: &RunResult| run.curves.spikes_5x;
        let arms = [[treated, optimiser], [control, optimiser]];
        Some(self.runs(Endpoint::SpikeRate, contrast, arms[0], arms[1], spikes))
    }

    fn runs(
        &self,
        endpoint: Endpoint,
        contrast: Contrast,
        treated: [&str; 2],
        control: [&str; 2],
        measure: fn(&RunResult) -> Option<f64>,
    ) -> Paired {
        let pair = |shuffle| {
            let value =
                |[arm, optimiser]: [&str; 2]| self.run(arm, optimiser, shuffle).and_then(measure);
            let (treated, control) = (value(treated)?, value(control)?);
            Some(Pair { shuffle, treated, control, censored: false })
        };
        Paired {
            endpoint,
            contrast,
            planned: self.design.shuffles as usize,
            pairs: (0..self.design.shuffles).filter_map(pair).collect(),
        }
    }

    fn ramps(&self, contrast: Contrast, treated: [&str; 2], control: [&str; 2]) -> Option<Paired> {
        let pair = |shuffle| {
            let margin = |[arm, optimiser]: [&str; 2]| self.margin(arm, optimiser, shuffle);
            let ((treated, bound), (control, other)) = (margin(treated)?, margin(control)?);
            Some(Pair { shuffle, treated, control, censored: bound || other })
        };
        (self.design.ramp.repeats > 0).then(|| Paired {
            endpoint: Endpoint::StabilityMargin,
            contrast,
            planned: self.design.shuffles as usize,
            pairs: (0..self.design.shuffles).filter_map(pair).collect(),
        })
    }

    fn secondary(&self) -> Vec<Secondary> {
        let mut all = Vec::new();
        let Some(optimiser) = self.for_labels() else { return all };
        let labels = [
            (Labels::Clean, Labels::Random),
            (Labels::Truth, Labels::Dirty),
            (Labels::Clean, Labels::Dirty),
            (Labels::Fixed, Labels::Dirty),
        ];
        for measure in &MEASURES {
            for (treated, control) in &labels {
                let (Some(treated), Some(control)) = (self.arm(treated), self.arm(control)) else {
                    continue;
                };
                let contrast = format!("{} - {} ({optimiser})", treated.name, control.name);
                let differences = self.differences(
                    measure.of,
                    [&treated.name, optimiser],
                    [&control.name, optimiser],
                );
                all.extend(self.summary(measure.name, contrast, &differences));
            }
            let dirty = self.arm(&Labels::Dirty);
            let two = ["stable", "default"].map(|name| self.design.optimiser(name).is_some());
            if let (Some(dirty), true, [true, true]) = (dirty, measure.any_batch, two) {
                let differences =
                    self.differences(measure.of, [&dirty.name, "stable"], [&dirty.name, "default"]);
                let contrast = format!("stable - default ({})", dirty.name);
                all.extend(self.summary(measure.name, contrast, &differences));
            }
        }
        all.extend(self.interaction());
        all
    }

    /// Returns how much more cleaning changes the log error under `stable` than under `default`.
    fn interaction(&self) -> Option<Secondary> {
        let (clean, random) = (self.arm(&Labels::Clean)?, self.arm(&Labels::Random)?);
        let log: fn(&RunResult) -> Option<f64> = |run| run.error_px.map(f64::ln);
        let [stable, default] = ["stable", "default"].map(|optimiser| {
            self.by_shuffle(log, [&clean.name, optimiser], [&random.name, optimiser])
        });
        let differences: Vec<f64> = stable
            .iter()
            .filter_map(|(shuffle, difference)| Some(difference - default.get(shuffle)?))
            .collect();
        let contrast = "(clean - random under stable) - (the same under default)".to_owned();
        self.summary("log_error_px", contrast, &differences)
    }

    fn by_shuffle(
        &self,
        measure: fn(&RunResult) -> Option<f64>,
        treated: [&str; 2],
        control: [&str; 2],
    ) -> BTreeMap<u32, f64> {
        let value = |[arm, optimiser]: [&str; 2], shuffle| {
            self.run(arm, optimiser, shuffle).and_then(measure).filter(|value| value.is_finite())
        };
        (0..self.design.shuffles)
            .filter_map(|at| Some((at, value(treated, at)? - value(control, at)?)))
            .collect()
    }

    fn differences(
        &self,
        measure: fn(&RunResult) -> Option<f64>,
        treated: [&str; 2],
        control: [&str; 2],
    ) -> Vec<f64> {
        self.by_shuffle(measure, treated, control).into_values().collect()
    }

    fn summary(
        &self,
        measure: &'static str,
        contrast: String,
        differences: &[f64],
    ) -> Option<Secondary> {
        let interval = bootstrap(differences, mean, CONFIDENCE, self.design.seed);
        (!differences.is_empty()).then(|| Secondary {
            measure,
            contrast,
            estimate: mean(differences),
            ci_low: interval.map(|interval| interval.low),
            ci_high: interval.map(|interval| interval.high),
            n: differences.len(),
        })
    }

    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for measure in &MEASURES {
            for arm in &self.design.arms {
                for optimiser in &self.design.optimisers {
                    let values: Vec<f64> = (0..self.design.shuffles)
                        .filter_map(|at| self.run(&arm.name, &optimiser.name, at))
                        .filter_map(measure.of)
                        .filter(|value| value.is_finite())
                        .collect();
                    cells.extend(self.cell(&arm.name, &optimiser.name, measure.name, &values));
                }
            }
        }
        cells
    }

    fn margins(&self) -> Vec<Cell> {
        let mut names: Vec<[&str; 2]> = Vec::new();
        for ramp in &self.collected.ramps {
            let name = [ramp.arm.as_str(), ramp.optimiser.as_str()];
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let cell = |[arm, optimiser]: [&str; 2]| {
            let values: Vec<f64> = (0..self.design.shuffles)
                .filter_map(|at| Some(self.margin(arm, optimiser, at)?.0))
                .collect();
            self.cell(arm, optimiser, "margin_log10", &values)
        };
        names.into_iter().filter_map(cell).collect()
    }

    fn cell(
        &self,
        arm: &str,
        optimiser: &str,
        measure: &'static str,
        values: &[f64],
    ) -> Option<Cell> {
        let interval = bootstrap(values, mean, CONFIDENCE, self.design.seed);
        let least = values.iter().copied().min_by(f64::total_cmp)?;
        Some(Cell {
            arm: arm.to_owned(),
            optimiser: optimiser.to_owned(),
            measure,
            mean: mean(values),
            ci_low: interval.map(|interval| interval.low),
            ci_high: interval.map(|interval| interval.high),
            range: [least, values.iter().copied().fold(least, f64::max)],
            n: values.len(),
        })
    }

    fn luck(&self) -> Vec<Luck> {
        let mut all = Vec::new();
        for arm in &self.design.arms {
            for optimiser in &self.design.optimisers {
                let groups: Vec<Vec<f64>> = (0..self.design.shuffles)
                    .map(|shuffle| {
                        let of = self.collected.runs.iter().filter(|run| {
                            run.arm == arm.name
                                && run.optimiser == optimiser.name
                                && run.shuffle == shuffle
                        });
                        of.filter_map(|run| run.error_px).map(f64::ln).collect()
                    })
                    .collect();
                all.extend(one_way(&groups).map(|spread| Luck {
                    arm: arm.name.clone(),
                    optimiser: optimiser.name.clone(),
                    spread,
                }));
            }
        }
        all
    }

    fn ramp_noise(&self) -> Option<Spread> {
        let mut groups: BTreeMap<(&str, &str, u32), Vec<f64>> = BTreeMap::new();
        for ramp in &self.collected.ramps {
            let of = groups.entry((&ramp.arm, &ramp.optimiser, ramp.shuffle)).or_default();
            of.extend(ramp.margin_log10);
        }
        one_way(&groups.into_values().collect::<Vec<_>>())
    }
}
