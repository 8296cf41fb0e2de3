//! Networks against PyTorch and timm: logits in evaluation, and gradients of whole pose models.
//!
//! Walks `fixtures/models`, whose `make.py` wrote the references, and says there how weights,
//! images and masks come from a hash of their names.

#![expect(clippy::print_stdout, reason = "the errors are shown with --nocapture")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use labelvet::models::{
    Architecture, Built, Classifier, Depth, Interface, Inventory, Mode, Model, PoseModel,
    Regularisation, Trunk,
};
use labelvet::onnx::{
    Encoding, Graph, Provider, Shape, TensorType, Value, encode, gradients, lower, volume,
};
use labelvet::train::session::{Tensor, run_once};
use serde_json::Value as Json;

use crate::generated::hold;
use crate::runtime::loaded;

/// Greatest relative error of outputs in evaluation, where float32's own is no greater.
const FORWARD: f64 = 1e-5;
/// Greatest relative error of gradients, where float32's own is no greater.
const GRADIENT: f64 = 1e-4;
/// How many times the error of PyTorch's float32 is allowed.
const FLOAT32: f64 = 2.0;

#[test]
fn classifiers_give_the_logits_of_timm() {
    for (name, reference) in references("classifier") {
        let architecture: Architecture = text(&reference, "network").parse().expect("a network");
        let model = Classifier { architecture, classes: 1000 };
        assert_eq!(parameters(&model) as u64, reference["parameters"], "{name}");

        let weights = Weights::of(&model.inventory().expect("a network"));
        let outputs = infer(&model, &reference, &weights, |graph, built| {
            graph.output("logits", built.logits);
        });
        let Some(outputs) = outputs else { return };
        compare_outputs(&name, &reference, &outputs);
    }
}

#[test]
fn pose_models_give_the_gradients_of_timm() {
    for (name, reference) in references("pose") {
        let model = pose_model(&reference);
        let inventory = model.inventory().expect("a network");
        let weights = Weights::of(&inventory);

        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32(&shape(&reference["images"])));
        let rate = reference["stochastic_depth"].as_f64().expect("a rate") as f32;
        let regularisation = Regularisation { dropout: 0.0, stochastic_depth: rate };
        let mode = match text(&reference, "batch_norm") {
            "batch" => Mode::Train(regularisation),
            _ => Mode::FrozenStatistics(regularisation),
        };
        let Built { outputs, interface } =
            model.build(&mut graph, images, mode).expect("a network");
        let named = [("score_maps", outputs.score_maps), ("locref", outputs.locref)];
        let loss = hashed_loss(&mut graph, &named);
        let parameters: Vec<Value> = interface.parameters.iter().map(|input| input.value).collect();
        let by_parameters = gradients(&mut graph, loss, &parameters).expect("gradients");
        for (input, gradient) in interface.parameters.iter().zip(by_parameters) {
            let gradient = gradient.expect("the loss depends on each parameter");
            graph.output(&format!("{}.gradient", input.parameter.name), gradient);
        }
        for (name, value) in named {
            graph.output(name, value);
        }
        for statistics in &interface.statistics {
            let running = &statistics.running;
            graph.output(&format!("{}.batch", running.mean()), statistics.mean);
            graph.output(&format!("{}.batch", running.variance()), statistics.inverse_deviation);
        }

        let feeds = feeds(&reference, &interface, &weights);
        let Some(results) = run(&graph, &feeds) else { return };
        compare_outputs(&name, &reference, &results);
        compare_gradients(&name, &reference, &interface, &results);
        compare_statistics(&name, &reference, &interface, &results);
    }
}

