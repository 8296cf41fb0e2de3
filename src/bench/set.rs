//! One planted copy: the audit of it, and what each detector says of each of its instances.

use std::collections::{BTreeMap, HashMap};

use super::matching::{self, Matches};
use super::{Bench, Set, zscore};
use crate::audit::{self, Finding, Level, Severity};
use crate::dataset::Dataset;
use crate::plant::PlantError;

/// What detectors said of a copy.
#[derive(Debug)]
pub(super) struct Judged {
    /// Instances that count.
    pub(super) units: Vec<Unit>,
    /// For each detector, one judgement per unit; `None` of a detector that has no scores for
    /// this copy. First labelvet, then the z-score, then the imported ones.
    pub(super) detectors: Vec<Option<Vec<Judgement>>>,
    /// What labelvet's findings say beyond a score, by image.
    pub(super) matches: BTreeMap<u32, Matches>,
    /// Frames that were asked for and could not be hit.
    pub(super) short: usize,
}

/// An instance of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Index into the images.
    pub(super) image: u32,
    /// Whether an error was planted in it.
    pub(super) is_planted: bool,
}

/// What a detector says of an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    /// The greater, the likelier an error.
    pub(super) score: f64,
    /// Whether it calls it an error.
    pub(super) is_flagged: bool,
}

/// Plants, audits, and gathers what detectors say.
///
/// # Errors
/// Fails where nothing can be planted.
pub(super) fn judge(bench: &Bench<'_>, set: &Set<'_>) -> Result<Judged, PlantError> {
    let before = &bench.facts.dataset;
    let planted = bench.planted(set)?;
    let edited = before.edited(&planted.edits);
    let facts = bench.planes.relabelled(bench.facts, edited);
    let findings = audit::run(&facts, &bench.rules, bench.config).findings;
    let dataset = &facts.dataset;
    let instances = counted(bench, dataset);
    let hit: BTreeMap<(u32, &str), usize> = (planted.errors.iter().enumerate())
        .map(|(at, error)| ((error.image, error.name.as_str()), at))
        .collect();
    let names: Vec<String> =
        (instances.iter()).map(|&at| dataset.instance_name(&dataset.instances[at])).collect();
    let units: Vec<Unit> = (instances.iter().zip(&names))
        .map(|(&at, name)| {
            let image = dataset.instances[at].image;
            Unit { image, is_planted: hit.contains_key(&(image, name.as_str())) }
        })
        .collect();
    let found = Found::new(dataset, &findings);
    let mut detectors = vec![Some(found.judgements(&units, &names))];
    let z = zscore::scores(dataset);
    let by_z = instances
        .iter()
        .map(|&at| Judgement { score: z[at], is_flagged: z[at] >= zscore::OUTLIER });
    detectors.push(Some(by_z.collect()));
    for imported in bench.plan.imported {
        detectors.push(imported.of(set).map(|scores| {
            let judgement = |(unit, name): (&Unit, &String)| {
                let key = (dataset.images[unit.image as usize].path.clone(), name.clone());
                let score = scores.get(&key).copied();
                let flagged = score.zip(imported.threshold).is_some_and(|(s, least)| s >= least);
                Judgement { score: score.unwrap_or(0.0), is_flagged: flagged }
            };
            units.iter().zip(&names).map(judgement).collect()
        }));
    }
    let body_px = before.body_length().unwrap_or_default();
    let mut matches: BTreeMap<u32, Matches> = BTreeMap::new();
    for ((unit, name), &at) in units.iter().zip(&names).zip(&instances) {
        let error = hit.get(&(unit.image, name.as_str())).map(|&at| &planted.errors[at]);
        let about = found.of(unit.image, name);
        let of_unit = matching::matches(dataset, at, error, &about, body_px);
        matches.entry(unit.image).or_default().add(&of_unit);
    }
    let short = planted.short.iter().map(|short| short.wanted - short.planted).sum();
    Ok(Judged { units, detectors, matches, short })
}

/// Judges the labels as they are: the score of labelvet for each instance that counts, 0 where
/// nothing was found.
pub(super) fn as_is(bench: &Bench<'_>) -> Vec<Judgement> {
    let findings = audit::run(bench.facts, &bench.rules, bench.config).findings;
    let dataset = &bench.facts.dataset;
    let instances = counted(bench, dataset);
    let names: Vec<String> =
        (instances.iter()).map(|&at| dataset.instance_name(&dataset.instances[at])).collect();
    let unit = |&at: &usize| Unit { image: dataset.instances[at].image, is_planted: false };
    let units: Vec<Unit> = instances.iter().map(unit).collect();
    Found::new(dataset, &findings).judgements(&units, &names)
}

/// Returns the instances that count: those with keypoints, of images that are not left out.
fn counted(bench: &Bench<'_>, dataset: &Dataset) -> Vec<usize> {
    let counts = |at: &usize| {
        let instance = &dataset.instances[*at];
        let is_pose = instance.len > 0 && instance.skeleton.is_some() && !instance.crowd;
        is_pose && bench.images.contains(&instance.image)
    };
    (0..dataset.instances.len()).filter(counts).collect()
}

/// Findings about labels, by where they are; notes are none.
struct Found<'a> {
    /// By image and instance, in the order of the audit; those about whole images have no
    /// instance.
    by_place: HashMap<(u32, Option<&'a str>), Vec<&'a Finding>>,
}

impl<'a> Found<'a> {
    fn new(dataset: &Dataset, findings: &'a [Finding]) -> Found<'a> {
        let images: HashMap<&str, u32> =
            (0..).zip(&dataset.images).map(|(at, image)| (image.path.as_str(), at)).collect();
        let mut by_place: HashMap<_, Vec<&Finding>> = HashMap::new();
        for finding in findings.iter().filter(|finding| finding.severity > Severity::Info) {
            let about = matches!(finding.level, Level::Keypoint | Level::Instance | Level::Image);
            let image = finding.image.as_deref().and_then(|path| images.get(path));
            if let (Some(&image), true) = (image, about) {
                by_place.entry((image, finding.instance.as_deref())).or_default().push(finding);
            }
        }
        Found { by_place }
    }

    /// Returns the findings about an instance or its image, the likeliest first.
    fn of(&self, image: u32, name: &str) -> Vec<&'a Finding> {
        let places = [(image, Some(name)), (image, None)];
        let mut all: Vec<&Finding> =
            places.iter().filter_map(|place| self.by_place.get(place)).flatten().copied().collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all
    }

    fn judgements(&self, units: &[Unit], names: &[String]) -> Vec<Judgement> {
        (units.iter().zip(names))
            .map(|(unit, name)| {
                let first = self.of(unit.image, name).first().map(|finding| finding.score);
                Judgement { score: first.unwrap_or(0.0), is_flagged: first.is_some() }
            })
            .collect()
    }
}
