//! How well the rules that compare boxes and classes with predictions find errors that are known.
//!
//! Takes a dataset with boxes, rules, settings and seeds. Errors are planted into copies of its
//! boxes, predictions are simulated from the boxes as they were, and each copy is audited; gives,
//! for each kind and rate, how well findings match what was planted, beside scores of other
//! programs for the same copies. `docs/boxes.md` explains every figure.

mod scores;
mod simulate;

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::Serialize;

pub use scores::BoxScores;

use super::DetectorOutcome;
use super::counts::Pool;
use super::outcome::detector;
use super::set::{Judgement, Unit};
use crate::audit::{self, Config, Finding, Rule};
use crate::dataset::Dataset;
use crate::facts::{Facts, Predicted};
use crate::plant::{BoxError, PlantedBoxes, boxes, plant_boxes};
use crate::stats::random::SplitMix64;
use simulate::Seen;

/// Name of labelvet's own rules among the detectors.
const OWN: &str = "labelvet";
/// Thresholds that hide weak findings, with the values that hide none: for the order of all.
const OPEN: [(&str, f64); 2] = [("min_score", 0.0), ("max_overlap", 1.0)];

/// A kind of error, and the rule that is to find it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxCell {
    /// What is planted.
    pub error: BoxError,
    /// Slug of the rule.
    pub rule: &'static str,
}

/// Every kind with its rule.
pub const BOX_CELLS: [BoxCell; 5] = [
    BoxCell { error: BoxError::Overlooked, rule: "overlooked_instance" },
    BoxCell { error: BoxError::Displaced { iou: [0.5, 0.7] }, rule: "badly_located_box" },
    BoxCell { error: BoxError::Displaced { iou: [0.2, 0.5] }, rule: "badly_located_box" },
    BoxCell { error: BoxError::Swapped, rule: "swapped_class" },
    BoxCell { error: BoxError::Swapped, rule: CLASSIFIER },
];
/// The rule that needs a classifier in place of a detector.
const CLASSIFIER: &str = "mislabelled_class";

/// What is benched.
#[derive(Debug, Clone, Copy)]
pub struct BoxBench<'a> {
    /// The dataset; its pixels are not looked at.
    pub dataset: &'a Dataset,
    /// Size of each image in pixels, where it is known: nothing is invented in others.
    pub sizes_px: &'a [Option<[u32; 2]>],
    /// Rules, of which those of [`BOX_CELLS`] are run.
    pub rules: &'a [Rule],
    /// Settings of the rules.
    pub config: &'a Config,
    /// Shares of the boxes that are hit, each above 0 and at most 1.
    pub rates: &'a [f64],
    /// First seed; the others follow it.
    pub seed: u64,
    /// Copies for each kind and rate.
    pub seeds: u32,
    /// Other programs.
    pub others: &'a [BoxScores],
}

/// Figures of a kind at a rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoxOutcome {
    /// What was planted.
    pub error: String,
    /// The rule that looked for it.
    pub rule: &'static str,
    /// Share of the boxes that was hit.
    pub rate: f64,
    /// What is judged, over all copies: labelled boxes, or predicted ones and objects without a
    /// label.
    pub items: usize,
    /// Of these, those with an error.
    pub planted: usize,
    /// Of the errors, those about which the simulated detector says nothing.
    pub unseen: usize,
    /// What each program found.
    pub detectors: Vec<DetectorOutcome>,
}

/// A planted copy with its predictions.
pub struct BoxSet {
    /// Which copy it is, counted from 0.
    pub number: usize,
    /// What was planted.
    pub cell: BoxCell,
    /// Share of the boxes that was hit.
    pub rate: f64,
    planted: PlantedBoxes,
    seen: Seen,
}

/// What is judged in a copy: its image, whether it has an error, and its numbers as other programs
/// know it, which are those of predicted boxes for an overlooked object and of instances else.
struct Item {
    unit: Unit,
    numbers: Vec<u32>,
}

/// What programs said of a copy.
struct Judged {
    units: Vec<Unit>,
    unseen: usize,
    /// labelvet's, then those of the others; `None` of one that has no scores for it.
    said: Vec<Option<Vec<Judgement>>>,
}