#[test]
fn folded_pose_models_give_the_same_probabilities() {
    let references = references("pose").into_iter();
    let references: Vec<_> =
        references.filter(|(_, reference)| text(reference, "batch_norm") == "running").collect();
    assert!(!references.is_empty());
    for (name, mut reference) in references {
        let scores = &mut reference["outputs"]["score_maps"];
        for number in scores["sample"].as_array_mut().expect("numbers") {
            let logit = number.as_f64().expect("a number");
            *number = (1.0 / (1.0 + (-logit).exp())).into();
        }
        // The slope of the sigmoid is at most 1/4: so much of a logit's error is left.
        scores["largest"] = (float(&scores["largest"]) / 4.0).max(1.0).into();
        let model = pose_model(&reference);
        let weights = Weights::of(&model.inventory().expect("a network"));
        let outputs = infer(&model, &reference, &weights, |graph, built| {
            graph.output("score_maps", built.score_maps);
            graph.output("locref", built.locref);
        });
        let Some(outputs) = outputs else { return };
        compare_outputs(&name, &reference, &outputs);
    }
}

#[test]
fn exported_models_have_only_operators_of_onnx() {
    for name in ["tf_efficientnet_lite0", "efficientnet_b0", "resnet50"] {
        let trunk = Trunk::new(name.parse().expect("a name"), Depth::All);
        let model = PoseModel { trunk, keypoints: 3 };
        let weights = Weights::of(&model.inventory().expect("a network"));
        let known = |name: &str| weights.get(name);
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32(&[1, 3, 64, 64]));
        let built = model.build(&mut graph, images, Mode::Inference(&known)).expect("a network");
        graph.output("score_maps", built.outputs.score_maps);
        let lowered = lower(&graph, &Encoding::portable()).expect("a model");
        let foreign = lowered.nodes.iter().find(|node| !node.domain.is_empty());
        assert!(foreign.is_none(), "{name}: {foreign:?}");
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let model = Classifier { architecture: Architecture::ResNet50, classes: 10 };
    let build = |weights: &Weights| {
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32(&[1, 3, 64, 64]));
        let known = |name: &str| weights.get(name);
        model.build(&mut graph, images, Mode::Inference(&known)).expect_err("an error").to_string()
    };
    let mut weights = Weights::of(&model.inventory().expect("a network"));
    weights.0.get_mut("layer2.0.bn1.running_var").expect("a tensor").pop();
    let message = build(&weights);
    assert_eq!(
        message,
        "layer2.0.bn1.running_var has 127 elements in the weights, 128 in the network"
    );
    weights.0.remove("layer1.0.conv2.weight");
    assert_eq!(build(&weights), "the weights lack layer1.0.conv2.weight");
}

#[test]
fn the_page_lists_every_network() {
    let head = "| network | parameters, 1000 classes | trunk to stride 16 | its parameters | its \
                channels | whole trunk: parameters | channels |\n|---|---|---|---|---|---|---|\n";
    let mut table = head.to_owned();
    for architecture in Architecture::all().filter(|network| !network.name().starts_with("tf_")) {
        let classifier = Classifier { architecture, classes: 1000 };
        let whole = Trunk::new(architecture, Depth::All);
        let cut = (0..=architecture.last_stage())
            .rev()
            .map(|stage| Trunk::new(architecture, Depth::Stage(stage)))
            .find(|trunk| features(trunk)[1] == 16)
            .expect("a stage of stride 16");
        assert_eq!(features(&whole)[1], 32);
        writeln!(
            table,
            "| `{}` | {} | `{}` | {} | {} | {} | {} |",
            architecture.name(),
            parameters(&classifier),
            cut.depth,
            parameters(&cut),
            features(&cut)[0],
            parameters(&whole),
            features(&whole)[0]
        )
        .expect("a string grows");
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/models.md");
    let page = fs::read_to_string(page).expect("the page");
    let (before, rest) = page.split_once(head).expect("the table's head");
    let (_, after) = rest.split_once("\n\n").expect("an empty line after the table");
    let right = hold("docs/models.md", &format!("{before}{table}\n{after}"));
    assert!(right, "run `UPDATE=1 cargo test --release`");
}

/// Returns channels and stride of a trunk's features; 0 where there is no such trunk.
fn features(trunk: &Trunk) -> [usize; 2] {
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32(&[1, 3, 64, 64]));
    let mode = Mode::FrozenStatistics(Regularisation::NONE);
    let features = trunk.build(&mut graph, images, mode).map(|built| built.outputs);
    features.map_or([0; 2], |features| [graph.shape(features.value)[1], features.stride])
}

