//! Norms of the tensors that lie one after the other in a flat vector.

use crate::onnx::{
    Arg, Attribute, DType, Emit, Graph, GraphError, Keep, Lowering, Operator, Provider, TensorType,
    Value, always,
};

/// The norm of each tensor of a flat vector, times a scale.
///
/// # Shapes
/// `x: [R, 64]`, where each row belongs to one tensor; `scale: []`; result `[T]`.
///
/// No gradient: it measures gradients.
#[derive(Clone, Debug)]
pub struct SegmentNorms {
    /// Tensor of each row, below [`SegmentNorms::count`]; rows of zeros may be of any.
    pub tensor_of_row: Vec<usize>,
    /// `T`, the number of tensors.
    pub count: usize,
}

impl Operator for SegmentNorms {
    const NAME: &'static str = "SegmentNorms";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, scale] = inputs else { return Err("takes two inputs".to_owned()) };
        if x.rank() != 2 || x.shape[0] != self.tensor_of_row.len() || scale.rank() != 0 {
            return Err("takes rows, one for each tensor number, and a scalar".to_owned());
        }
        if self.tensor_of_row.iter().any(|&tensor| tensor >= self.count) {
            return Err(format!("has {} tensors only", self.count));
        }
        Ok(vec![x.with_shape(&[self.count])])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "scatter",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![scatter(op, emit, args[0], args[1])],
        }]
    }
}

fn scatter(op: &SegmentNorms, emit: &mut Emit, x: Arg, scale: Arg) -> Arg {
    let squares = emit.mul(x, x);
    let rows = emit.reduce_sum(squares, &[1], Keep::No);
    let zeros = emit.floats(&[op.count], &vec![0.0; op.count]);
    let numbers = op.tensor_of_row.iter().flat_map(|&t| (t as i64).to_le_bytes()).collect();
    let tensor = TensorType { dtype: DType::I64, shape: vec![op.tensor_of_row.len()] };
    let numbers = emit.constant(tensor, numbers);
    let attributes =
        vec![("axis", Attribute::Int(0)), ("reduction", Attribute::Text("add".to_owned()))];
    let sums = emit.op("ScatterElements", &[zeros, numbers, rows], &[op.count], attributes);
    let norms = emit.unary("Sqrt", sums);
    emit.mul(norms, scale)
}

impl Graph {
    /// Adds the norms of the tensors in a flat vector, times a scale.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn segment_norms(
        &mut self,
        operator: SegmentNorms,
        x: Value,
        scale: Value,
    ) -> Result<Value, GraphError> {
        self.apply(operator, &[x, scale])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Encoding, encode};
    use crate::train::{check, session::Tensor};

    #[test]
    fn each_tensor_has_the_norm_of_its_rows() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[5, 64]));
        let scale = graph.input("scale", TensorType::f32(&[]));
        let operator = SegmentNorms { tensor_of_row: vec![0, 0, 1, 2, 2], count: 3 };
        let norms = graph.segment_norms(operator, x, scale).expect("shapes that fit");
        graph.output("norms", norms);
        let elements = check::random(5 * 64, 1);
        let norm = |rows: std::ops::Range<usize>| {
            let part = &elements[rows.start * 64..rows.end * 64];
            0.5 * part.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
        };
        let expected = [norm(0..2), norm(2..3), norm(3..5)];
        for provider in [Provider::Cpu, Provider::Cuda] {
            let model = encode(&graph, &Encoding::plain(provider)).expect("a model");
            let x = Tensor { shape: vec![5, 64], elements: elements.clone() };
            let scale = Tensor { shape: vec![], elements: vec![0.5] };
            let inputs = [("x".to_owned(), x), ("scale".to_owned(), scale)];
            let Some(outputs) = check::run(&model, &inputs) else { return };
            for (found, expected) in outputs["norms"].elements.iter().zip(expected) {
                assert!((f64::from(*found) / expected - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/segment_norms.json");
        check::reference(cases, |graph, case, x| {
            let tensor_of_row: Vec<usize> = case.list("tensor_of_row");
            Ok(vec![graph.segment_norms(SegmentNorms { tensor_of_row, count: 3 }, x[0], x[1])?])
        });
    }
}
