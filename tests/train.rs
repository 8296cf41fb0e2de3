//! `labelvet train`, `predict` and `eval` as users call them: files, resuming, refusals.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use polars::prelude::{ChunkCompareEq as _, DataFrame, ParquetReader, SerReader as _};
use serde_json::Value;

use crate::runtime::{cache, onnx_runtime};

/// Few steps of small images: what is tested is the run, not what it learns.
const SMALL: [&str; 8] = ["--size", "64x64", "--batch", "2", "--device", "cpu", "--threads", "2"];

fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mirror-mouse"))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labelvet"));
    command.args(words).env("LABELVET_CACHE", cache());
    command
}

fn train(out: &Path, words: &[&str]) -> Output {
    let out = out.to_str().expect("test paths are UTF-8");
    let example = example().to_str().expect("UTF-8");
    let mut all = vec!["train", example, "--out", out];
    all.extend(words);
    command(&all).output().expect("the command starts")
}

fn trained(out: &Path, words: &[&str]) {
    let output = train(out, words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn refusal(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "one message, not {stderr}");
    stderr
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn table(path: &Path) -> DataFrame {
    let file = fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    ParquetReader::new(file).finish().expect("a table")
}

#[test]
fn a_run_leaves_a_model_and_all_that_is_needed_to_repeat_it() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    trained(&run, &[&SMALL[..], &["--steps", "12", "--set", "run.probe_every=6"]].concat());
    for file in [
        "run.json",
        "config.toml",
        "split.parquet",
        "steps.parquet",
        "samples.parquet",
        "probe.parquet",
        "events.jsonl",
        "checkpoints/step-00000012/model.safetensors",
        "predictions.parquet",
        "metrics.json",
        "model.onnx",
        "report.html",
        "labelvet.json",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let about = json(&run.join("run.json"));
    assert_eq!((about["status"].as_str(), about["steps"][0].as_u64()), (Some("done"), Some(12)));
    let steps = table(&run.join("steps.parquet"));
    assert_eq!(steps.height(), 12);
    for column in [
        "step",
        "epoch",
        "lr",
        "loss",
        "grad_norm",
        "grad_norm.head",
        "clipped",
        "skipped",
        "step_ms",
        "wait_ms",
    ] {
        assert!(steps.column(column).is_ok(), "{column}");
    }
    assert_eq!(table(&run.join("samples.parquet")).height(), 24);
    assert_eq!(table(&run.join("probe.parquet")).height(), 2);
    let metrics = json(&run.join("metrics.json"));
    assert!(metrics["test"]["error_px_mean"].as_f64().is_some_and(f64::is_finite), "{metrics}");
    // Nothing half-written is left.
    let parts = walkdir::WalkDir::new(&run).into_iter().flatten();
    let parts: Vec<_> = parts
        .filter(|entry| {
            entry.file_name().to_string_lossy().contains(".part")
                || entry.file_name().to_string_lossy().starts_with(".labelvet")
        })
        .collect();
    assert!(parts.is_empty(), "{parts:?}");

    let said = |words: &[&str]| {
        let output = command(words).output().expect("the command starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("results are UTF-8")
    };
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let images = example().join("labeled-data");
    let (run_path, images) = (path("run"), images.to_str().expect("UTF-8"));
    for (name, device) in [("found.csv", "cpu"), ("found.parquet", "auto")] {
        said(&["predict", &run_path, images, "--out", &path(name), "--device", device]);
    }
    let rows = fs::read_to_string(path("found.csv")).expect("a table").lines().count();
    assert_eq!((rows, table(path("found.parquet").as_ref()).height()), (3 + 93, 93 * 17));
    let numbers = said(&["eval", &run_path, "--out", &path("eval")]);
    assert!(numbers.contains("test: "), "{numbers}");
    assert!(folder.path().join("eval/report.html").is_file());

    let message = refusal(&train(&run, &SMALL));
    assert!(message.contains("not empty"), "{message}");
    let message = refusal(&train(&run, &["--resume"]));
    assert!(message.contains("done"), "{message}");
}

#[test]
fn a_killed_run_goes_on_bit_for_bit() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let settings = [
        &SMALL[..],
        &["--steps", "100", "--set", "run.checkpoint_every=50", "--set", "run.probe_every=50"],
        &["--set", "optimiser.average_keep=0.9", "--set", "model.stochastic_depth=0.2"],
    ]
    .concat();
    trained(&whole, &settings);

    let mut words = vec!["train", example().to_str().expect("UTF-8"), "--out"];
    words.push(killed.to_str().expect("UTF-8"));
    words.extend(&settings);
    let mut child = command(&words).stderr(Stdio::null()).spawn().expect("the command starts");
    let half: PathBuf = killed.join("checkpoints/step-00000050");
    let start = Instant::now();
    while !half.exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "no checkpoint appeared");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it was running");
    child.wait().expect("it ends");
    assert!(!killed.join("checkpoints/step-00000100").exists(), "it was killed in time");
    let message = refusal(&train(&killed, &["--resume", "--lr", "0.5"]));
    assert!(message.contains("settings that it began with"), "{message}");
    trained(&killed, &["--resume", "--device", "cpu", "--threads", "2"]);

    for file in ["model.safetensors", "optimiser.safetensors"] {
        let [a, b] = [&whole, &killed].map(|run| {
            fs::read(run.join("checkpoints/step-00000100").join(file)).expect("a checkpoint")
        });
        assert!(a == b, "{file} differs");
    }
    let [a, b] = [&whole, &killed].map(|run| fs::read(run.join("model.onnx")).expect("a model"));
    assert!(a == b, "the exported models differ");
    let [a, b] = [&whole, &killed].map(|run| {
        let steps = table(&run.join("steps.parquet"));
        let timeless = steps.drop_many(["step_ms", "wait_ms"]);
        (timeless, table(&run.join("samples.parquet")), table(&run.join("probe.parquet")))
    });
    assert!(a.0.equals(&b.0) && a.1.equals(&b.1) && a.2.equals(&b.2), "the records differ");
}

#[test]
fn a_ladder_grows_data_rung_by_rung() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("ladder");
    trained(&out, &[&SMALL[..], &["--ladder", "--steps", "3"]].concat());
    let ladder = json(&out.join("ladder.json"));
    let rungs = ladder["rungs"].as_array().expect("rungs");
    let images: Vec<_> = rungs.iter().map(|rung| rung["images"].as_u64()).collect();
    assert_eq!(images[..2], [Some(16), Some(64)]);
    for rung in rungs {
        assert_eq!(rung["stable"], true, "{rung}");
        assert!(out.join(rung["run"].as_str().expect("a name")).join("model.onnx").is_file());
    }
}

