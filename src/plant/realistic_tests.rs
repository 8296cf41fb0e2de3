//! Tests of the kinds that slips of people and tools make.

use super::tests::{SIZE, assert_consistent, dataset, frames, one, planted, two_pairs};
use super::*;

fn errors(dataset: &Dataset, kind: ErrorKind, rest: &str) -> Vec<PlantedError> {
    let planted = planted(dataset, &one(kind, rest), 5);
    assert_consistent(dataset, &planted);
    planted.errors
}

fn after(point: &PlantedPoint) -> [f64; 2] {
    point.after.expect("a place")
}

fn before(point: &PlantedPoint) -> [f64; 2] {
    point.before.expect("a place")
}

#[test]
fn a_side_swap_exchanges_every_pair_and_half_labelled_ones() {
    let mut dataset = two_pairs(40, 1);
    dataset.skeletons[0].keypoints.extend(["left_hip", "right_hip"].map(String::from));
    dataset.skeletons[0].pairs.push([5, 6]);
    // A left hip alone, for the last mouse.
    let last = dataset.instances.len() - 1;
    let hip = crate::dataset::Keypoint { kind: 5, ..*dataset.keypoints.last().expect("one") };
    dataset.keypoints.push(hip);
    dataset.instances[last].len += 1;
    let recipe = one(ErrorKind::SideSwap, "rate = 1.0");
    for error in planted(&dataset, &recipe, 5).errors {
        let places = |at: usize| (error.points[at].before, error.points[at].after);
        let kinds: Vec<u16> = error.points.iter().map(|point| point.kind).collect();
        if error.instance as usize == last {
            assert_eq!(kinds, [0, 1, 2, 4, 5, 6]);
            assert_eq!(places(4), (places(5).1, None));
            assert_eq!(places(5).0, None);
        } else {
            assert_eq!(kinds, [0, 1, 2, 4]);
        }
        assert_eq!((places(0).1, places(1).1), (places(3).0, places(2).0));
    }
}

#[test]
fn a_chimera_is_of_two_individuals_or_of_two_frames() {
    for mice in [1, 2] {
        let dataset = dataset(60, mice);
        for error in errors(&dataset, ErrorKind::Chimera, "rate = 0.3") {
            assert!((2..=3).contains(&error.points.len()), "a third to two thirds of 5");
            let with = error.points[0].with.as_deref().expect("a donor");
            let donor = dataset.instances.iter().position(|instance| match mice {
                1 => dataset.images[instance.image as usize].path == with,
                _ => instance.image == error.image && dataset.instance_name(instance) == with,
            });
            let donor = &dataset.instances[donor.expect("it exists")];
            let video = |image: u32| dataset.images[image as usize].video;
            assert_eq!(video(donor.image), video(error.image));
            for point in &error.points {
                let own = dataset.keypoint(donor, point.kind).expect("labelled");
                assert_eq!(point.after, Some([own.x, own.y]));
            }
        }
    }
}

#[test]
fn a_neighbour_is_the_nearest_part_and_not_the_other_side() {
    let dataset = dataset(60, 1);
    let body = dataset.body_length().expect("a length");
    let all = errors(&dataset, ErrorKind::Neighbour, "rate = 1.0\nsd = 0.01");
    assert_eq!(all.len(), 120);
    for error in all {
        let [point] = &error.points[..] else { panic!("one point") };
        // The ears are nearest to the nose, and the nose to each ear; the rest to the centre.
        let expected: &[&str] = match point.keypoint.as_str() {
            "nose" => &["left_ear", "right_ear"],
            "left_ear" | "right_ear" => &["nose"],
            "centre" => &["left_ear", "right_ear"],
            _ => &["centre"],
        };
        let with = point.with.as_deref().expect("a neighbour");
        assert!(expected.contains(&with), "{} on {with}", point.keypoint);
        let kind = dataset.skeletons[0].index(with).expect("it exists");
        let instance = &dataset.instances[error.instance as usize];
        let under = dataset.keypoint(instance, kind).expect("labelled");
        let off = distance(after(point), [under.x, under.y]);
        assert!(off > 0.0 && off < 0.06 * body, "not exactly on it: {off}");
    }
}

#[test]
fn an_edge_miss_lands_on_the_nearest_edge_that_fits() {
    let dataset = dataset(60, 1);
    let body = dataset.body_length().expect("a length");
    for error in errors(&dataset, ErrorKind::EdgeMiss, "rate = 0.5\nstrength = [0.2, 0.6]") {
        let [point] = &error.points[..] else { panic!("one point") };
        assert!(after(point).iter().all(|at| (at / 10.0).fract().abs() < 1e-9), "on the grid");
        // Edges are 10 px apart, so that none is further than the least strength and 10 px.
        let far = point.distance_px.expect("moved");
        assert!(far >= 0.2 * body && far <= 0.2 * body + 10.0, "{far}");
    }
}

