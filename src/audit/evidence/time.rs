//! Where the labelled frames before and after put the keypoints of a pose.

use super::hints::{Hint, Hints};
use crate::audit::models::poses::{Point, Pose, pose};
use crate::audit::models::tracks::tracks;
use crate::dataset::Dataset;
use crate::stats::robust;

/// Frames between which an animal may be followed. What they tell at each distance is learnt; beyond
/// this, half a second of most videos, it may have gone anywhere.
const LONGEST: u64 = 16;
/// Other keypoints that tell how the animal as a whole moved, at least: with one, its error would
/// be the others'.
const LEAST_OTHERS: usize = 2;

/// The labelled frames of the same animal before and after each instance.
#[derive(Debug)]
pub(super) struct Neighbours(Vec<[Option<Beside>; 2]>);

/// A labelled frame of the same animal.
#[derive(Debug, Clone, Copy)]
struct Beside {
    instance: u32,
    /// Frames from one to the other.
    frames: u64,
}

impl Neighbours {
    /// Finds the neighbours of all instances.
    pub(super) fn of(dataset: &Dataset) -> Neighbours {
        let mut all = vec![[None; 2]; dataset.instances.len()];
        for track in tracks(dataset) {
            for pair in track.frames.windows(2) {
                let [(before, first), (after, second)] = [pair[0], pair[1]];
                let frames = after - before;
                if frames <= LONGEST {
                    all[second as usize][0] = Some(Beside { instance: first, frames });
                    all[first as usize][1] = Some(Beside { instance: second, frames });
                }
            }
        }
        Neighbours(all)
    }

    /// Returns whether an instance has a neighbour.
    pub(super) fn has(&self, instance: u32) -> bool {
        self.0[instance as usize].iter().any(Option::is_some)
    }

    /// Returns where its neighbours have the keypoints of an instance, between them where there are
    /// two; `None` without any.
    ///
    /// Between two frames the variance of a random walk is known (Brownian bridge: the product of
    /// both distances over their sum); a hint is the surer, the smaller that is.
    pub(super) fn hints(&self, dataset: &Dataset, instance: u32) -> Option<Hints> {
        let beside: Vec<(Pose, f64)> = (self.0[instance as usize].iter().flatten())
            .map(|other| {
                let labelled = &dataset.instances[other.instance as usize];
                (pose(dataset, labelled), other.frames as f64)
            })
            .collect();
        match &beside[..] {
            [] => None,
            [(only, frames)] => {
                let hint = |at: &Option<Point>| Some(Hint { at: (*at)?, sure: -frames });
                Some(only.iter().map(hint).collect())
            }
            [(before, to), (after, from), ..] => {
                let hint = |(before, after): (&Option<Point>, &Option<Point>)| match (before, after)
                {
                    (Some(a), Some(b)) => {
                        let share = to / (to + from);
                        let at = [0, 1].map(|axis| a[axis] + share * (b[axis] - a[axis]));
                        Some(Hint { at, sure: -to * from / (to + from) })
                    }
                    (Some(at), None) => Some(Hint { at: *at, sure: -to }),
                    (None, Some(at)) => Some(Hint { at: *at, sure: -from }),
                    (None, None) => None,
                };
                Some(before.iter().zip(after).map(hint).collect())
            }
        }
    }
}

/// Returns the hint for a keypoint after the animal's own movement, as the other keypoints of a
/// pose tell it.
pub(super) fn moved(hints: &Hints, pose: &Pose, kind: usize) -> Option<Hint> {
    let Hint { at, sure } = hints[kind]?;
    let others: Vec<Point> = (pose.iter().zip(hints).enumerate())
        .filter(|&(other, _)| other != kind)
        .filter_map(|(_, (&point, hint))| {
            let (point, hint) = (point?, (*hint)?);
            Some([point[0] - hint.at[0], point[1] - hint.at[1]])
        })
        .collect();
    if others.len() < LEAST_OTHERS {
        return Some(Hint { at, sure });
    }
    let along = |axis: usize| {
        let mut values: Vec<f64> = others.iter().map(|vector| vector[axis]).collect();
        robust::median(&mut values).unwrap_or(0.0)
    };
    Some(Hint { at: [at[0] + along(0), at[1] + along(1)], sure })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::models::poses::distance;
    use crate::audit::models::samples::{dataset, walk};

    #[test]
    fn neighbours_put_a_point_where_it_is_between_them() {
        let poses = walk(40);
        let mut data = dataset(&poses);
        let neighbours = Neighbours::of(&data);
        let mut off: Vec<f64> = (1..39)
            .flat_map(|at| {
                let hints = neighbours.hints(&data, at as u32).expect("neighbours");
                let off = |kind: usize| {
                    Some(distance(moved(&hints, &poses[at], kind)?.at, poses[at][kind]?))
                };
                (0..hints.len()).filter_map(off).collect::<Vec<f64>>()
            })
            .collect();
        let middle = robust::median(&mut off).expect("points");
        let mut steps: Vec<f64> = (poses.windows(2))
            .filter_map(|pair| Some(distance(pair[0][0]?, pair[1][0]?)))
            .collect();
        let step = robust::median(&mut steps).expect("points");
        assert!(middle < step / 2.0, "{middle} px off, {step} px a frame");
        // Frames that are far apart say nothing of each other.
        for (at, image) in data.images.iter_mut().enumerate() {
            image.frame = Some(at as u64 * (LONGEST + 1));
        }
        let apart = Neighbours::of(&data);
        assert!((0..40).all(|at| !apart.has(at)));
        assert_eq!(apart.hints(&data, 3), None);
    }
}
