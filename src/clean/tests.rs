//! Precedence, limits and lines of patches, on a small made-up dataset.

use super::*;
use crate::audit::{self, Finding, Level, Proposal, Severity};
use crate::dataset::{
    BBox, Class, Dataset, Edit, Image, Instance, InstanceName, Keypoint, Location, Skeleton,
    Visibility,
};

const NAMES: [&str; 4] = ["nose", "left_ear", "right_ear", "tail"];

/// Frames of two videos, one mouse each; keypoint k of frame f lies at (10 k + f, f).
fn dataset(frames: u32) -> Dataset {
    let skeleton = Skeleton {
        keypoints: NAMES.map(String::from).to_vec(),
        pairs: vec![[1, 2]],
        ..Skeleton::default()
    };
    let mut dataset = Dataset {
        format: "deeplabcut",
        label_files: vec!["labels.csv".into()],
        videos: vec!["a".into(), "b".into()],
        splits: vec!["train".into(), "test".into()],
        classes: vec![Class { name: "mouse".into(), ..Class::default() }],
        skeletons: vec![skeleton],
        pixel_offset: 0.5,
        ..Dataset::default()
    };
    for frame in 0..frames {
        let location = Some(Location { file: 0, row: frame + 1 });
        dataset.images.push(Image {
            path: path(frame),
            video: Some(u32::from(frame >= frames / 2)),
            location,
            ..Image::default()
        });
        dataset.instances.push(Instance {
            image: frame,
            name: InstanceName::Ordinal(0),
            class: Some(0),
            skeleton: Some(0),
            bbox: None,
            area: None,
            first: 4 * frame,
            len: 4,
            location,
            crowd: false,
        });
        dataset.keypoints.extend((0..4).map(|kind| Keypoint {
            kind,
            column: 0,
            visibility: Visibility::Visible,
            x: f64::from(10 * u32::from(kind) + frame) + 0.5,
            y: f64::from(frame) + 0.5,
        }));
    }
    dataset
}

fn path(frame: u32) -> String {
    format!("img{frame:03}.png")
}

fn finding(rule: &str, score: f64, frame: u32) -> Finding {
    Finding {
        rule: rule.into(),
        severity: Severity::Warning,
        score,
        level: Level::Image,
        kind: None,
        image: Some(path(frame)),
        video: None,
        instance: None,
        keypoint: None,
        class: None,
        message: "is wrong".into(),
        value: None,
        threshold: None,
        related: Vec::new(),
        location: None,
        proposal: None,
        fingerprint: format!("{rule}-{frame}"),
    }
}

/// A finding about a keypoint.
fn about(rule: &str, score: f64, frame: u32, name: &str, proposal: Proposal) -> Finding {
    let fingerprint = format!("{rule}-{frame}-{name}");
    Finding {
        level: Level::Keypoint,
        instance: Some("0".into()),
        keypoint: Some(name.into()),
        related: proposal.with.iter().cloned().collect(),
        proposal: Some(proposal),
        fingerprint,
        ..finding(rule, score, frame)
    }
}

fn swapped(score: f64, frame: u32) -> Finding {
    let with = Some("right_ear".into());
    let proposal = Proposal { with, ..Proposal::new(audit::Action::Swap) };
    about("left_right_swap", score, frame, "left_ear", proposal)
}

fn outlier(score: f64, frame: u32, name: &str) -> Finding {
    let (x, y) = (Some(50.25), Some(60.75));
    let proposal = Proposal { x, y, sd_px: Some(1.0), ..Proposal::new(audit::Action::Move) };
    about("keypoint_outlier", score, frame, name, proposal)
}

fn jump(score: f64, frame: u32, name: &str) -> Finding {
    Finding {
        fingerprint: format!("jump-{frame}-{name}"),
        rule: "temporal_jump".into(),
        ..outlier(score, frame, name)
    }
}

