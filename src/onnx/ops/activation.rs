//! Activation functions: applied on their own, or within a batch normalisation.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Lowering, MICROSOFT, Operator, Provider, Step,
    TensorType, Value, always,
};

/// A function applied to each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `u`.
    Identity,
    /// `σ(u) = 1 / (1 + e⁻ᵘ)`; derivative `σ(1 − σ)`.
    Sigmoid,
    /// `u·σ(u)`, also called swish; derivative `σ(1 + u(1 − σ))`.
    Silu,
    /// `max(u, 0)`; derivative 1 above 0, else 0.
    Relu,
    /// `min(max(u, 0), 6)`; derivative 1 between 0 and 6, else 0.
    Relu6,
    /// `min(max(u/6 + 1/2, 0), 1)`; derivative 1/6 between −3 and 3, else 0.
    HardSigmoid,
    /// `u·min(max(u/6 + 1/2, 0), 1)`; derivative `u/3 + 1/2` between −3 and 3, 0 below, 1 above.
    HardSwish,
    /// `log(1 + eᵘ)`; derivative `σ(u)`.
    Softplus,
}

impl Activation {
    /// Returns the name that labelvet's custom operators know it by.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Identity => "identity",
            Activation::Sigmoid => "sigmoid",
            Activation::Silu => "silu",
            Activation::Relu => "relu",
            Activation::Relu6 => "relu6",
            Activation::HardSigmoid => "hard_sigmoid",
            Activation::HardSwish => "hard_swish",
            Activation::Softplus => "softplus",
        }
    }

    /// Returns the function of a name that [`Activation::name`] gives; `None` for others.
    pub fn named(name: &str) -> Option<Activation> {
        use Activation::{HardSigmoid, HardSwish, Identity, Relu, Relu6, Sigmoid, Silu, Softplus};
        [Identity, Sigmoid, Silu, Relu, Relu6, HardSigmoid, HardSwish, Softplus]
            .into_iter()
            .find(|function| function.name() == name)
    }

    /// Writes the function.
    pub(super) fn emit(self, emit: &mut Emit, u: Arg) -> Arg {
        match self {
            Activation::Identity => u,
            Activation::Sigmoid => emit.unary("Sigmoid", u),
            // ONNX Runtime's name of u·σ(αu), a single pass on both providers.
            Activation::Silu => {
                let tensor = emit.tensor(u).clone();
                let alpha = vec![("alpha", Attribute::Float(1.0))];
                emit.node(MICROSOFT, "QuickGelu", &[Some(u)], vec![tensor], alpha)[0]
            }
            Activation::Relu => emit.unary("Relu", u),
            Activation::Relu6 => emit.clip(u, 0.0, 6.0),
            Activation::HardSigmoid => {
                let line = line(emit, u, 1.0 / 6.0, 0.5);
                emit.clip(line, 0.0, 1.0)
            }
            Activation::HardSwish => {
                let gate = Activation::HardSigmoid.emit(emit, u);
                emit.mul(u, gate)
            }
            Activation::Softplus => emit.unary("Softplus", u),
        }
    }

    /// Writes `d` times the derivative at `u`.
    pub(super) fn emit_gradient(self, emit: &mut Emit, d: Arg, u: Arg) -> Arg {
        let one = emit.scalar(1.0);
        match self {
            Activation::Identity => d,
            Activation::Sigmoid => {
                let s = emit.unary("Sigmoid", u);
                let rest = emit.sub(one, s);
                let slope = emit.mul(s, rest);
                emit.mul(d, slope)
            }
            Activation::Silu => {
                let s = emit.unary("Sigmoid", u);
                let rest = emit.sub(one, s);
                let bent = emit.mul(u, rest);
                let bent = emit.add(one, bent);
                let slope = emit.mul(s, bent);
                emit.mul(d, slope)
            }
            Activation::Relu => {
                let inside = above(emit, u, 0.0);
                masked(emit, inside, d)
            }
            Activation::Relu6 => {
                let inside = between(emit, u, 0.0, 6.0);
                masked(emit, inside, d)
            }
            Activation::HardSigmoid => {
                let sixth = emit.scalar(1.0 / 6.0);
                let slope = emit.mul(d, sixth);
                let inside = between(emit, u, -3.0, 3.0);
                masked(emit, inside, slope)
            }
            Activation::HardSwish => {
                let slope = line(emit, u, 1.0 / 3.0, 0.5);
                let inner = emit.mul(d, slope);
                let (low, high) = (above(emit, u, -3.0), above(emit, u, 3.0));
                let inner = masked(emit, low, inner);
                emit.choose(high, d, inner)
            }
            Activation::Softplus => {
                let s = emit.unary("Sigmoid", u);
                emit.mul(d, s)
            }
        }
    }
}

