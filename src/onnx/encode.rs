//! From semantic operators to an ONNX model: chooses lowerings and serialises.
//!
//! Takes a graph and an [`Encoding`]; gives the list of ONNX nodes, to be checked, or the bytes
//! of a model, to be run or saved.

use std::collections::BTreeMap;

use super::emit::Emit;
use super::graph::{Constant, Graph, GraphError, Origin};
use super::lowered::{Arg, Lowered};
use super::operator::Provider;

/// Prefix of the names of lowerings that use labelvet's custom operators.
const CUSTOM: &str = "labelvet";

/// How a graph is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Where it will run.
    pub provider: Provider,
    /// Whether convolutions and matrix products are computed in half precision.
    pub precision: Precision,
    /// Whether labelvet's custom operators may be used. An exported model has none.
    pub custom: CustomOperators,
    /// Lowerings asked for: name of the operator → name of the lowering. Where the one asked
    /// for does not apply, the provider's own choice is taken.
    pub lowerings: BTreeMap<String, String>,
}

/// Number format of convolutions and matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floating point throughout.
    Full,
    /// 16-bit floating point between casts; the rest stays in 32 bits.
    Half,
}

/// Whether lowerings with labelvet's custom operators are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomOperators {
    /// They are taken where there is one.
    Use,
    /// Only operators that every ONNX Runtime has.
    Avoid,
}

impl Encoding {
    /// Returns the plain encoding for a provider: full precision, no custom operators.
    pub fn plain(provider: Provider) -> Self {
        Encoding {
            provider,
            precision: Precision::Full,
            custom: CustomOperators::Avoid,
            lowerings: BTreeMap::new(),
        }
    }

    /// Returns the encoding of a model that leaves ONNX Runtime: inference graphs have ONNX's
    /// own operators only.
    pub fn portable() -> Self {
        let standard = ("Activate".to_owned(), "standard".to_owned());
        Encoding { lowerings: BTreeMap::from([standard]), ..Encoding::plain(Provider::Cpu) }
    }
}

/// Writes a graph with ONNX operators. Nodes that no output needs are left out.
///
/// # Errors
/// [`GraphError::NoLowering`] where none applies, [`GraphError::UnknownLowering`] where one is
/// asked for that the operator does not have.
pub fn lower(graph: &Graph, encoding: &Encoding) -> Result<Lowered, GraphError> {
    let needed = needed_nodes(graph);
    let mut emit = Emit::new(encoding.provider, encoding.precision == Precision::Half);
    let mut args: Vec<Option<Arg>> = vec![None; graph.len()];
    for &value in graph.inputs() {
        if let Origin::Input(name) = graph.origin(value) {
            args[value.0] = Some(emit.input(name, graph.tensor(value).clone()));
        }
    }
    for (index, node) in graph.nodes().iter().enumerate() {
        if !needed[index] {
            continue;
        }
        let inputs: Vec<Arg> = node
            .inputs
            .iter()
            .map(|&value| {
                *args[value.0].get_or_insert_with(|| match graph.origin(value) {
                    Origin::Constant(constant) => {
                        emit.constant(graph.tensor(value).clone(), bytes(constant))
                    }
                    Origin::Input(_) | Origin::Node(_) => {
                        unreachable!("inputs and earlier nodes have been written")
                    }
                })
            })
            .collect();
        emit.enter(&node.scope);
        let operator = &node.operator;
        let asked = encoding.lowerings.get(operator.name());
        if let Some(asked) = asked.filter(|&asked| !operator.lowering_names().contains(&&**asked)) {
            return Err(GraphError::UnknownLowering {
                operator: operator.name().to_owned(),
                asked: asked.clone(),
                known: operator.lowering_names().iter().map(ToString::to_string).collect(),
            });
        }
        let by_name = |name: &'static str, _: &'static [Provider]| {
            asked.is_some_and(|asked| asked.as_str() == name)
        };
        let unasked = |name: &'static str, providers: &'static [Provider]| {
            let custom = name.starts_with(CUSTOM);
            providers.contains(&encoding.provider)
                && (!custom || encoding.custom == CustomOperators::Use)
        };
        let outputs = operator
            .lower(&mut emit, &inputs, &by_name)
            .or_else(|| operator.lower(&mut emit, &inputs, &unasked))
            .ok_or_else(|| GraphError::NoLowering {
                operator: operator.name(),
                scope: node.scope.clone(),
                provider: encoding.provider.name(),
                inputs: node.inputs.iter().map(|&value| graph.tensor(value).clone()).collect(),
            })?;
        for (&value, arg) in node.outputs.iter().zip(outputs) {
            debug_assert_eq!(emit.tensor(arg), graph.tensor(value), "{operator:?}");
            args[value.0] = Some(arg);
        }
    }
    emit.enter("");
    for (name, value) in graph.outputs() {
        let arg = args[value.0].unwrap_or_else(|| match graph.origin(*value) {
            Origin::Constant(constant) => {
                emit.constant(graph.tensor(*value).clone(), bytes(constant))
            }
            Origin::Input(_) | Origin::Node(_) => unreachable!("what an output needs is written"),
        });
        emit.output(name, arg);
    }
    Ok(emit.finish())
}

/// Writes a graph as the bytes of an ONNX model, to be run or saved to a file.
///
/// # Errors
/// Those of [`lower`].
pub fn encode(graph: &Graph, encoding: &Encoding) -> Result<Vec<u8>, GraphError> {
    Ok(lower(graph, encoding)?.to_bytes())
}

/// Says of each node whether an output of the graph needs it.
pub(super) fn needed_nodes(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    let mut wanted = vec![false; graph.len()];
    for (_, value) in graph.outputs() {
        wanted[value.0] = true;
    }
    for (index, node) in graph.nodes().iter().enumerate().rev() {
        needed[index] = node.outputs.iter().any(|value| wanted[value.0]);
        if needed[index] {
            for input in &node.inputs {
                wanted[input.0] = true;
            }
        }
    }
    needed
}

fn bytes(constant: &Constant) -> Vec<u8> {
    match constant {
        Constant::F32(numbers) => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Constant::I64(numbers) => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}
