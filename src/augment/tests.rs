//! Pictures and keypoints move together: a dot that is drawn at a keypoint is found where the
//! keypoint goes.

use super::*;
use crate::pixels::{Layout, Picture};
use crate::stats::random::SplitMix64;

const STORED: [u32; 2] = [320, 240];

/// Returns a black picture with a soft white dot.
fn dotted([x, y]: [f64; 2], [width, height]: [u32; 2], sigma: f64) -> Picture {
    let mut samples = Vec::new();
    for row in 0..height {
        for column in 0..width {
            let (dx, dy) = (f64::from(column) + 0.5 - x, f64::from(row) + 0.5 - y);
            let value = 255.0 * (-(dx * dx + dy * dy) / (2.0 * sigma * sigma)).exp();
            samples.extend([value.round() as u8; 3]);
        }
    }
    Picture { width, height, layout: Layout::Rgb, samples }
}

/// Returns the centre of mass of the brightness.
fn centre(picture: &Picture) -> [f64; 2] {
    let (mut sum, mut mass) = ([0.0, 0.0], 0.0);
    for (at, pixel) in picture.samples.chunks_exact(3).enumerate() {
        let weight = f64::from(pixel[1]);
        sum[0] += weight * ((at % picture.width as usize) as f64 + 0.5);
        sum[1] += weight * ((at / picture.width as usize) as f64 + 0.5);
        mass += weight;
    }
    sum.map(|sum| sum / mass)
}

fn check(steps: &[Transform], view: &View, shrink: u32, tolerance: f64) {
    let steps = steps.iter().map(|transform| Step { transform: *transform, probability: 1.0 });
    let plan = Plan { steps: steps.collect() };
    plan.check().unwrap();
    let (mut output, mut scratch) = (Picture::default(), Scratch::default());
    for seed in 0..12 {
        let mut random = SplitMix64::named("dots", seed);
        let dot = [random.uniform(60.0, 260.0), random.uniform(50.0, 190.0)];
        let drawn = plan.draw(&mut random, view);
        let to = f64::from(shrink);
        let source = dotted(dot.map(|at| at / to), STORED.map(|side| side / shrink), 1.5 / to);
        drawn.picture(&source, STORED, &mut output, &mut scratch);
        let [x, y] = drawn.point(dot);
        let inside = |at: f64, side: u32| at > 12.0 && at < f64::from(side) - 12.0;
        if !inside(x, view.size[0]) || !inside(y, view.size[1]) {
            continue;
        }
        let found = centre(&output);
        let error = f64::hypot(found[0] - x, found[1] - y);
        assert!(error < tolerance, "{plan:?}, seed {seed}: {found:?}, not {:?}", [x, y]);
    }
}

#[test]
fn dots_land_on_their_keypoints() {
    let plain = View { size: STORED, frame: Affine::IDENTITY };
    let frame = Affine::scale(0.75, 0.75).then(Affine::shift(8.0, -20.0));
    let framed = View { size: [256, 160], frame };
    let rotate = Transform::Rotate(Rotate { degrees: 180.0 });
    let scale = Transform::Scale(Scale { range: [0.5, 1.5] });
    let shift = Transform::Shift(Shift { share: 0.1 });
    let flip = Transform::Flip(Flip {});
    let crop = Transform::CropAndPad(CropAndPad { share: 0.15 });
    let elastic = Transform::Elastic(Elastic { sigma_px: 8.0, deviation_px: [1.0, 2.0] });
    for view in [plain, framed] {
        for shrink in [1, 2] {
            check(&[], &view, shrink, 0.1);
            for step in [rotate, scale, shift, flip, crop] {
                check(&[step], &view, shrink, 0.1);
            }
            check(&[rotate, scale, shift, flip, crop], &view, shrink, 0.1);
            check(&[crop, flip, shift, scale, rotate], &view, shrink, 0.1);
            // A ripple bends the dot itself, and with it its centre of mass.
            check(&[elastic], &view, shrink, 0.4);
            check(&[rotate, elastic, flip], &view, shrink, 0.4);
        }
    }
    // Shrunk so far that the source is halved several times on the way; the dot is then less than
    // a pixel and few grey levels high.
    let tiny = View { size: [64, 48], frame: Affine::scale(0.2, 0.2) };
    let half = Transform::Scale(Scale { range: [0.5, 0.6] });
    check(&[], &tiny, 1, 0.3);
    check(&[half, flip], &tiny, 1, 0.3);
}

