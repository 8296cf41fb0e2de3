//! The report of a study that was made up, with the files of its runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::audit::{Action, Kind, Proposal};
use crate::dataset::{Dataset, Image, Instance, InstanceName, Keypoint, Skeleton, Visibility};
use crate::facts::MeasureOptions;
use crate::stats::random::SplitMix64;
use crate::study::advice::Suspects;
use crate::study::arms::ArmSummary;
use crate::study::collect::{Collected, RampResult, RunResult};
use crate::study::design::{Design, Optimiser, RampDesign};
use crate::study::file::{FailureFacts, SCHEMA, SplitFacts, StudyFacts};
use crate::study::jobs::Job;
use crate::study::measures::measure;
use crate::study::outcome::outcome;
use crate::train::folder::Source;
use crate::train::record::{ProbeRow, Record, StepRow};

const KEYPOINTS: [&str; 4] =
    ["snout", "left_ear_a_very_long_name_that_has_to_wrap", "rightear", "tail|base"];
const IMAGES: u32 = 12;

/// A study that is over, and what it is about.
struct Made {
    folder: tempfile::TempDir,
    design: Design,
    facts: Facts,
    audit: Audit,
    collected: Collected,
    arms: Vec<ArmSummary>,
    failures: Vec<FailureFacts>,
    planted: Option<[usize; 2]>,
}

fn design(shuffles: u32) -> Design {
    Design {
        arms: ["dirty", "clean", "random", "truth"].map(|name| name.parse().unwrap()).to_vec(),
        optimisers: vec![Optimiser::default_preset(), Optimiser::stable()],
        shuffles,
        further_seeds: 1,
        images: 320,
        size: [160, 128],
        ramp: RampDesign { repeats: 1, ..RampDesign::default() },
        changes: Vec::new(),
        seed: 0,
        parallel: 2,
    }
}

/// Frames of one animal on a grey floor.
fn facts(folder: &Path) -> Facts {
    let mut dataset = Dataset {
        root: folder.into(),
        format: "deeplabcut",
        videos: vec!["m4s1".into()],
        skeletons: vec![Skeleton {
            keypoints: KEYPOINTS.map(str::to_owned).into(),
            pairs: vec![[1, 2]],
            ..Skeleton::default()
        }],
        ..Dataset::default()
    };
    for at in 0..IMAGES {
        let path = format!("labeled-data/m4s1/img{at:04}.png");
        let file = folder.join(format!("img{at}.png"));
        let [x, y] = [f64::from(20 + 5 * at), f64::from(30 + 3 * at)];
        let shade = |px: u32, py: u32| {
            let near = (f64::from(px) - x - 15.0).hypot(f64::from(py) - y) < 22.0;
            image::Luma([if near { 60 } else { 150 + ((px * 7 + py * 13 + at) % 40) as u8 }])
        };
        image::GrayImage::from_fn(160, 120, shade).save(&file).unwrap();
        dataset.images.push(Image { path, file: Some(file), video: Some(0), ..Image::default() });
        dataset.instances.push(Instance {
            image: at,
            name: InstanceName::Ordinal(0),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first: 4 * at,
            len: 4,
            location: None,
            crowd: false,
        });
        let places = [[30.0, 0.0], [22.0, -8.0], [22.0, 8.0], [0.0, 0.0]];
        dataset.keypoints.extend(places.iter().zip(0..).map(|([dx, dy], kind)| Keypoint {
            kind,
            column: 0,
            visibility: Visibility::Visible,
            x: x + dx,
            y: y + dy,
        }));
    }
    crate::facts::measure(dataset, &MeasureOptions::default())
}

