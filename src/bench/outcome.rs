//! What a bench found: the content of `bench.json`.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::counts::{CONFIDENT, Pool};
use super::figures::{Figure, RELIABILITY_BINS, Ranked, ReliabilityBin, ranked, ratios};
use super::matching::Matches;
use super::set::{self, Judged};
use super::{Bench, Set};
use crate::plant::{ErrorKind, PlantError};
use crate::stats::random::SplitMix64;

/// Name of labelvet's own rules among the detectors.
const OWN: &str = "labelvet";
/// Name of the z-score.
const Z: &str = "z-score";
/// Points of a curve, at most: more than a plot can show.
const CURVE: usize = 200;

/// What a bench found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Slugs of the rules that made the findings.
    pub rules: Vec<String>,
    /// Body length, pixels.
    pub body_length_px: Option<f64>,
    /// Frames that count; clusters of the intervals.
    pub frames: usize,
    /// Frames that were left out.
    pub left_out: usize,
    /// What is found in the labels as they are.
    pub as_is: AsIs,
    /// Each kind and strength at each rate.
    pub cells: Vec<CellOutcome>,
    /// All kinds and strengths together at each rate: errors of a kind that is not known.
    pub together: Vec<CellOutcome>,
    /// What could not be planted.
    pub not_planted: Vec<NotPlanted>,
}

/// What labelvet finds in the labels as they are, where nothing is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AsIs {
    /// Instances that count.
    pub instances: usize,
    /// Of these, flagged ones.
    pub flagged: usize,
    /// Of these, those with a score above 0.9.
    pub above_90: usize,
}

/// Figures of one kind, strength and rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellOutcome {
    /// Kind of the errors; `None` of all together.
    pub kind: Option<ErrorKind>,
    /// Name of the strength.
    pub strength: String,
    /// Share of the frames that was asked for.
    pub rate: f64,
    /// Copies in which the errors could be planted.
    pub sets: usize,
    /// Instances of all copies.
    pub instances: usize,
    /// Of these, those with a planted error.
    pub planted: usize,
    /// Frames that were asked for and could not be hit.
    pub short: usize,
    /// What each detector found.
    pub detectors: Vec<DetectorOutcome>,
    /// What labelvet's findings say beyond a score.
    pub named: Named,
}

/// Figures of one detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorOutcome {
    /// Its name.
    pub name: String,
    /// Whether it calls instances wrong, or gives an order alone.
    pub flags: bool,
    /// Share of the flagged instances that have an error.
    pub precision: Figure,
    /// Share of the instances with an error that are flagged.
    pub recall: Figure,
    /// Average precision of the order by score.
    pub average_precision: Figure,
    /// Greatest recall among the scores above which 9 of 10 instances have an error.
    pub recall_at_precision_90: Figure,
    /// Share of the clean instances that are flagged with a score above 0.9; no value where
    /// scores are no probabilities.
    pub clean_above_90: Figure,
    /// Shares of errors by score; empty where scores are no probabilities.
    pub reliability: Vec<ReliabilityBin>,
    /// Recall and precision from the greatest score down.
    pub curve: Vec<[f64; 2]>,
}

/// What labelvet's findings say beyond a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Named {
    /// Share of the flagged instances with an error in which a finding names a kind.
    pub named: Figure,
    /// Share of these in which the likeliest such finding names the right one.
    pub kind_right: Figure,
    /// Share of the keypoints that findings name that a planted error changed.
    pub points_precision: Figure,
    /// Share of the keypoints that a planted error changed that findings name.
    pub points_recall: Figure,
    /// Share of those for which a proposal puts the label right.
    pub mended: Figure,
    /// The same, of those for which there is a proposal.
    pub mended_of_proposed: Figure,
}

/// A cell that could not be planted at a rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NotPlanted {
    /// Kind of the errors.
    pub kind: ErrorKind,
    /// Name of the strength.
    pub strength: String,
    /// Share of the frames that was asked for.
    pub rate: f64,
    /// Copies that could not be made.
    pub sets: usize,
    /// Why.
    pub reason: String,
}

/// All copies of a cell and rate.
#[derive(Debug, Default)]
struct Pooled {
    sets: usize,
    short: usize,
    pools: Vec<Pool>,
    matches: BTreeMap<u32, Matches>,
}

