//! Tensors joined along an axis.

use crate::onnx::{
    Arg, Emit, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// The inputs one after the other along an axis.
///
/// # Gradient
/// Each input has its part of `d` ([`super::Slice`]).
#[derive(Clone, Debug)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

/// Inputs that CUDA joins in one kernel; of more, it copies a map from the host.
const CUDA_INPUTS: usize = 32;

impl Operator for Concat {
    const NAME: &'static str = "Concat";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [first, rest @ ..] = inputs else { return Err("takes one input or more".to_owned()) };
        if self.axis >= first.rank() {
            return Err(format!("has no axis {}", self.axis));
        }
        let mut joined = (*first).clone();
        for part in rest {
            let mut expected = part.shape.clone();
            match expected.get_mut(self.axis) {
                Some(extent) => *extent = first.shape[self.axis],
                None => return Err(format!("has no axis {}", self.axis)),
            }
            if first.with_shape(&expected) != **first || part.dtype != first.dtype {
                return Err(format!("types differ elsewhere than along axis {}", self.axis));
            }
            joined.shape[self.axis] += part.shape[self.axis];
        }
        Ok(vec![joined])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let mut gradients = Vec::new();
        let mut start = 0;
        for (&input, &wanted) in step.inputs.iter().zip(&step.wanted) {
            let end = start + graph.shape(input)[self.axis];
            gradients.push(match wanted {
                true => Some(graph.slice(step.d(), self.axis, start..end)?),
                false => None,
            });
            start = end;
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "tree",
                providers: &[Provider::Cuda],
                applies: |_, inputs| inputs.len() > CUDA_INPUTS,
                emit: |op, emit, args| vec![tree(op, emit, args)],
            },
            Lowering {
                name: "concat",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| vec![emit.concat(args, op.axis)],
            },
        ]
    }
}

/// Joins groups, and then these, until one is left.
fn tree(op: &Concat, emit: &mut Emit, args: &[Arg]) -> Arg {
    let mut parts = args.to_vec();
    while parts.len() > 1 {
        parts = parts.chunks(CUDA_INPUTS).map(|group| emit.concat(group, op.axis)).collect();
    }
    parts[0]
}

impl Graph {
    /// Adds `parts` joined along an axis, in their order.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there are none, or they differ elsewhere.
    pub fn concat(&mut self, parts: &[Value], axis: usize) -> Result<Value, GraphError> {
        self.apply(Concat { axis }, parts)
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 2], &[2, 1, 2], &[2, 2, 2]], |graph, x| graph.concat(x, 1));
    }

    #[test]
    fn many_inputs() {
        let shapes = vec![&[1_usize, 2][..]; 33];
        check::gradient(&shapes, |graph, x| graph.concat(x, 0));
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/concat.json");
        check::reference(cases, |graph, case, x| Ok(vec![graph.concat(x, case.whole("axis"))?]));
    }
}
