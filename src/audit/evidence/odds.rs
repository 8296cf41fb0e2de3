//! From evidence to odds, and how frequent errors are.
//!
//! How much each piece of evidence counts is learnt from planted errors against the labels as they
//! are ([`weights`]). Those hold errors themselves, so each counts by the probability that it is
//! right, in turns (expectation maximisation): else the odds against a label could never be greater
//! than one to the frequency of errors.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::{Cause, Exchange, Sides, Weighed, Whole};
use super::piece::{Evidence, View};
use super::planted::Planted;
use super::weights::{Examples, Weights};
use crate::stats::robust;

/// What makes odds of evidence.
#[derive(Debug, Clone)]
pub(super) struct Odds {
    /// By which pieces of evidence there are.
    views: BTreeMap<View, Weights>,
    /// Share of the poses that have an error.
    prevalence: f64,
}

/// A cause of a pose with its odds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weight {
    pub(super) cause: Cause,
    /// Odds against there being no error.
    pub(super) odds: f64,
}

/// Returns what to call the likeliest cause. A pose of another frame looks like one that was moved;
/// it is called so only where that is clearly likelier.
pub(super) fn told<'a>(likeliest: &'a Weight, causes: &'a [Weight]) -> &'a Cause {
    let moved = causes.iter().find(|weight| weight.cause == Cause::Whole(Whole::Moved));
    match (&likeliest.cause, moved) {
        (Cause::Whole(Whole::CarriedOver), Some(moved))
            if CLEARLY * moved.odds > likeliest.odds =>
        {
            &moved.cause
        }
        (cause, _) => cause,
    }
}

/// How much likelier that has to be.
const CLEARLY: f64 = 3.0;

/// Share of the poses, and of the points, that may teach nothing, since they are doubted: with more,
/// what is usual could not be told.
const MOST_WRONG: f64 = 0.3;
/// Turns in which weights and probabilities are learnt from each other.
const TURNS: usize = 8;

impl Odds {
    /// Learns from the evidence about the labels as they are, case by case, and about planted
    /// errors, for each of some views. `trusted` is asked for a case and a keypoint.
    pub(super) fn learn(
        actual: &[Weighed],
        planted: &Planted,
        pairs: usize,
        views: &BTreeSet<View>,
        trusted: &dyn Fn(usize, usize) -> bool,
    ) -> Odds {
        let mut odds = Odds { views: BTreeMap::new(), prevalence: PREVALENCE };
        let before = Weights::before(planted.misses[0].len(), pairs);
        let mut doubts: Vec<Doubt> =
            actual.iter().map(|weighed| Doubt::first(weighed, &before)).collect();
        for _ in 0..TURNS {
            odds.views = Examples { actual, doubts: &doubts, planted, pairs, trusted }.learn(views);
            odds.prevalence = odds.prevalence(actual);
            doubts = odds.doubts(actual);
        }
        odds
    }

    /// Returns how much each pose is doubted, most of which are right: where more than
    /// [`MOST_WRONG`] would be doubted, only what stands out from the others is.
    pub(super) fn doubts(&self, all: &[Weighed]) -> Vec<Doubt> {
        let mut doubts: Vec<Doubt> = all.iter().map(|weighed| self.doubt(weighed)).collect();
        let mut any: Vec<f64> = doubts.iter().map(|doubt| doubt.any).collect();
        let mut points: Vec<f64> = doubts.iter().flat_map(|d| d.points.clone()).collect();
        let [any, points] = [&mut any, &mut points]
            .map(|all| robust::quantile(all, 1.0 - MOST_WRONG).unwrap_or(0.0));
        let beyond = |doubt: &mut f64, usual: f64| {
            *doubt = (*doubt - usual).max(0.0) / (1.0 - usual).max(f64::MIN_POSITIVE);
        };
        for doubt in &mut doubts {
            beyond(&mut doubt.any, any);
            doubt.points.iter_mut().for_each(|doubt| beyond(doubt, points));
        }
        doubts
    }

    /// Returns the causes of a pose with their odds, in a fixed order.
    pub(super) fn causes(&self, weighed: &Weighed) -> Vec<Weight> {
        let prior = self.prevalence / (1.0 - self.prevalence);
        (self.ratios(weighed).into_iter())
            .map(|(cause, ratio)| Weight { cause, odds: prior * ratio })
            .collect()
    }

    /// Returns how much a pose is doubted.
    fn doubt(&self, weighed: &Weighed) -> Doubt {
        let causes = self.causes(weighed);
        let total: f64 = causes.iter().map(|weight| weight.odds).sum();
        let kinds = weighed.points.iter().map(|&(kind, _)| kind);
        let of_kind = |kind: usize| {
            let of = |cause: &Cause| match cause {
                Cause::Miss(of) => *of == kind,
                Cause::Exchange(pairs) => pairs.iter().flatten().any(|&of| of == kind),
                Cause::Whole(_) => true,
            };
            let odds = causes.iter().filter(|weight| of(&weight.cause)).map(|weight| weight.odds);
            odds.sum::<f64>() / (1.0 + total)
        };
        Doubt { any: total / (1.0 + total), points: kinds.map(of_kind).collect() }
    }

