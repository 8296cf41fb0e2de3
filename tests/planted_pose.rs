//! Errors planted into real pose data: what the pose rules find of them, and what else.
//!
//! Prints the table of `docs/methods.md`:
//! `cargo test --release --test main planted_pose -- --nocapture`

use std::collections::BTreeSet;
use std::path::Path;

use labelvet::audit::{self, Config, Finding};
use labelvet::dataset::{Dataset, Image};
use labelvet::facts::{self, Facts, MeasureOptions, Pixels};
use labelvet::formats::{self, ReadOptions};
use labelvet::plant::{self, Recipe, Scope};

const OPENFIELD: &str = "dlc-openfield/examples/openfield-Pranav-2018-10-30";
const MIRROR: &str = "lp-mirror-mouse/data/mirror-mouse-example";
const REACHING: &str = "dlc-reaching/examples/Reaching-Mackenzie-2018-08-30";
/// Openfield's own swap of the ears; never planted on, and no false alarm.
const REAL_SWAP: &str = "labeled-data/m4s1/img0102.png";
const SEED: u64 = 20_260_714;
const REPEATS: u64 = 5;

/// Reads a dataset beside the repository; `None`, with a note, where it is absent.
#[expect(clippy::print_stderr, reason = "tells why a test did nothing")]
fn read(path: &str) -> Option<Dataset> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    if !path.exists() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(formats::read(&path, &ReadOptions::default()).expect("the dataset is read"))
}

fn labels_only(dataset: Dataset) -> Facts {
    facts::measure(dataset, &MeasureOptions { pixels: Pixels::Skip, ..MeasureOptions::default() })
}

/// Rules that share the explanation of a pose: what an error is called is another question than
/// whether it is found.
const POSE_RULES: [&str; 3] = ["keypoint_outlier", "left_right_swap", "pose_outlier"];

fn findings(facts: &Facts, slugs: &[&str], settings: &str) -> Vec<Finding> {
    let mut rules = audit::builtin().expect("the built-in rules are valid");
    rules.retain(|rule| slugs.contains(&rule.slug.as_str()));
    assert_eq!(rules.len(), slugs.len());
    let set = |slug: &&str| format!("[rules.{slug}]\nenabled = true\n{settings}\n");
    let config = Config::parse(&slugs.iter().map(set).collect::<String>());
    audit::run(facts, &rules, &config.expect("settings")).findings
}

#[test]
fn planted_pose_openfield_has_one_swap_and_it_is_found() {
    let Some(dataset) = read(OPENFIELD) else { return };
    let facts = labels_only(dataset);
    let swaps = findings(&facts, &["left_right_swap"], "");
    assert_eq!(swaps.len(), 1, "{swaps:?}");
    assert_eq!(swaps[0].image.as_deref(), Some(REAL_SWAP));
    assert!(swaps[0].score > 0.95, "{}", swaps[0].score);
    let with = swaps[0].proposal.as_ref().and_then(|proposal| proposal.with.clone());
    assert_eq!(with.as_deref(), Some("rightear"));
}

#[test]
fn planted_pose_rules_are_silent_on_undamaged_labels() {
    for path in [OPENFIELD, MIRROR, REACHING] {
        let Some(dataset) = read(path) else { return };
        let facts = labels_only(dataset);
        for rule in [
            "keypoint_outlier",
            "pose_outlier",
            "bone_length_outlier",
            "temporal_jump",
            "keypoint_order",
        ] {
            let found = findings(&facts, &[rule], "");
            assert!(found.is_empty(), "{path}: {found:?}");
        }
        let tongue = findings(&facts, &["missing_keypoint"], "")
            .into_iter()
            .filter(|finding| finding.keypoint.as_deref() == Some("Tongue"));
        assert_eq!(tongue.count(), 0, "{path}: the tongue is rarely out");
    }
}

/// An error that is planted into 5 % of the frames.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plant {
    /// One pair, exchanged.
    Swap,
    /// One point, moved by 0.3 body lengths in any direction.
    Miss,
    /// All pairs, exchanged.
    Flip,
}

impl Plant {
    fn recipe(self) -> Recipe {
        let (kind, more) = match self {
            // Also of points that nearly coincide: no hard case is left out.
            Plant::Swap => ("swap", "strength = [0.0, inf]"),
            Plant::Flip => ("swap", "strength = [0.0, inf]\npoints = \"all\""),
            // The least that counts as a miss.
            Plant::Miss => ("miss", "strength = [0.3, 0.3]\nclear = 0.0"),
        };
        let text = format!("[[error]]\nkind = \"{kind}\"\nrate = 0.05\n{more}\n");
        Recipe::parse(&text).expect("a recipe")
    }
}

