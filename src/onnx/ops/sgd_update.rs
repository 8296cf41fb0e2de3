//! One step of stochastic gradient descent with momentum on all parameters together.

use super::adam_update::Update;
use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Lowering, Operator, Provider, TensorType, Value,
    always,
};

/// One step of stochastic gradient descent.
///
/// With `g′ = f·g + λp`, `b′ = μb + g′`, `η = lr·rate`: `p′ = p − ηb′`, or with Nesterov's look
/// ahead `p′ = p − η(g′ + μb′)`. Where `finite` is 0, all stay as they were.
///
/// # Shapes
/// `p, g, b: [R, 64]`; `rate, decay: [R, 1]`; `f, finite, lr: []`. Outputs `p′, b′`.
///
/// # Source
/// Sutskever et al. (2013), "On the importance of initialization and momentum in deep
/// learning", equations 1–4, with the learning rate outside the mean, as PyTorch has it.
#[derive(Clone, Debug)]
pub struct SgdUpdate {
    /// `μ`, what the mean of the gradient keeps of its past.
    pub momentum: f32,
    /// Whether the look ahead is Nesterov's.
    pub look_ahead: LookAhead,
}

/// Where the gradient is thought to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookAhead {
    /// At the parameters.
    None,
    /// Behind the next step of the momentum.
    Nesterov,
}

impl Operator for SgdUpdate {
    const NAME: &'static str = "SgdUpdate";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [p, g, b, factor, finite, lr, rate, decay] = inputs else {
            return Err("takes eight inputs".to_owned());
        };
        if g != p || b != p || p.rank() != 2 {
            return Err("parameters, gradients and mean need one shape of two axes".to_owned());
        }
        if [factor, finite, lr].iter().any(|scalar| scalar.rank() != 0) {
            return Err("factor, finite and learning rate are scalars".to_owned());
        }
        if [rate, decay].iter().any(|rows| rows.shape != [p.shape[0], 1]) {
            return Err("rate and decay need one element for each row".to_owned());
        }
        Ok(vec![(*p).clone(); 2])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: always,
                emit: |op, emit, args| {
                    let tensor = emit.tensor(args[0]).clone();
                    let nesterov = op.look_ahead == LookAhead::Nesterov;
                    let attributes = vec![
                        ("momentum", Attribute::Float(op.momentum)),
                        ("nesterov", Attribute::Int(i64::from(nesterov))),
                    ];
                    emit.custom("SgdUpdate", args, vec![tensor; 2], attributes)
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

fn primitives(op: &SgdUpdate, emit: &mut Emit, args: &[Arg]) -> Vec<Arg> {
    let [p, g, b, factor, finite, lr, rate, decay] = args[..] else {
        unreachable!("a checked node has eight inputs")
    };
    let g = emit.mul(g, factor);
    let share = emit.mul(p, decay);
    let g = emit.add(g, share);
    let momentum = emit.scalar(op.momentum);
    let kept = emit.mul(b, momentum);
    let mean = emit.add(kept, g);
    let direction = match op.look_ahead {
        LookAhead::None => mean,
        LookAhead::Nesterov => {
            let ahead = emit.mul(mean, momentum);
            emit.add(g, ahead)
        }
    };
    let eta = emit.mul(lr, rate);
    let stride = emit.mul(direction, eta);
    let moved = emit.sub(p, stride);

    let half = emit.scalar(0.5);
    let apply = emit.compare("Greater", finite, half);
    [(moved, p), (mean, b)].map(|(new, old)| emit.choose(apply, new, old)).to_vec()
}

impl Graph {
    /// Adds one step of gradient descent; returns the new parameters and mean `[p′, b′]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn sgd_update(
        &mut self,
        sgd: SgdUpdate,
        update: &Update,
        mean: Value,
    ) -> Result<[Value; 2], GraphError> {
        let u = update;
        let inputs =
            [u.parameters, u.gradients, mean, u.factor, u.finite, u.learning_rate, u.rate, u.decay];
        let outputs = self.add_node(sgd, &inputs)?;
        Ok([outputs[0], outputs[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/sgd_update.json");
        check::reference(cases, |graph, case, x| {
            let look_ahead = match case.whole("nesterov") {
                0 => LookAhead::None,
                _ => LookAhead::Nesterov,
            };
            let sgd = SgdUpdate { momentum: case.number("momentum"), look_ahead };
            graph.add_node(sgd, x)
        });
    }
}