#[test]
fn limb_jitter_is_along_the_limb_and_heavy_tailed() {
    let mut dataset = dataset(400, 1);
    dataset.skeletons[0].edges = vec![[3, 4]];
    let body = dataset.body_length().expect("a length");
    let rest = "rate = 1.0\nkeypoints = [\"tail_base\"]\nstrength = [0.0, 2.0]\nsd = 0.02";
    let (mut far, mut along, mut across) = (0, 0.0, 0.0);
    let all = errors(&dataset, ErrorKind::LimbJitter, rest);
    for error in &all {
        let [point] = &error.points[..] else { panic!("one point") };
        let instance = &dataset.instances[error.instance as usize];
        let centre = dataset.keypoint(instance, 3).expect("labelled");
        let from = before(point);
        let limb = [centre.x - from[0], centre.y - from[1]];
        let unit = limb.map(|at| at / limb[0].hypot(limb[1]));
        let by = [after(point)[0] - from[0], after(point)[1] - from[1]];
        let (u, v) = (by[0] * unit[0] + by[1] * unit[1], by[1] * unit[0] - by[0] * unit[1]);
        along += u.abs();
        across += v.abs();
        far += usize::from(u.abs() > 4.0 * 0.02 * body);
    }
    assert_eq!(all.len(), 800);
    assert!(along > 4.0 * across, "{along} {across}");
    // P(|t₂| > 4) = 0.057, where a normal distribution has 0.00006.
    assert!((20..80).contains(&far), "{far}");
}

#[test]
fn parked_points_lie_near_the_border() {
    let dataset = dataset(60, 1);
    let mut corners = 0;
    for error in errors(&dataset, ErrorKind::Parked, "rate = 1.0") {
        let [point] = &error.points[..] else { panic!("one point") };
        let near = |axis: usize| {
            let at = after(point)[axis];
            at.min(f64::from(SIZE[axis]) - at) <= 10.01
        };
        assert!(near(0) || near(1), "{point:?}");
        corners += usize::from(near(0) && near(1));
    }
    assert!(corners > 20, "{corners} of 120 in corners");
}

#[test]
fn rows_off_by_one_are_each_of_the_frame_before() {
    let dataset = dataset(60, 2);
    let all = errors(&dataset, ErrorKind::OffByOne, "rate = 0.2\nruns = 4");
    assert_eq!(all.len(), 48, "6 runs of 4 frames with 2 mice");
    for error in all {
        let source = error.points[0].with.as_deref().expect("a frame");
        let at = dataset.images.iter().position(|image| image.path == source).expect("it exists");
        let own = &dataset.images[error.image as usize];
        assert_eq!(dataset.images[at].frame.map(|frame| frame + 1), own.frame);
        assert_eq!(dataset.images[at].video, own.video);
    }
}

#[test]
fn an_annotators_offset_is_one_for_a_whole_video() {
    let dataset = dataset(60, 2);
    for (rest, keypoints) in [("rate = 0.1", 5), ("rate = 0.1\npoints = 1", 1)] {
        let all = errors(&dataset, ErrorKind::AnnotatorOffset, rest);
        let videos: std::collections::BTreeSet<_> =
            all.iter().map(|error| dataset.images[error.image as usize].video).collect();
        assert_eq!((videos.len(), all.len()), (1, 120), "one video, whole");
        let by = |point: &PlantedPoint| [0, 1].map(|axis| after(point)[axis] - before(point)[axis]);
        let first = by(&all[0].points[0]);
        for error in &all {
            assert_eq!(error.points.len(), keypoints);
            for point in &error.points {
                assert!(distance(by(point), first) < 0.02, "one displacement, rounded");
            }
        }
    }
}

#[test]
fn x_and_y_are_exchanged_and_frames_scaled() {
    let mut dataset = dataset(60, 2);
    dataset.pixel_offset = 0.5;
    let transposed = errors(&dataset, ErrorKind::Transposed, "rate = 0.1");
    assert_eq!(transposed.len(), 24, "both mice of 12 frames");
    for point in transposed.iter().flat_map(|error| &error.points) {
        let [x, y] = before(point);
        assert!(distance(after(point), [y, x]) < 0.01);
    }
    let scaled = planted(&dataset, &one(ErrorKind::Scaled, "rate = 0.1"), 5);
    assert_eq!(frames(&scaled).len(), 12);
    let (mut up, mut down) = (0, 0);
    for pair in scaled.errors.chunks(2) {
        let factor = |point: &PlantedPoint| (after(point)[0] - 0.5) / (before(point)[0] - 0.5);
        let of_frame = factor(&pair[0].points[0]);
        assert!((1.1..=2.0).contains(&of_frame.max(1.0 / of_frame)), "{of_frame}");
        if of_frame > 1.0 {
            up += 1
        } else {
            down += 1
        }
        for point in pair.iter().flat_map(|error| &error.points) {
            assert!((factor(point) - of_frame).abs() < 1e-3, "one factor a frame");
        }
    }
    assert!(up > 0 && down > 0);
}
