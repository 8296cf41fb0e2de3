//! Time of labelvet's custom operators beside the stock lowerings of the same operators, for
//! layers of EfficientNet-b0 at 224², printed as a table in Markdown.
//!
//! `cargo bench --bench kernels -- [BATCH]`; `THREADS` is 2 unless set. Both run by turns on
//! the same tensors, and the least of their times is told.

#![expect(clippy::print_stdout, reason = "prints what it measures")]

use std::error::Error;
use std::time::Instant;

use labelvet::onnx::ops::{Activation, BatchNormTrainGrad, Conv};
use labelvet::onnx::{
    CustomOperators, Encoding, Graph, GraphError, Provider, TensorType, Value, encode,
};
use labelvet::train::runtime::{Choice, Device, Runtime, SessionSettings};
use labelvet::train::session::Sessions;
use ort::session::Session;
use ort::value::{DynValue, Tensor};

/// Runs of each of the two.
const RUNS: usize = 15;

/// Channels, extent of the input, kernel and stride of the distinct depthwise layers.
const LAYERS: [(usize, usize, usize, usize); 11] = [
    (32, 112, 3, 1),
    (96, 112, 3, 2),
    (144, 56, 3, 1),
    (144, 56, 5, 2),
    (240, 28, 5, 1),
    (240, 28, 3, 2),
    (480, 14, 3, 1),
    (480, 14, 5, 1),
    (672, 14, 5, 2),
    (1152, 7, 5, 1),
    (1152, 7, 3, 1),
];

type Build = Box<dyn Fn(&mut Graph, &[Value]) -> Result<Vec<Value>, GraphError>>;

fn main() -> Result<(), Box<dyn Error>> {
    let batch = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(8);
    let threads = std::env::var("THREADS").map_or(Ok(2), |text| text.parse())?;
    let choice = Choice { device: Device::Cpu, ..Choice::default() };
    let runtime = Runtime::load(&choice)?;
    let settings = SessionSettings { threads, ..SessionSettings::default() };
    let sessions = Sessions::new(&runtime, settings);
    println!("| operator | C×H×W | k | s | custom ms | stock ms | ratio |");
    println!("|---|---|---|---|---|---|---|");
    let mut all = [0.0, 0.0];
    for (channels, extent, k, stride) in LAYERS {
        for (name, shapes, build) in cases(batch, channels, extent, k, stride) {
            let [custom, stock] = compare(&sessions, &shapes, &build)?;
            all = [all[0] + custom, all[1] + stock];
            println!(
                "| {name} | {channels}×{extent}×{extent} | {k} | {stride} | {custom:.2} \
                 | {stock:.2} | {:.2} |",
                custom / stock
            );
        }
    }
    println!("| all | | | | {:.1} | {:.1} | {:.2} |", all[0], all[1], all[0] / all[1]);
    Ok(())
}

/// Returns the operators of one layer: name, shapes of the inputs, and how it is built.
fn cases(
    n: usize,
    c: usize,
    extent: usize,
    k: usize,
    stride: usize,
) -> Vec<(&'static str, Vec<Vec<usize>>, Build)> {
    let conv = Conv { strides: [stride; 2], pads: [k / 2; 4], dilations: [1; 2], groups: c };
    let out = extent.div_ceil(stride);
    let (x, w, d) = (vec![n, c, extent, extent], vec![c, 1, k, k], vec![n, c, out, out]);
    let (forward, backward, by_weights) = (conv.clone(), conv.clone(), conv);
    let silu = Activation::Silu;
    let norm = BatchNormTrainGrad { epsilon: 1e-3, activation: silu };
    vec![
        (
            "depthwise",
            vec![x.clone(), w.clone()],
            Box::new(move |graph, v| Ok(vec![graph.conv(v[0], v[1], &forward)?])),
        ),
        (
            "depthwise by x",
            vec![d.clone(), w],
            Box::new(move |graph, v| {
                Ok(vec![graph.conv_transpose(v[0], v[1], &backward, [extent; 2])?])
            }),
        ),
        (
            "depthwise by w",
            vec![x, d.clone()],
            Box::new(move |graph, v| {
                Ok(vec![graph.conv_weight_grad(v[0], v[1], &by_weights, [k; 2])?])
            }),
        ),
        (
            "norm + SiLU",
            vec![d.clone(), vec![c], vec![c]],
            Box::new(move |graph, v| {
                Ok(vec![graph.batch_norm_train(v[0], v[1], v[2], 1e-3, silu)?.y])
            }),
        ),
        (
            "norm + SiLU, gradient",
            vec![d.clone(), d, vec![c], vec![c], vec![c], vec![c]],
            Box::new(move |graph, v| graph.add_node(norm.clone(), v)),
        ),
    ]
}

/// Returns the least times in milliseconds of the custom and of the stock lowering.
fn compare(
    sessions: &Sessions,
    shapes: &[Vec<usize>],
    build: &Build,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut graph = Graph::new();
    let name = |index: usize| format!("x{index}");
    let inputs: Vec<Value> = shapes
        .iter()
        .enumerate()
        .map(|(index, shape)| graph.input(&name(index), TensorType::f32(shape)))
        .collect();
    for (index, output) in build(&mut graph, &inputs)?.into_iter().enumerate() {
        graph.output(&format!("y{index}"), output);
    }
    let mut feeds: Vec<(String, DynValue)> = Vec::new();
    for (index, shape) in shapes.iter().enumerate() {
        let extents: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let tensor = Tensor::from_array((extents, noise(shape.iter().product())))?;
        feeds.push((name(index), tensor.into_dyn()));
    }
    let mut compiled = Vec::new();
    for custom in [CustomOperators::Use, CustomOperators::Avoid] {
        let encoding = Encoding { custom, ..Encoding::plain(Provider::Cpu) };
        compiled.push(sessions.compile(&encode(&graph, &encoding)?)?);
    }
    let mut least = [f64::INFINITY; 2];
    for _ in 0..RUNS {
        for (least, session) in least.iter_mut().zip(&mut compiled) {
            *least = least.min(time(session, &feeds)?);
        }
    }
    Ok(least)
}

fn time(session: &mut Session, feeds: &[(String, DynValue)]) -> Result<f64, Box<dyn Error>> {
    let feeds: Vec<_> = feeds.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let start = Instant::now();
    drop(session.run(feeds)?);
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Returns numbers between 0.1 and 1: also deviations must be positive.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| 0.55 + 0.45 * (i as f32 * 12.9898).sin()).collect()
}
