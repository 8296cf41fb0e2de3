//! Time and memory of training steps of a pose model, printed as one line of JSON.
//!
//! `cargo bench --bench step -- MODEL TRUNK BATCH HEIGHT WIDTH STEPS [stock|custom [off|blocks]]`:
//! custom operators or not, blocks of the network computed again or not. It runs on the
//! device that the variable `DEVICE` names, `cpu` or `cuda`, with the runtime in the cache that
//! `LABELVET_CACHE` names or another that labelvet finds. A script beside it,
//! `benches/step_torch.py`, times the same in PyTorch on the CPU.

#![expect(clippy::print_stdout, reason = "prints what it measures")]

use std::path::PathBuf;
use std::time::Instant;

use labelvet::models::{Depth, Model, PoseModel, Regularisation, Trunk};
use labelvet::onnx::{Checkpointing, CustomOperators, Encoding, Provider};
use labelvet::train::forward::NormStatistics;
use labelvet::train::loss::PoseLossSettings;
use labelvet::train::pose::{PoseTraining, pose_forward};
use labelvet::train::runtime::{Choice, Device, Runtime, SessionSettings};
use labelvet::train::session::Sessions;
use labelvet::train::step::{Accumulation, Rates, Trainer, TrainerSettings};
use labelvet::train::update::{Average, Clipping, Optimiser};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let word = |index: usize, default: &str| {
        words.get(index).cloned().unwrap_or_else(|| default.to_owned())
    };
    let number = |index: usize, default: &str| word(index, default).parse::<usize>();
    let depth: Depth = word(1, "stage4").parse()?;
    let trunk = Trunk::new(word(0, "tf_efficientnet_lite0").parse()?, depth);
    let (batch, height, width) = (number(2, "8")?, number(3, "192")?, number(4, "256")?);
    let steps = number(5, "10")?;
    let custom = match word(6, "custom").as_str() {
        "stock" => CustomOperators::Avoid,
        _ => CustomOperators::Use,
    };
    let model = PoseModel { trunk, keypoints: 4 };
    let training = PoseTraining {
        model,
        batch,
        size: [height, width],
        statistics: NormStatistics::Batch,
        regularisation: Regularisation::NONE,
        loss: PoseLossSettings::default(),
        weight_decay: 0.01,
        trunk_rate: 1.0,
        head_rate: 1.0,
    };
    let checkpointing = match word(7, "off").as_str() {
        "blocks" => Checkpointing::Blocks,
        _ => Checkpointing::Off,
    };
    let device = std::env::var("DEVICE").map_or(Ok(Device::Cpu), |name| name.parse())?;
    let choice = Choice { device, cache: std::env::var_os("LABELVET_CACHE").map(PathBuf::from) };
    let runtime = Runtime::load(&choice)?;
    let provider = match runtime.device() {
        Device::Cuda => Provider::Cuda,
        Device::Auto | Device::Cpu => Provider::Cpu,
    };
    let (forward, _) = pose_forward(&training)?;
    let settings = TrainerSettings {
        encoding: Encoding { custom, ..Encoding::plain(provider) },
        optimiser: Optimiser::adam_w(),
        clipping: Clipping::Norm,
        average: Average::Off,
        accumulation: Accumulation::Off,
        checkpointing,
        statistics_momentum: 0.1,
    };
    let threads = std::env::var("THREADS").map_or(Ok(2), |text| text.parse())?;
    let session_settings = SessionSettings { threads, ..SessionSettings::default() };
    let mut sessions = Sessions::new(&runtime, session_settings);
    if let Ok(path) = std::env::var("PROFILE") {
        sessions = sessions.with_profile(path.as_ref());
    }
    let start = Instant::now();
    let mut trainer = Trainer::new(&sessions, forward, &settings)?;
    let created = start.elapsed().as_secs_f64();
    for parameter in model.inventory()?.parameters {
        trainer.set(&parameter.name, &parameter.initial(0))?;
    }
    let pixels = batch * 3 * height * width;
    trainer.feed("images", &noise(pixels))?;
    let cells = batch * 4 * (height / 8) * (width / 8);
    for (name, count) in [("scores", cells), ("score_weights", cells)] {
        trainer.feed(name, &noise(count).iter().map(|x| x.abs()).collect::<Vec<_>>())?;
    }
    for (name, count) in [("offsets", 2 * cells), ("offset_weights", 2 * cells)] {
        trainer.feed(name, &noise(count).iter().map(|x| x.abs()).collect::<Vec<_>>())?;
    }
    let rates = Rates { learning_rate: 1e-4, limit: 1.0, ..Rates::default() };
    let mut times = Vec::new();
    for _ in 0..steps + 2 {
        let start = Instant::now();
        trainer.pass()?;
        // Reads the norm, and so waits for the device.
        trainer.update(&rates)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let mut times = times.split_off(2);
    times.sort_by(f64::total_cmp);
    println!(
        r#"{{"device": "{}", "model": "{}", "batch": {batch}, "size": [{height}, {width}], "threads": {threads}, "median_ms": {:.1}, "least_ms": {:.1}, "created_s": {created:.2}, "peak_mib": {:.0}}}"#,
        runtime.device().name(),
        word(0, "tf_efficientnet_lite0"),
        times[times.len() / 2],
        times[0],
        peak_mib(),
    );
    Ok(())
}

/// Returns numbers between −1 and 1.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 * 12.9898).sin() * 43758.547).fract()).collect()
}

/// Returns the largest resident memory of the host so far in MiB; 0 where the system does not tell.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
