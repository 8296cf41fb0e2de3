//! Standard deviation of the sensor noise.

use super::Luma;

/// Returns the standard deviation of the noise in grey levels.
pub(super) fn measure(luma: &Luma) -> f32 {
    // The finest diagonal Haar band holds noise and only sharp corners.
    let mut counts = [0_u64; 512];
    for pair in 0..luma.height / 2 {
        let (above, below) = (luma.row(2 * pair), luma.row(2 * pair + 1));
        for (a, b) in above.chunks_exact(2).zip(below.chunks_exact(2)) {
            let band = i32::from(a[0]) - i32::from(a[1]) - i32::from(b[0]) + i32::from(b[1]);
            counts[(band.unsigned_abs() as usize).min(511)] += 1;
        }
    }
    let total: u64 = counts.iter().sum();
    let mut below = 0;
    for (level, n) in counts.iter().enumerate() {
        if 2 * (below + n) > total {
            // Linear within the level; the band is |N(0, 2σ)|, with median 0.6745 · 2σ.
            let within = (total as f64 / 2.0 - below as f64) / *n as f64;
            let median = level as f64 - 0.5 + within;
            return (median.max(0.0) / (2.0 * 0.6745)) as f32;
        }
        below += n;
    }
    0.0
}
