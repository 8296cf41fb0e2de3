//! Tests of the trainer on a network of two convolutions.

use super::*;
use crate::onnx::ops::{Activation, BatchNormVectors, Conv, LookAhead};
use crate::onnx::{Checkpointing, Provider, TensorType};
use crate::train::check::random;
use crate::train::runtime::{SessionSettings, for_tests};

const SHAPES: [(&str, &[usize]); 4] =
    [("conv", &[4, 2, 3, 3]), ("bn.weight", &[4]), ("bn.bias", &[4]), ("head", &[3, 4, 1, 1])];

/// A convolution, a batch normalisation with SiLU, a convolution; squared error.
fn forward(height: usize) -> Forward {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32(&[2, 2, height, 6]));
    let target = graph.input("target", TensorType::f32(&[2, 3, height, 6]));
    let values = SHAPES.map(|(name, shape)| graph.input(name, TensorType::f32(shape)));
    let same = Conv { pads: [1; 4], ..Conv::default() };
    let y = graph.conv(x, values[0], &same).expect("shapes");
    let norm =
        graph.batch_norm_train(y, values[1], values[2], 1e-3, Activation::Silu).expect("shapes");
    let y = graph.conv(norm.y, values[3], &Conv::default()).expect("shapes");
    let error = graph.sub(y, target).expect("shapes");
    let squares = graph.mul(error, error).expect("shapes");
    let sum = graph.reduce_sum(squares, &[0, 1, 2, 3]).expect("shapes");
    let loss = graph.scale(sum, 1.0 / (36 * height) as f32).expect("shapes");
    let trained = SHAPES.iter().zip(values).map(|((name, shape), value)| Trained {
        name: (*name).to_owned(),
        value,
        rate: 1.0,
        decay: if shape.len() > 1 { 0.01 } else { 0.0 },
    });
    Forward {
        loss,
        trained: trained.collect(),
        tracked: vec![Tracked {
            mean_name: "bn.running_mean".to_owned(),
            variance_name: "bn.running_var".to_owned(),
            mean: norm.mean,
            inverse_deviation: norm.inverse_deviation,
            count: 12 * height,
            epsilon: 1e-3,
        }],
        fixed: Vec::new(),
        results: vec![("loss".to_owned(), loss)],
        graph,
    }
}

fn trainer(optimiser: Optimiser, clipping: Clipping, average: Average) -> Option<Trainer> {
    built(optimiser, clipping, average, Accumulation::Off)
}

fn settings() -> TrainerSettings {
    TrainerSettings {
        encoding: Encoding::plain(Provider::Cpu),
        optimiser: Optimiser::sgd(),
        clipping: Clipping::Norm,
        average: Average::Off,
        accumulation: Accumulation::Off,
        checkpointing: Checkpointing::Off,
        statistics_momentum: 0.1,
    }
}

fn built(
    optimiser: Optimiser,
    clipping: Clipping,
    average: Average,
    accumulation: Accumulation,
) -> Option<Trainer> {
    let settings = TrainerSettings { optimiser, clipping, average, accumulation, ..settings() };
    let sessions = Sessions::new(&for_tests()?, SessionSettings::default());
    let mut trainer = Trainer::new(&sessions, forward(6), &settings).expect("a trainer");
    for (index, (name, shape)) in SHAPES.iter().enumerate() {
        let mut elements = random(shape.iter().product(), index as u64);
        if *name == "bn.weight" {
            elements.fill(1.0);
        }
        trainer.set(name, &elements).expect("a tensor");
    }
    trainer.set("bn.running_var", &[1.0; 4]).expect("a tensor");
    trainer.feed("x", &random(144, 10)).expect("an input");
    trainer.feed("target", &random(216, 11)).expect("an input");
    Some(trainer)
}

fn losses(trainer: &mut Trainer, rates: Rates, steps: usize) -> Vec<f32> {
    (0..steps)
        .map(|_| {
            trainer.pass().expect("a pass");
            let updated = trainer.update(&rates).expect("an update");
            assert!(updated.finite);
            trainer.result("loss").expect("a loss")[0]
        })
        .collect()
}

#[test]
fn every_optimiser_makes_the_loss_small() {
    let nesterov = Optimiser::Sgd { momentum: 0.9, look_ahead: LookAhead::Nesterov };
    let optimisers = [Optimiser::adam_w(), Optimiser::adam(), Optimiser::sgd(), nesterov];
    for optimiser in optimisers {
        for clipping in [Clipping::Norm, Clipping::Value, Clipping::Adaptive] {
            let Some(mut trainer) = trainer(optimiser, clipping, Average::Exponential) else {
                return;
            };
            let rates = Rates { learning_rate: 0.02, limit: 1.0, ..Rates::default() };
            let losses = losses(&mut trainer, rates, 60);
            assert!(losses[59] < 0.7 * losses[0], "{optimiser:?} {clipping:?}: {losses:?}");
            assert_eq!(trainer.steps(), 60);
        }
    }
}

