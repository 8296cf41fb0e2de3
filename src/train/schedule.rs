//! Learning rates over the steps of a training.
//!
//! Takes the number of a step; gives what the highest learning rate is multiplied by.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::config::ConfigError;

/// How the learning rate changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// The same all the time, after a warm-up.
    Constant {
        /// Steps over which it rises from 0.
        warm_up: u64,
    },
    /// `f + (1 − f)·(1 + cos πt)/2`, `t` from 0 to 1 over the steps after the warm-up.
    ///
    /// # Source
    /// Loshchilov and Hutter (2017), "SGDR", arXiv:1608.03983, equation 5; with a last share
    /// `f` as TensorFlow's `cosine_decay` has in `alpha`.
    Cosine {
        /// Steps over which it rises from 0.
        warm_up: u64,
        /// Share `f` of the highest rate at the end, 0 to 1.
        last: f64,
        /// Steps until the end of the fall; 0 takes those of the training.
        over: u64,
    },
    /// A list of rates.
    Steps {
        /// Pairs of the step up to which a rate holds, and of its share of the highest, in
        /// the order of steps. The last holds to the end.
        list: Vec<(u64, f64)>,
    },
    /// A rate that is safe for a while, then one that rises exponentially to the end: how far a
    /// training can go before it diverges.
    Ramp {
        /// Steps at the safe share.
        safe_steps: u64,
        /// Share of the highest rate that is safe.
        safe: f64,
        /// Share with which the rise begins; it ends with 1.
        first: f64,
    },
}

impl Schedule {
    /// Returns the share of the highest rate at a step, counted from 0, of a training of
    /// `steps` steps. A warm-up of `w` steps gives `1/w` at the first and 1 at step `w − 1`.
    pub fn share(&self, step: u64, steps: u64) -> f64 {
        match self {
            Schedule::Constant { warm_up } => warmth(step, *warm_up),
            Schedule::Cosine { warm_up, last, over } => {
                if step < *warm_up {
                    return warmth(step, *warm_up);
                }
                let over = if *over == 0 { steps } else { *over };
                let length = over.saturating_sub(*warm_up).max(1);
                let t = ((step - warm_up) as f64 / length as f64).min(1.0);
                last + (1.0 - last) * (1.0 + (PI * t).cos()) / 2.0
            }
            Schedule::Steps { list } => {
                let current = list.iter().find(|(until, _)| step < *until).or(list.last());
                current.map_or(1.0, |(_, share)| *share)
            }
            Schedule::Ramp { safe_steps, safe, first } => {
                if step < *safe_steps {
                    return *safe;
                }
                let length = steps.saturating_sub(*safe_steps + 1).max(1);
                let t = ((step - safe_steps) as f64 / length as f64).min(1.0);
                first.powf(1.0 - t)
            }
        }
    }

    /// Checks what types do not.
    ///
    /// # Errors
    /// [`ConfigError::Range`].
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, found, needs| Err(ConfigError::Range { key, found, needs });
        match self {
            Schedule::Cosine { last, .. } if !(0.0..=1.0).contains(last) => {
                wrong("schedule.last", last.to_string(), "has to lie between 0 and 1")
            }
            Schedule::Steps { list } => {
                let rising = list.windows(2).all(|pair| pair[0].0 < pair[1].0);
                let shares = list.iter().all(|(_, share)| share.is_finite() && *share >= 0.0);
                if list.is_empty() || !rising || !shares {
                    let needs =
                        "has to be pairs [until step, share of the rate], in the order of steps";
                    return wrong("schedule.list", format!("{list:?}"), needs);
                }
                Ok(())
            }
            Schedule::Ramp { safe, first, .. } => {
                for (key, share) in [("schedule.safe", safe), ("schedule.first", first)] {
                    if !(*share > 0.0 && *share <= 1.0) {
                        return wrong(key, share.to_string(), "has to be above 0 and at most 1");
                    }
                }
                Ok(())
            }
            Schedule::Constant { .. } | Schedule::Cosine { .. } => Ok(()),
        }
    }
}

fn warmth(step: u64, warm_up: u64) -> f64 {
    if step < warm_up { (step + 1) as f64 / warm_up as f64 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_and_falls() {
        let schedule = Schedule::Cosine { warm_up: 10, last: 0.1, over: 0 };
        let share = |step| schedule.share(step, 110);
        assert_eq!(share(0), 0.1);
        assert_eq!(share(9), 1.0);
        assert_eq!(share(10), 1.0);
        assert!((share(60) - 0.55).abs() < 1e-12);
        assert!((share(110) - 0.1).abs() < 1e-12);
        assert!((share(500) - 0.1).abs() < 1e-12, "it stays down");
    }

    #[test]
    fn a_ramp_is_safe_first_and_ends_at_its_highest() {
        let schedule = Schedule::Ramp { safe_steps: 10, safe: 0.02, first: 0.01 };
        let share = |step| schedule.share(step, 111);
        assert_eq!([share(0), share(9)], [0.02, 0.02]);
        for (step, expected) in [(10, 0.01), (60, 0.1), (110, 1.0), (500, 1.0)] {
            assert!((share(step) - expected).abs() < 1e-12, "{step}: {}", share(step));
        }
        assert!(Schedule::Ramp { safe_steps: 1, safe: 0.0, first: 0.1 }.check().is_err());
    }

    #[test]
    fn lists_hold_until_their_steps() {
        let schedule = Schedule::Steps { list: vec![(10, 0.25), (430, 1.0), (730, 0.1)] };
        let shares: Vec<f64> =
            [0, 9, 10, 429, 430, 9999].map(|step| schedule.share(step, 10_000)).to_vec();
        assert_eq!(shares, [0.25, 0.25, 1.0, 1.0, 0.1, 0.1]);
        assert!(Schedule::Steps { list: vec![(10, 1.0), (5, 1.0)] }.check().is_err());
    }
}
