//! Fifty steps of each optimiser against PyTorch's on the same batches.
//!
//! Walks `fixtures/models/steps`, whose `steps.py` wrote the losses, and says there how weights,
//! images, targets and weights of the loss come from a hash of their names.

#![expect(clippy::print_stdout, reason = "the errors are shown with --nocapture")]

use std::fs;
use std::path::Path;

use labelvet::models::{Depth, Model, PoseModel, Regularisation, Trunk};
use labelvet::onnx::ops::LookAhead;
use labelvet::onnx::{Checkpointing, CustomOperators, Encoding, Provider};
use labelvet::train::forward::NormStatistics;
use labelvet::train::loss::PoseLossSettings;
use labelvet::train::pose::{PoseTraining, pose_forward};
use labelvet::train::runtime::{Runtime, SessionSettings};
use labelvet::train::session::Sessions;
use labelvet::train::step::{Accumulation, Rates, Trainer, TrainerSettings};
use labelvet::train::update::{Average, Clipping, Optimiser};
use serde_json::Value as Json;

use crate::models::{hashed, weights};
use crate::runtime::loaded;

const STEPS: usize = 50;
const BATCHES: usize = 4;
const WARM_UP: usize = 10;
const KEYPOINTS: usize = 3;
/// Images of 64 × 96 pixels, four at a time; score maps of 8 × 12 cells.
const IMAGES: [usize; 4] = [4, 3, 64, 96];
const CELLS: usize = 8 * 12;
/// Greatest difference of a loss from PyTorch's in 64 bits; its own 32 bits stray up to 6e-4.
const TOLERANCE: f64 = 1e-3;

#[test]
fn losses_follow_pytorch() {
    let Some(runtime) = loaded() else { return };
    for name in ["adamw", "adam", "sgd", "nesterov"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/steps");
        let text = fs::read_to_string(path.join(format!("{name}.json"))).expect("a reference");
        let reference: Json = serde_json::from_str(&text).expect("JSON");
        for custom in [CustomOperators::Avoid, CustomOperators::Use] {
            follow(&runtime, name, &reference, custom);
        }
    }
}

/// What enters a block is all that is kept of it, and the gradients are the same bits.
#[test]
fn computing_blocks_again_changes_no_gradient() {
    let Some(runtime) = loaded() else { return };
    for (name, depth) in
        [("tf_efficientnet_lite0", Depth::Stage(4)), ("efficientnet_b0", Depth::All)]
    {
        for custom in [CustomOperators::Avoid, CustomOperators::Use] {
            let trunk = Trunk::new(name.parse().expect("a name"), depth);
            let gradients = |checkpointing: Checkpointing| -> Vec<(String, Vec<u32>)> {
                let settings =
                    TrainerSettings { checkpointing, ..settings(custom, Optimiser::sgd()) };
                let mut trainer = trainer(&runtime, trunk, 0.0, &settings);
                feed(&mut trainer, 0);
                trainer.pass().expect("a pass");
                let names: Vec<String> =
                    trainer.layout().places().iter().map(|place| place.name.clone()).collect();
                let bits = |name: &str| {
                    let found = trainer.vector("gradients", name).expect("a gradient");
                    found.into_iter().map(f32::to_bits).collect()
                };
                names.into_iter().map(|name| (name.clone(), bits(&name))).collect()
            };
            let all = gradients(Checkpointing::Off);
            for (kept, again) in all.iter().zip(gradients(Checkpointing::Blocks)) {
                assert!(*kept == again, "{name}, {custom:?}: {}", kept.0);
            }
        }
    }
}

/// Returns a trainer of a pose model with the reference's first weights.
fn trainer(
    runtime: &Runtime,
    trunk: Trunk,
    weight_decay: f32,
    settings: &TrainerSettings,
) -> Trainer {
    let model = PoseModel { trunk, keypoints: KEYPOINTS };
    let training = PoseTraining {
        model,
        batch: IMAGES[0],
        size: [IMAGES[2], IMAGES[3]],
        statistics: NormStatistics::Batch,
        regularisation: Regularisation::NONE,
        loss: PoseLossSettings::default(),
        weight_decay,
        trunk_rate: 1.0,
        head_rate: 1.0,
    };
    let (forward, _) = pose_forward(&training).expect("a forward pass");
    let sessions = Sessions::new(runtime, SessionSettings::default());
    let mut trainer = Trainer::new(&sessions, forward, settings).expect("a trainer");
    for (tensor, shape) in model.inventory().expect("a model").tensors() {
        trainer.set(&tensor, &weights(&tensor, &shape)).expect("a tensor");
    }
    trainer
}

