//! Sign.

use crate::onnx::elementwise::same;
use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y`: 1 where `x > 0`, −1 where `x < 0`, 0 at 0.
///
/// # Gradient
/// None flows: it is 0 wherever there is one.
#[derive(Clone, Debug)]
pub struct Sign;

impl Operator for Sign {
    const NAME: &'static str = "Sign";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        same(inputs)
    }

    fn gradient(&self, _: &mut Graph, _: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![None])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "sign",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.unary("Sign", args[0])],
        }]
    }
}

impl Graph {
    /// Adds the sign of `x`: 1, −1, or 0 at 0.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn sign(&mut self, x: Value) -> Result<Value, GraphError> {
        self.apply(Sign, &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::{Graph, TensorType, gradients};
    use crate::train::check;

    #[test]
    fn x_times_its_sign_has_the_gradient_of_its_absolute_value() {
        check::gradient_at(check::distinct(&[&[3, 4]]), |graph, x| {
            let sign = graph.sign(x[0])?;
            graph.mul(x[0], sign)
        });
    }

    #[test]
    fn no_gradient_flows() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[1]));
        let y = graph.sign(x).expect("any type");
        assert_eq!(gradients(&mut graph, y, &[x]).expect("a gradient of none"), [None]);
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/sign.json");
        check::reference(cases, |graph, _, x| {
            let sign = graph.sign(x[0])?;
            Ok(vec![graph.mul(x[0], sign)?])
        });
    }
}
