//! The graph of semantic operators that a model, its loss and its gradients are written in.
//!
//! Takes calls that add nodes, checks every shape at once, and gives values to go on with.
//! Static shapes; nodes stand in the order in which they can be computed. Knows nothing of
//! ONNX's operators or of providers: that is what [`super::encode`] chooses.

use std::rc::Rc;

use super::operator::{AnyOperator, Operator};
use super::shape::{DType, TensorType};

/// A tensor in a graph: an input, a constant or the output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(super) usize);

/// What goes wrong when a graph is built, differentiated or encoded.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The inputs of a node do not fit the operator.
    #[error("{operator} in {scope}: {problem} (inputs {})", list(inputs))]
    Inputs {
        /// Name of the operator.
        operator: &'static str,
        /// Where in the model the node stands.
        scope: String,
        /// What the operator expects.
        problem: String,
        /// What it was given.
        inputs: Vec<TensorType>,
    },
    /// A gradient was asked for through an operator that has none.
    #[error("{operator} in {scope} has no gradient")]
    NoGradient {
        /// Name of the operator.
        operator: &'static str,
        /// Where in the model the node stands.
        scope: String,
    },
    /// The gradient of a value that is not one number was asked for.
    #[error("a gradient needs a loss of one value, not of type {0}")]
    NotScalar(TensorType),
    /// No lowering of an operator applies for this provider.
    #[error("{operator} in {scope} has no lowering for {provider} (inputs {})", list(inputs))]
    NoLowering {
        /// Name of the operator.
        operator: &'static str,
        /// Where in the model the node stands.
        scope: String,
        /// Name of the provider.
        provider: &'static str,
        /// What the node is given.
        inputs: Vec<TensorType>,
    },
    /// A lowering was asked for by a name that the operator does not have.
    #[error("{operator} has no lowering `{asked}`; it has {}", known.join(", "))]
    UnknownLowering {
        /// Name of the operator.
        operator: String,
        /// The name asked for.
        asked: String,
        /// The names that there are.
        known: Vec<String>,
    },
}

fn list(types: &[TensorType]) -> String {
    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Fed on each run, under this name.
    Input(String),
    /// The same on each run.
    Constant(Rc<Constant>),
    /// An output of the node with this index.
    Node(usize),
}

/// Elements of a constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// Signed 64-bit integers.
    I64(Vec<i64>),
}

/// An operator applied to values.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is computed.
    pub operator: Rc<dyn AnyOperator>,
    /// What it is computed from.
    pub inputs: Vec<Value>,
    /// What it gives.
    pub outputs: Vec<Value>,
    /// Where in the model it stands, such as `blocks.1.0.conv_pw`.
    pub scope: String,
}

#[derive(Clone, Debug)]
struct Info {
    tensor: TensorType,
    origin: Origin,
}

/// A graph of semantic operators with static shapes.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    values: Vec<Info>,
    nodes: Vec<Node>,
    inputs: Vec<Value>,
    outputs: Vec<(String, Value)>,
    scope: Vec<String>,
}

impl Graph {
    /// Returns an empty graph.
    pub fn new() -> Self {
        Graph::default()
    }

    /// Adds a tensor that is fed on each run under `name`, which must be unique.
    pub fn input(&mut self, name: &str, tensor: TensorType) -> Value {
        let value = self.value(tensor, Origin::Input(name.to_owned()));
        self.inputs.push(value);
        value
    }

    /// Adds a 32-bit floating-point constant.
    ///
    /// # Panics
    /// When the number of elements is not that of the shape.
    pub fn constant(&mut self, shape: &[usize], elements: Vec<f32>) -> Value {
        let tensor = TensorType::f32(shape);
        assert_eq!(tensor.volume(), elements.len(), "elements of a constant of {tensor}");
        self.value(tensor, Origin::Constant(Rc::new(Constant::F32(elements))))
    }

    /// Adds a constant scalar.
    pub fn scalar(&mut self, number: f32) -> Value {
        self.constant(&[], vec![number])
    }

    /// Adds a constant vector of integers.
    pub fn integers(&mut self, elements: Vec<i64>) -> Value {
        let tensor = TensorType { dtype: DType::I64, shape: vec![elements.len()] };
        self.value(tensor, Origin::Constant(Rc::new(Constant::I64(elements))))
    }

    /// Gives a value to the outside under `name`, which must be unique.
    pub fn output(&mut self, name: &str, value: Value) {
        self.outputs.push((name.to_owned(), value));
    }

    /// Runs `build` with `name` added to the scope of the nodes that it adds.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn scoped<T>(
        &mut self,
        name: &str,
        build: impl FnOnce(&mut Graph) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        self.scope.push(name.to_owned());
        let built = build(self);
        self.scope.pop();
        built
    }

    /// Adds a node and returns all its outputs.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the inputs do not fit the operator.
    pub fn add_node<O: Operator>(
        &mut self,
        operator: O,
        inputs: &[Value],
    ) -> Result<Vec<Value>, GraphError> {
        let types: Vec<&TensorType> = inputs.iter().map(|&value| self.tensor(value)).collect();
        let scope = self.scope.join(".");
        let outputs = operator.output_types(&types).map_err(|problem| GraphError::Inputs {
            operator: O::NAME,
            scope: scope.clone(),
            problem,
            inputs: types.iter().map(|&tensor| tensor.clone()).collect(),
        })?;
        let index = self.nodes.len();
        let outputs: Vec<Value> =
            outputs.into_iter().map(|tensor| self.value(tensor, Origin::Node(index))).collect();
        self.nodes.push(Node {
            operator: Rc::new(operator),
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            scope,
        });
        Ok(outputs)
    }

    /// Adds a node of one output and returns that.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the inputs do not fit the operator.
    pub fn apply<O: Operator>(
        &mut self,
        operator: O,
        inputs: &[Value],
    ) -> Result<Value, GraphError> {
        Ok(self.add_node(operator, inputs)?[0])
    }

    /// Adds a node once more, with other inputs of the same types, and returns its outputs.
    pub(super) fn repeat(&mut self, node: &Node, inputs: &[Value]) -> Vec<Value> {
        let index = self.nodes.len();
        let types: Vec<TensorType> = node.outputs.iter().map(|v| self.tensor(*v).clone()).collect();
        let outputs: Vec<Value> =
            types.into_iter().map(|tensor| self.value(tensor, Origin::Node(index))).collect();
        let scope = self.scope.join(".");
        self.nodes.push(Node {
            operator: Rc::clone(&node.operator),
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            scope,
        });
        outputs
    }

    /// Returns the type of a value.
    pub fn tensor(&self, value: Value) -> &TensorType {
        &self.values[value.0].tensor
    }

    /// Returns the extents of a value.
    pub fn shape(&self, value: Value) -> &[usize] {
        &self.tensor(value).shape
    }

    /// Returns where a value comes from.
    pub fn origin(&self, value: Value) -> &Origin {
        &self.values[value.0].origin
    }

    /// Returns the nodes in the order in which they can be computed.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns what is fed on each run.
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// Returns what is given to the outside, with its names.
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }

    /// Returns the number of values, each with an index below it.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    fn value(&mut self, tensor: TensorType, origin: Origin) -> Value {
        self.values.push(Info { tensor, origin });
        Value(self.values.len() - 1)
    }
}
