//! Sharpness, motion blur and detail, from gradients at two scales.

use super::{Luma, noise};

/// What the gradients of a plane tell.
pub(super) struct Sharpness {
    /// Softness of the sharpest edges, pixels.
    pub(super) blur_px: Option<f32>,
    /// Share of blocks with an edge above the noise.
    pub(super) detail_frac: f32,
    /// Variance of the Laplacian, grey levels squared.
    pub(super) laplacian_var: f32,
    /// Strength of directional blur, 0 to 1.
    pub(super) motion_blur: f32,
    /// Direction of that blur, degrees.
    pub(super) motion_angle_deg: f32,
}

/// Long side, in pixels, that larger images are measured at.
const SIDE: usize = 640;
/// Side of the blocks that are judged one by one, pixels.
const BLOCK: usize = 32;
/// Variance of the coarse smoothing kernel, the binomial of order 8, px².
const COARSE: f32 = 2.0;
/// Variance of the box that a difference of neighbours averages over, px².
const FINE: f32 = 1.0 / 12.0;
const BINOMIAL: [u16; 9] = [1, 8, 28, 56, 70, 56, 28, 8, 1];

/// Returns the score of a softness, 0 to 1.
pub(super) fn score(blur_px: Option<f32>) -> f32 {
    blur_px.map_or(0.0, |sigma| 1.0 / (1.0 + sigma * sigma))
}

/// Sums over pixels: `w` is the squared coarse gradient, `a` the fine gradient, `b`
/// the coarse one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    w: f32,
    a: [f32; 3],
    b: [f32; 3],
}

impl Sums {
    fn add(&mut self, o: &Sums) {
        self.w += o.w;
        for i in 0..3 {
            self.a[i] += o.a[i];
            self.b[i] += o.b[i];
        }
    }
    fn q(&self, noise: f32) -> f32 {
        let a = self.a[0] + self.a[2] - 2.0 * noise * noise * self.w;
        a.max(0.0) / (self.b[0] + self.b[2])
    }
}

fn sigma(q: f32) -> f32 {
    let t = (q * q + (q.powi(4) + 8.0 * q * q).sqrt()) / 4.0;
    if t <= 1.0 {
        return 99.0;
    }
    ((COARSE + FINE - t * FINE) / (t - 1.0)).max(0.0).sqrt().min(99.0)
}

fn shrink(luma: &Luma, k: usize) -> Luma {
    let (w, h) = (luma.width / k, luma.height / k);
    let mut out = Vec::with_capacity(w * h);
    let n = (k * k) as u32;
    let mut acc = vec![0_u32; w];
    for y in 0..h {
        acc.fill(0);
        for r in 0..k {
            let row = luma.row(y * k + r);
            for (a, c) in acc.iter_mut().zip(row.chunks_exact(k)) {
                *a += c.iter().map(|&v| u32::from(v)).sum::<u32>();
            }
        }
        out.extend(acc.iter().map(|&a| ((a + n / 2) / n) as u8));
    }
    Luma { width: w, height: h, samples: out, grey: luma.grey }
}

/// Smooths; result in 1/16 grey levels, valid from 4 px off the border.
fn smooth(p: &Luma) -> Vec<i16> {
    let (w, h) = (p.width, p.height);
    let mut hp = vec![0_u16; w * h];
    for y in 0..h {
        let row = p.row(y);
        let out = &mut hp[y * w..(y + 1) * w];
        if w < 9 {
            continue;
        }
        for x in 4..w - 4 {
            let mut s = 8_u16;
            for t in 0..9 {
                s = s.wrapping_add(BINOMIAL[t] * u16::from(row[x + t - 4]));
            }
            out[x] = s >> 4;
        }
    }
    let mut out = vec![0_i16; w * h];
    for y in 4..h.saturating_sub(4) {
        for x in 0..w {
            let mut s = 128_u32;
            for t in 0..9 {
                s += u32::from(BINOMIAL[t]) * u32::from(hp[(y + t - 4) * w + x]);
            }
            out[y * w + x] = (s >> 8) as i16;
        }
    }
    out
}

