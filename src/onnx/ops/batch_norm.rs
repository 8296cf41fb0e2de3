//! Batch normalisation with known statistics, and the activation that follows it: in
//! evaluation, and in training with frozen statistics.

use super::activation::Activation;
use super::batch_norm_train::{attributes, gradient_types, vectors_type};
use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Keep, Lowering, Operator, Provider, Step, TensorType,
    Value, always,
};

/// `y = f(u)`, `u = γ·(x − μ)/√(v + ε) + β` with given mean `μ` and variance `v` of each
/// channel, and an activation `f`.
///
/// # Shapes
/// `x, y: [N, C, H, W]`; `γ, β, μ, v: [C]`.
///
/// # Gradient
/// [`BatchNormGrad`]. None by `μ` and `v`: they are statistics, not parameters.
///
/// # Source
/// Ioffe and Szegedy (2015), "Batch Normalization", arXiv:1502.03167, section 3.1.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// `ε`, added to the variance.
    pub epsilon: f32,
    /// `f`.
    pub activation: Activation,
}

/// What a batch normalisation with known statistics is given besides the images.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormVectors {
    /// `γ: [C]`.
    pub scale: Value,
    /// `β: [C]`.
    pub offset: Value,
    /// `μ: [C]`.
    pub mean: Value,
    /// `v: [C]`, not negative.
    pub variance: Value,
}

impl Operator for BatchNorm {
    const NAME: &'static str = "BatchNorm";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, vectors @ ..] = inputs else { return Err("takes five inputs".to_owned()) };
        vectors_type::<4>(x, vectors)?;
        Ok(vec![(*x).clone()])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        if step.wanted[3] || step.wanted[4] {
            return Err(GraphError::NoGradient { operator: Self::NAME, scope: String::new() });
        }
        let operator = BatchNormGrad { epsilon: self.epsilon, activation: self.activation };
        let mut inputs = vec![step.d()];
        inputs.extend(&step.inputs);
        let mut gradients: Vec<Option<Value>> =
            graph.add_node(operator, &inputs)?.into_iter().map(Some).collect();
        gradients.extend([None, None]);
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: always,
                emit: |op, emit, args| {
                    let images = emit.tensor(args[0]).clone();
                    let attributes = attributes(op.epsilon, op.activation);
                    emit.custom("BatchNorm", args, vec![images], attributes)
                },
            },
            Lowering {
                name: "batch_normalization",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| {
                    let u = normalised(op.epsilon, emit, args);
                    vec![op.activation.emit(emit, u)]
                },
            },
        ]
    }
}

/// Gradient of [`BatchNorm`]: inputs `d, x, γ, β, μ, v`, outputs `dx, dγ, dβ`.
///
/// With `s = 1/√(v + ε)`, `e = d·f′(u)` and sums over batch and places:
/// `dx = γ·s·e`, `dβ = Σe`, `dγ = Σ e·(x − μ)·s = s·(Σ e·x − μ·Σe)`.
#[derive(Clone, Debug)]
pub struct BatchNormGrad {
    /// `ε`, added to the variance.
    pub epsilon: f32,
    /// `f`.
    pub activation: Activation,
}

impl Operator for BatchNormGrad {
    const NAME: &'static str = "BatchNormGrad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        gradient_types(inputs)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: always,
                emit: |op, emit, args| {
                    let types = [0, 2, 3].map(|index| emit.tensor(args[index]).clone());
                    let attributes = attributes(op.epsilon, op.activation);
                    emit.custom("BatchNormGrad", args, types.to_vec(), attributes)
                },
            },
            Lowering {
                name: "primitives",
                providers: Provider::ALL,
                applies: always,
                emit: primitives,
            },
        ]
    }
}

