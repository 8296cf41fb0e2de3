//! Time, memory and recall of the search for near duplicates among drawn pictures with known
//! copies:
//!
//! ```text
//! cargo bench --profile release --bench duplicates -- photos|rig COUNT [quadratic]
//! ```
//!
//! `photos` are unlike each other; `rig` is the worst case, frames of one fixed camera in which
//! one animal stands elsewhere each time, or rests: a third of the frames are of one moment. One
//! picture in twenty is an altered copy of another. `quadratic` also times what the search
//! replaces: comparing the 64-bit perceptual hashes of all pairs.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use labelvet::audit::{Config, alike, builtin};
use labelvet::facts::{Facts, ImageFacts, PixelFacts, Status};
use labelvet::pixels::{Luma, Picture, THUMBNAIL, measure};
use labelvet::stats::random::SplitMix64;
use rayon::prelude::*;

/// Every how many pictures one is a copy.
const COPY_EVERY: usize = 20;
/// Standard deviation of the noise of a cell, grey levels.
const NOISE: f64 = 0.7;
/// Bits in which hashes of a pair may differ in the comparison of all pairs.
const BITS: u32 = 18;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with("--")).collect();
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let scene = if words.iter().any(|word| word == "rig") { Scene::Rig } else { Scene::Photos };
    let drawn: Vec<Drawn> = (0..count).map(|at| Drawn::of(scene, at)).collect();
    let images: Vec<ImageFacts> = drawn.par_iter().map(Drawn::facts).collect();
    let facts = Facts { images, measured: true, ..Facts::default() };
    let before = peak_mib();
    let (start, worked) = (Instant::now(), processor_seconds());
    let groups = alike(&facts, &builtin()?, &Config::default())?;
    let (seconds, worked) = (start.elapsed().as_secs_f64(), processor_seconds() - worked);
    let added = peak_mib() - before;
    println!(
        "{scene:?}, {count} pictures: {seconds:.2} s, {worked:.1} s of processors, \
         {before:.0} MiB of facts, {added:.0} MiB added"
    );
    tell(&drawn, &groups);
    if words.iter().any(|word| word == "quadratic") {
        let hashes: Vec<u64> = (facts.images.iter())
            .filter_map(|image| image.pixels.as_ref().map(|pixels| pixels.perceptual_hash))
            .collect();
        let start = Instant::now();
        let pairs: usize = (0..hashes.len())
            .into_par_iter()
            .map(|at| {
                let near = |other: &&u64| (hashes[at] ^ **other).count_ones() <= BITS;
                hashes[at + 1..].iter().filter(near).count()
            })
            .sum();
        let seconds = start.elapsed().as_secs_f64();
        println!("all pairs of hashes: {seconds:.2} s, {pairs} pairs to be compared cell by cell");
    }
    Ok(())
}

/// Prints how many copies stand in a group with their original, by relation, and how many
/// pictures stand with one that is neither the same nor a copy of the same.
fn tell(drawn: &[Drawn], groups: &[Vec<u32>]) {
    let mut group_of = vec![None; drawn.len()];
    let mut strangers = 0;
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|&at| group_of[at as usize] = Some(number));
        let first = &drawn[group[0] as usize];
        strangers += group.iter().filter(|&&at| !drawn[at as usize].is_like(first)).count();
    }
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (at, picture) in drawn.iter().enumerate() {
        if let Some(original) = picture.original {
            let [hits, all] = counts.entry(picture.change.name()).or_default();
            *hits += usize::from(group_of[at].is_some() && group_of[at] == group_of[original]);
            *all += 1;
        }
    }
    for (name, [hits, all]) in counts {
        println!("  {name}: {hits} of {all} copies found");
    }
    println!("  {} groups, {strangers} pictures in a group that is not theirs", groups.len());
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scene {
    Photos,
    Rig,
}

/// What was done to make a copy.
#[derive(Debug, Clone, Copy)]
enum Change {
    Encoded,
    Cropped([f64; 4]),
    Brightness { gamma: f64, gain: f64 },
    Mirrored,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Change::Encoded => "encoded again",
            Change::Cropped(_) => "cropped",
            Change::Brightness { .. } => "brightness",
            Change::Mirrored => "mirrored",
        }
    }
}

/// A picture that can be drawn again at any crop.
struct Drawn {
    scene: Scene,
    /// What seeds its content; copies share it.
    seed: u64,
    /// Seeds its noise.
    noise: u64,
    original: Option<usize>,
    change: Change,
}

impl Drawn {
    fn of(scene: Scene, at: usize) -> Drawn {
        let mut random = SplitMix64::keyed("drawn", 0, &[at as u64]);
        let original = (at % COPY_EVERY == COPY_EVERY - 1)
            .then(|| at - 1 - random.below(COPY_EVERY as u64 - 1) as usize);
        let mut change = Change::Encoded;
        if original.is_some() {
            change = match at / COPY_EVERY % 4 {
                0 => Change::Encoded,
                1 => Change::Cropped([0; 4].map(|_| random.uniform(0.01, 0.05))),
                2 => Change::Brightness {
                    gamma: random.uniform(0.6, 0.85),
                    gain: random.uniform(0.8, 1.0),
                },
                _ => Change::Mirrored,
            };
        }
        let content = original.unwrap_or(at);
        // Frames of one moment lie between the others.
        let rests = scene == Scene::Rig && content.is_multiple_of(3);
        let seed = if rests { 0 } else { content as u64 };
        Drawn { scene, seed, noise: at as u64, original, change }
    }

