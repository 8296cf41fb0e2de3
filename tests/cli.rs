//! The command as users and scripts call it: exit codes, messages, files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Returns the shipped example, the project of the README's first command.
fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mirror-mouse"))
}

fn labelvet(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(words)
        .env("LABELVET_CACHE", "off")
        .output()
        .expect("the command starts")
}

/// Runs the command, which must not be able to work, and returns its one message.
fn refusal(words: &[&str]) -> String {
    let output = labelvet(words);
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{words:?} printed to stdout");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{words:?}: one message, not {stderr}");
    stderr
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn audit_writes_the_whole_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("audit");
    let output = labelvet(&["audit", text(example()), "--out", text(&out)]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty(), "talk goes to stderr");
    for file in [
        "findings.json",
        "findings.parquet",
        "summary.json",
        "report.html",
        "training_ledger.json",
        "training_ledger.csv",
        "facts/images.parquet",
        "facts/instances.parquet",
        "facts/keypoints.parquet",
        "labelvet.json",
    ] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["schema"], 1);
    assert_eq!(summary["format"], "lightning_pose");
    assert_eq!(summary["images"], 93);
    assert_eq!(summary["images_labelled"], 90);
    assert_eq!(summary["instances"], 90);
    assert_eq!(summary["keypoints"], 90 * 17 - 134);
    assert_eq!(summary["unreadable"], 0);
    assert_eq!(json(&out.join("labelvet.json"))["schema"], 1);
    let ledger = json(&out.join("training_ledger.json"));
    assert_eq!(ledger["schema"], 1);
    assert_eq!(ledger["used"]["points"], 90 * 17 - 134);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(talk.contains("training: all 1,396 labelled points reach the trainer"), "{talk}");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing is left over");
}

#[test]
fn second_audit_measures_nothing_and_finds_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let mut findings = Vec::new();
    for name in ["first", "second"] {
        let out = folder.path().join(name);
        let words = ["audit", text(example()), "--out", text(&out), "--cache", text(&cache)];
        assert_eq!(labelvet(&words).status.code(), Some(0));
        let measured = json(&out.join("summary.json"))["measured"].as_u64().expect("a number");
        // Three of the 93 pictures are copies, which the first run may measure once or twice.
        let right = if name == "first" { 90..=93 } else { 0..=0 };
        assert!(right.contains(&measured), "{name}: {measured}");
        findings.push(fs::read(out.join("findings.json")).expect("findings"));
    }
    assert_eq!(findings[0], findings[1]);
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |threads: &str| {
        let out = folder.path().join(threads);
        let words = ["audit", text(example()), "--out", text(&out), "--threads", threads];
        assert_eq!(labelvet(&words).status.code(), Some(0));
        ["findings.json", "findings.parquet", "facts/images.parquet", "facts/keypoints.parquet"]
            .map(|file| fs::read(out.join(file)).expect("a result"))
    };
    assert!(run("1") == run("2"));
}

#[test]
fn order_of_rows_does_not_change_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, reorder: fn(&mut [&str])| {
        let project = folder.path().join(name);
        let images = project.join("labeled-data");
        fs::create_dir_all(&images).expect("folder");
        for entry in fs::read_dir(example().join("labeled-data")).expect("images") {
            let entry = entry.expect("an image");
            fs::copy(entry.path(), images.join(entry.file_name())).expect("copied");
        }
        let csv = fs::read_to_string(example().join("CollectedData.csv")).expect("labels");
        let mut lines: Vec<&str> = csv.lines().collect();
        reorder(&mut lines[3..]);
        fs::write(project.join("CollectedData.csv"), lines.join("\n") + "\n").expect("written");
        let out = folder.path().join(format!("{name}-audit"));
        assert_eq!(
            labelvet(&["audit", text(&project), "--out", text(&out)]).status.code(),
            Some(0)
        );
        let mut findings = json(&out.join("findings.json"));
        for finding in findings.as_array_mut().expect("an array") {
            // The row is where the label stands, so it moves with it.
            finding["location"]["row"] = Value::Null;
        }
        findings
    };
    let as_it_is = run("ordered", |_| ());
    let reversed = run("reversed", |rows| rows.reverse());
    let shuffled = run("shuffled", |rows| {
        rows.sort_by_key(|row| row.bytes().map(u32::from).sum::<u32>() % 97)
    });
    assert_eq!(as_it_is, reversed);
    assert_eq!(as_it_is, shuffled);
}

