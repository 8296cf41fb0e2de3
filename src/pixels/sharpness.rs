//! Sharpness, motion blur and detail, from gradients at two scales.
//!
//! A step edge that was blurred by a Gaussian of variance σ² has, seen through a
//! filter of variance v, a gradient of profile exp(−x² / 2(σ² + v)) / √(σ² + v). So the
//! fine gradient at an edge is stronger than the coarse one by a factor that falls
//! with σ alone, whatever the contrast of the edge; noise adds a known amount. That is
//! measured in blocks, and the blocks with the strongest fine gradients speak for the
//! image, so that a sharp subject on soft ground is sharp, and walls and sky do not
//! count.
//!
//! # Source
//! The ratio of gradients at two scales: Zhuo & Sim, "Defocus map estimation from a
//! single image", Pattern Recognition 44 (2011), section 3; here as a ratio of sums
//! that are weighted by the squared coarse gradient, less the noise's own share.

use std::ops::Range;

use super::gradients::{self, COARSE_VARIANCE, FINE_VARIANCE, Sums};
use super::{Luma, noise};

/// What the gradients of a plane tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sharpness {
    /// Softness of the sharpest edges along the direction in which they are softest.
    pub(super) blur_px: Option<f32>,
    /// Share of blocks with an edge.
    pub(super) detail_frac: f32,
    /// Strength of directional blur, 0 to 1.
    pub(super) motion_blur: f32,
    /// Direction of that blur, degrees.
    pub(super) motion_angle_deg: f32,
}

/// Long side, in pixels, that larger images are measured at: what pose and detection
/// networks see of them.
pub const SIDE: usize = 640;
/// Typical gradient of edges, grey levels per pixel, below which a block shows none.
/// Noise of ten grey levels makes coarse gradients of about 1.5.
const MIN_EDGE: f32 = 2.0;
/// Share of the blocks with an edge that speak for the image.
const SHARPEST: f32 = 0.1;
/// Number of blocks that speak for it at least.
const SHARPEST_MIN: usize = 4;
/// Variance of a blur of half a pixel, below which directions say nothing, px².
const UNCERTAIN_VARIANCE: f32 = 0.25;
/// Softness, in pixels, beyond which the ratio of gradients says nothing; stands for
/// any that is greater.
pub const MAX_BLUR: f32 = 10.0;

/// Measures a plane whose noise has a standard deviation of `noise` grey levels.
pub(super) fn measure(luma: &Luma<'_>, noise: f32) -> Sharpness {
    let factor = (luma.width.max(luma.height) / SIDE).max(1);
    if factor == 1 {
        return of_plane(luma, noise);
    }
    let shrunk = luma.shrink(factor);
    of_plane(&shrunk, noise::measure(&shrunk))
}

fn of_plane(plane: &Luma<'_>, noise: f32) -> Sharpness {
    let (columns, rows) = gradients::interior(plane, 0..plane.width, 0..plane.height);
    let blocks = gradients::blocks(plane, columns, rows);
    let mut edges: Vec<(f32, &Sums)> = (blocks.iter())
        .filter(|sums| has_edge(sums))
        .map(|sums| (fine_power(sums, noise), sums))
        .collect();
    if edges.is_empty() {
        return Sharpness::default();
    }
    let detail_frac = edges.len() as f32 / blocks.len() as f32;
    let sharpest = ((edges.len() as f32 * SHARPEST) as usize).max(SHARPEST_MIN);
    edges.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut sums = Sums::default();
    for (_, block) in edges.iter().take(sharpest) {
        sums.add(block);
    }
    let blur = judge(&sums, noise);
    let scale = (SIDE as f32 / plane.width.max(plane.height) as f32).min(1.0);
    Sharpness {
        blur_px: Some(blur.along * scale),
        detail_frac,
        motion_blur: blur.anisotropy(),
        motion_angle_deg: blur.angle_deg,
    }
}

/// Measures the softness of the edges in a window at the plane's own resolution;
/// `None` without an edge.
pub(super) fn window(
    luma: &Luma<'_>,
    noise: f32,
    columns: Range<usize>,
    rows: Range<usize>,
) -> Option<f32> {
    let (columns, rows) = gradients::interior(luma, columns, rows);
    let mut sums = Sums::default();
    for block in gradients::blocks(luma, columns, rows) {
        sums.add(&block);
    }
    has_edge(&sums).then(|| judge(&sums, noise).along)
}

/// Returns the score of a softness, 0 to 1.
pub(super) fn score(blur_px: Option<f32>) -> f32 {
    blur_px.map_or(0.0, |sigma| 1.0 / (1.0 + sigma * sigma))
}

/// Returns whether the typical coarse gradient is that of an edge.
fn has_edge(sums: &Sums) -> bool {
    let power = sums.coarse[0] + sums.coarse[2];
    power > MIN_EDGE * MIN_EDGE * sums.weight
}

/// Returns the mean square of the fine gradient at edges, less the noise's share.
fn fine_power(sums: &Sums, noise: f32) -> f32 {
    // Each component of the fine gradient of noise has the variance of the noise.
    (sums.fine[0] + sums.fine[2]) / sums.weight - 2.0 * noise * noise
}

