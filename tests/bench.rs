//! `labelvet bench detectors` as users call it: the tables, the folder, and what other detectors
//! are given and give back.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
    let mut seen = std::collections::BTreeSet::new();
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
