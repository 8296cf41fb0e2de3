use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dataset::{Image, Instance, InstanceName, Keypoint, Skeleton, Visibility};

const NAMES: [&str; 5] = ["nose", "left_ear", "right_ear", "centre", "tail_base"];
/// A mouse that looks to the right, around its centre, pixels.
const BODY: [[f64; 2]; 5] = [[40.0, 0.0], [28.0, -12.0], [28.0, 12.0], [0.0, 0.0], [-35.0, 0.0]];
pub(super) const SIZE: [u32; 2] = [400, 300];

/// Two videos of so many labelled frames, `mice` named mice in each. The mice move.
pub(super) fn dataset(frames: u64, mice: u32) -> Dataset {
    let skeleton = Skeleton {
        keypoints: NAMES.map(String::from).to_vec(),
        pairs: vec![[1, 2]],
        ..Skeleton::default()
    };
    let mut dataset = Dataset {
        videos: vec!["a".into(), "b".into()],
        skeletons: vec![skeleton],
        individuals: (0..mice).map(|at| format!("mouse{at}")).collect(),
        ..Dataset::default()
    };
    for video in 0..2 {
        for frame in 0..frames {
            let image = dataset.images.len() as u32;
            dataset.images.push(Image {
                path: format!("{}/img{frame:04}.png", dataset.videos[video as usize]),
                video: Some(video),
                frame: Some(frame),
                declared_px: Some(SIZE),
                ..Image::default()
            });
            for mouse in 0..mice {
                let first = dataset.keypoints.len() as u32;
                let turn = (frame * 7 + u64::from(mouse) * 3) as f64 * 0.37;
                let centre = [120.0 + 90.0 * f64::from(mouse) + 20.0 * turn.cos(), 150.0];
                dataset.keypoints.extend(BODY.iter().enumerate().map(|(kind, [x, y])| Keypoint {
                    kind: kind as u16,
                    column: 0,
                    visibility: Visibility::Visible,
                    x: centre[0] + x * turn.cos() - y * turn.sin(),
                    y: centre[1] + x * turn.sin() + y * turn.cos(),
                }));
                dataset.instances.push(Instance {
                    image,
                    name: InstanceName::Individual(mouse),
                    class: None,
                    skeleton: Some(0),
                    bbox: None,
                    area: None,
                    first,
                    len: BODY.len() as u16,
                    location: None,
                    crowd: false,
                });
            }
        }
    }
    dataset
}

fn recipe(text: &str) -> Recipe {
    Recipe::parse(text).expect("a recipe")
}

pub(super) fn one(kind: ErrorKind, rest: &str) -> Recipe {
    recipe(&format!("[[error]]\nkind = \"{kind}\"\n{rest}\n"))
}

/// Plants with edges of the images on every tenth pixel.
pub(super) fn planted(dataset: &Dataset, recipe: &Recipe, seed: u64) -> Planted {
    let places = (0..SIZE[0] / 10).flat_map(|x| (0..SIZE[1] / 10).map(move |y| [x, y]));
    let places: Vec<[f32; 2]> = places.map(|place| place.map(|at| at as f32 * 10.0)).collect();
    let edges = vec![places; dataset.images.len()];
    let scope = Scope { edges: &edges, ..Scope::default() };
    plant_in(dataset, recipe, seed, &scope).expect("planted")
}

/// As [`dataset`], with two left-right pairs.
pub(super) fn two_pairs(frames: u64, mice: u32) -> Dataset {
    let mut dataset = dataset(frames, mice);
    dataset.skeletons[0].pairs.push([0, 4]);
    dataset
}

/// Frames that are hit where 5 % of two videos of 100 frames are asked for.
fn expected(kind: ErrorKind) -> usize {
    match kind {
        ErrorKind::OffByOne => 9,
        ErrorKind::AnnotatorOffset => 100,
        _ => 10,
    }
}

