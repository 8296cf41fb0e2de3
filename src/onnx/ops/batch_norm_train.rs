//! Batch normalisation with the statistics of the batch, and the activation that follows it.
//!
//! Both are one operator, so that the backward pass need not keep what lies between them: it is
//! recomputed from the input.

use super::activation::Activation;
use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Keep, Lowering, Operator, Provider, Step, TensorType,
    Value, always,
};

/// `y = f(u)`, `u = γ·(x − μ)/√(v + ε) + β` with the mean `μ` and the biased variance `v` of
/// each channel over batch and places, and an activation `f`.
///
/// # Shapes
/// `x, y: [N, C, H, W]`; `γ, β, μ: [C]`; third output `s = 1/√(v + ε): [C]`.
///
/// # Gradient
/// [`BatchNormTrainGrad`]. The outputs `μ` and `s` are for running statistics and have none.
///
/// # Source
/// Ioffe and Szegedy (2015), "Batch Normalization", arXiv:1502.03167, algorithm 1.
#[derive(Clone, Debug)]
pub struct BatchNormTrain {
    /// `ε`, added to the variance.
    pub epsilon: f32,
    /// `f`.
    pub activation: Activation,
}

/// What a batch normalisation in training gives.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormTrained {
    /// The normalised and activated images.
    pub y: Value,
    /// Mean of each channel, `[C]`.
    pub mean: Value,
    /// `1/√(v + ε)` of each channel, `[C]`.
    pub inverse_deviation: Value,
}

impl Operator for BatchNormTrain {
    const NAME: &'static str = "BatchNormTrain";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, vectors @ ..] = inputs else { return Err("takes three inputs".to_owned()) };
        let channels = vectors_type::<2>(x, vectors)?;
        Ok(vec![(*x).clone(), channels.clone(), channels])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let [Some(d), None, None] = step.gradients[..] else {
            return Err(GraphError::NoGradient { operator: Self::NAME, scope: String::new() });
        };
        let operator = BatchNormTrainGrad { epsilon: self.epsilon, activation: self.activation };
        let (x, scale, offset) = (step.inputs[0], step.inputs[1], step.inputs[2]);
        let inputs = [d, x, scale, offset, step.outputs[1], step.outputs[2]];
        Ok(graph.add_node(operator, &inputs)?.into_iter().map(Some).collect())
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: always,
                emit: |op, emit, args| {
                    let types = [0, 1, 2].map(|index| emit.tensor(args[index]).clone());
                    let types = op.output_types(&types.each_ref()).expect("a checked node");
                    emit.custom(
                        "BatchNormTrain",
                        args,
                        types,
                        attributes(op.epsilon, op.activation),
                    )
                },
            },
            // Of operator set 9 with five outputs: the one form that both providers train with.
            // Outputs 4 and 5 are the mean and 1/√(v + ε) of the batch; 2 and 3, running
            // statistics, differ between providers and are not used.
            Lowering {
                name: "batch_normalization",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| {
                    let images = emit.tensor(args[0]).clone();
                    let channels = emit.tensor(args[1]).clone();
                    let count = channels.volume();
                    let zeros = emit.floats(&[count], &vec![0.0; count]);
                    let ones = emit.floats(&[count], &vec![1.0; count]);
                    let inputs = [args[0], args[1], args[2], zeros, ones].map(Some);
                    let mut types = vec![images];
                    types.extend(vec![channels; 4]);
                    let epsilon = vec![("epsilon", Attribute::Float(op.epsilon))];
                    let outputs = emit.node("", "BatchNormalization", &inputs, types, epsilon);
                    vec![op.activation.emit(emit, outputs[0]), outputs[3], outputs[4]]
                },
            },
        ]
    }
}

/// Gradient of [`BatchNormTrain`]: inputs `d, x, γ, β, μ, s`, outputs `dx, dγ, dβ`.
///
/// With `e = d·f′(u)`, `n = N·H·W` and sums over batch and places:
/// `dβ = Σe`, `dγ = s·Σ e·(x − μ) = s·(Σ e·x − μ·Σe)`, and in one pass over the images
/// `dx = A·e − B·x + D`, `A = γ·s`, `B = A·s·dγ/n`, `D = B·μ − A·dβ/n`, which is
/// `γ·s·(e − dβ/n − (x − μ)·s·dγ/n)` multiplied out.
#[derive(Clone, Debug)]
pub struct BatchNormTrainGrad {
    /// `ε`, added to the variance.
    pub epsilon: f32,
    /// `f`.
    pub activation: Activation,
}

impl Operator for BatchNormTrainGrad {
    const NAME: &'static str = "BatchNormTrainGrad";

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
                    emit.custom("BatchNormTrainGrad", args, types.to_vec(), attributes)
                },
            },
            // A launch costs more than its work on vectors: two thirds of the nodes.
            Lowering {
                name: "affine",
                providers: &[Provider::Cuda],
                applies: always,
                emit: |op, emit, args| affine(op, emit, args),
            },
            Lowering {
                name: "primitives",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| primitives(op, emit, args),
            },
        ]
    }
}

/// Checks images and `COUNT` vectors over their channels, and returns the vectors' type.
pub(super) fn vectors_type<const COUNT: usize>(
    x: &TensorType,
    vectors: &[&TensorType],
) -> Result<TensorType, String> {
    if x.rank() != 4 || vectors.len() != COUNT {
        return Err(format!("takes images of four axes and {COUNT} vectors"));
    }
    let channels = x.with_shape(&[x.shape[1]]);
    match vectors.iter().all(|&vector| *vector == channels) {
        true => Ok(channels),
        false => Err(format!("the vectors need {} elements", x.shape[1])),
    }
}

