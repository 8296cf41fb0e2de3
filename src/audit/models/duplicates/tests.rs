//! Pictures of a cage and what became of them, from facts to groups.

use super::*;
use crate::audit::{Config, builtin, by_slug};
use crate::facts::ImageFacts;
use crate::pixels::{PixelFacts, THUMBNAIL};

/// A cage: its floor, unevenly lit, and an animal that stands somewhere.
#[derive(Clone, Copy)]
struct Cage {
    floor: f64,
    animal: [f64; 2],
}

impl Cage {
    /// Returns its brightness at shares of the sides, 0 to 1.
    fn at(self, x: f64, y: f64) -> f64 {
        let floor = 0.55
            + 0.15 * (self.floor + 9.0 * x + 4.0 * y).sin()
            + 0.15 * (13.0 * self.floor * x * y + 5.0 * x).cos();
        let far = (x - self.animal[0]).hypot(y - self.animal[1]) / 0.07;
        let cover = ((1.3 - far) / 0.6).clamp(0.0, 1.0);
        floor * (1.0 - cover) + 0.1 * cover
    }

    /// Returns a picture of it whose cell at shares `x`, `y` shows what `shown` makes of it.
    fn taken(self, shown: impl Fn(Cage, f64, f64) -> f64) -> ImageFacts {
        let share = |cell: usize| (cell as f64 + 0.5) / THUMBNAIL as f64;
        let level = |at: usize| {
            (255.0 * shown(self, share(at % THUMBNAIL), share(at / THUMBNAIL))).round() as u8
        };
        let thumbnail = Box::new(std::array::from_fn(level));
        let hash = thumbnail
            .iter()
            .fold(7_u64, |hash, &level| hash.wrapping_mul(31).wrapping_add(u64::from(level)));
        let pixels =
            PixelFacts { thumbnail, pixel_hash: hash, blur_px: Some(0.5), ..PixelFacts::default() };
        ImageFacts {
            status: Status::Decoded,
            size_px: Some([640, 480]),
            pixels: Some(pixels),
            ..ImageFacts::default()
        }
    }
}

/// Returns the groups, as [`near`] does.
fn groups_of(images: Vec<ImageFacts>) -> Vec<Group> {
    let rules = builtin().expect("rules");
    let rule = by_slug(&rules, "near_duplicate").expect("the rule");
    let facts = Facts { images, measured: true, ..Facts::default() };
    near(&facts, &Config::default().settings(rule))
}

const CAGE: Cage = Cage { floor: 1.0, animal: [0.3, 0.6] };
/// Edges of a crop as shares of the sides: left, width, top, height.
const CROP: [f64; 4] = [0.03, 0.93, 0.01, 0.97];

fn cropped(cage: Cage, x: f64, y: f64) -> f64 {
    cage.at(CROP[0] + CROP[1] * x, CROP[2] + CROP[3] * y)
}

#[test]
fn every_copy_is_grouped_and_told_how_it_differs() {
    let images = vec![
        CAGE.taken(Cage::at),
        CAGE.taken(|cage, x, y| cage.at(x, y) + 0.006 * (300.0 * x).sin()),
        CAGE.taken(cropped),
        CAGE.taken(|cage, x, y| 0.9 * cage.at(x, y).powf(0.7)),
        CAGE.taken(|cage, x, y| cage.at(1.0 - x, y)),
        Cage { floor: 4.0, ..CAGE }.taken(Cage::at),
    ];
    let [group] = &groups_of(images)[..] else { panic!("one group") };
    assert_eq!(group.images, [0, 1, 2, 3, 4]);
    let words: Vec<String> = group.relations[1..].iter().map(|is| is.words()).collect();
    assert_eq!(
        words,
        ["the same but for encoding and noise", "cropped", "of another brightness", "mirrored"]
    );
    assert_eq!(group.sides(), [vec![0, 1, 2, 3], vec![4]]);
}

#[test]
fn frames_in_which_the_animal_moved_are_not_alike() {
    let frame = |step: usize| Cage { animal: [0.2 + 0.03 * step as f64, 0.6], ..CAGE };
    let frames = (0..20).map(|step| frame(step).taken(Cage::at)).collect();
    assert_eq!(groups_of(frames), []);
}

#[test]
fn a_copy_is_found_among_many_frames_of_an_animal_that_rests() {
    let noisy = |number: usize| {
        CAGE.taken(move |cage, x, y| {
            cage.at(x, y) + 0.006 * (300.0 * x + 70.0 * y + number as f64).sin()
        })
    };
    let elsewhere = Cage { animal: [0.33, 0.57], ..CAGE };
    let mut images: Vec<ImageFacts> = (0..60).map(noisy).collect();
    images.extend([elsewhere.taken(Cage::at), elsewhere.taken(cropped)]);
    let groups: Vec<Vec<usize>> = groups_of(images).into_iter().map(|group| group.images).collect();
    assert_eq!(groups, [(0..60).collect::<Vec<_>>(), vec![60, 61]]);
}