/// Holds that edits and list say the same, and that nothing else changed.
pub(super) fn assert_consistent(dataset: &Dataset, planted: &Planted) {
    let after = dataset.edited(&planted.edits);
    let mut listed: BTreeMap<(u32, u16), &PlantedPoint> = BTreeMap::new();
    for error in &planted.errors {
        assert_eq!(dataset.instances[error.instance as usize].image, error.image);
        assert_eq!(dataset.images[error.image as usize].path, error.path);
        assert!(!error.points.is_empty());
        for point in &error.points {
            assert_eq!(NAMES[usize::from(point.kind)], point.keypoint);
            assert!(listed.insert((error.instance, point.kind), point).is_none(), "twice");
        }
    }
    assert_eq!(after.instances.len(), dataset.instances.len());
    for (at, (old, new)) in dataset.instances.iter().zip(&after.instances).enumerate() {
        for kind in 0..NAMES.len() as u16 {
            let [before, now] = [(dataset, old), (&after, new)]
                .map(|(data, instance)| data.keypoint(instance, kind).map(|p| [p.x, p.y]));
            match listed.get(&(at as u32, kind)) {
                Some(point) => {
                    assert_eq!((before, now), (point.before, point.after));
                    assert_ne!(before, now, "an error changes something");
                    let far = before.zip(now).map(|(a, b)| distance(a, b));
                    assert_eq!(far, point.distance_px);
                    let inside = |place: [f64; 2]| {
                        (0..2).all(|axis| (0.0..=f64::from(SIZE[axis])).contains(&place[axis]))
                    };
                    assert!(now.is_none_or(inside), "{point:?}");
                }
                None => assert_eq!(before, now, "{at} {kind}"),
            }
        }
    }
}

pub(super) fn frames(planted: &Planted) -> BTreeSet<u32> {
    planted.errors.iter().map(|error| error.image).collect()
}

#[test]
fn every_kind_is_planted_as_often_as_asked_for() {
    let dataset = two_pairs(100, 1);
    let body = dataset.body_length().expect("a length");
    for kind in ErrorKind::ALL {
        let recipe = one(kind, "rate = 0.05");
        let planted = planted(&dataset, &recipe, 3);
        assert_consistent(&dataset, &planted);
        assert_eq!(frames(&planted).len(), expected(kind), "{kind}");
        assert!(planted.short.is_empty());
        let [least, most] = recipe.errors[0].strength;
        for error in &planted.errors {
            assert_eq!((error.kind, error.row), (kind, 1));
            let moved: Vec<f64> = error.points.iter().filter_map(|p| p.distance_bl).collect();
            let furthest = moved.iter().copied().fold(0.0, f64::max);
            if kind == ErrorKind::Missing {
                assert!(moved.is_empty() && error.points[0].after.is_none());
                continue;
            }
            assert!(furthest >= least && furthest <= most + 0.02 / body, "{kind}: {furthest}");
            if !kind.is_whole() {
                assert!(moved.iter().all(|far| *far >= least), "{kind}: {moved:?}");
            }
        }
    }
}

#[test]
fn a_swap_exchanges_left_and_right_and_nothing_else() {
    let dataset = dataset(50, 1);
    for error in planted(&dataset, &one(ErrorKind::Swap, "rate = 0.1"), 1).errors {
        let [left, right] = &error.points[..] else { panic!("a pair") };
        assert_eq!((left.keypoint.as_str(), right.keypoint.as_str()), ("left_ear", "right_ear"));
        assert_eq!(left.with.as_deref(), Some("right_ear"));
        assert_eq!((left.before, left.after), (right.after, right.before));
    }
}

#[test]
fn a_swap_between_individuals_stays_within_a_frame() {
    let dataset = dataset(40, 2);
    let recipe = one(ErrorKind::Swap, "rate = 0.1\nbetween = \"individuals\"\npoints = 2");
    let planted = planted(&dataset, &recipe, 1);
    assert_consistent(&dataset, &planted);
    assert_eq!((frames(&planted).len(), planted.errors.len()), (8, 16));
    for pair in planted.errors.chunks(2) {
        assert_eq!((pair[0].image, pair[0].run), (pair[1].image, pair[1].run));
        for (a, b) in pair[0].points.iter().zip(&pair[1].points) {
            assert_eq!((a.kind, a.before, a.after), (b.kind, b.after, b.before));
        }
        assert_eq!(pair[0].points.len(), 2);
        assert_eq!(pair[0].points[0].with.as_deref(), Some("mouse1"));
    }
}

