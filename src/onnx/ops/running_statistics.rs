//! Running statistics of batch normalisations, all together.

use crate::onnx::{
    Arg, Emit, Graph, GraphError, Lowering, Operator, Provider, TensorType, Value, always,
};

/// `μ′ = μ + a(μ_b − μ)`, `v′ = v + a(c·(1/s² − ε) − v)` from a batch's mean `μ_b` and
/// `s = 1/√(v_b + ε)`; `c = n/(n−1)` makes the variance unbiased. Where `finite` is 0, both stay.
///
/// # Shapes
/// All vectors `[S]`, the channels of all layers one after the other: `μ, v, μ_b, s, c`;
/// `finite: []`. Outputs `μ′, v′`.
///
/// # Source
/// PyTorch's `BatchNorm2d`, parameter `momentum`.
#[derive(Clone, Debug)]
pub struct RunningStatistics {
    /// `a`, the share of the new batch.
    pub momentum: f32,
    /// `ε` of the normalisations.
    pub epsilon: f32,
}

impl Operator for RunningStatistics {
    const NAME: &'static str = "RunningStatistics";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [mean, others @ .., finite]
                if others.len() == 4
                    && others.iter().all(|other| other == mean)
                    && finite.rank() == 0 =>
            {
                Ok(vec![(*mean).clone(); 2])
            }
            _ => Err("takes five vectors of one length and a scalar".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: primitives,
        }]
    }
}

fn primitives(op: &RunningStatistics, emit: &mut Emit, args: &[Arg]) -> Vec<Arg> {
    let [mean, variance, of_batch, inverse, unbias, finite] = args[..] else {
        unreachable!("a checked node has six inputs")
    };
    let square = emit.mul(inverse, inverse);
    let padded = emit.unary("Reciprocal", square);
    let epsilon = emit.scalar(op.epsilon);
    let biased = emit.sub(padded, epsilon);
    let unbiased = emit.mul(biased, unbias);
    let share = emit.scalar(op.momentum);
    let half = emit.scalar(0.5);
    let apply = emit.compare("Greater", finite, half);
    [(mean, of_batch), (variance, unbiased)]
        .map(|(old, new)| {
            let difference = emit.sub(new, old);
            let difference = emit.mul(difference, share);
            let moved = emit.add(old, difference);
            emit.choose(apply, moved, old)
        })
        .to_vec()
}

impl Graph {
    /// Adds the update of running statistics; returns the new `[mean, variance]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn running_statistics(
        &mut self,
        operator: RunningStatistics,
        running: [Value; 2],
        batch: [Value; 2],
        unbias: Value,
        finite: Value,
    ) -> Result<[Value; 2], GraphError> {
        let inputs = [running[0], running[1], batch[0], batch[1], unbias, finite];
        let outputs = self.add_node(operator, &inputs)?;
        Ok([outputs[0], outputs[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/running_statistics.json");
        check::reference(cases, |graph, case, x| {
            let operator = RunningStatistics {
                momentum: case.number("momentum"),
                epsilon: case.number("epsilon"),
            };
            let [running, batch] = [[x[0], x[1]], [x[2], x[3]]];
            Ok(graph.running_statistics(operator, running, batch, x[4], x[5])?.to_vec())
        });
    }
}