#[test]
fn adam_moves_each_parameter_by_the_rate_in_its_first_step() {
    let Some(mut trainer) = trainer(Optimiser::adam(), Clipping::Norm, Average::Off) else {
        return;
    };
    let before = trainer.get("bn.bias").expect("a tensor");
    losses(&mut trainer, Rates { learning_rate: 0.01, ..Rates::default() }, 1);
    let after = trainer.get("bn.bias").expect("a tensor");
    let gradients = trainer.vector("gradients", "bn.bias").expect("gradients");
    for ((before, after), gradient) in before.iter().zip(after).zip(gradients) {
        assert!((after - before + 0.01 * gradient.signum()).abs() < 1e-5);
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let Some(mut trainer) = trainer(Optimiser::adam_w(), Clipping::Norm, Average::Exponential)
    else {
        return;
    };
    losses(&mut trainer, Rates::default(), 3);
    let state = |trainer: &Trainer| -> Vec<Vec<f32>> {
        let mut all = Vec::new();
        for (name, _) in SHAPES {
            for vector in ["parameters", "mean", "square"] {
                all.push(trainer.vector(vector, name).expect("a vector"));
            }
        }
        for name in ["bn.running_mean", "bn.running_var"] {
            all.push(trainer.get(name).expect("a tensor"));
        }
        all
    };
    let before = state(&trainer);
    let mut x = random(144, 10);
    x[5] = f32::NAN;
    trainer.feed("x", &x).expect("an input");
    trainer.pass().expect("a pass");
    let updated = trainer.update(&Rates::default()).expect("an update");
    assert!(!updated.finite);
    assert_eq!(trainer.steps(), 3);
    assert_eq!(state(&trainer), before);
}

#[test]
fn summed_passes_update_by_their_mean() {
    let rates = Rates { learning_rate: 0.01, limit: 0.5, ..Rates::default() };
    let Some(mut one) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else { return };
    let Some(mut two) = built(Optimiser::sgd(), Clipping::Norm, Average::Off, Accumulation::Sum)
    else {
        return;
    };
    for _ in 0..3 {
        losses(&mut one, rates, 1);
        two.pass().expect("a pass");
        losses(&mut two, rates, 1);
    }
    for (name, _) in SHAPES {
        let pair = [&one, &two].map(|trainer| trainer.get(name).expect("a tensor"));
        for (a, b) in pair[0].iter().zip(&pair[1]) {
            assert!((a - b).abs() < 1e-5, "{name}: {a} {b}");
        }
    }
    // Two passes an update move the running statistics twice.
    let [mean, twice] =
        [&one, &two].map(|trainer| trainer.get("bn.running_mean").expect("a tensor")[0]);
    assert!(twice.abs() > mean.abs());
}

#[test]
fn norms_of_tensors_make_up_the_norm_of_all() {
    let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
        return;
    };
    trainer.pass().expect("a pass");
    let norms = trainer.gradient_norms().expect("norms");
    assert_eq!(norms.len(), SHAPES.len());
    let all = norms.iter().map(|norm| norm * norm).sum::<f32>().sqrt();
    let updated = trainer.update(&Rates::default()).expect("an update");
    assert!((all / updated.norm - 1.0).abs() < 1e-5);
    let gradients = trainer.vector("gradients", "head").expect("gradients");
    let head = gradients.iter().map(|g| g * g).sum::<f32>().sqrt();
    assert!((head / norms[3] - 1.0).abs() < 1e-5);
}

#[test]
fn running_statistics_approach_those_of_the_batch() {
    let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
        return;
    };
    let rates = Rates { learning_rate: 0.0, ..Rates::default() };
    losses(&mut trainer, rates, 1);
    let first = trainer.get("bn.running_mean").expect("a tensor");
    losses(&mut trainer, rates, 200);
    let last = trainer.get("bn.running_mean").expect("a tensor");
    for (first, last) in first.iter().zip(last) {
        assert!((first - 0.1 * last).abs() < 1e-4, "{first} {last}");
    }
}

