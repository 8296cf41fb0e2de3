//! Hashes of a picture: exact over its samples, and perceptual over a thumbnail.

use std::sync::LazyLock;

use super::{Layout, Luma, Picture};

/// Cells along a side of the thumbnail.
pub const THUMBNAIL: usize = 64;
/// Cells along a side of a thumbnail whose cells were averaged two by two.
pub const HALF: usize = THUMBNAIL / 2;
/// Waves along a side of [`Waves`].
pub const WAVES: usize = 8;

/// Brightness of a picture shrunk to [`THUMBNAIL`] × [`THUMBNAIL`] cells, row by row, 0 to 255.
pub type Thumbnail = [u8; THUMBNAIL * THUMBNAIL];
/// Brightness in [`HALF`] × [`HALF`] cells, row by row, grey levels.
pub type Cells = [f32; HALF * HALF];
/// The lowest coefficients of the orthonormal DCT-II of [`Cells`], row by row; the column is
/// the number of half waves across, the row that of half waves down.
pub type Waves = [f32; WAVES * WAVES];

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

/// Returns the plane shrunk by area averaging: a cell is the mean brightness under it, pixels
/// at its edges by the share that lies under it, so that copies of other sizes agree.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "x86_64+avx512f+avx512bw+avx512vl"))]
pub(super) fn thumbnail(luma: &Luma<'_>) -> Box<Thumbnail> {
    let mut out = Box::new([0; THUMBNAIL * THUMBNAIL]);
    if luma.samples.is_empty() {
        return out;
    }
    let area = luma.width as u64 * luma.height as u64;
    let mut columns = vec![0_u32; luma.width];
    for row in 0..THUMBNAIL {
        columns.fill(0);
        for (y, weight) in under(row, luma.height) {
            for (sum, &level) in columns.iter_mut().zip(luma.row(y)) {
                *sum += weight * u32::from(level);
            }
        }
        for column in 0..THUMBNAIL {
            let sum: u64 = under(column, luma.width)
                .map(|(x, weight)| u64::from(weight) * u64::from(columns[x]))
                .sum();
            out[row * THUMBNAIL + column] = ((sum + area / 2) / area) as u8;
        }
    }
    out
}

/// Returns the pixels of a side that lie under a cell, each with its weight: the overlap, in
/// units of which a pixel has [`THUMBNAIL`] and a cell as many as the side has pixels.
fn under(cell: usize, side: usize) -> impl Iterator<Item = (usize, u32)> {
    let (from, to) = (cell * side, (cell + 1) * side);
    (from / THUMBNAIL..to.div_ceil(THUMBNAIL)).map(move |at| {
        let overlap = to.min((at + 1) * THUMBNAIL) - from.max(at * THUMBNAIL);
        (at, overlap as u32)
    })
}

/// Returns a thumbnail with its cells averaged two by two.
pub fn halved(thumbnail: &Thumbnail) -> Cells {
    let mut out = [0.0; HALF * HALF];
    for (line, row) in out.chunks_exact_mut(HALF).zip(halved_rows(thumbnail)) {
        line.copy_from_slice(&row);
    }
    out
}

/// Returns the rows of [`halved`], for those who may not need all.
pub fn halved_rows(thumbnail: &Thumbnail) -> impl Iterator<Item = [f32; HALF]> {
    thumbnail.chunks_exact(2 * THUMBNAIL).map(|rows| {
        let (upper, lower) = rows.split_at(THUMBNAIL);
        std::array::from_fn(|x| {
            let [a, b] =
                [upper, lower].map(|row| u16::from(row[2 * x]) + u16::from(row[2 * x + 1]));
            f32::from(a + b) / 4.0
        })
    })
}

/// Returns the signs, against their median, of the lowest DCT coefficients.
///
/// # Source
/// Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
/// (2010), section 3.2.1, there with the mean in place of the median.
pub(super) fn perceptual(thumbnail: &Thumbnail) -> u64 {
    let coefficients = waves(&halved(thumbnail));
    // The median is taken without the first coefficient, the mean brightness.
    let mut sorted: Vec<f32> = coefficients[1..].to_vec();
    let middle = sorted.len() / 2;
    let median = *sorted.select_nth_unstable_by(middle, f32::total_cmp).1;
    (coefficients.iter().enumerate().skip(1))
        .filter(|(_, coefficient)| **coefficient > median)
        .fold(0, |hash, (at, _)| hash | 1 << at)
}

/// Returns the lowest DCT coefficients.
pub fn waves(cells: &Cells) -> Waves {
    static OF_CELLS: LazyLock<[[f32; HALF]; WAVES]> = LazyLock::new(|| {
        let wave = |k: usize, n: usize| {
            let scale: f32 = if k == 0 { 1.0 } else { 2.0 };
            let angle = std::f32::consts::PI * k as f32 * (n as f32 + 0.5) / HALF as f32;
            (scale / HALF as f32).sqrt() * angle.cos()
        };
        std::array::from_fn(|k| std::array::from_fn(|n| wave(k, n)))
    });
    let of_cells = &*OF_CELLS;
    let mut out = [0.0; WAVES * WAVES];
    for (row, line) in cells.chunks_exact(HALF).enumerate() {
        for (u, along) in of_cells.iter().enumerate() {
            let sum: f32 = line.iter().zip(along).map(|(v, w)| v * w).sum();
            for (v, down) in of_cells.iter().enumerate() {
                out[v * WAVES + u] += sum * down[row];
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
    fn cells_are_means_of_the_area_under_them() {
        let tiny = Luma { width: 1, height: 2, samples: vec![10, 20].into(), grey: true };
        let cells = thumbnail(&tiny);
        assert_eq!((cells[0], cells[THUMBNAIL * THUMBNAIL - 1]), (10, 20));
        // A cell is 1.5 pixels wide: the second holds half of the pixel that the first holds
        // half of, and a whole one.
        let row: Vec<u8> = (0..96).map(|x| if x == 1 { 90 } else { 0 }).collect();
        let wide = Luma { width: 96, height: 1, samples: row.into(), grey: true };
        assert_eq!(thumbnail(&wide)[..3], [30, 30, 0]);
        assert_eq!(halved(&thumbnail(&wide))[..2], [30.0, 0.0]);
    }

    #[test]
    fn another_size_of_a_smooth_plane_hardly_moves_a_cell() {
        let [large, small] = [plane(640, 480), plane(213, 161)].map(|luma| thumbnail(&luma));
        let differences = large.iter().zip(small.iter()).map(|(&a, &b)| a.abs_diff(b));
        assert!(differences.max() <= Some(3));
    }

    #[test]
    fn waves_are_those_of_the_cosine() {
        let wave = |at: usize| {
            let angle = std::f32::consts::PI * 3.0 * ((at % HALF) as f32 + 0.5) / HALF as f32;
            50.0 + 40.0 * angle.cos()
        };
        let waves = waves(&std::array::from_fn(wave));
        for (at, wave) in waves.iter().enumerate() {
            // Orthonormal: the mean times the side, and the amplitude times side / √2.
            let expected = match at {
                0 => 50.0 * HALF as f32,
                3 => 40.0 * HALF as f32 / 2.0_f32.sqrt(),
                _ => 0.0,
            };
            assert!((wave - expected).abs() < 0.01, "wave {at}: {wave} is not {expected}");
        }
    }

    #[test]
    fn the_pixel_hash_knows_the_size() {
        let picture =
            |width, height| Picture { width, height, layout: Layout::Grey, samples: vec![5; 12] };
        assert_ne!(pixels(&picture(3, 4)), pixels(&picture(4, 3)));
    }
}
