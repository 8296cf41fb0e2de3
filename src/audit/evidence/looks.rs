//! Whether what lies around a place looks like a keypoint does elsewhere.
//!
//! For each keypoint a linear discriminant tells descriptors of labelled places from those of
//! places beside them and of other keypoints. It is fitted to the other folds than the one that
//! it judges, and what it says there, where labels are mostly right, makes it odds.

use rayon::prelude::*;

use super::body::Body;
use super::case::{Case, spread};
use super::descriptor::{Descriptor, describe};
use super::discriminant::{Discriminant, Sums};
use super::folds::FOLDS;
use super::limits::within;
use super::piece::Piece;
use crate::audit::models::poses::{Point, Pose};
use crate::pixels::Preview;
use crate::stats::logistic::{self, Example, Prior};
use crate::stats::random::SplitMix64;
use crate::stats::robust;

/// What keypoints look like; one entry per keypoint, `None` where too few are labelled or they
/// look like anything else.
#[derive(Debug)]
pub(super) struct Looks(Vec<Option<Look>>);

/// What one keypoint looks like.
#[derive(Debug)]
struct Look {
    view: View,
    /// By fold that is judged.
    discriminants: Vec<Option<Discriminant>>,
    /// Slope and intercept that make log-odds of what a discriminant says.
    odds: [f64; 2],
    /// How far labelled and other places lie apart, in standard deviations.
    apart: f64,
}

/// How the squares that are looked at are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Along the sides of the image: for animals that stay upright.
    Image,
    /// Along the body, as the other keypoints tell it: for animals that turn.
    Body,
}

/// Labels of a keypoint that a discriminant is fitted to, at least.
const LEAST: usize = 8;
/// Labels of a keypoint that a discriminant is fitted to, at most: with the places beside them,
/// twenty times as many descriptors as it has weights.
const MOST: usize = 600;
/// Places beside each label that are not it.
const BESIDE: usize = 8;
/// Distance of these places, reaches.
const BESIDE_REACHES: [f64; 2] = [0.5, 6.0];
/// Other keypoints of the same pose that are not it.
const OTHERS: usize = 2;

