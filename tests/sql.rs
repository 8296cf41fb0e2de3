//! Rules in SQL that users bring: the example of `docs/adding.md`, and what is refused.

use std::fs;
use std::path::Path;

use labelvet::audit::{self, Config, RuleError};
use labelvet::facts::{self, Facts, MeasureOptions, Pixels};

use crate::base;

const RULE: &str = r#"
title = "Test rule"
severity = "info"
family = "image"
level = "LEVEL"
what = "w"
why = "w"
how = "h"
fix = "f"
limits = "l"
sql = '''QUERY'''
"#;

fn load(files: &[(&str, &str)]) -> Result<Vec<audit::Rule>, RuleError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a rule is written");
    }
    audit::load(folder.path())
}

fn rule(level: &str, query: &str) -> String {
    RULE.replace("LEVEL", level).replace("QUERY", query)
}

/// Says why a rule is refused.
fn refusal(level: &str, query: &str) -> String {
    let error = load(&[("mine.toml", &rule(level, query))]).expect_err(query).to_string();
    assert!(error.starts_with("rule `mine`: "), "{error}");
    error
}

fn facts_of(edits: &[base::Edit]) -> Facts {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = base::build(folder.path(), edits);
    facts::measure(dataset, &MeasureOptions { pixels: Pixels::Skip, ..MeasureOptions::default() })
}

#[test]
fn the_example_of_the_documentation_works() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adding.md");
    let page = fs::read_to_string(page).expect("docs/adding.md");
    let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let rules = load(&[("few_keypoints.toml", block.expect("a rule in the page"))]);
    let rules = rules.expect("the example is a rule");
    let edits: Vec<base::Edit> = ["nose", "left_ear", "right_ear", "centre"]
        .into_iter()
        .map(|keypoint| base::Edit::RemoveKeypoint {
            image: "cage_a/img0003.png".into(),
            instance: 0,
            keypoint: keypoint.into(),
        })
        .collect();
    let facts = facts_of(&edits);
    let audit = audit::run(&facts, &rules, &Config::default());
    assert!(audit.skipped.is_empty(), "{:?}", audit.skipped);
    let [finding] = audit.findings.as_slice() else { panic!("{:?}", audit.findings) };
    assert_eq!(finding.image.as_deref(), Some("cage_a/img0003.png"));
    assert_eq!(finding.message, "2 keypoints are labelled");
    assert_eq!((finding.value, finding.threshold), (Some(2.0), Some(3.0)));

    let changed = Config::parse("[rules.few_keypoints]\nmin_keypoints = 2\n").expect("settings");
    changed.check(&rules).expect("they fit the rule");
    assert!(audit::run(&facts, &rules, &changed).findings.is_empty());
}

#[test]
fn rows_lead_to_their_subjects_at_every_level() {
    let facts = facts_of(&[]);
    for (level, query, found) in [
        ("dataset", "SELECT video AS about, COUNT(*) AS value FROM images GROUP BY video", 2),
        ("video", "SELECT video FROM images GROUP BY video", 2),
        ("image", "SELECT image FROM images WHERE frame = 0", 2),
        ("instance", "SELECT image, instance FROM instances WHERE frame = 0", 2),
        (
            "keypoint",
            "SELECT image, instance, keypoint, x_px AS value FROM keypoints WHERE frame = 0",
            12,
        ),
    ] {
        let rules = load(&[("mine.toml", &rule(level, query))]).expect(query);
        let audit = audit::run(&facts, &rules, &Config::default());
        assert!(audit.skipped.is_empty(), "{:?}", audit.skipped);
        assert_eq!(audit.findings.len(), found, "{query}");
        let first = &audit.findings[0];
        assert_eq!(format!("{:?}", first.level).to_lowercase(), level);
        assert!(first.message.starts_with("Test rule"), "{}", first.message);
    }
}

#[test]
fn a_broken_rule_is_refused_with_its_name_and_the_reason() {
    let expect = |level: &str, query: &str, reason: &str| {
        let error = refusal(level, query);
        assert!(error.contains(reason), "{query}: {error}");
    };
    expect("image", "SELEC image FROM images", "Expected");
    expect("image", "SELECT image FROM images WHERE", "Expected");
    expect("image", "SELECT image FROM read_csv(\"/etc/passwd\")", "is not allowed");
    expect("image", "SELECT image FROM images; DROP TABLE images", "found 2 statements");
    expect("image", "SELECT image FROM images WHERE widht_px > 3", "widht_px");
    expect("image", "SELECT image FROM images WHERE frame > :limit", "`:limit` is no threshold");
    expect("image", "SELECT image, NOSUCH(frame) AS value FROM images", "nosuch");
    expect("image", "SELECT video FROM images", "no column `image`");
    expect("keypoint", "SELECT image, instance FROM instances", "no column `keypoint`");
    expect("image", "SELECT image, frame FROM images", "unknown column `frame`");
    expect(
        "image",
        "SELECT image, video AS value FROM images",
        "column `value` is str, not a number",
    );
    expect(
        "image",
        "SELECT image, frame AS message FROM images",
        "column `message` is u64, not text",
    );
}

#[test]
fn a_row_about_nothing_is_reported_and_no_finding() {
    let query = "SELECT 'no such image' AS image FROM images";
    let rules = load(&[("mine.toml", &rule("image", query))]).expect("it may exist elsewhere");
    let audit = audit::run(&facts_of(&[]), &rules, &Config::default());
    assert!(audit.findings.is_empty());
    assert_eq!(audit.skipped[0].reason, "result: row 1: no image `no such image`");
}

#[test]
fn names_and_files_of_rules_are_checked() {
    let good = rule("image", "SELECT image FROM images");
    let error = |name: &str| load(&[(name, &good)]).expect_err(name).to_string();
    assert!(error("Mine.toml").contains("lower case"));
    assert!(error("zero_area_box.toml").contains("labelvet has a rule of this name"));
    let broken = load(&[("mine.toml", "title = 3")]).expect_err("no rule").to_string();
    assert!(broken.contains("rule `mine`"), "{broken}");
    assert!(load(&[("README.md", "not a rule")]).expect("nothing to load").is_empty());
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_rule_is_refused_and_its_target_not_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, "token = hunter2").expect("written");
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).expect("a folder");
    std::os::unix::fs::symlink(&secret, rules.join("mine.toml")).expect("a link");
    let error = audit::load(&rules).expect_err("a link").to_string();
    assert!(error.contains("not a link") && !error.contains("hunter2"), "{error}");
}

#[test]
fn the_largest_query_that_is_allowed_does_not_overflow_the_stack() {
    let sum = "1+".repeat(60) + "1";
    let joins = (0..25).map(|n| format!(" JOIN images AS i{n} ON i{n}.image = images.image"));
    let query =
        format!("SELECT images.image, {sum} AS value FROM images{}", joins.collect::<String>());
    load(&[("mine.toml", &rule("image", &query))]).expect("it is allowed");
}
