//! Linear map of rows, with an offset.

use crate::onnx::{
    Attribute, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = x·wᵀ + b`.
///
/// # Shapes
/// `x: [N, C]`, `w: [M, C]`, `b: [M]`, `y: [N, M]`.
///
/// # Gradient
/// `dx = d·w`, `dw = dᵀ·x`, `db = Σ_n d`.
#[derive(Clone, Debug)]
pub struct Linear;

impl Operator for Linear {
    const NAME: &'static str = "Linear";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, w, b] = inputs else { return Err("takes three inputs".to_owned()) };
        if x.rank() != 2 || w.rank() != 2 || x.dtype != w.dtype {
            return Err("rows and weights need two axes and one element type".to_owned());
        }
        if x.shape[1] != w.shape[1] || **b != w.with_shape(&w.shape[..1]) {
            return Err("extents of weights or offset do not fit".to_owned());
        }
        Ok(vec![x.with_shape(&[x.shape[0], w.shape[0]])])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let (x, w) = (step.inputs[0], step.inputs[1]);
        let mut gradients = vec![None; 3];
        if step.wanted[0] {
            gradients[0] = Some(graph.matmul(step.d(), w)?);
        }
        if step.wanted[1] {
            let turned = graph.transpose_last(step.d())?;
            gradients[1] = Some(graph.matmul(turned, x)?);
        }
        if step.wanted[2] {
            gradients[2] = Some(graph.reduce_sum(step.d(), &[0])?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "gemm",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| {
                let shape = [emit.shape(args[0])[0], emit.shape(args[1])[0]];
                vec![emit.heavy("Gemm", args, &shape, vec![("transB", Attribute::Int(1))])]
            },
        }]
    }
}

impl Graph {
    /// Adds `x·wᵀ + b` of `x: [N, C]`, `w: [M, C]` and `b: [M]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when extents do not fit.
    pub fn linear(&mut self, x: Value, w: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Linear, &[x, w, b])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[3, 4], &[5, 4], &[5]], |graph, x| graph.linear(x[0], x[1], x[2]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/linear.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.linear(x[0], x[1], x[2])?]));
    }
}