#[test]
fn a_miss_goes_every_way_and_keeps_clear_of_other_keypoints() {
    let dataset = dataset(200, 1);
    let planted = planted(&dataset, &one(ErrorKind::Miss, "rate = 1.0\nstrength = [0.3, 0.4]"), 5);
    assert_consistent(&dataset, &planted);
    assert_eq!(planted.errors.len(), 400);
    let body = dataset.body_length().expect("a length");
    let mut quarters = [0; 4];
    for error in &planted.errors {
        let [point] = &error.points[..] else { panic!("one point") };
        let (before, after) = (point.before.expect("a place"), point.after.expect("a place"));
        quarters[usize::from(after[0] > before[0]) * 2 + usize::from(after[1] > before[1])] += 1;
        let instance = &dataset.instances[error.instance as usize];
        for other in dataset.keypoints_of(instance).iter().filter(|p| p.kind != point.kind) {
            assert!(distance(after, [other.x, other.y]) >= 0.05 * body);
        }
    }
    // A quarter of 400 is 100 ± 9; the image's borders are far.
    assert!(quarters.iter().all(|count| (60..140).contains(count)), "{quarters:?}");
}

#[test]
fn an_inversion_lands_on_another_keypoint_that_is_not_its_other_side() {
    let dataset = dataset(100, 1);
    for error in planted(&dataset, &one(ErrorKind::Inversion, "rate = 0.5"), 2).errors {
        let [point] = &error.points[..] else { panic!("one point") };
        let skeleton = &dataset.skeletons[0];
        let other = skeleton.index(point.with.as_deref().expect("another")).expect("it exists");
        assert_ne!(skeleton.partner(point.kind), Some(other));
        let instance = &dataset.instances[error.instance as usize];
        let under = dataset.keypoint(instance, other).expect("labelled");
        assert_eq!(point.after, Some([under.x, under.y]));
    }
}

#[test]
fn labels_are_carried_over_from_an_undamaged_frame() {
    let dataset = dataset(60, 2);
    let text = "[[error]]\nkind = \"carry_over\"\nrate = 0.2\n\
                [[error]]\nkind = \"miss\"\nrate = 0.5\n";
    let planted = planted(&dataset, &recipe(text), 9);
    assert_consistent(&dataset, &planted);
    let damaged = frames(&planted);
    let mut carried = BTreeSet::new();
    for error in planted.errors.iter().filter(|error| error.kind == ErrorKind::CarryOver) {
        let image = &dataset.images[error.image as usize];
        let source = error.points[0].with.as_deref().expect("a frame");
        let at = dataset.images.iter().position(|image| image.path == source).expect("it exists");
        assert_eq!(dataset.images[at].video, image.video);
        assert_eq!(dataset.images[at].frame.map(|frame| frame + 1), image.frame);
        assert!(!damaged.contains(&(at as u32)), "{source} is as it was");
        carried.insert(error.image);
    }
    assert_eq!(carried.len(), 24);
}

#[test]
fn a_run_hits_consecutive_frames_alike() {
    let dataset = two_pairs(100, 2);
    let in_runs = |kind: &ErrorKind| *kind != ErrorKind::AnnotatorOffset;
    for kind in ErrorKind::ALL.into_iter().filter(in_runs) {
        let planted = planted(&dataset, &one(kind, "rate = 0.1\nruns = 5"), 4);
        assert_consistent(&dataset, &planted);
        assert_eq!(frames(&planted).len(), 20, "{kind}");
        let mut runs: BTreeMap<usize, Vec<&PlantedError>> = BTreeMap::new();
        for error in &planted.errors {
            runs.entry(error.run).or_default().push(error);
        }
        assert_eq!(runs.len(), 4);
        for run in runs.values() {
            let images: BTreeSet<u32> = run.iter().map(|error| error.image).collect();
            let (first, last) = (images.first().expect("one"), images.last().expect("one"));
            assert_eq!((images.len(), last - first), (5, 4), "{kind}: neighbours");
            let videos: BTreeSet<_> =
                images.iter().map(|&image| dataset.images[image as usize].video).collect();
            assert_eq!(videos.len(), 1);
            let sources: BTreeSet<_> =
                run.iter().flat_map(|error| &error.points).map(|p| &p.with).collect();
            match kind {
                ErrorKind::CarryOver => assert_eq!(sources.len(), 1, "the labels of one frame"),
                ErrorKind::OffByOne => assert_eq!(sources.len(), 5, "each of the frame before"),
                _ => {}
            }
            if matches!(
                kind,
                ErrorKind::CarryOver
                    | ErrorKind::OffByOne
                    | ErrorKind::Transposed
                    | ErrorKind::Scaled
            ) {
                assert_eq!(run.len(), 10, "{kind}: every mouse of the frames");
                continue;
            }
            let names: BTreeSet<&str> = run.iter().map(|error| error.name.as_str()).collect();
            assert_eq!(names.len(), 1, "{kind}: one individual");
            let kinds: BTreeSet<Vec<u16>> = (run.iter())
                .map(|error| error.points.iter().map(|point| point.kind).collect())
                .collect();
            assert_eq!(kinds.len(), 1, "{kind}: the same keypoints");
        }
    }
}

