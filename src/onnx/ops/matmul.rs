//! Product of matrices.

use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y = a · b` over the last two axes; further axes are a batch, the same in both inputs.
///
/// # Shapes
/// `a: [batch…, rows, inner]`, `b: [batch…, inner, columns]`, `y: [batch…, rows, columns]`.
///
/// # Gradient
/// `da = d · bᵀ`, `db = aᵀ · d`.
#[derive(Clone, Debug)]
pub struct MatMul;

impl Operator for MatMul {
    const NAME: &'static str = "MatMul";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [a, b] = inputs else { return Err("takes two inputs".to_owned()) };
        if a.rank() < 2 || a.rank() != b.rank() || a.dtype != b.dtype {
            return Err("both inputs need two axes or more, and one element type".to_owned());
        }
        let split = a.rank() - 2;
        if a.shape[..split] != b.shape[..split] || a.shape[split + 1] != b.shape[split] {
            return Err("batches or inner extents differ".to_owned());
        }
        let mut shape = a.shape.clone();
        shape[split + 1] = b.shape[split + 1];
        Ok(vec![a.with_shape(&shape)])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let (a, b) = (step.inputs[0], step.inputs[1]);
        let mut gradients = vec![None, None];
        if step.wanted[0] {
            let turned = graph.transpose_last(b)?;
            gradients[0] = Some(graph.matmul(step.d(), turned)?);
        }
        if step.wanted[1] {
            let turned = graph.transpose_last(a)?;
            gradients[1] = Some(graph.matmul(turned, step.d())?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "matmul",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.matmul(args[0], args[1])],
        }]
    }
}

impl Graph {
    /// Adds the product of matrices in the last two axes.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when extents do not fit.
    pub fn matmul(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(MatMul, &[a, b])
    }

    /// Adds an exchange of the last two axes.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there are fewer than two axes.
    pub fn transpose_last(&mut self, x: Value) -> Result<Value, GraphError> {
        let mut order: Vec<usize> = (0..self.tensor(x).rank()).collect();
        let rank = order.len();
        if rank >= 2 {
            order.swap(rank - 2, rank - 1);
        }
        self.transpose(x, &order)
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3], &[3, 4]], |graph, x| graph.matmul(x[0], x[1]));
        check::gradient(&[&[5, 2, 3], &[5, 3, 4]], |graph, x| graph.matmul(x[0], x[1]));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/matmul.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.matmul(x[0], x[1])?]));
    }
}
