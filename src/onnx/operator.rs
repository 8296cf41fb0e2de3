//! What an operator is: its output types, its gradient and its lowerings.
//!
//! An operator's file has all three. A lowering writes the operator with ONNX's own (or a
//! runtime's, or labelvet's) operators; which one is taken is chosen when a graph is encoded,
//! by provider and by what the lowering can do, or by name.

use std::any::Any;
use std::fmt;

use super::emit::Emit;
use super::graph::{Graph, GraphError, Value};
use super::lowered::Arg;
use super::shape::TensorType;

/// Where an encoded graph will run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// ONNX Runtime's CPU provider.
    Cpu,
    /// ONNX Runtime's CUDA provider.
    Cuda,
}

impl Provider {
    /// Both providers, for lowerings that suit either.
    pub const ALL: &'static [Provider] = &[Provider::Cpu, Provider::Cuda];

    /// Returns `cpu` or `cuda`.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
        }
    }
}

/// One way to write an operator with the runtime's operators.
pub struct Lowering<O> {
    /// Name by which it can be asked for, unique within the operator.
    pub name: &'static str,
    /// Providers that it is taken for unasked. Asked for by name, it is taken anywhere.
    pub providers: &'static [Provider],
    /// Says whether it can write this operator for inputs of these types.
    pub applies: fn(&O, &[&TensorType]) -> bool,
    /// Writes the operator: takes its inputs, returns its outputs.
    pub emit: fn(&O, &mut Emit, &[Arg]) -> Vec<Arg>,
}

/// Says that a lowering applies whatever the inputs.
pub fn always<O>(_: &O, _: &[&TensorType]) -> bool {
    true
}

/// A node whose gradient is asked for.
#[derive(Clone, Debug)]
pub struct Step {
    /// Inputs of the node.
    pub inputs: Vec<Value>,
    /// Outputs of the node.
    pub outputs: Vec<Value>,
    /// Gradient of the loss by each output; `None` where the loss does not depend on it.
    pub gradients: Vec<Option<Value>>,
    /// Which inputs need a gradient.
    pub wanted: Vec<bool>,
}

impl Step {
    /// Returns the gradient by the first output, which every reached node of one output has.
    pub fn d(&self) -> Value {
        self.gradients[0].expect("a node of one output is reached through that output")
    }
}

/// A semantic operator.
pub trait Operator: fmt::Debug + Sized + 'static {
    /// Name of the operator, as in `Conv`.
    const NAME: &'static str;

    /// Returns the types of the outputs, or what the operator expects of its inputs.
    ///
    /// # Errors
    /// A fragment that says what does not fit.
    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String>;

    /// Adds the nodes that compute the gradient of the loss by each wanted input, and returns
    /// these gradients; `None` for inputs that are not wanted or do not move the loss.
    ///
    /// # Errors
    /// [`GraphError::NoGradient`] where the operator has none, which is the default.
    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let _ = (graph, step);
        Err(GraphError::NoGradient { operator: Self::NAME, scope: String::new() })
    }

    /// Returns the ways to write this operator, the preferred first.
    fn lowerings() -> &'static [Lowering<Self>];
}

/// An operator of any kind: what graphs hold.
pub trait AnyOperator: fmt::Debug {
    /// Returns the name of the operator.
    fn name(&self) -> &'static str;
    /// See [`Operator::gradient`].
    ///
    /// # Errors
    /// [`GraphError::NoGradient`] where the operator has none.
    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError>;
    /// Returns the names of all lowerings.
    fn lowering_names(&self) -> Vec<&'static str>;
    /// Writes the operator by the first lowering that `choose` and the types of the inputs
    /// admit; `None` when there is none. `choose` is given a lowering's name and providers.
    fn lower(
        &self,
        emit: &mut Emit,
        inputs: &[Arg],
        choose: &dyn Fn(&'static str, &'static [Provider]) -> bool,
    ) -> Option<Vec<Arg>>;
    /// Returns the operator itself, to look into.
    fn as_any(&self) -> &dyn Any;
}

impl<O: Operator> AnyOperator for O {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        Operator::gradient(self, graph, step)
    }

    fn lowering_names(&self) -> Vec<&'static str> {
        O::lowerings().iter().map(|lowering| lowering.name).collect()
    }

    fn lower(
        &self,
        emit: &mut Emit,
        inputs: &[Arg],
        choose: &dyn Fn(&'static str, &'static [Provider]) -> bool,
    ) -> Option<Vec<Arg>> {
        let types: Vec<TensorType> = inputs.iter().map(|&arg| emit.tensor(arg).clone()).collect();
        let types: Vec<&TensorType> = types.iter().collect();
        let lowering = O::lowerings().iter().find(|lowering| {
            choose(lowering.name, lowering.providers) && (lowering.applies)(self, &types)
        })?;
        Some((lowering.emit)(self, emit, inputs))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
