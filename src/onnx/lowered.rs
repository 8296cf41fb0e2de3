//! A graph of ONNX operators: what lowerings write, what is checked and serialised.
//!
//! The operator set is [`OPSET`], the last in which `BatchNormalization` has five outputs, the
//! only form that both providers train with.

use std::collections::BTreeMap;

use super::proto;
use super::shape::{DType, TensorType};

/// Version of ONNX's operator set.
pub const OPSET: i64 = 13;
/// Version in which `ScatterElements` can sum; all other operators that are written here are
/// the same in it, but for the training form of `BatchNormalization`.
const SCATTER_OPSET: i64 = 16;
/// Domain of ONNX Runtime's own operators.
pub const MICROSOFT: &str = "com.microsoft";
/// Domain of labelvet's custom operators.
pub const LABELVET: &str = "labelvet";

/// A tensor of the graph being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arg(pub(super) usize);

/// An attribute of an ONNX node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(Vec<i64>),
    /// A number.
    Float(f32),
    /// Text.
    Text(String),
}

/// An ONNX node.
#[derive(Clone, Debug)]
pub struct LoweredNode {
    /// Domain of the operator; empty for ONNX's own.
    pub domain: &'static str,
    /// Name of the operator.
    pub operator: &'static str,
    /// Unique name: where in the model it stands, and a number.
    pub name: String,
    /// Inputs; `None` where an optional one is left out.
    pub inputs: Vec<Option<Arg>>,
    /// Outputs.
    pub outputs: Vec<Arg>,
    /// Attributes by name.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// Elements of an initializer, little-endian.
#[derive(Clone, Debug)]
pub struct Initializer {
    /// The tensor that it fills.
    pub arg: Arg,
    /// Row-major elements, little-endian.
    pub bytes: Vec<u8>,
}

/// A graph of ONNX operators, ready to be checked and serialised.
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    pub(super) args: Vec<(String, TensorType)>,
    /// Nodes in the order in which they can be computed.
    pub nodes: Vec<LoweredNode>,
    /// Constants.
    pub initializers: Vec<Initializer>,
    /// What is fed on each run.
    pub inputs: Vec<Arg>,
    /// What is given to the outside.
    pub outputs: Vec<Arg>,
    /// Whether inputs and outputs may have another first extent than the graph says.
    pub batch: Batch,
    /// What the file says besides, by key.
    pub metadata: BTreeMap<String, String>,
}

/// Whether a model file takes batches of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batch {
    /// All extents are as the graph says.
    #[default]
    Fixed,
    /// The first extent of inputs and outputs is free. No node may depend on it.
    Free,
}

impl Lowered {
    /// Returns the name of a tensor.
    pub fn name(&self, arg: Arg) -> &str {
        &self.args[arg.0].0
    }

    /// Returns the type of a tensor.
    pub fn tensor(&self, arg: Arg) -> &TensorType {
        &self.args[arg.0].1
    }

    /// Returns the version of ONNX's operator set that the nodes are of: [`OPSET`], or the one
    /// that first has a sum in `ScatterElements`.
    pub fn opset(&self) -> i64 {
        let scatters = self
            .nodes
            .iter()
            .any(|node| node.attributes.iter().any(|(name, _)| *name == "reduction"));
        if scatters { SCATTER_OPSET } else { OPSET }
    }

    /// Returns the bytes of an ONNX model, to be run or saved.
    pub fn to_bytes(&self) -> Vec<u8> {
        proto::serialise(self)
    }

    /// Returns the elements of a constant of integers; `None` for other tensors.
    pub fn integers(&self, arg: Arg) -> Option<Vec<i64>> {
        let initializer = self.initializers.iter().find(|initializer| initializer.arg == arg)?;
        (self.tensor(arg).dtype == DType::I64).then(|| {
            let words = initializer.bytes.chunks_exact(8);
            words.map(|word| i64::from_le_bytes(word.try_into().expect("eight bytes"))).collect()
        })
    }
}