/// The default policy without limits, which small datasets would run into.
fn unlimited() -> Policy {
    let limits =
        Limits { max_frame_share: 1.0, min_per_keypoint: 0, min_per_video: 0, min_per_class: 0 };
    Policy { limits, ..Policy::default() }
}

/// Returns action, frame and keypoint of the changes.
fn done(patch: &Patch) -> Vec<(Action, &str, Option<&str>)> {
    (patch.changes.iter()).map(|c| (c.action, c.image.as_str(), c.keypoint.as_deref())).collect()
}

#[test]
fn an_image_that_goes_is_not_changed_otherwise() {
    let findings = [
        finding("corrupt_image", 1.0, 0),
        swapped(0.99, 0),
        outlier(0.99, 0, "nose"),
        finding("blurry_image", 0.9, 0),
        outlier(0.99, 1, "nose"),
        finding("blurry_image", 0.9, 2),
    ];
    let patch = plan(&dataset(10), &findings, &unlimited());
    assert_eq!(
        done(&patch),
        [
            (Action::DropImage, "img000.png", None),
            (Action::DropKeypoint, "img001.png", Some("nose")),
        ]
    );
    let relabel: Vec<&str> = patch.relabel.iter().map(|one| one.image.as_str()).collect();
    assert_eq!(relabel, ["img002.png"], "a frame that goes needs no second look");
}

#[test]
fn an_instance_that_goes_spares_the_others_of_its_image() {
    let mut dataset = dataset(10);
    let first = dataset.keypoints.len() as u32;
    let copy: Vec<Keypoint> = dataset.keypoints[..4].to_vec();
    dataset.keypoints.extend(copy);
    let second = Instance { first, name: InstanceName::Ordinal(1), ..dataset.instances[0].clone() };
    dataset.instances.insert(1, second);
    let of_second = |finding: Finding| Finding { instance: Some("1".into()), ..finding };
    let findings = [
        of_second(finding("duplicate_instance", 0.99, 0)),
        of_second(outlier(1.0, 0, "nose")),
        outlier(0.95, 0, "tail"),
    ];
    let patch = plan(&dataset, &findings, &unlimited());
    let changes: Vec<_> = patch.changes.iter().map(|c| (c.action, c.instance.as_deref())).collect();
    assert_eq!(changes, [(Action::DropKeypoint, Some("0")), (Action::DropInstance, Some("1"))]);
    let edits = patch.edits(&dataset).expect("the dataset is as it was");
    assert_eq!(
        edits,
        [Edit::DropKeypoint { instance: 0, kind: 3 }, Edit::DropInstance { instance: 1 }]
    );
}

#[test]
fn a_swap_explains_both_of_its_points() {
    // A jump of one ear is more certain, but dropping it would leave the other wrong.
    let findings = [jump(0.999, 3, "left_ear"), swapped(0.95, 3), outlier(0.97, 3, "tail")];
    let patch = plan(&dataset(10), &findings, &unlimited());
    assert_eq!(
        done(&patch),
        [
            (Action::Swap, "img003.png", Some("left_ear")),
            (Action::DropKeypoint, "img003.png", Some("tail")),
        ]
    );
    assert_eq!(patch.changes[0].reason, "is wrong; also found by temporal_jump");
    assert!(patch.relabel.is_empty(), "all is settled");
}

#[test]
fn a_keypoint_is_changed_once_and_contradictions_are_looked_at() {
    let outside = Finding {
        proposal: Some(Proposal::new(audit::Action::DropKeypoint)),
        ..about(
            "keypoint_outside_image",
            1.0,
            3,
            "left_ear",
            Proposal::new(audit::Action::DropKeypoint),
        )
    };
    let findings = [outside, swapped(0.99, 3), outlier(0.95, 3, "left_ear")];
    let patch = plan(&dataset(10), &findings, &unlimited());
    assert_eq!(done(&patch), [(Action::DropKeypoint, "img003.png", Some("left_ear"))]);
    assert_eq!(patch.changes[0].rule, "keypoint_outside_image");
    let left: Vec<&str> = patch.relabel.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(left, ["left_right_swap"], "the right ear was in doubt, too");
}

