//! From findings and a policy to a patch. One frame is changed by its most certain findings,
//! not by ten contradicting ones:
//!
//! 1. An image that is left out is not changed otherwise, nor an instance that is left out.
//! 2. Of the changes of keypoints, those come first that take away what trains nothing
//!    (`usable = false`), then swaps, since one swap explains two points that other rules would
//!    drop one by one, then the rest. Within these, the greater score comes first.
//! 3. A keypoint is changed once. A finding whose keypoints were all changed is settled; one
//!    of which some were changed contradicts that change, and a person looks at it.
//!
//! What a limit forbids is held back, and then less far-reaching changes of the same frame
//! take its place.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{self, Order};
use super::names::Names;
use super::policy::{Below, Policy, Response, RulePolicy};
use super::{Action, Change, HeldBack, Labels, Limit, Patch, Point, Relabel, Weight, When, patch};
use crate::audit::{self, Finding};
use crate::dataset::{Dataset, Visibility};

/// Turns findings of a dataset into a patch. Findings about a video or the dataset, and those
/// that name what the dataset does not hold, change nothing.
///
/// The dataset has to be sorted, as readers leave it. The order of findings has no effect.
pub fn plan(dataset: &Dataset, findings: &[Finding], policy: &Policy) -> Patch {
    let names = Names::new(dataset);
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by(|a, b| certainty(a, b));
    let mut planner = Planner { dataset, names, policy, copies: BTreeSet::new() };
    let mut tasks: Vec<Task<'_>> =
        findings.into_iter().filter_map(|finding| planner.task(finding)).collect();
    tasks.sort_by_key(|task| task.rank());
    planner.patch(&tasks)
}

/// Orders findings: the most certain first, then by rule and place.
fn certainty(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    (b.score.total_cmp(&a.score))
        .then_with(|| a.rule.cmp(&b.rule))
        .then_with(|| a.image.cmp(&b.image))
        .then_with(|| a.instance.cmp(&b.instance))
        .then_with(|| a.keypoint.cmp(&b.keypoint))
        .then_with(|| a.fingerprint.cmp(&b.fingerprint))
}

/// What a finding asks for.
struct Task<'a> {
    finding: &'a Finding,
    deed: Deed,
    /// Whether the label trains anything as it is.
    usable: bool,
    /// What the finding is about.
    image: u32,
    instance: Option<u32>,
    /// Keypoints that it is about, or that belong to it.
    kinds: Vec<u16>,
}

/// What is done, by index.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    DropImage,
    DropInstance(u32),
    DropKeypoint(u32, u16),
    Swap(u32, [u16; 2]),
    /// To a place in the label file's numbers.
    Move(u32, u16, [f64; 2]),
    Relabel,
    DownWeight(f64),
}

impl Task<'_> {
    /// Returns its precedence; tasks of the same rank stay in the order of their certainty.
    fn rank(&self) -> u8 {
        match self.deed {
            Deed::DropImage => 0,
            Deed::DropInstance(_) => 1,
            Deed::DropKeypoint(..) if !self.usable => 2,
            Deed::Swap(..) => 3,
            Deed::DropKeypoint(..) | Deed::Move(..) => 4,
            Deed::DownWeight(_) | Deed::Relabel => 5,
        }
    }
}

struct Planner<'a> {
    dataset: &'a Dataset,
    names: Names<'a>,
    policy: &'a Policy,
    /// Kept copy of each group of equal images, and the splits that hold one.
    copies: BTreeSet<(String, Option<u16>)>,
}

