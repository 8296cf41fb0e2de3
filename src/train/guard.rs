//! The guard: notices when a training goes wrong, and says what is to be done.
//!
//! Takes loss and gradient norm of each step, before its update; gives an [`Alarm`], and by the
//! policy an [`Action`]. It neither moves a weight nor reads a checkpoint: that is its caller's
//! business, who tells it of a rollback.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::stats::spikes::{SpikeDetector, SpikeSettings};

/// What is done about an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It is written down, and training goes on.
    Record,
    /// The batch moves no weight.
    Skip,
    /// Training goes on from the last good checkpoint, at a lower learning rate.
    #[default]
    Rollback,
}

/// How the guard judges and acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSettings {
    /// What is done about an alarm.
    pub policy: Policy,
    /// Rollbacks before the guard gives up; all may be used again after a calm.
    pub retries: u32,
    /// What a rollback leaves of the learning rate, above 0 to 1.
    pub rate_factor: f64,
    /// Steps without an alarm that count as a calm. More than a rollback goes back, or the same
    /// spike could be met for ever.
    pub calm_steps: u64,
    /// Alarms in a row, each with weights that its forerunners did not move, after which it is
    /// the weights that are at fault and the guard gives up.
    pub patience: u32,
    /// Steps before an alarm in which it may already have begun: a checkpoint of those is not
    /// good.
    pub settle_steps: u64,
    /// Alarms of a run whose cause is looked for by replay, which costs 34 passes.
    pub replays: u32,
    /// Loss below which nothing is a spike, 0 or more: with classes a loss may fall to nearly
    /// nothing, and a single hard image then stands hundreds of times above it. A run takes the
    /// loss of a guess, `ln C` of `C` classes, where this is 0.
    pub harmless_loss: f64,
    /// What is a spike of the loss.
    pub loss: SpikeSettings,
    /// What is a spike of the gradient's norm.
    pub norm: SpikeSettings,
}

impl Default for GuardSettings {
    fn default() -> Self {
        GuardSettings {
            policy: Policy::Rollback,
            retries: 3,
            rate_factor: 0.5,
            calm_steps: 500,
            patience: 20,
            settle_steps: 20,
            replays: 5,
            harmless_loss: 0.0,
            loss: SpikeSettings::LOSS,
            norm: SpikeSettings::NORM,
        }
    }
}

/// What a step shows before its update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Loss of the batch.
    pub loss: f64,
    /// Norm of all gradients, before clipping.
    pub norm: f64,
}

/// What is wrong with a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of")]
pub enum Alarm {
    /// Loss or gradient is not a finite number.
    NonFinite,
    /// The loss is a spike.
    Loss {
        /// Robust standard deviations above its level.
        z: f64,
    },
    /// The gradient's norm is a spike, the loss is none.
    Gradient {
        /// Robust standard deviations above its level.
        z: f64,
    },
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, z) = match self {
            Alarm::NonFinite => return f.write_str("loss or gradient is not a finite number"),
            Alarm::Loss { z } => ("loss", z),
            Alarm::Gradient { z } => ("gradient", z),
        };
        write!(f, "the {what} spikes: {z:.1} robust standard deviations above its level")
    }
}

/// What is to be done about a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The weights are updated. Where a gradient is not finite, the update leaves them as they
    /// are.
    Continue,
    /// The weights are not updated.
    SkipBatch,
    /// Training goes on from the last good checkpoint, with the batches that follow. The caller
    /// then tells [`Guard::rolled_back`].
    Rollback {
        /// What is left of the learning rate: a factor besides those of former rollbacks.
        rate_factor: f64,
    },
    /// Training ends with the last good checkpoint.
    Stop {
        /// Why, and what may help: a lower-case fragment.
        reason: String,
    },
}

/// What the guard remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardState {
    loss: SpikeDetector,
    norm: SpikeDetector,
    /// Rollbacks since the last calm.
    rollbacks: u32,
    /// Steps since the last alarm.
    calm: u64,
    /// Alarms since the last step without one.
    in_a_row: u32,
}

/// Watches a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    settings: GuardSettings,
    state: GuardState,
}

impl Guard {
    /// Returns a guard that has seen nothing, or goes on from a state that was saved.
    pub fn new(settings: GuardSettings, state: GuardState) -> Self {
        Guard { settings, state }
    }

    /// Returns what it remembers, to be saved with a checkpoint.
    pub fn state(&self) -> &GuardState {
        &self.state
    }

    /// Looks at a step before its update. Only what raises no alarm enters what is expected of
    /// later steps.
    pub fn observe(&mut self, observation: &Observation) -> Option<Alarm> {
        let alarm = self.alarm(observation);
        let GuardSettings { loss, norm, calm_steps, .. } = &self.settings;
        let state = &mut self.state;
        if alarm.is_some() {
            state.loss.refuse(loss);
            state.norm.refuse(norm);
            state.calm = 0;
            state.in_a_row += 1;
        } else {
            state.loss.accept(observation.loss, loss);
            state.norm.accept(observation.norm, norm);
            state.calm += 1;
            state.in_a_row = 0;
            if state.calm >= *calm_steps {
                state.rollbacks = 0;
            }
        }
        alarm
    }