#[test]
fn frames_have_one_error_at_most_and_the_seed_decides() {
    let dataset = two_pairs(100, 1);
    let text: String = (ErrorKind::ALL.iter())
        .filter(|kind| **kind != ErrorKind::AnnotatorOffset)
        .map(|kind| format!("[[error]]\nkind = \"{kind}\"\nrate = 0.03\n"))
        .collect();
    let recipe = recipe(&text);
    let first = planted(&dataset, &recipe, 7);
    assert_consistent(&dataset, &first);
    assert_eq!(first.errors.len(), 96);
    assert_eq!(frames(&first).len(), 96, "one mouse, so one error per frame");
    assert_eq!(planted(&dataset, &recipe, 7), first);
    assert_ne!(planted(&dataset, &recipe, 8).errors, first.errors);
}

#[test]
fn only_images_of_the_scope_are_touched() {
    let dataset = dataset(100, 1);
    let images: BTreeSet<u32> = (30..70).collect();
    let scope = Scope { images: Some(&images), ..Scope::default() };
    for runs in [1, 4] {
        let recipe = one(ErrorKind::Miss, &format!("rate = 0.2\nruns = {runs}"));
        let planted = plant_in(&dataset, &recipe, 0, &scope).expect("planted");
        assert_eq!(frames(&planted).len(), 8, "20 % of 40");
        assert!(frames(&planted).is_subset(&images));
    }
    let none = BTreeSet::new();
    let scope = Scope { images: Some(&none), ..Scope::default() };
    let error = plant_in(&dataset, &one(ErrorKind::Miss, "rate = 0.2"), 0, &scope);
    assert_eq!(error, Err(PlantError::NoFrames));
}

#[test]
fn sizes_hold_where_they_are_known_and_labels_tell_them_elsewhere() {
    let mut dataset = dataset(50, 1);
    let recipe = one(ErrorKind::Miss, "rate = 0.5\nstrength = [0.5, 1.0]");
    let furthest = |planted: &Planted| {
        let points = planted.errors.iter().flat_map(|error| &error.points);
        points.filter_map(|point| Some(point.after?[1])).fold(0.0, f64::max)
    };
    let known = planted(&dataset, &recipe, 0);
    dataset.images.iter_mut().for_each(|image| image.declared_px = None);
    let unknown = planted(&dataset, &recipe, 0);
    let labelled = dataset.keypoints.iter().map(|point| point.y).fold(0.0, f64::max);
    assert!(furthest(&known) > labelled);
    assert!(furthest(&unknown) <= labelled);
    let sizes = vec![Some([400, 195]); dataset.images.len()];
    let scope = Scope { sizes_px: &sizes, ..Scope::default() };
    let small = plant_in(&dataset, &recipe, 0, &scope).expect("planted");
    assert!(furthest(&small) <= 194.0 && !small.errors.is_empty());
}

#[test]
fn only_keypoints_that_are_named_are_hit() {
    let dataset = dataset(50, 1);
    let recipe = one(ErrorKind::Jitter, "rate = 0.5\nkeypoints = [\"nose\", \"tail_base\"]");
    for error in planted(&dataset, &recipe, 0).errors {
        let names: Vec<&str> = error.points.iter().map(|point| point.keypoint.as_str()).collect();
        assert_eq!(names, ["nose", "tail_base"]);
    }
}

