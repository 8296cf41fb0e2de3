//! What an explanation says of walks in which one label was spoilt.

use super::*;
use crate::audit::models::poses::{Point, distance};
use crate::audit::models::samples::{dataset, preview, walk};
use crate::dataset::{InstanceName, PredictedPoint, PredictedPose, Predictions};
use crate::facts::{ImageFacts, Predicted};
use crate::stats::random::SplitMix64;

/// Whether the frames come with pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Eyes {
    Open,
    Shut,
}

/// Spoils one pose of a walk and returns what is explained with a probability of a half at least.
fn explained(frames: usize, eyes: Eyes, spoil: impl Fn(&mut [Pose])) -> Vec<Explanation> {
    let facts = facts(frames, eyes, spoil);
    explain(&facts).above(0.5).cloned().collect()
}

/// As [`explained`], with predictions of a model that sees the walk as it is, to a pixel or two, save
/// what `lose` does to them.
fn predicted(
    frames: usize,
    lose: impl Fn(&mut [Pose]),
    spoil: impl Fn(&mut [Pose]),
) -> Vec<Explanation> {
    let mut facts = facts(frames, Eyes::Shut, spoil);
    let mut seen = walk(frames);
    lose(&mut seen);
    let mut random = SplitMix64::named("seen", 3);
    let poses: Vec<PredictedPose> = (seen.iter().enumerate())
        .map(|(at, pose)| PredictedPose {
            image: at as u32,
            instance: None,
            skeleton: 0,
            score: 0.9,
            points: (pose.iter())
                .map(|point| match *point {
                    Some([x, y]) => PredictedPoint {
                        x: x + random.normal(),
                        y: y + random.normal(),
                        likelihood: random.uniform(0.8, 1.0),
                    },
                    None => PredictedPoint::MISSING,
                })
                .collect(),
        })
        .collect();
    facts.predictions = Some(Predicted::new(&facts.dataset, Predictions::from(poses)));
    explain(&facts).above(0.5).cloned().collect()
}

fn facts(frames: usize, eyes: Eyes, spoil: impl Fn(&mut [Pose])) -> Facts {
    let mut poses = walk(frames);
    let pictures = poses.iter().map(|pose| ImageFacts {
        preview: (eyes == Eyes::Open).then(|| preview(pose)),
        ..ImageFacts::default()
    });
    let images = pictures.collect();
    spoil(&mut poses);
    // Far apart in time, so that frames do not tell of each other.
    let mut dataset = dataset(&poses);
    dataset
        .images
        .iter_mut()
        .enumerate()
        .for_each(|(at, image)| image.frame = Some(100 * at as u64));
    Facts { dataset, images, ..Facts::default() }
}

fn moved(point: Option<Point>, by: Point) -> Option<Point> {
    point.map(|[x, y]| [x + by[0], y + by[1]])
}

#[test]
fn a_missed_keypoint_is_found_and_its_place_is_told() {
    for eyes in [Eyes::Open, Eyes::Shut] {
        let found = explained(60, eyes, |poses| poses[30][0] = moved(poses[30][0], [30.0, -30.0]));
        let [one] = &found[..] else { panic!("{eyes:?}: {found:?}") };
        assert_eq!((one.instance, &one.cause), (30, &Cause::Miss(0)));
        assert!(one.score > 0.9, "{eyes:?}: {one:?}");
        let placed = one.placed.expect("a place");
        let right = walk(60)[30][0].expect("labelled");
        assert!(distance(placed.at, right) < 6.0, "{eyes:?}: {placed:?} for {right:?}");
        assert!(placed.sd_px > 0.0 && placed.sd_px < 20.0, "{placed:?}");
    }
}

#[test]
fn exchanged_ears_are_one_error() {
    for eyes in [Eyes::Open, Eyes::Shut] {
        let found = explained(60, eyes, |poses| poses[17].swap(1, 2));
        let [one] = &found[..] else { panic!("{eyes:?}: {found:?}") };
        assert_eq!((one.instance, &one.cause), (17, &Cause::Exchange(vec![[1, 2]])));
        assert!(one.score > 0.9, "{eyes:?}: {one:?}");
    }
}

#[test]
fn a_pose_that_lies_beside_the_animal_is_seen_with_open_eyes_only() {
    let beside = |poses: &mut [Pose]| {
        for point in &mut poses[41] {
            *point = moved(*point, [-50.0, 40.0]);
        }
    };
    let found = explained(60, Eyes::Open, beside);
    let [one] = &found[..] else { panic!("{found:?}") };
    assert!(one.instance == 41 && matches!(one.cause, Cause::Whole(_)), "{one:?}");
    assert_eq!(explained(60, Eyes::Shut, beside), []);
}