fn finding(rule: &str, image: u32, keypoint: Option<&str>, score: f64) -> Finding {
    Finding {
        rule: rule.into(),
        severity: Severity::Error,
        score,
        level: if keypoint.is_some() { Level::Keypoint } else { Level::Image },
        kind: None,
        image: Some(format!("labeled-data/m4s1/img{image:04}.png")),
        video: Some("m4s1".into()),
        instance: keypoint.map(|_| "0".into()),
        keypoint: keypoint.map(str::to_owned),
        class: None,
        message: format!("{} lies <far> off", keypoint.unwrap_or("it")),
        value: None,
        threshold: None,
        related: Vec::new(),
        location: None,
        proposal: keypoint.map(|_| Proposal {
            x: Some(60.0),
            y: Some(40.0),
            sd_px: Some(2.0),
            ..Proposal::new(Action::Move)
        }),
        fingerprint: format!("{image:016x}"),
    }
}

/// Findings of every kind: labels, one of them twice, a note, an image, and a leak.
fn audit() -> Audit {
    let mut findings: Vec<Finding> = (0..IMAGES)
        .flat_map(|image| {
            KEYPOINTS[..3].iter().zip(0..).map(move |(name, at)| {
                let score = 0.99 - 0.02 * f64::from(image) - 0.001 * f64::from(at);
                finding("keypoint_outlier", image, Some(name), score)
            })
        })
        .collect();
    findings.push(finding("temporal_jump", 0, Some("snout"), 0.5));
    let mut note = finding("occluded_keypoint", 0, Some("tail|base"), 1.0);
    note.severity = Severity::Info;
    findings.push(note);
    findings.push(finding("blurry_image", 1, None, 1.0));
    let mut leak = finding("split_leakage", 2, None, 1.0);
    leak.kind = Some(Kind::Neighbour);
    findings.push(leak);
    Audit { findings, ..Audit::default() }
}

/// Writes the record of a run or ramp and returns the losses at its probes.
fn record(folder: &Path, steps: u64, batch: u64, rate: &dyn Fn(u64) -> f64, level: f64, jump: u64) {
    fs::create_dir_all(folder).unwrap();
    let mut record = Record::new(folder, Vec::new(), Vec::new(), 0).unwrap();
    let mut noise = SplitMix64::keyed("noise", jump, &[steps, (1e6 * level) as u64]);
    for step in 0..steps {
        let seen = (step * batch) as f64;
        let noisy = 0.5 + (noise.word() >> 11) as f64 / (1_u64 << 53) as f64;
        let wild = if step == jump { 12.0 } else { 1.0 };
        let loss = (level * (0.05 + 0.6 * (-seen / 80.0).exp()) * noisy * wild) as f32;
        let row = StepRow {
            step,
            batch: step,
            epoch: 0,
            lr: rate(step),
            loss: if step == jump + 40 { f32::NAN } else { loss },
            score_loss: loss,
            offset_loss: 0.0,
            grad_norm: 3.0 * loss,
            grad_norms: Vec::new(),
            clipped: false,
            skipped: false,
            step_ms: 1.0,
            wait_ms: 0.0,
        };
        record.step(row, Vec::new());
        if step % 8 == 7 {
            let diverged = (rate(step) / 0.1).max(1.0).powi(2) as f32;
            let loss = loss.min(1.0) * diverged;
            record.probe(ProbeRow { step: step + 1, batch: step, loss, test_error: None });
        }
    }
    if jump < steps {
        record.event("spike", jump, jump, json!({ "words": "loss 12 times" })).unwrap();
        let cause = ["data", "state", "undetermined"][(jump % 3) as usize];
        if !jump.is_multiple_of(4) {
            record.event("verdict", jump, jump, json!({ "cause": cause })).unwrap();
        }
        record.event("non-finite", jump + 40, jump + 40, json!({})).unwrap();
    }
    record.flush().unwrap();
}

