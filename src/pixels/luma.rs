//! The brightness plane of a picture, on which nearly everything is measured.

use std::borrow::Cow;

use super::{Layout, Picture};

/// Brightness of every pixel, 0 to 255.
///
/// # Source
/// ITU-R BT.601-7, section 2.5.1: Y = 0.299 R + 0.587 G + 0.114 B, as JPEG's luma
/// (ITU-T T.871, section 7), in steps of 1/256.
#[derive(Debug, Clone, PartialEq)]
pub struct Luma<'a> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Samples, row by row.
    pub samples: Cow<'a, [u8]>,
    /// Whether the picture has no colour: its channels are equal everywhere.
    pub grey: bool,
}

/// A sample of a plane of colour that stands for no colour.
const NO_COLOUR: u8 = 128;

impl Luma<'_> {
    /// Returns the brightness plane of a picture; JPEG's own is used as it is.
    pub fn of(picture: &Picture) -> Luma<'_> {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let (samples, grey) = match picture.layout {
            Layout::Grey => (Cow::from(&picture.samples), true),
            Layout::Rgb => {
                let (samples, grey) = of_rgb(&picture.samples);
                (samples.into(), grey)
            }
            Layout::YCbCr { .. } => {
                let (brightness, colour) = picture.samples.split_at(width * height);
                (brightness.into(), !has_colour(colour))
            }
        };
        Luma { width, height, samples, grey }
    }

    /// Returns the plane shrunk by averaging squares of `factor` pixels a side; what
    /// does not fill a square at the right and bottom is left out.
    pub(super) fn shrink(&self, factor: usize) -> Luma<'static> {
        let (width, height) = (self.width / factor, self.height / factor);
        let mut samples = Vec::with_capacity(width * height);
        let mut sums = vec![0_u32; width];
        for y in 0..height {
            sums.fill(0);
            for line in 0..factor {
                add_groups(&mut sums, self.row(y * factor + line), factor);
            }
            push_means(&mut samples, &sums, factor);
        }
        Luma { width, height, samples: samples.into(), grey: self.grey }
    }

    /// Returns a row of samples.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..(y + 1) * self.width]
    }
}

/// Adds to each sum its group of `factor` samples.
fn add_groups(sums: &mut [u32], row: &[u8], factor: usize) {
    // A constant length lets the common factors be unrolled.
    fn of<const N: usize>(sums: &mut [u32], row: &[u8]) {
        for (sum, group) in sums.iter_mut().zip(row.as_chunks::<N>().0) {
            *sum += group.iter().map(|&v| u32::from(v)).sum::<u32>();
        }
    }
    match factor {
        2 => of::<2>(sums, row),
        3 => of::<3>(sums, row),
        4 => of::<4>(sums, row),
        _ => {
            for (sum, group) in sums.iter_mut().zip(row.chunks_exact(factor)) {
                *sum += group.iter().map(|&v| u32::from(v)).sum::<u32>();
            }
        }
    }
}

/// Appends each sum divided by the pixels of its square, rounded.
fn push_means(samples: &mut Vec<u8>, sums: &[u32], factor: usize) {
    // A constant divisor becomes a shift or a multiplication.
    fn by<const N: u32>(samples: &mut Vec<u8>, sums: &[u32]) {
        samples.extend(sums.iter().map(|sum| ((sum + N / 2) / N) as u8));
    }
    match factor {
        2 => by::<4>(samples, sums),
        3 => by::<9>(samples, sums),
        4 => by::<16>(samples, sums),
        _ => {
            let area = (factor * factor) as u32;
            samples.extend(sums.iter().map(|sum| ((sum + area / 2) / area) as u8));
        }
    }
}

/// Tells whether any sample of planes of colour stands for one.
fn has_colour(samples: &[u8]) -> bool {
    // Of a colour picture, the first chunk is enough.
    samples.chunks(CHUNK).any(|chunk| chunk.iter().fold(0, |any, s| any | (s ^ NO_COLOUR)) != 0)
}

/// Pixels that are converted before the test for colour looks at its sum.
const CHUNK: usize = 4096;

#[multiversion::multiversion(targets("x86_64+avx2+fma", "x86_64+avx512f+avx512bw"))]
fn of_rgb(samples: &[u8]) -> (Vec<u8>, bool) {
    let mut luma = vec![0_u8; samples.len() / 3];
    let mut coloured = 0_u8;
    for (rgb, out) in samples.chunks(3 * CHUNK).zip(luma.chunks_mut(CHUNK)) {
        for (pixel, out) in rgb.chunks_exact(3).zip(out) {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]];
            // 77, 150 and 29 are 256 × (0.299, 0.587, 0.114); 128 rounds.
            let sum = 77 * u32::from(r) + 150 * u32::from(g) + 29 * u32::from(b) + 128;
            *out = (sum >> 8) as u8;
            coloured |= (r ^ g) | (b ^ g);
        }
    }
    (luma, coloured == 0)
}
