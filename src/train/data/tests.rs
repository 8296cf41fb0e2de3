//! The whole way from files to batches.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::augment::{Flip, Plan, Step, Transform};
use crate::dataset::{Dataset, Image, Instance, InstanceName, Keypoint, Skeleton, Visibility};

const SIZE: [u32; 2] = [64, 48];

/// Writes pictures of 128 × 96 pixels, grey with a white dot at each of two keypoints, and one
/// file that is none.
fn dataset(folder: &Path) -> Dataset {
    let mut dataset = Dataset {
        skeletons: vec![Skeleton {
            keypoints: ["left", "right"].map(str::to_owned).to_vec(),
            pairs: vec![[0, 1]],
            ..Skeleton::default()
        }],
        ..Dataset::default()
    };
    for at in 0..7_u32 {
        let file = folder.join(format!("{at}.png"));
        let dots = [[20 + 10 * at, 30], [40 + 6 * at, 60]];
        if at == 5 {
            std::fs::write(&file, "no picture").unwrap();
        } else {
            let mut picture = image::RgbImage::from_pixel(128, 96, image::Rgb([40, 60, 80]));
            for [x, y] in dots {
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    picture.put_pixel(x + dx, y + dy, image::Rgb([255; 3]));
                }
            }
            picture.save(&file).unwrap();
        }
        let path = format!("{at}.png");
        dataset.images.push(Image { path, file: Some(file), ..Image::default() });
        dataset.instances.push(Instance {
            image: at,
            name: InstanceName::Ordinal(0),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first: 2 * at,
            len: 2,
            location: None,
            crowd: false,
        });
        for (kind, [x, y]) in (0..).zip(dots) {
            let [x, y] = [x, y].map(|at| f64::from(at) + 1.0);
            let visibility = Visibility::Visible;
            dataset.keypoints.push(Keypoint { kind, column: 0, visibility, x, y });
        }
    }
    dataset
}

fn settings(plan: Plan) -> DataSettings {
    let targets = TargetSettings { radius_px: 9.0, ..TargetSettings::default() };
    let framing = Framing::new(SIZE, 0.0).unwrap();
    DataSettings {
        plan,
        batch: 3,
        seed: 11,
        flip: Some(vec![1, 0]),
        ..DataSettings::new(framing, Task::Pose(targets))
    }
}

fn batches(dataset: &Dataset, settings: DataSettings) -> Arc<Batches> {
    let images: Vec<u32> = (0..dataset.images.len() as u32).collect();
    let examples = pose_examples(dataset, &images, &PoseExamples::default()).unwrap();
    Arc::new(Batches::new(dataset, examples, settings).unwrap())
}

#[test]
fn batches_are_the_same_on_any_number_of_threads_from_any_step() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let reference = batches(&dataset, settings(Plan::deeplabcut()));
    let mut workspace = Workspace::default();
    let expected: Vec<Batch> = (0..20).map(|step| reference.batch(step, &mut workspace)).collect();
    assert!(expected.iter().any(|batch| batch.unreadable.iter().any(|lost| lost.example == 5)));
    for (threads, first_step, cache_bytes) in [(1, 0, 0), (2, 7, 30_000), (5, 13, CACHE_BYTES)] {
        let settings = DataSettings { cache_bytes, ..settings(Plan::deeplabcut()) };
        let loader = LoaderSettings { threads, depth: 3, first_step };
        let mut loader = Loader::start(batches(&dataset, settings), loader).unwrap();
        for expected in &expected[first_step as usize..] {
            let batch = loader.next().unwrap();
            assert!(batch == *expected, "step {:?} on {threads} threads", batch.step);
            loader.recycle(batch);
        }
    }
}