fn line(emit: &mut Emit, u: Arg, slope: f32, offset: f32) -> Arg {
    let (slope, offset) = (emit.scalar(slope), emit.scalar(offset));
    let product = emit.mul(u, slope);
    emit.add(product, offset)
}

fn above(emit: &mut Emit, u: Arg, bound: f32) -> Arg {
    let bound = emit.scalar(bound);
    emit.compare("Greater", u, bound)
}

/// Says where `low < u < high`: `u` clipped to both bounds is itself only inside, and a bound
/// is not.
fn between(emit: &mut Emit, u: Arg, low: f32, high: f32) -> Arg {
    let lower = above(emit, u, low);
    let bound = emit.scalar(high);
    let upper = emit.compare("Less", u, bound);
    let tensor = emit.tensor(lower).clone();
    emit.node("", "And", &[Some(lower), Some(upper)], vec![tensor], vec![])[0]
}

fn masked(emit: &mut Emit, inside: Arg, d: Arg) -> Arg {
    let zero = emit.scalar(0.0);
    emit.choose(inside, d, zero)
}

/// An activation function on its own.
///
/// # Gradient
/// `dx = d · f′(x)`: [`ActivateGrad`].
#[derive(Clone, Debug)]
pub struct Activate {
    /// The function.
    pub function: Activation,
}

impl Operator for Activate {
    const NAME: &'static str = "Activate";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        same(inputs)
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let gradient = ActivateGrad { function: self.function };
        Ok(vec![Some(graph.apply(gradient, &[step.d(), step.inputs[0]])?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "primitives",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| match op.function {
                    Activation::Identity => vec![emit.unary("Identity", args[0])],
                    function => vec![function.emit(emit, args[0])],
                },
            },
            // For models that leave ONNX Runtime, which alone has a name for u·σ(u).
            Lowering {
                name: "standard",
                providers: &[],
                applies: |op, _| op.function == Activation::Silu,
                emit: |_, emit, args| {
                    let gate = emit.unary("Sigmoid", args[0]);
                    vec![emit.mul(args[0], gate)]
                },
            },
        ]
    }
}

/// `d · f′(x)` of an activation function: inputs `d` and `x`.
#[derive(Clone, Debug)]
pub struct ActivateGrad {
    /// The function.
    pub function: Activation,
}

impl Operator for ActivateGrad {
    const NAME: &'static str = "ActivateGrad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [d, x] if d == x => Ok(vec![(*x).clone()]),
            _ => Err("takes two inputs of one type".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| match op.function {
                Activation::Identity => vec![emit.unary("Identity", args[0])],
                function => vec![function.emit_gradient(emit, args[0], args[1])],
            },
        }]
    }
}

impl Graph {
    /// Adds an activation function; nothing for the identity.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn activate(&mut self, x: Value, function: Activation) -> Result<Value, GraphError> {
        if function == Activation::Identity {
            return Ok(x);
        }
        self.apply(Activate { function }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{check, session::Tensor};

    #[test]
    fn gradient() {
        use Activation::{HardSigmoid, HardSwish, Identity, Relu, Relu6, Sigmoid, Silu, Softplus};
        // From −5.85 to 7.05, 0.15 or more from the kinks at −3, 0, 3 and 6.
        let elements: Vec<f32> = (0..44).map(|index| 0.3 * index as f32 - 5.85).collect();
        let x = Tensor { shape: vec![4, 11], elements };
        for function in [Identity, Sigmoid, Silu, Relu, Relu6, HardSigmoid, HardSwish, Softplus] {
            check::gradient_at(vec![("x".to_owned(), x.clone())], |graph, x| {
                graph.apply(Activate { function }, &[x[0]])
            });
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/activation.json");
        check::reference(cases, |graph, case, x| {
            let function = Activation::named(case.word("function")).expect("a function");
            Ok(vec![graph.apply(Activate { function }, &[x[0]])?])
        });
    }
}
