//! Checks of operators, for their tests: gradients against finite differences, and lowerings
//! against each other, all on the CPU provider.

use std::collections::{BTreeMap, HashSet};

use super::runtime::{Runtime, for_tests};
use super::session::{Tensor, run_once};
use crate::onnx::cuda::Kernels;
use crate::onnx::{
    CustomOperators, DType, Encoding, Graph, GraphError, Origin, Precision, Provider, TensorType,
    Value, encode, gradients, lower, volume,
};

/// Step of the central differences, in the direction's own unit.
const STEP: f32 = 1e-2;
/// Relative error allowed of 32-bit central differences.
const TOLERANCE: f32 = 1e-2;
/// Relative error allowed between lowerings, which differ only in the order of sums.
const SAME: f32 = 2e-5;
/// Error allowed against 64-bit references, relative to the greatest element: some tens of
/// roundings of 32-bit numbers (6e-8 each), which sums of up to a few hundred terms make.
const REFERENCE: f64 = 1e-5;
/// The same where products are computed in half precision, whose roundings are up to 5e-4.
const HALF: f64 = 5e-3;

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
    let Some(runtime) = for_tests() else { return };
    let outputs = |inputs: &[(String, Tensor)], kind: Loss, encoding: &Encoding| {
        outputs(&runtime, inputs, &build, kind, encoding)
    };
    let shapes: Vec<&[usize]> = inputs.iter().map(|(_, tensor)| &tensor.shape[..]).collect();
    let whole = graph(&named(&shapes), &build, Loss::WithGradients).expect("a graph that fits");
    for (name, encoding) in encodings(&whole) {
        let analytic = outputs(&inputs, Loss::WithGradients, &encoding);
        for (index, (input, tensor)) in inputs.iter().enumerate() {
            let direction = random(tensor.elements.len(), 100 + index as u64);
            let loss = |sign: f32| {
                let mut moved = inputs.clone();
                let elements = &mut moved[index].1.elements;
                for (element, along) in elements.iter_mut().zip(&direction) {
                    *element += sign * STEP * along;
                }
                outputs(&moved, Loss::Only, &encoding)["loss"].elements[0]
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
    let Some(runtime) = for_tests() else { return };
    let shapes: Vec<&[usize]> = inputs.iter().map(|(_, tensor)| &tensor.shape[..]).collect();
    let kind = match differentiable(&shapes, build) {
        true => Loss::WithGradients,
        false => Loss::Only,
    };
    let whole = graph(&named(&shapes), build, kind).expect("a graph that fits");
    let mut encodings = encodings(&whole).into_iter();
    let (_, first) = encodings.next().expect("the plain encoding");
    let expected = outputs(&runtime, inputs, build, kind, &first);
    for (name, encoding) in encodings {
        for (output, tensor) in outputs(&runtime, inputs, build, kind, &encoding) {
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
/// each lowering of each operator in the graph; of those that give the same model only the
/// first.
fn encodings(graph: &Graph) -> Vec<(String, Encoding)> {
    let plain = Encoding::plain(Provider::Cpu);
    let custom = Encoding { custom: CustomOperators::Use, ..plain.clone() };
    let mut encodings = vec![
        ("cpu".to_owned(), plain.clone()),
        ("cuda".to_owned(), Encoding::plain(Provider::Cuda)),
        ("custom".to_owned(), custom),
    ];
    let mut lowerings = BTreeMap::new();
    for node in graph.nodes() {
        lowerings.insert(node.operator.name(), node.operator.lowering_names());
    }
    for (operator, names) in lowerings {
        for name in names {
            let lowerings = BTreeMap::from([(operator.to_owned(), name.to_owned())]);
            let encoding = Encoding { lowerings, ..plain.clone() };
            encodings.push((format!("{operator} as {name}"), encoding));
        }
    }
    let mut seen = HashSet::new();
    encodings.retain(|(_, encoding)| {
        seen.insert(encode(graph, encoding).expect("a graph that can be written"))
    });
    encodings
}

fn outputs(
    runtime: &Runtime,
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
    run_once(runtime, &model, inputs).expect("a model that runs")
}

/// Runs a model once on the CPU provider; `None` where no runtime may be downloaded.
///
/// # Panics
/// When it does not run.
pub(crate) fn run(model: &[u8], inputs: &[(String, Tensor)]) -> Option<BTreeMap<String, Tensor>> {
    let runtime = for_tests()?;
    Some(run_once(&runtime, model, inputs).expect("a model that runs"))
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
    // Not a multiple of the step below, for else one seed's numbers would be another's, shifted.
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95);
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

/// A case of a file of `fixtures/ops`, whose script says what the numbers are.
pub(crate) struct Case(serde_json::Value);

impl Case {
    /// Returns an attribute that is a list of whole numbers, as an array or a vector.
    pub(crate) fn list<T: TryFrom<Vec<usize>, Error: std::fmt::Debug>>(&self, name: &str) -> T {
        let list = self.0["attributes"][name].as_array().unwrap_or_else(|| panic!("{name}"));
        let list: Vec<usize> = list.iter().map(|x| x.as_u64().expect("a count") as usize).collect();
        list.try_into().expect("as many numbers as the attribute has")
    }

    /// Returns an attribute that is a whole number.
    pub(crate) fn whole(&self, name: &str) -> usize {
        self.0["attributes"][name].as_u64().unwrap_or_else(|| panic!("{name}")) as usize
    }

    /// Returns an attribute that is a number.
    pub(crate) fn number(&self, name: &str) -> f32 {
        self.0["attributes"][name].as_f64().unwrap_or_else(|| panic!("{name}")) as f32
    }

    /// Returns an attribute that is a word.
    pub(crate) fn word(&self, name: &str) -> &str {
        self.0["attributes"][name].as_str().unwrap_or_else(|| panic!("{name}"))
    }

    fn inputs(&self) -> Vec<(String, Tensor)> {
        let inputs = self.0["inputs"].as_array().expect("inputs").iter().enumerate();
        inputs
            .map(|(index, input)| {
                let shape = shape(input);
                let [offset, scale] =
                    ["offset", "scale"].map(|key| input[key].as_f64().expect("a number") as f32);
                let numbers = random(volume(&shape), index as u64);
                let elements = numbers.into_iter().map(|number| offset + scale * number).collect();
                (format!("x{index}"), Tensor { shape, elements })
            })
            .collect()
    }

    /// Returns what is expected, by the names of the outputs of [`Case::graph`].
    fn expected(&self) -> BTreeMap<String, Vec<f64>> {
        let results = self.0["results"].as_array().expect("results").iter().enumerate();
        let results = results.map(|(index, one)| (format!("y{index}"), numbers(&one["elements"])));
        let gradients = self.0["gradients"].as_array().expect("gradients").iter().enumerate();
        let gradients = gradients
            .filter(|(_, one)| !one.is_null())
            .map(|(index, one)| (format!("x{index}.gradient"), numbers(one)));
        results.chain(gradients).collect()
    }

    /// Builds the graph: results, loss and gradients as the script computes them.
    fn graph(
        &self,
        inputs: &[(String, Tensor)],
        build: impl Fn(&mut Graph, &Case, &[Value]) -> Result<Vec<Value>, GraphError>,
    ) -> Result<Graph, GraphError> {
        let mut graph = Graph::new();
        let values: Vec<Value> = inputs
            .iter()
            .map(|(name, tensor)| graph.input(name, TensorType::f32(&tensor.shape)))
            .collect();
        let results = build(&mut graph, self, &values)?;
        for (index, &result) in results.iter().enumerate() {
            graph.output(&format!("y{index}"), result);
        }
        let differentiated = self.0["gradients"].as_array().expect("gradients").iter();
        let by: Vec<Value> = values
            .into_iter()
            .zip(differentiated)
            .filter_map(|(value, gradient)| (!gradient.is_null()).then_some(value))
            .collect();
        if by.is_empty() {
            return Ok(graph);
        }
        let mut loss = graph.scalar(0.0);
        for (index, &result) in results.iter().enumerate() {
            let shape = graph.shape(result).to_vec();
            let weights = random(volume(&shape), 1000 + index as u64);
            let weights = graph.constant(&shape, weights);
            let product = graph.mul(result, weights)?;
            let axes: Vec<usize> = (0..graph.shape(result).len()).collect();
            let sum = graph.reduce_sum(product, &axes)?;
            loss = graph.add(loss, sum)?;
        }
        for (&value, gradient) in by.iter().zip(gradients(&mut graph, loss, &by)?) {
            let Origin::Input(name) = graph.origin(value).clone() else { unreachable!("an input") };
            let gradient = gradient.expect("the loss depends on each input");
            graph.output(&format!("{name}.gradient"), gradient);
        }
        Ok(graph)
    }
}

fn shape(json: &serde_json::Value) -> Vec<usize> {
    let shape = json["shape"].as_array().expect("a shape").iter();
    shape.map(|extent| extent.as_u64().expect("an extent") as usize).collect()
}

fn numbers(json: &serde_json::Value) -> Vec<f64> {
    json.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// Checks an operator against PyTorch's results and gradients, for every lowering of every
/// operator in the graph, in half precision too. What is written for CUDA must also have its
/// kernels there. `json` is the operator's file of `fixtures/ops`; `build` adds the operator
/// with the attributes of a case and returns the results that the file has.
///
/// # Panics
/// When a result or a gradient differs, or CUDA would not run a node.
pub(crate) fn reference(
    json: &str,
    build: impl Fn(&mut Graph, &Case, &[Value]) -> Result<Vec<Value>, GraphError>,
) {
    let cases: Vec<serde_json::Value> = serde_json::from_str(json).expect("cases");
    assert!(!cases.is_empty(), "no case");
    let kernels = Kernels::parse(include_str!("../../fixtures/cuda/ort-kernels.tsv"));
    let kernels = kernels.expect("a table");
    let cuda = Encoding::plain(Provider::Cuda);
    let half = Encoding { precision: Precision::Half, ..cuda.clone() };
    for case in cases.into_iter().map(Case) {
        let name = case.0["name"].as_str().expect("a name");
        let inputs = case.inputs();
        let expected = case.expected();
        let graph = case.graph(&inputs, &build).unwrap_or_else(|error| panic!("{name}: {error}"));
        for encoding in [&cuda, &half] {
            let lowered = lower(&graph, encoding).expect("a graph that can be written");
            assert_eq!(kernels.problems(&lowered), [""; 0], "{name}");
        }
        let halves = [("half".to_owned(), half.clone())];
        for (encoded, encoding) in encodings(&graph).into_iter().chain(halves) {
            let allowed = if encoding == half { HALF } else { REFERENCE };
            let model = encode(&graph, &encoding).expect("a graph that can be written");
            let Some(found) = run(&model, &inputs) else { return };
            assert!(found.keys().eq(expected.keys()), "{name}: {:?}", found.keys());
            for (output, expected) in &expected {
                let found = &found[output].elements;
                assert_eq!(found.len(), expected.len(), "{name}, {encoded}: {output}");
                let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                let pairs = found.iter().zip(expected);
                let error = pairs.fold(0.0_f64, |m, (a, b)| m.max((f64::from(*a) - b).abs()));
                assert!(
                    error <= allowed * if largest > 0.0 { largest } else { 1.0 },
                    "{name}, {encoded}: {output} differs by {error} of {largest}"
                );
            }
        }
    }
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