#[test]
fn the_identity_gives_the_picture_itself_and_flips_come_back() {
    let source = dotted([20.0, 9.5], [37, 23], 4.0);
    let view = View { size: [37, 23], frame: Affine::IDENTITY };
    let (mut output, mut scratch) = (Picture::default(), Scratch::default());
    let mut draw = |steps: usize| {
        let step = Step { transform: Transform::Flip(Flip {}), probability: 1.0 };
        let drawn =
            Plan { steps: vec![step; steps] }.draw(&mut SplitMix64::named("flip", 0), &view);
        drawn.picture(&source, [37, 23], &mut output, &mut scratch);
        (output.clone(), drawn.sides())
    };
    assert_eq!(draw(0), (source.clone(), Sides::Kept));
    assert_eq!(draw(2), (source.clone(), Sides::Kept));
    let (flipped, sides) = draw(1);
    assert_eq!(sides, Sides::Exchanged);
    let pixel = |picture: &Picture, x: usize, y: usize| picture.samples[(y * 37 + x) * 3];
    assert_eq!(pixel(&flipped, 3, 7), pixel(&source, 33, 7));
}

#[test]
fn outside_is_black_and_the_rim_is_not() {
    let samples = vec![200; 10 * 10 * 3];
    let source = Picture { width: 10, height: 10, layout: Layout::Rgb, samples };
    let frame = Affine::scale(2.0, 2.0).then(Affine::shift(4.0, 0.0));
    let view = View { size: [28, 20], frame };
    let (mut output, mut scratch) = (Picture::default(), Scratch::default());
    let drawn = Plan::none().draw(&mut SplitMix64::named("rim", 0), &view);
    drawn.picture(&source, [10, 10], &mut output, &mut scratch);
    for pixel in output.samples.chunks_exact(28 * 3) {
        let lit = pixel.chunks_exact(3).map(|pixel| pixel[0]);
        assert!(lit.enumerate().all(|(x, v)| v == if (4..24).contains(&x) { 200 } else { 0 }));
    }
}

#[test]
fn streams_decide_alone_and_all_plans_apply_to_any_size() {
    let plan = Plan::deeplabcut();
    let mut scratch = Scratch::default();
    for size in [[1, 1], [2, 3], [16, 16], [250, 31]] {
        let view = View { size, frame: Affine::scale(0.7, 0.7) };
        let source = dotted([3.0, 2.0], [9, 5], 2.0);
        for seed in 0..40 {
            let mut outputs = [Picture::default(), Picture::default()];
            for output in &mut outputs {
                let drawn = plan.draw(&mut SplitMix64::named("any", seed), &view);
                drawn.picture(&source, [9, 5], output, &mut scratch);
            }
            assert_eq!(outputs[0], outputs[1]);
        }
    }
}

#[test]
fn boxes_hold_what_they_held() {
    let view = View { size: [256, 192], frame: Affine::scale(0.5, 0.5) };
    let steps = [
        Transform::Rotate(Rotate { degrees: 40.0 }),
        Transform::CropAndPad(CropAndPad { share: 0.2 }),
    ];
    let steps = steps.map(|transform| Step { transform, probability: 1.0 }).to_vec();
    let drawn = Plan { steps }.draw(&mut SplitMix64::named("boxes", 0), &view);
    let stored = crate::dataset::BBox { x: 100.0, y: 80.0, width: 60.0, height: 90.0 };
    let moved = drawn.bbox(&stored);
    for share in [0.0, 0.3, 1.0] {
        let [x, y] = drawn.point([100.0 + 60.0 * share, 80.0 + 90.0 * share]);
        assert!(x >= moved.x - 1e-9 && x <= moved.x + moved.width + 1e-9);
        assert!(y >= moved.y - 1e-9 && y <= moved.y + moved.height + 1e-9);
    }
}
