//! Points that the rest of their pose contradicts.

use crate::audit::models::pose::{Fit, PoseModel};
use crate::audit::models::poses::{Pose, Poses, pose};
use crate::audit::models::sides::Sides;
use crate::audit::{Action, Hit, Kind, Proposal, Settings, Subject};
use crate::dataset::Dataset;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for poses in Poses::by_skeleton(dataset) {
        let Some(model) = PoseModel::fit(dataset, &poses) else { continue };
        let sides = Sides::learn(dataset, &poses, &model, settings.get("min_agreement"));
        let judge = Judge { dataset, model: &model, skeleton: poses.skeleton, settings };
        for &at in &poses.instances {
            let mut pose = pose(dataset, &dataset.instances[at as usize]);
            // Exchanged sides are said by left_right_swap; here they would incriminate
            // the points between them.
            let exchanged = sides.exchanged(&model, &pose);
            for &([a, b], _) in &exchanged {
                pose.swap(a, b);
            }
            let said = |kind| exchanged.iter().any(|(pair, _)| pair.contains(&kind));
            hits.extend(judge.pose(at, pose, said));
        }
    }
    hits
}

struct Judge<'a> {
    dataset: &'a Dataset,
    model: &'a PoseModel,
    skeleton: usize,
    settings: &'a Settings,
}

impl Judge<'_> {
    /// Takes the worst point away while there is one, so that it cannot incriminate the
    /// others. Where many are wrong, the pose is unusual rather than its labels.
    fn pose(&self, instance: u32, pose: Pose, said: impl Fn(usize) -> bool) -> Vec<Hit> {
        let labelled = pose.iter().flatten().count();
        let most = ((labelled as f64 * self.settings.get("max_share")) as usize).max(1);
        let mut rest = pose.clone();
        let mut found = Vec::new();
        while found.len() < most
            && let Some((kind, fit, score)) = self.worst(&rest)
        {
            found.push((kind, fit, score));
            rest[kind] = None;
        }
        if self.worst(&rest).is_some_and(|(_, _, score)| score >= LIKELY) {
            return Vec::new();
        }
        (found.into_iter())
            .filter(|&(kind, _, _)| !said(kind))
            .filter_map(|(kind, fit, score)| self.hit(instance, &pose, kind, &fit, score))
            .collect()
    }

    fn worst(&self, pose: &Pose) -> Option<(usize, Fit, f64)> {
        let prior = self.settings.get("prior");
        (0..pose.len())
            .filter_map(|kind| {
                let fit = self.model.fit_of(pose, kind)?;
                Some((kind, fit, self.model.wrong(&fit, prior)))
            })
            .filter(|&(_, _, score)| score >= self.settings.get("min_score"))
            .max_by(|a, b| a.2.total_cmp(&b.2).then(b.0.cmp(&a.0)))
    }

    fn hit(&self, at: u32, pose: &Pose, kind: usize, fit: &Fit, score: f64) -> Option<Hit> {
        let point = pose[kind]?;
        let shift_px = (point[0] - fit.at[0]).hypot(point[1] - fit.at[1]);
        let min_px = self.settings.get("min_shift") * self.model.body_length_px();
        if shift_px < min_px {
            return None;
        }
        let skeleton = &self.dataset.skeletons[self.skeleton];
        let name = |kind: usize| skeleton.keypoints[kind].clone();
        let subject = Subject::Keypoint(at, kind as u16);
        let swapped = self.partner(pose, kind);
        if let Some(other) = swapped
            && skeleton.partner(kind as u16) == Some(other as u16)
        {
            // Said by left_right_swap.
            return None;
        }
        let place = format!(
            "{} is {shift_px:.0} px from where the rest of the pose puts it ({:.1} standard \
             deviations)",
            name(kind),
            fit.z
        );
        let hit = match swapped {
            Some(other) => Hit::new(
                subject,
                score,
                format!("{place}; it and {} fit better exchanged", name(other)),
            )
            .kind(Kind::Inversion)
            .related(vec![name(other)])
            .proposal(Proposal { with: Some(name(other)), ..Proposal::new(Action::Swap) }),
            None => {
                let far = shift_px >= self.settings.get("miss_shift") * self.model.body_length_px();
                Hit::new(subject, score, place)
                    .kind(if far { Kind::Miss } else { Kind::Jitter })
                    .proposal(Proposal {
                        x: Some(fit.at[0]),
                        y: Some(fit.at[1]),
                        sd_px: Some(fit.sd_px),
                        ..Proposal::new(Action::Move)
                    })
            }
        };
        Some(hit.measured(shift_px, min_px))
    }

    /// Returns the keypoint with which it fits better exchanged, so that both fit.
    fn partner(&self, pose: &Pose, kind: usize) -> Option<usize> {
        let mut pose = pose.clone();
        (0..pose.len())
            .filter(|&other| other != kind)
            .filter_map(|other| {
                let exchange = self.model.exchange(&mut pose, [kind, other])?;
                let [a, b] = exchange.after;
                let fits = a.max(b) <= self.settings.get("max_distance_after");
                (fits && exchange.gain > 0.0).then_some((exchange.gain, other))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
            .map(|(_, other)| other)
    }
}

/// A point that is wrong with at least this probability counts as contradicted.
const LIKELY: f64 = 0.5;
