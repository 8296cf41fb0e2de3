//! Hashes of a picture: exact over its samples, and perceptual over a thumbnail.

use super::{Layout, Luma, Picture};

/// Cells along a side of the thumbnail.
pub const THUMBNAIL: usize = 32;
/// DCT coefficients along a side that make the perceptual hash.
const COEFFICIENTS: usize = 8;

/// Returns a hash of size and samples. Pictures of different layouts differ: a grey one
/// and an RGB one of equal channels, a JPEG and its copy as PNG.
pub(super) fn pixels(picture: &Picture) -> u64 {
    let size = (u64::from(picture.width) << 32) | u64::from(picture.height);
    let layout = match picture.layout {
        Layout::Grey => 1,
        Layout::Rgb => 3,
        // Between the sizes, so that planes of equal length but other sides differ.
        Layout::YCbCr { chroma: [width, height] } => {
            2 ^ (u64::from(width) << 40) ^ (u64::from(height) << 8)
        }
    };
    xxhash_rust::xxh3::xxh3_64_with_seed(&picture.samples, size ^ layout)
}

/// Returns the plane shrunk by area averaging.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "x86_64+avx512f+avx512bw+avx512vl"))]
pub(super) fn thumbnail(luma: &Luma<'_>) -> [u8; THUMBNAIL * THUMBNAIL] {
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
    let mut columns = vec![0_u32; luma.width];
    for row in 0..THUMBNAIL {
        let rows = range(row, luma.height);
        columns.fill(0);
        for y in rows.clone() {
            for (sum, &level) in columns.iter_mut().zip(luma.row(y)) {
                *sum += u32::from(level);
            }
        }
        for column in 0..THUMBNAIL {
            let cell = &columns[range(column, luma.width)];
            let sum: u64 = cell.iter().map(|&sum| u64::from(sum)).sum();
            let count = (rows.len() * cell.len()) as u64;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a plane of blobs.
    fn plane(width: usize, height: usize) -> Luma<'static> {
        let level = |at: usize| {
            let (x, y) = ((at % width) as f32 / width as f32, (at / width) as f32 / height as f32);
            (128.0 + 60.0 * (7.0 * x).sin() + 60.0 * (11.0 * y + 3.0 * x).cos()) as u8
        };
        Luma { width, height, samples: (0..width * height).map(level).collect(), grey: true }
    }

    #[test]
    fn size_changes_few_bits_and_content_many() {
        let hash = |luma: &Luma<'_>| perceptual(&thumbnail(luma));
        let (large, small) = (plane(640, 480), plane(213, 161));
        assert!((hash(&large) ^ hash(&small)).count_ones() <= 2);
        let bricks = |at: usize| ((at % 640 / 80 * 73 + at / 640 / 60 * 151) % 256) as u8;
        let samples = (0..640 * 480).map(bricks).collect();
        let other = Luma { width: 640, height: 480, samples, grey: true };
        assert!((hash(&large) ^ hash(&other)).count_ones() > 12);
    }

    #[test]
    fn a_flat_plane_has_no_detail_and_a_tiny_one_repeats_its_pixels() {
        let tiny = Luma { width: 1, height: 2, samples: vec![10, 20].into(), grey: true };
        let cells = thumbnail(&tiny);
        assert_eq!((cells[0], cells[THUMBNAIL * THUMBNAIL - 1]), (10, 20));
        let flat = Luma { width: 50, height: 50, samples: vec![77; 2500].into(), grey: true };
        assert!(thumbnail_detail(&thumbnail(&flat)) < 0.01);
    }

    #[test]
    fn the_pixel_hash_knows_the_size() {
        let picture =
            |width, height| Picture { width, height, layout: Layout::Grey, samples: vec![5; 12] };
        assert_ne!(pixels(&picture(3, 4)), pixels(&picture(4, 3)));
    }
}