fn primitives(op: &BatchNormGrad, emit: &mut Emit, args: &[Arg]) -> Vec<Arg> {
    let [d, x, scale, _, mean, variance] = args[..] else {
        unreachable!("a checked node has six inputs")
    };
    let e = if op.activation == Activation::Identity {
        d
    } else {
        let u = normalised(op.epsilon, emit, &args[1..]);
        op.activation.emit_gradient(emit, d, u)
    };
    let epsilon = emit.scalar(op.epsilon);
    let padded = emit.add(variance, epsilon);
    let deviation = emit.unary("Sqrt", padded);

    let by_offset = emit.sum_to_channels(e);
    let with_images = emit.dot_places(e, x);
    let with_images = emit.reduce_sum(with_images, &[0], Keep::No);
    let with_mean = emit.mul(mean, by_offset);
    let centred = emit.sub(with_images, with_mean);
    let by_scale = emit.div(centred, deviation);

    let slope = emit.div(scale, deviation);
    let slope = emit.along_channels(slope, 4);
    vec![emit.mul(e, slope), by_scale, by_offset]
}

/// Writes `u` from `x, γ, β, μ, v`.
fn normalised(epsilon: f32, emit: &mut Emit, args: &[Arg]) -> Arg {
    let shape = emit.shape(args[0]).to_vec();
    let epsilon = vec![("epsilon", Attribute::Float(epsilon))];
    emit.op("BatchNormalization", args, &shape, epsilon)
}

impl Graph {
    /// Adds a batch normalisation with known statistics, then `activation`.
    ///
    /// # Shapes
    /// `x: [N, C, H, W]`; each of `vectors: [C]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn batch_norm(
        &mut self,
        x: Value,
        vectors: BatchNormVectors,
        epsilon: f32,
        activation: Activation,
    ) -> Result<Value, GraphError> {
        let BatchNormVectors { scale, offset, mean, variance } = vectors;
        self.apply(BatchNorm { epsilon, activation }, &[x, scale, offset, mean, variance])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    /// Adds the operator with constant statistics of three channels.
    fn frozen(
        graph: &mut Graph,
        args: &[Value],
        activation: Activation,
    ) -> Result<Value, GraphError> {
        let mean = graph.constant(&[3], vec![0.1, -0.2, 0.3]);
        let variance = graph.constant(&[3], vec![0.4, 1.0, 2.5]);
        let vectors = BatchNormVectors { scale: args[1], offset: args[2], mean, variance };
        graph.batch_norm(args[0], vectors, 1e-3, activation)
    }

    #[test]
    fn gradient() {
        for activation in [Activation::Identity, Activation::Silu, Activation::Softplus] {
            check::gradient(&[&[2, 3, 4, 5], &[3], &[3]], |graph, args| {
                frozen(graph, args, activation)
            });
        }
    }

    #[test]
    fn statistics_have_no_gradient() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[1, 3, 2, 2]));
        let [scale, offset, mean, variance] = ["scale", "offset", "mean", "variance"]
            .map(|name| graph.input(name, TensorType::f32(&[3])));
        let vectors = BatchNormVectors { scale, offset, mean, variance };
        let y = graph.batch_norm(x, vectors, 1e-3, Activation::Silu).expect("shapes that fit");
        let loss = graph.reduce_sum(y, &[0, 1, 2, 3]).expect("four axes");
        assert!(crate::onnx::gradients(&mut graph.clone(), loss, &[x, scale, offset]).is_ok());
        let error = crate::onnx::gradients(&mut graph, loss, &[mean]).expect_err("no gradient");
        assert!(matches!(error, GraphError::NoGradient { operator: "BatchNorm", .. }), "{error}");
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/batch_norm.json");
        check::reference(cases, |graph, case, x| {
            let activation = Activation::named(case.word("activation")).expect("a function");
            let vectors =
                BatchNormVectors { scale: x[1], offset: x[2], mean: x[3], variance: x[4] };
            Ok(vec![graph.batch_norm(x[0], vectors, case.number("epsilon"), activation)?])
        });
    }
}