impl BoxBench<'_> {
    /// Returns how many copies are made.
    pub fn sets(&self) -> usize {
        BOX_CELLS.len() * self.rates.len() * self.seeds as usize
    }

    /// Makes a copy: seeds within rates within cells.
    pub fn set(&self, number: usize) -> BoxSet {
        let seeds = self.seeds as usize;
        let cell = BOX_CELLS[number / seeds / self.rates.len()];
        let rate = self.rates[number / seeds % self.rates.len()];
        let seed = self.seed.wrapping_add((number % seeds) as u64);
        let planted = plant_boxes(self.dataset, cell.error, rate, seed);
        let seen = match cell.rule {
            CLASSIFIER => {
                Seen { predictions: simulate::classify(self.dataset, seed), of: Vec::new() }
            }
            _ => simulate::detect(self.dataset, self.sizes_px, seed),
        };
        BoxSet { number, cell, rate, planted, seen }
    }

    /// Plants, audits and compares; calls `progress` after each copy, from any thread. Kinds that
    /// the dataset cannot have are left out. The result does not depend on the number of threads.
    pub fn run(&self, progress: &(dyn Fn() + Sync)) -> Vec<BoxOutcome> {
        let judged: Vec<Judged> = (0..self.sets())
            .into_par_iter()
            .map(|number| {
                let judged = self.judge(&self.set(number));
                progress();
                judged
            })
            .collect();
        let seeds = self.seeds as usize;
        let mut images: Vec<u32> =
            boxes(self.dataset).map(|at| self.dataset.instances[at as usize].image).collect();
        images.dedup();
        (judged.par_chunks(seeds).enumerate())
            .filter(|(_, copies)| copies.iter().any(|c| c.units.iter().any(|u| u.is_planted)))
            .map(|(at, copies)| self.outcome(at, copies, &images))
            .collect()
    }

    /// Pools the copies of a cell and rate.
    fn outcome(&self, at: usize, copies: &[Judged], images: &[u32]) -> BoxOutcome {
        let cell = BOX_CELLS[at / self.rates.len()];
        let seed = SplitMix64::keyed("bench boxes", self.seed, &[at as u64]).word();
        let first = at * self.seeds as usize;
        let names = std::iter::once((OWN, true))
            .chain(self.others.iter().map(|other| (other.name.as_str(), other.flags(first))));
        let detectors = names.enumerate().filter_map(|(program, (name, flags))| {
            let mut pool = Pool::default();
            for copy in copies {
                if let Some(said) = &copy.said[program] {
                    pool.add(&copy.units, said);
                }
            }
            pool.sort();
            (!pool.is_empty()).then(|| detector(name.to_owned(), flags, &pool, images, seed))
        });
        let units = || copies.iter().flat_map(|copy| &copy.units);
        BoxOutcome {
            error: cell.error.to_string(),
            rule: cell.rule,
            rate: self.rates[at % self.rates.len()],
            items: units().count(),
            planted: units().filter(|unit| unit.is_planted).count(),
            unseen: copies.iter().map(|copy| copy.unseen).sum(),
            detectors: detectors.collect(),
        }
    }

    fn judge(&self, set: &BoxSet) -> Judged {
        let copy = &set.planted.dataset;
        let items = set.items(self.dataset);
        let predicted = Predicted::new(copy, set.carried());
        let facts =
            Facts { dataset: copy.clone(), predictions: Some(predicted), ..Facts::default() };
        let facts = Facts { images: vec![Default::default(); copy.images.len()], ..facts };
        let rules: Vec<Rule> =
            self.rules.iter().filter(|rule| rule.slug == set.cell.rule).cloned().collect();
        let ranked = scored(set, &audit::run(&facts, &rules, &open(&rules, self.config)).findings);
        let flagged = scored(set, &audit::run(&facts, &rules, self.config).findings);
        let own = |item: &Item| {
            let most = |of: &HashMap<u32, f64>| {
                item.numbers.iter().filter_map(|number| of.get(number)).copied().fold(0.0, f64::max)
            };
            Judgement { score: most(&ranked), is_flagged: most(&flagged) > 0.0 }
        };
        let mut said = vec![Some(items.iter().map(own).collect())];
        for other in self.others {
            said.push(
                other.of(set.number).map(|of| {
                    items.iter().map(|item| other.judgement(of, &item.numbers)).collect()
                }),
            );
        }
        let unseen = items.iter().filter(|i| i.unit.is_planted && i.numbers.is_empty()).count();
        Judged { units: items.into_iter().map(|item| item.unit).collect(), unseen, said }
    }
}

/// Returns settings in which a rule hides no finding for being weak.
fn open(rules: &[Rule], config: &Config) -> Config {
    let mut config = config.clone();
    for rule in rules {
        let change = config.rules.entry(rule.slug.clone()).or_default();
        for (name, value) in OPEN {
            if rule.spec.thresholds.contains_key(name) {
                change.thresholds.insert(name.into(), value);
            }
        }
    }
    config
}

impl BoxSet {
    /// Returns the predictions, beside the labels of the copy.
    fn carried(&self) -> crate::dataset::Predictions {
        let place = |at: u32| self.planted.origin.binary_search(&at).ok().map(|place| place as u32);
        self.seen.predictions.carried(Some, place)
    }

