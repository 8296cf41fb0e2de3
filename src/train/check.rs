//! Checks of operators, for their tests: gradients against finite differences, and lowerings
//! against each other, all on the CPU provider.

use std::collections::BTreeMap;

use super::session::{Tensor, run_once};
use crate::onnx::{
    CustomOperators, DType, Encoding, Graph, GraphError, Provider, TensorType, Value, encode,
    gradients, lower, volume,
};

/// Step of the central differences, in the direction's own unit.
const STEP: f32 = 1e-2;
/// Relative error allowed of 32-bit central differences.
const TOLERANCE: f32 = 1e-2;
/// Relative error allowed between lowerings, which differ only in the order of sums.
const SAME: f32 = 2e-5;

type Build<'a> = &'a dyn Fn(&mut Graph, &[Value]) -> Result<Value, GraphError>;

/// Checks the gradient of `build` by each of its inputs along random directions, for every
/// lowering of every operator that it is made of.
///
/// # Panics
/// When a gradient differs from the finite difference, or a lowering from the others.
pub(crate) fn gradient(
    shapes: &[&[usize]],
    build: impl Fn(&mut Graph, &[Value]) -> Result<Value, GraphError>,
) {
    gradient_at(random_inputs(shapes), build);
}

/// Checks like [`gradient`], at given inputs: for functions with kinks, away from which the
/// inputs must stay by more than [`STEP`].
///
/// # Panics
/// When a gradient differs from the finite difference, or a lowering from the others.
pub(crate) fn gradient_at(
    inputs: Vec<(String, Tensor)>,
    build: impl Fn(&mut Graph, &[Value]) -> Result<Value, GraphError>,
) {
    let shapes: Vec<&[usize]> = inputs.iter().map(|(_, tensor)| &tensor.shape[..]).collect();
    for (name, encoding) in encodings(&shapes, &build, Loss::WithGradients) {
        let analytic = outputs(&inputs, &build, Loss::WithGradients, &encoding);
        for (index, (input, tensor)) in inputs.iter().enumerate() {
            let direction = random(tensor.elements.len(), 100 + index as u64);
            let loss = |sign: f32| {
                let mut moved = inputs.clone();
                let elements = &mut moved[index].1.elements;
                for (element, along) in elements.iter_mut().zip(&direction) {
                    *element += sign * STEP * along;
                }
                outputs(&moved, &build, Loss::Only, &encoding)["loss"].elements[0]
            };
            let numeric = (loss(1.0) - loss(-1.0)) / (2.0 * STEP);
            let by_input = &analytic[&format!("{input}.gradient")];
            let along: f32 = by_input.elements.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let norm = by_input.elements.iter().map(|g| g * g).sum::<f32>().sqrt();
            let error = (along - numeric).abs() / norm.max(1e-3);
            assert!(
                error < TOLERANCE,
                "{name}: {input} {:?}: gradient {along}, finite difference {numeric}",
                tensor.shape
            );
        }
    }
    lowerings_at(&inputs, &build);
}

/// Checks that every lowering of every operator in `build` and in its gradients gives the same.
///
/// # Panics
/// When one differs.
pub(crate) fn lowerings(
    shapes: &[&[usize]],
    build: impl Fn(&mut Graph, &[Value]) -> Result<Value, GraphError>,
) {
    lowerings_at(&random_inputs(shapes), &build);
}

