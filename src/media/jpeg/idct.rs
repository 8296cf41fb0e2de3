//! From the coefficients of a block to its samples.
//!
//! Down the columns by the factorisation of Arai, Agui and Nakajima, whose scale
//! factors are part of the quantisation table, all columns side by side; along the
//! rows by the definition, a sum of cosines, all samples of a row side by side: so
//! both are vectorised, and no block is transposed.
//!
//! # Source
//! ITU-T T.81, A.3.3. Arai, Agui & Nakajima, "A fast DCT-SQ scheme for images", Trans.
//! IEICE E71 (1988).

use super::entropy::{Block, natural};

/// Samples along a side of a block.
pub(super) const SIDE: usize = 8;

type Row = [f32; SIDE];

/// Quantisation steps of a component, times what the transform leaves out.
#[derive(Debug, Clone)]
pub(super) struct Steps([Row; SIDE]);

impl Steps {
    /// Takes the steps in the coded order.
    pub(super) fn new(coded: &[u16; 64]) -> Steps {
        let mut steps = Steps([[0.0; SIDE]; SIDE]);
        for (place, &step) in coded.iter().enumerate() {
            let (v, u) = (natural(place) / SIDE, natural(place) % SIDE);
            // The scale of the factorisation; of the definition along u, √½ for u = 0;
            // ½ for each direction, of which the factorisation has taken √½.
            let along = if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
            let down = if v == 0 { 1.0 } else { 2_f64.sqrt() * angle(v).cos() };
            steps.0[v][u] = (f64::from(step) * down * along * 0.5 / 8_f64.sqrt()) as f32;
        }
        steps
    }
}

fn angle(sixteenths: usize) -> f64 {
    std::f64::consts::PI * sixteenths as f64 / 16.0
}

/// Cosines of the definition: `[u][x]` is cos((2 x + 1) u π / 16).
#[derive(Debug, Clone)]
pub(super) struct Waves([Row; SIDE]);

impl Waves {
    /// Computes the table.
    pub(super) fn new() -> Waves {
        let wave = |u: usize, x: usize| angle((2 * x + 1) * u).cos() as f32;
        Waves(std::array::from_fn(|u| std::array::from_fn(|x| wave(u, x))))
    }
}

/// Writes the samples of a block to the rows of a plane, of which `plane` begins with
/// the block's first sample and each takes `stride`. `count` is the number of
/// coefficients in the coded order after which all are zero.
#[inline(always)]
pub(super) fn samples(
    block: &Block,
    count: usize,
    steps: &Steps,
    waves: &Waves,
    plane: &mut [u8],
    stride: usize,
) {
    if count <= 1 {
        let level = level(f32::from(block[0]) * steps.0[0][0]);
        for row in plane.chunks_mut(stride).take(SIDE) {
            row[..SIDE].fill(level);
        }
        return;
    }
    let rows = down(block, steps);
    // The first ten coefficients lie in the first four columns.
    let values = if count <= 10 { along::<4>(&rows, waves) } else { along::<SIDE>(&rows, waves) };
    let mut levels = [0; SIDE * SIDE];
    for (level, &value) in levels.iter_mut().zip(values.as_flattened()) {
        *level = self::level(value);
    }
    for (levels, out) in levels.as_chunks::<SIDE>().0.iter().zip(plane.chunks_mut(stride)) {
        out[..SIDE].copy_from_slice(levels);
    }
}

/// Transforms all rows, of which only the first N amplitudes are not zero.
#[inline(always)]
fn along<const N: usize>(rows: &[Row; SIDE], waves: &Waves) -> [Row; SIDE] {
    let mut values = [[0.0; SIDE]; SIDE];
    for (values, row) in values.iter_mut().zip(rows) {
        for (&amplitude, wave) in row.iter().zip(&waves.0).take(N) {
            for (value, wave) in values.iter_mut().zip(wave) {
                *value += amplitude * wave;
            }
        }
    }
    values
}

/// Adds the middle of the scale, rounds and clips.
#[inline(always)]
fn level(value: f32) -> u8 {
    /// Added to a small number, it leaves the number, rounded, in the lowest bits.
    const ROUND: f32 = 8_388_608.0;
    ((value + 128.0).clamp(0.0, 255.0) + ROUND).to_bits() as u8
}

/// Transforms all columns; returns rows of amplitudes along x.
#[inline(always)]
fn down(block: &Block, steps: &Steps) -> [Row; SIDE] {
    let row = |v: usize| -> Row {
        std::array::from_fn(|u| f32::from(block[v * SIDE + u]) * steps.0[v][u])
    };
    let add = |a: &Row, b: &Row| -> Row { std::array::from_fn(|u| a[u] + b[u]) };
    let subtract = |a: &Row, b: &Row| -> Row { std::array::from_fn(|u| a[u] - b[u]) };
    let times = |a: &Row, factor: f32| -> Row { std::array::from_fn(|u| a[u] * factor) };
    let root = std::f32::consts::SQRT_2;
    // Factors of the odd part: 2 cos(π/8), 2 (cos(π/8) − cos(3π/8)), and their sum.
    let (c2, c2_less_c6, c2_and_c6) = (1.847_759_1, 1.082_392_2, 2.613_126);

    let (i0, i1, i2, i3) = (row(0), row(1), row(2), row(3));
    let (i4, i5, i6, i7) = (row(4), row(5), row(6), row(7));
    // Even part.
    let (sum, difference) = (add(&i0, &i4), subtract(&i0, &i4));
    let outer = add(&i2, &i6);
    let inner = subtract(&times(&subtract(&i2, &i6), root), &outer);
    let (e0, e3) = (add(&sum, &outer), subtract(&sum, &outer));
    let (e1, e2) = (add(&difference, &inner), subtract(&difference, &inner));
    // Odd part.
    let (z13, z10) = (add(&i5, &i3), subtract(&i5, &i3));
    let (z11, z12) = (add(&i1, &i7), subtract(&i1, &i7));
    let o7 = add(&z11, &z13);
    let z5 = times(&add(&z10, &z12), c2);
    let o6 = subtract(&subtract(&z5, &times(&z10, c2_and_c6)), &o7);
    let o5 = subtract(&times(&subtract(&z11, &z13), root), &o6);
    let o4 = subtract(&subtract(&z5, &times(&z12, c2_less_c6)), &o5);
    [
        add(&e0, &o7),
        add(&e1, &o6),
        add(&e2, &o5),
        add(&e3, &o4),
        subtract(&e3, &o4),
        subtract(&e2, &o5),
        subtract(&e1, &o6),
        subtract(&e0, &o7),
    ]
}
