//! The commands: export, import, and audits that know decisions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn labelvet(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(words)
        .env("LABELVET_CACHE", "off")
        .output()
        .expect("the command starts")
}

fn works(words: &[&str]) -> String {
    let output = labelvet(words);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{words:?}: {stderr}");
    assert!(output.stdout.is_empty(), "talk goes to stderr");
    stderr
}

fn refused(words: &[&str]) -> String {
    let output = labelvet(words);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
    stderr
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

/// Copies the shipped example, with the nose of one frame put on the obstacle.
fn example(folder: &Path) -> PathBuf {
    let root = folder.join("project");
    fs::create_dir_all(root.join("labeled-data")).expect("folders");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mirror-mouse");
    let labels = fs::read_to_string(own.join("CollectedData.csv")).expect("labels");
    let mut rows: Vec<Vec<String>> =
        labels.lines().map(|row| row.split(',').map(String::from).collect()).collect();
    let column = |name: &str| rows[1].iter().position(|cell| cell == name).expect("a column");
    let (nose, obstacle) = (column("nose_top"), column("obs_top"));
    let labelled = |row: &&mut Vec<String>| !row[nose].is_empty() && !row[obstacle].is_empty();
    let row = rows.iter_mut().skip(3).find(labelled).expect("a row with both");
    for axis in 0..2 {
        row[nose + axis] = row[obstacle + axis].clone();
    }
    let rows: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    fs::write(root.join("CollectedData.csv"), rows.join("\n")).expect("written");
    for entry in fs::read_dir(own.join("labeled-data")).expect("pictures") {
        let entry = entry.expect("a picture");
        fs::copy(entry.path(), root.join("labeled-data").join(entry.file_name())).expect("copied");
    }
    root
}

/// Returns findings by fingerprint.
fn findings(audit: &Path) -> Vec<Value> {
    json(&audit.join("findings.json")).as_array().expect("an array").clone()
}

#[test]
fn a_finding_confirmed_as_right_stays_silent_until_its_label_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = example(folder.path());
    let at = |name: &str| folder.path().join(name);
    let project = text(&root);
    let (first_audit, exported) = (at("audit"), at("csv"));
    works(&["audit", project, "--out", text(&at("audit")), "--labels-only"]);
    let before = findings(&at("audit"));
    let words = ["relabel", "export", project, "--to", "csv", "--audit", text(&first_audit)];
    let said = works(&[&words[..], &["--out", text(&exported)]].concat());
    assert!(said.contains("relabel import"), "{said}");

    // The first finding about a keypoint that is labelled is confirmed.
    let table = at("csv").join("queue.csv");
    let rows = fs::read_to_string(&table).expect("a table");
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let row = reader
        .records()
        .map(|row| row.expect("a row"))
        .find(|row| !row[4].is_empty() && !row[7].is_empty());
    let row = row.expect("a finding about a keypoint");
    let (image, keypoint, x, fingerprint) = (&row[2], &row[4], &row[7], &row[12]);
    let filled =
        rows.replace(&format!("{fingerprint},,"), &format!("{fingerprint},correct,looked"));
    assert_ne!(filled, rows);
    fs::write(&table, filled).expect("written");
    let decisions = at("decisions.jsonl");
    let words = ["relabel", "import", text(&exported), "--out", text(&decisions), "--by", "Ada"];
    let said = works(&words);
    assert!(said.contains("1 correct"), "{said}");
    assert!(refused(&words).contains("--append"));
    works(&[&words[..], &["--append"]].concat());
    let lines = fs::read_to_string(&decisions).expect("decisions");
    assert_eq!(lines.lines().count(), 2, "the same is not said twice: {lines}");
    assert!(lines.contains("\"by\":\"Ada\"") && lines.contains("\"schema\":1"), "{lines}");

    let audit = |out: &str| {
        let out = at(out);
        let words = ["audit", project, "--labels-only", "--decisions", text(&decisions)];
        let said = works(&[&words[..], &["--out", text(&out)]].concat());
        (findings(&out), json(&out.join("summary.json")), said, out)
    };
    let (after, summary, said, out) = audit("silent");
    assert_eq!(after.len() + 1, before.len());
    assert!(after.iter().all(|finding| finding["fingerprint"] != fingerprint));
    assert_eq!(summary["silenced"], 1);
    assert_eq!(summary["findings"]["total"], after.len());
    assert!(said.contains("1 finding silent"), "{said}");
    let page = fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(page.contains("1 finding is silent"));

    // The judged label moves: the finding is there again.
    let csv = root.join("CollectedData.csv");
    let labels = fs::read_to_string(&csv).expect("labels");
    let mut lines: Vec<String> = labels.lines().map(String::from).collect();
    let names: Vec<String> = lines[1].split(',').map(String::from).collect();
    let line = lines.iter_mut().find(|line| line.starts_with(image)).expect("the row");
    let column = names.iter().position(|name| name == keypoint).expect("the column");
    let mut cells: Vec<String> = line.split(',').map(String::from).collect();
    let moved = cells[column].parse::<f64>().expect("a number");
    assert!((moved - x.parse::<f64>().expect("a number")).abs() < 1e-6, "the right cell");
    cells[column] = (moved + 0.001).to_string();
    *line = cells.join(",");
    fs::write(&csv, lines.join("\n")).expect("written");
    let (again, summary, said, _) = audit("again");
    assert!(again.iter().any(|finding| finding["fingerprint"] == fingerprint));
    assert_eq!(summary["silenced"], 0);
    assert!(said.contains("appear again"), "{said}");

    // An audit of the old labels is no audit of these.
    let words = ["relabel", "export", project, "--to", "csv", "--audit", text(&first_audit)];
    let said = refused(&[&words[..], &["--out", text(&at("late"))]].concat());
    assert!(said.contains("another state"), "{said}");
    assert!(!at("late").exists());
}