#[test]
fn targets_lie_where_pictures_show_the_keypoints() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let flip = Step { transform: Transform::Flip(Flip {}), probability: 1.0 };
    for (plan, sides) in [(Plan::none(), [0, 1]), (Plan { steps: vec![flip] }, [1, 0])] {
        let batches = batches(&dataset, settings(plan));
        let batch = batches.batch(0, &mut Workspace::default());
        let Targets::Pose { offsets, offset_weights, .. } = &batch.targets else {
            panic!("targets of a pose")
        };
        let pixels = (SIZE[0] * SIZE[1]) as usize;
        let (columns, cells) = (8, 48);
        for (place, example) in batch.examples.iter().enumerate().filter(|(_, e)| **e != 5) {
            for (kind, from) in sides.into_iter().enumerate() {
                let map = (place * 2 + kind) * 2 * cells;
                let weights = &offset_weights[map..map + cells];
                let at = weights.iter().position(|weight| *weight > 0.0).unwrap();
                let place_of = |axis: usize, cell: usize| {
                    let way = f64::from(offsets[map + axis * cells + at]) * LOCREF_DEVIATION;
                    (8 * cell + 4) as f64 + way
                };
                let [x, y] = [place_of(0, at % columns), place_of(1, at / columns)];
                let label = batches.examples()[*example as usize].labels[from].unwrap();
                // The dot of 2 × 2 pixels is one pixel of the input, brighter than all around it.
                let image = &batch.images[place * 3 * pixels..][..pixels];
                let lit = image[y as usize * SIZE[0] as usize + x as usize];
                assert!(lit > 0.0, "{lit} at {x}, {y} of {label:?}");
                assert!((y - label.y / 2.0).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn plain_batches_ignore_the_plan_and_name_what_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let mut workspace = Workspace::default();
    let rough = batches(&dataset, settings(Plan::deeplabcut()));
    let smooth = batches(&dataset, settings(Plan::none()));
    let plain = rough.plain(&[4, 5, 4], &mut workspace);
    let targets = smooth.plain(&[4, 5, 4], &mut workspace).targets;
    assert_eq!((plain.step, &plain.targets), (None, &targets));
    assert_eq!(plain.unreadable.len(), 1);
    assert_eq!(plain.unreadable[0].example, 5);
    let Targets::Pose { score_weights, .. } = &plain.targets else { panic!("of a pose") };
    assert_eq!(score_weights[96..192], [0.0; 96]);
    assert_eq!(score_weights[..96], [1.0; 96]);
    assert_eq!(plain.inputs().len(), 5);
    assert_eq!(plain.frames[0].inverse().point([64.0, 48.0]), [128.0, 96.0]);
}

#[test]
fn classes_are_one_hot() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = dataset(folder.path());
    for (at, image) in dataset.images.iter_mut().enumerate() {
        image.class = Some(at as u16 % 3);
    }
    let examples = class_examples(&dataset, &[0, 1, 5], &LabelWeights::default()).unwrap();
    let framing = Framing::new(SIZE, 0.0).unwrap();
    let settings =
        |count| DataSettings { batch: 3, ..DataSettings::new(framing, Task::Classes(count)) };
    let error = Batches::new(&dataset, examples.clone(), settings(2)).unwrap_err();
    assert!(matches!(error, DataError::Class { example: 2, classes: 2 }));
    let batches = Batches::new(&dataset, examples, settings(3)).unwrap();
    let batch = batches.plain(&[0, 1, 2], &mut Workspace::default());
    let Targets::Classes { classes, weights } = &batch.targets else { panic!("of classes") };
    assert_eq!(classes[..6], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!((weights[..2].to_vec(), weights[2]), (vec![1.0; 2], 0.0));
}

#[test]
fn flips_need_to_know_left_from_right() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let flip = Step { transform: Transform::Flip(Flip {}), probability: 0.5 };
    let made = |flip_pairs: Option<Vec<u16>>| {
        let examples = pose_examples(&dataset, &[0], &PoseExamples::default()).unwrap();
        let settings = settings(Plan { steps: vec![flip] });
        Batches::new(&dataset, examples, DataSettings { flip: flip_pairs, ..settings }).map(|_| ())
    };
    assert!(matches!(made(None), Err(DataError::FlipWithoutPairs)));
    assert!(matches!(made(Some(vec![0, 0])), Err(DataError::Permutation { keypoints: 2 })));
    assert!(made(Some(vec![1, 0])).is_ok());
}

#[test]
fn a_loader_ends_in_the_middle_of_its_batches() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let settings = DataSettings { batch: 1000, ..settings(Plan::deeplabcut()) };
    let loader = LoaderSettings { threads: 2, depth: 2, first_step: 0 };
    drop(Loader::start(batches(&dataset, settings), loader).unwrap());
}
