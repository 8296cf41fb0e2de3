//! Standard deviation of the sensor noise.
//!
//! Taken from the finest diagonal Haar band, p − q − r + s of 2 × 2 pixels, which
//! holds the noise and of the picture only corners and fine texture; and in each
//! block by itself, of which a low quantile is taken, so that texture in most of an
//! image does not count as noise.
//!
//! # Source
//! The finest diagonal band: Donoho & Johnstone, "Ideal spatial adaptation by wavelet
//! shrinkage", Biometrika 81 (1994), section 6.2, there with the median over the whole
//! image.

use super::Luma;

/// Side of the blocks, pixels.
const BLOCK: usize = 32;
/// Share of blocks that are taken to show nothing but noise.
const QUIET: f64 = 0.2;
/// Mean levels beyond which a block is clipped and shows no noise.
const RANGE: [u32; 2] = [4, 251];
/// Mean magnitude of a normal variable of unit standard deviation, √(2 / π).
const MEAN_MAGNITUDE: f32 = 0.797_884_6;

/// Returns the standard deviation of the noise in grey levels, 0 where nothing shows it.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "x86_64+avx512f+avx512bw+avx512vl"))]
pub(super) fn measure(luma: &Luma<'_>) -> f32 {
    let across = luma.width / BLOCK;
    let mut blocks: Vec<f32> = Vec::with_capacity(across * (luma.height / BLOCK));
    // Sums of magnitudes and of levels.
    let mut sums = vec![[0_u32; 2]; across];
    for top in (0..luma.height / BLOCK * BLOCK).step_by(BLOCK) {
        sums.fill([0; 2]);
        for y in (top..top + BLOCK).step_by(2) {
            let (above, below) = (luma.row(y), luma.row(y + 1));
            let pairs = above.chunks_exact(BLOCK).zip(below.chunks_exact(BLOCK));
            for ((above, below), [band, level]) in pairs.zip(&mut sums) {
                let (mut row_band, mut row_level) = (0_u16, 0_u16);
                for (a, b) in above.chunks_exact(2).zip(below.chunks_exact(2)) {
                    let [p, q, r, s] = [a[0], a[1], b[0], b[1]].map(i16::from);
                    row_band += (p - q - r + s).unsigned_abs();
                    row_level += (p + q + r + s) as u16;
                }
                *band += u32::from(row_band);
                *level += u32::from(row_level);
            }
        }
        let count = (BLOCK * BLOCK) as u32;
        for [band, level] in &sums {
            if (RANGE[0]..=RANGE[1]).contains(&(level / count)) {
                // The band is the sum of four samples, so twice as noisy as one.
                blocks.push(*band as f32 / (count / 4) as f32 / (2.0 * MEAN_MAGNITUDE));
            }
        }
    }
    if blocks.is_empty() {
        return 0.0;
    }
    let at = (blocks.len() as f64 * QUIET) as usize;
    *blocks.select_nth_unstable_by(at, f32::total_cmp).1
}
