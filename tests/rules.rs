//! Every rule on its fixture: `bad.jsonl` must be found as `expected.json` says,
//! `good.jsonl` must not be found, and the base project itself is clean.

use std::fs;
use std::path::{Path, PathBuf};

use labelvet::audit::{self, Config, Finding, Rule};
use labelvet::facts::{self, Facts, MeasureOptions, Predicted};
use serde_json::{Value, json};

use crate::base::{self, Edit};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules")
}

/// Reads one edit per line; an absent file is a base project without edits.
fn edits(path: &Path) -> Vec<Edit> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (text.lines().enumerate())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{}: line {}: {error}", path.display(), at + 1))
        })
        .collect()
}

fn facts_of(edits: &[Edit]) -> (tempfile::TempDir, Facts) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = base::build(folder.path(), edits);
    let predictions = base::predictions(&dataset, edits);
    let mut facts = facts::measure(dataset, &MeasureOptions::default());
    facts.predictions = predictions.map(|all| Predicted::new(&facts.dataset, all));
    (folder, facts)
}

/// Runs one rule, turned on, with its defaults.
fn findings(facts: &Facts, rule: &Rule) -> Vec<Finding> {
    let config =
        Config::parse(&format!("[rules.{}]\nenabled = true\n", rule.slug)).expect("settings");
    let audit = audit::run(facts, std::slice::from_ref(rule), &config);
    assert!(audit.skipped.is_empty(), "{:?}", audit.skipped);
    audit.findings
}

/// Returns what a fixture pins down of a finding.
fn pinned(finding: &Finding) -> Value {
    let mut pinned = json!({ "level": finding.level, "message": finding.message });
    let optional = [
        ("image", &finding.image),
        ("video", &finding.video.clone().filter(|_| finding.image.is_none())),
        ("instance", &finding.instance),
        ("keypoint", &finding.keypoint),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            pinned[key] = json!(value);
        }
    }
    if let Some(kind) = finding.kind {
        pinned["kind"] = json!(kind);
    }
    if let Some(proposal) = &finding.proposal {
        pinned["proposal"] = json!(proposal.action);
    }
    pinned
}

#[test]
fn every_rule_finds_its_bad_fixture_and_not_its_good_one() {
    let only = std::env::var("RULE").ok();
    let mut failures = Vec::new();
    for rule in audit::builtin().expect("the built-in rules are valid") {
        if only.as_ref().is_some_and(|only| *only != rule.slug) {
            continue;
        }
        let folder = fixtures().join(&rule.slug);
        let (_bad_files, bad) = facts_of(&edits(&folder.join("bad.jsonl")));
        let found: Vec<Value> = findings(&bad, &rule).iter().map(pinned).collect();
        let expected_path = folder.join("expected.json");
        if std::env::var_os("UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&found).expect("JSON") + "\n";
            fs::write(&expected_path, text).expect("expected.json is written");
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_else(|_| "[]".into());
        let expected: Vec<Value> = serde_json::from_str(&expected).expect("expected.json is JSON");
        if found.is_empty() {
            failures.push(format!("{}: finds nothing in bad.jsonl", rule.slug));
        } else if found != expected {
            let found = serde_json::to_string_pretty(&found).expect("JSON");
            failures.push(format!("{}: expected.json differs; found {found}", rule.slug));
        }
        let (_good_files, good) = facts_of(&edits(&folder.join("good.jsonl")));
        for finding in findings(&good, &rule) {
            failures.push(format!("{}: in good.jsonl: {}", rule.slug, pinned(&finding)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_base_project_is_clean() {
    let (_files, facts) = facts_of(&[]);
    let rules = audit::builtin().expect("the built-in rules are valid");
    let audit = audit::run(&facts, &rules, &Config::default());
    let found: Vec<String> =
        audit.findings.iter().map(|f| format!("{}: {}", f.rule, pinned(f))).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
