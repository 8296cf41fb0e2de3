//! How fast batches are made, of a real dataset, with nothing else to do:
//! `cargo bench --profile release --bench loader -- DATASET [PLAN] [CACHE_MIB]`.
//!
//! Prints one line of JSON: images/s of batches of 8 at 256 × 192 on THREADS threads (all cores)
//! for SECONDS (3) after one epoch. PLAN is `none`, `light`, `deeplabcut` or a file; a cache of
//! 0 MiB decodes each picture again. `benches/loader_albumentations.py` runs it in turns with
//! PyTorch's loader.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::sync::Arc;
use std::time::Instant;

use labelvet::augment::Plan;
use labelvet::formats::{ReadOptions, read};
use labelvet::train::data::{
    Batches, CACHE_BYTES, DataSettings, Framing, Loader, LoaderSettings, PoseExamples,
    TargetSettings, Task, pose_examples,
};

const BATCH: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let path = words.first().ok_or("which dataset?")?;
    let name = words.get(1).map_or("deeplabcut", String::as_str);
    let plan = match name {
        "none" => Plan::none(),
        "light" => Plan::light(),
        "deeplabcut" => Plan::deeplabcut(),
        file => Plan::from_toml(&std::fs::read_to_string(file)?)?,
    };
    let cache_bytes = match words.get(2) {
        Some(mib) => mib.parse::<usize>()? << 20,
        None => CACHE_BYTES,
    };
    let cores = std::thread::available_parallelism()?.get();
    let threads = std::env::var("THREADS").map_or(Ok(cores), |text| text.parse())?;
    let seconds = std::env::var("SECONDS").map_or(Ok(3.0), |text| text.parse::<f64>())?;

    let dataset = read(path.as_ref(), &ReadOptions::default())?;
    let images: Vec<u32> = (0..dataset.images.len() as u32).collect();
    let examples = pose_examples(&dataset, &images, &PoseExamples::default())?;
    let count = examples.len();
    let targets = TargetSettings { radius_px: 8.5, ..TargetSettings::default() };
    let framing = Framing::new([256, 192], 0.0)?;
    let settings = DataSettings {
        plan,
        batch: BATCH,
        cache_bytes,
        ..DataSettings::new(framing, Task::Pose(targets))
    };
    let batches = Arc::new(Batches::new(&dataset, examples, settings)?);
    let mut loader =
        Loader::start(batches, LoaderSettings { threads, depth: 2 * threads, first_step: 0 })?;
    for _ in 0..count.div_ceil(BATCH) {
        let batch = loader.next()?;
        loader.recycle(batch);
    }
    let start = Instant::now();
    let mut made = 0;
    while start.elapsed().as_secs_f64() < seconds {
        let batch = loader.next()?;
        made += batch.examples.len();
        loader.recycle(batch);
    }
    let speed = made as f64 / start.elapsed().as_secs_f64();
    println!(
        r#"{{"plan": "{name}", "cache_mib": {}, "threads": {threads}, "images_per_s": {speed:.0}}}"#,
        cache_bytes >> 20,
    );
    Ok(())
}