fn parameters(model: &impl Model) -> usize {
    let inventory = model.inventory().expect("a network");
    inventory.parameters.iter().map(|parameter| volume(&parameter.shape)).sum()
}

fn pose_model(reference: &Json) -> PoseModel {
    let trunk = Trunk {
        architecture: text(reference, "network").parse().expect("a network"),
        depth: text(reference, "depth").parse::<Depth>().expect("a depth"),
        output_stride: integer(&reference["output_stride"]),
    };
    PoseModel { trunk, keypoints: integer(&reference["keypoints"]) }
}

/// Adds `Σ y·h` over all outputs `y`, with hashed weights `h`.
fn hashed_loss(graph: &mut Graph, outputs: &[(&str, Value)]) -> Value {
    let mut loss = None;
    for &(name, value) in outputs {
        let shape = graph.shape(value).to_vec();
        let weights = graph.constant(&shape, hashed(&format!("loss.{name}"), volume(&shape)));
        let product = graph.mul(value, weights).expect("one shape");
        let sum = graph.reduce_sum(product, &[0, 1, 2, 3]).expect("four axes");
        loss = Some(match loss {
            Some(loss) => graph.add(loss, sum).expect("numbers"),
            None => sum,
        });
    }
    loss.expect("outputs")
}

/// Builds a model for inference, and runs it on the images of a reference.
fn infer<M: Model>(
    model: &M,
    reference: &Json,
    weights: &Weights,
    output: impl Fn(&mut Graph, &M::Outputs),
) -> Option<BTreeMap<String, Tensor>> {
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32(&shape(&reference["images"])));
    let known = |name: &str| weights.get(name);
    let built = model.build(&mut graph, images, Mode::Inference(&known)).expect("a network");
    output(&mut graph, &built.outputs);
    run(&graph, &feeds(reference, &built.interface, weights))
}

/// Runs a graph; `None` where no runtime may be downloaded.
fn run(graph: &Graph, feeds: &[(String, Tensor)]) -> Option<BTreeMap<String, Tensor>> {
    let model = encode(graph, &Encoding::plain(Provider::Cpu)).expect("a model");
    Some(run_once(&loaded()?, &model, feeds).expect("a run"))
}

fn feeds(reference: &Json, interface: &Interface, weights: &Weights) -> Vec<(String, Tensor)> {
    let shape = shape(&reference["images"]);
    let images: Vec<f32> = hashed(text(reference, "images_name"), volume(&shape))
        .iter()
        .map(|u| u * 3.0_f64.sqrt() as f32)
        .collect();
    let mut feeds = vec![("images".to_owned(), Tensor { shape, elements: images })];
    let mut add = |name: &str, shape: &[usize], elements: Vec<f32>| {
        feeds.push((name.to_owned(), Tensor { shape: shape.to_vec(), elements }));
    };
    for input in &interface.parameters {
        let name = &input.parameter.name;
        add(name, &input.parameter.shape, weights.get(name).expect("a weight").to_vec());
    }
    // Statistics of the batch take the place of running ones: those are inputs otherwise.
    if interface.statistics.is_empty() {
        for running in &interface.running {
            for name in [running.mean(), running.variance()] {
                let elements = weights.get(&name).expect("a statistic").to_vec();
                add(&name, &[running.channels], elements);
            }
        }
    }
    for mask in &interface.masks {
        let elements = hashed(&mask.name, volume(&mask.shape));
        add(&mask.name, &mask.shape, elements.iter().map(|u| 1.0 + 0.5 * u).collect());
    }
    feeds
}