impl Made {
    fn new(shuffles: u32) -> Made {
        let folder = tempfile::tempdir().unwrap();
        let design = design(shuffles);
        let mut collected = Collected { seconds: 4321.0, ..Collected::default() };
        for (at, job) in design.jobs().into_iter().enumerate() {
            let path = folder.path().join(job.folder());
            let config = design.config(&job).unwrap();
            let batch = (config.data.batch * config.data.accumulate) as u64;
            let level = match job.arm.as_str() {
                "dirty" => 1.3,
                "random" => 1.35,
                "clean" => 0.9,
                _ => 0.7,
            };
            let luck = 1.0 + 0.05 * f64::from(job.shuffle) + 0.01 * (at % 5) as f64;
            match job.ramp {
                None => {
                    record(&path, 320 / batch, batch, &|_| 1e-3, level, 20 + at as u64 % 12);
                    collected.runs.push(run(&job, level * luck));
                }
                Some(_) => {
                    let steps = config.run.steps.min(200);
                    let rate = |step: u64| 2e-3 * 500_f64.powf(step as f64 / steps as f64);
                    record(&path, steps, batch, &rate, level, 1000);
                    collected.ramps.push(ramp(&job, -level - 0.02 * luck));
                }
            }
        }
        let arms = (0..shuffles).flat_map(|shuffle| {
            design.arms.iter().map(move |arm| {
                let changed = usize::from(arm.name != "dirty");
                ArmSummary {
                    arm: arm.name.clone(),
                    shuffle,
                    images: 90,
                    keypoints: 360,
                    dropped: 20 * changed,
                    moved: 0,
                    touched: 15 * changed,
                    held_back: if arm.name == "clean" { 2 } else { 0 },
                    matched: (arm.name == "random").then_some([15, 4, 1]),
                    planted: Some([40, 14 * changed, 6 * changed]),
                    good_expected: None,
                }
            })
        });
        let arms = arms.collect();
        let facts = facts(folder.path());
        Made {
            design,
            facts,
            audit: audit(),
            collected,
            arms,
            failures: Vec::new(),
            planted: Some([54, 40]),
            folder,
        }
    }

    /// Writes the report; returns the page and the Markdown.
    fn write(&self) -> [String; 2] {
        let outcome = outcome(&self.design, &self.collected, Suspects::Found).unwrap();
        let words: Vec<String> = ["labelvet", "study", "/data/my mice"].map(str::to_owned).into();
        let dataset = Source {
            path: "/data/my mice".into(),
            format: "deeplabcut".into(),
            labels_sha256: "0".repeat(64),
        };
        let facts = StudyFacts {
            images: 116,
            keypoints: 452,
            names: KEYPOINTS.map(str::to_owned).into(),
            body_length_px: Some(30.0),
            planted: self.planted,
        };
        let splits: Vec<SplitFacts> = (0..self.design.shuffles)
            .map(|shuffle| SplitFacts { shuffle, train: 90, test: 22, gap: 4, probe: 30 })
            .collect();
        let all = self.design.jobs().len();
        let study = StudyFile {
            schema: SCHEMA,
            version: "0.1.0",
            command: &words,
            status: "done",
            jobs: [self.collected.runs.len() + self.collected.ramps.len(), all],
            dataset: &dataset,
            facts: &facts,
            design: &self.design,
            given_up: &["images per run 2,400 -> 320".to_owned()],
            splits: &splits,
            arms: &self.arms,
            outcome: Some(&outcome),
            measures: &self.collected.runs,
            ramps: &self.collected.ramps,
            set_loss: Some(0.02),
            failures: &self.failures,
            seconds: self.collected.seconds,
        };
        let report = StudyReport {
            study: &study,
            outcome: &outcome,
            facts: &self.facts,
            audit: &self.audit,
            folder: self.folder.path(),
        };
        write_study(self.folder.path(), &report).unwrap();
        ["report.html", "report.md"].map(|name| {
            let path = self.folder.path().join(name);
            if let Some(out) = std::env::var_os("LABELVET_STUDY_PAGE") {
                let name = format!("{}-{name}", self.design.shuffles);
                fs::copy(&path, PathBuf::from(out).join(name)).unwrap();
            }
            fs::read_to_string(path).unwrap()
        })
    }
}

fn run(job: &Job, level: f64) -> RunResult {
    let error = 3.0 * level * if job.optimiser == "default" { 1.4 } else { 1.0 };
    RunResult {
        run: job.folder(),
        arm: job.arm.clone(),
        optimiser: job.optimiser.clone(),
        shuffle: job.shuffle,
        repeat: job.repeat,
        failed: false,
        seconds: 20.0,
        error_px: Some(error),
        error_px_median: Some(0.7 * error),
        error_bl: Some(error / 30.0),
        error_px_as_labelled: Some(error + 2.5),
        pck_0_1: Some(0.8),
        oks_map: Some(0.7),
        likelihood_below_0_001: Some(0.0),
        curves: measure(&[], &[], None),
        alarms: 2,
        rollbacks: 0,
        rulings: BTreeMap::from([("data".to_owned(), 1)]),
    }
}