    /// Returns what is judged.
    fn items(&self, original: &Dataset) -> Vec<Item> {
        let PlantedBoxes { dataset, hit, origin } = &self.planted;
        if self.cell.error != BoxError::Overlooked {
            let item = |at: u32| Item {
                unit: Unit {
                    image: dataset.instances[at as usize].image,
                    is_planted: hit.contains(&origin[at as usize]),
                },
                numbers: vec![at],
            };
            return boxes(dataset).map(item).collect();
        }
        let mut gone: BTreeMap<u32, Vec<u32>> = hit.iter().map(|&at| (at, vec![])).collect();
        let mut items = Vec::new();
        for ((number, row), of) in (0..).zip(&self.seen.predictions.boxes).zip(&self.seen.of) {
            match of.and_then(|of| gone.get_mut(&of)) {
                Some(numbers) => numbers.push(number),
                None => items.push(Item {
                    unit: Unit { image: row.image, is_planted: false },
                    numbers: vec![number],
                }),
            }
        }
        items.extend(gone.into_iter().map(|(at, numbers)| Item {
            unit: Unit { image: original.instances[at as usize].image, is_planted: true },
            numbers,
        }));
        items
    }

    /// Returns the copy for other programs: classes, and for each image its labelled boxes with
    /// their number, place (x, y, width, height, pixels) and class, its predicted ones with a
    /// score in addition, and probabilities of the classes of labelled boxes.
    pub fn to_json(&self) -> serde_json::Value {
        let dataset = &self.planted.dataset;
        let predictions = self.carried();
        let image = |at: u32| {
            let labels = (0..).zip(&dataset.instances).filter(|(_, i)| i.image == at);
            let labels: Vec<_> = labels
                .filter_map(|(number, i): (u32, _)| {
                    let b = i.bbox?;
                    Some(serde_json::json!([number, b.x, b.y, b.width, b.height, i.class?]))
                })
                .collect();
            let found = (0..).zip(&predictions.boxes).filter(|(_, row)| row.image == at);
            let found: Vec<_> = found
                .map(|(number, row): (u32, _)| {
                    let b = row.bbox;
                    serde_json::json!([number, b.x, b.y, b.width, b.height, row.class, row.score])
                })
                .collect();
            let classes: Vec<_> = (predictions.classes.iter().filter(|row| row.image == at))
                .map(|row| serde_json::json!([row.instance, row.probabilities]))
                .collect();
            serde_json::json!({ "labels": labels, "predictions": found, "classes": classes })
        };
        let images: Vec<_> = (0..dataset.images.len() as u32).map(image).collect();
        serde_json::json!({
            "set": self.number,
            "error": self.cell.error.to_string(),
            "rule": self.cell.rule,
            "rate": self.rate,
            "classes": dataset.classes.len(),
            "images": images,
        })
    }
}

/// Returns the scores of findings by number: of the instance, or of the predicted box whose middle
/// a finding about an image names.
fn scored(set: &BoxSet, findings: &[Finding]) -> HashMap<u32, f64> {
    /// Findings round places to a millionth of a pixel.
    const SAME_PX: f64 = 1e-4;
    let dataset = &set.planted.dataset;
    let images: HashMap<&str, u32> =
        (0..).zip(&dataset.images).map(|(at, image)| (image.path.as_str(), at)).collect();
    let instances: HashMap<(u32, String), u32> = (0..)
        .zip(&dataset.instances)
        .map(|(at, instance)| ((instance.image, dataset.instance_name(instance)), at))
        .collect();
    let mut by_image: HashMap<u32, Vec<u32>> = HashMap::new();
    for (number, row) in (0..).zip(&set.seen.predictions.boxes) {
        by_image.entry(row.image).or_default().push(number);
    }
    let number = |finding: &Finding| {
        let image = *images.get(finding.image.as_deref()?)?;
        if let Some(name) = &finding.instance {
            return instances.get(&(image, name.clone())).copied();
        }
        let proposal = finding.proposal.as_ref()?;
        let [x, y] = [proposal.x?, proposal.y?].map(|at| at + dataset.pixel_offset);
        let is_meant = |number: &&u32| {
            let found = set.seen.predictions.boxes[**number as usize].bbox;
            let [dx, dy] = [found.x + found.width / 2.0 - x, found.y + found.height / 2.0 - y];
            dx.abs() < SAME_PX && dy.abs() < SAME_PX
        };
        by_image.get(&image)?.iter().find(is_meant).copied()
    };
    findings.iter().filter_map(|finding| Some((number(finding)?, finding.score))).collect()
}