fn compare_outputs(name: &str, reference: &Json, outputs: &BTreeMap<String, Tensor>) {
    for (output, expected) in reference["outputs"].as_object().expect("outputs") {
        let Tensor { shape: found, elements } = &outputs[output];
        assert_eq!(*found, shape(&expected["shape"]), "{name}: {output}");
        let sample = expected["sample"].as_array().expect("numbers");
        let largest = float(&expected["largest"]);
        let every = (elements.len() / 64).max(1);
        let pairs = elements.iter().step_by(every).zip(sample);
        assert_eq!(pairs.len(), sample.len());
        let error = pairs.fold(0.0_f64, |error, (&found, expected)| {
            error.max((f64::from(found) - float(expected)).abs())
        }) / largest;
        let trained = reference["batch_norm"] == "batch";
        let floor = if trained { GRADIENT } else { FORWARD };
        let bound = floor.max(FLOAT32 * float(&expected["float32_error"]));
        println!("{name}: {output}: {error:.1e}, bound {bound:.1e}");
        assert!(error <= bound, "{name}: {output} differs by {error:.1e}, more than {bound:.1e}");
    }
}

fn compare_gradients(
    name: &str,
    reference: &Json,
    interface: &Interface,
    results: &BTreeMap<String, Tensor>,
) {
    let expected = reference["gradients"].as_object().expect("gradients");
    let names: Vec<&String> = interface.parameters.iter().map(|p| &p.parameter.name).collect();
    assert!(names.iter().all(|name| expected.contains_key(*name)) && names.len() == expected.len());
    let largest = expected.values().map(|e| float(&e["norm"])).fold(0.0, f64::max);
    let trained = text(reference, "batch_norm") == "batch";
    let mut worst = (0.0, "", 0.0);
    for parameter in names {
        let expected = &expected[parameter];
        if trained && is_normalised_away(parameter, reference, interface) {
            let norm = float(&expected["norm"]);
            assert!(norm < 1e-9 * largest, "{name}: {parameter}: {norm} is not zero");
            continue;
        }
        let gradient = &results[&format!("{parameter}.gradient")].elements;
        let bound = GRADIENT.max(FLOAT32 * float(&expected["float32_error"]));
        let error = summary_error(parameter, gradient, expected);
        if error / bound > worst.0 {
            worst = (error / bound, parameter, error);
        }
    }
    println!("{name}: worst gradient {}: {:.1e}, {:.2} of its bound", worst.1, worst.2, worst.0);
    assert!(worst.0 <= 1.0, "{name}: gradient by {} differs by {:.1e}", worst.1, worst.2);
}

/// Says whether the gradient by a parameter is zero in theory: the last offset of a block of
/// EfficientNet, which no activation follows, moves each channel by a constant, and the next
/// blocks' 1×1 convolutions turn it into one that their batch normalisations take away. Not
/// where a mask makes it differ between images, where the next block begins with a depthwise
/// convolution, which has borders (stage 0), nor in the last stage, which hands it to the head.
fn is_normalised_away(parameter: &str, reference: &Json, interface: &Interface) -> bool {
    let parts: Vec<&str> = parameter.split('.').collect();
    let ["blocks", stage, block, norm, "bias"] = parts[..] else { return false };
    let mask = format!("blocks.{stage}.{block}.drop_path");
    let [stage, block] = [stage, block].map(|number| number.parse::<usize>().expect("a number"));
    let last = match text(reference, "depth").parse().expect("a depth") {
        Depth::Stage(last) => last,
        Depth::All => 6,
    };
    let next = format!("blocks.0.{}.", block + 1);
    let mut inputs = interface.parameters.iter();
    norm == if stage == 0 { "bn2" } else { "bn3" }
        && stage < last
        && interface.masks.iter().all(|other| other.name != mask)
        && (stage > 0 || inputs.all(|input| !input.parameter.name.starts_with(&next)))
}

