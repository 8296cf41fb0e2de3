//! How much measuring costs beyond decoding: reads, decodes and measures the images
//! of a folder in turn, so that all figures are of the same minutes of one machine.
//!
//!     cargo bench --bench decode_floor -- IMAGES [ROUNDS [THREADS]]
//!
//! Prints images per second and processor time per image, medians of the rounds, and
//! how many times the processor time of decoding alone each step takes: on a machine
//! that others use, too, that is the figure to go by.

#![expect(clippy::print_stdout, reason = "its product is what it prints")]
#![expect(clippy::expect_used, reason = "a bench that cannot read its input has no result")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use labelvet::dataset::{Dataset, Image};
use labelvet::facts::{self, MeasureOptions};
use labelvet::media;
use labelvet::pixels::{Luma, Picture, measure};
use rayon::prelude::*;
use sha2::Digest as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some(folder) = words.first() else {
        println!("which folder of images?");
        return;
    };
    let number = |at: usize, default| words.get(at).and_then(|w| w.parse().ok()).unwrap_or(default);
    let rounds = number(1, 3);
    let threads = number(2, 2);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("a pool");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let images = files
        .iter()
        .map(|file| Image {
            path: file.display().to_string(),
            file: Some(file.clone()),
            ..Image::default()
        })
        .collect();
    let dataset = Dataset { images, ..Dataset::default() };

    let each = |step: fn(&mut Vec<u8>, &mut Picture, &Path)| {
        files.par_iter().for_each_init(
            || (Vec::new(), Picture::default()),
            |(bytes, picture), file| step(bytes, picture, file),
        );
    };
    let steps: [(&str, &dyn Fn()); 6] = [
        ("decode", &|| each(decode)),
        ("read", &|| each(|b, _, f| media::read(f, b).unwrap_or_default())),
        ("read, hash the file", &|| each(|b, _, f| hash(b, f))),
        ("decode, brightness", &|| {
            each(|b, p, f| {
                decode(b, p, f);
                std::hint::black_box(Luma::of(p));
            })
        }),
        ("decode, measure pixels", &|| {
            each(|b, p, f| {
                decode(b, p, f);
                std::hint::black_box(measure(p, &Luma::of(p)));
            })
        }),
        ("all facts", &|| {
            std::hint::black_box(facts::measure(dataset.clone(), &MeasureOptions::default()));
        }),
    ];
    let mut rounds_of: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); steps.len()];
    for _ in 0..rounds {
        for ((_, step), (wall, processor)) in steps.iter().zip(&mut rounds_of) {
            let (start, used) = (Instant::now(), processor_seconds());
            step();
            wall.push(start.elapsed().as_secs_f64());
            processor.push(processor_seconds() - used);
        }
    }
    println!("{} files, {threads} threads, median of {rounds}", files.len());
    let count = files.len() as f64;
    let floor = median(&mut rounds_of[0].1);
    for ((name, _), (wall, processor)) in steps.iter().zip(&mut rounds_of) {
        let (speed, each) = (count / median(wall), median(processor));
        println!(
            "{name:24} {speed:8.0} images/s {:8.2} ms of processor {:6.2} × decode",
            1e3 * each / count,
            each / floor
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the processor time that this process has used, in seconds (Linux).
fn processor_seconds() -> f64 {
    // The numbers follow the name of the command, which may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let numbers = stat.rsplit_once(") ").map_or("", |(_, numbers)| numbers);
    // User and system time are fields 14 and 15, in ticks of 1/100 s.
    let ticks = numbers.split(' ').skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn decode(bytes: &mut Vec<u8>, picture: &mut Picture, file: &Path) {
    if media::read(file, bytes).is_ok() {
        let _ = std::hint::black_box(media::decode(bytes, picture));
    }
}

fn hash(bytes: &mut Vec<u8>, file: &Path) {
    if media::read(file, bytes).is_ok() {
        std::hint::black_box(sha2::Sha256::digest(bytes));
    }
}
