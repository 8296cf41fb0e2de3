//! `noise`: adds Gaussian noise, as a sensor does in poor light.

use serde::{Deserialize, Serialize};

use super::check::{Unfit, ordered, within};
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Adds noise to every pixel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Least and greatest standard deviation in grey levels, 0 to 128 (of 255).
    pub deviation: [f64; 2],
    /// Probability, 0 to 1, that the channels get noise of their own, not the same.
    pub per_channel: f64,
}

/// Standard deviation of the sum of four bytes: √(4·(256² − 1)/12).
const FOUR_BYTES: f64 = 147.798_511_2;
/// Mean of the sum of four bytes.
const MIDDLE: i32 = 510;

impl Noise {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        ordered("deviation", self.deviation, 0.0, 128.0)?;
        within("per_channel", self.per_channel, 0.0, 1.0)
    }

    pub(super) fn apply(&self, random: &mut SplitMix64, picture: &mut Picture) {
        let deviation = random.uniform(self.deviation[0], self.deviation[1]);
        // The sum of four bytes is normal but for its tails, which end at 3.4 deviations; two of
        // them come of one number. The factor is in 65536ths.
        let factor = (deviation / FOUR_BYTES * 65536.0).round() as i32;
        let add = |sample: &mut u8, sum: i32| {
            let noise = (sum * factor + 32768) >> 16;
            *sample = (i32::from(*sample) + noise).clamp(0, 255) as u8;
        };
        if random.chance(self.per_channel) {
            for pair in picture.samples.chunks_mut(2) {
                for (sample, sum) in pair.iter_mut().zip(sums(random.word())) {
                    add(sample, sum);
                }
            }
        } else {
            for pair in picture.samples.chunks_mut(6) {
                for (pixel, sum) in pair.chunks_mut(3).zip(sums(random.word())) {
                    pixel.iter_mut().for_each(|sample| add(sample, sum));
                }
            }
        }
    }
}

/// Returns two sums of four bytes of a random number, less their mean.
fn sums(word: u64) -> [i32; 2] {
    let bytes = word.to_le_bytes();
    let sum = |half: &[u8]| half.iter().map(|byte| i32::from(*byte)).sum::<i32>() - MIDDLE;
    [sum(&bytes[..4]), sum(&bytes[4..])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_deviation() {
        for per_channel in [0.0, 1.0] {
            let noise = Noise { deviation: [10.0, 10.0], per_channel };
            let samples = vec![128; 60_000];
            let mut picture = Picture { width: 200, height: 100, samples, ..Picture::default() };
            noise.apply(&mut SplitMix64::named("noise", 1), &mut picture);
            let errors = picture.samples.iter().map(|sample| f64::from(*sample) - 128.0);
            let mean = errors.clone().sum::<f64>() / 60_000.0;
            let square = errors.map(|error| error * error).sum::<f64>() / 60_000.0;
            assert!(mean.abs() < 0.3 && (square.sqrt() - 10.0).abs() < 0.2, "{mean} {square}");
        }
    }
}
