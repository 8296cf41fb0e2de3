//! Times the reading of a dataset's labels:
//! `cargo bench --profile release --bench read -- DATASET`.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::PathBuf;
use std::time::Instant;

use labelvet::formats::{ReadOptions, read};

/// Number of readings; the least and the middle time are told.
const TIMES: usize = 5;

fn main() {
    // Cargo adds options of its own.
    let paths = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    for path in paths.map(PathBuf::from) {
        let mut seconds = Vec::new();
        let mut size = [0; 3];
        for _ in 0..TIMES {
            let start = Instant::now();
            match read(&path, &ReadOptions::default()) {
                Ok(d) => size = [d.images.len(), d.instances.len(), d.keypoints.len()],
                Err(error) => return println!("{error}"),
            }
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let [images, instances, keypoints] = size;
        println!(
            "{}: {images} images, {instances} instances, {keypoints} keypoints; \
             {:.3} s at least, {:.3} s in the middle of {TIMES}",
            path.display(),
            seconds[0],
            seconds[TIMES / 2],
        );
    }
}
