//! `labelvet study` as users call it: folder, verdict, being killed, refusals.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::runtime::{cache, onnx_runtime};

/// Few steps of small images: what is tested is the study, not what models learn.
const SMALL: [&str; 14] = [
    "--shuffles",
    "2",
    "--images",
    "24",
    "--size",
    "64x64",
    "--ramps",
    "1",
    "--seeds",
    "0",
    "--device",
    "cpu",
    "--threads",
    "2",
];

fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mirror-mouse"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

fn command(dataset: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labelvet"));
    command.args(["study", text(dataset)]).args(words).env("LABELVET_CACHE", cache());
    command
}

fn study(dataset: &Path, words: &[&str]) -> Output {
    let output = command(dataset, words).output().expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn refusal(words: &[&str]) -> String {
    let output = command(example(), words).output().expect("the command starts");
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "one message, not {stderr}");
    stderr
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Hashes of all files of a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, String> {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten();
    files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let bytes = fs::read(entry.path()).expect("a file");
            (entry.path().to_path_buf(), format!("{:x?}", Sha256::digest(&bytes)))
        })
        .collect()
}

/// Returns what a study found, but for how long it took and what was typed.
fn timeless(study: &Path) -> Value {
    let mut file = json(&study.join("study.json"));
    file["seconds"] = Value::Null;
    file["command"] = Value::Null;
    for run in file["measures"].as_array_mut().expect("runs") {
        run["seconds"] = Value::Null;
    }
    file
}

#[test]
fn a_study_leaves_runs_ramps_patches_and_a_verdict() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let errors = folder.path().join("errors.toml");
    fs::write(&errors, "[[error]]\nkind = \"miss\"\nrate = 0.1\n").expect("written");
    let out = folder.path().join("study");
    let before = contents(example());
    let small = [&SMALL[..], &["--errors", text(&errors), "--out", text(&out)]].concat();
    let output = study(example(), &small);
    assert!(output.stdout.is_empty(), "talk goes to stderr");
    assert_eq!(contents(example()), before, "the source is as it was");
    for file in [
        "study.json",
        "design.json",
        "report.html",
        "report.md",
        "labelvet.json",
        "planted.jsonl",
        "audit/report.html",
        "patches/clean-s1.jsonl",
        "patches/random-s1.jsonl",
        "runs/dirty-default-s0/model.onnx",
        "runs/truth-stable-s1/predictions.parquet",
        "ramps/clean-common-s0/probe.parquet",
        "ramps/dirty-default-s1/steps.parquet",
    ] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let found = json(&out.join("study.json"));
    assert_eq!((&found["schema"], &found["status"]), (&1.into(), &"done".into()));
    assert_eq!(found["verdict"], "descriptive");
    assert!(found["sentence"].as_str().is_some_and(|sentence| sentence.contains("2 splits")));
    assert_eq!(found["failures"], Value::Array(Vec::new()));
    let runs = found["measures"].as_array().expect("runs");
    assert_eq!(runs.len(), 4 * 2 * 2);
    assert!(runs.iter().all(|run| run["error_px"].as_f64().is_some_and(|error| error > 0.0)));
    assert_eq!(found["ramps"].as_array().map(Vec::len), Some(2 * (4 + 2)));
    // Error, spikes and margin of the three contrasts of labels, error and margin of optimisers.
    let contrasts = found["contrasts"].as_array().expect("contrasts");
    assert_eq!(contrasts.len(), 3 * 3 + 2);
    for contrast in contrasts {
        assert_eq!(contrast["p"], Value::Null, "two shuffles carry no test");
        assert_eq!(
            contrast["n"].as_u64().map(|n| n + contrast["missing"].as_u64().unwrap_or(9)),
            Some(2)
        );
    }
    // Planted errors are known, and truth takes all of them back.
    let truth: Vec<&Value> = found["arms"]
        .as_array()
        .expect("arms")
        .iter()
        .filter(|arm| arm["arm"] == "truth")
        .collect();
    assert_eq!(truth.len(), 2);
    for arm in truth {
        let [wrong, hit, good] = [0, 1, 2].map(|at| arm["planted"][at].as_u64().expect("a count"));
        assert!(wrong > 0 && hit == wrong && good == 0, "{arm}");
    }
    for run in ["runs/dirty-stable-s0", "runs/clean-stable-s0"] {
        let about = json(&out.join(run).join("run.json"));
        assert_eq!(about["shuffle"], 0);
        assert_eq!(about["status"], "done");
    }
    let [a, b] =
        ["dirty", "truth"].map(|arm| json(&out.join(format!("runs/{arm}-stable-s1/run.json"))));
    assert_eq!(a["split"], b["split"], "all arms have the same test images");
    assert_eq!(a["weights"], b["weights"], "and begin with the same weights");
    assert_ne!(a["dataset"]["labels_sha256"], b["dataset"]["labels_sha256"]);

    // Nothing is run again.
    let model = out.join("runs/dirty-default-s0/model.onnx");
    let written =
        |path: &Path| fs::metadata(path).and_then(|about| about.modified()).expect("a time");
    let before = written(&model);
    let found = timeless(&out);
    study(example(), &[&small[..], &["--resume"]].concat());
    assert_eq!(written(&model), before);
    assert_eq!(timeless(&out), found);
    let message = refusal(&[&small[..], &["--resume", "--arms", "dirty"]].concat());
    assert!(message.contains("`arms` differs"), "{message}");
    let message = refusal(&small);
    assert!(message.contains("not empty"), "{message}");
}