    /// Returns whether both show the same content, but for an animal that stands in the same
    /// cell.
    fn is_like(&self, other: &Drawn) -> bool {
        if self.scene == Scene::Photos || self.seed == other.seed {
            return self.seed == other.seed;
        }
        let [a, b] = [self.seed, other.seed].map(Animal::of);
        (a.x - b.x).hypot(a.y - b.y) < 1.5 / 32.0
    }

    fn facts(&self) -> ImageFacts {
        let crop = if let Change::Cropped(crop) = self.change { crop } else { [0.0; 4] };
        let places = |from: f64, to: f64| {
            std::array::from_fn(|cell| {
                from + (1.0 - from - to) * (cell as f64 + 0.5) / THUMBNAIL as f64
            })
        };
        let (mut across, down) = (places(crop[0], crop[1]), places(crop[2], crop[3]));
        if let Change::Mirrored = self.change {
            across.reverse();
        }
        let mut noise = SplitMix64::keyed("noise", 0, &[self.noise]);
        let mut stored = |level: f64| {
            let mut level = level.clamp(0.0, 1.0);
            if let Change::Brightness { gamma, gain } = self.change {
                level = gain * level.powf(gamma);
            }
            // A sum of three is normal enough, and fast.
            let normal = 2.0 * (noise.unit() + noise.unit() + noise.unit() - 1.5);
            (255.0 * level + NOISE * normal).round() as u8
        };
        let drawn = Content::of(self.scene, self.seed).drawn(&across, &down);
        let samples = drawn.into_iter().map(&mut stored).collect();
        let side = THUMBNAIL as u32;
        let picture = Picture { width: side, height: side, samples, ..Picture::default() };
        let pixels = measure(&picture, &Luma::of(&picture));
        let pixels = PixelFacts { blur_px: Some(0.0), ..pixels };
        ImageFacts {
            status: Status::Decoded,
            size_px: Some([640, 480]),
            pixels: Some(pixels),
            ..ImageFacts::default()
        }
    }
}

/// A wave across and down: amplitude, half waves, phases.
type Wave = [f64; 5];

/// What a picture shows: waves, and an animal in a rig.
struct Content {
    waves: Vec<Wave>,
    animal: Option<Animal>,
}

impl Content {
    fn of(scene: Scene, seed: u64) -> Content {
        let of_rig = scene == Scene::Rig;
        let mut random = SplitMix64::keyed("waves", 0, &[if of_rig { 0 } else { seed }]);
        let waves = (0..24)
            .map(|_| {
                let [across, down] = [0, 1].map(|_| 16.0 * random.unit().powi(2));
                // Natural pictures have amplitudes that fall with the frequency.
                let amplitude = 0.3 / (1.0 + across.hypot(down)) * random.normal();
                [amplitude, across, down, random.uniform(0.0, 3.1), random.uniform(0.0, 3.1)]
            })
            .collect();
        Content { waves, animal: of_rig.then(|| Animal::of(seed)) }
    }

    /// Returns the brightness of cells, row by row, at places that are shares of the sides.
    fn drawn(&self, across: &[f64; THUMBNAIL], down: &[f64; THUMBNAIL]) -> Vec<f64> {
        let mut cells = vec![0.5; THUMBNAIL * THUMBNAIL];
        for &[amplitude, half_waves, half_waves_down, phase, phase_down] in &self.waves {
            let wave = |half_waves: f64, phase: f64| {
                move |place: f64| (std::f64::consts::PI * half_waves * place + phase).cos()
            };
            let columns = across.map(wave(half_waves, phase));
            let rows = down.map(wave(half_waves_down, phase_down));
            for (line, row) in cells.chunks_exact_mut(THUMBNAIL).zip(rows) {
                line.iter_mut()
                    .zip(columns)
                    .for_each(|(cell, column)| *cell += amplitude * row * column);
            }
        }
        if let Some(animal) = &self.animal {
            for (line, &y) in cells.chunks_exact_mut(THUMBNAIL).zip(down) {
                line.iter_mut().zip(across).for_each(|(cell, &x)| *cell = animal.over(*cell, x, y));
            }
        }
        cells
    }
}

/// A dark animal, an ellipse with soft edges.
struct Animal {
    x: f64,
    y: f64,
    angle: f64,
}

impl Animal {
    fn of(seed: u64) -> Animal {
        let mut random = SplitMix64::keyed("animal", 0, &[seed]);
        let [x, y] = [0, 1].map(|_| random.uniform(0.1, 0.9));
        Animal { x, y, angle: random.uniform(0.0, 3.1) }
    }

    fn over(&self, ground: f64, x: f64, y: f64) -> f64 {
        let (x, y) = (x - self.x, y - self.y);
        let (sin, cos) = self.angle.sin_cos();
        let distance = ((x * cos + y * sin) / 0.08).hypot((y * cos - x * sin) / 0.04);
        let cover = (1.0 - (distance - 1.0) * 4.0).clamp(0.0, 1.0);
        ground * (1.0 - cover) + 0.05 * cover
    }
}

/// Returns the time that processors worked for the process so far, seconds, as Linux tells it in
/// hundredths; 0 where the system does not tell.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in brackets, may hold blanks; user and system time are fields 14 and 15.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Returns the most memory that the process held so far, MiB; 0 where the system does not tell.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<f64> =
        peak.and_then(|text| text.trim().trim_end_matches("kB").trim().parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}
