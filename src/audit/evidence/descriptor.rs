//! What lies around a place, as numbers: brightness, coarse brightness pattern and directions of
//! edges at three sizes.

use crate::audit::models::poses::Point;
use crate::pixels::Preview;

/// Half the side of the squares that are looked at, in reaches (see
/// [`Body::reach_px`](super::body::Body::reach_px)): the part itself, the part and its
/// neighbours, half the animal.
const SIZES: [f64; 3] = [0.8, 1.8, 3.5];
/// Samples along a side of a square.
const SIDE: usize = 10;
/// Samples that are averaged along a side for the coarse pattern.
const COARSE: usize = 2;
/// Cells along a side in which directions of edges are counted.
const CELLS: usize = 3;
/// Directions of edges that are told apart, of 360°.
const DIRECTIONS: usize = 8;
const PATTERN: usize = (SIDE / COARSE) * (SIDE / COARSE);
const OF_SIZE: usize = PATTERN + CELLS * CELLS * DIRECTIONS + 2;

/// Numbers of a descriptor.
pub(super) const LENGTH: usize = SIZES.len() * OF_SIZE;

/// What lies around a place.
pub(super) type Descriptor = [f32; LENGTH];

/// Describes the surroundings of a place of an image in pixels. `turn` is the angle in radians
/// from the x axis towards the y axis by which the squares are turned.
///
/// # Source
/// Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005: signed
/// directions in cells; here normalised over the square, with its brightness beside it.
pub(super) fn describe(preview: &Preview, at: Point, turn: f64, reach_px: f64) -> Descriptor {
    let mut numbers = [0.0; LENGTH];
    let (sin, cos) = turn.sin_cos();
    for (size, out) in SIZES.iter().zip(numbers.as_chunks_mut::<OF_SIZE>().0) {
        let step = 2.0 * size * reach_px / (SIDE - 1) as f64;
        let mut square = [[0.0_f32; SIDE]; SIDE];
        for (row, line) in square.iter_mut().enumerate() {
            let down = (row as f64 - (SIDE - 1) as f64 / 2.0) * step;
            for (column, sample) in line.iter_mut().enumerate() {
                let along = (column as f64 - (SIDE - 1) as f64 / 2.0) * step;
                *sample =
                    preview.at(at[0] + along * cos - down * sin, at[1] + along * sin + down * cos);
            }
        }
        of_square(&mut square, out);
    }
    numbers
}

fn of_square(square: &mut [[f32; SIDE]; SIDE], out: &mut [f32; OF_SIZE]) {
    let count = (SIDE * SIDE) as f32;
    let mean = square.as_flattened().iter().sum::<f32>() / count;
    let squares = square.as_flattened().iter().map(|v| (v - mean) * (v - mean)).sum::<f32>();
    let sd = (squares / count).sqrt();
    for value in square.as_flattened_mut() {
        *value = (*value - mean) / (sd + NOISE);
    }
    let (pattern, rest) = out.split_at_mut(PATTERN);
    for (at, cell) in pattern.iter_mut().enumerate() {
        let (row, column) = (at / (SIDE / COARSE) * COARSE, at % (SIDE / COARSE) * COARSE);
        let lines = square[row..row + COARSE].iter();
        *cell = lines.flat_map(|line| &line[column..column + COARSE]).sum::<f32>()
            / (COARSE * COARSE) as f32;
    }
    let (edges, [brightness, contrast]) = rest.split_at_mut(CELLS * CELLS * DIRECTIONS) else {
        return;
    };
    let mut total = 0.0;
    for row in 0..SIDE {
        for column in 0..SIDE {
            let inside = |at: usize| at > 0 && at + 1 < SIDE;
            let across = if inside(column) {
                square[row][column + 1] - square[row][column - 1]
            } else {
                0.0
            };
            let down =
                if inside(row) { square[row + 1][column] - square[row - 1][column] } else { 0.0 };
            let strength = across.hypot(down);
            let cell = row * CELLS / SIDE * CELLS + column * CELLS / SIDE;
            edges[cell * DIRECTIONS + direction(across, down)] += strength;
            total += strength;
        }
    }
    edges.iter_mut().for_each(|edge| *edge *= EDGES / (total + FLAT));
    *brightness = mean / 32.0;
    *contrast = (sd + 2.0).ln();
}

/// Grey levels that are added to the contrast of a square, so that noise of a flat one is not
/// blown up to a pattern.
const NOISE: f32 = 4.0;
/// What the strengths of the edges of a square sum to, so that they weigh about as much as its
/// pattern.
const EDGES: f32 = 10.0;
/// Strength that a square without edges is divided by.
const FLAT: f32 = 1e-3;

/// Returns in which eighth of the circle a gradient points, counted from the x axis towards y.
fn direction(x: f32, y: f32) -> usize {
    let (x, y, half) = if y < 0.0 || (y == 0.0 && x < 0.0) { (-x, -y, 4) } else { (x, y, 0) };
    half + match (x > 0.0, x.abs() > y) {
        (true, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (false, true) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bright disc on dark ground, half of it brighter still.
    fn picture(turned: bool) -> Preview {
        let samples = (0..64 * 64)
            .map(|at| {
                let (x, y) = ((at % 64) as f64 - 31.5, (at / 64) as f64 - 31.5);
                let (along, down) = if turned { (y, -x) } else { (x, y) };
                match along.hypot(down) < 16.0 {
                    true if along > 0.0 => 220,
                    true => 130,
                    false => (20.0 + 0.2 * (down + 32.0)) as u8,
                }
            })
            .collect();
        Preview { factor: 1, width: 64, height: 64, samples }
    }

    #[test]
    fn directions_are_eighths_of_the_circle() {
        for eighth in 0..DIRECTIONS {
            let angle = (eighth as f32 + 0.5) * std::f32::consts::TAU / DIRECTIONS as f32;
            assert_eq!(direction(angle.cos(), angle.sin()), eighth);
        }
        assert_eq!(direction(0.0, 0.0), 2);
    }

    #[test]
    fn what_turns_with_the_body_looks_the_same_along_it() {
        let of = |turned, turn| describe(&picture(turned), [32.0, 32.0], turn, 6.0);
        let distance = |a: Descriptor, b: Descriptor| -> f32 {
            a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
        };
        let (upright, quarter) = (of(false, 0.0), std::f64::consts::FRAC_PI_2);
        assert!(distance(upright, of(true, quarter)) < 0.3 * distance(upright, of(true, 0.0)));
    }

    #[test]
    fn a_flat_or_distant_place_has_finite_numbers() {
        let flat = Preview { factor: 1, width: 2, height: 2, samples: [9; 4].into() };
        for at in [[1.0, 1.0], [-1e6, 1e6]] {
            let numbers = describe(&flat, at, 0.3, 5.0);
            assert!(numbers.iter().all(|number| number.is_finite()));
            assert!(numbers[..PATTERN].iter().all(|&cell| cell == 0.0));
        }
    }
}