#[test]
fn what_cannot_be_trained_is_refused_with_one_message() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |words: &[&str]| refusal(&train(&folder.path().join("run"), words));
    let cpu = ["--device", "cpu"];
    let with = |words: &[&'static str]| [&cpu[..], words].concat();
    for (words, expected) in [
        (with(&["--preset", "fast"]), "deeplabcut-tf"),
        (with(&["--size", "100x100"]), "multiples of 16"),
        (with(&["--model", "efficientnet_b9"]), "efficientnet_b0"),
        (with(&["--model", "efficientnet_b0"]), "--weights"),
        (with(&["--weights", "random", "--preset", "deeplabcut-tf"]), "frozen"),
        (with(&["--set", "optimiser.rate=1"]), "known are"),
        (with(&["--split", "nowhere.csv"]), "nowhere.csv"),
        (with(&["--resume"]), "no run to resume"),
        (with(&["--set", "model.half_precision=true"]), "cuda"),
    ] {
        let message = refused(&words);
        assert!(message.contains(expected), "{words:?}: {message}");
        assert!(!folder.path().join("run").exists(), "{words:?} left a folder");
    }
}

/// Returns the images of a column, each once, in order.
fn images(table: &DataFrame) -> BTreeSet<String> {
    let names = table.column("image").expect("a column").str().expect("text");
    names.iter().flatten().map(str::to_owned).collect()
}

#[test]
fn in_folds_each_image_is_predicted_by_the_model_that_did_not_see_it() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("folds");
    trained(&out, &[&SMALL[..], &["--folds", "2", "--steps", "2"]].concat());
    let unseen = table(&out.join("predictions.parquet"));
    let mut held = BTreeSet::new();
    for fold in ["fold-1", "fold-2"] {
        assert_eq!(json(&out.join(fold).join("run.json"))["status"], "done");
        let split = table(&out.join(fold).join("split.parquet"));
        let is_test = split.column("part").expect("a column").str().expect("text").equal("test");
        let test = images(&split.filter(&is_test).expect("a mask of its height"));
        assert!(!test.is_empty() && held.is_disjoint(&test));
        let own = table(&out.join(fold).join("predictions.parquet"));
        for image in &test {
            let of_image = |table: &DataFrame| {
                let column = table.column("image").expect("a column").str().expect("text").clone();
                let rows = table.filter(&column.equal(image.as_str())).expect("a mask");
                rows.select(["keypoint", "x", "y", "likelihood"]).expect("columns")
            };
            assert!(of_image(&unseen).equals_missing(&of_image(&own)), "{image}");
        }
        held.extend(test);
    }
    assert_eq!(images(&unseen), held);
    let example = example().to_str().expect("UTF-8");
    let [audit, predictions] = [folder.path().join("audit"), out.join("predictions.parquet")]
        .map(|p| p.display().to_string());
    let words = ["audit", example, "--predictions", &predictions, "--labels-only", "--out", &audit];
    let output = command(&words).output().expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn folds_that_cannot_be_made_are_refused_and_nothing_is_written() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("folds");
    for count in ["0", "1", "1000"] {
        let output = train(&out, &[&SMALL[..], &["--folds", count]].concat());
        assert!(refusal(&output).contains(&format!("divided into {count} parts")));
        assert!(!out.exists());
    }
    let output = train(&out, &["--folds", "2", "--split", "parts.csv"]);
    assert_eq!(output.status.code(), Some(2));
}
