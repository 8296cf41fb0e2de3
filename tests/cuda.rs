//! Holds the graphs that are written for CUDA to what ONNX Runtime's CUDA provider runs,
//! without a GPU: its kernels (`fixtures/cuda/ort-kernels.tsv`) and the rules of `docs/cuda.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use labelvet::models::{Depth, PoseModel, Regularisation, Trunk};
use labelvet::onnx::cuda::{Kernels, computed_types};
use labelvet::onnx::{
    Checkpointing, DType, Encoding, Graph, Precision, Provider, TensorType, lower,
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

fn kernels() -> Kernels {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cuda/ort-kernels.tsv");
    let table = fs::read_to_string(path).expect("the list of kernels");
    Kernels::parse(&table).expect("a table")
}

fn pose_training(architecture: &str, statistics: NormStatistics) -> PoseTraining {
    let trunk = Trunk::new(architecture.parse().expect("a name"), Depth::All);
    PoseTraining {
        model: PoseModel { trunk, keypoints: 5 },
        batch: 2,
        size: [128, 96],
        statistics,
        regularisation: Regularisation { dropout: 0.0, stochastic_depth: 0.2 },
        loss: PoseLossSettings::default(),
        weight_decay: 0.01,
        trunk_rate: 1.0,
        head_rate: 1.0,
    }
}

fn layout() -> Layout {
    let shapes: [(&str, &[usize]); 4] =
        [("conv", &[40, 3, 3, 3]), ("norm", &[40]), ("scale", &[1]), ("dense", &[7, 99])];
    Layout::new(shapes.map(|(name, shape)| (name.to_owned(), shape.to_vec())))
}

/// All graphs of a training, with names.
fn graphs() -> Vec<(String, Graph)> {
    let mut graphs = Vec::new();
    let models = [
        ("tf_efficientnet_lite0", NormStatistics::Batch, Checkpointing::Off),
        ("efficientnet_b0", NormStatistics::Batch, Checkpointing::Off),
        ("efficientnet_b0", NormStatistics::Batch, Checkpointing::Blocks),
        ("efficientnet_b3", NormStatistics::Batch, Checkpointing::Off),
        ("tf_efficientnet_b0", NormStatistics::Frozen, Checkpointing::Off),
        ("tf_efficientnet_b0", NormStatistics::Frozen, Checkpointing::Blocks),
        ("resnet50", NormStatistics::Batch, Checkpointing::Off),
        ("resnet50", NormStatistics::Batch, Checkpointing::Blocks),
    ];
    for (architecture, statistics, checkpointing) in models {
        let training = pose_training(architecture, statistics);
        let (mut forward, _) = pose_forward(&training).expect("a forward pass");
        let graph = pass_graph(&mut forward, checkpointing).expect("a backward pass").clone();
        graphs.push((format!("{architecture}, {statistics:?}, {checkpointing:?}"), graph));
    }
    let statistics = Some(StatisticsSettings { len: 16384, momentum: 0.1, epsilon: 1e-5 });
    let rows = layout().rows();
    for optimiser in [Optimiser::adam_w(), Optimiser::adam(), Optimiser::sgd()] {
        for clipping in [Clipping::Norm, Clipping::Value, Clipping::Adaptive] {
            let average = Average::Exponential;
            let settings = UpdateSettings { optimiser, clipping, rows, statistics, average };
            let graph = update_graph(&settings).expect("an update");
            graphs.push((format!("{optimiser:?}, {clipping:?}"), graph));
        }
    }
    graphs.push(("accumulate".to_owned(), accumulate_graph(rows, statistics).expect("a sum")));
    let clip = clip_graph(&layout(), |name| format!("{name}.sum")).expect("a clip");
    graphs.push(("clip".to_owned(), clip));
    graphs.push(("norms".to_owned(), norms_graph(&layout()).expect("norms")));
    graphs
}

#[test]
fn every_node_of_a_training_runs_on_cuda() {
    let kernels = kernels();
    for (name, graph) in graphs() {
        for precision in [Precision::Full, Precision::Half] {
            let encoding = Encoding { precision, ..Encoding::plain(Provider::Cuda) };
            let lowered = lower(&graph, &encoding).expect("a lowering");
            let problems = kernels.problems(&lowered);
            let shown: Vec<_> = problems.iter().take(10).collect();
            assert!(problems.is_empty(), "{name}, {precision:?}: {shown:#?}");
        }
    }
}

#[test]
fn what_cuda_does_not_run_is_found() {
    let kernels = kernels();
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32(&[2, 3, 4, 5]));
    let sum = graph.reduce_sum(x, &[0, 2, 3]).expect("a sum");
    graph.output("sum", sum);
    let on_cpu = lower(&graph, &Encoding::plain(Provider::Cpu)).expect("a lowering");
    assert_eq!(kernels.problems(&on_cpu).len(), 1);
    let on_cuda = lower(&graph, &Encoding::plain(Provider::Cuda)).expect("a lowering");
    assert_eq!(kernels.problems(&on_cuda), Vec::<String>::new());

    let mut unknown = on_cuda.clone();
    unknown.nodes[0].operator = "MaxUnpool";
    assert_eq!(kernels.problems(&unknown).len(), 1);
}

#[test]
fn half_precision_computes_products_in_half_and_nothing_else() {
    let training = pose_training("efficientnet_b0", NormStatistics::Batch);
    let (mut forward, _) = pose_forward(&training).expect("a forward pass");
    let graph = pass_graph(&mut forward, Checkpointing::Off).expect("a backward pass");
    let encoding = Encoding { precision: Precision::Half, ..Encoding::plain(Provider::Cuda) };
    let lowered = lower(graph, &encoding).expect("a lowering");
    let mut by_operator: BTreeMap<&str, BTreeSet<DType>> = BTreeMap::new();
    for node in lowered.nodes.iter().filter(|node| node.operator != "Cast") {
        by_operator.entry(node.operator).or_default().extend(computed_types(&lowered, node));
    }
    for (operator, types) in by_operator {
        let product = ["Conv", "ConvTranspose", "MatMul", "Gemm"].contains(&operator);
        assert_eq!(types.contains(&DType::F16), product, "{operator}: {types:?}");
    }
}
