//! The plan: which transforms a sample may undergo, in which order, how probably.

use serde::{Deserialize, Serialize};

use super::check::{Unfit, within};
use super::{
    Brightness, Clahe, CoarseDropout, CropAndPad, Elastic, Emboss, Equalize, Flip, MotionBlur,
    Noise, Rotate, Scale, Shift,
};

/// A list of steps. In TOML:
///
/// ```
/// let plan = labelvet::augment::Plan::from_toml(
///     r#"
///     [[step]]
///     transform = "rotate"
///     probability = 0.4
///     degrees = 25
///     "#,
/// )?;
/// assert_eq!(plan.steps.len(), 1);
/// # Ok::<(), labelvet::augment::PlanError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Tables")]
pub struct Plan {
    /// The steps in their order; `[[step]]` in TOML.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// A transform and how probably a sample undergoes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// The transform; its keys stand beside `transform = "name"` and `probability`.
    #[serde(flatten)]
    pub transform: Transform,
    /// Probability, 0 to 1; 1 where a file does not say.
    pub probability: f64,
}

/// A transform by its name in a plan: `rotate`, `crop_and_pad`, …
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "transform", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is documented where it is defined")]
pub enum Transform {
    Rotate(Rotate),
    Scale(Scale),
    Shift(Shift),
    Flip(Flip),
    CropAndPad(CropAndPad),
    Elastic(Elastic),
    MotionBlur(MotionBlur),
    Noise(Noise),
    CoarseDropout(CoarseDropout),
    Equalize(Equalize),
    Clahe(Clahe),
    Emboss(Emboss),
    Brightness(Brightness),
}

/// Says why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is not TOML, or not of steps.
    #[error("the plan is not valid: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A step names no transform.
    #[error("step {step} has no `transform`")]
    Nameless {
        /// Number of the step, from 1.
        step: usize,
    },
    /// The keys of a step are not those of its transform, or there is no such transform.
    #[error("step {step} (`{transform}`): {reason}")]
    Keys {
        /// Number of the step, from 1.
        step: usize,
        /// Name of the transform.
        transform: String,
        /// What is wrong, a fragment.
        reason: String,
    },
    /// A number is out of its range.
    #[error("step {step} (`{transform}`): `{key}` {reason}")]
    Range {
        /// Number of the step, from 1.
        step: usize,
        /// Name of the transform.
        transform: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it, a fragment.
        reason: String,
    },
    /// A second elastic step.
    #[error("step {step} (`elastic`): a plan has at most one `elastic` step")]
    SecondElastic {
        /// Number of the step, from 1.
        step: usize,
    },
}

/// What a file of a plan holds: steps of any keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default)]
    step: Vec<toml::Table>,
}

impl Plan {
    /// Returns the plan that leaves every picture as it is.
    pub fn none() -> Plan {
        Plan::default()
    }

    /// Returns a light plan for short trainings: rotation by up to 15°, scale 0.85 to 1.15,
    /// shift by up to 5 %, brightness and contrast.
    pub fn light() -> Plan {
        Plan {
            steps: vec![
                always(Transform::Rotate(Rotate { degrees: 15.0 })),
                always(Transform::Scale(Scale { range: [0.85, 1.15] })),
                always(Transform::Shift(Shift { share: 0.05 })),
                always(Transform::Brightness(Brightness { shift: 0.1, contrast: 0.2 })),
            ],
        }
    }

    /// Returns what DeepLabCut's TensorFlow engine does by default.
    ///
    /// # Source
    /// DeepLabCut 3.0.1, `pose_imgaug.py` and the template `pose_cfg.yaml`, with imgaug 0.4.0's
    /// defaults for what they leave open. Its elastic field (noise of amplitude 0 to 40, smoothed
    /// by σ = 5) deviates by 40/√3 · 1/(2√π·5) = 1.3 px at most; its coarse dropout has 0.3 cells
    /// per pixel.
    pub fn deeplabcut() -> Plan {
        let step = |probability, transform| Step { transform, probability };
        Plan {
            steps: vec![
                always(Transform::Scale(Scale { range: [0.5, 1.25] })),
                step(0.4, Transform::Rotate(Rotate { degrees: 25.0 })),
                step(0.5, Transform::MotionBlur(MotionBlur { length_px: 7.0 })),
                step(
                    0.5,
                    Transform::CoarseDropout(CoarseDropout {
                        share: 0.02,
                        cell_px: 1.0 / 0.3,
                        per_channel: 0.5,
                    }),
                ),
                step(0.5, Transform::Elastic(Elastic { sigma_px: 5.0, deviation_px: [0.0, 1.3] })),
                step(0.1, Transform::Equalize(Equalize {})),
                step(0.1, Transform::Clahe(Clahe { limit: [0.1, 8.0], tiles: [3, 12] })),
                step(0.1, Transform::Emboss(Emboss { share: [0.0, 1.0], strength: [0.5, 1.5] })),
                step(0.4, Transform::CropAndPad(CropAndPad { share: 0.15 })),
            ],
        }
    }

    /// Reads a plan from the text of a TOML file.
    ///
    /// # Errors
    /// [`PlanError`] names the step, the transform and the key.
    pub fn from_toml(text: &str) -> Result<Plan, PlanError> {
        Plan::try_from(toml::from_str::<Tables>(text)?)
    }

