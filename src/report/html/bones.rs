//! Which keypoints pictures join by lines: the bones that the dataset declares, or,
//! where it declares none, each keypoint with its nearest, as one tree.

use crate::dataset::{Dataset, Skeleton};

/// Instances that distances are taken from, evenly spread over the dataset.
const SAMPLE: usize = 1000;
/// A keypoint further from its nearest than this many times the median of such
/// distances belongs to another view or animal, and is not joined.
const FAR: f64 = 4.0;

/// Lines between the keypoints of a skeleton.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bones {
    /// Both ends of each line, as kinds of keypoints.
    pub(super) edges: Vec<[u16; 2]>,
    /// Whether the dataset declares them.
    pub(super) declared: bool,
}

impl Bones {
    /// Returns the lines of a dataset's skeleton.
    pub(super) fn new(dataset: &Dataset, kind: usize) -> Bones {
        let skeleton = &dataset.skeletons[kind];
        if !skeleton.edges.is_empty() {
            return Bones { edges: skeleton.edges.clone(), declared: true };
        }
        Bones { edges: tree(&distances(dataset, skeleton, kind)), declared: false }
    }
}

/// Returns the median distance of each pair of keypoints, `[keypoints, keypoints]`;
/// infinite where a pair is never labelled together.
fn distances(dataset: &Dataset, skeleton: &Skeleton, kind: usize) -> Vec<Vec<f64>> {
    let count = skeleton.keypoints.len();
    let mut found = vec![vec![Vec::new(); count]; count];
    let own = || dataset.instances.iter().filter(|i| i.skeleton.map(usize::from) == Some(kind));
    let every = own().count().div_ceil(SAMPLE).max(1);
    for instance in own().step_by(every) {
        let points = dataset.keypoints_of(instance);
        for (at, a) in points.iter().enumerate() {
            for b in &points[at + 1..] {
                let distance = (a.x - b.x).hypot(a.y - b.y);
                found[usize::from(a.kind)][usize::from(b.kind)].push(distance);
            }
        }
    }
    let mut median = vec![vec![f64::INFINITY; count]; count];
    for (a, row) in found.iter_mut().enumerate() {
        for (b, lengths) in row.iter_mut().enumerate().filter(|(_, lengths)| !lengths.is_empty()) {
            let middle = lengths.len() / 2;
            let length = *lengths.select_nth_unstable_by(middle, f64::total_cmp).1;
            (median[a][b], median[b][a]) = (length, length);
        }
    }
    median
}

/// Returns the shortest tree over the keypoints (Prim's algorithm), without far jumps.
fn tree(distances: &[Vec<f64>]) -> Vec<[u16; 2]> {
    let count = distances.len();
    let mut joined: Vec<([u16; 2], f64)> = Vec::new();
    let mut inside = vec![false; count];
    // For each keypoint outside the tree, the nearest inside and how far it is.
    let mut nearest = vec![(0, f64::INFINITY); count];
    let mut next = (count > 0).then_some(0);
    while let Some(new) = next {
        inside[new] = true;
        for other in (0..count).filter(|&other| !inside[other]) {
            if distances[new][other] < nearest[other].1 {
                nearest[other] = (new, distances[new][other]);
            }
        }
        next = (0..count)
            .filter(|&other| !inside[other] && nearest[other].1.is_finite())
            .min_by(|&a, &b| nearest[a].1.total_cmp(&nearest[b].1));
        if let Some(new) = next {
            let (from, length) = nearest[new];
            joined.push(([from.min(new) as u16, from.max(new) as u16], length));
        }
    }
    joined.sort_by(|a, b| a.1.total_cmp(&b.1));
    let median = joined.get(joined.len() / 2).map_or(0.0, |(_, length)| *length);
    let mut edges: Vec<[u16; 2]> =
        joined.into_iter().filter(|(_, length)| *length <= FAR * median).map(|(e, _)| e).collect();
    edges.sort_unstable();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_keypoints_are_joined_and_another_view_is_not() {
        let places: [f64; 5] = [0.0, 1.0, 2.5, 3.5, 30.0];
        let distances: Vec<Vec<f64>> =
            places.iter().map(|a| places.iter().map(|b| (a - b).abs()).collect()).collect();
        assert_eq!(tree(&distances), [[0, 1], [1, 2], [2, 3]]);
    }

    #[test]
    fn no_keypoints_have_no_bones() {
        assert!(tree(&[]).is_empty());
        assert!(tree(&[vec![f64::INFINITY]]).is_empty());
    }
}
