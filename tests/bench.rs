//! The bench of detectors as a library, and as users call it: the tables, the folder, and what
//! other detectors are given and give back.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use labelvet::audit::{Config, builtin};
use labelvet::bench::{Bench, Cell, Imported, Outcome, Plan};
use labelvet::dataset::Dataset;
use labelvet::facts::{Facts, MeasureOptions, Pixels, Planes, measure};
use labelvet::formats::{self, ReadOptions};
use labelvet::plant::ErrorKind;
use serde_json::Value;

fn bench(words: &[&str]) -> Output {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mirror-mouse");
    Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(["bench", "detectors", example, "--labels-only", "--kinds", "miss,side_swap"])
        .args(["--rates", "0.1", "--seeds", "2"])
        .args(words)
        .env("LABELVET_CACHE", "off")
        .output()
        .expect("the command starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

#[test]
fn bench_prints_tables_and_writes_what_they_are_made_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let [out, copies] = ["out", "copies"].map(|name| folder.path().join(name));
    let output = bench(&["--out", text(&out), "--export", text(&copies)]);
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("Average precision") && stdout.contains("side_swap"), "{stdout}");

    let file = fs::read_to_string(out.join("bench.json")).expect("bench.json");
    let json: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!((json["schema"].as_u64(), json["frames"].as_u64()), (Some(1), Some(90)));
    let cells = json["cells"].as_array().expect("cells");
    let kinds: Vec<&str> = cells.iter().filter_map(|cell| cell["kind"].as_str()).collect();
    assert_eq!(kinds, ["side_swap", "miss", "miss"]);
    assert!(cells.iter().all(|cell| cell["sets"] == 2 && cell["planted"] == 18), "{cells:?}");
    for name in ["bench.md", "bench.html", "labelvet.json"] {
        assert!(fs::metadata(out.join(name)).expect(name).len() > 100, "{name}");
    }

    // Another detector judges the copies that were exported: here by what it was told.
    let planted = fs::read_to_string(copies.join("planted.csv")).expect("planted.csv");
    let mut scores = "seed,rate,kind,strength,image,instance,score\n".to_owned();
    let mut seen = BTreeSet::new();
    for row in planted.lines().skip(1) {
        let (row, _keypoint) = row.rsplit_once(',').expect("cells");
        if seen.insert(row) {
            scores += &format!("{row},1\n");
        }
    }
    assert_eq!(seen.len(), 54, "18 in each of 3 cells");
    let sets = fs::read_to_string(copies.join("sets.csv")).expect("sets.csv");
    for row in sets.lines().skip(1) {
        let name = row.split(',').next().expect("a cell");
        let labels = fs::read_to_string(copies.join(name)).expect("labels");
        assert!(labels.starts_with("seed,image,video,frame,instance,keypoint,x,y\n0,"), "{name}");
    }
    let file = folder.path().join("scores.csv");
    fs::write(&file, scores).expect("written");
    let again = folder.path().join("again");
    let given = format!("oracle={}@0.5", text(&file));
    let output = bench(&["--out", text(&again), "--scores", &given, "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "quiet");
    let file = fs::read_to_string(again.join("bench.json")).expect("bench.json");
    let json: Value = serde_json::from_str(&file).expect("JSON");
    for cell in json["cells"].as_array().expect("cells") {
        let oracle = &cell["detectors"][2];
        assert_eq!(
            (&oracle["name"], &oracle["average_precision"]["value"]),
            (&"oracle".into(), &1.0.into())
        );
    }
}

#[test]
fn bench_says_what_it_cannot_do() {
    let message = |words: &[&str]| {
        let output = bench(words);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let kind = message(&["--kinds", "smear"]);
    assert!(kind.contains("smear") && kind.contains("side_swap"), "{kind}");
    let scores = message(&["--scores", "other"]);
    assert!(scores.contains("NAME=FILE"), "{scores}");
    let file = message(&["--scores", "other=nowhere.csv@0.5"]);
    assert!(file.contains("nowhere.csv") && !file.contains('@'), "{file}");
}

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
