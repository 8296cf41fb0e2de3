//! `labelvet plant` as users call it: the copy, its list, and the original as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use labelvet::dataset::Dataset;
use labelvet::formats::{self, ReadOptions};
use labelvet::plant::{self, ErrorKind, Recipe, Scope};
use serde_json::Value;

/// Eleven kinds of error, in a third of the frames together.
const ERRORS: &str = "
[[error]]
kind = \"swap\"
rate = 0.04
points = \"all\"
[[error]]
kind = \"miss\"
rate = 0.04
[[error]]
kind = \"jitter\"
rate = 0.03
[[error]]
kind = \"inversion\"
rate = 0.03
[[error]]
kind = \"missing\"
rate = 0.03
points = 2
[[error]]
kind = \"shift\"
rate = 0.03
[[error]]
kind = \"neighbour\"
rate = 0.03
[[error]]
kind = \"limb_jitter\"
rate = 0.03
[[error]]
kind = \"parked\"
rate = 0.03
[[error]]
kind = \"side_swap\"
rate = 0.03
[[error]]
kind = \"scaled\"
rate = 0.03
";

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

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

fn read(path: &Path) -> Dataset {
    formats::read(path, &ReadOptions::default()).expect("the dataset is read")
}

/// Returns the content of every file below a folder, by its path.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    (walkdir::WalkDir::new(folder).into_iter())
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).expect("below").display().to_string();
            (path, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

#[test]
fn plant_makes_a_copy_with_the_listed_errors_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let errors = folder.path().join("errors.toml");
    fs::write(&errors, ERRORS).expect("written");
    let before = content(example());
    let run = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        let words = ["plant", text(example()), "--errors", text(&errors), "--out", text(&out)];
        let output = labelvet(&[&words[..], &["--seed", seed]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "talk goes to stderr");
        out
    };
    let out = run("copy", "3");
    assert!(content(example()) == before, "the original is as it was");

    let original = read(example());
    let recipe = Recipe::parse(ERRORS).expect("a recipe");
    let sizes: Vec<_> = (original.images.iter())
        .map(|image| formats::size_px(image.file.as_deref().expect("a file")))
        .collect();
    let scope = Scope { sizes_px: &sizes, ..Scope::default() };
    let planted = plant::plant_in(&original, &recipe, 3, &scope).expect("planted");
    let expected = original.edited(&planted.edits);
    let copy = read(&out);
    assert_eq!(copy.images.len(), original.images.len());
    assert_eq!(copy.instances.len(), expected.instances.len());
    for (a, b) in copy.instances.iter().zip(&expected.instances) {
        let (a, b) = (copy.keypoints_of(a), expected.keypoints_of(b));
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert_eq!(a.kind, b.kind);
            assert!((a.x - b.x).hypot(a.y - b.y) < 1e-5, "{a:?} {b:?}");
        }
    }

    let list = fs::read_to_string(out.join("planted.jsonl")).expect("a list");
    let lines: Vec<Value> =
        list.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["schema"], 1);
    assert_eq!(lines.len(), 1 + planted.errors.len());
    let asked: BTreeSet<ErrorKind> = recipe.errors.iter().map(|error| error.kind).collect();
    assert!(asked.len() > 8);
    for kind in asked {
        assert!(lines.iter().any(|line| line["kind"] == kind.name()), "{kind}");
    }
    // What is left of the copy are the images and other files, byte by byte.
    let mut copied = content(&out);
    assert!(copied.remove("planted.jsonl").is_some() && copied.remove("labelvet.json").is_some());
    let differs = |(path, bytes): &(&String, &Vec<u8>)| copied.get(*path) != Some(*bytes);
    let changed: Vec<&String> = before.iter().filter(differs).map(|(path, _)| path).collect();
    assert_eq!(changed, ["CollectedData.csv"]);
    assert_eq!(copied.len(), before.len());

    let labels = |out: &Path| {
        ["planted.jsonl", "CollectedData.csv"].map(|name| fs::read(out.join(name)).expect("a file"))
    };
    assert!(labels(&out) == labels(&run("same", "3")), "the seed decides");
    assert!(labels(&out) != labels(&run("other", "4")));
}

#[test]
fn plant_says_what_it_cannot_do_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let errors = folder.path().join("errors.toml");
    let out = folder.path().join("copy");
    let message = |content: &str| {
        fs::write(&errors, content).expect("written");
        let words = ["plant", text(example()), "--errors", text(&errors), "--out", text(&out)];
        let output = labelvet(&words);
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(!out.exists());
        stderr
    };
    let kind = message("[[error]]\nkind = \"smear\"\nrate = 0.1\n");
    assert!(kind.contains("errors.toml") && kind.contains("smear"), "{kind}");
    let keypoint = message("[[error]]\nkind = \"miss\"\nrate = 0.1\nkeypoints = [\"wing\"]\n");
    assert!(keypoint.contains("`wing`") && keypoint.contains("nose_top"), "{keypoint}");
    let far = message("[[error]]\nkind = \"shift\"\nrate = 0.1\nstrength = [9, 10]\n");
    assert!(far.contains("9 to 10 body lengths"), "{far}");
}