#[test]
fn two_keypoints_of_one_pose_are_told_one_after_the_other() {
    let found = explained(60, Eyes::Open, |poses| {
        poses[8][0] = moved(poses[8][0], [50.0, 0.0]);
        poses[8][5] = moved(poses[8][5], [0.0, -60.0]);
    });
    let mut causes: Vec<&Cause> = found.iter().map(|one| &one.cause).collect();
    causes.sort();
    assert_eq!(causes, [&Cause::Miss(0), &Cause::Miss(5)], "{found:?}");
    assert!(found.iter().all(|one| one.instance == 8));
}

#[test]
fn right_labels_are_not_doubted() {
    for eyes in [Eyes::Open, Eyes::Shut] {
        assert_eq!(explained(60, eyes, |_| {}), [], "{eyes:?}");
    }
}

#[test]
fn few_poses_cap_the_score_and_fewer_say_nothing() {
    let far = |poses: &mut [Pose]| poses[10].swap(1, 2);
    let found = explained(FEW - 1, Eyes::Open, far);
    let [one] = &found[..] else { panic!("{found:?}") };
    assert!(one.few && one.score <= FEW_SCORE && !one.few().is_empty(), "{one:?}");
    assert_eq!(explained(15, Eyes::Open, far), []);
}

#[test]
fn a_model_that_did_not_learn_the_labels_makes_an_error_surer_and_its_place_exact() {
    let beside = |poses: &mut [Pose]| poses[41][5] = moved(poses[41][5], [-14.0, 10.0]);
    let alone = explained(60, Eyes::Shut, beside);
    let found = predicted(60, |_| {}, beside);
    let ([one], [alone]) = (&found[..], &alone[..]) else { panic!("{found:?}, {alone:?}") };
    assert!(one.score > alone.score && one.score > 0.95, "{one:?}, {alone:?}");
    assert_eq!((one.instance, &one.cause), (41, &Cause::Miss(5)));
    assert!(one.because.contains(&Piece::Prediction), "{one:?}");
    let right = walk(60)[41][5].expect("labelled");
    assert!(distance(one.placed.expect("a place").at, right) < 2.0, "{one:?}");
    assert_eq!(predicted(60, |_| {}, |_| {}), []);
}

#[test]
fn a_model_that_sees_head_and_tail_exchanged_does_not_outweigh_the_pose() {
    let lose = |seen: &mut [Pose]| {
        for frame in [9, 30] {
            seen[frame].reverse();
        }
    };
    assert_eq!(predicted(60, lose, |_| {}), []);
}

#[test]
fn a_jump_in_time_is_an_error_and_steady_movement_is_none() {
    let jump = |facts: &mut Facts| {
        for (at, image) in facts.dataset.images.iter_mut().enumerate() {
            image.frame = Some(at as u64);
        }
    };
    let mut still = facts(60, Eyes::Shut, |_| {});
    jump(&mut still);
    assert_eq!(explain(&still).above(0.5).count(), 0);
    let mut one = facts(60, Eyes::Shut, |poses| poses[20][5] = moved(poses[20][5], [25.0, 0.0]));
    jump(&mut one);
    let found: Vec<Explanation> = explain(&one).above(0.5).cloned().collect();
    let [told] = &found[..] else { panic!("{found:?}") };
    assert_eq!((told.instance, &told.cause), (20, &Cause::Miss(5)));
    assert!(told.because.contains(&Piece::Time), "{told:?}");
}

#[test]
fn points_that_a_hasty_hand_put_beside_their_places_are_one_error() {
    let found = explained(60, Eyes::Open, |poses| {
        for (at, point) in poses[23].iter_mut().enumerate() {
            let (sin, cos) = (2.0 * at as f64).sin_cos();
            *point = moved(*point, [13.0 * cos, 13.0 * sin]);
        }
    });
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((one.instance, &one.cause), (23, &Cause::Whole(Whole::Scattered)));
}

#[test]
fn a_keypoint_that_two_individuals_exchanged_is_told_of_both() {
    let mut poses: Vec<Pose> = (0..60)
        .flat_map(|frame| {
            let [first, second] = [frame, (frame + 23) % 60].map(|at| walk(60).swap_remove(at));
            let apart = second.iter().map(|&point| moved(point, [20.0, 130.0])).collect();
            [first, apart]
        })
        .collect();
    let (nose, other) = (poses[30][0], poses[31][0]);
    (poses[30][0], poses[31][0]) = (other, nose);
    let mut dataset = dataset(&poses);
    for (at, instance) in (0..).zip(&mut dataset.instances) {
        (instance.image, instance.name) = (at / 2, InstanceName::Ordinal(at % 2));
    }
    dataset.images.truncate(60);
    for (at, image) in (0..).zip(&mut dataset.images) {
        image.frame = Some(100 * at);
    }
    let images = vec![ImageFacts::default(); 60];
    let facts = Facts { dataset, images, ..Facts::default() };
    let found: Vec<Explanation> = explain(&facts).above(0.5).cloned().collect();
    let causes: Vec<(u32, &Cause)> = found.iter().map(|one| (one.instance, &one.cause)).collect();
    assert_eq!(causes, [(30, &Cause::Between(0, 31)), (31, &Cause::Between(0, 30))], "{found:?}");
}
