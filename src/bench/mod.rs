//! How well detectors of label errors find errors that are known, since they were planted.
//!
//! Takes facts of a real dataset, rules and settings of an audit, kinds of errors with their
//! rates, and seeds; gives, for each kind, strength and rate, how well findings match what was
//! planted, beside a plain z-score and scores of other detectors. Nothing is written, and no
//! image is opened: moved labels are measured on [`Planes`]. Every figure is explained in
//! `docs/bench.md`.

mod boxes;
mod cells;
mod counts;
mod export;
mod figures;
mod matching;
mod outcome;
mod scores;
mod set;
mod zscore;

use std::collections::BTreeSet;

use rayon::prelude::*;

pub use boxes::{BOX_CELLS, BoxBench, BoxCell, BoxOutcome, BoxScores, BoxSet};
pub use cells::{Cell, CellsError};
pub use export::{labels_head, planted_head};
pub use figures::{Figure, ReliabilityBin};
pub use outcome::{AsIs, CellOutcome, DetectorOutcome, Named, NotPlanted, Outcome};
pub use scores::{Imported, ScoresError};

use crate::audit::{Config, Family, Find, Rule, Severity};
use crate::facts::{Facts, Planes};
use crate::plant::{PlantError, Planted, Scope, plant_in};
use set::Judged;

/// What is benched: a dataset, detectors, errors.
#[derive(Debug)]
pub struct Bench<'a> {
    facts: &'a Facts,
    planes: &'a Planes,
    rules: Vec<Rule>,
    config: &'a Config,
    plan: Plan<'a>,
    /// Images that errors may be planted in and that count.
    images: BTreeSet<u32>,
    sizes_px: Vec<Option<[u32; 2]>>,
    edges: Vec<Vec<[f32; 2]>>,
}

/// What is planted how often, and what else is compared.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Kinds of errors with their strengths.
    pub cells: &'a [Cell],
    /// Shares of the frames that are hit, each above 0 and at most 1.
    pub rates: &'a [f64],
    /// First seed; the others follow it.
    pub seed: u64,
    /// Number of seeds: planted copies for each cell and rate.
    pub seeds: u32,
    /// Images that do not count, since their labels are known to be doubtful.
    pub left_out: &'a BTreeSet<u32>,
    /// Other detectors.
    pub imported: &'a [Imported],
}

/// One planted copy of the dataset.
#[derive(Debug, Clone, Copy)]
pub struct Set<'a> {
    /// What is planted.
    pub cell: &'a Cell,
    /// Share of the frames that are hit.
    pub rate: f64,
    /// What decides which.
    pub seed: u64,
}

impl<'a> Bench<'a> {
    /// Makes a bench ready. Of the rules, those about keypoints and poses run that can find more
    /// than notes.
    pub fn new(
        facts: &'a Facts,
        planes: &'a Planes,
        rules: &[Rule],
        config: &'a Config,
        plan: Plan<'a>,
    ) -> Bench<'a> {
        let counts = |rule: &&Rule| {
            // The severity of a rule in SQL is fixed, so that one of notes finds nothing else.
            let notes = matches!(rule.find, Find::Sql) && config.severity(rule) == Severity::Info;
            rule.spec.family == Family::Keypoint && config.enabled(rule) && !notes
        };
        let images = 0..facts.dataset.images.len() as u32;
        let of_edges = |cell: &Cell| cell.recipe(1.0).is_ok_and(|recipe| recipe.needs_edges());
        Bench {
            facts,
            planes,
            rules: rules.iter().filter(counts).cloned().collect(),
            config,
            plan,
            sizes_px: images.clone().map(|image| facts.size_px(image as usize)).collect(),
            images: images.filter(|image| !plan.left_out.contains(image)).collect(),
            edges: match facts.measured && plan.cells.iter().any(of_edges) {
                true => planes.edges(&facts.dataset),
                false => Vec::new(),
            },
        }
    }

    /// Returns how many copies are made.
    pub fn sets(&self) -> usize {
        self.plan.cells.len() * self.plan.rates.len() * self.plan.seeds as usize
    }

    /// Plants the errors of a copy.
    ///
    /// # Errors
    /// Fails where the dataset cannot have such errors.
    pub fn planted(&self, set: &Set<'_>) -> Result<Planted, PlantError> {
        let recipe = (set.cell.recipe(set.rate)).map_err(|_| PlantError::NoFrames)?;
        let scope =
            Scope { images: Some(&self.images), sizes_px: &self.sizes_px, edges: &self.edges };
        plant_in(&self.facts.dataset, &recipe, set.seed, &scope)
    }

    /// Plants, audits and compares; calls `progress` after each copy, from any thread. Uses the
    /// current rayon pool; the result does not depend on the number of threads.
    pub fn run(&self, progress: &(dyn Fn() + Sync)) -> Outcome {
        let sets: Vec<Set<'_>> = self.every_set().collect();
        let judged: Vec<Result<Judged, PlantError>> = sets
            .par_iter()
            .map(|set| {
                let judged = set::judge(self, set);
                progress();
                judged
            })
            .collect();
        outcome::outcome(self, &judged)
    }

    /// Returns all copies: seeds within rates within cells.
    pub fn every_set(&self) -> impl Iterator<Item = Set<'a>> {
        let Plan { cells, rates, seed, seeds, .. } = self.plan;
        let seeds = (0..u64::from(seeds)).map(move |at| seed.wrapping_add(at));
        cells.iter().flat_map(move |cell| {
            let seeds = seeds.clone();
            rates
                .iter()
                .flat_map(move |&rate| seeds.clone().map(move |seed| Set { cell, rate, seed }))
        })
    }
}