fn settings(custom: CustomOperators, optimiser: Optimiser) -> TrainerSettings {
    TrainerSettings {
        encoding: Encoding { custom, ..Encoding::plain(Provider::Cpu) },
        optimiser,
        clipping: Clipping::Norm,
        average: Average::Off,
        accumulation: Accumulation::Off,
        checkpointing: Checkpointing::Off,
        statistics_momentum: 0.1,
    }
}

fn follow(runtime: &Runtime, name: &str, reference: &Json, custom: CustomOperators) {
    let optimiser = match name {
        "adamw" => Optimiser::adam_w(),
        "adam" => Optimiser::adam(),
        "sgd" => Optimiser::sgd(),
        _ => Optimiser::Sgd { momentum: 0.9, look_ahead: LookAhead::Nesterov },
    };
    let trunk = Trunk::new("tf_efficientnet_lite0".parse().expect("a name"), Depth::Stage(4));
    let weight_decay = number(&reference["weight_decay"]) as f32;
    let mut trainer = trainer(runtime, trunk, weight_decay, &settings(custom, optimiser));

    let (losses, norms) = (numbers(&reference["losses"]), numbers(&reference["norms"]));
    assert_eq!((losses.len(), norms.len()), (STEPS, STEPS));
    let mut worst = 0.0_f64;
    for (step, expected) in losses.into_iter().enumerate() {
        feed(&mut trainer, step % BATCHES);
        trainer.pass().expect("a pass");
        let rates = Rates {
            learning_rate: learning_rate(step, number(&reference["rate"])),
            limit: number(&reference["clip"]) as f32,
            ..Rates::default()
        };
        let updated = trainer.update(&rates).expect("an update");
        assert!(updated.finite);
        let loss = f64::from(trainer.result("loss").expect("a loss")[0]);
        worst = worst.max((loss - expected).abs());
        if step == 0 {
            let norm = f64::from(updated.norm);
            assert!((norm / norms[0] - 1.0).abs() < 1e-4, "{name}: norm {norm}, not {}", norms[0]);
        }
    }
    println!("{name}, {custom:?}: losses differ by up to {worst:.1e}");
    assert!(worst < TOLERANCE, "{name}, {custom:?}: losses differ by up to {worst}");
    for (tensor, expected) in reference["statistics"].as_object().expect("statistics") {
        let found = trainer.get(tensor).expect("a running statistic");
        for (found, expected) in found.iter().zip(numbers(expected)) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 0.01 * expected.abs().max(1.0), "{tensor}: {found}, not {expected}");
        }
    }
}

/// Linear warm-up, then half a cosine to 2 % of the peak; steps count from 0.
fn learning_rate(step: usize, peak: f64) -> f32 {
    if step < WARM_UP {
        return (peak * (step + 1) as f64 / WARM_UP as f64) as f32;
    }
    let share = (step - WARM_UP) as f64 / (STEPS - WARM_UP) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
    (peak * (0.02 + 0.98 * cosine)) as f32
}

fn feed(trainer: &mut Trainer, batch: usize) {
    let named = |name: &str, count: usize| hashed(&format!("batch{batch}.{name}"), count);
    let unit = |numbers: Vec<f32>| -> Vec<f32> { numbers.iter().map(|u| 0.5 + 0.5 * u).collect() };
    let mask = |numbers: Vec<f32>| -> Vec<f32> {
        numbers.iter().map(|&u| if u > 0.5 { 1.0 } else { 0.0 }).collect()
    };
    let scores = IMAGES[0] * KEYPOINTS * CELLS;
    let feeds = [
        ("images", named("images", IMAGES.iter().product())),
        ("scores", unit(named("scores", scores))),
        ("score_weights", unit(named("score_weights", scores))),
        ("offsets", named("offsets", 2 * scores)),
        ("offset_weights", mask(named("offset_weights", 2 * scores))),
    ];
    for (name, elements) in feeds {
        trainer.feed(name, &elements).expect("an input");
    }
}

fn number(value: &Json) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Json) -> Vec<f64> {
    value.as_array().expect("numbers").iter().map(number).collect()
}
