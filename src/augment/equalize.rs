//! `equalize`: spreads the grey levels of each channel evenly.

use serde::{Deserialize, Serialize};

use crate::pixels::Picture;

/// Equalises the histogram of each channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equalize {}

impl Equalize {
    pub(super) fn apply(picture: &mut Picture) {
        let mut counts = [[0_u32; 256]; 3];
        for pixel in picture.samples.chunks_exact(3) {
            for (counts, sample) in counts.iter_mut().zip(pixel) {
                counts[usize::from(*sample)] += 1;
            }
        }
        let tables = counts.map(|counts| equalized(&counts));
        for pixel in picture.samples.chunks_exact_mut(3) {
            for (table, sample) in tables.iter().zip(pixel) {
                *sample = table[usize::from(*sample)];
            }
        }
    }
}

/// Returns the level that each level becomes: from 0 for the least that occurs to 255, by the
/// share of samples up to it. A channel of one level stays as it is.
fn equalized(counts: &[u32; 256]) -> [u8; 256] {
    let total: u32 = counts.iter().sum();
    let least = counts.iter().copied().find(|count| *count > 0).unwrap_or(0);
    let mut below = 0;
    std::array::from_fn(|level| {
        below += counts[level];
        if total == least {
            return level as u8;
        }
        let share = f64::from(below.saturating_sub(least)) / f64::from(total - least);
        (share * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_spread_over_the_range() {
        let mut counts = [0; 256];
        (counts[100], counts[101], counts[102]) = (1, 1, 2);
        let table = equalized(&counts);
        assert_eq!([table[100], table[101], table[102]], [0, 85, 255]);
        let mut flat = [0; 256];
        flat[7] = 12;
        assert_eq!(equalized(&flat)[7], 7);
    }
}
