//! Runs on drawn images, one bright dot each: what the guard does about planted trouble.

use std::path::Path;

use serde_json::Value;

use super::{CHECKPOINTS, Ending, Job, Moment, Outcome, train};
use crate::dataset::{
    Dataset, Image, Instance, InstanceName, Keypoint, Skeleton, SplitSettings, Visibility, split,
};
use crate::models::weights::Tensors;
use crate::stats::random::SplitMix64;
use crate::train::config::TrainConfig;
use crate::train::data::{Batch, Targets};
use crate::train::pass::{Prepared, Wanted, prepare};
use crate::train::runtime::{Runtime, for_tests};

const SIDE: usize = 64;

/// Draws images with a dot each, and labels them.
fn dots(folder: &Path, count: usize) -> Dataset {
    let mut random = SplitMix64::named("dots", 0);
    let mut dataset = Dataset { root: folder.into(), format: "folder", ..Dataset::default() };
    let skeleton = Skeleton { keypoints: vec!["dot".into()], ..Skeleton::default() };
    dataset.skeletons = vec![skeleton];
    dataset.videos = vec!["dots".into()];
    for at in 0..count {
        let [x, y] = [0; 2].map(|_| random.uniform(12.0, SIDE as f64 - 12.0));
        let mut pixels = image::GrayImage::new(SIDE as u32, SIDE as u32);
        for (column, row, pixel) in pixels.enumerate_pixels_mut() {
            let far = (f64::from(column) + 0.5 - x).hypot(f64::from(row) + 0.5 - y);
            pixel.0[0] = if far < 4.0 { 230 } else { (random.below(60)) as u8 };
        }
        let path = format!("{at:03}.png");
        let file = folder.join(&path);
        pixels.save(&file).expect("a drawn image");
        dataset.images.push(Image {
            path,
            file: Some(file),
            video: Some(0),
            frame: Some(at as u64),
            ..Image::default()
        });
        dataset.instances.push(Instance {
            image: at as u32,
            name: InstanceName::Ordinal(0),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first: at as u32,
            len: 1,
            location: None,
            crowd: false,
        });
        let visibility = Visibility::Visible;
        dataset.keypoints.push(Keypoint { kind: 0, column: 0, visibility, x, y });
    }
    dataset.sort();
    dataset
}

/// Trains on dots with changed settings and a planted error; returns how it ended, and its log.
fn run(
    runtime: &Runtime,
    folder: &Path,
    changes: &[&str],
    plant: Option<&dyn Fn(&mut Batch)>,
) -> (Outcome, Vec<Value>) {
    let dataset = dots(folder, 60);
    let split = split(&dataset, &SplitSettings::suitable(&dataset, 0)).expect("parts");
    let common = [
        "data.batch=4",
        "data.augment=none",
        "data.size=[64, 64]",
        "run.probe_every=1000",
        "run.checkpoint_every=25",
    ];
    let changes: Vec<String> =
        common.iter().chain(changes).map(|change| (*change).to_owned()).collect();
    let config = TrainConfig::new("stable", &changes).expect("settings");
    let wanted = Wanted {
        dataset: &dataset,
        path: "dots".into(),
        split: &split,
        by: "block",
        config,
        runtime,
        words: &[],
        cache: None,
        threads: Some(2),
        probe: None,
    };
    let prepared: Prepared<'_> = prepare(wanted, &|_, _| ()).expect("a pass");
    let first: &Tensors = &prepared.first.tensors;
    let out = folder.join("run");
    std::fs::create_dir(&out).expect("a folder");
    let job = Job {
        data: &prepared.data,
        network: prepared.network,
        config: &prepared.wanted.config,
        runtime,
        folder: &out,
        first: Some(first),
        plant,
    };
    let outcome = train(&job, &mut |_: Moment<'_>| ()).expect("a run");
    let log = std::fs::read_to_string(out.join("events.jsonl")).expect("a log");
    assert!(out.join(CHECKPOINTS).is_dir());
    (outcome, log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

fn of<'a>(log: &'a [Value], name: &str) -> Vec<&'a Value> {
    log.iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn a_poisoned_batch_is_ruled_data_and_training_recovers() {
    let Some(runtime) = for_tests() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    // The labels of one batch are mirrored in both directions.
    let poison = |batch: &mut Batch| {
        let Targets::Pose { scores, offsets, offset_weights, .. } = &mut batch.targets else {
            return;
        };
        if batch.step == Some(180) {
            for map in [scores, offsets, offset_weights] {
                map.reverse();
            }
        }
    };
    let changes = ["run.steps=260"];
    let (outcome, log) = run(&runtime, folder.path(), &changes, Some(&poison));
    let verdicts = of(&log, "verdict");
    assert_eq!(verdicts.len(), 1, "{log:?}");
    assert_eq!(
        (verdicts[0]["batch"].as_u64(), verdicts[0]["cause"].as_str()),
        (Some(180), Some("data")),
        "{verdicts:?}"
    );
    assert!(!verdicts[0]["carriers"].as_array().expect("carriers").is_empty());
    assert_eq!(of(&log, "rollback").len(), 1);
    assert_eq!((outcome.ending, outcome.steps), (Ending::Done, 260));
}

#[test]
fn a_hundredfold_rate_is_ruled_state_and_training_recovers() {
    let Some(runtime) = for_tests() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let changes = [
        "run.steps=260",
        "guard.rate_factor=0.1",
        "clip.by=none",
        "schedule={kind=\"steps\", list=[[180, 1.0], [1000, 100.0]]}",
    ];
    let (outcome, log) = run(&runtime, folder.path(), &changes, None);
    let verdicts = of(&log, "verdict");
    assert!(!verdicts.is_empty(), "{log:?}");
    let causes: Vec<&str> =
        verdicts.iter().filter_map(|verdict| verdict["cause"].as_str()).collect();
    assert!(causes.contains(&"state") && !causes.contains(&"data"), "{verdicts:?}");
    assert!(!of(&log, "rollback").is_empty());
    assert_eq!((outcome.ending, outcome.steps), (Ending::Done, 260));
}