fn ramp(job: &Job, margin: f64) -> RampResult {
    RampResult {
        run: job.folder(),
        arm: job.arm.clone(),
        optimiser: job.optimiser.clone(),
        shuffle: job.shuffle,
        repeat: job.repeat,
        margin_log10: Some(margin),
        censored: job.shuffle == 3,
        least_probe_loss: Some(0.01),
    }
}

#[test]
fn the_report_of_a_large_study_says_all_and_stays_small() {
    let [page, text] = Made::new(10).write();
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let said = [
        "were both to blame",
        "own split leaks",
        "labelvet clean plan &#39;/data/my mice&#39; --out",
        "images per run 2,400",
        "alarm: not ruled",
        "alarm: data",
        "clean − random",
        "10 removals",
        "audit/report.html#rule-keypoint_outlier",
    ];
    let page_ = page.replace("'", "&#39;").replace("&apos;", "&#39;");
    for words in said {
        assert!(page_.contains(words), "{words}");
    }
    assert_eq!(page.matches("<article").count(), WORST);
    assert!(!page.contains("NaN") && !page.contains("<far>"));
    // Every plot tells what it shows, and no name becomes markup.
    let plots = page.matches("<svg class=\"plot\"").count();
    assert_eq!(plots, 4 + 3 + 2 + 2, "errors twice each, effects, curves, ramps");
    assert!(!page.contains("aria-label=\"\""));
    assert!(text.lines().count() < 240, "{} lines", text.lines().count());
    assert!(text.contains("labelvet relabel export '/data/my mice' --to napari"), "{text}");
    // Every row of a table has as many cells as its head.
    for table in text.split("\n\n").filter(|block| block.starts_with("| ")) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let head = cells(table.lines().next().unwrap());
        assert!(table.lines().all(|line| cells(line) == head), "{table}");
    }
}

#[test]
fn the_same_study_gives_the_same_bytes() {
    let made = Made::new(2);
    assert_eq!(made.write(), made.write());
    let left: Vec<_> = fs::read_dir(made.folder.path()).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
}

#[test]
fn a_small_study_with_failures_warns_first() {
    let mut made = Made::new(2);
    made.collected.runs[3].failed = true;
    let broken = made.collected.runs[3].run.clone();
    made.collected.runs.remove(5);
    let reason = "the disk | is full".to_owned();
    made.failures = vec![FailureFacts { run: "runs/clean-default-s0".into(), reason }];
    made.planted = None;
    made.arms.iter_mut().for_each(|summary| {
        summary.planted = None;
        summary.good_expected = (summary.arm == "clean").then_some(3.25);
    });
    let [page, text] = made.write();
    let warned = page.find("Heed before").unwrap();
    assert!(warned < page.find("What this study was").unwrap());
    for words in [
        "1 of ",
        "too few for a verdict",
        "the disk | is full",
        &broken,
        "about 3.25",
        "No errors were planted",
        "not tested",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(page.contains("--audit") && !page.contains("true labels are known"));
    assert!(text.contains("the disk \\| is full"), "{text}");
}

#[test]
fn a_study_of_which_nothing_came_still_has_a_report() {
    let mut made = Made::new(1);
    made.collected = Collected::default();
    made.audit = Audit::default();
    made.arms.clear();
    let [page, text] = made.write();
    assert!(page.contains("suspects no single label") && text.contains("# Study of"));
}

#[test]
fn the_worst_labels_are_each_there_once_and_no_notes() {
    let findings = audit().findings;
    let worst = suspect_labels(&findings);
    assert_eq!(worst.len(), WORST);
    assert!(worst.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert!(worst.iter().all(|finding| finding.rule == "keypoint_outlier"));
}