impl<'a> Planner<'a> {
    /// Returns what a finding asks for, if anything.
    fn task(&mut self, finding: &'a Finding) -> Option<Task<'a>> {
        let rule = self.policy.of(&finding.rule);
        let image = self.names.image(finding.image.as_deref()?)?;
        let instance = match &finding.instance {
            Some(name) => Some(self.names.instance(image, name)?),
            None => None,
        };
        let kinds = match (instance, &finding.keypoint) {
            (Some(instance), Some(name)) => self.kinds(instance, name, &finding.related)?,
            _ => Vec::new(),
        };
        let response = match finding.score >= rule.min_score {
            true => rule.action,
            false if rule.below == Below::Relabel && rule.action != Response::None => {
                Response::Relabel
            }
            false => Response::None,
        };
        let deed = self.deed(finding, response, &rule, image, instance, &kinds)?;
        Some(Task { finding, deed, usable: rule.usable, image, instance, kinds })
    }

    /// Returns the keypoint that a finding is about, then those that belong to it.
    fn kinds(&self, instance: u32, name: &str, related: &[String]) -> Option<Vec<u16>> {
        let skeleton = self.dataset.skeleton_of(&self.dataset.instances[instance as usize])?;
        let others = related.iter().filter_map(|name| skeleton.index(name));
        Some([skeleton.index(name)?].into_iter().chain(others).collect())
    }

    /// Returns what a response means for a finding; `None` for nothing. What a response cannot
    /// do is left to a person.
    fn deed(
        &mut self,
        finding: &Finding,
        response: Response,
        rule: &RulePolicy,
        image: u32,
        instance: Option<u32>,
        kinds: &[u16],
    ) -> Option<Deed> {
        let proposed = finding.proposal.as_ref().map(|proposal| proposal.action);
        let response = match (response, proposed) {
            (Response::None, _) | (Response::Proposal, None) => return None,
            (Response::Proposal | Response::Move, Some(audit::Action::Swap)) => Response::Swap,
            (Response::Proposal, Some(audit::Action::Move | audit::Action::DropKeypoint)) => {
                Response::DropKeypoint
            }
            (Response::Proposal, Some(audit::Action::DropImage)) => Response::DropImage,
            (Response::Proposal, Some(audit::Action::DropInstance)) => Response::DropInstance,
            (Response::Proposal, Some(audit::Action::Relabel)) => Response::Relabel,
            (response, _) => response,
        };
        let deed = match response {
            Response::DropImage => {
                let image = &self.dataset.images[image as usize];
                if image.location.is_none() && image.class.is_none() {
                    // No label file names it, so that it trains nothing.
                    return None;
                }
                self.is_spare(finding, image.split).then_some(Deed::DropImage)
            }
            Response::DropInstance => instance.and_then(|at| {
                let labelled = self.dataset.instances[at as usize].len > 0;
                (!(rule.spare_keypoints && labelled)).then_some(Deed::DropInstance(at))
            }),
            Response::DropKeypoint => {
                let kind = kinds.first().copied();
                let labelled = instance.zip(kind).filter(|&at| self.is_labelled(at));
                labelled.map(|(instance, kind)| Deed::DropKeypoint(instance, kind))
            }
            Response::Swap => self.swap(finding, instance, kinds),
            Response::Move => {
                let proposal = finding.proposal.as_ref();
                let moved = proposal.filter(|proposal| proposal.action == audit::Action::Move);
                let place = moved.and_then(|proposal| Some([proposal.x?, proposal.y?]));
                let at = instance.zip(kinds.first().copied()).filter(|&at| self.is_labelled(at));
                at.zip(place).map(|((at, kind), place)| Deed::Move(at, kind, place))
            }
            Response::DownWeight => {
                Some(Deed::DownWeight(rule.weight.unwrap_or(1.0 - finding.score)))
            }
            Response::Relabel | Response::Proposal | Response::None => None,
        };
        Some(deed.unwrap_or(Deed::Relabel))
    }

    fn is_labelled(&self, (instance, kind): (u32, u16)) -> bool {
        self.dataset.keypoint(&self.dataset.instances[instance as usize], kind).is_some()
    }

    fn swap(&self, finding: &Finding, instance: Option<u32>, kinds: &[u16]) -> Option<Deed> {
        let proposal = finding.proposal.as_ref()?;
        let with = proposal.with.as_ref().filter(|_| proposal.action == audit::Action::Swap)?;
        let (at, &kind) = (instance?, kinds.first()?);
        let skeleton = self.dataset.skeleton_of(&self.dataset.instances[at as usize])?;
        let other = skeleton.index(with).filter(|&other| other != kind)?;
        let either = self.is_labelled((at, kind)) || self.is_labelled((at, other));
        either.then_some(Deed::Swap(at, [kind, other]))
    }

    /// Returns whether an image can go: unless it is a copy of another that no other image of
    /// its split holds, since which split keeps it is for people to decide.
    fn is_spare(&mut self, finding: &Finding, split: Option<u16>) -> bool {
        let kept = finding.related.iter().find_map(|path| Some((path, self.names.image(path)?)));
        let Some((kept, at)) = kept else { return true };
        let its_split = self.dataset.images[at as usize].split;
        self.copies.insert((kept.clone(), its_split));
        !self.copies.insert((kept.clone(), split))
    }

    /// Makes the patch of all tasks, in the order of their precedence.
    fn patch(&self, tasks: &[Task<'a>]) -> Patch {
        let mut patch = patch::empty(self.dataset, self.policy);
        let mut forbidden: BTreeMap<usize, Limit> = BTreeMap::new();
        let chosen = loop {
            let chosen = self.choose(tasks, &forbidden);
            let drops = self.drops(tasks, &chosen.made, OfSwaps::Keep);
            let denied = limits::deny(self.dataset, &self.policy.limits, &drops);
            if denied.is_empty() {
                break chosen;
            }
            forbidden.extend(denied);
        };
        for &at in &chosen.made {
            let others: BTreeSet<&str> = (chosen.settled.iter())
                .filter(|&&(_, by)| by == at)
                .map(|&(settled, _)| tasks[settled].finding.rule.as_str())
                .filter(|rule| *rule != tasks[at].finding.rule)
                .collect();
            patch.changes.extend(self.change(&tasks[at], &others));
        }
        let order = |c: &Change| (c.image.clone(), c.instance.clone(), c.keypoint.clone());
        patch.changes.sort_by_key(order);
        let mut held: Vec<usize> = forbidden.keys().copied().collect();
        held.sort_by(|&a, &b| certainty(tasks[a].finding, tasks[b].finding));
        patch.held_back = (held.into_iter())
            .filter_map(|at| {
                let change = self.change(&tasks[at], &BTreeSet::new())?;
                Some(HeldBack { limit: forbidden[&at], when: When::Always, change })
            })
            .collect();
        // The limits once more, as they hold where swaps and moves become drops.
        let drops = self.drops(tasks, &chosen.made, OfSwaps::Drop);
        let denied = limits::deny(self.dataset, &self.policy.limits, &drops);
        patch.held_back.extend(denied.into_iter().filter_map(|(at, limit)| {
            let change = self.change(&tasks[at], &BTreeSet::new())?;
            Some(HeldBack { limit, when: When::DropOnly, change })
        }));
        for &at in &chosen.left {
            let task = &tasks[at];
            let Some(about) = about(task.finding) else { continue };
            match task.deed {
                Deed::DownWeight(weight) => patch.weights.push(Weight { about, weight }),
                _ => patch.relabel.push(about),
            }
        }
        patch.relabel.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| place(a, b)));
        patch.weights.sort_by(|a, b| place(&a.about, &b.about));
        patch
    }

