//! Elementwise comparison.

use crate::onnx::elementwise::elementwise;
use crate::onnx::{
    DType, Graph, GraphError, Lowering, Operator, Provider, TensorType, Value, always,
};

/// Says for each element whether `a` compares with `b` like this; extents of 1 are repeated.
///
/// No gradient: truth values have none, and [`super::Select`] asks for none.
#[derive(Clone, Debug)]
pub struct Compare {
    /// What is asked.
    pub comparison: Comparison,
}

/// What is asked of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `a < b`.
    Less,
    /// `a > b`.
    Greater,
    /// `a = b`.
    Equal,
}

impl Operator for Compare {
    const NAME: &'static str = "Compare";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let mut types = elementwise(inputs)?;
        types.iter_mut().for_each(|tensor| tensor.dtype = DType::Bool);
        Ok(types)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "compare",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| {
                let operator = match op.comparison {
                    Comparison::Less => "Less",
                    Comparison::Greater => "Greater",
                    Comparison::Equal => "Equal",
                };
                vec![emit.compare(operator, args[0], args[1])]
            },
        }]
    }
}

impl Graph {
    /// Adds `a < b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn less(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Compare { comparison: Comparison::Less }, &[a, b])
    }

    /// Adds `a > b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn greater(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Compare { comparison: Comparison::Greater }, &[a, b])
    }

    /// Adds `a = b`, extents of 1 repeated.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn equal(&mut self, a: Value, b: Value) -> Result<Value, GraphError> {
        self.apply(Compare { comparison: Comparison::Equal }, &[a, b])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    #[test]
    fn each_comparison_selects() {
        for comparison in [Comparison::Less, Comparison::Greater, Comparison::Equal] {
            check::gradient_at(check::distinct(&[&[2, 3], &[3]]), |graph, x| {
                let holds = graph.apply(Compare { comparison }, &[x[0], x[1]])?;
                let sum = graph.add(x[0], x[1])?;
                let double = graph.scale(sum, 2.0)?;
                graph.select(holds, double, sum)
            });
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/compare.json");
        check::reference(cases, |graph, case, x| {
            let comparison = match case.word("comparison") {
                "less" => Comparison::Less,
                "greater" => Comparison::Greater,
                _ => Comparison::Equal,
            };
            let holds = graph.apply(Compare { comparison }, &[x[0], x[1]])?;
            let triple = graph.scale(x[0], 3.0)?;
            Ok(vec![graph.select(holds, triple, x[1])?])
        });
    }
}
