//! What an explanation says of walks in which one label was spoilt.

use super::*;
use crate::audit::models::poses::{Point, distance};
use crate::audit::models::samples::{dataset, preview, walk};
use crate::facts::ImageFacts;

/// Whether the frames come with pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Eyes {
    Open,
    Shut,
}

/// Spoils one pose of a walk and returns what is explained with a probability of a half at least.
fn explained(frames: usize, eyes: Eyes, spoil: impl Fn(&mut [Pose])) -> Vec<Explanation> {
    let mut poses = walk(frames);
    let pictures = poses.iter().map(|pose| ImageFacts {
        preview: (eyes == Eyes::Open).then(|| preview(pose)),
        ..ImageFacts::default()
    });
    let images = pictures.collect();
    spoil(&mut poses);
    let facts = Facts { dataset: dataset(&poses), images, ..Facts::default() };
    explain(&facts).above(0.5).cloned().collect()
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
