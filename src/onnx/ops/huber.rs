//! Huber loss, element by element.

use crate::onnx::{
    Arg, Emit, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = q·(|e| − q/2)`, `e = x − t`, `q = min(|e|, δ)`: squared near the target, linear from `δ`.
///
/// # Shapes
/// All the same.
///
/// # Gradient
/// `dx = d·max(−δ, min(e, δ))`: [`HuberGrad`]. None by `t`.
///
/// # Source
/// Huber (1964), "Robust Estimation of a Location Parameter", doi:10.1214/aoms/1177703732.
#[derive(Clone, Debug)]
pub struct Huber {
    /// `δ`, in the unit of `x`.
    pub delta: f32,
}

impl Operator for Huber {
    const NAME: &'static str = "Huber";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [x, t] if x == t => Ok(vec![(*x).clone()]),
            _ => Err("takes values and targets of one type".to_owned()),
        }
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        if step.wanted[1] {
            return Err(GraphError::NoGradient { operator: Self::NAME, scope: String::new() });
        }
        let operator = HuberGrad { delta: self.delta };
        let inputs = [step.d(), step.inputs[0], step.inputs[1]];
        Ok(vec![Some(graph.apply(operator, &inputs)?), None])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| {
                let error = emit.sub(args[0], args[1]);
                let size = emit.unary("Abs", error);
                let delta = emit.scalar(op.delta);
                let q = emit.binary("Min", size, delta);
                let half = emit.scalar(0.5);
                let half = emit.mul(q, half);
                let rest = emit.sub(size, half);
                vec![emit.mul(q, rest)]
            },
        }]
    }
}

/// `d·max(−δ, min(x − t, δ))`: inputs `d, x, t` of one type.
#[derive(Clone, Debug)]
pub struct HuberGrad {
    /// `δ`, in the unit of `x`.
    pub delta: f32,
}

impl Operator for HuberGrad {
    const NAME: &'static str = "HuberGrad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [d, x, t] if d == x && x == t => Ok(vec![(*x).clone()]),
            _ => Err("takes three inputs of one type".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        fn write(op: &HuberGrad, emit: &mut Emit, args: &[Arg]) -> Vec<Arg> {
            let error = emit.sub(args[1], args[2]);
            let slope = emit.clip(error, -op.delta, op.delta);
            vec![emit.mul(args[0], slope)]
        }
        &[Lowering { name: "primitives", providers: Provider::ALL, applies: always, emit: write }]
    }
}

impl Graph {
    /// Adds the Huber loss of `x` against `t`, element by element.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the types differ.
    pub fn huber(&mut self, x: Value, t: Value, delta: f32) -> Result<Value, GraphError> {
        self.apply(Huber { delta }, &[x, t])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[3, 5]], |graph, x| {
            let targets = graph.constant(&[3, 5], (0..15).map(|i| i as f32 - 7.0).collect());
            let wide = graph.scale(x[0], 3.0)?;
            graph.huber(wide, targets, 1.0)
        });
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/huber.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.huber(x[0], x[1], case.number("delta"))?])
        });
    }
}
