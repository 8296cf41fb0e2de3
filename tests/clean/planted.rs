//! Errors planted into real pose data: what the default policy restores and removes of them,
//! and how many good labels it touches.
//!
//! Prints the table of `docs/cleaning.md`:
//! `cargo test --release --test main clean_planted -- --nocapture`

use std::collections::{BTreeMap, BTreeSet};

use labelvet::audit::{self, Config, Finding};
use labelvet::clean::{self, Policy};
use labelvet::dataset::Dataset;
use labelvet::facts::{self, MeasureOptions};
use labelvet::plant::{self, ErrorKind, Planted, Recipe};

use crate::formats::{load, shared};

const OPENFIELD: &str = "dlc-openfield/examples/openfield-Pranav-2018-10-30";
const MIRROR: &str = "lp-mirror-mouse/data/mirror-mouse-example";
const SEEDS: u64 = 10;

/// A label: path of the image, name of the instance, keypoint.
type Place = (String, String, u16);

/// Returns where every keypoint is labelled.
fn points(dataset: &Dataset) -> BTreeMap<Place, [f64; 2]> {
    let mut points = BTreeMap::new();
    for instance in &dataset.instances {
        let image = &dataset.images[instance.image as usize].path;
        for point in dataset.keypoints_of(instance) {
            let place = (image.clone(), dataset.instance_name(instance), point.kind);
            points.insert(place, [point.x, point.y]);
        }
    }
    points
}

fn findings(dataset: Dataset) -> (Dataset, Vec<Finding>) {
    let facts = facts::measure(dataset, &MeasureOptions::default());
    let rules = audit::builtin().expect("the built-in rules are valid");
    let findings = audit::run(&facts, &rules, &Config::default()).findings;
    (facts.dataset, findings)
}

/// Planted errors that were restored, removed or left, and what became of good labels.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    swaps: [usize; 3],
    misses: [usize; 3],
    /// Right labels, and those that were dropped or moved.
    good: [usize; 2],
}

/// Plants, cleans, and compares with what was there before: the whole patch, and its drops
/// alone.
fn judge(truth: &Dataset, seed: u64, tallies: &mut [Tally; 2]) {
    let recipe = Recipe::parse(
        "[[error]]\nkind = \"swap\"\nrate = 0.05\n[[error]]\nkind = \"miss\"\nrate = 0.05\n",
    );
    let planted = plant::plant(truth, &recipe.expect("a recipe"), seed).expect("errors");
    let (dirty, findings) = findings(truth.edited(&planted.edits));
    let patch = clean::plan(&dirty, &findings, &Policy::default());
    let drops = patch.drop_only();
    for (patch, tally) in [patch, drops].iter().zip(tallies) {
        let cleaned = dirty.edited(&patch.edits(&dirty).expect("the dataset is as it was"));
        tally.add(&points(truth), &points(&cleaned), &planted);
    }
}

impl Tally {
    fn add(
        &mut self,
        truth: &BTreeMap<Place, [f64; 2]>,
        cleaned: &BTreeMap<Place, [f64; 2]>,
        planted: &Planted,
    ) {
        let mut wrong = BTreeSet::new();
        for error in &planted.errors {
            let places: Vec<Place> = (error.points.iter())
                .map(|point| (error.path.clone(), error.name.clone(), point.kind))
                .collect();
            // Of a swap, both points have to be.
            let restored = places.iter().all(|place| cleaned.get(place) == truth.get(place));
            let removed = places.iter().all(|place| !cleaned.contains_key(place));
            let at = if restored { 0 } else { 2 - usize::from(removed) };
            match error.kind {
                ErrorKind::Swap => self.swaps[at] += 1,
                _ => self.misses[at] += 1,
            }
            wrong.extend(places);
        }
        let good = || truth.iter().filter(|(place, _)| !wrong.contains(*place));
        self.good[0] += good().count();
        self.good[1] += good().filter(|(place, at)| cleaned.get(*place) != Some(*at)).count();
    }
}

#[expect(clippy::print_stderr, reason = "prints the table of docs/cleaning.md")]
fn table(name: &str, path: &str) -> Option<Tally> {
    let truth = load(&shared(path)?);
    let (same, untouched) = findings(truth.clone());
    let patch = clean::plan(&same, &untouched, &Policy::default());
    eprintln!("{name}: as it is: {:?}", patch.counts());
    for change in &patch.changes {
        eprintln!("  {:?} {} {:?} {}", change.action, change.image, change.keypoint, change.reason);
    }
    let mut tallies = [Tally::default(); 2];
    (0..SEEDS).for_each(|seed| judge(&truth, seed, &mut tallies));
    for (arm, Tally { swaps, misses, good }) in ["whole patch", "drops alone"].iter().zip(tallies) {
        eprintln!("{name}, {arm}: swaps {swaps:?}, misses {misses:?} (restored, removed, left)");
        eprintln!("{name}, {arm}: good labels {good:?} (all, touched)");
    }
    Some(tallies[0])
}

#[test]
fn clean_planted_openfield() {
    let Some(Tally { swaps, misses, good }) = table("openfield", OPENFIELD) else { return };
    let handled = |[restored, removed, left]: [usize; 3]| {
        (restored + removed) as f64 / (restored + removed + left) as f64
    };
    assert!(handled(swaps) >= 0.7, "{swaps:?}");
    assert!(handled(misses) >= 0.45, "{misses:?}");
    assert!((good[1] as f64) < 0.02 * good[0] as f64, "{good:?}");
}

#[test]
fn clean_planted_mirror_mouse() {
    let Some(Tally { good, .. }) = table("mirror-mouse", MIRROR) else { return };
    assert!((good[1] as f64) < 0.03 * good[0] as f64, "{good:?}");
}
