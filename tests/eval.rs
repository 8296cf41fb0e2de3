//! Evaluation against other tools' numbers on the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use labelvet::dataset::{Dataset, PredictedPoint, PredictedPose, Predictions};
use labelvet::eval::{self, Settings};
use labelvet::formats::{self, ReadOptions};
use labelvet::predictions;
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/eval").join(name)
}

fn read(path: &Path) -> Dataset {
    formats::read(path, &ReadOptions::default()).expect("labels")
}

/// Returns what labelvet says of a results file, in the names of pycocotools' numbers.
fn summary(dataset: &Dataset, results: &Path, sigma: f64) -> Value {
    let reading = predictions::read(results, dataset).expect("results");
    assert_eq!(reading.problems, []);
    let subsets = eval::own_subsets(dataset);
    let images: Vec<u32> = subsets.iter().flat_map(|subset| subset.images.clone()).collect();
    let summary = eval::oks_summary(dataset, &reading.predictions, &images, sigma);
    serde_json::to_value(summary).expect("numbers")
}

#[test]
fn oks_map_is_pycocotools() {
    let persons = read(&fixture("labels.json"));
    let folder = tempfile::tempdir().expect("a folder");
    let renamed = folder.path().join("labels.json");
    // Persons by another name have the sigma that is asked for.
    let text = fs::read_to_string(fixture("labels.json")).expect("labels");
    fs::write(&renamed, text.replace("\"nose\"", "\"snout\"")).expect("written");
    let others = read(&renamed);
    let text = fs::read_to_string(fixture("expected.json")).expect("numbers");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("an array");
    assert_eq!(cases.len(), 8);
    for case in cases {
        let results = fixture(&format!("results-{}.json", case["seed"]));
        let found = match case["sigma"].as_f64() {
            None => summary(&persons, &results, eval::DEFAULT_SIGMA),
            Some(sigma) => summary(&others, &results, sigma),
        };
        for (name, value) in case.as_object().expect("an object") {
            if ["seed", "sigma"].contains(&name.as_str()) {
                continue;
            }
            let own = found[format!("oks_{name}")].as_f64().expect("a number");
            let expected = value.as_f64().expect("a number");
            assert!((own - expected).abs() < 1e-9, "{case}: {name} is {own}");
        }
    }
}

#[test]
fn results_survive_every_kind_of_file() {
    let dataset = read(&fixture("labels.json"));
    let given = predictions::read(&fixture("results-0.json"), &dataset).expect("results");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    predictions::write_coco_results(&path("r.json"), &dataset, &given.predictions)
        .expect("written");
    predictions::write_parquet(&path("r.parquet"), &dataset, &given.predictions).expect("written");
    predictions::write_csv(&path("r.csv"), &dataset, &given.predictions).expect("written");
    let subsets = eval::own_subsets(&dataset);
    let measure = |predictions: &Predictions| {
        let settings = Settings::default();
        let evaluation = eval::evaluate(&dataset, predictions, &subsets, &[], &settings);
        evaluation.parts[0].metrics.clone()
    };
    let expected = measure(&given.predictions);
    assert!(expected.all.n_points > 100 && expected.oks.map.is_some());
    for name in ["r.json", "r.parquet"] {
        let reading = predictions::read(&path(name), &dataset).expect(name);
        assert_eq!(measure(&reading.predictions), expected, "{name}");
    }
    // A CSV has no score of the animal, so that matching is the same and precision is not.
    let reading = predictions::read(&path("r.csv"), &dataset).expect("r.csv");
    assert_eq!(measure(&reading.predictions).all, expected.all);
}

/// Returns the shipped example.
fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mirror-mouse")
}