/// Returns the types of `dx`, `dγ` and `dβ` of those of `d`, `x`, `γ`, `β` and two statistics.
pub(super) fn gradient_types(inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
    let [d, x, vectors @ ..] = inputs else { return Err("takes six inputs".to_owned()) };
    let channels = vectors_type::<4>(x, vectors)?;
    match d == x {
        true => Ok(vec![(*x).clone(), channels.clone(), channels]),
        false => Err("gradient and images differ in type".to_owned()),
    }
}

/// Returns the attributes of labelvet's batch normalisations.
pub(super) fn attributes(epsilon: f32, activation: Activation) -> Vec<(&'static str, Attribute)> {
    vec![
        ("activation", Attribute::Text(activation.name().to_owned())),
        ("epsilon", Attribute::Float(epsilon)),
    ]
}

fn primitives(op: &BatchNormTrainGrad, emit: &mut Emit, args: &[Arg]) -> Vec<Arg> {
    let Sums { e, x, a, mean, inverse, by_scale, by_offset, share } = sums(op, emit, args);
    let slope = emit.mul(inverse, by_scale);
    let slope = emit.mul(slope, share);
    let b = emit.mul(a, slope);
    let shift = emit.mul(a, by_offset);
    let shift = emit.mul(shift, share);
    let centre = emit.mul(b, mean);
    let dd = emit.sub(centre, shift);
    let [a, b, dd] = [a, b, dd].map(|vector| emit.along_channels(vector, 4));
    let first = emit.mul(e, a);
    let second = emit.mul(x, b);
    let difference = emit.sub(first, second);
    vec![emit.add(difference, dd), by_scale, by_offset]
}

/// `dx = A·e − (B·(x − μ) + A·dβ/n)`, what is in brackets as one normalisation.
fn affine(op: &BatchNormTrainGrad, emit: &mut Emit, args: &[Arg]) -> Vec<Arg> {
    let Sums { e, x, a, mean, inverse, by_scale, by_offset, share } = sums(op, emit, args);
    let part = emit.mul(a, share);
    let slope = emit.mul(inverse, by_scale);
    let b = emit.mul(part, slope);
    let shift = emit.mul(part, by_offset);
    let second = shifted(op.epsilon, emit, [x, b, shift, mean]);
    let a = emit.along_channels(a, 4);
    let first = emit.mul(e, a);
    vec![emit.sub(first, second), by_scale, by_offset]
}

/// What both ways to write the gradient begin with; `share` is `1/n`.
struct Sums {
    e: Arg,
    x: Arg,
    a: Arg,
    mean: Arg,
    inverse: Arg,
    by_scale: Arg,
    by_offset: Arg,
    share: Arg,
}

fn sums(op: &BatchNormTrainGrad, emit: &mut Emit, args: &[Arg]) -> Sums {
    let [d, x, scale, offset, mean, inverse] = args[..] else {
        unreachable!("a checked node has six inputs")
    };
    let count = emit.tensor(x).volume() / emit.shape(x)[1];
    let a = emit.mul(scale, inverse);
    let e = if op.activation == Activation::Identity {
        d
    } else {
        // `u` anew from the images: with known statistics it is a single pass.
        let u = shifted(op.epsilon, emit, [x, a, offset, mean]);
        op.activation.emit_gradient(emit, d, u)
    };
    let by_offset = emit.sum_to_channels(e);
    let with_images = emit.dot_places(e, x);
    let with_images = emit.reduce_sum(with_images, &[0], Keep::No);
    let with_mean = emit.mul(mean, by_offset);
    let centred = emit.sub(with_images, with_mean);
    let by_scale = emit.mul(centred, inverse);
    let share = emit.scalar(1.0 / count as f32);
    Sums { e, x, a, mean, inverse, by_scale, by_offset, share }
}

/// Writes `slope·(x − μ) + offset` by channel: a normalisation whose `v + ε` is 1.
fn shifted(epsilon: f32, emit: &mut Emit, args: [Arg; 4]) -> Arg {
    let [x, slope, offset, mean] = args;
    let channels = emit.tensor(mean).volume();
    let variance = emit.floats(&[channels], &vec![1.0 - epsilon; channels]);
    let shape = emit.shape(x).to_vec();
    let epsilon = vec![("epsilon", Attribute::Float(epsilon))];
    emit.op("BatchNormalization", &[x, slope, offset, mean, variance], &shape, epsilon)
}

impl Graph {
    /// Adds a batch normalisation with the batch's statistics, then `activation`.
    ///
    /// # Shapes
    /// `x: [N, C, H, W]`; `scale, offset: [C]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn batch_norm_train(
        &mut self,
        x: Value,
        scale: Value,
        offset: Value,
        epsilon: f32,
        activation: Activation,
    ) -> Result<BatchNormTrained, GraphError> {
        let operator = BatchNormTrain { epsilon, activation };
        let outputs = self.add_node(operator, &[x, scale, offset])?;
        Ok(BatchNormTrained { y: outputs[0], mean: outputs[1], inverse_deviation: outputs[2] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    #[test]
    fn gradient() {
        for activation in [Activation::Identity, Activation::Silu, Activation::Relu6] {
            check::gradient(&[&[2, 3, 4, 5], &[3], &[3]], |graph, args| {
                Ok(graph.batch_norm_train(args[0], args[1], args[2], 1e-3, activation)?.y)
            });
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/batch_norm_train.json");
        check::reference(cases, |graph, case, x| {
            let activation = Activation::named(case.word("activation")).expect("a function");
            let epsilon = case.number("epsilon");
            Ok(vec![graph.batch_norm_train(x[0], x[1], x[2], epsilon, activation)?.y])
        });
    }
}
