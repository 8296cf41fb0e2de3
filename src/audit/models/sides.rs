//! Which left-right pairs of a pose fit better exchanged.
//!
//! A claim needs a view in which left and right can be told apart at all: a pair takes
//! part only where nearly all poses fit better as labelled than with it exchanged.
//! Persons who face both ways, or an animal seen from the side, give no such pair.

use super::pose::{Exchange, PoseModel};
use super::poses::{Pose, Poses, REFERENCES, pose};
use super::witness::MIN_POSES;
use crate::dataset::Dataset;

/// The pairs of a skeleton whose sides its poses tell apart.
#[derive(Debug)]
pub(in crate::audit) struct Sides {
    /// Keypoints, `[left, right]`.
    pub(in crate::audit) pairs: Vec<[usize; 2]>,
}

impl Sides {
    /// Tries all pairs; `min_agreement` is the share of poses that must fit better as
    /// labelled.
    pub(in crate::audit) fn learn(
        dataset: &Dataset,
        poses: &Poses,
        model: &PoseModel,
        min_agreement: f64,
    ) -> Sides {
        let skeleton = &dataset.skeletons[poses.skeleton];
        let mut rows: Vec<Pose> = (poses.sample(REFERENCES).into_iter())
            .map(|at| pose(dataset, &dataset.instances[at as usize]))
            .collect();
        let pairs = (skeleton.pairs.iter())
            .map(|pair| pair.map(usize::from))
            .filter(|&[a, b]| a != b && a.max(b) < skeleton.keypoints.len())
            .filter(|&pair| {
                let (mut agree, mut all) = (0, 0);
                for row in &mut rows {
                    if let Some(exchange) = model.exchange(row, pair) {
                        all += 1;
                        agree += usize::from(exchange.gain < 0.0);
                    }
                }
                all >= MIN_POSES && agree as f64 >= min_agreement * all as f64
            })
            .collect();
        Sides { pairs }
    }

    /// Returns the pairs that fit a pose better exchanged, and by how much.
    ///
    /// Pairs that are exchanged together support each other's wrong sides, so the search
    /// starts twice: from the labels, and from the labels with every pair exchanged.
    pub(in crate::audit) fn exchanged(
        &self,
        model: &PoseModel,
        pose: &Pose,
    ) -> Vec<([usize; 2], Exchange)> {
        // Nearly all poses end here: a pair whose ends both fit was not exchanged.
        let odd = self.pairs.iter().any(|pair| {
            pair.iter().all(|&kind| model.fit_of(pose, kind).is_some_and(|fit| fit.z > ODD))
        });
        if !odd {
            return Vec::new();
        }
        let labelled = vec![false; self.pairs.len()];
        let mirrored = vec![true; self.pairs.len()];
        let (one, cost_one) = self.descend(model, pose, labelled);
        let (other, cost_other) = self.descend(model, pose, mirrored);
        let chosen = if cost_other < cost_one { other } else { one };
        let mut righted = self.apply(pose, &chosen);
        (self.pairs.iter().zip(&chosen))
            .filter(|&(_, &exchanged)| exchanged)
            .filter_map(|(&pair, _)| {
                // Seen from the righted pose, so that other pairs do not blur it.
                let back = model.exchange(&mut righted, pair)?;
                let Exchange { gain, before, after } = back;
                Some((pair, Exchange { gain: -gain, before: after, after: before }))
            })
            .collect()
    }

    /// Exchanges one pair at a time while the pose becomes less surprising.
    fn descend(&self, model: &PoseModel, pose: &Pose, start: Vec<bool>) -> (Vec<bool>, f64) {
        let mut chosen = start;
        let mut cost = model.surprise(&self.apply(pose, &chosen));
        loop {
            let steps = (0..self.pairs.len()).map(|at| {
                let mut step = chosen.clone();
                step[at] = !step[at];
                (model.surprise(&self.apply(pose, &step)), at)
            });
            match steps.min_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((less, at)) if less < cost => {
                    cost = less;
                    chosen[at] = !chosen[at];
                }
                _ => return (chosen, cost),
            }
        }
    }

    fn apply(&self, pose: &Pose, exchanged: &[bool]) -> Pose {
        let mut pose = pose.clone();
        for (&[a, b], _) in self.pairs.iter().zip(exchanged).filter(|&(_, &yes)| yes) {
            pose.swap(a, b);
        }
        pose
    }
}

/// Distance in standard deviations that a tenth of right labels exceed (Rayleigh).
const ODD: f64 = 2.146;

#[cfg(test)]
mod tests {
    use super::super::samples::{dataset, walk};
    use super::*;

    fn learn(poses: &[Pose]) -> (Sides, PoseModel) {
        let dataset = dataset(poses);
        let groups = Poses::by_skeleton(&dataset);
        let model = PoseModel::fit(&dataset, &groups[0]).expect("enough poses");
        (Sides::learn(&dataset, &groups[0], &model, 0.9), model)
    }

    #[test]
    fn exchanged_ears_are_found_and_right_ones_are_not() {
        let poses = walk(60);
        let (sides, model) = learn(&poses);
        assert_eq!(sides.pairs, [[1, 2]]);
        for pose in &poses {
            assert!(sides.exchanged(&model, pose).is_empty(), "{pose:?}");
            let mut wrong = pose.clone();
            wrong.swap(1, 2);
            let found = sides.exchanged(&model, &wrong);
            assert!(matches!(&found[..], [([1, 2], exchange)] if exchange.gain > 0.0), "{found:?}");
        }
    }

    #[test]
    fn a_pair_that_is_labelled_either_way_is_not_judged() {
        let mut poses = walk(60);
        poses.iter_mut().step_by(2).for_each(|pose| pose.swap(1, 2));
        assert!(learn(&poses).0.pairs.is_empty());
    }
}