    fn alarm(&self, observation: &Observation) -> Option<Alarm> {
        let Observation { loss, norm } = *observation;
        let GuardSettings { loss: of_loss, norm: of_norm, .. } = &self.settings;
        if !loss.is_finite() || !norm.is_finite() {
            return Some(Alarm::NonFinite);
        }
        if loss < self.settings.harmless_loss {
            return None;
        }
        let spike = |z: Option<f64>, settings: &SpikeSettings| z.filter(|&z| z > settings.z);
        let by_loss = spike(self.state.loss.z(loss, of_loss), of_loss);
        let by_norm = || spike(self.state.norm.z(norm, of_norm), of_norm);
        by_loss.map(|z| Alarm::Loss { z }).or_else(|| by_norm().map(|z| Alarm::Gradient { z }))
    }

    /// Returns what is to be done about an alarm at a step.
    pub fn on_alarm(&mut self, alarm: &Alarm, step: u64) -> Action {
        let GuardSettings { policy, retries, rate_factor, patience, .. } = self.settings;
        // Then no update moved the weights since the first of them.
        let stands_still = policy == Policy::Skip || *alarm == Alarm::NonFinite;
        if policy != Policy::Rollback && stands_still && self.state.in_a_row >= patience {
            let reason = format!(
                "the last {patience} batches up to step {step} all raised an alarm ({alarm}): the \
                 weights have diverged; lower optimiser.learning_rate, or set guard.policy=rollback"
            );
            return Action::Stop { reason };
        }
        match policy {
            Policy::Record => Action::Continue,
            Policy::Skip => Action::SkipBatch,
            Policy::Rollback if self.state.rollbacks < retries => {
                self.state.rollbacks += 1;
                Action::Rollback { rate_factor }
            }
            Policy::Rollback => {
                let reason = format!(
                    "{alarm} at step {step}, again after {retries} rollbacks; lower \
                     optimiser.learning_rate, or look at the images of the spikes in events.jsonl"
                );
                Action::Stop { reason }
            }
        }
    }