fn lowerings_at(inputs: &[(String, Tensor)], build: Build) {
    let shapes: Vec<&[usize]> = inputs.iter().map(|(_, tensor)| &tensor.shape[..]).collect();
    let kind = match differentiable(&shapes, build) {
        true => Loss::WithGradients,
        false => Loss::Only,
    };
    let mut encodings = encodings(&shapes, build, kind).into_iter();
    let (_, first) = encodings.next().expect("the plain encoding");
    let expected = outputs(inputs, build, kind, &first);
    for (name, encoding) in encodings {
        for (output, tensor) in outputs(inputs, build, kind, &encoding) {
            let expected = &expected[&output];
            assert_eq!(tensor.shape, expected.shape, "{name}: {output}");
            let largest = expected.elements.iter().fold(1e-3_f32, |m, x| m.max(x.abs()));
            let pairs = tensor.elements.iter().zip(&expected.elements);
            let error = pairs.fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / largest;
            assert!(error < SAME, "{name}: {output} differs by {error}");
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Loss {
    Only,
    WithGradients,
}

/// Builds the graph: the loss is the result times fixed random weights, summed.
fn graph(shapes: &[(String, Vec<usize>)], build: Build, kind: Loss) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let inputs: Vec<Value> =
        shapes.iter().map(|(name, shape)| graph.input(name, TensorType::f32(shape))).collect();
    let result = build(&mut graph, &inputs)?;
    let shape = graph.shape(result).to_vec();
    let weights = graph.constant(&shape, random(volume(&shape), 7));
    let product = graph.mul(result, weights)?;
    let axes: Vec<usize> = (0..shape.len()).collect();
    let loss = graph.reduce_sum(product, &axes)?;
    graph.output("loss", loss);
    graph.output("result", result);
    if kind == Loss::WithGradients {
        for (index, gradient) in gradients(&mut graph, loss, &inputs)?.into_iter().enumerate() {
            let gradient = gradient.expect("the loss depends on each input");
            graph.output(&format!("{}.gradient", shapes[index].0), gradient);
        }
    }
    Ok(graph)
}

fn named(shapes: &[&[usize]]) -> Vec<(String, Vec<usize>)> {
    shapes.iter().enumerate().map(|(i, shape)| (format!("x{i}"), shape.to_vec())).collect()
}

fn differentiable(shapes: &[&[usize]], build: Build) -> bool {
    match graph(&named(shapes), build, Loss::WithGradients) {
        Ok(_) => true,
        Err(GraphError::NoGradient { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Returns the plain encodings of both providers, the one with custom operators, and one for
/// each lowering of each operator in the graph.
fn encodings(shapes: &[&[usize]], build: Build, kind: Loss) -> Vec<(String, Encoding)> {
    let graph = graph(&named(shapes), build, kind).expect("a graph that fits");
    let plain = Encoding::plain(Provider::Cpu);
    let mut encodings = vec![
        ("cpu".to_owned(), plain.clone()),
        ("cuda".to_owned(), Encoding::plain(Provider::Cuda)),
    ];
    let custom = super::kernels::available();
    if custom {
        let custom = Encoding { custom: CustomOperators::Use, ..plain.clone() };
        encodings.push(("custom".to_owned(), custom));
    }
    let mut seen = BTreeMap::new();
    for node in graph.nodes() {
        seen.insert(node.operator.name(), node.operator.lowering_names());
    }
    for (operator, names) in seen {
        for name in names.into_iter().filter(|name| custom || *name != "labelvet") {
            let lowerings = BTreeMap::from([(operator.to_owned(), name.to_owned())]);
            let encoding = Encoding { lowerings, ..plain.clone() };
            encodings.push((format!("{operator} as {name}"), encoding));
        }
    }
    encodings
}

fn outputs(
    inputs: &[(String, Tensor)],
    build: Build,
    kind: Loss,
    encoding: &Encoding,
) -> BTreeMap<String, Tensor> {
    let shapes: Vec<_> =
        inputs.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
    let graph = graph(&shapes, build, kind).expect("a graph that fits");
    let model = encode(&graph, encoding).expect("a graph that can be written");
    let lowered = lower(&graph, encoding).expect("a graph that can be written");
    debug_assert!(lowered.inputs.iter().all(|&arg| lowered.tensor(arg).dtype == DType::F32));
    run(&model, inputs)
}

/// Runs a model once on the CPU provider.
///
/// # Panics
/// When it does not run.
pub(crate) fn run(model: &[u8], inputs: &[(String, Tensor)]) -> BTreeMap<String, Tensor> {
    run_once(super::runtime::environment(), model, inputs).expect("a model that runs")
}

fn random_inputs(shapes: &[&[usize]]) -> Vec<(String, Tensor)> {
    named(shapes)
        .into_iter()
        .enumerate()
        .map(|(i, (name, shape))| {
            let elements = random(volume(&shape), i as u64);
            (name, Tensor { shape, elements })
        })
        .collect()
}

/// Returns numbers between −1 and 1 that depend on the seed only (SplitMix64).
pub(crate) fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..count)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            ((z >> 40) as f32 / (1 << 23) as f32) - 1.0
        })
        .collect()
}

/// Returns inputs between 1 and 2, for functions that are not defined everywhere.
pub(crate) fn positive(shapes: &[&[usize]]) -> Vec<(String, Tensor)> {
    let mut inputs = random_inputs(shapes);
    for (_, tensor) in &mut inputs {
        tensor.elements.iter_mut().for_each(|element| *element = 0.5 * *element + 1.5);
    }
    inputs
}

/// Returns inputs whose elements lie 0.1 or more apart, in any order and around 0, for
/// functions that compare them. The places of several inputs follow each other.
pub(crate) fn distinct(shapes: &[&[usize]]) -> Vec<(String, Tensor)> {
    let mut inputs = random_inputs(shapes);
    let count: usize = inputs.iter().map(|(_, tensor)| tensor.elements.len()).sum();
    let keys = random(count, 11);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    let elements = inputs.iter_mut().flat_map(|(_, tensor)| &mut tensor.elements);
    for (element, place) in elements.zip(order) {
        *element = 0.1 * (place as f32 - (count / 2) as f32) + 0.05;
    }
    inputs
}
