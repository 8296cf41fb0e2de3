//! Where something beside the pose and the picture puts its keypoints, and how far labels usually
//! lie from there.

use rayon::prelude::*;

use super::case::Case;
use super::folds::FOLDS;
use crate::audit::models::belief::Usual;
use crate::audit::models::poses::{Point, distance};
use crate::stats::robust;

/// A place for a keypoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hint {
    /// Pixels.
    pub(super) at: Point,
    /// How much it may be trusted; only the order matters.
    pub(super) sure: f64,
}

/// Hints for a pose, one entry per keypoint.
pub(super) type Hints = Vec<Option<Hint>>;

/// How far labels usually lie from hints of one origin; by fold that is judged.
#[derive(Debug)]
pub(super) struct Hinted(Vec<Option<Usually>>);

/// How far labels usually lie from hints.
#[derive(Debug)]
struct Usually {
    /// Standard deviation of each keypoint, pixels; `None` where too few have a hint.
    sd_px: Vec<Option<f64>>,
    /// By how much hints are trusted, from the least on: from which trust on, and how far off then.
    levels: Vec<(f64, Usual)>,
}

/// Levels of trust that are told apart, at most.
const LEVELS: usize = 4;
/// Labels with a hint that a level, or a keypoint, needs at least.
const LEAST: usize = 15;

impl Hinted {
    /// Learns from the labels that are trusted; `hint` gives that for a keypoint of a case,
    /// `trusted` is asked for both. No label is thought to be placed better than `least_sd_px`.
    pub(super) fn learn<'a>(
        cases: &[Case<'a>],
        hint: impl Fn(&Case<'a>, usize) -> Option<Hint>,
        trusted: &(dyn Fn(usize, usize) -> bool + Sync),
        least_sd_px: f64,
    ) -> Hinted {
        let mut all: Vec<Row> = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            for kind in case.labelled() {
                if let (Some(label), Some(hint)) = (case.pose[kind], hint(case, kind))
                    && trusted(at, kind)
                {
                    let px = distance(label, hint.at);
                    all.push(Row { fold: case.fold, kind, sure: hint.sure, px });
                }
            }
        }
        let kinds = cases.first().map_or(0, |case| case.pose.len());
        let fold = |fold: usize| {
            let others = all.iter().filter(|row| row.fold != fold).copied().collect();
            Usually::learn(others, kinds, least_sd_px)
        };
        Hinted((0..FOLDS).into_par_iter().map(fold).collect())
    }

    /// Returns the logarithm of the density, per px², with which a hint for a keypoint of a case
    /// expects it at a place; `None` where too little is known.
    pub(super) fn log_density(
        &self,
        case: &Case<'_>,
        hint: &Hint,
        kind: usize,
        at: Point,
    ) -> Option<f64> {
        let usually = self.0[case.fold].as_ref()?;
        let place = usually.levels.partition_point(|&(from, _)| from <= hint.sure);
        let (_, usual) = usually.levels[place.saturating_sub(1)];
        let sd_px = usually.sd_px[kind]?;
        Some(usual.log_density(distance(hint.at, at) / sd_px, sd_px))
    }
}

/// A label beside its hint.
#[derive(Debug, Clone, Copy)]
struct Row {
    fold: usize,
    kind: usize,
    sure: f64,
    px: f64,
}

impl Usually {
    /// Learns from labels beside their hints, `None` where no keypoint has enough.
    fn learn(mut rows: Vec<Row>, kinds: usize, least_sd_px: f64) -> Option<Usually> {
        let sd_px: Vec<Option<f64>> = (0..kinds)
            .map(|kind| {
                let mut px: Vec<f64> =
                    rows.iter().filter(|row| row.kind == kind).map(|row| row.px).collect();
                // The median of a Rayleigh distribution.
                let unit = (2.0 * std::f64::consts::LN_2).sqrt();
                let sd_px = (robust::median(&mut px)? / unit).max(least_sd_px);
                (px.len() >= LEAST).then_some(sd_px)
            })
            .collect();
        rows.retain(|row| sd_px[row.kind].is_some());
        if rows.is_empty() {
            return None;
        }
        rows.sort_by(|a, b| a.sure.total_cmp(&b.sure));
        let count = (rows.len() / LEAST).min(LEVELS);
        let levels = (0..count)
            .map(|level| {
                let part = &rows[level * rows.len() / count..(level + 1) * rows.len() / count];
                let far = part.iter().filter_map(|row| Some(row.px / sd_px[row.kind]?));
                (part[0].sure, Usual::of(&mut far.collect::<Vec<f64>>()))
            })
            .collect();
        Some(Usually { sd_px, levels })
    }
}