#[test]
fn too_little_certainty_is_left_to_people() {
    let findings = [swapped(0.7, 1), outlier(0.6, 2, "nose"), finding("dark_image", 0.3, 3)];
    let patch = plan(&dataset(10), &findings, &unlimited());
    assert!(patch.changes.is_empty());
    let left: Vec<(&str, f64)> =
        patch.relabel.iter().map(|one| (one.rule.as_str(), one.score)).collect();
    assert_eq!(left, [("left_right_swap", 0.7), ("keypoint_outlier", 0.6)]);
}

#[test]
fn the_order_of_findings_has_no_effect() {
    let mut findings: Vec<Finding> = (0..10)
        .flat_map(|f| [swapped(0.95, f), outlier(0.97, f, "nose"), jump(0.97, f, "nose")])
        .chain([finding("exact_duplicate", 1.0, 4)])
        .collect();
    let policy =
        Policy { limits: Limits { max_frame_share: 0.3, ..unlimited().limits }, ..unlimited() };
    let patch = plan(&dataset(10), &findings, &policy);
    findings.reverse();
    assert_eq!(plan(&dataset(10), &findings, &policy), patch);
    findings.rotate_left(7);
    assert_eq!(plan(&dataset(10), &findings, &policy), patch);
}

#[test]
fn what_the_dataset_does_not_hold_changes_nothing() {
    let elsewhere = Finding { image: Some("no.png".into()), ..swapped(1.0, 0) };
    let nobody = Finding { instance: Some("7".into()), ..swapped(1.0, 0) };
    let nothing = Finding { keypoint: Some("wing".into()), ..swapped(1.0, 0) };
    let whole = Finding { image: None, ..finding("corrupt_image", 1.0, 0) };
    let patch = plan(&dataset(10), &[elsewhere, nobody, nothing, whole], &unlimited());
    assert!(patch.changes.is_empty() && patch.relabel.is_empty());
}

#[test]
fn the_least_certain_are_held_back_first() {
    let findings: Vec<Finding> =
        (0..10).map(|frame| outlier(0.9 + 0.01 * f64::from(frame), frame, "nose")).collect();
    let policy =
        Policy { limits: Limits { max_frame_share: 0.3, ..unlimited().limits }, ..unlimited() };
    let patch = plan(&dataset(10), &findings, &policy);
    let images: Vec<&str> = patch.changes.iter().map(|c| c.image.as_str()).collect();
    assert_eq!(images, ["img007.png", "img008.png", "img009.png"]);
    let held: Vec<&str> = patch.held_back.iter().map(|h| h.change.image.as_str()).collect();
    assert_eq!(held[..2], ["img006.png", "img005.png"]);
    assert_eq!(held.len(), 7);
    assert!(patch.held_back.iter().all(|held| held.limit == Limit::MaxFrameShare));
    // A second change of a touched frame costs no further frame.
    let more: Vec<Finding> = findings.into_iter().chain([outlier(0.91, 9, "tail")]).collect();
    assert_eq!(plan(&dataset(10), &more, &policy).changes.len(), 4);
}

