//! One step of Adam or AdamW on all parameters together.

use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Lowering, Operator, Provider, TensorType, Value,
    always,
};

/// How weight decay acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightDecay {
    /// Added to the gradient, as in Adam: `g + λp`.
    Coupled,
    /// Takes a share off the parameter, as in AdamW: `p·(1 − ηλ)`.
    Decoupled,
}

/// One step of Adam or AdamW.
///
/// With `g′ = f·g`, `m′ = β₁m + (1−β₁)g′`, `v′ = β₂v + (1−β₂)g′²`, `η = lr·rate`:
/// `p′ = p·(1 − ηλ) − η/(1−β₁ᵗ) · m′/(√v′/√(1−β₂ᵗ) + ε)`. Where `finite` is 0, all stay as they
/// were.
///
/// # Shapes
/// `p, g, m, v: [R, 64]`, all parameters one after the other; `rate, decay: [R, 1]`, factor of
/// the learning rate and `λ` of each row; `f, finite, lr, t: []`, where `t` counts from 1.
/// Outputs `p′, m′, v′`.
///
/// # Source
/// Kingma and Ba (2015), arXiv:1412.6980, algorithm 1; Loshchilov and Hutter (2019),
/// arXiv:1711.05101, algorithm 2; the order of operations is PyTorch's.
#[derive(Clone, Debug)]
pub struct AdamUpdate {
    /// `β₁`, `β₂`: what the means of the gradient and of its square keep of their past.
    pub betas: [f32; 2],
    /// `ε`.
    pub epsilon: f32,
    /// How weight decay acts.
    pub weight_decay: WeightDecay,
}

/// What an update takes: values in the shapes that [`AdamUpdate`] states.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Parameters, `[R, 64]`.
    pub parameters: Value,
    /// Gradients, `[R, 64]`.
    pub gradients: Value,
    /// What the gradients are multiplied with, `[]`.
    pub factor: Value,
    /// 1 to update, 0 to leave everything as it was, `[]`.
    pub finite: Value,
    /// Learning rate, `[]`.
    pub learning_rate: Value,
    /// Factor of the learning rate of each row, `[R, 1]`.
    pub rate: Value,
    /// Weight decay of each row, `[R, 1]`.
    pub decay: Value,
}

impl Operator for AdamUpdate {
    const NAME: &'static str = "AdamUpdate";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [p, g, m, v, factor, finite, lr, step, rate, decay] = inputs else {
            return Err("takes ten inputs".to_owned());
        };
        if [g, m, v].iter().any(|other| *other != p) || p.rank() != 2 {
            return Err("parameters, gradients and means need one shape of two axes".to_owned());
        }
        if [factor, finite, lr, step].iter().any(|scalar| scalar.rank() != 0) {
            return Err("factor, finite, learning rate and step are scalars".to_owned());
        }
        if [rate, decay].iter().any(|rows| rows.shape != [p.shape[0], 1]) {
            return Err("rate and decay need one element for each row".to_owned());
        }
        Ok(vec![(*p).clone(); 3])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: always,
                emit: |op, emit, args| {
                    let tensor = emit.tensor(args[0]).clone();
                    let decoupled = op.weight_decay == WeightDecay::Decoupled;
                    let attributes = vec![
                        ("beta1", Attribute::Float(op.betas[0])),
                        ("beta2", Attribute::Float(op.betas[1])),
                        ("decoupled", Attribute::Int(i64::from(decoupled))),
                        ("epsilon", Attribute::Float(op.epsilon)),
                    ];
                    emit.custom("AdamUpdate", args, vec![tensor; 3], attributes)
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

fn primitives(op: &AdamUpdate, emit: &mut Emit, args: &[Arg]) -> Vec<Arg> {
    let [p, g, m, v, factor, finite, lr, step, rate, decay] = args[..] else {
        unreachable!("a checked node has ten inputs")
    };
    let mut g = emit.mul(g, factor);
    let eta = emit.mul(lr, rate);
    let mut kept = p;
    match op.weight_decay {
        WeightDecay::Coupled => {
            let share = emit.mul(p, decay);
            g = emit.add(g, share);
        }
        WeightDecay::Decoupled => {
            let one = emit.scalar(1.0);
            let share = emit.mul(eta, decay);
            let share = emit.sub(one, share);
            kept = emit.mul(p, share);
        }
    }
    let mean = running(emit, m, g, op.betas[0]);
    let squares = emit.mul(g, g);
    let square = running(emit, v, squares, op.betas[1]);

    let [first, second] = op.betas.map(|beta| correction(emit, beta, step));
    let second = emit.unary("Sqrt", second);
    let root = emit.unary("Sqrt", square);
    let root = emit.div(root, second);
    let epsilon = emit.scalar(op.epsilon);
    let root = emit.add(root, epsilon);
    let eta = emit.div(eta, first);
    let direction = emit.div(mean, root);
    let stride = emit.mul(direction, eta);
    let moved = emit.sub(kept, stride);

    let half = emit.scalar(0.5);
    let apply = emit.compare("Greater", finite, half);
    [(moved, p), (mean, m), (square, v)].map(|(new, old)| emit.choose(apply, new, old)).to_vec()
}

/// `β·old + (1 − β)·new`
fn running(emit: &mut Emit, old: Arg, new: Arg, beta: f32) -> Arg {
    let keep = emit.scalar(beta);
    let take = emit.scalar(1.0 - beta);
    let old = emit.mul(old, keep);
    let new = emit.mul(new, take);
    emit.add(old, new)
}

/// `1 − βᵗ`
fn correction(emit: &mut Emit, beta: f32, step: Arg) -> Arg {
    let one = emit.scalar(1.0);
    let beta = emit.scalar(beta);
    let power = emit.binary("Pow", beta, step);
    emit.sub(one, power)
}

impl Graph {
    /// Adds one step of Adam or AdamW; returns the new parameters and means `[p′, m′, v′]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn adam_update(
        &mut self,
        adam: AdamUpdate,
        update: &Update,
        means: [Value; 2],
        step: Value,
    ) -> Result<[Value; 3], GraphError> {
        let u = update;
        let inputs = [
            u.parameters,
            u.gradients,
            means[0],
            means[1],
            u.factor,
            u.finite,
            u.learning_rate,
            step,
            u.rate,
            u.decay,
        ];
        let outputs = self.add_node(adam, &inputs)?;
        Ok([outputs[0], outputs[1], outputs[2]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/adam_update.json");
        check::reference(cases, |graph, case, x| {
            let weight_decay = match case.whole("decoupled") {
                0 => WeightDecay::Coupled,
                _ => WeightDecay::Decoupled,
            };
            let epsilon = case.number("epsilon");
            let adam = AdamUpdate { betas: [0.9, 0.999], epsilon, weight_decay };
            graph.add_node(adam, x)
        });
    }
}