fn compare_statistics(
    name: &str,
    reference: &Json,
    interface: &Interface,
    results: &BTreeMap<String, Tensor>,
) {
    let expected = reference["statistics"].as_object().expect("statistics");
    assert_eq!(expected.len(), 2 * interface.statistics.len());
    for statistics in &interface.statistics {
        let (mean, variance) = (statistics.running.mean(), statistics.running.variance());
        let epsilon = f64::from(statistics.running.epsilon);
        let count = statistics.count as f64;
        let unbiased: Vec<f32> = results[&format!("{variance}.batch")]
            .elements
            .iter()
            .map(|&inverse| {
                let biased = f64::from(inverse).powi(-2) - epsilon;
                (biased * count / (count - 1.0)) as f32
            })
            .collect();
        let means = &results[&format!("{mean}.batch")].elements;
        for (statistic, found) in [(&mean, means), (&variance, &unbiased)] {
            let error = summary_error(statistic, found, &expected[statistic]);
            assert!(error < GRADIENT, "{name}: {statistic} differs by {error:.1e}");
        }
    }
}

/// Returns the greater error of norm and product with a hashed tensor, over the norm.
fn summary_error(name: &str, found: &[f32], expected: &Json) -> f64 {
    let along = hashed(&format!("{name}.projection"), found.len());
    let found64 = || found.iter().map(|&x| f64::from(x));
    let norm = found64().map(|x| x * x).sum::<f64>().sqrt();
    let product: f64 = found64().zip(&along).map(|(x, &a)| x * f64::from(a)).sum();
    let expected_norm = float(&expected["norm"]);
    let product_error = (product - float(&expected["projection"])).abs();
    (norm - expected_norm).abs().max(product_error) / expected_norm
}

/// Hashed weights of a model by name.
struct Weights(BTreeMap<String, Vec<f32>>);

impl Weights {
    fn of(inventory: &Inventory) -> Self {
        let tensors = inventory.tensors().into_iter();
        Weights(tensors.map(|(name, shape)| (name.clone(), weights(&name, &shape))).collect())
    }

    fn get(&self, name: &str) -> Option<&[f32]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

/// See `weights` in `fixtures/models/make.py`.
pub(crate) fn weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = volume(shape);
    let map = |f: &dyn Fn(f32) -> f32| hashed(name, count).into_iter().map(f).collect();
    if name.ends_with("running_var") {
        map(&|u| 1.0 + 0.5 * u)
    } else if shape.len() > 1 {
        let gain = (6.0 / volume(&shape[1..]) as f64).sqrt() as f32;
        map(&|u| u * gain)
    } else if name.ends_with("weight") {
        let gain = if is_residual_end(name) { 0.3 } else { 1.0 };
        map(&|u| (1.0 + 0.2 * u) * gain)
    } else {
        let shift = if name.ends_with("conv_expand.bias") { 1.0 } else { 0.0 };
        map(&|u| 0.1 * u + shift)
    }
}

/// Says whether this scale is of the last batch normalisation of a block that is not its
/// stage's first.
fn is_residual_end(name: &str) -> bool {
    name.strip_suffix(".bn3.weight").is_some_and(|block| !block.ends_with(".0"))
}

/// See `hashed` in `fixtures/models/make.py`.
pub(crate) fn hashed(name: &str, count: usize) -> Vec<f32> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (0..count)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Returns the references of a kind by name, in the order of names.
fn references(kind: &str) -> Vec<(String, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models").join(kind);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a folder of references")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let bytes = fs::read(&path).expect("a reference");
            (name, serde_json::from_slice(&bytes).expect("a reference in JSON"))
        })
        .collect()
}

fn text<'a>(reference: &'a Json, key: &str) -> &'a str {
    reference[key].as_str().expect("text")
}

fn float(value: &Json) -> f64 {
    value.as_f64().expect("a number")
}

fn integer(value: &Json) -> usize {
    value.as_u64().expect("an integer") as usize
}

fn shape(value: &Json) -> Shape {
    value.as_array().expect("extents").iter().map(integer).collect()
}