fn labelvet(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(words)
        .env("LABELVET_CACHE", "off")
        .output()
        .expect("the command starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Writes the example's labels, moved by 3 and 4 px, as predictions, and a split file.
fn shifted(folder: &Path) -> [PathBuf; 2] {
    let dataset = read(&example());
    let rows: Vec<_> = (dataset.instances.iter().enumerate())
        .map(|(at, instance)| {
            let count = dataset.skeletons[0].keypoints.len();
            let mut points = vec![PredictedPoint::MISSING; count];
            for label in dataset.keypoints_of(instance) {
                let (x, y) = (label.x + 3.0, label.y - 4.0);
                points[usize::from(label.kind)] = PredictedPoint { x, y, likelihood: 0.9 };
            }
            let (image, instance) = (instance.image, Some(at as u32));
            PredictedPose { image, instance, skeleton: 0, score: 0.9, points }
        })
        .collect();
    let predictions = folder.join("model.csv");
    predictions::write_csv(&predictions, &dataset, &Predictions::from(rows)).expect("written");
    let split = folder.join("split.csv");
    let parts = (dataset.images.iter().enumerate())
        .map(|(at, image)| format!("{},{}\n", image.path, if at < 60 { "train" } else { "test" }));
    fs::write(&split, format!("image,part\n{}", parts.collect::<String>())).expect("written");
    [predictions, split]
}

#[test]
fn eval_writes_the_whole_folder_alike_on_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let [predictions, split] = shifted(folder.path());
    let run = |threads: &str| {
        let out = folder.path().join(threads);
        let example = example();
        let words = ["eval", text(&example), "--predictions", text(&predictions)];
        let more = ["--split", text(&split), "--out", text(&out), "--threads", threads];
        let output = labelvet(&[&words[..], &more[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(stdout.starts_with("test: ") && stdout.contains("median 5.00 px"), "{stdout}");
        out
    };
    let [one, two] = ["1", "2"].map(run);
    for file in ["metrics.json", "predictions.parquet", "predictions.csv", "predictions.coco.json"]
    {
        assert!(fs::read(one.join(file)).expect(file) == fs::read(two.join(file)).expect(file));
    }
    let mark = fs::read_to_string(one.join("labelvet.json")).expect("a mark");
    assert!(mark.contains("\"pcutoff\": 0.6"), "{mark}");
    let metrics = fs::read_to_string(one.join("metrics.json")).expect("numbers");
    let metrics: Value = serde_json::from_str(&metrics).expect("JSON");
    assert_eq!(metrics["schema"], 1);
    let test = &metrics["test"];
    assert_eq!(test["n_missing"], 0);
    assert!((test["bias_px"][0].as_f64().expect("a number") - 3.0).abs() < 1e-6);
    assert!((test["bias_px"][1].as_f64().expect("a number") + 4.0).abs() < 1e-6);
    assert_eq!(test["left_right_pairs"].as_array().expect("pairs").len(), 4);
    assert!(test["baselines"]["mean_position"]["error_px_median"].as_f64() > Some(5.0));
    assert_eq!(metrics["train"]["baselines"], serde_json::json!({}));
    let page = fs::read_to_string(one.join("report.html")).expect("a page");
    assert!(page.contains("Predictions are shifted as a whole, by 3 px to the right"));
    assert!(page.contains("data:image/jpeg;base64,") && !page.contains("http://"));
}

#[test]
fn what_cannot_be_judged_is_said_in_one_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let example = example();
    let refusal = |words: &[&str]| {
        let output = labelvet(&[words, &["--out", text(&out)]].concat());
        let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        assert!(!out.exists(), "{words:?} left something");
        stderr
    };
    let own = example.join("CollectedData.csv");
    let message = refusal(&["eval", text(&example), "--predictions", text(&own)]);
    assert!(message.contains("these are labels, not predictions"), "{message}");
    let message = refusal(&["eval", text(&example)]);
    assert!(message.contains("no RUN folder") && message.contains("--predictions"), "{message}");
    let fake = folder.path().join("model.csv");
    fs::write(&fake, "scorer,m,m,m\nbodyparts,beak,beak,beak\ncoords,x,y,likelihood\n")
        .expect("written");
    let message = refusal(&["eval", text(&example), "--predictions", text(&fake)]);
    assert!(message.contains("found beak"), "{message}");
    let message =
        refusal(&["eval", text(&example), "--predictions", text(&fake), "--pcutoff", "7"]);
    assert!(message.contains("0 to 1"), "{message}");
}