impl Looks {
    /// Learns from the labels that are trusted; `trusted` is asked for a case and a keypoint.
    pub(super) fn learn(
        cases: &[Case<'_>],
        body: &Body,
        kinds: usize,
        trusted: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Looks {
        let looks = (0..kinds).into_par_iter().map(|kind| {
            let labelled: Vec<(&Case<'_>, &Preview, Point)> = (cases.iter().enumerate())
                .filter(|&(at, _)| trusted(at, kind))
                .filter_map(|(_, case)| Some((case, case.preview?, case.pose[kind]?)))
                .collect();
            let labelled: Vec<_> = spread(labelled.len(), MOST).map(|at| labelled[at]).collect();
            [View::Image, View::Body]
                .into_iter()
                .filter_map(|view| Look::learn(&labelled, body, kind, view))
                .filter(|look| look.apart > 0.0)
                .max_by(|a, b| a.apart.total_cmp(&b.apart))
        });
        Looks(looks.collect())
    }

    /// Returns the logarithm of the odds that a place is not that of a keypoint, as far as the
    /// eye tells: positive where it looks wrong. `None` without a picture or a look.
    pub(super) fn wrong(
        &self,
        case: &Case<'_>,
        body: &Body,
        pose: &Pose,
        kind: usize,
        at: Point,
    ) -> Option<f64> {
        let (preview, look) = (case.preview?, self.0[kind].as_ref()?);
        let discriminant = look.discriminants[case.fold].as_ref()?;
        let turn = look.view.turn(body, pose, kind);
        let side = discriminant.side(&describe(preview, at, turn, body.reach_px));
        Some(within(Piece::Picture, -logistic::log_odds(&look.odds, &[side, 1.0])))
    }
}

impl View {
    fn turn(self, body: &Body, pose: &Pose, kind: usize) -> f64 {
        match self {
            View::Image => 0.0,
            View::Body => body.turn(pose, kind),
        }
    }
}

impl Look {
    fn learn(
        labelled: &[(&Case<'_>, &Preview, Point)],
        body: &Body,
        kind: usize,
        view: View,
    ) -> Option<Look> {
        let mut sums: Vec<Sums> = vec![Sums::default(); FOLDS];
        let mut described: Vec<(usize, Descriptor, Vec<Descriptor>)> = Vec::new();
        for &(case, preview, at) in labelled {
            let turn = view.turn(body, &case.pose, kind);
            let of = |at: Point| describe(preview, at, turn, body.reach_px);
            let right = of(at);
            let wrong: Vec<Descriptor> =
                elsewhere(case, body, kind, at).into_iter().map(of).collect();
            sums[case.fold].add(0, &[right]);
            sums[case.fold].add(1, &wrong);
            described.push((case.fold, right, wrong));
        }
        let discriminants: Vec<Option<Discriminant>> = (0..FOLDS)
            .map(|fold| {
                let mut others = Sums::default();
                let parts = sums.iter().enumerate().filter(|&(other, _)| other != fold);
                parts.for_each(|(_, part)| others.join(part));
                others.discriminant(LEAST)
            })
            .collect();
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for (fold, label, others) in &described {
            if let Some(discriminant) = &discriminants[*fold] {
                right.push(discriminant.side(label));
                wrong.extend(others.iter().map(|other| discriminant.side(other)));
            }
        }
        if right.len() < LEAST || wrong.is_empty() {
            return None;
        }
        let odds = odds(&right, &wrong);
        let (right, wrong) = (robust::robust(&mut right)?, robust::robust(&mut wrong)?);
        let apart = (right.median - wrong.median) / (right.sd + wrong.sd).max(f64::MIN_POSITIVE);
        Some(Look { view, discriminants, odds, apart })
    }
}

/// Returns places that are not that of a keypoint: around its label, and other keypoints.
fn elsewhere(case: &Case<'_>, body: &Body, kind: usize, at: Point) -> Vec<Point> {
    let key = [u64::from(case.instance), kind as u64];
    let mut random = SplitMix64::keyed("elsewhere", 0, &key);
    let mut places: Vec<Point> = (0..BESIDE)
        .map(|_| {
            let [near, far] = BESIDE_REACHES.map(f64::ln);
            let away = random.uniform(near, far).exp() * body.reach_px;
            let (sin, cos) = random.uniform(0.0, std::f64::consts::TAU).sin_cos();
            [at[0] + away * cos, at[1] + away * sin]
        })
        .collect();
    let mut others: Vec<Point> = (case.pose.iter().enumerate())
        .filter(|&(other, _)| other != kind)
        .filter_map(|(_, &point)| point)
        .collect();
    random.shuffle(&mut others);
    places.extend(others.into_iter().take(OTHERS));
    places
}

/// Returns slope and intercept of the log-odds that a place is right, as if both were as frequent.
///
/// # Source
/// Platt (1999), "Probabilistic outputs for support vector machines", on values that the
/// discriminant was not fitted to, as he proposes.
fn odds(right: &[f64], wrong: &[f64]) -> [f64; 2] {
    let mut all: Vec<f64> = right.iter().chain(wrong).copied().collect();
    let middle = robust::median(&mut all).unwrap_or(0.0);
    let variance = all.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / all.len() as f64;
    let unit = variance.sqrt().max(f64::MIN_POSITIVE);
    let share = right.len() as f64 / wrong.len() as f64;
    let example =
        |value: &f64, is, weight| Example { row: [(value - middle) / unit, 1.0], is, weight };
    let examples: Vec<Example<2>> = (right.iter().map(|value| example(value, 1.0, 1.0)))
        .chain(wrong.iter().map(|value| example(value, 0.0, share)))
        .collect();
    let [slope, intercept] = logistic::fit(&examples, &ODDS);
    [slope / unit, intercept - slope * middle / unit]
}

/// Hardly anything is known; the slope stays finite where both are told apart without doubt.
const ODDS: Prior<2> = Prior { mean: [1.0, 0.0], precision: [0.05, 0.0], rising: [true, false] };