/// Damages 5 % of the frames; returns the copy and which instances were damaged.
fn damage(dataset: &Dataset, kind: Plant, seed: u64) -> (Dataset, BTreeSet<usize>) {
    let images: BTreeSet<u32> = (0..dataset.images.len() as u32)
        .filter(|&image| dataset.images[image as usize].path != REAL_SWAP)
        .collect();
    let size = |image: &Image| formats::size_px(image.file.as_deref()?);
    let sizes: Vec<_> = dataset.images.iter().map(size).collect();
    let scope = Scope { images: Some(&images), sizes_px: &sizes, ..Scope::default() };
    let planted = plant::plant_in(dataset, &kind.recipe(), seed, &scope).expect("planted");
    assert!(planted.short.is_empty());
    let damaged = planted.errors.iter().map(|error| error.instance as usize).collect();
    (dataset.edited(&planted.edits), damaged)
}

#[derive(Default)]
struct Score {
    found: usize,
    wrong: usize,
    planted: usize,
    average_precision: f64,
}

impl Score {
    fn precision(&self) -> f64 {
        self.found as f64 / (self.found + self.wrong).max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.found as f64 / self.planted as f64
    }
}

/// Plants, audits and compares, by instance, as often as asked.
fn measure(dataset: &Dataset, kind: Plant) -> Score {
    let mut score = Score::default();
    for repeat in 0..REPEATS {
        let (copy, damaged) = damage(dataset, kind, SEED + repeat);
        let facts = labels_only(copy);
        // One animal per image, so that the image names the instance.
        let at = |finding: &Finding| {
            let path = finding.image.as_deref().expect("an image");
            let image = dataset.images.iter().position(|i| i.path == path).expect("that image");
            dataset.instances.iter().position(|i| i.image as usize == image).expect("labelled")
        };
        let real = |at: usize| {
            let image = dataset.instances[at].image as usize;
            dataset.images[image].path == REAL_SWAP
        };
        let mut best = vec![0.0_f64; dataset.instances.len()];
        for finding in findings(&facts, &POSE_RULES, "min_score = 0.05") {
            let at = at(&finding);
            best[at] = best[at].max(finding.score);
        }
        let flagged: BTreeSet<usize> = (0..best.len()).filter(|&at| best[at] >= 0.5).collect();
        score.found += flagged.intersection(&damaged).count();
        score.wrong += flagged.difference(&damaged).filter(|&&at| !real(at)).count();
        score.planted += damaged.len();
        let mut order: Vec<usize> = (0..best.len()).filter(|&at| !real(at)).collect();
        // Of equal scores the undamaged first: no luck in ties.
        order
            .sort_by_key(|&at| (std::cmp::Reverse((best[at] * 1e9) as u64), damaged.contains(&at)));
        let mut hits = 0.0;
        let mut sum = 0.0;
        for (rank, at) in order.iter().enumerate() {
            if damaged.contains(at) {
                hits += 1.0;
                sum += hits / (rank + 1) as f64;
            }
        }
        score.average_precision += sum / damaged.len() as f64 / REPEATS as f64;
    }
    score
}

#[test]
fn planted_pose_errors_are_found_with_few_false_alarms() {
    // Average precision of SLEAP's label QC on the same kinds of error, and the recall
    // and precision that must not be lost.
    let table = [
        (OPENFIELD, Plant::Swap, 0.10, 0.9, 0.8),
        (OPENFIELD, Plant::Miss, 0.35, 0.5, 0.9),
        (MIRROR, Plant::Swap, 0.06, 0.4, 0.7),
        (MIRROR, Plant::Flip, 0.06, 0.9, 0.7),
        (MIRROR, Plant::Miss, 0.06, 0.7, 0.7),
    ];
    for (path, kind, peer, recall, precision) in table {
        let Some(dataset) = read(path) else { return };
        let score = measure(&dataset, kind);
        println!(
            "{} | {kind:?} | AP {:.2} (peer {peer:.2}) | precision {:.2} | recall {:.2}",
            path.split('/').next().unwrap_or_default(),
            score.average_precision,
            score.precision(),
            score.recall(),
        );
        assert!(score.average_precision > 0.5 && score.average_precision > peer, "{kind:?}");
        assert!(score.precision() >= precision && score.recall() >= recall, "{kind:?}");
    }
}
