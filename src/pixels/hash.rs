//! Hashes of a picture: exact over its samples, and perceptual over a thumbnail.

use super::{Luma, Picture};

/// Cells along a side of the thumbnail.
pub const THUMBNAIL: usize = 32;
/// DCT coefficients along a side that make the perceptual hash.
const COEFFICIENTS: usize = 8;

/// Returns a hash of size and samples. A grey picture and an RGB picture with the
/// same equal channels differ.
pub(super) fn pixels(picture: &Picture) -> u64 {
    let size = (u64::from(picture.width) << 32) | u64::from(picture.height);
    xxhash_rust::xxh3::xxh3_64_with_seed(&picture.samples, size ^ u64::from(picture.channels))
}

/// Returns the plane shrunk by area averaging.
pub(super) fn thumbnail(luma: &Luma) -> [u8; THUMBNAIL * THUMBNAIL] {
    let mut out = [0; THUMBNAIL * THUMBNAIL];
    if luma.samples.is_empty() {
        return out;
    }
    // Cells are ranges of whole pixels, of at least one; images smaller than the
    // thumbnail repeat pixels.
    let range = |cell: usize, length: usize| {
        let from = cell * length / THUMBNAIL;
        from..((cell + 1) * length / THUMBNAIL).max(from + 1)
    };
    for row in 0..THUMBNAIL {
        let rows = range(row, luma.height);
        let mut sums = [0_u64; THUMBNAIL];
        for y in rows.clone() {
            let line = luma.row(y);
            for (column, sum) in sums.iter_mut().enumerate() {
                let cell = &line[range(column, luma.width)];
                *sum += cell.iter().map(|&v| u64::from(v)).sum::<u64>();
            }
        }
        for (column, sum) in sums.iter().enumerate() {
            let count = (rows.len() * range(column, luma.width).len()) as u64;
            out[row * THUMBNAIL + column] = ((sum + count / 2) / count) as u8;
        }
    }
    out
}

/// Returns the signs, against their median, of the lowest DCT coefficients.
///
/// # Source
/// Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
/// (2010), section 3.2.1, there with the mean in place of the median.
pub(super) fn perceptual(thumbnail: &[u8; THUMBNAIL * THUMBNAIL]) -> u64 {
    let coefficients = dct(thumbnail);
    // The median is taken without the first coefficient, the mean brightness.
    let mut sorted: Vec<f32> = coefficients[1..].to_vec();
    let middle = sorted.len() / 2;
    let median = *sorted.select_nth_unstable_by(middle, f32::total_cmp).1;
    (coefficients.iter().enumerate().skip(1))
        .filter(|(_, coefficient)| **coefficient > median)
        .fold(0, |hash, (at, _)| hash | 1 << at)
}

/// Returns how much the coefficients behind a perceptual hash vary, in grey levels:
/// the contrast of the thumbnail in the waves that the hash is made of.
pub fn thumbnail_detail(thumbnail: &[u8; THUMBNAIL * THUMBNAIL]) -> f32 {
    let coefficients = dct(thumbnail);
    coefficients[1..].iter().map(|c| c * c).sum::<f32>().sqrt() / THUMBNAIL as f32
}

/// Returns the lowest coefficients of the orthonormal DCT-II, row by row.
fn dct(thumbnail: &[u8; THUMBNAIL * THUMBNAIL]) -> [f32; COEFFICIENTS * COEFFICIENTS] {
    let wave = |k: usize, n: usize| {
        let scale: f32 = if k == 0 { 1.0 } else { 2.0 };
        let angle = std::f32::consts::PI * k as f32 * (n as f32 + 0.5) / THUMBNAIL as f32;
        (scale / THUMBNAIL as f32).sqrt() * angle.cos()
    };
    let waves: [[f32; THUMBNAIL]; COEFFICIENTS] =
        std::array::from_fn(|k| std::array::from_fn(|n| wave(k, n)));
    let mut out = [0.0; COEFFICIENTS * COEFFICIENTS];
    for (row, line) in thumbnail.chunks_exact(THUMBNAIL).enumerate() {
        for (u, along) in waves.iter().enumerate() {
            let sum: f32 = line.iter().zip(along).map(|(&v, w)| f32::from(v) * w).sum();
            for (v, down) in waves.iter().enumerate() {
                out[v * COEFFICIENTS + u] += sum * down[row];
            }
        }
    }
    out
}