    /// Returns the causes of a pose, each with its share of all errors times its likelihood
    /// ratio.
    fn ratios(&self, weighed: &Weighed) -> Vec<(Cause, f64)> {
        let share = Shares::of(weighed);
        let count = weighed.points.len() as f64;
        // All evidence about a pose is of one view.
        let view = weighed.points.first().and_then(|(_, of)| self.views.get(&of.view()));
        let Some(view) = view else { return Vec::new() };
        let misses = weighed.points.iter().map(|(kind, evidence)| {
            (Cause::Miss(*kind), share.misses / count * view.miss(*kind, evidence))
        });
        let exchanges = weighed.exchanges.iter().map(|exchange| {
            let ratio = share.exchange(exchange) * view.exchange(exchange);
            (Cause::Exchange(exchange.pairs.clone()), ratio)
        });
        let of_way = share.whole / Whole::ALL.len() as f64;
        let wholes = weighed.whole.iter().flat_map(|evidence| view.whole(evidence));
        let wholes = wholes.map(|(way, ratio)| (Cause::Whole(way), of_way * ratio));
        misses.chain(exchanges).chain(wholes).collect()
    }

    /// Returns the share of poses with an error that makes the evidence likeliest.
    ///
    /// # Source
    /// Saerens, Latinne & Decaestecker (2002), "Adjusting the outputs of a classifier to new a
    /// priori probabilities", doi:10.1162/089976602753284446, with a beta prior.
    fn prevalence(&self, actual: &[Weighed]) -> f64 {
        let ratios: Vec<f64> = (actual.iter())
            .map(|weighed| self.ratios(weighed).iter().map(|(_, ratio)| ratio).sum())
            .collect();
        let mut share = self.prevalence;
        for _ in 0..MOST_STEPS {
            let odds = share / (1.0 - share);
            let wrong: f64 = ratios.iter().map(|r| odds * r / (1.0 + odds * r)).sum();
            let next = (wrong + PREVALENCE * POSES) / (ratios.len() as f64 + POSES);
            let close = (next - share).abs() < 1e-5;
            share = next;
            if close {
                break;
            }
        }
        share
    }
}

/// Share of poses that have an error, before looking: that of labels found wrong in ten published
/// test sets, Northcutt, Athalye & Mueller (2021), "Pervasive label errors in test sets".
const PREVALENCE: f64 = 0.033;
/// How many poses that counts as.
const POSES: f64 = 20.0;
const MOST_STEPS: usize = 100;

/// How all errors are shared out among causes, before looking. No one has counted errors of
/// annotators by cause; misses come first, since every keypoint may be missed.
struct Shares {
    misses: f64,
    /// Of one pair.
    pair: f64,
    /// Of all pairs together.
    side: f64,
    /// Of two keypoints that are no pair.
    others: f64,
    whole: f64,
}

impl Shares {
    fn of(weighed: &Weighed) -> Shares {
        let points = weighed.points.len() as f64;
        let count = |of: &dyn Fn(Sides) -> bool| {
            weighed.exchanges.iter().filter(|exchange| of(exchange.of)).count() as f64
        };
        let pairs = count(&|of| matches!(of, Sides::Pair(_)));
        let (pair, side) = match (pairs > 0.0, count(&|of| of == Sides::All) > 0.0) {
            (true, true) => (0.15, 0.1),
            (true, false) => (0.25, 0.0),
            _ => (0.0, 0.0),
        };
        let whole = if weighed.whole.is_some() { 0.2 } else { 0.0 };
        let others = 0.05;
        Shares {
            misses: 1.0 - pair - side - whole - others,
            pair: pair / pairs.max(1.0),
            side,
            others: others / (points * (points - 1.0) / 2.0).max(1.0),
            whole,
        }
    }

    fn exchange(&self, exchange: &Exchange) -> f64 {
        match exchange.of {
            Sides::Pair(_) => self.pair,
            Sides::All => self.side,
            Sides::Others => self.others,
        }
    }
}

/// Probabilities that labels are wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Doubt {
    /// Any of the pose.
    pub(super) any: f64,
    /// Each of its labelled points, in the order of [`Weighed::points`].
    pub(super) points: Vec<f64>,
}

impl Doubt {
    /// Where to start: a pose is doubted where an exchange would fit better, or where it looks wrong as
    /// a whole, as if that evidence counted as before looking, and a point where half the evidence
    /// against it would do. A few errors among many right labels would else teach that such evidence
    /// means nothing. Of single points there are many that are odd and right, which a start in full
    /// doubt would never forgive.
    fn first(weighed: &Weighed, before: &Weights) -> Doubt {
        let exchanges = weighed.exchanges.iter().map(|exchange| before.exchange(exchange));
        let wholes = weighed.whole.iter().flat_map(|of| before.whole(of)).map(|(_, ratio)| ratio);
        let odds = exchanges.chain(wholes).map(|ratio| PREVALENCE * ratio);
        let total: f64 = odds.sum();
        let each = PREVALENCE / weighed.points.len().max(1) as f64;
        let point = |(kind, evidence): &(usize, Evidence)| {
            let odds = each * before.miss(*kind, evidence);
            odds / (1.0 + odds)
        };
        Doubt { any: total / (1.0 + total), points: weighed.points.iter().map(point).collect() }
    }
}