#[test]
fn a_study_that_is_killed_again_and_again_comes_to_the_same_end() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let arms =
        ["--arms", "dirty,clean", "--optimiser", "stable", "--set", "run.checkpoint_every=1"];
    let words = [&SMALL[..], &arms].concat();
    study(example(), &[&words[..], &["--out", text(&whole)]].concat());
    let before = contents(example());
    let mut words = [&words[..], &["--out", text(&killed)]].concat();
    // Moments are spread over the whole study by a sequence that fills gaps, not by luck.
    for attempt in 0..12 {
        let mut child =
            command(example(), &words).stderr(Stdio::null()).spawn().expect("it starts");
        let share = (f64::from(attempt) * 0.618_034).fract();
        std::thread::sleep(Duration::from_secs_f64(0.2 + 3.0 * share));
        let over = child.try_wait().expect("it can be asked").is_some();
        child.kill().ok();
        child.wait().expect("it ends");
        for file in contents(&killed).into_keys() {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            // What is half written has another name than what is whole.
            if name.ends_with(".json") {
                json(&file);
            }
        }
        if killed.join("design.json").exists() && !words.contains(&"--resume") {
            words.push("--resume");
        }
        // A folder without a design was begun by a study that had not planned yet.
        if !killed.join("design.json").exists() && killed.exists() && !words.contains(&"--force") {
            words.push("--force");
        }
        if words.contains(&"--resume") {
            words.retain(|word| *word != "--force");
        }
        if over {
            break;
        }
    }
    study(example(), &words);
    assert_eq!(contents(example()), before, "the source is as it was");
    let [mut a, mut b] = [&whole, &killed].map(|study| timeless(study));
    // How long steps took when it was planned is not the same.
    for file in [&mut a, &mut b] {
        assert_eq!(file["status"], "done");
        file["given_up"] = Value::Null;
    }
    assert_eq!(a, b);
}

#[test]
fn a_plan_says_what_it_costs_and_writes_nothing() {
    if onnx_runtime().is_none() {
        return;
    }
    let output = study(example(), &[&SMALL[..], &["--plan", "--budget", "1h"]].concat());
    let words = String::from_utf8(output.stdout).expect("results are UTF-8");
    for part in
        ["arms: dirty, clean, random", "12 runs of 24 images and 10 ramps", "about", "descriptive"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn what_makes_no_study_is_refused_with_one_message() {
    if onnx_runtime().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let with = |words: &[&'static str]| {
        let mut all = vec!["--out", text(&out), "--device", "cpu"];
        all.extend(words);
        refusal(&all)
    };
    for (words, expected) in [
        (&["--arms", "dirtier"][..], "dirty, clean, random, fixed and truth"),
        (&["--arms", "truth"], "--errors"),
        (&["--arms", "dirty,dirty"], "taken twice"),
        (&["--optimiser", "x=nothing"], "deeplabcut-tf"),
        (&["--set", "no.such=1"], "known are"),
        (&["--errors", "nowhere.toml"], "nowhere.toml"),
        (&["--with", "again"], "NAME=DATASET"),
        (&["--resume"], "no study to go on with"),
        (&["--policy", "nowhere.toml"], "nowhere.toml"),
    ] {
        let message = with(words);
        assert!(message.contains(expected), "{words:?}: {message}");
        assert!(!out.exists(), "{words:?} left a folder");
    }
}
