//! Where one picture was cropped to make another.

use crate::pixels::{Cells, HALF, THUMBNAIL, Thumbnail};

/// Cells along a side of the coarse pictures on which the search for a crop begins.
const COARSE: usize = 16;
/// Share of what differs without a crop that may be left after each of the coarse steps; more
/// means that no crop explains the difference.
const LEFT: [f32; 3] = [1.5, 0.95, 0.9];
/// Steps on the fine pictures at most.
const FINE_STEPS: usize = 8;
/// Change of a side, as a share of the picture, below which a crop is known.
const SETTLED: f64 = 3e-4;
/// Greatest change of a side in a step, as a share of the picture: two thirds of a coarse cell,
/// up to which a picture is straight enough.
const STEP: f64 = 0.04;
/// Greatest crop of a side that is followed.
const MAX_SIDE: f64 = 0.3;

/// By how much sizes may miss a crop, as a share of a side.
const SIZE_PLAY: f64 = 0.005;

/// How much was cut off at the left, right, top and bottom, as shares of the sides. Less than
/// nothing means that the picture goes on there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Crop(pub(super) [f64; 4]);

impl Crop {
    /// Returns the crop that the sizes of two pictures tell of, were it alike on opposite sides;
    /// `None` where they are equal or differ by more than a crop of `most` makes them.
    pub(super) fn of_sizes(whole: [u32; 2], part: [u32; 2], most: f64) -> Option<Crop> {
        let [across, down] = cuts(whole, part).map(|cut| cut / 2.0);
        let is_crop = whole != part && across.abs().max(down.abs()) <= most;
        is_crop.then_some(Crop([across, across, down, down]))
    }

    /// Returns whether the sizes of two pictures differ as this crop makes them.
    pub(super) fn is_told_by(self, whole: [u32; 2], part: [u32; 2]) -> bool {
        let [left, right, top, bottom] = self.0;
        let missed = cuts(whole, part).into_iter().zip([left + right, top + bottom]);
        whole != part
            && missed.map(|(told, cut)| (told - cut).abs()).fold(0.0, f64::max) <= SIZE_PLAY
    }

    /// Returns what it takes to come back, to first order.
    pub(super) fn reversed(self) -> Crop {
        Crop(self.0.map(|side| -side))
    }

    /// Returns the sum of what was cut off.
    pub(super) fn sum(self) -> f64 {
        self.0.iter().sum()
    }

    /// Returns what was cut off at the side that lost most.
    pub(super) fn greatest(self) -> f64 {
        self.0.into_iter().fold(0.0, f64::max)
    }

    /// Returns what was left of a picture, in cells that are means over the area under them.
    pub(super) fn of(self, whole: &Thumbnail) -> Cells {
        let [left, right, top, bottom] = self.0;
        let [columns, rows] = [shares(left, 1.0 - right), shares(top, 1.0 - bottom)];
        // Resample along the rows, then down the columns.
        let mut lines = [[0.0_f32; HALF]; THUMBNAIL];
        for (line, row) in lines.iter_mut().zip(whole.chunks_exact(THUMBNAIL)) {
            for (cell, under) in line.iter_mut().zip(&columns) {
                *cell = under.sum(|at| f32::from(row[at]));
            }
        }
        let mut cells = [0.0; HALF * HALF];
        for (row, under) in cells.chunks_exact_mut(HALF).zip(&rows) {
            for (x, cell) in row.iter_mut().enumerate() {
                *cell = under.sum(|at| lines[at][x]);
            }
        }
        cells
    }

