//! Relabelling: what goes out, what comes back, and what audits make of it. Labelling tools
//! are played by edits of the files that they write.

mod bad;
mod forms;
mod wiring;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use labelvet::audit::{self, Finding};
use labelvet::dataset::Dataset;
use labelvet::formats::{ReadOptions, read};
use labelvet::relabel::{
    self, Choice, Decision, Decisions, Form, Import, ImportOptions, Queue, Unchanged,
};
use serde_json::json;

const HEADER: &str =
    "scorer,Ada,Ada,Ada,Ada,Ada,Ada\nbodyparts,nose,nose,ear,ear,tail,tail\ncoords,x,y,x,y,x,y\n";
const ROWS: &str = "labeled-data/day1/img1.png,10.25,11.5,20.125,8.5,40.333333,30.0\nlabeled-data/day1/img2.png,12.0,13.0,22.0,10.0,,\nlabeled-data/day1/img3.png,14.0,15.0,24.0,12.0,44.0,34.0\n";

/// Writes a DeepLabCut project of three frames of 64 × 48 px.
fn project(folder: &Path) -> PathBuf {
    let root = folder.join("project");
    let video = root.join("labeled-data/day1");
    fs::create_dir_all(&video).expect("folders");
    fs::write(
        root.join("config.yaml"),
        "Task: t\nscorer: Ada\nbodyparts:\n- nose\n- ear\n- tail\nskeleton: []\nvideo_sets: {}\n",
    )
    .expect("config");
    fs::write(video.join("CollectedData_Ada.csv"), format!("{HEADER}{ROWS}")).expect("labels");
    for at in 1..=3_u8 {
        let picture = image::GrayImage::from_pixel(64, 48, image::Luma([60 * at]));
        picture.save(video.join(format!("img{at}.png"))).expect("picture");
    }
    root
}

fn load(path: &Path) -> Dataset {
    read(path, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes a finding about a keypoint.
fn finding(image: u8, rule: &str, keypoint: &str, score: f64) -> Finding {
    let value = json!({
        "rule": rule, "severity": "warning", "score": score, "level": "keypoint", "kind": null,
        "image": format!("labeled-data/day1/img{image}.png"), "video": "day1", "instance": "0",
        "keypoint": keypoint, "class": null, "message": "it is odd", "value": null,
        "threshold": null, "related": [], "location": null, "proposal": null,
        "fingerprint": format!("{rule}-{image}-{keypoint}"),
    });
    serde_json::from_value(value).expect("a finding")
}

/// Findings about nose and tail of the first frame, an ear of the second and a nose of the
/// third.
fn findings() -> Vec<Finding> {
    vec![
        finding(1, "keypoint_outlier", "nose", 0.9),
        finding(1, "temporal_jump", "tail", 0.5),
        finding(2, "keypoint_outlier", "ear", 0.6),
        finding(3, "keypoint_outlier", "nose", 0.2),
    ]
}

fn queue(dataset: &Dataset, findings: &[Finding], form: Form) -> Queue {
    let rules = audit::builtin().expect("the built-in rules are valid");
    Queue::new(dataset, findings, &rules, &Choice::default(), form)
}

/// Exports findings into a new folder.
fn export_to(folder: &Path, dataset: &Dataset, findings: &[Finding], form: Form) -> PathBuf {
    let out = folder.join(form.name());
    let export = relabel::export(dataset, queue(dataset, findings, form), &out)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(export.troubles, [], "{form:?}");
    fs::create_dir(&out).expect("folder");
    relabel::write_export(&out, &export).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(relabel::changed_since(&out).expect("a list"), Vec::<String>::new());
    out
}

fn import(folder: &Path, unchanged: Unchanged) -> Import {
    let options = ImportOptions { by: Some("Ada".into()), unchanged, ..ImportOptions::default() };
    relabel::import(folder, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns verdicts by fingerprint.
fn verdicts(import: &Import) -> BTreeMap<&str, &str> {
    let decisions = import.decisions.iter();
    decisions.map(|decision| (decision.fingerprint.as_str(), decision.verdict.word())).collect()
}

fn decision<'i>(import: &'i Import, fingerprint: &str) -> &'i Decision {
    let found = import.decisions.iter().find(|decision| decision.fingerprint == fingerprint);
    found.unwrap_or_else(|| panic!("no decision about {fingerprint}"))
}

/// Applies the changes of all decisions.
fn applied(dataset: &Dataset, import: &Import) -> Dataset {
    let mut decisions = Decisions::default();
    decisions.add(import.decisions.clone());
    let changes = decisions.edits(dataset);
    assert_eq!(changes.stale, []);
    let edits: Vec<_> = changes.edits.iter().map(|(_, edit)| *edit).collect();
    dataset.edited(&edits)
}

/// Returns a frame's keypoints in the label file's own numbers.
fn points(dataset: &Dataset, image: u8) -> BTreeMap<String, [f64; 2]> {
    let path = format!("labeled-data/day1/img{image}.png");
    let at = dataset.images.iter().position(|image| image.path == path).expect("the image");
    let instance = dataset.instances.iter().find(|instance| instance.image as usize == at);
    let points = instance.map(|instance| dataset.keypoints_of(instance)).unwrap_or_default();
    let name = |kind: u16| dataset.skeletons[0].keypoints[usize::from(kind)].clone();
    let place = |x: f64| dataset.to_label(x);
    points.iter().map(|point| (name(point.kind), [place(point.x), place(point.y)])).collect()
}

#[test]
fn frames_are_worst_first_and_notes_and_pictures_do_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let mut found = findings();
    found[2].score = 0.95;
    found.push(Finding {
        severity: audit::Severity::Info,
        ..finding(3, "blurred_keypoint", "nose", 1.0)
    });
    found.push(Finding {
        level: audit::Level::Image,
        instance: None,
        keypoint: None,
        ..finding(3, "blurry_image", "nose", 1.0)
    });
    let all = queue(&dataset, &found, Form::Csv);
    let order: Vec<(usize, f64, &str)> =
        all.frames.iter().map(|f| (f.rank, f.score, &f.image[f.image.len() - 8..])).collect();
    // 1 − 0.1 · 0.5 and 0.95 tie, so the path decides.
    assert_eq!(order, [(1, 0.95, "img1.png"), (2, 0.95, "img2.png"), (3, 0.2, "img3.png")]);
    assert_eq!(all.header.findings, 4);
    let rules = audit::builtin().expect("the built-in rules are valid");
    let choice = Choice { rules: vec!["blurry_image".into()], top: None };
    let blurry = Queue::new(&dataset, &found, &rules, &choice, Form::Csv);
    assert_eq!((blurry.frames.len(), blurry.header.findings), (1, 1));
    let choice = Choice { rules: vec![], top: Some(1) };
    assert_eq!(Queue::new(&dataset, &found, &rules, &choice, Form::Csv).frames.len(), 1);
}

#[test]
fn a_queue_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = load(&project(folder.path()));
    let out = export_to(folder.path(), &dataset, &findings(), Form::Cvat);
    let mut sent = queue(&dataset, &findings(), Form::Cvat);
    let back = Queue::read(&out).expect("a queue");
    for (sent, back) in sent.frames.iter_mut().zip(&back.frames) {
        sent.file = None;
        sent.exported.clone_from(&back.exported);
        sent.size_px = Some([64, 48]);
    }
    assert_eq!(sent, back);
}