#[test]
fn passes_of_several_shapes_share_the_parameters() {
    let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
        return;
    };
    let Some(runtime) = for_tests() else { return };
    let sessions = Sessions::new(&runtime, SessionSettings::default());
    let tall = trainer.add(&sessions, forward(9)).expect("a pass");
    losses(&mut trainer, Rates { learning_rate: 0.02, ..Rates::default() }, 1);
    let short = trainer.result("loss").expect("a loss")[0];

    trainer.choose(tall).expect("a pass");
    let fits = |trainer: &mut Trainer, rows: usize| trainer.feed("x", &random(24 * rows, 10));
    assert!(matches!(fits(&mut trainer, 6), Err(StepError::Length { expected: 216, .. })));
    fits(&mut trainer, 9).expect("an input");
    trainer.feed("target", &random(324, 11)).expect("an input");
    let before = trainer.get("head").expect("a tensor");
    losses(&mut trainer, Rates { learning_rate: 0.02, ..Rates::default() }, 1);
    assert_ne!(trainer.get("head").expect("a tensor"), before);
    assert_ne!(trainer.result("loss").expect("a loss")[0], short);
    trainer.choose(0).expect("a pass");
    assert_eq!(trainer.result("loss").expect("a loss")[0], short);
    assert!(matches!(trainer.choose(2), Err(StepError::Unknown { kind: "pass", .. })));
}

/// One convolution and a batch normalisation with fixed statistics.
fn frozen(height: usize) -> Forward {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32(&[1, 2, height, 6]));
    let w = graph.input("conv", TensorType::f32(&[4, 2, 1, 1]));
    let [scale, offset, mean, variance] = ["scale", "offset", "mean", "variance"]
        .map(|name| graph.input(name, TensorType::f32(&[4])));
    let y = graph.conv(x, w, &Conv::default()).expect("shapes");
    let vectors = BatchNormVectors { scale, offset, mean, variance };
    let y = graph.batch_norm(y, vectors, 1e-3, Activation::Identity).expect("shapes");
    let loss = graph.reduce_sum(y, &[0, 1, 2, 3]).expect("shapes");
    Forward {
        loss,
        trained: vec![Trained { name: "conv".to_owned(), value: w, rate: 1.0, decay: 0.0 }],
        tracked: Vec::new(),
        fixed: ["mean", "variance"].map(str::to_owned).to_vec(),
        results: vec![("loss".to_owned(), loss)],
        graph,
    }
}

#[test]
fn fixed_tensors_are_shared_by_all_passes() {
    let Some(runtime) = for_tests() else { return };
    let sessions = Sessions::new(&runtime, SessionSettings::default());
    let mut trainer = Trainer::new(&sessions, frozen(6), &settings()).expect("a trainer");
    let tall = trainer.add(&sessions, frozen(9)).expect("a pass");
    trainer.set("mean", &[1.0, 2.0, 3.0, 4.0]).expect("a tensor");
    trainer.set("variance", &[1.0; 4]).expect("a tensor");
    for (number, height) in [(0, 6), (tall, 9)] {
        trainer.choose(number).expect("a pass");
        trainer.feed("scale", &[1.0; 4]).expect("an input");
        trainer.pass().expect("a pass");
        // Without images, each place is −μ/√(1 + ε).
        let expected = -10.0 * (6 * height) as f32 / 1.001_f32.sqrt();
        let loss = trainer.result("loss").expect("a loss")[0];
        assert!((loss / expected - 1.0).abs() < 1e-5, "{loss}, not {expected}");
        assert_eq!(trainer.get("mean").expect("a tensor"), [1.0, 2.0, 3.0, 4.0]);
    }
}

#[test]
fn normalisations_that_differ_in_epsilon_are_refused() {
    let Some(runtime) = for_tests() else { return };
    let sessions = Sessions::new(&runtime, SessionSettings::default());
    let mut forward = forward(6);
    let other = Tracked { mean_name: "b".to_owned(), epsilon: 1e-5, ..forward.tracked[0].clone() };
    forward.tracked.push(other);
    let error = Trainer::new(&sessions, forward, &settings()).expect_err("two epsilons");
    assert!(matches!(error, StepError::Epsilon(..)), "{error}");
}

#[test]
fn names_and_lengths_are_checked() {
    let Some(mut trainer) = trainer(Optimiser::sgd(), Clipping::Norm, Average::Off) else {
        return;
    };
    assert!(matches!(trainer.feed("y", &[]), Err(StepError::Unknown { kind: "input", .. })));
    assert!(matches!(trainer.feed("x", &[1.0]), Err(StepError::Length { .. })));
    assert!(matches!(trainer.set("none", &[]), Err(StepError::Unknown { .. })));
}
