//! Writes the graphs of a pose model's training as ONNX files, as CUDA runs them.
//!
//! `cargo run --release --example graphs -- DIR MODEL BATCH HEIGHT WIDTH [--half] [--blocks]
//! [--trunk=stage4]` writes into DIR, which is made: `pass.onnx` (forward, loss, backward),
//! `update.onnx` (norm, clipping, AdamW, running statistics), and what only some trainings run:
//! `accumulate.onnx`, `clip.onnx` (adaptive) and `norms.onnx`. They are for looking at, and for
//! `fixtures/cuda/check.py`. With `--blocks` the blocks of the network are computed again in the
//! backward pass. Prints what has to live from the forward to the backward pass. Needs no ONNX
//! Runtime.

#![expect(clippy::print_stdout, reason = "prints what it counts")]

use std::error::Error;
use std::fs;
use std::path::Path;

use labelvet::models::{Depth, PoseModel, Regularisation, Trunk};
use labelvet::onnx::{
    Checkpointing, Encoding, Graph, Node, Precision, Provider, encode, kept_bytes,
};
use labelvet::train::forward::NormStatistics;
use labelvet::train::layout::Layout;
use labelvet::train::loss::PoseLossSettings;
use labelvet::train::pose::{PoseTraining, pose_forward};
use labelvet::train::step::pass_graph;
use labelvet::train::update::{
    Average, Clipping, Optimiser, StatisticsSettings, UpdateSettings, accumulate_graph, clip_graph,
    norms_graph, update_graph,
};

/// Keypoints of the model, as many as a mouse is often given.
const KEYPOINTS: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let (options, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let has = |name: &str| options.iter().any(|option| option == name);
    let depth = options.iter().find_map(|option| option.strip_prefix("--trunk="));
    let checkpointing = if has("--blocks") { Checkpointing::Blocks } else { Checkpointing::Off };
    let [folder, architecture, batch, height, width] = words.as_slice() else {
        return Err(
            "expected DIR MODEL BATCH HEIGHT WIDTH [--half] [--blocks] [--trunk=stageN]".into()
        );
    };
    let precision = if has("--half") { Precision::Half } else { Precision::Full };
    let encoding = Encoding { precision, ..Encoding::plain(Provider::Cuda) };
    let trunk = Trunk::new(architecture.parse()?, depth.map_or(Ok(Depth::All), str::parse)?);
    let training = PoseTraining {
        model: PoseModel { trunk, keypoints: KEYPOINTS },
        batch: batch.parse()?,
        size: [height.parse()?, width.parse()?],
        statistics: NormStatistics::Batch,
        regularisation: Regularisation::NONE,
        loss: PoseLossSettings::default(),
        weight_decay: 0.01,
        trunk_rate: 1.0,
        head_rate: 1.0,
    };
    let (mut forward, _) = pose_forward(&training)?;
    let nodes = forward.graph.nodes().len();
    let between = between(&forward.graph);
    let pass = pass_graph(&mut forward, checkpointing)?.clone();
    let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
    let kept = kept_bytes(&pass, nodes);
    println!("kept from the forward to the backward pass: {:.0} MiB", mib(kept));
    if checkpointing == Checkpointing::Off {
        let more = mib(kept + between);
        println!("with what lies between normalisations and their activations: {more:.0} MiB");
    }
    let shape = |value| pass.shape(value).to_vec();
    let layout = Layout::new(forward.trained.iter().map(|t| (t.name.clone(), shape(t.value))));
    let means = Layout::new(forward.tracked.iter().map(|t| (t.mean_name.clone(), shape(t.mean))));
    let statistics = Some(StatisticsSettings { len: means.len(), momentum: 0.1, epsilon: 1e-3 });
    let rows = layout.rows();
    let update = UpdateSettings {
        optimiser: Optimiser::adam_w(),
        clipping: Clipping::Norm,
        rows,
        statistics,
        average: Average::Off,
    };
    let graphs: [(&str, Graph); 5] = [
        ("pass", pass),
        ("update", update_graph(&update)?),
        ("accumulate", accumulate_graph(rows, statistics)?),
        ("clip", clip_graph(&layout, |name| format!("{name}.sum"))?),
        ("norms", norms_graph(&layout)?),
    ];
    fs::create_dir_all(folder)?;
    for (name, graph) in graphs {
        fs::write(Path::new(folder).join(format!("{name}.onnx")), encode(&graph, &encoding)?)?;
    }
    Ok(())
}

/// Returns the bytes of what lies between batch normalisations and their activations, which no
/// graph keeps.
fn between(graph: &Graph) -> usize {
    let has_both = |node: &&Node| {
        let text = format!("{:?}", node.operator);
        text.starts_with("BatchNormTrain ") && !text.contains("Identity")
    };
    let bytes = |node: &Node| size_of::<f32>() * graph.tensor(node.outputs[0]).volume();
    graph.nodes().iter().filter(has_both).map(bytes).sum()
}
