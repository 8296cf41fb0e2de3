use super::*;
use crate::audit::builtin;
use crate::dataset::Dataset;
use crate::facts::{MeasureOptions, Pixels, measure};
use crate::formats::{self, ReadOptions};
use crate::plant::ErrorKind;

/// Labelled frames of a real dataset that are used; the rest would take long.
const FRAMES: usize = 40;

/// The labels of a small real dataset, no image opened.
fn facts() -> Facts {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mirror-mouse");
    let dataset = formats::read(path.as_ref(), &ReadOptions::default()).expect("a dataset");
    let kept = labelled(&dataset)[FRAMES - 1];
    let (dataset, _) = dataset.only(|image| image <= kept);
    measure(dataset, &MeasureOptions { pixels: Pixels::Skip, ..MeasureOptions::default() })
}

fn labelled(dataset: &Dataset) -> Vec<u32> {
    let mut images: Vec<u32> = dataset.instances.iter().map(|i| i.image).collect();
    images.dedup();
    images
}

const CELLS: &str = "
[[cell]]
kind = \"miss\"
name = \"far\"
strength = [0.6, 1.0]
[[cell]]
kind = \"side_swap\"
name = \"all\"
[[cell]]
kind = \"edge_miss\"
name = \"near\"
";

fn run(left_out: &BTreeSet<u32>, imported: &[Imported], threads: usize) -> Outcome {
    let (facts, planes) = (facts(), Planes::default());
    let rules = builtin().expect("rules");
    let config = Config::default();
    let cells = Cell::parse(CELLS).expect("cells");
    let rates = [0.05, 0.1];
    let plan = Plan { cells: &cells, rates: &rates, seed: 3, seeds: 2, left_out, imported };
    let bench = Bench::new(&facts, &planes, &rules, &config, plan);
    assert_eq!(bench.sets(), 12);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| bench.run(&|| {}))
}

#[test]
fn far_misses_are_found_and_the_threads_do_not_matter() {
    let outcome = run(&BTreeSet::new(), &[], 1);
    assert_eq!(run(&BTreeSet::new(), &[], 3), outcome);
    assert!(!outcome.rules.contains(&"blurry_image".to_owned()));
    let cell = (outcome.cells.iter())
        .find(|cell| cell.kind == Some(ErrorKind::Miss) && cell.rate == 0.1)
        .expect("misses");
    // 4 of the 40 frames in each of two copies.
    assert_eq!((cell.sets, cell.instances, cell.planted), (2, 80, 8));
    let [own, z] = &cell.detectors[..] else { panic!("two detectors") };
    assert_eq!((own.name.as_str(), z.name.as_str()), ("labelvet", "z-score"));
    let ap = own.average_precision;
    // By chance a tenth.
    assert!(ap.value > Some(0.5), "{ap:?}");
    assert!(ap.low <= ap.value && ap.value <= ap.high, "{ap:?}");
    assert!(own.reliability.iter().map(|bin| bin.instances).sum::<usize>() > 0);
    assert!(z.reliability.is_empty() && z.clean_above_90.value.is_none());
    assert!(cell.named.points_recall.value > Some(0.5), "{:?}", cell.named);
    assert_eq!(outcome.together.len(), 2);
    assert_eq!(outcome.together[1].planted, 16, "misses and side swaps");
    let none: Vec<ErrorKind> = outcome.not_planted.iter().map(|none| none.kind).collect();
    assert_eq!(none, [ErrorKind::EdgeMiss; 2], "no image was opened");
}

#[test]
fn frames_that_are_left_out_have_no_errors_and_do_not_count() {
    let facts = facts();
    let left_out: BTreeSet<u32> = labelled(&facts.dataset).into_iter().take(20).collect();
    let outcome = run(&left_out, &[], 2);
    assert_eq!((outcome.frames, outcome.left_out), (20, 20));
    assert_eq!(outcome.as_is.instances, 20);
    let cell = &outcome.cells[1];
    assert_eq!((cell.rate, cell.instances, cell.planted), (0.1, 40, 4));
}

#[test]
fn a_detector_that_knows_the_errors_is_perfect() {
    let (facts, planes) = (facts(), Planes::default());
    let (rules, config) = (builtin().expect("rules"), Config::default());
    let cells = Cell::parse(CELLS).expect("cells");
    let none = BTreeSet::new();
    let plan = Plan {
        cells: &cells[..1],
        rates: &[0.05, 0.1],
        seed: 3,
        seeds: 2,
        left_out: &none,
        imported: &[],
    };
    let bench = Bench::new(&facts, &planes, &rules, &config, plan);
    // The errors as they are exported, with a score each, for one rate alone.
    let mut scores = "seed,rate,kind,strength,image,instance,score\n".to_owned();
    for set in bench.every_set().filter(|set| set.rate == 0.1) {
        let [labels, errors] = bench.exported(&set).expect("planted");
        let labelled = facts.dataset.keypoints.len();
        assert_eq!(labels.lines().count(), labelled, "a miss takes no label away");
        for row in errors.lines() {
            let (row, _keypoint) = row.rsplit_once(',').expect("cells");
            scores += &format!("{row},0.75\n");
        }
    }
    let oracle = Imported::parse("oracle".into(), Some(0.7), &scores).expect("scores");
    let outcome = run(&none, &[oracle], 2);
    let of = |rate: f64| {
        let mut cells = outcome.cells.iter();
        let cell = cells.find(|c| c.kind == Some(ErrorKind::Miss) && c.rate == rate);
        cell.expect("misses").detectors.iter().find(|found| found.name == "oracle")
    };
    let found = of(0.1).expect("scores of this rate");
    for figure in [found.precision, found.recall, found.average_precision] {
        assert_eq!(figure.value, Some(1.0));
    }
    assert_eq!(found.clean_above_90.value, Some(0.0));
    assert_eq!((found.reliability[7].instances, found.reliability[7].mean_score), (8, Some(0.75)));
    assert!(of(0.05).is_none(), "it has no scores of the other rate");
}