    /// Returns the whole of which `part` was cropped, its margins taken from another picture.
    pub(super) fn undone(self, part: &Cells, margins: &Cells) -> Cells {
        let [left, right, top, bottom] = self.0;
        // The whole lies around the part: it begins before it, and ends after it.
        let [columns, rows] = [(left, right), (top, bottom)].map(|(from, to)| {
            let size = 1.0 - from - to;
            places::<HALF>(-from / size, 1.0 + to / size)
        });
        let mut cells = *margins;
        for (line, row) in cells.chunks_exact_mut(HALF).zip(rows) {
            for (cell, column) in line.iter_mut().zip(columns) {
                if row.inside && column.inside {
                    *cell = between::<HALF>(part, row, column);
                }
            }
        }
        cells
    }
}

/// Returns what the part lacks across and down, as shares of the whole.
fn cuts(whole: [u32; 2], part: [u32; 2]) -> [f64; 2] {
    [0, 1].map(|side| 1.0 - f64::from(part[side]) / f64::from(whole[side]))
}

/// Cells of a thumbnail under one cell of a crop, with their weights, which sum to one.
#[derive(Clone, Copy, Default)]
struct Under {
    from: usize,
    weights: [f32; 4],
}

impl Under {
    fn sum(&self, level: impl Fn(usize) -> f32) -> f32 {
        (self.weights.iter().enumerate())
            .map(|(i, weight)| weight * level((self.from + i).min(THUMBNAIL - 1)))
            .sum()
    }
}

/// Returns what lies under each cell of a side that reaches between two shares of a thumbnail.
fn shares(from: f64, to: f64) -> [Under; HALF] {
    std::array::from_fn(|cell| {
        let place = |edge: usize| {
            let share = from + (to - from) * edge as f64 / HALF as f64;
            (share * THUMBNAIL as f64).clamp(0.0, THUMBNAIL as f64)
        };
        let (start, end) = (place(cell), place(cell + 1));
        let first = (start as usize).min(THUMBNAIL - 1);
        let overlap = |at: usize| ((at + 1) as f64).min(end) - (at as f64).max(start);
        let weights: [f64; 4] = std::array::from_fn(|i| overlap(first + i).max(0.0));
        let sum: f64 = weights.iter().sum();
        // Outside the picture it goes on as it ends.
        let weights = if sum > 0.0 {
            weights.map(|weight| (weight / sum) as f32)
        } else {
            [1.0, 0.0, 0.0, 0.0]
        };
        Under { from: first, weights }
    })
}

/// A picture at the two sizes at which crops are looked for.
pub(super) struct Levels {
    pub(super) fine: Cells,
    coarse: [f32; COARSE * COARSE],
}

impl Levels {
    pub(super) fn of(fine: Cells) -> Levels {
        let coarse = std::array::from_fn(|at| {
            let corner = at / COARSE * 2 * HALF + at % COARSE * 2;
            [0, 1, HALF, HALF + 1].map(|next| fine[corner + next]).iter().sum::<f32>() / 4.0
        });
        Levels { fine, coarse }
    }
}

/// Returns the crop of `whole` that is most like `part`, where any crop is; it may be less than
/// nothing, which means that `whole` is the crop. Cells that differ much, such as those of an
/// animal that moved, weigh little.
///
/// # Source
/// Lucas & Kanade (1981), "An iterative image registration technique with an application to
/// stereo vision", with gain and offset of brightness, from coarse to fine.
pub(super) fn align(whole: &Levels, part: &Levels) -> Option<Crop> {
    let mut fit = Fit::of(whole, part, Crop::default());
    let before = fit.step::<COARSE>(&whole.coarse, &part.coarse)?;
    for left in LEFT {
        if fit.step::<COARSE>(&whole.coarse, &part.coarse)? > left * before {
            return None;
        }
    }
    Some(fit.crop)
}

