//! The AUDIT folder: what its files hold, that the same input gives the same bytes,
//! and that no name gets out of the report's text.

use std::fs;
use std::path::Path;

use labelvet::audit::{self, Action, Audit, Config, Finding, Level, Place, Proposal, Severity};
use labelvet::facts::{self, Facts, MeasureOptions};
use labelvet::report::{self, AuditReport, RunInfo};
use polars::prelude::*;
use serde_json::Value;

use crate::base;

/// Returns a finding about a keypoint of the base project.
pub(crate) fn finding(at: u32, severity: Severity) -> Finding {
    Finding {
        rule: "zero_area_box".into(),
        severity,
        score: 0.5,
        level: Level::Keypoint,
        kind: None,
        image: Some(format!("cage_a/img{at:04}.png")),
        video: Some("cage_a".into()),
        instance: Some("0".into()),
        keypoint: Some("nose".into()),
        class: None,
        message: "nose is 25 px from where it should be".into(),
        value: Some(25.0),
        threshold: Some(10.0),
        related: vec!["left_ear".into()],
        location: Some(Place { file: "labels.csv".into(), row: Some(4), column: None }),
        proposal: Some(Proposal {
            x: Some(100.0),
            y: Some(90.5),
            sd_px: Some(3.0),
            ..Proposal::new(Action::Move)
        }),
        fingerprint: format!("{at:016x}"),
    }
}

/// Writes an AUDIT folder of facts and findings.
pub(crate) fn write(folder: &Path, facts: &Facts, findings: Vec<Finding>) {
    let audit = Audit { findings, ran: vec!["zero_area_box".into()], skipped: vec![] };
    let rules = audit::builtin().expect("the built-in rules are valid");
    let run = RunInfo { dataset: "mice".into(), seconds: 2.0, ..RunInfo::default() };
    let config = Config::default();
    let report = AuditReport { facts, audit: &audit, rules: &rules, config: &config, run: &run };
    report::write_audit(folder, &report).expect("the report is written");
}

/// Returns what a Parquet file's key-value metadata says of its layout.
fn schema_of(path: &Path) -> Option<String> {
    let mut reader = ParquetReader::new(fs::File::open(path).expect("a file"));
    let metadata = reader.get_metadata().expect("metadata").clone();
    let pairs = metadata.key_value_metadata().clone()?;
    pairs.into_iter().find(|pair| pair.key == "schema")?.value
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn the_audit_folder_holds_what_interfaces_promise() {
    let files = tempfile::tempdir().expect("a folder");
    let facts = facts::measure(base::build(files.path(), &[]), &MeasureOptions::default());
    let out = tempfile::tempdir().expect("a folder");
    let without = Finding { location: None, proposal: None, ..finding(1, Severity::Info) };
    let findings = vec![finding(0, Severity::Error), without];
    write(out.path(), &facts, findings.clone());

    let read: Vec<Finding> =
        serde_json::from_value(json(&out.path().join("findings.json"))).expect("findings");
    assert_eq!(read, findings);

    let summary = json(&out.path().join("summary.json"));
    assert_eq!(summary["schema"], 1);
    assert_eq!(summary["images"], 40);
    assert_eq!(summary["images_labelled"], 40);
    assert_eq!(summary["keypoints"], 240);
    assert_eq!(summary["videos"], 2);
    assert_eq!(summary["findings"]["by_severity"]["error"], 1);
    assert_eq!(summary["findings"]["by_severity"]["warning"], 0);
    assert_eq!(summary["findings"]["by_rule"]["zero_area_box"], 2);
    assert_eq!(summary["images_per_second"], 20.0);

    for table in facts::Table::ALL {
        let path = out.path().join("facts").join(table.name()).with_extension("parquet");
        assert_eq!(schema_of(&path).as_deref(), Some("1"), "{}", path.display());
    }

    let mark = json(&out.path().join("labelvet.json"));
    assert_eq!(mark["schema"], 1);
    let thresholds = &mark["settings"]["rules"]["zero_area_box"]["thresholds"];
    assert_eq!(thresholds["min_side_px"], 0.0);
    assert_eq!(mark["dataset"]["fingerprint"].as_str().map(str::len), Some(64));
}

#[test]
fn findings_parquet_holds_what_findings_json_does() {
    let files = tempfile::tempdir().expect("a folder");
    let facts = facts::measure(base::build(files.path(), &[]), &MeasureOptions::default());
    let out = tempfile::tempdir().expect("a folder");
    let without = Finding { location: None, proposal: None, ..finding(1, Severity::Info) };
    write(out.path(), &facts, vec![finding(0, Severity::Error), without]);
    let path = out.path().join("findings.parquet");
    assert_eq!(schema_of(&path).as_deref(), Some("1"));
    let reader = ParquetReader::new(fs::File::open(&path).expect("a file"));
    let frame = reader.finish().expect("a table");
    let json = json(&out.path().join("findings.json"));
    let mut keys: Vec<&str> =
        json[0].as_object().expect("an object").keys().map(String::as_str).collect();
    let mut columns: Vec<&str> =
        frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
    keys.sort_unstable();
    columns.sort_unstable();
    assert_eq!(columns, keys);
    let severity = frame.column("severity").expect("a column").str().expect("words").clone();
    assert_eq!(severity.get(0), Some("error"));
    let location = frame.column("location").expect("a column");
    assert_eq!(location.null_count(), 1);
    let proposal = frame.column("proposal").expect("a column").struct_().expect("a struct");
    let x = proposal.field_by_name("x").expect("x");
    assert_eq!(x.f64().expect("numbers").get(0), Some(100.0));
}
