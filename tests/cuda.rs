//! Holds the graphs that are written for CUDA to what ONNX Runtime's CUDA provider runs,
//! without a GPU: its kernels (`fixtures/cuda/ort-kernels.tsv`) and the rules of `docs/cuda.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use labelvet::models::{Depth, PoseModel, Regularisation, Trunk};
use labelvet::onnx::{
    Attribute, DType, Encoding, Graph, LABELVET, Lowered, LoweredNode, Precision, Provider,
    TensorType, lower,
};
use labelvet::train::layout::Layout;
use labelvet::train::loss::PoseLossSettings;
use labelvet::train::pose::{NormStatistics, PoseTraining, pose_forward};
use labelvet::train::step::pass_graph;
use labelvet::train::update::{
    Average, Clipping, Optimiser, StatisticsSettings, UpdateSettings, accumulate_graph, clip_graph,
    norms_graph, update_graph,
};

/// Largest number of inputs that CUDA joins without a table of addresses.
const MOST_JOINED: usize = 32;

/// A kernel of a provider: the versions of the operator and the element types that it takes.
struct Kernel {
    domain: String,
    operator: String,
    provider: String,
    first: i64,
    last: i64,
    types: BTreeSet<String>,
}

fn kernels() -> Vec<Kernel> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cuda/ort-kernels.tsv");
    let text = fs::read_to_string(path).expect("the list of kernels");
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let [domain, operator, provider, range, types] = cells[..] else {
            panic!("five columns: {row}")
        };
        let number = |text: &str| text.parse::<i64>().expect("a version");
        let (first, last) = match range.strip_suffix('+') {
            Some(first) => (number(first), i64::MAX),
            None => match range.split_once('-') {
                Some((first, last)) => (number(first), number(last)),
                None => (number(range), number(range)),
            },
        };
        let types = types
            .split(';')
            .filter_map(|constraint| constraint.split_once('='))
            .flat_map(|(_, types)| types.split(','))
            .map(str::to_owned)
            .collect();
        let domain = if domain == "ai.onnx" { "" } else { domain };
        let [domain, operator, provider] = [domain, operator, provider].map(str::to_owned);
        Kernel { domain, operator, provider, first, last, types }
    })
    .collect()
}

/// Returns what CUDA would not run, or would run slowly or on the CPU, one line for each node.
fn problems(graph: &Lowered, kernels: &[Kernel]) -> Vec<String> {
    let mut found = Vec::new();
    for node in &graph.nodes {
        let mut problem = |text: String| found.push(format!("{}: {text}", node.name));
        if node.domain == LABELVET {
            problem("a custom operator of the CPU".to_owned());
            continue;
        }
        let of_operator: Vec<&Kernel> = kernels
            .iter()
            .filter(|kernel| kernel.domain == node.domain && kernel.operator == node.operator)
            .collect();
        // Kernels are registered anew for each version of an operator, so that the latest one
        // up to the model's version is the operator's.
        let opset = if node.domain.is_empty() { graph.opset() } else { 1 };
        let version = of_operator.iter().map(|k| k.first).filter(|&first| first <= opset).max();
        let Some(version) = version else {
            problem(format!("no kernel of {} at version {opset}", node.operator));
            continue;
        };
        let types = computed_types(graph, node);
        let fits = of_operator.iter().any(|kernel| {
            kernel.provider == "CUDA"
                && (kernel.first..=kernel.last).contains(&version)
                && types.iter().all(|dtype| kernel.types.contains(dtype.name()))
        });
        if !fits {
            problem(format!("CUDA has no {}-{version} of {types:?}", node.operator));
        }
        found.extend(rules(graph, node).into_iter().map(|text| format!("{}: {text}", node.name)));
    }
    found
}

/// Element types that a kernel must take; integers are shapes and axes, which lie on the host.
fn computed_types(graph: &Lowered, node: &LoweredNode) -> BTreeSet<DType> {
    let args = node.inputs.iter().flatten().chain(&node.outputs);
    args.map(|&arg| graph.tensor(arg).dtype).filter(|&dtype| dtype != DType::I64).collect()
}

fn rules(graph: &Lowered, node: &LoweredNode) -> Vec<String> {
    let shape = |index: usize| {
        node.inputs[index].map(|arg| graph.tensor(arg).shape.clone()).unwrap_or_default()
    };
    let ints = |name: &str| match node.attributes.iter().find(|(key, _)| *key == name) {
        Some((_, Attribute::Ints(numbers))) => numbers.clone(),
        _ => Vec::new(),
    };
    let mut broken = Vec::new();
    match node.operator {
        "ConvTranspose" => {
            let pads = ints("pads");
            if pads[..2] != pads[2..] {
                broken.push(format!("pads {pads:?} differ before and after: runs on the CPU"));
            }
        }
        "Split" => broken.push("a split copies a table of addresses on each run".to_owned()),
        "Concat" if node.inputs.len() > MOST_JOINED => {
            broken.push(format!("joins {} inputs", node.inputs.len()));
        }
        "MatMul" => {
            let (a, b) = (shape(0), shape(1));
            if a[..a.len() - 2] != b[..b.len() - 2] && b.len() > 2 {
                broken.push(format!("repeats a batch: {a:?} by {b:?}"));
            }
        }
        "ReduceSum" => {
            let rank = shape(0).len() as i64;
            let axes = node.inputs[1].and_then(|arg| graph.integers(arg)).unwrap_or_default();
            let ends = axes.iter().copied().eq(0..axes.len() as i64)
                || axes.iter().copied().eq(rank - axes.len() as i64..rank);
            // Of three axes the middle one goes to cuDNN's reduction, too; it is left to the
            // sixteen small sums of depthwise weights, where another form costs more launches.
            if !ends && rank > 3 {
                broken.push(format!("sums over the axes {axes:?} of {rank}, which lie apart"));
            }
        }
        "BatchNormalization" if node.outputs.len() > 1 => {
            if graph.opset() > 13 {
                broken.push("is not trained on CUDA in this operator set".to_owned());
            }
            if computed_types(graph, node) != BTreeSet::from([DType::F32]) {
                broken.push("is not trained in half precision".to_owned());
            }
        }
        _ => {}
    }
    broken
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
        ("tf_efficientnet_lite0", NormStatistics::Batch),
        ("efficientnet_b0", NormStatistics::Batch),
        ("efficientnet_b3", NormStatistics::Batch),
        ("tf_efficientnet_b0", NormStatistics::Frozen),
        ("resnet50", NormStatistics::Batch),
    ];
    for (architecture, statistics) in models {
        let training = pose_training(architecture, statistics);
        let (mut forward, _) = pose_forward(&training).expect("a forward pass");
        let graph = pass_graph(&mut forward).expect("a backward pass").clone();
        graphs.push((format!("{architecture}, {statistics:?}"), graph));
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
            let problems = problems(&lowered, &kernels);
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
    assert_eq!(problems(&on_cpu, &kernels).len(), 1);
    let on_cuda = lower(&graph, &Encoding::plain(Provider::Cuda)).expect("a lowering");
    assert_eq!(problems(&on_cuda, &kernels), Vec::<String>::new());

    let mut unknown = on_cuda.clone();
    unknown.nodes[0].operator = "MaxUnpool";
    assert_eq!(problems(&unknown, &kernels).len(), 1);
}

#[test]
fn half_precision_computes_products_in_half_and_nothing_else() {
    let training = pose_training("efficientnet_b0", NormStatistics::Batch);
    let (mut forward, _) = pose_forward(&training).expect("a forward pass");
    let graph = pass_graph(&mut forward).expect("a backward pass");
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
