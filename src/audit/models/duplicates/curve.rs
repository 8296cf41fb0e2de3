//! The change of brightness between two pictures: one rising curve for all cells.

use crate::pixels::Cells;

/// Cells behind each point of a curve that follows the darkest and the lightest few closely.
pub(super) const CLOSE: [usize; 22] = {
    let mut cells = [MOST; 22];
    let ends = [8, 8, 16, 32];
    let mut end = 0;
    while end < ends.len() {
        cells[end] = ends[end];
        cells[21 - end] = ends[end];
        end += 1;
    }
    cells
};
/// Most cells behind a point.
const MOST: usize = 64;
/// Cells behind each point of a curve that a small animal does not bend.
pub(super) const STEADY: [usize; 16] = [MOST; 16];
/// Levels that two points lie apart at least where a curve between them can be called flat.
const TELLING_LEVELS: f32 = 8.0;
/// Share of the mean slope below which a curve is flat.
const FLAT: f32 = 0.2;
/// Levels from black and white within which a picture may have lost its detail.
const CLIPPED_LEVELS: f32 = 12.0;

/// A rising curve from grey levels to grey levels, straight between its points.
///
/// A point is the median of cells of like brightness; points are made to rise by pooling those
/// that do not.
///
/// # Source
/// Pooling: Barlow, Bartholomew, Bremner & Brunk (1972), "Statistical inference under order
/// restrictions", section 1.2.
pub(super) struct Curve {
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Curve {
    /// Returns the curve that takes the cells `from` to those `to`, which lie at the same places,
    /// with so many cells behind each of its points; `None` where it would put different
    /// levels into one that is neither black nor white: no change of brightness does that, but a
    /// picture of something else does.
    pub(super) fn fit(from: &[f32], to: &[f32], points: &[usize]) -> Option<Curve> {
        let cells = by_level(from, to);
        let (mut levels, mut pooled) = (Vec::new(), Vec::new());
        let mut rest = &cells[..];
        for &count in points {
            let (chunk, next) = rest.split_at_checked(count)?;
            rest = next;
            levels.push(chunk[count / 2].0);
            let mut targets = [0.0; MOST];
            let targets = &mut targets[..count];
            targets.iter_mut().zip(chunk).for_each(|(target, cell)| *target = cell.1);
            pooled.push((*targets.select_nth_unstable_by(count / 2, f32::total_cmp).1, 1));
            while let [.., (below, n), (above, m)] = pooled[..]
                && below > above
            {
                let mean = (below * n as f32 + above * m as f32) / (n + m) as f32;
                pooled.truncate(pooled.len() - 2);
                pooled.push((mean, n + m));
            }
        }
        let to: Vec<f32> =
            pooled.iter().flat_map(|&(level, n)| std::iter::repeat_n(level, n)).collect();
        let curve = Curve { from: levels, to };
        curve.is_of_brightness().then_some(curve)
    }

    /// Returns whether nothing but black and white has lost its contrast.
    fn is_of_brightness(&self) -> bool {
        let ([low, .., high], [dark, .., light]) = (&self.from[..], &self.to[..]) else {
            return false;
        };
        let slope = (light - dark) / (high - low).max(1.0);
        slope > 0.0
            && self.from.windows(2).zip(self.to.windows(2)).all(|(from, to)| {
                let gap = from[1] - from[0];
                let lost = gap >= TELLING_LEVELS && to[1] - to[0] < FLAT * slope * gap;
                !lost || to[1] <= CLIPPED_LEVELS || to[0] >= 255.0 - CLIPPED_LEVELS
            })
    }

    /// Returns what becomes of a level. Beyond its ends the curve goes on as it goes there.
    fn at(&self, level: f32) -> f32 {
        let last = self.from.len() - 1;
        let next = self.from.partition_point(|&from| from < level).clamp(1, last);
        // Two points apart, lest the slope beyond the ends is one of noise.
        let (a, b) = match next {
            1 if level < self.from[0] => (0, 2.min(last)),
            _ if level > self.from[last] => (last.saturating_sub(2), last),
            _ => (next - 1, next),
        };
        let gap = (self.from[b] - self.from[a]).max(1.0);
        let base = if level > self.from[last] { b } else { a };
        (self.to[base] + (level - self.from[base]) * (self.to[b] - self.to[a]) / gap)
            .clamp(0.0, 255.0)
    }

    /// Returns what becomes of cells.
    pub(super) fn over(&self, cells: &Cells) -> Cells {
        // Straight lines between whole levels are near enough, and faster than a search for each.
        let table: [f32; 257] = std::array::from_fn(|level| self.at(level as f32));
        cells.map(|level| {
            let below = (level as usize).min(255);
            table[below] + (level - below as f32) * (table[below + 1] - table[below])
        })
    }

    /// Returns by how many levels it moves brightness at most.
    pub(super) fn change(&self) -> f32 {
        self.from.iter().zip(&self.to).map(|(from, to)| (from - to).abs()).fold(0.0, f32::max)
    }
}

/// Returns the cells with what they go to, from dark to light: by quarters of a level, which is
/// as exact as means of four are, and faster than a sort.
fn by_level(from: &[f32], to: &[f32]) -> Vec<(f32, f32)> {
    const STEPS: usize = 4 * 255 + 1;
    let step = |level: f32| ((level * 4.0).round() as usize).min(STEPS - 1);
    let mut starts = [0_usize; STEPS + 1];
    from.iter().for_each(|&level| starts[step(level) + 1] += 1);
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut cells = vec![(0.0, 0.0); from.len()];
    for (&level, &target) in from.iter().zip(to) {
        let place = &mut starts[step(level)];
        cells[*place] = (step(level) as f32 / 4.0, target);
        *place += 1;
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns cells of a floor that is lit unevenly, some of them under a dark animal.
    fn floor(animal: std::ops::Range<usize>) -> Vec<f32> {
        let level = |at| if animal.contains(&at) { 20.0 } else { 120.0 + (at * 37 % 101) as f32 };
        (0..1024).map(level).collect()
    }

    #[test]
    fn gamma_and_gain_are_undone() {
        let before = floor(480..600);
        let gamma = |level: f32| 20.0 + 180.0 * (level / 255.0).powf(0.7);
        let after: Vec<f32> = before.iter().map(|&level| gamma(level)).collect();
        let curve = Curve::fit(&before, &after, &CLOSE).expect("a curve");
        for level in [20.0, 120.0, 150.0, 200.0, 220.0] {
            assert!((curve.at(level) - gamma(level)).abs() < 3.0, "{level}");
        }
        assert!(curve.change() > 20.0);
    }

    #[test]
    fn a_small_animal_that_moved_does_not_bend_it() {
        let curve = Curve::fit(&floor(100..120), &floor(900..920), &STEADY).expect("a curve");
        assert!((curve.at(170.0) - 170.0).abs() < 2.0);
        assert!(curve.at(20.0) < 60.0, "the place that it left is not explained");
    }

    #[test]
    fn an_animal_that_left_is_no_change_of_brightness() {
        let (with, without) = (floor(440..560), floor(0..0));
        assert!(Curve::fit(&with, &without, &CLOSE).is_none());
        let back = Curve::fit(&without, &with, &STEADY).expect("a curve");
        assert!(back.at(150.0) > 80.0, "the place where it was is not explained");
    }

    #[test]
    fn white_may_lose_its_detail() {
        let before = floor(0..0);
        let after: Vec<f32> = before.iter().map(|level| (level * 1.7).min(255.0)).collect();
        assert!(Curve::fit(&before, &after, &CLOSE).is_some());
    }
}