/// Returns a crop that is nearly known, and of which no side is less than nothing, more exactly.
pub(super) fn refine(whole: &Levels, part: &Levels, crop: Crop) -> Option<Crop> {
    let mut fit = Fit::of(whole, part, Crop(crop.0.map(|side| side.max(0.0))));
    for _ in 0..FINE_STEPS {
        let before = fit.crop;
        fit.step::<HALF>(&whole.fine, &part.fine)?;
        // A side along which the picture is flat may be anything.
        fit.crop.0 = fit.crop.0.map(|side| side.max(0.0));
        let moved = before.0.iter().zip(fit.crop.0).map(|(before, after)| (after - before).abs());
        if moved.fold(0.0, f64::max) < SETTLED {
            break;
        }
    }
    Some(fit.crop)
}

/// Share of a cell by which a place may miss the centre of the outermost one.
const TOUCHING: f64 = 0.01;
/// Number of unknowns of a step: the four sides, gain and offset.
const UNKNOWNS: usize = 6;
/// How many times the mean difference a cell may differ by to weigh fully.
const TRIM: f32 = 3.0;
/// Least gain of brightness of a copy.
const MIN_GAIN: f64 = 0.1;
/// Weight of leaving a side where it is, as a share of what all sides weigh: a picture without
/// slopes in some direction does not tell the crop there.
const RIDGE: f64 = 1e-4;

/// Products of two columns of a system of equations, summed; the last column is the right side.
type Normal = [[f64; UNKNOWNS + 1]; UNKNOWNS + 1];

/// What gain · crop(whole) + offset = part is nearly true for.
struct Fit {
    crop: Crop,
    gain: f32,
    offset: f32,
    /// Cells that differ by more weigh less, grey levels.
    trim: f32,
}

impl Fit {
    fn of(whole: &Levels, part: &Levels, crop: Crop) -> Fit {
        let moments = |cells: &[f32]| {
            let count = cells.len() as f32;
            let mean = cells.iter().sum::<f32>() / count;
            let square = cells.iter().map(|level| (level - mean).powi(2)).sum::<f32>() / count;
            (mean, square.sqrt())
        };
        let ((of_whole, contrast), (of_part, target)) =
            (moments(&whole.coarse), moments(&part.coarse));
        let gain = target / contrast.max(f32::MIN_POSITIVE);
        Fit { crop, gain, offset: of_part - gain * of_whole, trim: f32::INFINITY }
    }

    /// Moves towards the least squares, weighted after Huber (1964), "Robust estimation of a
    /// location parameter", doi:10.1214/aoms/1177703732. Returns the mean of what differed before,
    /// grey levels; `None` where the pictures have nothing in common.
    ///
    /// With w the whole at x = l + u (1 − l − r), where u is a share of the part's width,
    ///
    /// ```text
    /// ∂w/∂l = (1 − u) w′   ∂w/∂r = −u w′   w′ = ∂w/∂x = (∂w/∂u) / (1 − l − r)
    /// ```
    ///
    /// and likewise from top to bottom.
    fn step<const N: usize>(&mut self, whole: &[f32], part: &[f32]) -> Option<f32> {
        let [left, right, top, bottom] = self.crop.0;
        let (across_at, down_at) = (places::<N>(left, 1.0 - right), places::<N>(top, 1.0 - bottom));
        let warped = down_at.map(|row| across_at.map(|column| between::<N>(whole, row, column)));
        let [width, height] = [1.0 - left - right, 1.0 - top - bottom].map(|side| side as f32);
        let share = |at: usize| (at as f32 + 0.5) / N as f32;
        let (mut differed, mut count) = (0.0, 0.0);
        let mut normal: Normal = [[0.0; UNKNOWNS + 1]; UNKNOWNS + 1];
        // What lies outside the whole is not known, and does not count.
        for (y, row) in warped.iter().enumerate().filter(|(y, _)| down_at[*y].inside) {
            let (above, below) = (y.saturating_sub(1), (y + 1).min(N - 1));
            let down_by = N as f32 / ((below - above) as f32 * height);
            let mut columns = [[0.0_f32; N]; UNKNOWNS + 1];
            for x in (0..N).filter(|&x| across_at[x].inside) {
                let level = part[y * N + x];
                let difference = (level - self.gain * row[x] - self.offset).abs();
                differed += difference;
                count += 1.0;
                // The root of the weight, which the products below square.
                let weight = (self.trim / difference.max(f32::MIN_POSITIVE)).min(1.0).sqrt();
                let (before, after) = (x.saturating_sub(1), (x + 1).min(N - 1));
                let across_by = N as f32 / ((after - before) as f32 * width);
                let across = (row[after] - row[before]) * across_by;
                let down = (warped[below][x] - warped[above][x]) * down_by;
                let of_cell = [
                    across * (1.0 - share(x)),
                    -across * share(x),
                    down * (1.0 - share(y)),
                    -down * share(y),
                    row[x],
                    1.0,
                    level,
                ];
                for (column, value) in columns.iter_mut().zip(of_cell) {
                    column[x] = weight * value;
                }
            }
            for (i, sums) in normal.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate().skip(i) {
                    *sum += f64::from(dot(&columns[i], &columns[j]));
                }
            }
        }
        let solved = solve(normal)?;
        let gain = solved[4];
        if gain < MIN_GAIN {
            return None;
        }
        for (side, change) in self.crop.0.iter_mut().zip(solved) {
            *side = (*side + (change / gain).clamp(-STEP, STEP)).clamp(-MAX_SIDE, MAX_SIDE);
        }
        (self.gain, self.offset) = (gain as f32, solved[5] as f32);
        let mean = differed / count;
        self.trim = TRIM * mean;
        Some(mean)
    }
}