    /// Takes tasks in their order, each unless an earlier one settles or contradicts it.
    fn choose(&self, tasks: &[Task<'_>], forbidden: &BTreeMap<usize, Limit>) -> Chosen {
        let mut chosen = Chosen::default();
        let mut images: BTreeMap<u32, usize> = BTreeMap::new();
        let mut instances: BTreeMap<u32, usize> = BTreeMap::new();
        let mut points: BTreeMap<(u32, u16), usize> = BTreeMap::new();
        for (at, task) in tasks.iter().enumerate() {
            if forbidden.contains_key(&at) {
                continue;
            }
            let whole = images.get(&task.image);
            let whole = whole.or_else(|| instances.get(&task.instance?));
            if let Some(&by) = whole {
                chosen.settled.push((at, by));
                continue;
            }
            let touched: Vec<(u32, u16)> = match task.deed {
                Deed::DropKeypoint(instance, kind) | Deed::Move(instance, kind, _) => {
                    vec![(instance, kind)]
                }
                Deed::Swap(instance, kinds) => kinds.map(|kind| (instance, kind)).to_vec(),
                _ => Vec::new(),
            };
            let is_aside = matches!(task.deed, Deed::Relabel | Deed::DownWeight(_));
            // A doubt about two points, such as a bone, is settled by a change of one.
            let concerned: Vec<(u32, u16)> = match task.instance {
                Some(instance) if is_aside => {
                    task.kinds.iter().map(|&kind| (instance, kind)).collect()
                }
                _ => touched.clone(),
            };
            let by: Vec<usize> =
                concerned.iter().filter_map(|point| points.get(point).copied()).collect();
            match by.first() {
                Some(&first) if is_aside || by.len() == concerned.len() => {
                    chosen.settled.push((at, first));
                }
                Some(_) => chosen.left.push(at),
                None if is_aside => chosen.left.push(at),
                None => {
                    match task.deed {
                        Deed::DropImage => drop(images.insert(task.image, at)),
                        Deed::DropInstance(instance) => drop(instances.insert(instance, at)),
                        _ => points.extend(touched.into_iter().map(|point| (point, at))),
                    }
                    chosen.made.push(at);
                }
            }
        }
        chosen
    }

    /// Returns what of chosen tasks takes labels away.
    fn drops(&self, tasks: &[Task<'_>], made: &[usize], swaps: OfSwaps) -> Vec<limits::Drop> {
        let mut drops: Vec<limits::Drop> = (made.iter())
            .filter_map(|&at| {
                let task = &tasks[at];
                let what = match task.deed {
                    Deed::DropImage => limits::What::Image(task.image),
                    Deed::DropInstance(instance) => limits::What::Instance(instance),
                    Deed::DropKeypoint(instance, kind) => {
                        limits::What::Keypoints(instance, vec![kind])
                    }
                    Deed::Swap(instance, kinds) if swaps == OfSwaps::Drop => {
                        let labelled =
                            kinds.into_iter().filter(|&k| self.is_labelled((instance, k)));
                        limits::What::Keypoints(instance, labelled.collect())
                    }
                    Deed::Move(instance, kind, _) if swaps == OfSwaps::Drop => {
                        limits::What::Keypoints(instance, vec![kind])
                    }
                    _ => return None,
                };
                let order = if task.usable { Order::Score } else { Order::First };
                Some(limits::Drop { task: at, what, order, score: task.finding.score })
            })
            .collect();
        // The sort is stable: equal scores stay in the order of precedence and place.
        drops.sort_by(|a, b| a.order.cmp(&b.order).then(b.score.total_cmp(&a.score)));
        drops
    }

    /// Describes a task that changes labels; `others` are rules that found the same.
    fn change(&self, task: &Task<'_>, others: &BTreeSet<&str>) -> Option<Change> {
        let dataset = self.dataset;
        let instance = |at: u32| &dataset.instances[at as usize];
        let (action, before, after) = match task.deed {
            Deed::DropImage => {
                let instances = &dataset.instances[self.names.instances_of(task.image)];
                (Action::DropImage, Labels::of_image(dataset, instances), None)
            }
            Deed::DropInstance(at) => {
                (Action::DropInstance, Labels::of_instance(dataset, instance(at)), None)
            }
            Deed::DropKeypoint(at, kind) => {
                let before = Labels::of_keypoints(dataset, instance(at), &[kind]);
                (Action::DropKeypoint, before, None)
            }
            Deed::Swap(at, kinds) => {
                let before = Labels::of_keypoints(dataset, instance(at), &kinds);
                let mut after = before.clone();
                let exchanged = before.keypoints.values().rev().copied();
                for (point, other) in after.keypoints.values_mut().zip(exchanged) {
                    *point = other;
                }
                (Action::Swap, before, Some(after))
            }
            Deed::Move(at, kind, [x, y]) => {
                let before = Labels::of_keypoints(dataset, instance(at), &[kind]);
                let seen = dataset.keypoint(instance(at), kind)?.visibility;
                let occluded = seen == Visibility::Occluded;
                let point = Point { x: Some(x), y: Some(y), occluded };
                let mut after = before.clone();
                after.keypoints.values_mut().for_each(|old| *old = Some(point));
                (Action::Move, before, Some(after))
            }
            Deed::Relabel | Deed::DownWeight(_) => return None,
        };
        let about = about(task.finding)?;
        let reason = match others.is_empty() {
            true => about.reason,
            false => {
                let others: Vec<&str> = others.iter().copied().collect();
                format!("{}; also found by {}", about.reason, others.join(", "))
            }
        };
        let of_image = action == Action::DropImage;
        let of_keypoint = !of_image && action != Action::DropInstance;
        Some(Change {
            fingerprint: about.fingerprint,
            action,
            rule: about.rule,
            score: about.score,
            image: about.image,
            instance: about.instance.filter(|_| !of_image),
            keypoint: about.keypoint.filter(|_| of_keypoint),
            before,
            after,
            reason,
        })
    }
}

/// Whether swaps and moves are taken for drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OfSwaps {
    Keep,
    Drop,
}

/// What becomes of tasks, by index.
#[derive(Debug, Default)]
struct Chosen {
    /// Those that change labels.
    made: Vec<usize>,
    /// Those that another change settles, and which.
    settled: Vec<(usize, usize)>,
    /// Those that are left to people and trainers.
    left: Vec<usize>,
}

fn about(finding: &Finding) -> Option<Relabel> {
    Some(Relabel {
        fingerprint: finding.fingerprint.clone(),
        rule: finding.rule.clone(),
        score: finding.score,
        image: finding.image.clone()?,
        instance: finding.instance.clone(),
        keypoint: finding.keypoint.clone(),
        reason: finding.message.clone(),
    })
}

fn place(a: &Relabel, b: &Relabel) -> std::cmp::Ordering {
    (a.image.cmp(&b.image))
        .then_with(|| a.instance.cmp(&b.instance))
        .then_with(|| a.keypoint.cmp(&b.keypoint))
        .then_with(|| a.rule.cmp(&b.rule))
        .then_with(|| a.fingerprint.cmp(&b.fingerprint))
}
