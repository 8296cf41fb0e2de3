//! The command: messages, exit codes, files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::{copy, tree};

fn labelvet(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labelvet"));
    command.args(words).env("LABELVET_CACHE", "off");
    command
}

fn run(words: &[&str]) -> Output {
    labelvet(words).output().expect("the command starts")
}

/// Runs the command, which has to work, and returns what it says.
fn works(words: &[&str]) -> String {
    let output = run(words);
    let said = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    assert!(output.stdout.is_empty(), "talk goes to stderr");
    said
}

/// Runs the command, which must not be able to work, and returns its one message.
fn refused(words: &[&str]) -> String {
    let output = run(words);
    let said = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "one message, not {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// A folder with a copy of the shipped example as a DeepLabCut project in which one frame has
/// a point far outside of its image and an `.h5` beside its table.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mirror-mouse");
    let video = source.join("labeled-data/mouse");
    fs::create_dir_all(&video).expect("a folder");
    let table = fs::read_to_string(example.join("CollectedData.csv")).expect("labels");
    let mut lines: Vec<String> = Vec::new();
    for line in table.lines() {
        let Some((path, rest)) = line.split_once(',') else { continue };
        let name = path.rsplit('/').next().unwrap_or(path);
        if let Some(found) = path.contains('/').then(|| example.join(path)) {
            fs::copy(found, video.join(name)).expect("a picture");
            lines.push(format!("labeled-data/mouse/{name},{rest}"));
        } else {
            lines.push(line.into());
        }
    }
    let row = lines[3].splitn(4, ',').map(String::from).collect::<Vec<String>>();
    lines[3] = format!("{},-50.0,-50.0,{}", row[0], row[3]);
    let scorer = lines[0].split(',').nth(1).expect("a scorer").to_string();
    let parts: Vec<&str> = lines[1].split(',').skip(1).step_by(2).collect();
    let config = format!(
        "Task: mouse\nscorer: {scorer}\nmultianimalproject: false\nbodyparts:\n{}video_sets: {{}}\n",
        parts.iter().map(|part| format!("- {part}\n")).collect::<String>()
    );
    fs::write(source.join("config.yaml"), config).expect("a configuration");
    let name = format!("CollectedData_{scorer}");
    fs::write(video.join(format!("{name}.csv")), lines.join("\n") + "\n").expect("labels");
    fs::write(video.join(format!("{name}.h5")), b"\x89HDF\r\n\x1a\n and more").expect("labels");
    folder
}

#[test]
fn clean_plan_apply_revert() {
    let folder = project();
    let below = |name: &str| folder.path().join(name);
    let [source, patch, out, back] = ["source", "p/fix.jsonl", "clean", "back"].map(below);
    let before = tree(&source);
    let said = works(&["clean", "plan", text(&source), "--out", text(&patch)]);
    assert!(
        said.contains("labelled frames change") && said.contains("labelvet clean apply"),
        "{said}"
    );
    assert!(said.contains("marked as not labelled"), "{said}");
    let lines = fs::read_to_string(&patch).expect("a patch");
    assert!(lines.lines().next().is_some_and(|first| first.contains("\"schema\":1")));
    assert!(lines.contains("\"rule\":\"keypoint_outside_image\""), "{lines}");

    // The same audit, the same patch; and any number of threads.
    let audit = below("audit");
    works(&["audit", text(&source), "--out", text(&audit), "--quiet"]);
    let again = below("again.jsonl");
    let words = ["clean", "plan", text(&source), "--out", text(&again), "--audit", text(&audit)];
    works(&[&words[..], &["--threads", "1"]].concat());
    assert_eq!(fs::read_to_string(&again).expect("a patch"), lines);

    let said = works(&["clean", "apply", text(&patch), text(&source), "--out", text(&out)]);
    assert!(said.contains("deeplabcut.convertcsv2h5('"), "{said}");
    assert!(said.contains("userfeedback=False, scorer='"), "{said}");
    assert_eq!(tree(&source), before, "the source is as it was");
    let clean = tree(&out);
    assert!(clean.contains_key("labelvet.json") && clean.contains_key("relabel.csv"), "{clean:?}");
    assert!(!clean.keys().any(|path| path.ends_with(".h5")), "no table that disagrees");
    let kept = below("p/fix.d");
    assert!(tree(&kept).keys().any(|path| path.ends_with(".h5")), "but it is kept");

    // A table in other bytes is an edit, but not where DeepLabCut made both again.
    let h5 = before.keys().find(|path| path.ends_with(".h5")).expect("an .h5");
    let csv = out.join(h5).with_extension("csv");
    let written = fs::read_to_string(&csv).expect("labels");
    fs::write(&csv, written.replace('\n', "\r\n")).expect("written");
    let revert = ["clean", "revert", text(&patch), text(&out), "--out", text(&back)];
    let message = refused(&revert);
    assert!(message.contains(".csv is not as it was written"), "{message}");
    fs::write(out.join(h5), "made again").expect("written");
    let third = written.lines().nth(3).expect("a row");
    let digit = third.rfind(|c: char| c.is_ascii_digit()).expect("a number");
    let other = if third[digit..].starts_with('7') { "8" } else { "7" };
    let edited = format!("{}{other}{}", &third[..digit], &third[digit + 1..]);
    fs::write(&csv, written.replacen(third, &edited, 1)).expect("written");
    assert!(refused(&revert).contains("its labels are others"));
    fs::write(&csv, written.replace('\n', "\r\n")).expect("written");
    works(&revert);
    assert_eq!(tree(&back), before);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("the folder").collect();
    assert_eq!(left.len(), 6, "nothing is left over: {left:?}");
}