#[test]
fn examples_are_left_of_each_keypoint_video_and_class() {
    let limited = |limits: Limits, findings: &[Finding]| {
        let patch = plan(&dataset(10), findings, &Policy { limits, ..Policy::default() });
        (patch.changes.len(), patch.held_back.iter().map(|h| h.limit).next())
    };
    let noses: Vec<Finding> = (0..10).map(|frame| outlier(0.99, frame, "nose")).collect();
    let keypoints = Limits { min_per_keypoint: 8, ..unlimited().limits };
    assert_eq!(limited(keypoints, &noses), (2, Some(Limit::MinPerKeypoint)));
    let copies: Vec<Finding> =
        (0..10).map(|frame| finding("exact_duplicate", 1.0, frame)).collect();
    let videos = Limits { min_per_video: 4, ..unlimited().limits };
    assert_eq!(limited(videos, &copies), (2, Some(Limit::MinPerVideo)));
    let classes = Limits { min_per_class: 7, ..unlimited().limits };
    assert_eq!(limited(classes, &copies), (3, Some(Limit::MinPerClass)));
    assert_eq!(limited(unlimited().limits, &copies), (10, None));
    // An instance of which all keypoints go is an example less.
    let all: Vec<Finding> = (0..4).flat_map(|f| NAMES.map(|name| outlier(0.99, f, name))).collect();
    assert_eq!(limited(classes, &all), (15, Some(Limit::MinPerClass)));
    assert_eq!(
        limited(Limits { min_per_video: 4, ..videos }, &all),
        (13, Some(Limit::MinPerVideo))
    );
}

#[test]
fn what_trains_nothing_is_no_example() {
    let findings: Vec<Finding> = (0..3).map(|frame| finding("missing_image", 1.0, frame)).collect();
    let limits = Limits {
        max_frame_share: 0.2,
        min_per_keypoint: 100,
        min_per_video: 100,
        min_per_class: 100,
    };
    let patch = plan(&dataset(10), &findings, &Policy { limits, ..Policy::default() });
    assert_eq!(patch.changes.len(), 2, "only the share of frames counts");
    assert_eq!(patch.held_back[0].limit, Limit::MaxFrameShare);
    let drop =
        about("keypoint_outside_image", 1.0, 1, "nose", Proposal::new(audit::Action::DropKeypoint));
    let limits = Limits { max_frame_share: 1.0, ..limits };
    let patch = plan(
        &dataset(10),
        &[drop, outlier(0.99, 1, "tail")],
        &Policy { limits, ..Policy::default() },
    );
    assert_eq!(done(&patch), [(Action::DropKeypoint, "img001.png", Some("nose"))]);
}

#[test]
fn what_takes_the_place_of_a_change_that_is_held_back() {
    // The image cannot go, so that its swap is put right instead.
    let findings = [finding("exact_duplicate", 1.0, 0), swapped(0.95, 0)];
    let limits = Limits { min_per_video: 5, ..unlimited().limits };
    let patch = plan(&dataset(10), &findings, &Policy { limits, ..Policy::default() });
    assert_eq!(done(&patch), [(Action::Swap, "img000.png", Some("left_ear"))]);
    assert_eq!(patch.held_back[0].change.action, Action::DropImage);
}

#[test]
fn a_copy_in_another_split_is_left_to_people() {
    let mut dataset = dataset(6);
    for (image, split) in dataset.images.iter_mut().zip([0, 0, 1, 1, 0, 0]) {
        image.split = Some(split);
    }
    let copy = |frame| Finding { related: vec![path(0)], ..finding("exact_duplicate", 1.0, frame) };
    let patch = plan(&dataset, &[copy(1), copy(2), copy(3)], &unlimited());
    let dropped: Vec<&str> = patch.changes.iter().map(|c| c.image.as_str()).collect();
    assert_eq!(dropped, ["img001.png", "img003.png"], "each split keeps its first copy");
    assert_eq!(patch.relabel[0].image, "img002.png");
}

