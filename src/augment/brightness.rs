//! `brightness`: makes the picture brighter or darker, and its contrast stronger or weaker.

use serde::{Deserialize, Serialize};

use super::check::{Unfit, within};
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Multiplies the distance of samples from the middle grey, and adds to them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brightness {
    /// Largest addition, either way, as a share of the range from black to white, 0 to 1.
    pub shift: f64,
    /// Largest change of the contrast: it is multiplied by 1 − `contrast` to 1 + `contrast`,
    /// 0 to 1.
    pub contrast: f64,
}

impl Brightness {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        within("shift", self.shift, 0.0, 1.0)?;
        within("contrast", self.contrast, 0.0, 1.0)
    }

    pub(super) fn apply(&self, random: &mut SplitMix64, picture: &mut Picture) {
        let factor = 1.0 + random.uniform(-self.contrast, self.contrast);
        let shift = 255.0 * random.uniform(-self.shift, self.shift);
        let table: [u8; 256] = std::array::from_fn(|level| {
            // A cast to u8 clips.
            ((level as f64 - 127.5) * factor + 127.5 + shift).round() as u8
        });
        for sample in &mut picture.samples {
            *sample = table[usize::from(*sample)];
        }
    }
}
