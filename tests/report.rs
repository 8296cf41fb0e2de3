//! The AUDIT folder: what its files hold, that the same input gives the same bytes,
//! and that no name gets out of the report's text.

use std::fs;
use std::path::Path;

use labelvet::audit::{self, Action, Audit, Config, Finding, Level, Place, Proposal, Severity};
use labelvet::dataset::{Problem, ProblemKind};
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
    let audit = Audit { findings, ran: vec!["zero_area_box".into()], ..Audit::default() };
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

/// Names that would do harm in a page, a file or a terminal.
const HOSTILE: &str =
    "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\u{202e}gnp\n\u{2028}]]>";

#[test]
fn no_name_gets_out_of_the_text_of_the_report() {
    let files = tempfile::tempdir().expect("a folder");
    let mut dataset = base::build(files.path(), &[]);
    for name in dataset.videos.iter_mut().chain(&mut dataset.skeletons[0].keypoints) {
        name.push_str(HOSTILE);
    }
    dataset.classes[0].name.push_str(HOSTILE);
    dataset.skeletons.push(dataset.skeletons[0].clone());
    dataset.skeletons[0].name = HOSTILE.into();
    dataset.splits = vec![HOSTILE.into()];
    dataset.label_files[0] = HOSTILE.into();
    for image in &mut dataset.images {
        image.path.push_str(HOSTILE);
        image.split = Some(0);
    }
    dataset.problems.push(Problem {
        file: HOSTILE.into(),
        row: Some(1),
        column: None,
        kind: ProblemKind::UnreadableLabel,
        image: None,
        message: HOSTILE.into(),
    });
    let keypoint = dataset.skeletons[0].keypoints[0].clone();
    let image = dataset.images[0].path.clone();
    let facts = facts::measure(dataset, &MeasureOptions::default());
    let hostile = Finding {
        image: Some(image),
        keypoint: Some(keypoint),
        video: Some(HOSTILE.into()),
        class: Some(HOSTILE.into()),
        message: HOSTILE.into(),
        related: vec![HOSTILE.into()],
        proposal: Some(Proposal { with: Some(HOSTILE.into()), ..Proposal::new(Action::Swap) }),
        ..finding(0, Severity::Error)
    };
    let out = tempfile::tempdir().expect("a folder");
    write(out.path(), &facts, vec![hostile]);
    let page = fs::read_to_string(out.path().join("report.html")).expect("a page");
    assert!(page.contains("&lt;script&gt;alert(1)"), "the names are shown");
    assert_eq!(page.matches("<script").count(), 1, "only the page's own script");
    assert!(!page.contains("<img"), "no element comes from a name");
    let outside: String = page.chars().filter(|c| matches!(c, '\u{202e}' | '\u{2028}')).collect();
    assert!(outside.is_empty(), "characters that reorder text are spelled out");
    // Every quote of a name that stands in an attribute is escaped.
    let tag = regex::Regex::new("<[a-z][^>]*alert\\(1\\)[^>]*>").expect("a pattern");
    for tag in tag.find_iter(&page) {
        assert!(!tag.as_str().contains("</script>\""), "{}", tag.as_str());
    }
}

#[test]
fn marks_lie_on_the_keypoints_and_the_proposed_place() {
    let files = tempfile::tempdir().expect("a folder");
    let dataset = base::build(files.path(), &[]);
    let nose = dataset.keypoints[0];
    let facts = facts::measure(dataset, &MeasureOptions::default());
    let out = tempfile::tempdir().expect("a folder");
    write(out.path(), &facts, vec![finding(0, Severity::Error)]);
    let page = fs::read_to_string(out.path().join("report.html")).expect("a page");
    let ring = regex::Regex::new(r#"<circle class="ring wrong" cx="([\d.]+)" cy="([\d.]+)""#)
        .expect("a pattern");
    let ring = ring.captures(&page).expect("a ring");
    let place = |at: usize| ring[at].parse::<f64>().expect("a number");
    assert!((place(1) - nose.x).abs() < 0.01 && (place(2) - nose.y).abs() < 0.01);
    assert!(page.contains(r#"<circle class="spread" cx="100" cy="90.5" r=""#), "proposed place");
    // The crop lies where its pixels do: its corner and size are whole pixels.
    let crop = regex::Regex::new(r#"<image id="p0-(\d+)-(\d+)-(\d+)-(\d+)" href="data:image/jpeg;base64,[^"]+" x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)""#)
        .expect("a pattern");
    let crop = crop.captures(&page).expect("a crop");
    for at in 1..=4 {
        assert_eq!(crop[at], crop[at + 4]);
    }
}

#[test]
fn a_report_of_thousands_of_findings_says_what_it_leaves_out() {
    let files = tempfile::tempdir().expect("a folder");
    let facts = facts::measure(base::build(files.path(), &[]), &MeasureOptions::default());
    let findings: Vec<Finding> = (0..3000).map(|at| finding(at % 20, Severity::Warning)).collect();
    let out = tempfile::tempdir().expect("a folder");
    write(out.path(), &facts, findings);
    let page = fs::read_to_string(out.path().join("report.html")).expect("a page");
    assert_eq!(page.matches("<article").count(), 2000);
    assert_eq!(page.matches("class=\"shot\"").count(), 300);
    assert!(page.contains("lists 2,000 of 3,000 findings and pictures 300 of them"));
    // Twenty images, each cut out once, however many findings show it.
    assert_eq!(page.matches("<image id=\"p").count(), 20);
    assert!(page.len() < 10 << 20, "{} bytes", page.len());
}

#[test]
fn an_image_that_cannot_be_read_says_so_in_place_of_its_picture() {
    let files = tempfile::tempdir().expect("a folder");
    let edit = r#"{"edit":"file","image":"cage_a/img0000.png","how":"truncate","bytes":300}"#;
    let edits = [serde_json::from_str(edit).expect("an edit")];
    let facts = facts::measure(base::build(files.path(), &edits), &MeasureOptions::default());
    let out = tempfile::tempdir().expect("a folder");
    let about_image = Finding {
        level: Level::Image,
        instance: None,
        keypoint: None,
        ..finding(0, Severity::Error)
    };
    write(out.path(), &facts, vec![about_image]);
    let page = fs::read_to_string(out.path().join("report.html")).expect("a page");
    assert!(page.contains("class=\"absent\">no picture: "), "a placeholder");
    assert!(page.contains("1 image file could not be read"), "the verdict says so");
}
