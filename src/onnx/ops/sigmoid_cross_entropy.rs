//! Cross-entropy of logits against probabilities, element by element.

use super::activation::Activation;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = log(1 + eˣ) − x·t = −t·log σ(x) − (1 − t)·log(1 − σ(x))` for logits `x` and targets `t`
/// between 0 and 1.
///
/// # Shapes
/// All the same.
///
/// # Gradient
/// `dx = d·(σ(x) − t)`: [`SigmoidCrossEntropyGrad`]. None by `t`.
#[derive(Clone, Debug)]
pub struct SigmoidCrossEntropy;

impl Operator for SigmoidCrossEntropy {
    const NAME: &'static str = "SigmoidCrossEntropy";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [x, t] if x == t => Ok(vec![(*x).clone()]),
            _ => Err("takes logits and targets of one type".to_owned()),
        }
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        if step.wanted[1] {
            return Err(GraphError::NoGradient { operator: Self::NAME, scope: String::new() });
        }
        let inputs = [step.d(), step.inputs[0], step.inputs[1]];
        Ok(vec![Some(graph.apply(SigmoidCrossEntropyGrad, &inputs)?), None])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| {
                let whole = Activation::Softplus.emit(emit, args[0]);
                let part = emit.mul(args[0], args[1]);
                vec![emit.sub(whole, part)]
            },
        }]
    }
}

/// `d·(σ(x) − t)`: inputs `d, x, t` of one type.
#[derive(Clone, Debug)]
pub struct SigmoidCrossEntropyGrad;

impl Operator for SigmoidCrossEntropyGrad {
    const NAME: &'static str = "SigmoidCrossEntropyGrad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [d, x, t] if d == x && x == t => Ok(vec![(*x).clone()]),
            _ => Err("takes three inputs of one type".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| {
                let probability = Activation::Sigmoid.emit(emit, args[1]);
                let error = emit.sub(probability, args[2]);
                vec![emit.mul(args[0], error)]
            },
        }]
    }
}

impl Graph {
    /// Adds the cross-entropy of logits `x` against probabilities `t`, element by element.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the types differ.
    pub fn sigmoid_cross_entropy(&mut self, x: Value, t: Value) -> Result<Value, GraphError> {
        self.apply(SigmoidCrossEntropy, &[x, t])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[3, 5]], |graph, x| {
            let targets = graph.constant(&[3, 5], (0..15).map(|i| i as f32 / 14.0).collect());
            let wide = graph.scale(x[0], 8.0)?;
            graph.sigmoid_cross_entropy(wide, targets)
        });
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/sigmoid_cross_entropy.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.sigmoid_cross_entropy(x[0], x[1])?]));
    }
}