/// A place on a side of a picture, between the centres of two cells.
#[derive(Clone, Copy)]
struct At {
    /// The first of the two.
    cell: usize,
    /// How near it is to the second, 0 to 1.
    next: f32,
    /// Whether it lies between the centres of the outermost cells; else it is moved there.
    inside: bool,
}

/// Returns the places of the centres of cells between two shares of a side.
fn places<const N: usize>(from: f64, to: f64) -> [At; N] {
    std::array::from_fn(|at| {
        let share = from + (to - from) * (at as f64 + 0.5) / N as f64;
        let (place, last) = (share * N as f64 - 0.5, (N - 1) as f64);
        let inside = (-TOUCHING..=last + TOUCHING).contains(&place);
        let place = place.clamp(0.0, last);
        let cell = (place as usize).min(N - 2);
        At { cell, next: (place - cell as f64) as f32, inside }
    })
}

/// Returns the level at a place, linear between the centres of cells.
fn between<const N: usize>(cells: &[f32], row: At, column: At) -> f32 {
    let line = |row: usize| {
        let [a, b] = [0, 1].map(|next| cells[row * N + column.cell + next]);
        a + column.next * (b - a)
    };
    let (upper, lower) = (line(row.cell), line(row.cell + 1));
    upper + row.next * (lower - upper)
}

fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    // Eight sums, which a processor makes at once.
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Solves for the unknowns by elimination; `None` where they are not determined.
fn solve(mut normal: Normal) -> Option<[f64; UNKNOWNS]> {
    let weight = RIDGE * (0..4).map(|side| normal[side][side]).sum::<f64>();
    for (side, row) in normal.iter_mut().enumerate().take(4) {
        row[side] += weight;
    }
    // Only the upper half was summed; the matrix is symmetric.
    for pivot in 0..UNKNOWNS {
        let row = normal[pivot];
        if row[pivot] <= 0.0 {
            return None;
        }
        for below in pivot + 1..UNKNOWNS {
            let factor = row[below] / row[pivot];
            for at in below..=UNKNOWNS {
                normal[below][at] -= factor * row[at];
            }
        }
    }
    let mut solved = [0.0; UNKNOWNS];
    for at in (0..UNKNOWNS).rev() {
        let known: f64 = (at + 1..UNKNOWNS).map(|next| normal[at][next] * solved[next]).sum();
        solved[at] = (normal[at][UNKNOWNS] - known) / normal[at][at];
    }
    Some(solved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a thumbnail of waves between two places of a plane, as shares of its sides.
    fn waves([left, right, top, bottom]: [f64; 4]) -> Box<Thumbnail> {
        let mut out = Box::new([0; THUMBNAIL * THUMBNAIL]);
        for (at, level) in out.iter_mut().enumerate() {
            let share = |cell: usize| (cell as f64 + 0.5) / THUMBNAIL as f64;
            let x = left + (1.0 - left - right) * share(at % THUMBNAIL);
            let y = top + (1.0 - top - bottom) * share(at / THUMBNAIL);
            let wave = (9.0 * x + 4.0 * y).sin() + (13.0 * y * x + 5.0 * x).cos();
            *level = (127.0 + 60.0 * wave) as u8;
        }
        out
    }

    fn levels(thumbnail: &Thumbnail) -> Levels {
        Levels::of(crate::pixels::halved(thumbnail))
    }

    #[test]
    fn a_crop_is_found_to_an_eighth_of_a_cell() {
        let whole = waves([0.0; 4]);
        for sides in [[0.05, 0.0, 0.0, 0.0], [0.01, 0.05, 0.03, 0.05], [0.0, 0.0, 0.02, 0.01]] {
            let part = waves(sides);
            let (whole, part) = (levels(&whole), levels(&part));
            let found = align(&whole, &part).expect("a crop");
            let found = refine(&whole, &part, found).expect("a crop");
            let back = align(&part, &whole).expect("a crop");
            for ((found, back), side) in found.0.iter().zip(back.0).zip(sides) {
                assert!((found - side).abs() < 2e-3, "{found} is not {side}");
                assert!((back + side).abs() < 2e-2, "{back} is not -{side}");
            }
        }
    }

    #[test]
    fn the_cells_of_a_crop_are_those_of_the_part() {
        let sides = [0.031, 0.008, 0.0, 0.05];
        let cells = Crop(sides).of(&waves([0.0; 4]));
        let part = crate::pixels::halved(&waves(sides));
        let furthest = cells.iter().zip(&part).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2.0, "{furthest}");
    }

    #[test]
    fn a_crop_is_undone_with_the_margins_of_another() {
        let sides = [0.05, 0.01, 0.03, 0.05];
        let whole = crate::pixels::halved(&waves([0.0; 4]));
        let undone = Crop(sides).undone(&crate::pixels::halved(&waves(sides)), &whole);
        let furthest = undone.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 4.0, "{furthest}");
        let marked = Crop(sides).undone(&[0.0; HALF * HALF], &[1.0; HALF * HALF]);
        let margins = marked.iter().filter(|&&level| level == 1.0).count();
        // Two columns and a row at the ends, and half a cell that the part does not reach.
        assert!((80..200).contains(&margins), "{margins}");
    }

    #[test]
    fn sizes_tell_of_a_crop() {
        let crop = Crop([0.01, 0.0, 0.01, 0.0]);
        assert!(crop.is_told_by([640, 480], [634, 476]));
        assert!(!crop.is_told_by([640, 480], [640, 480]));
        assert!(!crop.is_told_by([640, 480], [320, 240]));
        let told = Crop::of_sizes([640, 480], [634, 476], 0.07).expect("a crop");
        assert!(told.is_told_by([640, 480], [634, 476]));
        assert_eq!(Crop::of_sizes([640, 480], [320, 240], 0.07), None);
    }

    #[test]
    fn pictures_that_no_crop_brings_together_have_none() {
        let (whole, other) = (waves([0.0; 4]), waves([0.3, -0.3, 0.2, 0.0]));
        assert_eq!(align(&levels(&whole), &levels(&other)), None);
        let flat = [100; THUMBNAIL * THUMBNAIL];
        assert_eq!(align(&levels(&whole), &levels(&flat)), None);
    }
}
