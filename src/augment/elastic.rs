//! `elastic`: shifts neighbouring places differently, as on a rippled mirror.
//!
//! Shifts are drawn at the nodes of a coarse grid, and a cubic B-spline makes a smooth field of
//! them. It costs little, and keypoints follow it exactly since it is known at every place.

use serde::{Deserialize, Serialize};

use super::check::{Unfit, ordered};
use super::warp::View;
use crate::stats::random::SplitMix64;

/// Shifts neighbouring places differently.
///
/// The field is as smooth and as strong as white noise after a Gaussian of `sigma_px`.
///
/// # Source
/// Simard, Steinkraus and Platt (2003), doi:10.1109/ICDAR.2003.1227801 (elastic distortions);
/// Rueckert et al. (1999), doi:10.1109/42.796284 (B-splines on a grid of shifts).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elastic {
    /// How far neighbours move together: standard deviation of the smoothing in pixels of the
    /// stored image, 1 to 100.
    pub sigma_px: f64,
    /// Least and most standard deviation of the shift along each axis, pixels of the stored
    /// image, at most a third of `sigma_px`: with more the picture would fold.
    pub deviation_px: [f64; 2],
}

/// Standard deviation of the cubic B-spline, of which four uniform densities make one, in
/// units of the distance between nodes: √(4/12).
const SPLINE_SIGMA: f64 = 0.577_350_269;
/// Root of the integral of the squared cubic B-spline, 151/315, per axis; squared for two: what
/// the deviation at nodes is multiplied by on average over places.
const SPLINE_GAIN: f64 = 151.0 / 315.0;
/// Least distance between nodes in pixels of the output: what is finer is not seen.
const LEAST_SPACING: f64 = 2.0;

impl Elastic {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        ordered("sigma_px", [self.sigma_px; 2], 1.0, 100.0)?;
        ordered("deviation_px", self.deviation_px, 0.0, self.sigma_px / 3.0)
    }

    /// Draws a field over the output.
    pub(super) fn draw(&self, random: &mut SplitMix64, view: &View) -> Ripple {
        let scale = view.magnification();
        let [low, high] = self.deviation_px;
        let deviation = random.uniform(low, high) * scale / SPLINE_GAIN;
        let spacing = (self.sigma_px * scale / SPLINE_SIGMA).max(LEAST_SPACING);
        // Cells 0 … of the output need the nodes from one before to two behind.
        let nodes = |side: u32| (f64::from(side) / spacing).floor() as usize + 4;
        let [columns, rows] = view.size.map(nodes);
        // Uniform numbers of that deviation have no wild ones among them that would fold.
        let most = deviation * 3.0_f64.sqrt();
        let mut node = || random.uniform(-most, most) as f32;
        let shifts = (0..columns * rows).map(|_| [node(), node()]).collect();
        Ripple { spacing, columns, rows, shifts }
    }
}

/// A smooth field of shifts: for places of the output, how far away their content was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ripple {
    /// Distance between nodes in pixels of the output.
    spacing: f64,
    columns: usize,
    rows: usize,
    /// Shifts along x and y at the nodes, `[rows, columns]`; node (1, 1) is at the origin.
    shifts: Vec<[f32; 2]>,
}

/// Where a place lies between nodes: the first of four, and their weights.
#[derive(Debug, Clone, Copy, Default)]
struct Taps {
    first: usize,
    weights: [f32; 4],
}

/// Returns the taps along one axis; places outside of the grid get those of its rim.
fn taps(at: f64, spacing: f64, nodes: usize) -> Taps {
    let at = (at / spacing).clamp(0.0, nodes as f64 - 3.0);
    let first = (at as usize).min(nodes - 4);
    let t = (at - first as f64) as f32;
    let s = 1.0 - t;
    let weights = [
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    ];
    Taps { first, weights }
}

impl Ripple {
    /// Returns the shift at a place of the output.
    pub(super) fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (x, y) = (taps(x, self.spacing, self.columns), taps(y, self.spacing, self.rows));
        let mut sum = [0.0_f64; 2];
        for (row, by_y) in y.weights.iter().enumerate() {
            let nodes = &self.shifts[(y.first + row) * self.columns + x.first..][..4];
            for (node, by_x) in nodes.iter().zip(x.weights) {
                let weight = f64::from(by_y * by_x);
                sum[0] += weight * f64::from(node[0]);
                sum[1] += weight * f64::from(node[1]);
            }
        }
        sum
    }
}

/// The shifts of one row of the output's pixels.
#[derive(Debug, Clone, Default)]
pub(super) struct Shifts {
    /// Taps of each column of pixels.
    taps: Vec<Taps>,
    /// Four rows of nodes as one.
    nodes: Vec<[f32; 2]>,
    row: Vec<[f32; 2]>,
}

impl Shifts {
    pub(super) fn prepare(&mut self, ripple: &Ripple, width: usize) {
        let taps = |x| taps(x as f64 + 0.5, ripple.spacing, ripple.columns);
        self.taps.clear();
        self.taps.extend((0..width).map(taps));
        self.row.resize(width, [0.0; 2]);
        self.nodes.resize(ripple.columns, [0.0; 2]);
    }

    /// Evaluates the field at the centres of the pixels of row `y`.
    pub(super) fn fill(&mut self, ripple: &Ripple, y: usize) {
        let Taps { first, weights } = taps(y as f64 + 0.5, ripple.spacing, ripple.rows);
        self.nodes.fill([0.0; 2]);
        let rows = ripple.shifts[first * ripple.columns..].chunks_exact(ripple.columns);
        for (row, weight) in rows.zip(weights) {
            for (node, shift) in self.nodes.iter_mut().zip(row) {
                node[0] += weight * shift[0];
                node[1] += weight * shift[1];
            }
        }
        interpolate(&mut self.row, &self.taps, &self.nodes);
    }

    pub(super) fn row(&self) -> &[[f32; 2]] {
        &self.row
    }
}

/// Fills a row of shifts from a row of nodes.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn interpolate(row: &mut [[f32; 2]], taps: &[Taps], nodes: &[[f32; 2]]) {
    for (shift, Taps { first, weights: [a, b, c, d] }) in row.iter_mut().zip(taps) {
        let Some([p, q, r, s]) = nodes[*first..].first_chunk::<4>() else { continue };
        let sum = |axis: usize| a * p[axis] + b * q[axis] + (c * r[axis] + d * s[axis]);
        *shift = [sum(0), sum(1)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Affine;

    #[test]
    fn a_field_is_as_strong_as_asked_for() {
        let view = View { size: [400, 300], frame: Affine::IDENTITY };
        let elastic = Elastic { sigma_px: 5.0, deviation_px: [1.3, 1.3] };
        let ripple = elastic.draw(&mut SplitMix64::named("field", 0), &view);
        let mut shifts = Shifts::default();
        shifts.prepare(&ripple, 400);
        let (mut sum, mut count) = (0.0, 0.0);
        for y in 0..300 {
            shifts.fill(&ripple, y);
            let at = ripple.at([17.5, y as f64 + 0.5]);
            assert!((f64::from(shifts.row()[17][1]) - at[1]).abs() < 1e-4);
            sum += shifts.row().iter().map(|shift| f64::from(shift[0]).powi(2)).sum::<f64>();
            count += 400.0;
        }
        let deviation = f64::sqrt(sum / count);
        assert!((deviation - 1.3).abs() < 0.08, "{deviation}");
    }
}