#[test]
fn what_cannot_work_is_said_in_one_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let audit = |dataset: &Path| refusal(&["audit", text(dataset), "--out", text(&out)]);

    let message = audit(&folder.path().join("nowhere"));
    assert!(message.contains("nowhere does not exist"), "{message}");

    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("folder");
    let message = audit(&empty);
    assert!(message.contains("looked for") && message.contains("config.yaml"), "{message}");

    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{\"images\": [{\"id\": 1,").expect("written");
    let message = audit(&broken);
    assert!(message.contains("broken.json"), "{message}");

    let message = refusal(&["audit", text(example()), "--out", text(&empty), "--format", "dicom"]);
    assert!(message.contains("dicom") && message.contains("coco"), "{message}");
    assert!(!out.exists(), "nothing is written when nothing could be done");
}

#[test]
fn output_folder_of_others_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("thesis");
    fs::create_dir(&out).expect("folder");
    fs::write(out.join("chapter1.txt"), "years of work").expect("written");
    for force in [&[][..], &["--force"]] {
        let words = [&["audit", text(example()), "--out", text(&out)], force].concat();
        refusal(&words);
    }
    assert_eq!(fs::read_to_string(out.join("chapter1.txt")).expect("still there"), "years of work");
}

#[test]
fn force_replaces_an_audit() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("audit");
    let words = ["audit", text(example()), "--out", text(&out), "--labels-only"];
    assert_eq!(labelvet(&words).status.code(), Some(0));
    assert!(refusal(&words).contains("--force"));
    assert_eq!(labelvet(&[&words[..], &["--force"]].concat()).status.code(), Some(0));
}

#[test]
fn settings_change_rules_and_mistakes_in_them_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("labelvet.toml");
    let out = folder.path().join("out");
    let audit = |settings: &str| -> Output {
        fs::write(&config, settings).expect("written");
        let words =
            ["audit", text(example()), "--out", text(&out), "--config", text(&config), "--force"];
        labelvet(&words)
    };
    let complaint = |output: Output| {
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let unlabelled = |severity: &str| {
        let findings = json(&out.join("findings.json"));
        let findings = findings.as_array().expect("an array").clone();
        findings
            .iter()
            .filter(|f| f["rule"] == "unlabelled_image" && f["severity"] == severity)
            .count()
    };
    // Three frames of the example have no labels.
    assert_eq!(audit("[rules.unlabelled_image]\nseverity = \"error\"\n").status.code(), Some(0));
    assert_eq!(unlabelled("error"), 3);
    assert_eq!(audit("[rules.unlabelled_image]\nenabled = false\n").status.code(), Some(0));
    assert_eq!(unlabelled("error") + unlabelled("warning") + unlabelled("info"), 0);

    let message = complaint(audit("[rules.blury_image]\nenabled = false\n"));
    assert!(message.contains("blury_image") && message.contains("`blurry_image`"), "{message}");
    let message = complaint(audit("[rules.zero_area_box]\nmin_side_px = -3.0\n"));
    assert!(message.contains("min_side_px") && message.contains("-3"), "{message}");
}

#[test]
fn rules_are_listed_and_explained() {
    let output = labelvet(&["rules"]);
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(list.lines().count() >= 30, "{list}");
    let page = labelvet(&["explain", "blurry_image"]);
    let page = String::from_utf8(page.stdout).expect("UTF-8");
    for heading in ["What it finds", "Why it matters", "How to fix it", "Thresholds"] {
        assert!(page.contains(heading), "{page}");
    }
    assert!(refusal(&["explain", "blurry"]).contains("blurry_image"));
}

/// A full disk leaves nothing behind. Needs to mount a small file system, so it runs
/// where the tests may (as root on Linux) and says so elsewhere.
#[test]
fn full_disk_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("folder");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs", text(&disk)])
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: no right to mount a small file system");
        return;
    }
    let out = disk.join("audit");
    let output = labelvet(&["audit", text(example()), "--out", text(&out), "--quiet"]);
    let left = fs::read_dir(&disk).map(Iterator::count);
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "the file system is unmounted");
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("No space left"), "{message}");
    assert_eq!(left.expect("the disk was listed"), 0, "nothing is left over");
}