    /// Goes back to what the guard expected at a checkpoint, given the state that was saved with
    /// it. Rollbacks stay counted.
    pub fn rolled_back(&mut self, checkpoint: &GuardState) {
        self.state.loss = checkpoint.loss.clone();
        self.state.norm = checkpoint.norm.clone();
        self.state.in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::spikes::tests::{Noise, falling};

    fn guard(policy: Policy) -> Guard {
        let settings = GuardSettings { policy, ..GuardSettings::default() };
        let mut guard = Guard::new(settings, GuardState::default());
        assert_eq!(calm(&mut guard, 100), 0);
        guard
    }

    /// Shows calm steps and returns how many raised an alarm.
    fn calm(guard: &mut Guard, steps: u64) -> usize {
        let observation = Observation { loss: 0.01, norm: 0.5 };
        (0..steps).filter(|_| guard.observe(&observation).is_some()).count()
    }

    /// Shows a spike and returns what is to be done.
    fn spike(guard: &mut Guard, observation: Observation) -> Action {
        let alarm = guard.observe(&observation).expect("an alarm");
        guard.on_alarm(&alarm, 7)
    }

    const SPIKE: Observation = Observation { loss: 0.2, norm: 0.5 };
    const BROKEN: Observation = Observation { loss: f64::NAN, norm: f64::INFINITY };

    #[test]
    fn healthy_runs_raise_at_most_one_alarm() {
        // Spread of loss and norm: batches of 8, and single images.
        for (of_loss, of_norm) in [(0.2, 0.4), (0.38, 0.65)] {
            for seed in 0..5 {
                let mut noise = Noise(seed);
                let mut guard = Guard::new(GuardSettings::default(), GuardState::default());
                let alarms = (0..10_000)
                    .filter(|&step| {
                        // A batch that is hard has a large gradient, too.
                        let hard = noise.normal();
                        let loss = (falling(step) + of_loss * hard).exp();
                        let own = 0.6 * hard + 0.8 * noise.normal();
                        let norm = (0.5 * falling(step) + of_norm * own).exp();
                        guard.observe(&Observation { loss, norm }).is_some()
                    })
                    .count();
                assert!(alarms <= 1, "{alarms} with {of_loss}, seed {seed}");
            }
        }
    }

    #[test]
    fn what_is_below_the_harmless_loss_is_no_spike() {
        let settings = GuardSettings { harmless_loss: 0.69, ..GuardSettings::default() };
        let mut guard = Guard::new(settings, GuardState::default());
        for _ in 0..100 {
            assert_eq!(guard.observe(&Observation { loss: 1e-5, norm: 1e-4 }), None);
        }
        assert_eq!(guard.observe(&Observation { loss: 0.5, norm: 2.0 }), None);
        let wild = guard.observe(&Observation { loss: 5.0, norm: 2.0 });
        assert!(matches!(wild, Some(Alarm::Loss { .. })));
    }

    #[test]
    fn each_thing_that_goes_wrong_has_its_alarm() {
        let mut guard = guard(Policy::Record);
        let mut seen = |loss, norm| guard.observe(&Observation { loss, norm });
        assert!(matches!(seen(0.1, 0.5), Some(Alarm::Loss { z }) if z > 8.0));
        assert!(matches!(seen(0.01, 50.0), Some(Alarm::Gradient { .. })));
        assert!(matches!(seen(0.1, 50.0), Some(Alarm::Loss { .. })));
        for (loss, norm) in [(f64::NAN, 0.5), (0.01, f64::NAN), (f64::INFINITY, 0.5)] {
            assert_eq!(seen(loss, norm), Some(Alarm::NonFinite));
        }
        assert_eq!(seen(0.01, 0.5), None);
        assert_eq!(
            Alarm::Loss { z: 9.04 }.to_string(),
            "the loss spikes: 9.0 robust standard deviations above its level"
        );
        let json = serde_json::to_string(&[Alarm::NonFinite, Alarm::Loss { z: 9.5 }]);
        assert_eq!(json.expect("JSON"), r#"[{"of":"non-finite"},{"of":"loss","z":9.5}]"#);
    }

    #[test]
    fn spikes_are_recorded_without_end_but_not_weights_that_stand_still() {
        let mut guard = guard(Policy::Record);
        for _ in 0..30 {
            assert_eq!(spike(&mut guard, SPIKE), Action::Continue);
        }
        calm(&mut guard, 1);
        for _ in 1..guard.settings.patience {
            assert_eq!(spike(&mut guard, BROKEN), Action::Continue);
        }
        assert!(matches!(spike(&mut guard, BROKEN), Action::Stop { .. }));
    }

    #[test]
    fn batches_are_skipped_until_it_is_the_weights() {
        let mut guard = guard(Policy::Skip);
        for _ in 1..guard.settings.patience {
            assert_eq!(spike(&mut guard, SPIKE), Action::SkipBatch);
        }
        let Action::Stop { reason } = spike(&mut guard, SPIKE) else { panic!("enough") };
        assert!(reason.contains("20 batches up to step 7"), "{reason}");
    }

    #[test]
    fn rollbacks_are_few_and_come_back_after_a_calm() {
        let mut guard = guard(Policy::Rollback);
        let checkpoint = guard.state().clone();
        let rolls_back = |guard: &mut Guard| {
            assert_eq!(spike(guard, SPIKE), Action::Rollback { rate_factor: 0.5 });
            guard.rolled_back(&checkpoint);
        };
        (0..2).for_each(|_| rolls_back(&mut guard));
        let calm_steps = guard.settings.calm_steps;
        calm(&mut guard, calm_steps);
        (0..3).for_each(|_| rolls_back(&mut guard));
        calm(&mut guard, calm_steps - 1);
        let Action::Stop { reason } = spike(&mut guard, BROKEN) else { panic!("enough") };
        assert!(reason.contains("after 3 rollbacks"), "{reason}");
    }

    #[test]
    fn a_rollback_restores_what_was_expected() {
        let mut guard = guard(Policy::Rollback);
        let checkpoint = guard.state().clone();
        // A slow divergence has become what is expected.
        for step in 0..50 {
            let loss = 0.01 * 1.05_f64.powi(step);
            assert_eq!(guard.observe(&Observation { loss, norm: 0.5 }), None);
        }
        spike(&mut guard, BROKEN);
        guard.rolled_back(&checkpoint);
        assert_eq!(guard.state().loss, checkpoint.loss);
        assert_eq!(guard.state().rollbacks, 1);
        assert_eq!(guard.observe(&Observation { loss: 0.01, norm: 0.5 }), None);
        assert!(guard.observe(&Observation { loss: 0.1, norm: 0.5 }).is_some());
    }

    #[test]
    fn settings_are_read_with_their_defaults() {
        let settings: GuardSettings =
            toml::from_str("policy = \"skip\"\nretries = 1").expect("settings");
        assert_eq!((settings.policy, settings.retries), (Policy::Skip, 1));
        assert_eq!(settings.loss, SpikeSettings::LOSS);
        let text = toml::to_string(&settings).expect("text");
        assert_eq!(toml::from_str::<GuardSettings>(&text).expect("settings"), settings);
        assert!(toml::from_str::<GuardSettings>("polisy = \"skip\"").is_err());
    }

    #[test]
    fn what_was_saved_goes_on_as_if_it_had_not_been() {
        let mut noise = Noise(5);
        let mut guard = guard(Policy::Record);
        let seen = |guard: &mut Guard, seed: u64| {
            let mut noise = Noise(seed);
            let [loss, norm] = [0.4, 0.6].map(|spread| (spread * noise.normal()).exp());
            guard.observe(&Observation { loss, norm })
        };
        for _ in 0..300 {
            let seed = (1e9 * noise.unit()) as u64;
            seen(&mut guard, seed);
        }
        let text = serde_json::to_string(guard.state()).expect("JSON");
        let state = serde_json::from_str(&text).expect("what was saved");
        let mut again = Guard::new(guard.settings.clone(), state);
        for seed in 0..300 {
            assert_eq!(seen(&mut guard, seed), seen(&mut again, seed));
        }
        assert_eq!(guard, again);
    }
}
