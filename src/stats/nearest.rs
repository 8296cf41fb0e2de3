//! The nearest of many points, in bounded time per query.
//!
//! A k-d tree whose nodes keep the box around their points. Leaves are visited in the order
//! of the distance of their boxes, so that the first few visited hold the nearest points even
//! where the search is cut short.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::join;

/// Points of a leaf at most.
const LEAF: usize = 32;

/// Points that are searched for those near a place.
///
/// # Source
/// Bentley (1975), "Multidimensional binary search trees used for associative searching",
/// doi:10.1145/361002.361007; leaves in the order of their distance: Arya & Mount (1993),
/// "Algorithms for fast vector quantization", doi:10.1109/DCC.1993.253111.
pub struct Nearest<const D: usize> {
    /// Points in the order of the leaves.
    points: Vec<[f32; D]>,
    /// The index that each was given under.
    given: Vec<u32>,
    /// Boxes of a complete binary tree, the root first, the children of `i` at `2i + 1` and
    /// `2i + 2`: least and greatest coordinates.
    boxes: Vec<[[f32; D]; 2]>,
}

/// A point that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Index of the point.
    pub point: u32,
    /// Its squared Euclidean distance.
    pub square: f32,
}

/// What a search may cost and give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Greatest Euclidean distance.
    pub radius: f32,
    /// Points that are returned at most.
    pub count: usize,
    /// Leaves, of up to 32 points, that are looked into at most.
    pub leaves: usize,
}

impl<const D: usize> Nearest<D> {
    /// Builds the tree; coordinates must be finite.
    pub fn of(points: &[[f32; D]]) -> Self {
        let mut given: Vec<u32> = (0..points.len() as u32).collect();
        let depth = points.len().div_ceil(LEAF).next_power_of_two().ilog2();
        divide(points, &mut given, depth);
        let points: Vec<[f32; D]> = given.iter().map(|&at| points[at as usize]).collect();
        let mut tree = Nearest { points, given, boxes: Vec::new() };
        tree.boxes = vec![[[f32::INFINITY; D], [f32::NEG_INFINITY; D]]; (2 << depth) - 1];
        tree.enclose(0, 0..tree.points.len());
        tree
    }

    /// Returns the nearest points, the nearest first, equally near ones in their order. All
    /// within the radius are found where `count` and `leaves` suffice.
    pub fn near(&self, place: &[f32; D], search: Search) -> Vec<Near> {
        let reach = search.radius * search.radius;
        let mut found: Vec<Near> = Vec::new();
        let mut limit = reach;
        let mut open = BinaryHeap::new();
        open.push(Reverse((Ordered(0.0), 0_usize, 0_usize, self.points.len())));
        let mut leaves = 0;
        while let Some(Reverse((Ordered(bound), node, from, to))) = open.pop() {
            if bound > limit || leaves == search.leaves {
                break;
            }
            if 2 * node + 1 < self.boxes.len() {
                let middle = usize::midpoint(from, to);
                for (child, from, to) in [(2 * node + 1, from, middle), (2 * node + 2, middle, to)]
                {
                    let bound = self.outside(child, place);
                    if from < to && bound <= limit {
                        open.push(Reverse((Ordered(bound), child, from, to)));
                    }
                }
                continue;
            }
            leaves += 1;
            for at in from..to {
                let square = squared(&self.points[at], place);
                if square <= limit {
                    found.push(Near { point: self.given[at], square });
                }
            }
            found.sort_by(|a, b| a.square.total_cmp(&b.square).then(a.point.cmp(&b.point)));
            found.truncate(search.count);
            if found.len() == search.count {
                limit = found.last().map_or(reach, |last| last.square);
            }
        }
        found
    }

    /// Returns the squared distance of a place from the box of a node.
    fn outside(&self, node: usize, place: &[f32; D]) -> f32 {
        let [low, high] = &self.boxes[node];
        (0..D).map(|k| (low[k] - place[k]).max(place[k] - high[k]).max(0.0).powi(2)).sum()
    }

    fn enclose(&mut self, node: usize, range: std::ops::Range<usize>) {
        if 2 * node + 1 < self.boxes.len() {
            let middle = usize::midpoint(range.start, range.end);
            self.enclose(2 * node + 1, range.start..middle);
            self.enclose(2 * node + 2, middle..range.end);
            let [a, b] = [self.boxes[2 * node + 1], self.boxes[2 * node + 2]];
            for k in 0..D {
                self.boxes[node][0][k] = a[0][k].min(b[0][k]);
                self.boxes[node][1][k] = a[1][k].max(b[1][k]);
            }
            return;
        }
        for point in &self.points[range] {
            let [low, high] = &mut self.boxes[node];
            for k in 0..D {
                low[k] = low[k].min(point[k]);
                high[k] = high[k].max(point[k]);
            }
        }
    }
}

/// Divides points in two, `depth` times, along the axis on which they are spread most.
fn divide<const D: usize>(points: &[[f32; D]], given: &mut [u32], depth: u32) {
    if depth == 0 || given.len() < 2 {
        return;
    }
    let spread = |k: usize| {
        let values = given.iter().map(|&at| points[at as usize][k]);
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        high - low
    };
    let spreads: [f32; D] = std::array::from_fn(spread);
    let axis = (0..D).reduce(|a, b| if spreads[b] > spreads[a] { b } else { a }).unwrap_or(0);
    let middle = given.len() / 2;
    given.select_nth_unstable_by(middle, |&a, &b| {
        points[a as usize][axis].total_cmp(&points[b as usize][axis]).then(a.cmp(&b))
    });
    let (left, right) = given.split_at_mut(middle);
    join(|| divide(points, left, depth - 1), || divide(points, right, depth - 1));
}

fn squared<const D: usize>(a: &[f32; D], b: &[f32; D]) -> f32 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum()
}

/// A distance as a key of a heap.
#[derive(PartialEq)]
struct Ordered(f32);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    fn points(count: usize) -> Vec<[f32; 6]> {
        let mut random = SplitMix64::named("nearest", count as u64);
        // Some coincide, as frames of a still scene do.
        (0..count)
            .map(|at| if at % 5 == 4 { [0.5; 6] } else { [0; 6].map(|_| random.unit() as f32) })
            .collect()
    }

    #[test]
    fn finds_what_comparing_with_all_finds() {
        for count in [0, 1, 2, 31, 33, 700] {
            let points = points(count);
            let tree = Nearest::of(&points);
            let places = [points.as_slice(), &[[0.3; 6], [2.0; 6]]].concat();
            for (place, kept) in places.iter().zip([1, 3, 1000].into_iter().cycle()) {
                let search = Search { radius: 0.6, count: kept, leaves: usize::MAX };
                let mut all: Vec<Near> = (points.iter().enumerate())
                    .map(|(at, point)| Near { point: at as u32, square: squared(point, place) })
                    .filter(|near| near.square <= 0.6_f32 * 0.6)
                    .collect();
                all.sort_by(|a, b| a.square.total_cmp(&b.square).then(a.point.cmp(&b.point)));
                all.truncate(kept);
                assert_eq!(tree.near(place, search), all, "{count} points");
            }
        }
    }

    #[test]
    fn a_search_that_is_cut_short_still_finds_the_point_itself() {
        let points = points(700);
        let tree = Nearest::of(&points);
        let search = Search { radius: 1.0, count: 1, leaves: 1 };
        let found = (points.iter()).filter(|point| tree.near(point, search)[0].square == 0.0);
        assert!(found.count() > 600);
    }
}