/// The blur of edges as an ellipse.
#[derive(Debug, Clone, Copy)]
struct Blur {
    /// Softness in the softest direction, pixels.
    along: f32,
    /// Softness in the sharpest direction, pixels.
    across: f32,
    /// The softest direction, degrees counter-clockwise from the x axis, 0 to 180.
    angle_deg: f32,
}

impl Blur {
    /// Returns the share of the variance along the softest direction that is not there
    /// in the sharpest, 0 to 1.
    fn anisotropy(self) -> f32 {
        let (along, across) = (self.along * self.along, self.across * self.across);
        (along - across) / (along + UNCERTAIN_VARIANCE)
    }
}

/// Returns the softest and the sharpest direction.
///
/// In direction u the ratio is q(u) = uᵀFu / uᵀCu, with the matrices F of the fine
/// gradient, less the noise's share, and C of the coarse one; its extremes are the
/// solutions of det(F − qC) = 0.
fn judge(sums: &Sums, noise: f32) -> Blur {
    let share = noise * noise * sums.weight;
    let [fxx, fxy, fyy] = sums.fine.map(f64::from);
    let (fxx, fyy) = (fxx - f64::from(share), fyy - f64::from(share));
    let [cxx, cxy, cyy] = sums.coarse.map(f64::from);
    let trace = cxx + cyy;
    // Edges of one direction only tell nothing of the other; a grain of isotropy
    // keeps the determinant from vanishing.
    let grain = 1e-3 * trace;
    let isotropic = (fxx + fyy) / trace;
    let (fxx, fyy) = (fxx + grain * isotropic, fyy + grain * isotropic);
    let (cxx, cyy) = (cxx + grain, cyy + grain);
    let square = cxx * cyy - cxy * cxy;
    let linear = fxx * cyy + fyy * cxx - 2.0 * fxy * cxy;
    let constant = fxx * fyy - fxy * fxy;
    let root = (linear * linear - 4.0 * square * constant).max(0.0).sqrt();
    let (low, high) = ((linear - root) / (2.0 * square), (linear + root) / (2.0 * square));
    // The direction of the low ratio is the null vector of F − qC, whose rows are
    // parallel; the longer one is the safer.
    let (xx, xy, yy) = (fxx - low * cxx, fxy - low * cxy, fyy - low * cyy);
    let (ux, uy) = if xx.hypot(xy) > xy.hypot(yy) { (-xy, xx) } else { (-yy, xy) };
    Blur {
        along: softness(low as f32),
        across: softness(high as f32),
        // y grows down.
        angle_deg: (-uy).atan2(ux).to_degrees().rem_euclid(180.0) as f32,
    }
}

/// Returns the softness σ of edges from the ratio of fine to coarse power.
///
/// With a² = σ² + fine variance and b² = σ² + coarse variance, the integrals over the
/// profile of an edge of (coarse gradient)² (fine gradient)² and (coarse gradient)⁴
/// have the ratio q = t √(2 / (1 + t)) with t = b² / a². Solved for t:
///
/// t = (q² + √(q⁴ + 8 q²)) / 4, and then σ² = (coarse − t · fine) / (t − 1).
fn softness(ratio: f32) -> f32 {
    let q = ratio.max(0.0);
    let t = (q * q + (q.powi(4) + 8.0 * q * q).sqrt()) / 4.0;
    if t <= 1.0 {
        return MAX_BLUR;
    }
    ((COARSE_VARIANCE - t * FINE_VARIANCE) / (t - 1.0)).max(0.0).sqrt().min(MAX_BLUR)
}

/// Returns the variance of the 4-neighbour Laplacian, grey levels squared.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "x86_64+avx512f+avx512bw+avx512vl"))]
pub(super) fn laplacian_var(luma: &Luma<'_>) -> f32 {
    /// Pixels whose squares, of at most 1020² each, fit a `u32`.
    const CHUNK: usize = 4096;
    if luma.width < 3 || luma.height < 3 {
        return 0.0;
    }
    let (mut sum, mut squares) = (0_i64, 0_u64);
    for y in 1..luma.height - 1 {
        let (above, row, below) = (luma.row(y - 1), luma.row(y), luma.row(y + 1));
        for start in (1..luma.width - 1).step_by(CHUNK) {
            let range = start..(start + CHUNK).min(luma.width - 1);
            let (above, below) = (&above[range.clone()], &below[range.clone()]);
            let (left, right) = (&row[range.start - 1..], &row[range.start + 1..]);
            let row = &row[range];
            let (mut part, mut part_squares) = (0_i32, 0_u32);
            for x in 0..row.len() {
                let around = i32::from(above[x])
                    + i32::from(below[x])
                    + i32::from(left[x])
                    + i32::from(right[x]);
                let value = around - 4 * i32::from(row[x]);
                part += value;
                part_squares += (value * value) as u32;
            }
            sum += i64::from(part);
            squares += u64::from(part_squares);
        }
    }
    let count = ((luma.width - 2) * (luma.height - 2)) as f64;
    let mean = sum as f64 / count;
    (squares as f64 / count - mean * mean) as f32
}