/// Blocks of the plane.
fn blocks(p: &Luma) -> (Vec<Sums>, usize) {
    let (w, h) = (p.width, p.height);
    if w < 10 || h < 10 {
        return (vec![], 0);
    }
    let s = smooth(p);
    let (bw, bh) = ((w - 9).div_ceil(BLOCK), (h - 9).div_ceil(BLOCK));
    let mut out = vec![Sums::default(); bw * bh];
    for y in 4..h - 5 {
        for x in 4..w - 5 {
            let f = |x: usize, y: usize| f32::from(p.samples[y * w + x]);
            let c = |x: usize, y: usize| f32::from(s[y * w + x]) / 16.0;
            let (a, b, d, e) = (f(x, y), f(x + 1, y), f(x, y + 1), f(x + 1, y + 1));
            let (ax, ay) = ((b + e - a - d) / 2.0, (d + e - a - b) / 2.0);
            let (a, b, d, e) = (c(x, y), c(x + 1, y), c(x, y + 1), c(x + 1, y + 1));
            let (bx, by) = ((b + e - a - d) / 2.0, (d + e - a - b) / 2.0);
            let wgt = bx * bx + by * by;
            let o = &mut out[(y - 4) / BLOCK * bw + (x - 4) / BLOCK];
            o.w += wgt;
            o.a[0] += wgt * ax * ax;
            o.a[1] += wgt * ax * ay;
            o.a[2] += wgt * ay * ay;
            o.b[0] += wgt * bx * bx;
            o.b[1] += wgt * bx * by;
            o.b[2] += wgt * by * by;
        }
    }
    (out, bw)
}

/// Measures a plane whose noise has a standard deviation of `noise` grey levels.
pub(super) fn measure(luma: &Luma, noise: f32) -> Sharpness {
    let long = luma.width.max(luma.height);
    let k = (long / SIDE).max(1);
    let small;
    let (plane, noise) = if k > 1 {
        small = shrink(luma, k);
        (&small, noise::measure(&small))
    } else {
        (luma, noise)
    };
    let (blocks, _) = blocks(plane);
    let scale = (SIDE as f32 / plane.width.max(plane.height) as f32).min(1.0);
    let mut good: Vec<&Sums> = blocks.iter().filter(|b| b.q(noise) > 0.0 && b.w > 0.0).collect();
    let detail_frac = good.len() as f32 / blocks.len().max(1) as f32;
    good.sort_by(|a, b| b.q(noise).total_cmp(&a.q(noise)));
    let mut sum = Sums::default();
    for b in good.iter().take((good.len() / 10).max(4)) {
        sum.add(b);
    }
    let blur_px = (!good.is_empty()).then(|| sigma(sum.q(noise)) * scale);
    Sharpness {
        blur_px,
        detail_frac,
        laplacian_var: laplacian_var(luma),
        motion_blur: 0.0,
        motion_angle_deg: 0.0,
    }
}

/// Measures the softness of a window at the plane's own resolution.
pub(super) fn window(
    luma: &Luma,
    noise: f32,
    columns: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
) -> Option<f32> {
    let mut samples = Vec::with_capacity(columns.len() * rows.len());
    for y in rows.clone() {
        samples.extend_from_slice(&luma.row(y)[columns.clone()]);
    }
    let part = Luma { width: columns.len(), height: rows.len(), samples, grey: luma.grey };
    let (blocks, _) = blocks(&part);
    let mut sum = Sums::default();
    for b in &blocks {
        sum.add(b);
    }
    (sum.w > 0.0 && sum.q(noise) > 0.0).then(|| sigma(sum.q(noise)))
}

fn laplacian_var(luma: &Luma) -> f32 {
    let (mut sum, mut squares, mut count) = (0_i64, 0_u64, 0_u64);
    for y in 1..luma.height.saturating_sub(1) {
        let (above, row, below) = (luma.row(y - 1), luma.row(y), luma.row(y + 1));
        let (mut line, mut line_squares) = (0_i32, 0_u64);
        for x in 1..luma.width.saturating_sub(1) {
            let v = i32::from(above[x])
                + i32::from(below[x])
                + i32::from(row[x - 1])
                + i32::from(row[x + 1])
                - 4 * i32::from(row[x]);
            line += v;
            line_squares += (v * v) as u64;
        }
        sum += i64::from(line);
        squares += line_squares;
        count += luma.width.saturating_sub(2) as u64;
    }
    if count == 0 {
        return 0.0;
    }
    let mean = sum as f64 / count as f64;
    (squares as f64 / count as f64 - mean * mean) as f32
}