#[test]
fn what_cannot_be_planted_is_said() {
    let mut data = dataset(20, 1);
    let message = |data: &Dataset, recipe: &Recipe| {
        plant(data, recipe, 0).expect_err("it cannot be planted").to_string()
    };
    let unknown = message(&data, &one(ErrorKind::Miss, "rate = 0.1\nkeypoints = [\"paw\"]"));
    assert!(unknown.contains("`paw`") && unknown.contains("tail_base"), "{unknown}");
    let between = one(ErrorKind::Swap, "rate = 0.1\nbetween = \"individuals\"");
    assert!(message(&data, &between).contains("two individuals"), "one mouse per image");
    let edge = message(&data, &one(ErrorKind::EdgeMiss, "rate = 0.1"));
    assert!(edge.contains("no image was opened"), "{edge}");
    let sides = message(&data, &one(ErrorKind::SideSwap, "rate = 0.1"));
    assert!(sides.contains("two left-right pairs"), "one pair is a swap: {sides}");
    let far = message(&data, &one(ErrorKind::Miss, "rate = 0.1\nstrength = [50, 60]"));
    assert!(far.contains("50 to 60 body lengths"), "{far}");
    data.skeletons[0].pairs.clear();
    let swap = message(&data, &one(ErrorKind::Swap, "rate = 0.1"));
    assert!(swap.contains("no left-right pairs") && swap.contains("labelvet.toml"), "{swap}");
    data.images.iter_mut().for_each(|image| image.video = Some(0));
    let offset = message(&data, &one(ErrorKind::AnnotatorOffset, "rate = 0.1"));
    assert!(offset.contains("two videos"), "{offset}");
    data.images.iter_mut().for_each(|image| image.video = None);
    let carry = message(&data, &one(ErrorKind::CarryOver, "rate = 0.1"));
    assert!(carry.contains("frame before it"), "{carry}");
    data.keypoints.iter_mut().for_each(|point| (point.x, point.y) = (5.0, 5.0));
    let flat = message(&data, &one(ErrorKind::Miss, "rate = 0.1"));
    assert!(flat.contains("body lengths"), "{flat}");
    data.instances.clear();
    assert_eq!(plant(&data, &between, 0), Err(PlantError::NoFrames));
}

#[test]
fn too_few_frames_are_told() {
    let mut dataset = dataset(20, 1);
    // Half of the frames have no ears.
    for instance in dataset.instances.iter_mut().step_by(2) {
        (instance.first, instance.len) = (instance.first + 3, 2);
    }
    let planted = planted(&dataset, &one(ErrorKind::Swap, "rate = 0.9"), 0);
    assert_eq!(planted.short, [Short { row: 1, kind: ErrorKind::Swap, wanted: 36, planted: 20 }]);
    assert_eq!(planted.errors.len(), 20);
}

#[test]
fn the_list_has_places_in_the_label_files_own_numbers() {
    let mut dataset = dataset(20, 1);
    dataset.pixel_offset = 0.5;
    let recipe = one(ErrorKind::Miss, "rate = 0.1");
    let planted = planted(&dataset, &recipe, 0);
    let text = list(&dataset, &recipe, 11, &planted).expect("a list");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines[0]["schema"].as_u64(), lines[0]["seed"].as_u64()), (Some(1), Some(11)));
    assert_eq!(lines[0]["recipe"]["error"][0]["kind"], "miss");
    assert_eq!(lines.len(), 1 + planted.errors.len());
    for (line, error) in lines[1..].iter().zip(&planted.errors) {
        assert_eq!(line["image"], error.path.as_str());
        let point = &line["points"][0];
        let after = error.points[0].after.expect("a place");
        let written = point["after"][0].as_f64().expect("a number");
        assert!((written + 0.5 - after[0]).abs() < 1e-6);
        // Hundredths of a pixel in the label file.
        assert!(((written * 100.0).round() / 100.0 - written).abs() < 1e-9);
    }
}