/// Makes figures of what was judged, set by set in the order of [`Bench::every_set`].
pub(super) fn outcome(bench: &Bench<'_>, judged: &[Result<Judged, PlantError>]) -> Outcome {
    let plan = &bench.plan;
    let sets: Vec<Set<'_>> = bench.every_set().collect();
    let seeds = (plan.seeds as usize).max(1);
    let groups: Vec<(Set<'_>, &[Result<Judged, PlantError>])> =
        sets.chunks(seeds).map(|sets| sets[0]).zip(judged.chunks(seeds)).collect();
    let detectors = 2 + plan.imported.len();
    let pooled: Vec<Pooled> = groups.iter().map(|(_, judged)| pool(judged, detectors)).collect();
    let frames = frames(bench);
    let cells: Vec<CellOutcome> = (groups.par_iter().zip(&pooled).enumerate())
        .filter(|(_, (_, pooled))| pooled.sets > 0)
        .map(|(at, ((set, _), pooled))| {
            let (kind, strength) = (Some(set.cell.kind), set.cell.strength.clone());
            cell(bench, &frames, pooled, (kind, strength, set.rate), at as u64)
        })
        .collect();
    let together = (plan.rates.par_iter().enumerate())
        .filter_map(|(at, &rate)| {
            let mut all = Pooled { pools: pools(detectors), ..Pooled::default() };
            for ((set, _), pooled) in groups.iter().zip(&pooled) {
                if set.rate == rate {
                    all.add(pooled);
                }
            }
            all.pools.iter_mut().for_each(Pool::sort);
            let what = (None, "all".to_owned(), rate);
            (all.sets > 0).then(|| cell(bench, &frames, &all, what, (groups.len() + at) as u64))
        })
        .collect();
    let as_is = set::as_is(bench);
    Outcome {
        rules: bench.rules.iter().map(|rule| rule.slug.clone()).collect(),
        body_length_px: bench.facts.body_length(),
        frames: frames.len(),
        left_out: plan.left_out.len(),
        as_is: AsIs {
            instances: as_is.len(),
            flagged: as_is.iter().filter(|said| said.is_flagged).count(),
            above_90: as_is.iter().filter(|s| s.is_flagged && s.score > CONFIDENT).count(),
        },
        cells,
        together,
        not_planted: groups.iter().filter_map(|(set, judged)| not_planted(set, judged)).collect(),
    }
}

fn pools(count: usize) -> Vec<Pool> {
    std::iter::repeat_with(Pool::default).take(count).collect()
}

/// Pools the copies of a cell and rate.
fn pool(judged: &[Result<Judged, PlantError>], detectors: usize) -> Pooled {
    let mut pooled = Pooled { pools: pools(detectors), ..Pooled::default() };
    for judged in judged.iter().flatten() {
        pooled.sets += 1;
        pooled.short += judged.short;
        for (pool, judgements) in pooled.pools.iter_mut().zip(&judged.detectors) {
            if let Some(judgements) = judgements {
                pool.add(&judged.units, judgements);
            }
        }
        for (&image, matches) in &judged.matches {
            pooled.matches.entry(image).or_default().add(matches);
        }
    }
    pooled.pools.iter_mut().for_each(Pool::sort);
    pooled
}

impl Pooled {
    fn add(&mut self, other: &Pooled) {
        self.sets += other.sets;
        self.short += other.short;
        for (pool, other) in self.pools.iter_mut().zip(&other.pools) {
            pool.extend(other);
        }
        for (&image, matches) in &other.matches {
            self.matches.entry(image).or_default().add(matches);
        }
    }
}

/// Returns the frames that count and have labels.
fn frames(bench: &Bench<'_>) -> Vec<u32> {
    let dataset = &bench.facts.dataset;
    let mut frames: Vec<u32> = (dataset.instances.iter())
        .filter(|instance| instance.len > 0 && bench.images.contains(&instance.image))
        .map(|instance| instance.image)
        .collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}

/// Makes the figures of a cell and rate.
fn cell(
    bench: &Bench<'_>,
    frames: &[u32],
    pooled: &Pooled,
    (kind, strength, rate): (Option<ErrorKind>, String, f64),
    number: u64,
) -> CellOutcome {
    let seed = SplitMix64::keyed("bench", bench.plan.seed, &[number]).word();
    let imported = bench.plan.imported;
    let own = [(OWN.to_owned(), true), (Z.to_owned(), true)].into_iter();
    let others = imported.iter().map(|other| (other.name.clone(), other.threshold.is_some()));
    let detectors = own.chain(others).zip(&pooled.pools).filter(|(_, pool)| !pool.is_empty());
    let detectors =
        detectors.map(|((name, flags), pool)| detector(name, flags, pool, frames, seed));
    let [planted, instances] = pooled.pools.first().map(Pool::sizes).unwrap_or_default();
    CellOutcome {
        kind,
        strength,
        rate,
        sets: pooled.sets,
        instances,
        planted,
        short: pooled.short,
        detectors: detectors.collect(),
        named: named(frames, &pooled.matches, seed),
    }
}

/// Makes the figures of one detector of a sorted pool.
pub(super) fn detector(
    name: String,
    flags: bool,
    pool: &Pool,
    frames: &[u32],
    seed: u64,
) -> DetectorOutcome {
    let found = ranked(pool, frames, seed);
    let Ranked { average_precision, recall_at_precision_90, reliability, .. } = found;
    let only = |figure: Figure, when: bool| if when { figure } else { Figure::default() };
    let probable = reliability.len() == RELIABILITY_BINS;
    DetectorOutcome {
        name,
        flags,
        precision: only(found.precision, flags),
        recall: only(found.recall, flags),
        average_precision,
        recall_at_precision_90,
        clean_above_90: only(found.clean_above_90, flags && probable),
        reliability: if flags { reliability } else { Vec::new() },
        curve: pool.curve(CURVE),
    }
}

fn named(frames: &[u32], matches: &BTreeMap<u32, Matches>, seed: u64) -> Named {
    let of_frame = |image: &u32| {
        let m = matches.get(image).copied().unwrap_or_default();
        let pair = |top: u32, bottom: u32| [f64::from(top), f64::from(bottom)];
        [
            pair(m.named, m.flagged),
            pair(m.named_right, m.named),
            pair(m.points_found, m.points_flagged),
            pair(m.points_found, m.points),
            pair(m.mended, m.points),
            pair(m.mended, m.proposed),
        ]
    };
    let rows: Vec<[[f64; 2]; 6]> = frames.iter().map(of_frame).collect();
    let [named, kind_right, points_precision, points_recall, mended, mended_of_proposed] =
        ratios(&rows, seed);
    Named { named, kind_right, points_precision, points_recall, mended, mended_of_proposed }
}

fn not_planted(set: &Set<'_>, judged: &[Result<Judged, PlantError>]) -> Option<NotPlanted> {
    let mut failed = judged.iter().filter_map(|judged| judged.as_ref().err()).peekable();
    let reason = failed.peek()?.to_string();
    Some(NotPlanted {
        kind: set.cell.kind,
        strength: set.cell.strength.clone(),
        rate: set.rate,
        sets: failed.count(),
        reason,
    })
}
