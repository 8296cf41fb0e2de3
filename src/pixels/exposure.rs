//! Brightness percentiles, contrast and entropy, all from one histogram.

use super::Luma;

/// What the histogram of brightness tells, brightness 0 to 1.
pub(super) struct Exposure {
    /// Percentiles 1, 5, 50, 95 and 99.
    pub(super) percentiles: [f32; 5],
    /// Mean.
    pub(super) mean: f32,
    /// Standard deviation.
    pub(super) contrast: f32,
    /// Shannon entropy in bits.
    pub(super) entropy_bits: f32,
    /// Share of pixels that are [`CLIPPED`] or brighter.
    pub(super) clipped_frac: f32,
}

/// Grey level from which a pixel counts as clipped: lossy coding and resizing move
/// samples at the end of the scale by a few levels.
const CLIPPED: usize = 252;

/// Measures the exposure of a plane; all zero for one without pixels.
pub(super) fn measure(luma: &Luma<'_>) -> Exposure {
    let histogram = histogram(&luma.samples);
    let count = luma.samples.len().max(1) as f64;
    let moment = |power: i32| -> f64 {
        let sum: f64 = (0..256).map(|v| histogram[v] as f64 * (v as f64).powi(power)).sum();
        sum / count
    };
    let mean = moment(1);
    let entropy: f64 = (histogram.iter().filter(|&&n| n > 0))
        .map(|&n| {
            let p = n as f64 / count;
            -p * p.log2()
        })
        .sum();
    let clipped: u64 = histogram[CLIPPED..].iter().sum();
    Exposure {
        percentiles: [0.01, 0.05, 0.5, 0.95, 0.99].map(|share| quantile(&histogram, share * count)),
        mean: (mean / 255.0) as f32,
        contrast: ((moment(2) - mean * mean).max(0.0).sqrt() / 255.0) as f32,
        entropy_bits: entropy as f32,
        clipped_frac: (clipped as f64 / count) as f32,
    }
}

/// Returns the least brightness at or below which `count` pixels lie.
fn quantile(histogram: &[u64; 256], count: f64) -> f32 {
    let mut below = 0;
    for (level, n) in histogram.iter().enumerate() {
        below += n;
        if below as f64 >= count && below > 0 {
            return level as f32 / 255.0;
        }
    }
    0.0
}

/// Counts samples by value. Four tables, so that equal neighbours do not wait for
/// each other's counter.
fn histogram(samples: &[u8]) -> [u64; 256] {
    let mut tables = [[0_u32; 256]; 4];
    let mut total = [0_u64; 256];
    for chunk in samples.chunks(1 << 24) {
        let mut quads = chunk.chunks_exact(4);
        for quad in &mut quads {
            for (table, &value) in tables.iter_mut().zip(quad) {
                table[usize::from(value)] += 1;
            }
        }
        for &value in quads.remainder() {
            tables[0][usize::from(value)] += 1;
        }
        for table in &mut tables {
            for (sum, n) in total.iter_mut().zip(table.iter_mut()) {
                *sum += u64::from(std::mem::take(n));
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(samples: Vec<u8>) -> Luma<'static> {
        Luma { width: samples.len(), height: 1, samples: samples.into(), grey: true }
    }

    #[test]
    fn every_level_once_has_eight_bits() {
        let exposure = measure(&plane((0..=255).collect()));
        assert!((exposure.entropy_bits - 8.0).abs() < 1e-5);
        assert!((exposure.mean - 0.5).abs() < 1e-6);
        // Standard deviation of the integers 0 to 255: √((256² − 1) / 12).
        assert!((exposure.contrast - 73.9 / 255.0).abs() < 1e-3);
        assert_eq!(exposure.percentiles[2], 127.0 / 255.0);
        assert_eq!(exposure.clipped_frac, 4.0 / 256.0);
    }

    #[test]
    fn a_plane_without_pixels_is_all_zero() {
        let exposure = measure(&plane(vec![]));
        assert_eq!(
            (exposure.mean, exposure.entropy_bits, exposure.percentiles),
            (0.0, 0.0, [0.0; 5])
        );
    }
}