#[test]
fn what_people_decided_goes_into_a_patch_before_what_findings_ask_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = example(folder.path());
    let at = |name: &str| folder.path().join(name);
    let (project, exported, decisions) = (text(&root), at("csv"), at("decisions.jsonl"));
    let words = ["relabel", "export", project, "--to", "csv", "--labels-only"];
    works(&[&words[..], &["--out", text(&exported)]].concat());
    let table = exported.join("queue.csv");
    let mut reader = csv::Reader::from_path(&table).expect("a table");
    let header = reader.headers().expect("a header").clone();
    let mut rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| row.expect("a row").iter().map(String::from).collect())
        .collect();
    let row = rows.iter_mut().find(|row| row[4] == "nose_top" && !row[7].is_empty());
    let row = row.expect("the nose on the obstacle");
    (row[7], row[8], row[13]) = ("101.5".into(), "77.25".into(), "fixed".into());
    let (image, fingerprint) = (row[2].clone(), row[12].clone());
    let mut writer = csv::Writer::from_path(&table).expect("a table");
    writer.write_record(&header).expect("written");
    rows.iter().for_each(|row| writer.write_record(row).expect("written"));
    writer.flush().expect("written");
    drop(writer);
    works(&["relabel", "import", text(&exported), "--out", text(&decisions)]);

    let (patch, clean) = (at("patch.jsonl"), at("clean"));
    let words = ["clean", "plan", project, "--labels-only", "--decisions", text(&decisions)];
    works(&[&words[..], &["--out", text(&patch)]].concat());
    let lines = fs::read_to_string(&patch).expect("a patch");
    let about: Vec<Value> = (lines.lines().skip(1))
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line["image"] == image && line["keypoint"] == "nose_top")
        .collect();
    assert_eq!(about.len(), 1, "{about:?}");
    assert_eq!(about[0]["action"], "move");
    assert_eq!(about[0]["rule"], "decision");
    // Several findings may be about one label; the patch names the decision of one of them.
    let decided = fs::read_to_string(&decisions).expect("decisions");
    let named = about[0]["fingerprint"].as_str().expect("a fingerprint");
    assert!(decided.contains(named) && decided.contains(&fingerprint), "{decided}");
    works(&["clean", "apply", text(&patch), project, "--out", text(&clean)]);
    let labels = fs::read_to_string(clean.join("CollectedData.csv")).expect("labels");
    let names: Vec<&str> = labels.lines().nth(1).expect("a row").split(',').collect();
    let nose = names.iter().position(|&name| name == "nose_top").expect("a column");
    let line = labels.lines().find(|line| line.starts_with(&image)).expect("the row");
    let cells: Vec<&str> = line.split(',').collect();
    assert_eq!(cells[nose..nose + 2], ["101.5", "77.25"]);

    // In the cleaned copy the label is no longer the one that was judged.
    let again = at("again.jsonl");
    let words = ["clean", "plan", text(&clean), "--labels-only", "--decisions", text(&decisions)];
    let said = works(&[&words[..], &["--out", text(&again)]].concat());
    assert!(said.contains("not in the patch"), "{said}");
}

#[test]
fn malformed_decisions_are_named_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let decisions = folder.path().join("d.jsonl");
    fs::write(&decisions, "{\"schema\":1}\n{\"fingerprint\":1}\n").expect("written");
    let out = folder.path().join("out");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mirror-mouse");
    let words = ["audit", example, "--labels-only", "--out", text(&out)];
    let said = refused(&[&words[..], &["--decisions", text(&decisions)]].concat());
    assert!(said.contains("d.jsonl: line 2"), "{said}");
    assert!(!out.exists());
}

#[test]
fn exports_are_the_same_each_time_and_work_in_them_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = example(folder.path());
    let example = text(&root);
    let out = folder.path().join("napari");
    let words = [
        "relabel",
        "export",
        example,
        "--labels-only",
        "--to",
        "napari",
        "--top",
        "5",
        "--out",
        text(&out),
    ];
    works(&words);
    let csv = out.join("labeled-data/images/CollectedData_labelvet.csv");
    let first =
        (fs::read(&csv).expect("labels"), fs::read(out.join("queue.jsonl")).expect("queue"));
    assert!(refused(&words).contains("--force"));
    let force = [&words[..], &["--force"]].concat();
    works(&force);
    let second =
        (fs::read(&csv).expect("labels"), fs::read(out.join("queue.jsonl")).expect("queue"));
    assert!(first == second);
    fs::write(&csv, "hours of work").expect("written");
    assert!(refused(&force).contains("CollectedData_labelvet.csv"));
    assert_eq!(fs::read_to_string(&csv).expect("still there"), "hours of work");
    let said = refused(&["relabel", "export", example, "--to", "excel", "--out", "x"]);
    assert!(said.contains("label-studio"), "{said}");
    let said = refused(&[
        "relabel",
        "export",
        example,
        "--to",
        "csv",
        "--only",
        "left_swap",
        "--labels-only",
        "--out",
        text(&folder.path().join("x")),
    ]);
    assert!(said.contains("left_right_swap"), "{said}");
}