#[test]
fn policies_ask_for_moves_weights_and_spared_keypoints() {
    let text = "[limits]\nmax_frame_share = 1.0\nmin_per_keypoint = 0\nmin_per_video = 0\n\
                min_per_class = 0\n[rules.keypoint_outlier]\naction = \"move\"\n\
                [rules.temporal_jump]\naction = \"down_weight\"\n\
                [rules.dark_image]\naction = \"down_weight\"\nweight = 0.25\n";
    let rules = audit::builtin().expect("the built-in rules are valid");
    let policy = Policy::parse(text, &rules).expect("a policy");
    let boxed = Finding { instance: Some("0".into()), ..finding("zero_area_box", 1.0, 5) };
    let findings =
        [outlier(0.95, 1, "nose"), jump(0.96, 2, "nose"), finding("dark_image", 0.9, 3), boxed];
    let mut dataset = dataset(10);
    dataset.instances[5].bbox = Some(BBox { x: 1.0, y: 1.0, width: 0.0, height: f64::NAN });
    let patch = plan(&dataset, &findings, &policy);
    assert_eq!(done(&patch), [(Action::Move, "img001.png", Some("nose"))]);
    let edits = patch.edits(&dataset).expect("the dataset is as it was");
    assert_eq!(edits, [Edit::SetKeypoint { instance: 1, kind: 0, x: 50.75, y: 61.25 }]);
    let weights: Vec<(&str, f64)> = patch
        .weights
        .iter()
        .map(|w| (w.about.image.as_str(), (w.weight * 100.0).round()))
        .collect();
    assert_eq!(weights, [("img002.png", 4.0), ("img003.png", 25.0)]);
    assert_eq!(patch.relabel[0].rule, "zero_area_box", "its keypoints are good");
}

#[test]
fn swaps_exchange_places_and_whether_they_were_seen() {
    let mut dataset = dataset(10);
    dataset.keypoints[4 * 3 + 2].visibility = Visibility::Occluded;
    let patch = plan(&dataset, &[swapped(0.95, 3)], &unlimited());
    let after = dataset.edited(&patch.edits(&dataset).expect("the dataset is as it was"));
    let point = |dataset: &Dataset, kind| {
        *dataset.keypoint(&dataset.instances[3], kind).expect("it is labelled")
    };
    for (new, old) in [(1, 2), (2, 1)] {
        let (new, old) = (point(&after, new), point(&dataset, old));
        assert_eq!((new.x, new.y, new.visibility), (old.x, old.y, old.visibility));
    }
    // One of them is missing: the label gets the other name.
    let drop = Edit::DropKeypoint { instance: 3, kind: 2 };
    let dataset = dataset.edited(&[drop]);
    let patch = plan(&dataset, &[swapped(0.95, 3)], &unlimited());
    let after = dataset.edited(&patch.edits(&dataset).expect("the dataset is as it was"));
    assert!(after.keypoint(&after.instances[3], 1).is_none());
    assert_eq!(point(&after, 2).x, point(&dataset, 1).x);
}

#[test]
fn drops_alone_keep_the_limits() {
    let findings: Vec<Finding> = (0..6)
        .map(|f| swapped(0.94 + 0.01 * f64::from(f), f))
        .chain([outlier(0.97, 8, "nose")])
        .collect();
    let limits = Limits { max_frame_share: 0.4, ..unlimited().limits };
    let patch = plan(&dataset(10), &findings, &Policy { limits, ..Policy::default() });
    assert_eq!(patch.changes.len(), 7, "swaps cost no frame");
    assert_eq!(patch.counts().held_back, 0);
    let drops = patch.drop_only();
    assert_eq!(
        done(&drops)[..2],
        [
            (Action::DropKeypoint, "img003.png", Some("left_ear")),
            (Action::DropKeypoint, "img003.png", Some("right_ear")),
        ]
    );
    assert_eq!(drops.counts().frames, 4);
    assert_eq!(drops.counts().drop_keypoint, 2 * 3 + 1);
    assert_eq!(drops.counts().held_back, 3);
    drops.edits(&dataset(10)).expect("drops name what the dataset holds");
    assert_eq!(drops.drop_only(), drops);
}