    /// Returns the plan as the text of a TOML file, which [`Plan::from_toml`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers and words under plain keys")
    }

    /// Checks all ranges, as of a plan that was made in code.
    ///
    /// # Errors
    /// [`PlanError`] names the step, the transform and the key.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut elastic = 0;
        for (step, Step { transform, probability }) in (1..).zip(&self.steps) {
            let range = |Unfit { key, reason }| PlanError::Range {
                step,
                transform: transform.name().to_owned(),
                key,
                reason,
            };
            within("probability", *probability, 0.0, 1.0).map_err(range)?;
            transform.check().map_err(range)?;
            elastic += usize::from(matches!(transform, Transform::Elastic(_)));
            if elastic > 1 {
                return Err(PlanError::SecondElastic { step });
            }
        }
        Ok(())
    }

    /// Tells whether samples may be mirrored, for which left and right must be known.
    pub fn flips(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.transform, Transform::Flip(_)))
    }

    /// Returns the greatest factor of its `scale` steps, at least 1: what pictures that are
    /// shrunk beforehand must keep in reserve.
    pub fn magnification(&self) -> f64 {
        let factors = self.steps.iter().map(|step| match step.transform {
            Transform::Scale(Scale { range }) => range[1],
            _ => 1.0,
        });
        factors.product::<f64>().max(1.0)
    }
}

fn always(transform: Transform) -> Step {
    Step { transform, probability: 1.0 }
}

impl TryFrom<Tables> for Plan {
    type Error = PlanError;

    fn try_from(tables: Tables) -> Result<Plan, PlanError> {
        let steps = (1..).zip(tables.step).map(|(step, table)| read(step, table));
        let plan = Plan { steps: steps.collect::<Result<_, _>>()? };
        plan.check()?;
        Ok(plan)
    }
}

/// Reads a step; all keys but `probability` are the transform's.
fn read(step: usize, mut table: toml::Table) -> Result<Step, PlanError> {
    let name = table.get("transform").and_then(toml::Value::as_str).map(str::to_owned);
    let name = name.ok_or(PlanError::Nameless { step })?;
    let keys = |reason: toml::de::Error| PlanError::Keys {
        step,
        transform: name.clone(),
        reason: reason.message().to_owned(),
    };
    let probability = match table.remove("probability") {
        Some(value) => value.try_into().map_err(keys)?,
        None => 1.0,
    };
    Ok(Step { transform: table.try_into().map_err(keys)?, probability })
}

impl Transform {
    /// Returns the name in a plan.
    pub fn name(&self) -> &'static str {
        match self {
            Transform::Rotate(_) => "rotate",
            Transform::Scale(_) => "scale",
            Transform::Shift(_) => "shift",
            Transform::Flip(_) => "flip",
            Transform::CropAndPad(_) => "crop_and_pad",
            Transform::Elastic(_) => "elastic",
            Transform::MotionBlur(_) => "motion_blur",
            Transform::Noise(_) => "noise",
            Transform::CoarseDropout(_) => "coarse_dropout",
            Transform::Equalize(_) => "equalize",
            Transform::Clahe(_) => "clahe",
            Transform::Emboss(_) => "emboss",
            Transform::Brightness(_) => "brightness",
        }
    }

    fn check(&self) -> Result<(), Unfit> {
        match self {
            Transform::Rotate(rotate) => rotate.check(),
            Transform::Scale(scale) => scale.check(),
            Transform::Shift(shift) => shift.check(),
            Transform::CropAndPad(crop) => crop.check(),
            Transform::Elastic(elastic) => elastic.check(),
            Transform::MotionBlur(blur) => blur.check(),
            Transform::Noise(noise) => noise.check(),
            Transform::CoarseDropout(dropout) => dropout.check(),
            Transform::Clahe(clahe) => clahe.check(),
            Transform::Emboss(emboss) => emboss.check(),
            Transform::Brightness(brightness) => brightness.check(),
            Transform::Flip(_) | Transform::Equalize(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_come_back_from_their_files() {
        for plan in [Plan::none(), Plan::light(), Plan::deeplabcut()] {
            plan.check().unwrap();
            let text = plan.to_toml();
            assert_eq!(Plan::from_toml(&text).unwrap(), plan, "{text}");
        }
        let noise = Noise { deviation: [0.0, 12.75], per_channel: 0.5 };
        let steps = [Transform::Noise(noise), Transform::Flip(Flip {})];
        let plan = Plan { steps: steps.map(always).to_vec() };
        assert_eq!(Plan::from_toml(&plan.to_toml()).unwrap(), plan);
    }

    #[test]
    fn errors_name_step_transform_and_key() {
        let error = |text: &str| Plan::from_toml(text).unwrap_err().to_string();
        assert_eq!(
            error("[[step]]\ntransform = \"rotate\"\ndegrees = 400"),
            "step 1 (`rotate`): `degrees` must be from 0 to 180, not 400"
        );
        let unknown = error("[[step]]\ntransform = \"rotate\"\ndegrees = 4\nspeed = 1");
        assert!(unknown.starts_with("step 1 (`rotate`): unknown field `speed`"), "{unknown}");
        let missing = error("[[step]]\ntransform = \"shift\"");
        assert!(missing.starts_with("step 1 (`shift`): missing field `share`"), "{missing}");
        let nobody = error("[[step]]\ntransform = \"rotat\"");
        assert!(nobody.contains("unknown variant `rotat`, expected one of `rotate`"), "{nobody}");
        let reversed = error("[[step]]\ntransform = \"scale\"\nrange = [2, 1]");
        assert!(reversed.ends_with("must begin with the lesser number, not [2, 1]"), "{reversed}");
        assert_eq!(error("[[step]]\nprobability = 1"), "step 1 has no `transform`");
        assert!(error("steps = 3").contains("unknown field `steps`"));
        let often = "[[step]]\ntransform = \"flip\"\nprobability = 1.5";
        assert_eq!(error(often), "step 1 (`flip`): `probability` must be from 0 to 1, not 1.5");
    }
}