#[test]
fn clean_twice_and_back_twice() {
    let folder = project();
    let below = |name: &str| folder.path().join(name);
    let first = [below("source"), below("one.jsonl"), below("one")];
    let policy = below("policy.toml");
    fs::write(&policy, "[rules.missing_keypoint]\naction = \"down_weight\"\n").expect("written");
    let second = [below("one"), below("two.jsonl"), below("two")];
    for [source, patch, out] in [&first, &second] {
        let words =
            ["clean", "plan", text(source), "--out", text(patch), "--policy", text(&policy)];
        works(&words);
        works(&["clean", "apply", text(patch), text(source), "--out", text(out)]);
    }
    let back = below("back");
    works(&["clean", "revert", text(&second[1]), text(&second[2]), "--out", text(&back)]);
    assert_eq!(tree(&back), tree(&first[2]));
    fs::remove_dir_all(&back).expect("removed");
    works(&["clean", "revert", text(&first[1]), text(&first[2]), "--out", text(&back)]);
    assert_eq!(tree(&back), tree(&first[0]));
}

#[test]
fn clean_refuses_what_changed() {
    let folder = project();
    let below = |name: &str| folder.path().join(name);
    let [source, patch, out, audit] = ["source", "fix.jsonl", "clean", "audit"].map(below);
    works(&["clean", "plan", text(&source), "--out", text(&patch)]);
    works(&["audit", text(&source), "--out", text(&audit), "--labels-only"]);
    let plan = ["clean", "plan", text(&source), "--audit", text(&audit)];
    works(&[&plan[..], &["--out", text(&below("fresh.jsonl"))]].concat());
    let table = tree(&source).into_keys().find(|path| path.ends_with(".csv")).expect("labels");
    let table = source.join(table);
    let written = fs::read_to_string(&table).expect("labels");
    fs::write(&table, written.replacen("-50.0", "-51.0", 1)).expect("written");
    let apply = ["clean", "apply", text(&patch), text(&source), "--out", text(&out)];
    let message = refused(&apply);
    assert!(message.contains("-50") && message.contains("-51"), "{message}");
    assert!(!out.exists() && !below("fix.d").exists(), "nothing is written");
    let message = refused(&[&plan[..], &["--out", text(&below("late.jsonl"))]].concat());
    assert!(message.contains("the audit in") && !below("late.jsonl").exists(), "{message}");

    fs::write(&table, written).expect("written");
    works(&apply);
    // A second copy needs the same to be taken back; a patch that was applied stays.
    let second = below("second");
    works(&["clean", "apply", text(&patch), text(&source), "--out", text(&second)]);
    let again = ["clean", "plan", text(&source), "--out", text(&patch), "--force"];
    assert!(refused(&again).contains("was applied already"));
    assert!(refused(&apply).contains("is not empty"));
    works(&[&apply[..], &["--force"]].concat());

    let letter = below("letter.txt");
    fs::write(&letter, "dear reader").expect("written");
    let over = ["clean", "plan", text(&source), "--out", text(&letter)];
    assert!(refused(&over).contains("exists"));
    assert!(refused(&[&over[..], &["--force"]].concat()).contains("no patch of labelvet"));
    let policy = below("policy.toml");
    fs::write(&policy, "[rules.dark_images]\naction = \"none\"\n").expect("written");
    let out = below("x");
    let words = ["clean", "plan", text(&source), "--out", text(&out), "--policy", text(&policy)];
    assert!(refused(&words).contains("did you mean `dark_image`?"));
}

/// Killed at any moment, the source is as it was and what has its final name is whole.
#[test]
fn clean_killed_leaves_nothing_half_written() {
    let folder = project();
    let below = |name: &str| folder.path().join(name);
    let [source, patch, whole] = ["source", "fix.jsonl", "whole"].map(below);
    works(&["clean", "plan", text(&source), "--out", text(&patch)]);
    works(&["clean", "apply", text(&patch), text(&source), "--out", text(&whole)]);
    let before = tree(&source);
    let without_mark = |folder: &Path| {
        let mut tree = tree(folder);
        assert!(tree.remove("labelvet.json").is_some(), "it is marked");
        tree
    };
    let (expected, kept) = (without_mark(&whole), without_mark(&below("fix.d")));
    let mut unfinished = 0;
    for round in 0..24 {
        let place = below(&format!("round-{round}"));
        fs::create_dir(&place).expect("a folder");
        let [own, out] = ["fix.jsonl", "out"].map(|name| place.join(name));
        fs::copy(&patch, &own).expect("a copy");
        let words = ["clean", "apply", text(&own), text(&source), "--out", text(&out)];
        let mut child =
            labelvet(&words).stderr(std::process::Stdio::null()).spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(3 * round));
        child.kill().expect("killed");
        child.wait().expect("it ends");
        unfinished += usize::from(!out.exists());
        if out.exists() {
            assert_eq!(without_mark(&out), expected);
            assert!(place.join("fix.d").exists(), "what takes it back comes first");
        }
        if place.join("fix.d").exists() {
            assert_eq!(without_mark(&place.join("fix.d")), kept);
            // It goes on from there.
            works(&[&words[..], &["--force"]].concat());
            assert_eq!(without_mark(&out), expected);
        }
        fs::remove_dir_all(&place).expect("removed");
    }
    assert!(unfinished > 0, "some were killed before they were done");
    assert_eq!(tree(&source), before, "the source is as it was");
    let copied = below("copied");
    copy(&source, &copied);
    assert_eq!(tree(&copied), before);
}