#[test]
fn labels_that_changed_are_refused() {
    let before = dataset(10);
    let findings = [finding("corrupt_image", 1.0, 0), swapped(0.95, 3), outlier(0.95, 4, "nose")];
    let patch = plan(&before, &findings, &unlimited());
    patch.check(&before).expect("nothing changed");
    let said = |dataset: &Dataset| patch.check(dataset).expect_err("it changed").to_string();
    let mut moved = before.clone();
    moved.keypoints[4 * 3 + 1].x += 1.0;
    assert!(patch.edits(&moved).is_err());
    let message = said(&moved);
    assert!(message.contains("img003.png instance 0 left_ear is"), "{message}");
    assert!(message.contains("\"x\":14.0") && message.contains("\"x\":13.0"), "{message}");
    let mut fewer = before.clone();
    fewer.images.pop();
    assert!(said(&fewer).contains("they had 10 images and have 9 now"), "{}", said(&fewer));
    let mut other = before.clone();
    other.keypoints[4 * 9].x += 1.0;
    assert!(said(&other).contains("does not change"), "{}", said(&other));
    let mut renamed = before.clone();
    renamed.images[3].path = "img003b.png".into();
    assert!(said(&renamed).contains("no image `img003.png`"), "{}", said(&renamed));
    let mut format = before;
    format.format = "coco";
    format.keypoints[0].x += 1.0;
    assert!(said(&format).contains("`coco`"), "{}", said(&format));
}

#[test]
fn a_patch_is_read_as_it_was_written() {
    let text = "[rules.dark_image]\naction = \"down_weight\"\n";
    let rules = audit::builtin().expect("the built-in rules are valid");
    let policy = Policy::parse(text, &rules).expect("a policy");
    let mut dataset = dataset(60);
    dataset.instances[1].bbox = Some(BBox { x: 1.25, y: 1.0, width: f64::NAN, height: 2.0 });
    dataset.keypoints[4].x = f64::NAN;
    let findings: Vec<Finding> = (0..30)
        .map(|frame| outlier(0.95, frame, "nose"))
        .chain([
            finding("corrupt_image", 1.0, 1),
            swapped(0.95, 40),
            swapped(0.75, 41),
            finding("dark_image", 0.875, 42),
        ])
        .collect();
    let patch = plan(&dataset, &findings, &policy);
    let counts = patch.counts();
    for count in
        [counts.drop_image, counts.swap, counts.held_back, counts.relabel, counts.down_weight]
    {
        assert!(count > 0, "{counts:?}");
    }
    let mut bytes = Vec::new();
    patch.write(&mut bytes).expect("memory takes it");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("patch.jsonl");
    std::fs::write(&file, &bytes).expect("written");
    let read = Patch::read(&file).expect("a patch");
    assert_eq!(read.changes, patch.changes);
    assert_eq!(read.held_back, patch.held_back);
    assert_eq!((&read.relabel, &read.weights), (&patch.relabel, &patch.weights));
    assert_eq!((&read.dataset, read.labels), (&patch.dataset, patch.labels));
    let mut again = Vec::new();
    read.write(&mut again).expect("memory takes it");
    assert!(again == bytes, "the same patch, the same bytes");
    read.edits(&dataset).expect("what is no number is the same as before");
}

#[test]
fn what_is_no_patch_is_refused_with_its_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("patch.jsonl");
    let said = |text: &str| {
        std::fs::write(&file, text).expect("written");
        Patch::read(&file).expect_err("it is no patch").to_string()
    };
    assert!(said("").contains("row 1: expected a patch"), "{}", said(""));
    assert!(said("{\"schema\":1}\n").contains("row 1: expected the first line"));
    let mut bytes = Vec::new();
    let patch = plan(&dataset(30), &[swapped(0.95, 3)], &unlimited());
    patch.write(&mut bytes).expect("memory takes it");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    let later = text.replacen("\"schema\":1", "\"schema\":2", 1);
    assert!(said(&later).contains("expected schema 1, found 2"));
    let broken = text.replacen("\"fingerprint\":", "\"finger\":", 1);
    assert!(said(&broken).contains("row 2: missing field `fingerprint`"), "{}", said(&broken));
    let cut = &text[..text.len() - 20];
    assert!(said(cut).contains("row 2"), "{}", said(cut));
    let other = text.replacen("\"action\":\"swap\"", "\"action\":\"burn\"", 1);
    assert!(said(&other).contains("burn"), "{}", said(&other));
}
